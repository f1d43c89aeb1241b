"""Which fault fires at which call, and for how long."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.aws.calls import Call
from pytest_sessionplugin.aws.fault import Fault, Kind
from pytest_sessionplugin.aws.faults import Faults

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


def test_faults_that_make_no_sense_are_refused_at_once() -> None:
    faults = Faults()
    with pytest.raises(TypeError, match="at least one connection"):
        faults.gone()
    with pytest.raises(ValueError, match="only faults of apigatewaymanagementapi are about connections"):
        faults.arm(Fault("dynamodb", Kind.REFUSED, connections=frozenset({"VNR="})))
