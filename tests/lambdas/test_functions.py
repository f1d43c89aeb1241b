"""Functions run as invocations, and the faults that befall them are Lambda's own errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_sessionplugin.aws import caller
from pytest_sessionplugin.errors import UnknownName
from pytest_sessionplugin.gateway.values import FunctionTimedOut, Invoke
from pytest_sessionplugin.lambdas.functions import FaultyFunctions

NAMES = {"sweep": "sweep", "leave": "websocket_disconnect"}


class Faults:
    """Functions that time out, and connections whose `$disconnect` is lost."""

    def __init__(self) -> None:
        self.late: set[str] = set()
        self.lost: set[str] = set()

    def times_out(self, function: str) -> bool:
        return function in self.late

    def loses_disconnect(self, connection: str) -> bool:
        return connection in self.lost


class Watch:
    def __init__(self) -> None:
        self.seen: list[str] = []

    @contextmanager
    def while_running(self, function: str) -> Iterator[None]:
        self.seen.append(f"{function} begins")
        yield
        self.seen.append(f"{function} ends")


@pytest.fixture
def faults() -> Any:
    return Faults()


def function(run: Callable[[Invoke], Any], faults: Any, **given: Any) -> Callable[[str], Any]:
    functions = FaultyFunctions(run, NAMES, faults, "leave", **given)
    event = {"requestContext": {"connectionId": "VNR="}}
    return lambda name: functions(Invoke("id", name, event))


def test_a_function_runs_as_the_invocation_of_its_calls_to_aws(faults: Any) -> None:
    def run(invoke: Invoke) -> Any:
        here = caller.here()
        assert here is not None
        return here.id, here.function, here.name

    assert function(run, faults, prefix="orders:")("leave") == ("id", "orders:leave", "orders:websocket_disconnect")
    assert caller.here() is None


def test_its_threads_are_watched_under_its_name_in_the_config(faults: Any) -> None:
    watch = Watch()
    function(lambda invoke: watch.seen.append("runs"), faults, watched=watch.while_running)("leave")
    assert watch.seen == ["websocket_disconnect begins", "runs", "websocket_disconnect ends"]


def test_a_name_that_the_app_lacks_is_a_sentence_with_the_nearest(faults: Any) -> None:
    with pytest.raises(UnknownName, match=r"there is no function swep; did you mean sweep\? There are: sweep, leave"):
        function(lambda invoke: None, faults)("swep")


def test_an_answer_that_comes_too_late_is_a_timeout_though_the_function_ran(faults: Any) -> None:
    ran: list[str] = []
    run = function(lambda invoke: ran.append(invoke.function), faults, prefix="orders:")
    faults.late = {"orders:sweep"}
    with pytest.raises(FunctionTimedOut, match="the answer of sweep came too late, by a fault"):
        run("sweep")
    faults.late = {"sweep"}  # of an app without this prefix
    run("sweep")
    assert ran == ["sweep", "sweep"]


@pytest.mark.parametrize("survives", [True, False])
def test_a_function_that_was_killed_has_timed_out_whatever_it_does_then(faults: Any, survives: bool) -> None:
    def run(invoke: Invoke) -> Any:
        here = caller.here()
        assert here is not None
        here.killed = True
        if not survives:
            raise caller.Killed

    with pytest.raises(FunctionTimedOut):
        function(run, faults)("sweep")


def test_what_a_function_raises_itself_is_raised(faults: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        function(lambda invoke: 1 / 0, faults)("sweep")


def test_a_disconnect_that_is_lost_runs_nothing(faults: Any) -> None:
    ran: list[str] = []
    run = function(lambda invoke: ran.append(invoke.function), faults)
    faults.lost = {"VNR="}
    assert run("leave") == {"statusCode": 200}
    run("sweep")
    assert ran == ["sweep"]
