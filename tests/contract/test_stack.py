"""Work that recurses, at whatever depth its caller is."""

from __future__ import annotations

import sys
import threading

import pytest

from pytest_sessionplugin.contract import stack
from tests.contract.files import at_depth


def depth() -> int:
    frame, found = sys._getframe(), 0
    while frame.f_back is not None:
        frame, found = frame.f_back, found + 1
    return found


def test_work_begins_at_the_same_depth_wherever_its_caller_is() -> None:
    found = {at_depth(frames, lambda: stack.on_own_stack(depth)) for frames in (0, 1, 60, 300)}
    assert len(found) == 1


def test_work_within_work_has_the_same_thread() -> None:
    outer, inner = stack.on_own_stack(
        lambda: (threading.get_ident(), stack.on_own_stack(threading.get_ident))  # one after the other, in this order
    )
    assert outer == inner != threading.get_ident()


def test_the_error_of_the_work_is_raised_in_the_thread_that_waits() -> None:
    def work() -> None:
        raise KeyError("it failed")

    with pytest.raises(KeyError, match="it failed"):
        stack.on_own_stack(work)
    assert not [thread for thread in threading.enumerate() if thread.name == "contract"]


def test_recursion_is_refused_at_the_same_depth_wherever_the_caller_is() -> None:
    def recurse(done: int) -> int:
        try:
            stack.refuse_recursion()
        except RecursionError:
            return done
        return recurse(done + 1)

    found = {at_depth(frames, lambda: stack.on_own_stack(lambda: recurse(0))) for frames in (0, 1, 60, 300)}
    assert len(found) == 1
    assert stack.DEEPEST - 20 < found.pop() < stack.DEEPEST
