"""The core as a whole: many connections at once, ids, and wrong calls."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.gateway.core.core import GatewayCore
from pytest_sessionplugin.gateway.values import Api, Handshake, Invoke, Message, Returned
from tests.gateway.core.desk import NOON, OK, Desk


def test_a_return_of_what_does_not_run_raises() -> None:
    desk = Desk()
    connect = desk.connect()
    desk.answer(connect)
    with pytest.raises(LookupError, match=connect.invocation_id):
        desk.answer(connect)


def test_only_an_input_is_received() -> None:
    with pytest.raises(TypeError, match="'x' is not an input"):
        Desk().core.receive("x", NOON)  # type: ignore[arg-type]


def test_the_core_may_be_asked_for_any_number_of_connections_at_once() -> None:
    """One tick closes all that are due, and due() stays cheap however many there are."""
    desk = Desk(Api())
    for number in range(1000):
        desk.core.receive(Handshake(str(number)), NOON)
    desk.core.effects()
    assert len(desk.tick(600)) == 1000
    assert desk.core.due() is None


def test_ids_are_used_once() -> None:
    given: list[str] = []

    def ids() -> str:
        given.append(f"{len(given)}")
        return given[-1]

    core = GatewayCore(Desk().api, ids, ids)
    core.receive(Handshake("alice"), NOON)
    (connect,) = core.effects()
    assert isinstance(connect, Invoke)
    core.receive(Returned(connect.invocation_id, OK), NOON)
    core.receive(Message("alice", "a"), NOON)
    core.receive(Message("alice", "b"), NOON)
    invocations = [effect.invocation_id for effect in core.effects() if isinstance(effect, Invoke)]
    assert len({connect.invocation_id, *invocations}) == 3
