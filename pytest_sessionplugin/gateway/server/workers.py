"""A pool of threads that run handlers. It grows with the number of handlers that run at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from pytest_sessionplugin.gateway.values import HANDLER_THREAD

_Task = TypeVar("_Task")

MAX_THREADS = 1_000
"""The default concurrency of all functions of an AWS account."""


class Workers(Generic[_Task]):
    """Thread-safe. The threads are daemons: a handler that never ends does not keep the process alive."""

    def __init__(self, run: Callable[[_Task], None], limit: int = MAX_THREADS) -> None:
        self._run, self._limit = run, limit
        self._jobs: SimpleQueue[_Task | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._free = 0  # idle threads minus queued jobs
        self._stopped = False

    def submit(self, job: _Task) -> None:
        """Runs a job at once in a thread of its own, or as soon as one of `limit` threads is idle."""
        with self._lock:
            if self._stopped:
                return
            self._free -= 1
            if self._free < 0 and len(self._threads) < self._limit:
                self._free += 1
                thread = threading.Thread(target=self._work, name=HANDLER_THREAD, daemon=True)
                self._threads.append(thread)
            else:
                thread = None
            self._jobs.put(job)
        if thread is not None:
            thread.start()

    @property
    def threads(self) -> int:
        """The number of threads, busy or idle."""
        return len(self._threads)

    def stop(self, seconds: float) -> None:
        """Ends each thread after its job, and waits that many seconds for all of them."""
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
