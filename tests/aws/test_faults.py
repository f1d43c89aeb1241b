"""Faults fire at the calls, connections, functions and tables that they name, as often as they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_type_hints

import pytest

from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.faults import NAMES, Armed, Fault, Faults, Kind, StaleIndexes
from pytest_sessionplugin.errors import SessionPluginError, UnknownName

UPDATE = Call("dynamodb", "UpdateItem")
GET = Call("dynamodb", "GetItem")
POST = Call("apigatewaymanagementapi", "PostToConnection")


def test_a_fault_concerns_its_operation_only() -> None:
    faults = Faults()
    faults.throttled("dynamodb:UpdateItem")
    assert faults.fire(GET, None) is None
    fired = faults.fire(UPDATE, None)
    assert fired is not None
    assert (fired.kind, fired.code) == (Kind.REFUSED, "ProvisionedThroughputExceededException")


def test_a_fault_of_a_service_concerns_all_its_operations_until_the_test_ends() -> None:
    faults = Faults()
    armed = faults.unreachable("dynamodb")
    for call in (UPDATE, GET, UPDATE):
        fired = faults.fire(call, None)
        assert fired is not None
        assert fired.kind is Kind.UNREACHABLE
    assert armed.fired == 3


def test_times_are_used_up() -> None:
    faults = Faults()
    faults.answer_lost("dynamodb", times=2)
    assert [faults.fire(UPDATE, None) is not None for _ in range(3)] == [True, True, False]
    assert not faults.awaits(UPDATE, None)


def test_a_fault_is_over_with_its_block() -> None:
    faults = Faults()
    with faults.failing("dynamodb", code="Oops", status=503):
        assert faults.awaits(UPDATE, None)
    assert not faults.awaits(UPDATE, None)


def test_the_oldest_that_is_not_used_up_fires() -> None:
    faults = Faults()
    faults.failing("dynamodb", code="First", times=1)
    faults.failing("dynamodb", code="Second")
    codes = [fault.code for _ in range(3) if (fault := faults.fire(UPDATE, None))]
    assert codes == ["First", "Second", "Second"]


def test_connections_that_are_gone_are_those_and_no_others() -> None:
    faults = Faults()
    faults.gone("VNR=")
    assert faults.fire(POST, "XYZ=") is None
    fired = faults.fire(POST, "VNR=")
    assert fired is not None
    assert (fired.code, fired.status) == ("GoneException", 410)


def test_posts_are_throttled_with_429() -> None:
    faults = Faults()
    faults.throttled("apigatewaymanagementapi", "VNR=")
    fired = faults.fire(POST, "VNR=")
    assert fired is not None
    assert (fired.code, fired.status) == ("LimitExceededException", 429)


def test_what_never_fired_is_known() -> None:
    faults = Faults()
    faults.throttled("dynamodb")
    faults.gone("VNR=")
    faults.fire(UPDATE, None)
    assert [str(fault) for fault in faults.never_fired] == ["GoneException (410) at apigatewaymanagementapi for VNR="]


def test_the_names_of_the_faults_are_those_of_their_methods() -> None:
    public = {name: method for name, method in vars(Faults).items() if callable(method) and not name.startswith("_")}
    arms = {name for name, method in public.items() if get_type_hints(method).get("return") in (Armed, StaleIndexes)}
    assert set(NAMES) == arms - {"arm"}


def test_a_fault_that_is_none_is_named_with_the_nearest() -> None:
    with pytest.raises(
        AttributeError, match=r"there is no fault unreachabel; did you mean unreachable. There are: throttled"
    ):
        getattr(Faults(), "unreachabel")  # noqa: B009 - as a test would write it, past mypy


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("dynamodb:UpdateItems", "there is no operation of dynamodb named UpdateItems; did you mean UpdateItem"),
        ("dynamdb", "there is no service of AWS named dynamdb; did you mean dynamodb"),
    ],
)
def test_a_call_that_is_none_is_refused_at_once(call: str, sentence: str) -> None:
    with pytest.raises(UnknownName, match=sentence):
        Faults().throttled(call)


def test_a_read_of_an_index_that_is_consistent_is_not_stale() -> None:
    faults = Faults(picture=lambda table, index: ("rooms", "as it was"))
    faults.stale_indexes("Rooms")
    asked = {"TableName": "rooms", "IndexName": "by-owner"}
    query = Call("dynamodb", "Query")
    assert faults.past(query, lambda: {**asked, "ConsistentRead": True}) is None
    assert faults.past(query, lambda: asked) == "as it was"


def test_what_meets_batches_and_transactions_meets_no_other_call() -> None:
    with pytest.raises(UnknownName, match=r"no batch named dynamodb:PutItem.*There are: dynamodb:BatchWriteItem"):
        Faults().unprocessed("dynamodb:PutItem")
    with pytest.raises(UnknownName, match="no call that meets transactions named dynamodb:Query"):
        Faults().conflict("dynamodb:Query")


def test_a_fault_of_an_app_or_a_table_needs_one() -> None:
    with pytest.raises(SessionPluginError, match=r"^slow\(\) needs an app behind its gateway, and none is open\.$"):
        Faults().slow("VNR=")
    with pytest.raises(
        SessionPluginError, match=r"^timed_out\(\) needs an app behind its gateway, and none is open\.$"
    ):
        Faults().timed_out("api_handler")
    with pytest.raises(SessionPluginError, match=r"^stale_indexes\(\) needs tables, and none are open\.$"):
        Faults().stale_indexes("Rooms")


def test_a_fault_of_a_function_asks_for_the_app_and_no_other_fault_does() -> None:
    opened: list[str] = []

    def functions() -> dict[str, str]:
        opened.append("app")
        return {"websocket_message": "message", "message": "message"}

    faults = Faults(functions=functions)
    faults.throttled("dynamodb")
    assert opened == []
    assert faults.timed_out("websocket_message").fault.function == "message"
    assert opened == ["app"]


class Client:
    """Counts what a slow client is sent."""

    def __init__(self) -> None:
        self.held: dict[str, Callable[[], None]] = {}

    def stall(self, connection_id: str, held: Callable[[], None]) -> None:
        self.held[connection_id] = held

    def resume(self, connection_id: str) -> None:
        del self.held[connection_id]


def test_slow_clients_read_again_when_it_is_over_and_each_post_to_them_counts() -> None:
    client = Client()
    with Faults(clients=lambda: client).slow("VNR=", "XYZ=") as armed:
        client.held["VNR="]()
        client.held["XYZ="]()
        assert armed.fired == 2
    assert client.held == {}


def test_a_lost_disconnect_is_that_of_a_connection_or_of_all() -> None:
    faults = Faults()
    with faults.disconnect_lost("VNR="):
        assert [faults.loses_disconnect(each) for each in ("XYZ=", "VNR=")] == [False, True]
    faults.disconnect_lost(times=1)
    assert [faults.loses_disconnect(each) for each in ("XYZ=", "VNR=")] == [True, False]


def test_handshakes_are_throttled_so_often() -> None:
    faults = Faults()
    faults.throttled("$connect", times=2)
    assert [str(fault) for fault in faults.never_fired] == ["handshake throttled"]
    assert [faults.throttles_handshake() for _ in range(3)] == [True, True, False]
    with pytest.raises(ValueError, match="has no connection"):
        faults.throttled("$connect", "VNR=")


def test_faults_that_make_no_sense_are_refused_at_once() -> None:
    faults = Faults()
    with pytest.raises(TypeError, match="at least one connection"):
        faults.gone()
    with pytest.raises(ValueError, match="only faults of apigatewaymanagementapi are about connections"):
        faults.arm(Fault("dynamodb", Kind.REFUSED, connections=frozenset({"VNR="})))
    for times in (0, -1, 1.5, "2", True):
        with pytest.raises(ValueError, match="times is a whole number, 1 or more, or None"):
            faults.gone("VNR=", times=times)  # type: ignore[arg-type]
