"""Finds the function that makes a call of AWS, through the context or the thread of the call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


class Killed(BaseException):
    """Ends a function where it stands, as a time-out does. No `except Exception` of an app catches it."""


@dataclass(eq=False)
class Invocation:
    """One run of one function."""

    id: str
    function: str  # its name in the app, with the app's prefix
    name: str  # its name in config.json, with the app's prefix
    killed: bool = False
    ended: bool = False

    def kill(self) -> None:
        self.killed = True

    def end(self) -> None:
        self.ended = True


_here: ContextVar[Invocation | None] = ContextVar("invocation", default=None)
_outside: ContextVar[bool] = ContextVar("outside", default=False)
_running: dict[str, Invocation] = {}


def here() -> Invocation | None:
    """The invocation of this thread; None in a thread that a handler started and in the test's own code."""
    invocation = _here.get()  # a context may be copied into a thread and outlive its invocation
    return invocation if invocation is not None and not invocation.ended else None


def current() -> Invocation | None:
    """The invocation that makes a call in this thread. A thread of a handler belongs to the only one that runs."""
    if (invocation := here()) is not None:
        return invocation
    running = list(_running.values())
    return running[0] if len(running) == 1 and _may_be_of_a_function() else None


def function() -> str | None:
    """Name in config.json of the function for which this thread works; None if none runs, or several do."""
    if (invocation := here()) is not None:
        return invocation.name
    names = {invocation.name for invocation in list(_running.values())}
    return names.pop() if len(names) == 1 and _may_be_of_a_function() else None


def _may_be_of_a_function() -> bool:
    """Whether a handler may have started this thread."""
    return threading.current_thread() is not threading.main_thread() and not _outside.get()


@contextmanager
def entered(invocation: Invocation) -> Iterator[Invocation]:
    """The invocation runs in this thread until the block ends."""
    before = _here.set(invocation)
    _running[invocation.id] = invocation
    try:
        yield invocation
    finally:
        invocation.end()
        del _running[invocation.id]
        _here.reset(before)


@contextmanager
def outside() -> Iterator[None]:
    """Calls of this thread are of another process until the block ends, whatever function runs meanwhile."""
    before = _outside.set(True)
    try:
        yield
    finally:
        _outside.reset(before)
