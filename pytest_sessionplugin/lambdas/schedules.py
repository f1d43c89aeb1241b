"""Scheduled functions: run at their rates by a Timer in real time, or by a Rota on a clock that a test moves."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.gateway.values import Invoke, RunFunction

GRACE = 1.0  # seconds for runs under way when a Timer ends


@dataclass(frozen=True)
class Schedule:
    """A function that runs at a rate."""

    function: str
    seconds: float


class Timer:
    """Runs each function at its rate while its block lasts, the first time after one period.

    An exception does not end a schedule; `functions` reports it. At the end, runs under way have a second to finish.
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
        """`prefix` begins the names of the rules: the name of the app and its stage."""
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
            thread.join(GRACE)

    def redeploy(self, schedules: Collection[Schedule], functions: RunFunction) -> None:
        """Replaces schedules and functions, within the block and from one thread.

        An unchanged schedule goes on counting: with a save every minute it would never run otherwise. Runs under way
        finish on the old functions.
        """
        for schedule in self._over.keys() - set(schedules):
            self._over.pop(schedule).set()
        self._functions = functions  # after the old schedules have ended: see _repeat
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
            if over.is_set():  # the new functions may lack this one
                return
            event = scheduled_event(schedule.function, self._region, self._now(), self._prefix)
            try:
                functions(Invoke(str(uuid.uuid4()), schedule.function, event))
            except Exception:  # noqa: BLE001, S112 - the next run may succeed
                continue


class Rota:
    """An agenda for a clock that a test moves: every moment from now on, counted in periods from `began`.

    `run` gets the name and the event of a function. Its exceptions leave tick(), and the moment counts as done.
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


def usual_events(
    scheduled: Collection[str], region: str, prefix: str = "", others: Mapping[str, str] | None = None
) -> Callable[[str], Mapping[str, Any]]:
    """The event for a function invoked by hand: with a schedule that of its rule, now; else an empty one.

    `others` has a sentence for each function that cannot take an empty one, which is raised as a SessionPluginError.
    """

    def usual_event(function: str) -> Mapping[str, Any]:
        if others and function in others:
            raise SessionPluginError(f"{others[function]}; to invoke it here, pass one: invoke({function!r}, {{…}}).")
        if function not in scheduled:
            return {}
        return scheduled_event(function, region, datetime.now(UTC), prefix)

    return usual_event


def scheduled_event(function: str, region: str, now: datetime, prefix: str = "") -> dict[str, Any]:
    """The event that EventBridge sends to the target of a rule (EventBridge user guide, "Scheduled events")."""
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
