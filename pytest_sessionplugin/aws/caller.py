"""The running function that calls AWS, found through its context or its thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


class Killed(BaseException):
    """Ends a function where it stands, as its time-out does: no `except Exception` of an app may survive it."""


@dataclass(eq=False)
class Invocation:
    """One run of one function."""

    id: str
    function: str  # its name in the app, and
    name: str  # in config.json; in front of both, the prefix of its app
    killed: bool = False
    ended: bool = False

    def kill(self) -> None:
        """Its timeout has struck: it makes no further call."""
        self.killed = True

    def end(self) -> None:
        self.ended = True


_here: ContextVar[Invocation | None] = ContextVar("invocation", default=None)
_running: dict[str, Invocation] = {}


def here() -> Invocation | None:
    """The invocation of this thread; None in a thread that a handler started, and in a test's own code."""
    invocation = _here.get()  # a context may be copied into a thread, and outlive what it was made for
    return invocation if invocation is not None and not invocation.ended else None


def current() -> Invocation | None:
    """The invocation that makes a call in this thread. A thread that a handler started is of the one that runs."""
    if (invocation := here()) is not None:
        return invocation
    running = list(_running.values())
    return running[0] if len(running) == 1 and threading.current_thread() is not threading.main_thread() else None


def function() -> str | None:
    """Whose work this thread does, as it is named in config.json; None if there is none, or nobody can know which."""
    if (invocation := here()) is not None:
        return invocation.name
    names = {invocation.name for invocation in list(_running.values())}
    return names.pop() if len(names) == 1 and threading.current_thread() is not threading.main_thread() else None


@contextmanager
def entered(invocation: Invocation) -> Iterator[Invocation]:
    before = _here.set(invocation)
    _running[invocation.id] = invocation
    try:
        yield invocation
    finally:
        invocation.end()
        del _running[invocation.id]
        _here.reset(before)
