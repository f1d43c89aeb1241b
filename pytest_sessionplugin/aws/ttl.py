"""Time to live: what DynamoDB removes by itself, and when. Knows no emulator.

Source: "Using time to live (TTL) in DynamoDB" in the developer guide. Expired rows are removed within a few days and
can be read until then; the attribute is a top-level Number of seconds since the epoch; a time more than five years ago
is taken for a mistake.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Protocol

LAG = timedelta(hours=48)
FIVE_YEARS = timedelta(days=5 * 365)


class Rows(Protocol):
    """The rows, of all tables with TTL, that have a number in its attribute."""

    def ends(self) -> Iterable[float]:
        """Those numbers."""

    def remove(self, ended: Callable[[float], bool]) -> None:
        """Removes the rows of whose number it is true, at once for all of them."""


class TimeToLive:
    """An agenda for a clock: removes a row when `lag` has passed since its end."""

    def __init__(self, rows: Rows, lag: timedelta = LAG, clock: Callable[[], float] = time.time) -> None:
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
        return self._clock() - FIVE_YEARS.total_seconds()
