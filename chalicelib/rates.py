"""How fast frames and messages may come: a bucket that is one instant, the time when it is full again.

A row keeps that time (`tat`, theoretical arrival time, of the generic cell rate algorithm). Each frame moves it on by
its cost; its distance from now is the verdict. https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

BURST: Final = timedelta(seconds=2)  # how much may come at once, as time at the rate
FAR: Final = timedelta(seconds=6)  # beyond it, a connection is closed


class Verdict(Enum):
    DONE = "done"
    REFUSED = "refused"  # comes too fast
    CLOSED = "closed"  # comes far too fast


@dataclass(frozen=True)
class Rate:
    """So many a second on average, and those of two seconds at once. 0 refuses nothing."""

    per_second: int

    @property
    def cost(self) -> timedelta:
        """How far one moves the time on. Rounded down, so that two seconds hold all of theirs."""
        return timedelta(microseconds=1_000_000 // self.per_second) if self.per_second else timedelta()

    def moved(self, tat: datetime | None, now: datetime) -> datetime:
        """The time after one more."""
        return (now if tat is None else max(tat, now)) + self.cost

    def verdict(self, tat: datetime, now: datetime) -> Verdict:
        """The verdict on the one that moved the time on to `tat`."""
        if not self.per_second or tat - now <= BURST:
            return Verdict.DONE
        return Verdict.REFUSED if tat - now <= FAR else Verdict.CLOSED

    def wait(self, tat: datetime, now: datetime) -> timedelta:
        """How long until another may come."""
        return max(tat + self.cost - now - BURST, timedelta())


UNLIMITED: Final = Rate(0)


@dataclass(frozen=True)
class Limits:
    """Rates of the frames of a connection and of the messages of a session, and the most connections of a subject in a
    session; 0 refuses nothing."""

    frames: Rate = Rate(10)
    publishes: Rate = Rate(50)
    per_subject: int = 20
