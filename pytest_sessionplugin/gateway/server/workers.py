"""Threads that run handlers: as many as are busy at once, kept for the next.

They know nothing of a gateway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

_Job = TypeVar("_Job")

NAME = "gateway-handler"
"""Of each thread."""

MAX_THREADS = 1_000
"""The concurrency that an AWS account has for all its functions, unless it asks for more."""


class Workers(Generic[_Job]):
    """Thread-safe. The threads are daemons: a handler that never ends does not keep the process alive."""

    def __init__(self, run: Callable[[_Job], None], limit: int = MAX_THREADS) -> None:
        self._run, self._limit = run, limit
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._free = 0  # threads that wait, less the jobs that are queued
        self._stopped = False

    def submit(self, job: _Job) -> None:
        """Runs a job at once in a thread of its own, or as soon as one of the `limit` threads is free."""
        with self._lock:
            if self._stopped:
                return
            self._free -= 1
            if self._free < 0 and len(self._threads) < self._limit:
                self._free += 1
                thread = threading.Thread(target=self._work, name=NAME, daemon=True)
                self._threads.append(thread)
            else:
                thread = None
            self._jobs.put(job)
        if thread is not None:
            thread.start()

    @property
    def threads(self) -> int:
        """How many there are, busy or free."""
        return len(self._threads)

    def stop(self, seconds: float) -> None:
        """Lets each thread end after its job, and waits so many seconds for all of them."""
        with self._lock:
            self._stopped = True
            threads = list(self._threads)
        for _ in threads:
            self._jobs.put(None)
        deadline = time.monotonic() + seconds
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._run(job)
            with self._lock:
                self._free += 1
