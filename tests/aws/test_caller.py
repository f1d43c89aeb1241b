"""Calls belong to the invocation of their context or thread, which faults can end."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest

from pytest_sessionplugin.aws import caller
from pytest_sessionplugin.aws.caller import Killed, current, function, here
from pytest_sessionplugin.aws.faults import Fault, Faults, Kind
from pytest_sessionplugin.gateway.values import FunctionTimedOut, Invoke
from pytest_sessionplugin.lambdas.functions import FaultyFunctions

INVOKE = Invoke("id", "message", {"requestContext": {"connectionId": "VNR="}})


NAMES = {"message": "websocket_message", "sweep": "sweep"}


def faulty(functions: Any, faults: Faults | None = None, disconnect: str | None = None) -> FaultyFunctions:
    return FaultyFunctions(functions, NAMES, faults or Faults(), disconnect)


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
        assert in_a_thread(current) is mine is current()
        with caller.entered(caller.Invocation("another", "one", "one")):
            assert in_a_thread(current) is None
        return "done"

    assert faulty(handler)(INVOKE) == "done"
    assert current() is None
    assert in_a_thread(current) is None


def test_a_thread_works_for_the_one_function_that_is_under_way_and_for_nobody_if_there_are_two() -> None:
    heard: list[Any] = []

    def handler(invoke: Invoke) -> Any:
        heard.extend([function(), in_a_thread(function)])
        if invoke.function == "message":
            functions(Invoke("2", "sweep", {}))

    functions = faulty(handler)
    functions(INVOKE)
    assert heard == ["websocket_message", "websocket_message", "sweep", None]
    assert (function(), in_a_thread(function)) == (None, None)


def test_the_test_s_own_thread_works_for_no_function_that_runs_in_another() -> None:
    began, ended = threading.Event(), threading.Event()

    def handler(invoke: Invoke) -> None:
        began.set()
        ended.wait(10)

    functions = faulty(handler)
    thread = threading.Thread(target=functions, args=[INVOKE])
    thread.start()
    assert began.wait(10)
    assert (function(), in_a_thread(function)) == (None, "websocket_message")
    ended.set()
    thread.join()


def test_a_call_from_outside_is_of_no_function_but_those_that_it_runs() -> None:
    def outside() -> list[Any]:
        with caller.outside():
            found: list[Any] = [current(), function()]
            faulty(lambda invoke: found.append(function()))(Invoke("2", "sweep", {}))
        return [*found, function()]

    heard: list[Any] = []
    faulty(lambda invoke: heard.extend(in_a_thread(outside)))(INVOKE)
    assert heard == [None, None, "sweep", "websocket_message"]


def test_a_late_answer_is_a_time_out_and_an_error_is_an_error() -> None:
    faults = Faults()
    faults.arm(Fault("", Kind.TIMED_OUT, function="message", times=1))

    def fails(invoke: Invoke) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        faulty(fails, faults)(INVOKE)
    done: list[str] = []
    with pytest.raises(FunctionTimedOut, match="the answer of message came too late"):
        faulty(lambda invoke: done.append(invoke.invocation_id), faults)(INVOKE)
    assert done == ["id"]


@pytest.mark.parametrize("survives", [False, True])
def test_who_is_killed_has_timed_out_whatever_it_makes_of_it(survives: bool) -> None:
    def handler(invoke: Invoke) -> Any:
        invocation = here()
        assert invocation is not None
        with contextlib.suppress(BaseException if survives else Exception):
            invocation.kill()
            raise Killed
        return {"statusCode": 200}

    with pytest.raises(FunctionTimedOut):
        faulty(handler)(INVOKE)


def test_a_disconnect_that_is_lost_never_runs() -> None:
    faults, ran = Faults(), list[str]()
    faults.disconnect_lost("VNR=", times=1)
    functions = faulty(lambda invoke: ran.append(invoke.function), faults, "message")
    functions(INVOKE)
    assert ran == []
    functions(INVOKE)
    assert ran == ["message"]
