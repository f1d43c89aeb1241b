"""The gateway as a test holds it: what it gives to its transport, and what it refuses without a runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.response import HandshakeRefused
from pytest_sessionplugin.gateway.client.websocket import ConnectionClosed
from pytest_sessionplugin.gateway.values import Reply
from tests.gateway.client.fakes import FakeConnection, FakeTransport


class Lacking(Exception):
    pass


def stage(transport: FakeTransport | None = None) -> GatewayClient:
    return GatewayClient(transport or FakeTransport(), None, lacking=Lacking)


@pytest.mark.parametrize(
    ("action", "what"),
    [
        (lambda gateway: gateway.invoke("job"), "way to invoke its functions"),
        (lambda gateway: gateway.runtime, "runtime in this process"),
        (lambda gateway: gateway.tables, "tables in this process"),
        (lambda gateway: gateway.tokens, "tokens of its own: use the fixture jwt_tokens"),
        (lambda gateway: gateway.of("orders"), "other app beside it"),
        (lambda gateway: gateway.deliver_events(), "event sources in this process"),
        (lambda gateway: gateway.retries, "retries that could be seen"),
        (lambda gateway: gateway.http().get("/", claims={"sub": "bob"}), "claims without a token"),
    ],
)
def test_without_a_runtime_it_refuses_what_needs_one(action: Callable[[GatewayClient], Any], what: str) -> None:
    with pytest.raises(Lacking, match=f"^{what}$"):
        action(stage())


def test_a_refusal_without_a_maker_is_a_lookup_error() -> None:
    with pytest.raises(LookupError, match="this gateway has no runtime in this process"):
        _ = GatewayClient(FakeTransport(), None).runtime


def test_a_websocket_that_cannot_lose_its_disconnect_does_not_leave() -> None:
    connection = FakeConnection()
    gateway = stage(FakeTransport(connection=connection))
    with pytest.raises(Lacking, match=r"^\$disconnect to lose$"):
        gateway.websocket().drop(disconnect=False)
    assert connection.sent == []


def test_closing_it_leaves_its_websockets_with_1001_and_then_the_transport() -> None:
    connection = FakeConnection()
    transport = FakeTransport(connection=connection)
    with stage(transport) as gateway:
        ws = gateway.websocket("/", params={"a": 1}, token="t0ken", subprotocols=["v1", "v2"])
        assert [*gateway.websockets] == [ws]
    assert [*gateway.websockets] == []
    assert connection.sent == [(1001, "")]
    assert transport.closed
    ((_, where, headers, _),) = transport.asked
    assert where == "/?a=1"
    assert {"Authorization": "Bearer t0ken", "Sec-WebSocket-Protocol": "v1, v2"}.items() <= dict(headers).items()


def test_a_subprotocol_that_was_not_offered_ends_the_connection() -> None:
    connection = FakeConnection(subprotocol="v3")
    with pytest.raises(ConnectionClosed, match="subprotocol 'v3' was not offered"):
        stage(FakeTransport(connection=connection)).websocket(subprotocols=["v1"])
    assert connection.sent == ["dropped"]


def test_a_refused_handshake_has_the_response_and_hides_its_cause() -> None:
    with pytest.raises(HandshakeRefused) as refused:
        stage(FakeTransport(Reply(403, body=b"no"))).websocket()
    assert (refused.value.status_code, refused.value.content, refused.value.__cause__) == (403, b"no", None)
