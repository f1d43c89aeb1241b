"""Events that a function failed on and that Lambda gives it again: an agenda, for whatever moves time. Runs nothing.

Source: "How Lambda handles errors and retries with asynchronous invocation" in the Lambda developer guide.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WAITS = (60.0, 120.0)
"""Seconds before the second and the third attempt; there is no fourth."""


@dataclass(frozen=True)
class Retry:
    """One that waits."""

    function: str  # its name in the app; in front of it, the prefix of another app
    event: Any = field(repr=False)
    request_id: str  # the same in each attempt
    attempt: int  # that is to come: 2 or 3
    due: float  # seconds since the epoch


class Retries:
    """Those of all apps of a test. Thread-safe. `run` queues a function again, and returns at once."""

    def __init__(self, run: Callable[[Retry], None], clock: Callable[[], float] = time.time) -> None:
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[Retry] = []

    @property
    def waiting(self) -> tuple[Retry, ...]:
        """Those that are not due yet, or that nobody has looked for, the first first."""
        with self._lock:
            return tuple(sorted(self._waiting, key=lambda retry: retry.due))

    def after(self, function: str, event: Any, request_id: str, attempt: int) -> Retry | None:
        """An attempt, the first is 1, has failed; None if it was the last one."""
        if attempt > len(WAITS):
            return None
        retry = Retry(function, event, request_id, attempt + 1, self._clock() + WAITS[attempt - 1])
        with self._lock:
            self._waiting.append(retry)
        return retry

    def due(self) -> float | None:
        with self._lock:
            return min((retry.due for retry in self._waiting), default=None)

    def tick(self) -> None:
        now = self._clock()
        with self._lock:
            ready = sorted((retry for retry in self._waiting if retry.due <= now), key=lambda retry: retry.due)
            self._waiting = [retry for retry in self._waiting if retry.due > now]
        for retry in ready:
            self._run(retry)


class Beat:
    """Does what falls due in real time, as long as it is in its block."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="lambda-retries", daemon=True)

    def __enter__(self) -> Beat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _repeat(self) -> None:
        while not self._over.wait(1.0):
            self._retries.tick()
