"""Who turns the event loop: one of two threads, which runs short jobs itself between two turns.

A job in the thread of the loop wakes nobody, which is what most of a short one costs. If a job turns out long, the
other thread takes the loop over, and the first finishes its job beside it. It knows nothing of a gateway.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from .workers import NAME

_Job = TypeVar("_Job")

MOMENT = 0.002
"""Seconds between two looks of the other thread: a job that is met twice is long."""

PENALTY = 1.0
"""Seconds for which jobs of the kind that was long are run elsewhere."""

AWAKE = 100  # looks in a row that find no job, before the other thread waits to be called


class Helm(Generic[_Job]):
    """Thread-safe. No loop is running in the thread while a job is, so the job may run one of its own.

    `run` runs a job. `returned` is called at the helm after each; `overdue`, when the loop was taken over, with the
    jobs that were to come behind the long one.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        run: Callable[[_Job], None],
        returned: Callable[[], None],
        overdue: Callable[[list[_Job]], None],
    ) -> None:
        self._loop, self._run, self._returned, self._overdue = loop, run, returned, overdue
        self._lock = threading.Lock()
        self._jobs: deque[tuple[str, _Job]] = deque()
        self._steerer: int | None = None  # the thread that has the loop
        self._doing: str | None = None  # the kind of the job that it runs, if it does
        self._begun = 0  # jobs, so that one can be told from the next
        self._watched = False  # the other thread looks
        self._asleep = False  # or does, once it is called
        self._call = threading.Semaphore(0)
        self._not_before: dict[str, float] = {}  # kind of job -> when one may be run here again
        self._ending = False
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._serve, name=NAME, daemon=True) for _ in range(2)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Closes the loop, and waits so many seconds for a job that goes on."""
        self._loop.call_soon_threadsafe(self._end)
        self._over.wait()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def wake(self) -> None:
        """Has `returned` called soon. Raises RuntimeError if the loop is closed."""
        with self._lock:
            if self._is_here():
                if self._doing is None:
                    self._loop.call_soon(self._returned)
                return  # else it is called after the job, by whoever has the loop then
        self._loop.call_soon_threadsafe(self._returned)

    def take(self, kind: str, job: _Job) -> bool:
        """Whether the job will be run here, as soon as the loop has turned; jobs of a kind take about as long."""
        with self._lock:
            if not self._watched or not self._is_here() or self._ending:
                return False
            if kind in self._not_before:
                if time.monotonic() < self._not_before[kind]:
                    return False
                del self._not_before[kind]
            self._jobs.append((kind, job))
        self._loop.stop()  # for a moment: see _steer()
        return True

    def _is_here(self) -> bool:
        return self._steerer == threading.get_ident()

    def _end(self) -> None:
        self._ending = True
        self._loop.stop()

    def _serve(self) -> None:
        while self._wait():
            self._steer()

    def _steer(self) -> None:
        """Returns when all is over, or the other thread has the loop."""
        while not self._ending:
            self._loop.run_forever()
            for _ in range(len(self._jobs)):
                if not self._do():
                    return
        self._loop.close()
        with self._lock:
            self._over.set()
            self._rouse()

    def _do(self) -> bool:
        """Runs a job; whether the loop is still this thread's."""
        with self._lock:
            self._doing, job = self._jobs.popleft()
            self._begun += 1
            self._rouse()
        self._run(job)
        with self._lock:
            if not self._is_here():
                return False
            self._doing = None
        self._returned()
        return True

    def _rouse(self) -> None:
        if self._asleep:
            self._asleep = False
            self._call.release()

    def _wait(self) -> bool:
        """Looks at the other thread's jobs until one is long, and takes the loop over. False: all is over."""
        met, idle = 0, 0
        while not self._over.is_set():
            with self._lock:
                long = self._doing is not None and self._begun == met
                if long or self._steerer is None:
                    left = self._take_over()
                    break
                idle = idle + 1 if self._begun == met else 0
                met = self._begun
                self._watched = True
                self._asleep = sleep = idle > AWAKE
            if sleep:
                self._call.acquire()
            else:
                time.sleep(MOMENT)
        else:
            return False
        if long:
            self._overdue(left)
        return True

    def _take_over(self) -> list[_Job]:
        """The jobs that nobody has begun."""
        if self._doing is not None:
            self._not_before[self._doing] = time.monotonic() + PENALTY
        left = [job for _, job in self._jobs]
        self._jobs.clear()
        self._doing, self._steerer, self._watched = None, threading.get_ident(), False
        return left
