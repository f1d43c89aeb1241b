"""Time to live: DynamoDB removes an item some time after the second that its TTL attribute names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Protocol

LAG = timedelta(hours=48)
FIVE_YEARS = timedelta(days=5 * 365)


class Expiring(Protocol):
    """The rows that have a number in the TTL attribute of their table."""

    def ends(self) -> Iterable[float]:
        """The numbers: seconds since the epoch."""

    def remove(self, ended: Callable[[float], bool]) -> None:
        """Removes, at once, all rows whose number satisfies `ended`."""


class TimeToLive:
    """An agenda for a clock: removes a row when `lag` has passed since its end."""

    def __init__(self, rows: Expiring, lag: timedelta = LAG, clock: Callable[[], float] = time.time) -> None:
        self._rows = rows
        self._lag = lag.total_seconds()
        self._clock = clock

    def due(self) -> float | None:
        oldest = self._oldest()
        return min((end + self._lag for end in self._rows.ends() if end >= oldest), default=None)

    def tick(self) -> None:
        oldest, now = self._oldest(), self._clock()
        self._rows.remove(lambda end: oldest <= end and end + self._lag <= now)

    def _oldest(self) -> float:
        """DynamoDB does not remove rows that ended before this time."""
        return self._clock() - FIVE_YEARS.total_seconds()
