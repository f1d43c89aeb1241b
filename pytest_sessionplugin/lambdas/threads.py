"""Work that an app leaves in threads: when no function runs, Lambda freezes its environment, and all threads with it.

It patches nothing and ends nothing. Whose a thread is, it tells by when it was started, and by the files of the code
that it is in: those that Chalice deploys. Source: "Lambda execution environment lifecycle" in the developer guide.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from weakref import WeakSet

from pytest_sessionplugin.aws import caller
from pytest_sessionplugin.gateway.server import workers

FAREWELL = 0.05
"""Seconds for a thread that has done its work, and said so, to end."""

_OURS = str(Path(__file__).parents[1]) + os.sep
_LIBRARIES = tuple(str(Path(sysconfig.get_path(name)).resolve()) + os.sep for name in ("stdlib", "platstdlib"))
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))

_born: WeakSet[threading.Thread] = WeakSet()
"""Threads that were started while functions ran, in whichever test."""


@dataclass(frozen=True)
class Left:
    """A thread, and what it does although no function runs."""

    thread: str
    functions: tuple[str, ...]  # that ran before: with one of them it began
    does: str

    def __str__(self) -> str:
        one_of = "" if len(self.functions) == 1 else "one of "
        return (
            f"the thread {self.thread!r} {self.does} after {one_of}{', '.join(self.functions)} had returned: on Lambda "
            "it stands still from then on, maybe for ever. Let the function wait for it, with join() or result()."
        )


class LeftThreads:
    """The threads of one test. `tell` gets each thread once; it is called in any thread. Thread-safe."""

    def __init__(self, tell: Callable[[Left], None]) -> None:
        self._tell = tell
        self._roots: list[str] = []
        self._lock = threading.Lock()
        self._running = 0
        self._functions: dict[str, None] = {}  # of the time since nothing ran, in order
        self._before: set[threading.Thread] = set()
        self._suspects: WeakSet[threading.Thread] = WeakSet()
        self._told: WeakSet[threading.Thread] = WeakSet()

    def watch(self, root: Path) -> None:
        """The code of a project: what Chalice deploys of it but for `vendor`, which is other people's."""
        real = os.path.realpath(root)
        self._roots += [os.path.join(real, "app.py"), os.path.join(real, "chalicelib") + os.sep]
        with self._lock:  # what another test has left is not this one's
            self._told.update(thread for thread, _ in self._at_work(list(_born)))

    @contextmanager
    def while_running(self, function: str) -> Iterator[None]:
        """One run of one function."""
        self.look()
        with self._lock:
            if not self._running:
                self._before = {thread for thread in threading.enumerate() if thread not in _born}
                self._functions = {}
            self._running += 1
            self._functions[function] = None
        try:
            yield
        finally:
            self._leave()

    def look(self) -> None:
        """Tells of what has begun since the last function returned: an executor takes a moment to hand work out."""
        with self._lock:
            found = self._at_work(list(_born)) if _born and not self._running else []
        for thread, place in found:
            self._report(thread, f"runs, in {place},")

    def calls(self, call: str) -> None:
        """A call to AWS, or a post to a client, in this thread."""
        thread = threading.current_thread()
        if thread is threading.main_thread() or thread not in _born or caller.here() is not None:
            return
        with self._lock:
            left = not self._running or thread in self._suspects
        if left and self._place(sys._getframe()) is not None:
            self._report(thread, f"calls {call}")

    def _leave(self) -> None:
        with self._lock:  # no function begins meanwhile, so whoever is in code of the app was left there
            self._running -= 1
            if self._running:
                return
            here = threading.current_thread()
            new = [each for each in threading.enumerate() if each not in self._before and each is not here]
            new = [each for each in new if each.name != workers.NAME]
            self._before = set()
            _born.update(new)
            suspects = self._at_work(new)
            self._suspects.update(thread for thread, _ in suspects)
        deadline = time.monotonic() + FAREWELL
        for thread, _ in suspects:
            thread.join(max(0.0, deadline - time.monotonic()))
        for thread, place in self._at_work([thread for thread, _ in suspects]):
            self._report(thread, f"still runs, in {place},")

    def _report(self, thread: threading.Thread, does: str) -> None:
        with self._lock:
            if thread in self._told:
                return
            self._told.add(thread)
            left = Left(thread.name, tuple(self._functions), does)
        self._tell(left)

    def _at_work(self, threads: list[threading.Thread]) -> list[tuple[threading.Thread, str]]:
        """Those that are in code of the app, and where: not those of an executor that wait for work."""
        if not threads:
            return []
        frames = sys._current_frames()
        found = ((thread, self._place_of(thread, frames)) for thread in threads if thread.is_alive())
        return [(thread, place) for thread, place in found if place is not None]

    def _place_of(self, thread: threading.Thread, frames: Mapping[int, FrameType]) -> str | None:
        if isinstance(thread, threading.Timer) and not thread.finished.is_set():
            code = getattr(thread.function, "__code__", None)
            return f"{code.co_name} before it begins" if code and self._is_app(code.co_filename) else None
        return self._place(frames.get(thread.ident or 0))

    def _place(self, frame: FrameType | None) -> str | None:
        """The innermost line of the app, unless it was called by other code of this machine, a test above all."""
        place = None
        while frame is not None:
            file = frame.f_code.co_filename
            if self._is_app(file):
                place = place or f"{frame.f_code.co_name} ({os.path.basename(file)}:{frame.f_lineno})"
            elif place is not None and not _is_library(file):
                return None
            frame = frame.f_back
        return place

    def _is_app(self, file: str) -> bool:
        return _real(file).startswith(tuple(self._roots))


def _is_library(file: str) -> bool:
    if file.startswith("<") or any(part in file for part in _INSTALLED):
        return not file.startswith(_OURS)
    return _real(file).startswith(_LIBRARIES)


@functools.cache
def _real(file: str) -> str:
    return os.path.realpath(file)
