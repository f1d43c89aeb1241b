"""A stack of its own for work that recurses: how deep it gets does not depend on its caller."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

_Outcome = TypeVar("_Outcome")

DEEPEST = 500  # frames of Python, of the 1,000 that it allows by default


class _OwnStack(threading.Thread):
    """A thread for one piece of work."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(name="contract", daemon=True)
        self._work = work
        self.outcome: Future[Any] = Future()

    def run(self) -> None:
        try:
            self.outcome.set_result(self._work())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            self.outcome.set_exception(error)


def on_own_stack(work: Callable[[], _Outcome]) -> _Outcome:
    """The result of `work`, called in a thread of its own, or right here in such a thread."""
    if isinstance(threading.current_thread(), _OwnStack):
        return work()
    thread = _OwnStack(work)
    thread.start()
    thread.join()
    result: _Outcome = thread.outcome.result()
    return result


def refuse_recursion() -> None:
    """Raises RecursionError beyond DEEPEST, long before Python does.

    Python's own strikes anywhere: `rpds`, below `jsonschema`, panics if it does where keys are compared.
    """
    try:
        sys._getframe(min(DEEPEST, sys.getrecursionlimit() // 2))
    except ValueError:  # the stack is not that deep
        return
    raise RecursionError("the work recurses too deep")
