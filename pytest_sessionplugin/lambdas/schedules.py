"""Runs functions at their rates: a Timer in real time, a Rota when it is told. Knows neither Chalice nor a gateway."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pytest_sessionplugin.gateway.values import Invoke, RunFunction

FAREWELL = 1.0  # seconds


@dataclass(frozen=True)
class Schedule:
    """A function that runs by itself."""

    function: str
    seconds: float


class Timer:
    """Runs each function for the first time after one period, as long as it is in its block.

    What a handler raises ends nothing; showing it is for `functions`. At the end of the block runs under way
    have a second to finish.
    """

    def __init__(
        self,
        schedules: Sequence[Schedule],
        functions: RunFunction,
        region: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        prefix: str = "",
    ) -> None:
        """`prefix` is that of the rules' names: the app's own and its stage."""
        self._functions = functions
        self._prefix = prefix
        self._schedules = schedules
        self._region = region
        self._now = now
        self._over: dict[Schedule, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Timer:
        self.redeploy(self._schedules, self._functions)
        return self

    def __exit__(self, *_: object) -> None:
        for over in self._over.values():
            over.set()
        for thread in self._threads:
            thread.join(FAREWELL)

    def redeploy(self, schedules: Collection[Schedule], functions: RunFunction) -> None:
        """In its block, from one thread: these schedules from now on, with these functions.

        One that stays goes on counting, else whoever saves once a minute would never see it run. What runs ends on the
        functions that it began with.
        """
        for schedule in self._over.keys() - set(schedules):
            self._over.pop(schedule).set()
        self._functions = functions  # after that: see _repeat
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for schedule in schedules:
            if schedule not in self._over:
                over = self._over[schedule] = threading.Event()
                name, arguments = schedule.function, (schedule, over)
                self._threads.append(threading.Thread(target=self._repeat, args=arguments, name=name, daemon=True))
                self._threads[-1].start()

    def _repeat(self, schedule: Schedule, over: threading.Event) -> None:
        while not over.wait(schedule.seconds):
            functions = self._functions
            if over.is_set():  # and these may not have it any more
                return
            event = scheduled_event(schedule.function, self._region, self._now(), self._prefix)
            try:
                functions(Invoke(str(uuid.uuid4()), schedule.function, event))
            except Exception:  # noqa: BLE001, S112 - the next run is another one
                continue


class Rota:
    """An agenda for a clock that somebody moves: every moment from now on, counted in periods from `began`.

    `run` takes a function's name and its event; what it raises leaves tick(), and that moment is over.
    """

    def __init__(
        self,
        schedules: Sequence[Schedule],
        run: Callable[[str, Mapping[str, Any]], Any],
        region: str,
        began: datetime,
        clock: Callable[[], float] = time.time,
        *,
        prefix: str = "",
    ) -> None:
        self._run = run
        self._prefix = prefix
        self._region = region
        self._clock = clock
        start = began.timestamp()
        passed = clock() - start
        self._next = {one: start + (passed // one.seconds + 1) * one.seconds for one in schedules}

    def due(self) -> float | None:
        return min(self._next.values(), default=None)

    def tick(self) -> None:
        now = self._clock()
        for schedule, moment in self._next.items():
            if moment <= now:
                self._next[schedule] = moment + schedule.seconds
                at = datetime.fromtimestamp(moment, UTC)
                self._run(schedule.function, scheduled_event(schedule.function, self._region, at, self._prefix))


def usual_events(scheduled: Collection[str], region: str, prefix: str = "") -> Callable[[str], Mapping[str, Any]]:
    """What a function is given that somebody runs by hand: if it has a schedule, the event of its rule, now."""

    def usual_event(function: str) -> Mapping[str, Any]:
        if function not in scheduled:
            return {}
        return scheduled_event(function, region, datetime.now(UTC), prefix)

    return usual_event


def scheduled_event(function: str, region: str, now: datetime, prefix: str = "") -> dict[str, Any]:
    """What EventBridge sends a rule's target (EventBridge user guide, "Scheduled events")."""
    rule = f"{prefix}-{function}-event" if prefix else f"{function}-event"
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:events:{region}:123456789012:rule/{rule}"],
        "detail": {},
    }
