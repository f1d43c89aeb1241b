"""Virtual time, in which many processes of ordinary code run by turns: threads of which one runs at a time."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.service.fakes import NOON


class Killed(BaseException):
    """Ends a process wherever it is. Not an Exception, so that no code catches it."""


class Process:
    def __init__(self, run: Callable[[], object], over: threading.Semaphore) -> None:
        self._run = run
        self._over = over  # released when its turn is over
        self._turn = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._killed = False
        self.error: Exception | None = None
        self.alive = True
        self._thread.start()

    def _live(self) -> None:
        try:
            self._await_turn()
            self._run()
        except Killed:
            pass
        except Exception as error:  # noqa: BLE001  it is raised by `run`
            self.error = error
        self.alive = False
        self._over.release()

    def take_turn(self) -> None:
        self._turn.release()
        self._over.acquire()
        if self.error is not None:
            raise self.error

    def pause(self) -> None:
        self._over.release()
        self._await_turn()

    def kill(self) -> None:
        self._killed = True
        self.take_turn()
        self._thread.join()

    def _await_turn(self) -> None:
        self._turn.acquire()
        if self._killed:
            raise Killed


class Time:
    """The clock, and all that is to come. Time passes only while processes sleep."""

    def __init__(self) -> None:
        self.now: datetime = NOON
        self._coming: list[tuple[datetime, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._over = threading.Semaphore(0)
        self._processes: set[Process] = set()
        self._current: Process | None = None

    def at(self, moment: datetime, act: Callable[[], None]) -> None:
        """Does something that does not sleep."""
        heapq.heappush(self._coming, (max(moment, self.now), next(self._numbers), act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        self.at(self.now + timedelta(seconds=seconds), act)

    def start(self, run: Callable[[], object], after: float = 0) -> None:
        """Starts a process, which may sleep."""
        process = Process(run, self._over)
        self._processes.add(process)
        self.after(after, lambda: self._go_on(process))

    def sleep(self, seconds: float) -> None:
        """Lets others run for so long. Called by a process."""
        process = self._current
        assert process is not None
        self.after(seconds, lambda: self._go_on(process))
        process.pause()

    def run(self, seconds: float) -> None:
        """Lets so much time pass. Raises what a process raises."""
        end = self.now + timedelta(seconds=seconds)
        while self._coming and self._coming[0][0] <= end:
            self.now, _, act = heapq.heappop(self._coming)
            act()
        self.now = end

    def close(self) -> None:
        """Ends all processes."""
        for process in self._processes:
            process.kill()
        self._processes = set()

    def _go_on(self, process: Process) -> None:
        self._current = process
        process.take_turn()
        self._current = None
        if not process.alive:
            self._processes.discard(process)
