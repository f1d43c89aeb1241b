"""The number of requests to DynamoDB depends on the operation, and never on the number of connections."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.members import Connection, Endpoint
from chalicelib.storage import Store
from pytest_sessionplugin import Clock, Gateway
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.tokens.tokens import Tokens

DELIVERY = 1  # reads one page of the roster
TOLD = 1  # notes that a change was told


@pytest.fixture
def crowd(dynamodb_store: Store) -> Callable[[str, int], None]:
    """Adds rows of connections to a session, whose handshakes stay pending however long the test takes."""

    def join(session_id: str, count: int) -> None:
        later, endpoint = datetime.now(UTC) + timedelta(hours=1), Endpoint("w3bs0cket0", "api", "us-east-1")
        for i in range(count):
            dynamodb_store.connect(Connection(f"{i:04d}=", session_id, later, later, endpoint, "guest"))

    return join


@pytest.mark.parametrize("connections", [1, pytest.param(500, marks=pytest.mark.slow)])
def test_no_operation_asks_more_when_more_are_connected(
    chalice_gateway: Gateway,
    jwt_tokens: Tokens,
    aws_calls: Calls,
    chalice_clock: Clock,
    crowd: Callable[[str, int], None],
    connections: int,
) -> None:
    """Units are those of a session of up to 1 KB. Only the roster's reads, which are not asserted, grow."""
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    with aws_calls.exactly(dynamodb=1, write_units=3, read_units=0):
        session = alice.post("/sessions", json={}).json()
    with aws_calls.exactly(dynamodb=1, write_units=6, read_units=0):
        alice.post("/sessions", json={}, headers={"Idempotency-Key": "k"})
    path, params = f"/sessions/{session['sessionId']}", {"sessionId": session["sessionId"]}
    crowd(session["sessionId"], connections - 1)

    with aws_calls.exactly(dynamodb=1, write_units=0, read_units=1):
        alice.get(path)
    with aws_calls.exactly(dynamodb=1, write_units=0):
        alice.get("/sessions")
    with aws_calls.exactly(dynamodb=3, write_units=2, read_units=3):
        bob = chalice_gateway.websocket("/", params=params, token=jwt_tokens("bob"))
    with aws_calls.exactly(delivering(2, write_units=2)):
        bob.send_json({"action": "publish", "data": "x"})
        bob.expect(type="ack")
    for action, answer, read in (("hello", "welcome", 2), ("ping", "pong", 1)):
        chalice_clock.advance(timedelta(seconds=1))  # past the frame before
        with aws_calls.exactly(dynamodb=2, write_units=1, read_units=read):
            bob.send_json({"action": action})
            bob.expect(type=answer)
    with aws_calls.exactly(delivering(1 + TOLD, write_units=4 + 3)):
        alice.patch(path, json={"title": "x"})
    bob.expect(type="session.updated")
    with aws_calls.exactly(delivering(2 + TOLD, write_units=4 + 3)):
        alice.patch(path, json={"metadata": {"a": 1}})
    bob.expect(type="session.updated")
    with aws_calls.exactly(dynamodb=1, write_units=1):  # a condition that fails is a write
        alice.patch(path, json={"title": "x"})
    with aws_calls.exactly(dynamodb=2, write_units=2, read_units=1):
        bob.close()
        chalice_gateway.settle()
    with aws_calls.exactly(delivering(1, write_units=4)):
        alice.delete(path)


def delivering(requests: int, write_units: int) -> dict[str, float]:
    return {"dynamodb": requests + DELIVERY, "dynamodb:Query": DELIVERY, "write_units": write_units}


def test_refusals_ask_as_little(chalice_gateway: Gateway, jwt_tokens: Tokens, aws_calls: Calls) -> None:
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    mallory = chalice_gateway.http(token=jwt_tokens("mallory"))
    session = alice.post("/sessions", json={}).json()
    path = f"/sessions/{session['sessionId']}"
    for client, method, options in (
        (mallory, "PATCH", {"json": {"title": "x"}}),
        (mallory, "PATCH", {"json": {"metadata": {"a": 1}}}),
        (mallory, "DELETE", {}),
        (alice, "PATCH", {"json": {"title": "x"}, "headers": {"If-Match": '"9"'}}),
        (alice, "GET", {}),
    ):
        with aws_calls.exactly(dynamodb=1):
            client.request(method, path, **options)
    for client, method in ((alice, "GET"), (alice, "DELETE"), (chalice_gateway.http(), "GET")):
        with aws_calls.exactly(dynamodb=0):
            client.request(method, "/sessions/nonsense")
    with aws_calls.exactly(dynamodb=3), pytest.raises(Exception, match="404"):
        chalice_gateway.websocket("/", params={"sessionId": "a" * 26}, token=jwt_tokens("bob"))
    with aws_calls.exactly(dynamodb=0), pytest.raises(Exception, match="401"):
        chalice_gateway.websocket("/", params={"sessionId": "a" * 26})
