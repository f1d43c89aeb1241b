"""Threads that an app's functions leave behind. Lambda freezes them with the environment when no function runs.

A thread counts if it began while a function ran, and if project code is on its stack although no function runs any
more. Source: "Lambda execution environment lifecycle" in the developer guide.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from weakref import WeakSet

from pytest_sessionplugin.aws import caller
from pytest_sessionplugin.gateway.values import HANDLER_THREAD, FunctionTimedOut
from pytest_sessionplugin.tracebacks import Owner, owner

GRACE = 0.05  # seconds for a thread that is about to end

_born: WeakSet[threading.Thread] = WeakSet()
"""Threads that began while functions ran, of all tests: an app's executor outlives the test that first used it."""


@dataclass(frozen=True)
class Left:
    """A thread that works although no function runs."""

    thread: str
    functions: tuple[str, ...]  # that had run; one of them began it
    does: str

    def __str__(self) -> str:
        one_of = "" if len(self.functions) == 1 else "one of "
        return (
            f"the thread {self.thread!r} {self.does} after {one_of}{', '.join(self.functions)} had returned: on Lambda "
            "it stands still from then on, maybe for ever. Let the function wait for it, with join() or result()."
        )


class LeftThreads:
    """Watches the threads of one test. `tell` gets each thread once, in any thread. Thread-safe."""

    def __init__(self, tell: Callable[[Left], None]) -> None:
        self._tell = tell
        self._roots: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._running = 0
        self._functions: dict[str, None] = {}  # since the app was last idle, in order
        self._before: set[threading.Thread] = set()
        self._told: WeakSet[threading.Thread] = WeakSet()

    def watch(self, root: Path) -> None:
        """Watches for the code of a project that Chalice deploys, without `vendor`."""
        real = os.path.realpath(root)
        roots = (os.path.join(real, "app.py"), os.path.join(real, "chalicelib") + os.sep)
        if set(roots) <= set(self._roots):
            return
        self._roots += roots
        with self._lock:  # threads at work now were left by another test
            self._told.update(self._at_work(_born))

    @contextmanager
    def while_running(self, function: str) -> Iterator[None]:
        """One run of one function. One that is ended by its time-out takes the threads of the environment along."""
        self.look()
        with self._lock:
            if not self._running:
                self._before = set(threading.enumerate())
                self._functions = {}
            self._running += 1
            self._functions[function] = None
        try:
            yield
        except FunctionTimedOut:
            with self._lock:
                self._told.update({*_born} | ({*threading.enumerate()} - self._before))
            raise
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    here, new = threading.current_thread(), set(threading.enumerate()) - self._before
                    _born.update(each for each in new if each is not here and each.name != HANDLER_THREAD)
                    self._before = set()
            self.look()

    def look(self) -> None:
        """Reports threads that work while no function runs. Waits for them for a moment first."""
        with self._lock:
            suspects = self._at_work(_born) if _born and not self._running else {}
        if not suspects:
            return
        deadline = time.monotonic() + GRACE
        for thread in suspects:
            if thread not in self._told:
                thread.join(max(0.0, deadline - time.monotonic()))
        for thread, place in self._at_work(suspects).items():
            self._report(thread, f"still runs, in {place},")

    def calls(self, call: str) -> None:
        """Reports this thread for a call to AWS, or a post to a client, while no function runs."""
        thread = threading.current_thread()
        if thread is threading.main_thread() or thread not in _born or caller.here() is not None:
            return
        with self._lock:
            idle = not self._running
        if idle and self._place(sys._getframe()) is not None:
            self._report(thread, f"calls {call}")

    def _report(self, thread: threading.Thread, does: str) -> None:
        with self._lock:
            if thread in self._told:
                return
            self._told.add(thread)
            left = Left(thread.name, tuple(self._functions), does)
        self._tell(left)

    def _at_work(self, threads: Iterable[threading.Thread]) -> dict[threading.Thread, str]:
        """The threads that are in project code, and where; not idle workers of an executor."""
        alive = [thread for thread in list(threads) if thread.is_alive()]
        frames = sys._current_frames() if alive else {}
        found = ((thread, self._place_of(thread, frames)) for thread in alive)
        return {thread: place for thread, place in found if place is not None}

    def _place_of(self, thread: threading.Thread, frames: Mapping[int, FrameType]) -> str | None:
        if isinstance(thread, threading.Timer) and not thread.finished.is_set():
            code = getattr(thread.function, "__code__", None)
            return f"{code.co_name} before it begins" if code and self._is_deployed(code.co_filename) else None
        return self._place(frames.get(thread.ident or 0))

    def _place(self, frame: FrameType | None) -> str | None:
        """The innermost project frame; None if other code than a library called into the project, as a test does."""
        place = None
        while frame is not None:
            file = frame.f_code.co_filename
            if self._is_deployed(file):
                place = place or f"{frame.f_code.co_name} ({os.path.basename(file)}:{frame.f_lineno})"
            elif place is not None and owner(file) not in (Owner.LIBRARY, Owner.MACHINERY):
                return None
            frame = frame.f_back
        return place

    def _is_deployed(self, file: str) -> bool:
        return _real(file).startswith(self._roots)


@functools.cache
def _real(file: str) -> str:
    return os.path.realpath(file)
