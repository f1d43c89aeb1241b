"""Wall-clock time that goes on by itself, ahead of the machine's. Knows no app, and leaves monotonic time alone."""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from time_machine import Traveller


class MovedTime:
    """A clock, in seconds since the epoch. From `with` to its end it can be moved.

    With time-machine the time of the whole process moves with it; without, only who asks here sees it.
    """

    def __init__(self) -> None:
        self.ahead = 0.0  # of the machine's, in seconds
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
        """Forwards only: less than nothing is nothing."""
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
