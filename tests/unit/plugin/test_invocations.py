"""Which invocation a call belongs to, and what befalls it."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest

from pytest_sessionplugin import invocations
from pytest_sessionplugin.aws.fault import Fault, Kind
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.gateway.values import FunctionTimedOut, Invoke
from pytest_sessionplugin.invocations import FaultyFunctions, Killed, caller, here

INVOKE = Invoke("id", "message", {"requestContext": {"connectionId": "VNR="}})


def in_a_thread(action: Any) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(action()))
    thread.start()
    thread.join()
    return found[0]


def test_a_call_is_of_the_invocation_in_its_thread_or_of_the_only_one() -> None:
    def handler(invoke: Invoke) -> Any:
        mine = here()
        assert mine is not None
        assert (mine.id, mine.function) == ("id", "message")
        assert in_a_thread(here) is None
        assert in_a_thread(caller) is mine is caller()
        with invocations._entered(invocations.Invocation("another", "one")):
            assert in_a_thread(caller) is None
        return "done"

    assert FaultyFunctions(handler, Faults(), None)(INVOKE) == "done"
    assert caller() is None
    assert in_a_thread(caller) is None


def test_a_late_answer_is_a_time_out_and_an_error_is_an_error() -> None:
    faults = Faults()
    faults.arm(Fault("", Kind.TIMED_OUT, function="message", times=1))

    def fails(invoke: Invoke) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        FaultyFunctions(fails, faults, None)(INVOKE)
    done: list[str] = []
    with pytest.raises(FunctionTimedOut, match="the answer of message came too late"):
        FaultyFunctions(lambda invoke: done.append(invoke.invocation_id), faults, None)(INVOKE)
    assert done == ["id"]


@pytest.mark.parametrize("survives", [False, True])
def test_who_is_killed_has_timed_out_whatever_it_makes_of_it(survives: bool) -> None:
    def handler(invoke: Invoke) -> Any:
        invocation = here()
        assert invocation is not None
        with contextlib.suppress(BaseException if survives else Exception):
            invocation.killed = True
            raise Killed
        return {"statusCode": 200}

    with pytest.raises(FunctionTimedOut):
        FaultyFunctions(handler, Faults(), None)(INVOKE)


def test_a_disconnect_that_is_lost_never_runs() -> None:
    faults, ran = Faults(), list[str]()
    faults.disconnect_lost("VNR=", times=1)
    functions = FaultyFunctions(lambda invoke: ran.append(invoke.function), faults, "message")
    functions(INVOKE)
    assert ran == []
    functions(INVOKE)
    assert ran == ["message"]
