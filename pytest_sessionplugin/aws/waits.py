"""Waiting in an account: polls of a service until it has something, and sleeps of the SDK. Nothing waits under a lock.

A wait ends by the time of day or after as much real time, whichever is sooner: so it ends even if time stands still.
Source: "Amazon SQS short and long polling" in the developer guide.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_sessionplugin.aws import caller

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.wire import Answer


POLLS = frozenset({"ReceiveMessage", "PollForActivityTask", "PollForDecisionTask"})
"""Operations of SQS and SWF that may wait. An emulator may look into a queue in others, too, which do not."""

SLICE = 0.05  # seconds after which a wait looks at the time of day, which may have been moved
PATIENCE = 1.0  # seconds that a moved clock gives a thread to look again


class _Wait:
    """One thread that waits. Its owner holds a lock around each method."""

    def __init__(self, until: float, real_until: float, *, is_poll: bool) -> None:
        self.until, self.real_until, self.is_poll = until, real_until, is_poll  # by the clock; monotonic
        self.moment = math.inf  # by the clock: when it looks again by itself
        self.is_woken = False
        self._is_asleep = False

    @property
    def is_quiet(self) -> bool:
        """Whether it sleeps, or has ended."""
        return self._is_asleep and not self.is_woken

    def fall_asleep(self, due: float) -> None:
        self.moment, self._is_asleep = min(due, self.until), True

    def wake(self) -> None:
        self.is_woken = True

    def look(self) -> None:
        self._is_asleep = self.is_woken = False

    def end(self) -> None:
        self.moment, self._is_asleep, self.is_woken = math.inf, True, False


class Waits:
    """The waits of one account. Thread-safe.

    `stands` tells whether time stands still. A wait then takes no time in the thread that made this object, and in
    handlers, since nobody could move time meanwhile. In other threads it ends when time is moved.
    """

    def __init__(self, clock: Callable[[], float] = time.time, stands: Callable[[], bool] = lambda: False) -> None:
        self._clock, self._stands = clock, stands
        self._own = threading.get_ident()
        self._changed = threading.Condition()
        self._waiting: list[_Wait] = []
        self._is_closed = False

    def poll(self, empty: Answer, ask: Callable[[], Answer]) -> Answer:
        """Asks again, after an empty answer with a `wait`, when something has changed, until the wait is over."""
        answer = empty
        if empty.wait is None or self.take_no_time():
            return empty
        with self._begun(empty.wait.seconds, is_poll=True) as wait:
            while not self._is_closed and (answer := ask()).wait is not None and not self._is_over(wait):
                self._sleep(wait, math.inf if answer.wait.due is None else answer.wait.due)
        return answer

    def sleep(self, seconds: float) -> None:
        """In place of time.sleep."""
        if self.take_no_time():
            return
        with self._begun(seconds, is_poll=False) as wait:
            while not self._is_over(wait):
                self._sleep(wait)

    def wake(self) -> None:
        """Lets all polls ask again, after a call that may have given them something."""
        if self._waiting:
            with self._changed:
                for wait in self._waiting:
                    if wait.is_poll:
                        wait.wake()
                self._changed.notify_all()

    def close(self) -> None:
        """Ends all waits; later ones take no time."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def agenda(self) -> Deadlines:
        """An agenda of the waits that have begun."""
        with self._changed:
            return Deadlines(self._changed, self._clock, tuple(self._waiting))

    def take_no_time(self) -> bool:
        """Whether a wait of this thread would end at once."""
        if self._is_closed:
            return True
        return self._stands() and (threading.get_ident() == self._own or caller.current() is not None)

    @contextmanager
    def _begun(self, seconds: float, *, is_poll: bool) -> Iterator[_Wait]:
        wait = _Wait(self._clock() + seconds, time.monotonic() + seconds, is_poll=is_poll)
        with self._changed:
            self._waiting.append(wait)
        try:
            yield wait
        finally:
            with self._changed:
                self._waiting.remove(wait)
                wait.end()
                self._changed.notify_all()

    def _is_over(self, wait: _Wait) -> bool:
        return self._is_closed or self._clock() >= wait.until or time.monotonic() >= wait.real_until

    def _sleep(self, wait: _Wait, due: float = math.inf) -> None:
        """Until it is woken, over, or `due`."""
        with self._changed:
            wait.fall_asleep(due)
            self._changed.notify_all()
            while not (wait.is_woken or self._is_over(wait) or self._clock() >= wait.moment):
                left = min(wait.moment - self._clock(), wait.real_until - time.monotonic(), SLICE)
                self._changed.wait(max(left, 0.001))
            wait.look()


class Deadlines:
    """An agenda: wakes each of these waits at its time, and returns when it has looked, or has ended.

    A wait that takes too long for that is left out from then on.
    """

    def __init__(self, changed: threading.Condition, clock: Callable[[], float], waits: Collection[_Wait]) -> None:
        self._changed, self._clock, self._waits = changed, clock, waits

    def due(self) -> float | None:
        with self._changed:
            self._quieten()
            soonest = min((wait.moment for wait in self._waits), default=math.inf)
        return None if soonest == math.inf else soonest

    def tick(self) -> None:
        with self._changed:
            for wait in self._waits:
                if wait.moment <= self._clock():
                    wait.wake()
            self._changed.notify_all()
            self._quieten()

    def _quieten(self) -> None:
        """Waits for those that look at this moment. Call it under the lock."""
        self._changed.wait_for(lambda: all(wait.is_quiet for wait in self._waits), PATIENCE)
        self._waits = [wait for wait in self._waits if wait.is_quiet]
