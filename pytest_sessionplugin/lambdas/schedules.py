"""Scheduled functions: run at their moments by a Timer in real time, or by a Rota on a clock that a test moves."""

from __future__ import annotations

import math
import re
import threading
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.lambdas.cron import Cron, InvalidCron

GRACE = 1.0  # seconds for calls under way when a Timer ends
MARGIN = 0.05  # seconds after the full minute at which a Timer looks, lest it wake up before it

_UNITS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}

RunScheduled = Callable[[str, Mapping[str, Any]], object]
"""Gets the name of a function and the event of its rule."""


@dataclass(frozen=True)
class Schedule:
    """A function that runs at a rate, each so many seconds, or at the moments of a cron expression."""

    function: str
    when: float | Cron

    @classmethod
    def of(cls, function: str, expression: Any) -> Schedule:
        """Reads `rate(5 minutes)` or `cron(0 3 * * ? *)`. Raises SessionPluginError for what EventBridge refuses."""
        if not isinstance(expression, str):
            raise _refused(function, expression, "it is a text, or Chalice's Rate or Cron")
        text = expression.strip()
        if match := re.fullmatch(r"rate\(([0-9]{1,9}) (minute|hour|day)(s?)\)", text, re.IGNORECASE):
            number, unit, plural = int(match[1]), match[2].lower(), bool(match[3])
            if number == 0 or plural != (number > 1):
                right = f"rate({number} {unit}{'s' * (number > 1)})" if number else "a number from 1"
                raise _refused(function, expression, f"it must be {right}")
            return cls(function, number * _UNITS[unit])
        if text.lower().startswith("rate("):
            raise _refused(function, expression, "a rate is a number of minutes, hours or days: Rate(5, Rate.MINUTES)")
        if not text.lower().startswith("cron("):
            raise _refused(function, expression, "it begins with rate( or cron(: Chalice's Rate and Cron make both")
        try:
            return cls(function, Cron(text))
        except InvalidCron as error:
            raise _refused(function, expression, str(error)) from error

    def first(self, began: float, now: float) -> float:
        """The first moment after `now`; a rate counts from `began`. Infinite if there is none."""
        if isinstance(self.when, Cron):
            return self.next(now)
        return began + ((now - began) // self.when + 1) * self.when

    def next(self, moment: float) -> float:
        """The moment after another one of its moments."""
        if not isinstance(self.when, Cron):
            return moment + self.when
        found = self.when.after(moment)
        return math.inf if found is None else found


def _refused(function: str, expression: Any, why: str) -> SessionPluginError:
    return SessionPluginError(f"the schedule of {function}, {expression!r}, cannot be deployed: {why}.")


class Timer:
    """Calls `run` at the moments of each schedule while its block lasts; at a rate, the first time after one period.

    An exception of `run` does not end a schedule. At the end, calls under way have a second to finish.
    """

    def __init__(
        self,
        schedules: Sequence[Schedule],
        run: RunScheduled,
        region: str,
        clock: Callable[[], float] = time.time,
        *,
        prefix: str = "",
    ) -> None:
        """`prefix` begins the names of the rules: the name of the app and its stage."""
        self._run = run
        self._prefix = prefix
        self._schedules = schedules
        self._region = region
        self._clock = clock
        self._over: dict[Schedule, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Timer:
        self.redeploy(self._schedules)
        return self

    def __exit__(self, *_: object) -> None:
        for over in self._over.values():
            over.set()
        for thread in self._threads:
            thread.join(GRACE)

    def redeploy(self, schedules: Collection[Schedule]) -> None:
        """Replaces the schedules, within the block and from one thread.

        An unchanged schedule goes on counting: with a save every minute it would never run otherwise.
        """
        for schedule in self._over.keys() - set(schedules):
            self._over.pop(schedule).set()
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for schedule in schedules:
            if schedule not in self._over:
                over = self._over[schedule] = threading.Event()
                name, arguments = schedule.function, (schedule, over)
                self._threads.append(threading.Thread(target=self._repeat, args=arguments, name=name, daemon=True))
                self._threads[-1].start()

    def _repeat(self, schedule: Schedule, over: threading.Event) -> None:
        while self._comes(schedule.when, over):
            now = datetime.fromtimestamp(self._clock(), UTC)
            try:
                self._run(schedule.function, scheduled_event(schedule.function, self._region, now, self._prefix))
            except Exception:  # noqa: BLE001, S112 - the next run may succeed
                continue

    def _comes(self, when: float | Cron, over: threading.Event) -> bool:
        """Waits for the next moment; False if the schedule is over before.

        It looks each minute, since the clock may be moved: a cron expression's moments on the way are not made up for.
        """
        if not isinstance(when, Cron):
            return not over.wait(when)
        while True:
            now = self._clock()
            minute = (now // 60 + 1) * 60
            if over.wait(minute - now + MARGIN):
                return False
            if when.after(minute - 1) == minute and self._clock() < minute + 60:
                return True


class Rota:
    """An agenda for a clock that a test moves: every moment from now on. Rates are counted in periods from `began`.

    `run` gets the name and the event of a function. Its exceptions leave tick(), and the moment counts as done.
    """

    def __init__(
        self,
        schedules: Sequence[Schedule],
        run: RunScheduled,
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
        now = clock()
        self._next = {one: one.first(began.timestamp(), now) for one in schedules}

    def due(self) -> float | None:
        return min(self._next.values(), default=None)

    def tick(self) -> None:
        now = self._clock()
        for schedule, moment in self._next.items():
            if moment <= now:
                self._next[schedule] = schedule.next(moment)
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
