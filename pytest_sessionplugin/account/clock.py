"""Wall-clock time that a test stops and moves from deadline to deadline, and that `serve` moves ahead.

Monotonic time stays real, so real waits go on; only PyJWT's is moved along.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

from pytest_sessionplugin.aws.dynamodb.ttl import LAG
from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.tokens import cooldown

if TYPE_CHECKING:
    from time_machine import Traveller


SECOND = timedelta(seconds=1)


class Agenda(Protocol):
    """Work that is due at certain times, by the wall clock."""

    def due(self) -> float | None:
        """When tick() next has something to do, in seconds since the epoch."""

    def tick(self) -> None:
        """Does the work that is due."""


class Clock:
    """Within its block, time stands still on a whole second, and moves only by `advance` and `move_to`.

    `agendas` gives the agendas whose deadlines time stops at; its argument says whether to include scheduled functions.
    `settle` returns when all work that a deadline set off is done; time moves on only then.
    """

    def __init__(self, agendas: Callable[[bool], Sequence[Agenda]], settle: Callable[[], None]) -> None:
        self._agendas = agendas
        self._settle = settle
        self._ttl_lag = LAG
        self._travel: Any = None
        self._traveller: Traveller

    def __enter__(self) -> Clock:
        try:
            import time_machine
        except ImportError as error:
            raise SessionPluginError(
                "moving time needs time-machine: pip install 'pytest-sessionplugin[clock]'"
            ) from error
        # Rounded up, so that time never goes back. A number, since a datetime would bring its time zone along.
        start = math.ceil(time.time())
        self._travel = time_machine.travel(start, tick=False)
        self._traveller = self._travel.start()
        self.began = self._now = datetime.fromtimestamp(start, UTC)
        return self

    def __exit__(self, *_: object) -> None:
        self._travel.stop()

    @property
    def now(self) -> datetime:
        """In UTC."""
        return self._now

    @property
    def ttl_lag(self) -> timedelta:
        """How long DynamoDB keeps a row after its TTL has passed; two days unless a test sets it."""
        return self._ttl_lag

    @ttl_lag.setter
    def ttl_lag(self, lag: timedelta) -> None:
        if not isinstance(lag, timedelta) or lag < timedelta():
            raise SessionPluginError(f"chalice_clock.ttl_lag = {lag!r}: it must be a timedelta that is not negative.")
        self._ttl_lag = lag

    def advance(self, by: timedelta = timedelta(), /, *, schedules: bool = False, **duration: float) -> None:
        """Moves time: `advance(minutes=10)` takes the keywords of timedelta, or a timedelta. Deadlines on the way are
        met at their own time: the gateway's timeouts, retries, TTL and, with `schedules`, functions that have one.
        """
        asked = ", ".join([*([] if by == timedelta() else [repr(by)]), *(f"{k}={v!r}" for k, v in duration.items())])
        try:
            by = timedelta(**duration) + by
        except TypeError:
            raise SessionPluginError(
                f"chalice_clock.advance({asked}): it takes what timedelta takes, as minutes=10, or a timedelta."
            ) from None
        if by <= timedelta():
            raise SessionPluginError(
                f"chalice_clock.advance({asked}): time only moves forwards, so it must be more than 0."
            )
        self._go_to(self._now + by, self._agendas(schedules))

    def move_to(self, moment: datetime, /, *, schedules: bool = False) -> None:
        """Like `advance`, to a datetime with a time zone."""
        if not isinstance(moment, datetime):
            raise SessionPluginError(
                f"chalice_clock.move_to({moment!r}): it must be a datetime; a duration is `advance`d."
            )
        if moment.tzinfo is None:
            raise SessionPluginError(
                f"chalice_clock.move_to({moment!r}): it has no time zone; give it one, as timezone.utc."
            )
        if moment <= self._now:
            raise SessionPluginError(
                f"chalice_clock.move_to({moment!r}): time only moves forwards, and it is {self._now}."
            )
        self._go_to(moment.astimezone(UTC), self._agendas(schedules))

    def _go_to(self, target: datetime, agendas: Sequence[Agenda]) -> None:
        self._settle()
        walk(
            agendas,
            until=target.timestamp(),
            now=lambda: self._now.timestamp(),
            go_to=lambda due: self._set(max(self._now, _first_moment(due))),
            settle=self._settle,
        )
        self._set(max(self._now, target))  # the work may have moved time itself: a handler that takes long

    def _set(self, moment: datetime) -> None:
        seconds, rest = divmod(moment - self._now, SECOND)
        self._traveller.shift(seconds)
        # Versions before 3.4 would cut off a nanosecond here and there.
        self._traveller.shift(rest.microseconds / 1e6 + 2e-10)
        cooldown.pass_by((moment - self._now).total_seconds())
        self._now = moment
        if time.time() != moment.timestamp():
            raise SessionPluginError(
                "chalice_clock cannot move time, as something else holds it: use it without another travel "
                "of time-machine or freezegun inside."
            )


def walk(
    agendas: Sequence[Agenda],
    *,
    until: float,
    now: Callable[[], float],
    go_to: Callable[[float], None],
    settle: Callable[[], None],
) -> None:
    """Goes from deadline to deadline, does the work of each at its own time, and calls `settle` after it."""
    while (due := _next(agendas)) is not None and due <= until:
        go_to(due)
        for agenda in agendas:
            if (its := agenda.due()) is not None and its <= now():
                agenda.tick()
                settle()


def _next(agendas: Sequence[Agenda]) -> float | None:
    return min((due for agenda in agendas if (due := agenda.due()) is not None), default=None)


def _first_moment(due: float) -> datetime:
    """The first moment, in whole microseconds, at which it is due."""
    moment = datetime.fromtimestamp(due, UTC)
    return moment if moment.timestamp() >= due else moment + timedelta(microseconds=1)


class MovedTime:
    """A clock, in seconds since the epoch, that can be moved within its block.

    With time-machine, the time of the whole process moves with it; without, only callers of this clock see it move.
    """

    def __init__(self) -> None:
        self.ahead = 0.0  # seconds ahead of the machine's time
        self.for_all = find_spec("time_machine") is not None
        self._travel: Any = None
        self._traveller: Traveller | None = None

    def __call__(self) -> float:
        return time.time() if self.for_all else time.time() + self.ahead

    def __enter__(self) -> MovedTime:
        return self

    def __exit__(self, *_: object) -> None:
        if self._travel is not None:
            self._travel.stop()
            self._travel = self._traveller = None
        self.ahead = 0.0

    def move(self, seconds: float) -> None:
        """Moves forwards; a negative number does nothing."""
        if seconds <= 0:
            return
        if self.for_all:
            self._shift(seconds)
        self.ahead += seconds

    def _shift(self, seconds: float) -> None:
        if self._traveller is None:
            import time_machine

            self._travel = time_machine.travel(time.time(), tick=True)
            self._traveller = self._travel.start()
        self._traveller.shift(seconds)
