"""The working directory of an app's code: its project's folder, while it is imported and while a function runs.

A worker thread of a gateway gets a working directory to itself, where the system gives it one (Linux). In all other
threads, as a test's own, that of the process is changed until the last function there has returned.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from pytest_sessionplugin.gateway.values import HANDLER_THREAD


def working_in(root: str) -> AbstractContextManager[None]:
    """A block that runs in this folder, a real path. Blocks may be nested, and run in several threads at once."""
    if _thread.is_apart:
        return _moved(root)
    if _process.is_there(root):
        return nullcontext()
    if threading.current_thread().name == HANDLER_THREAD and _thread.go_apart():
        os.chdir(root)  # for good: the next function finds itself there
        return nullcontext()
    return _process.working_in(root)


class _ThisThread(threading.local):
    is_apart = False  # whether it has a working directory to itself

    def go_apart(self) -> bool:
        self.is_apart = _unshare()
        return self.is_apart


class _Process:
    """The working directory of all threads that have none to themselves: that of the newest block."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before = ""
        self._roots: dict[object, str] = {}  # of the blocks that run, in order

    def is_there(self, root: str) -> bool:
        """Whether it is there by itself, and so stays there."""
        with self._lock:  # else another block may have moved it, or be about to
            return not self._roots and _here() == root

    @contextmanager
    def working_in(self, root: str) -> Iterator[None]:
        block = object()
        with self._lock:
            if not self._roots:
                self._before = _here()
            os.chdir(root)
            self._roots[block] = root
        try:
            yield
        finally:
            with self._lock:
                del self._roots[block]
                _return_to(next(reversed(self._roots.values()), self._before))


_thread = _ThisThread()
_process = _Process()


@contextmanager
def _moved(root: str) -> Iterator[None]:
    here = _here()
    if here == root:
        yield
        return
    os.chdir(root)
    try:
        yield
    finally:
        _return_to(here)


def _here() -> str:
    """The working directory; empty if it was deleted."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return ""


def _return_to(folder: str) -> None:
    with suppress(FileNotFoundError):  # deleted meanwhile, or before
        os.chdir(folder)


_CLONE_FS = 0x200  # sched.h


def _unshare() -> bool:
    """Gives this thread a working directory to itself; False where the system has or allows no such thing.

    Containers often allow it to administrators alone (unshare in Docker's seccomp profile).
    """
    if sys.platform != "linux":
        return False
    import ctypes  # os.unshare is Python 3.12's

    return bool(ctypes.CDLL(None).unshare(_CLONE_FS) == 0)
