"""Requests to DynamoDB and units of each operation, which no number of connections changes: protocol.md, section 4.

Units are those of a session of up to 1 KB. Reads of a whole roster grow with it, and are not asserted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib import events, items
from chalicelib.events import Event
from chalicelib.members import Connection, Endpoint
from chalicelib.storage import Store
from pytest_sessionplugin import Clock, Gateway, WebSocket
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.tables import Tables
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

DELIVERY = 1  # reads one page of the roster
TOLD = 1  # notes that a change was told
JOINING = {"dynamodb": 4, "write_units": 2, "read_units": 3}  # two rows; session and standing; own connections


def delivering(requests: int, write_units: int) -> dict[str, float]:
    return {"dynamodb": requests + DELIVERY, "dynamodb:Query": DELIVERY, "write_units": write_units}


@dataclass(frozen=True)
class Room:
    """A session of alice in which so many are connected, on a clock that a test advances."""

    alice: HttpClient
    session_id: str
    join: Callable[..., WebSocket]
    token: Tokens
    clock: Clock

    @property
    def path(self) -> str:
        return f"/sessions/{self.session_id}"

    def say(self, socket: WebSocket, action: str, answer: str, **fields: Any) -> None:
        socket.send_json({"action": action, **fields})
        socket.expect(type=answer)

    def rest(self) -> None:
        """Lets meters be full again."""
        self.clock.advance(seconds=1)


@pytest.fixture(params=[1, pytest.param(500, marks=pytest.mark.slow)], ids=["1 connected", "500 connected"])
def new_room(
    request: pytest.FixtureRequest,
    chalice_clock: Clock,
    chalice_gateway: Gateway,
    jwt_tokens: Tokens,
    dynamodb_store: Store,
    dynamodb_tables: Tables,
) -> Callable[..., Room]:
    """Makes a room. The handshakes of all but one stay pending however long the test takes."""
    later, endpoint = datetime.now(UTC) + timedelta(hours=1), Endpoint("w3bs0cket0", "api", "us-east-1")

    def new_room(**draft: Any) -> Room:
        alice = chalice_gateway.http(token=jwt_tokens("alice"))
        session_id = alice.post("/sessions", json=draft).json()["sessionId"]
        crowd = [Connection(f"{i:04d}=", session_id, later, later, endpoint, f"{i}") for i in range(1, request.param)]
        ready = {"ready": {"BOOL": True}} if draft.get("presence") else {}
        rows = [{"PutRequest": {"Item": {**row, **ready}}} for one in crowd for row in items.connection_items(one)]
        dynamodb_store.write_batches(dynamodb_tables["Connections"].name, rows)

        def join(subject: str = "bob", **query: str) -> WebSocket:
            token = None if "ticket" in query else jwt_tokens(subject)
            return chalice_gateway.websocket("/", params={"sessionId": session_id, **query}, token=token)

        return Room(alice, session_id, join, jwt_tokens, chalice_clock)

    return new_room


def test_of_sessions(new_room: Callable[..., Room], aws_calls: Calls) -> None:
    room = new_room()
    alice, path = room.alice, room.path
    with aws_calls.exactly(dynamodb=1, write_units=3, read_units=0):
        alice.post("/sessions", json={})
    with aws_calls.exactly(dynamodb=1, write_units=6, read_units=0):
        alice.post("/sessions", json={}, headers={"Idempotency-Key": "k"})
    with aws_calls.exactly(dynamodb=1, write_units=0, read_units=2):
        alice.get(path)
    with aws_calls.exactly(dynamodb=1, write_units=0):
        alice.get("/sessions")
    with aws_calls.exactly(delivering(1 + TOLD, write_units=4 + 3)):
        alice.patch(path, json={"title": "x"})
    with aws_calls.exactly(delivering(2 + TOLD, write_units=4 + 3)):
        alice.patch(path, json={"metadata": {"a": 1}})
    with aws_calls.exactly(dynamodb=1, write_units=1):  # a condition that fails is a write
        alice.patch(path, json={"title": "x"})
    with aws_calls.exactly(delivering(1, write_units=4)):
        alice.delete(path)


def test_of_handshakes_and_disconnects(
    new_room: Callable[..., Room], aws_calls: Calls, chalice_gateway: Gateway
) -> None:
    room = new_room()
    with aws_calls.exactly(JOINING):
        bob = room.join()
    with aws_calls.exactly(dynamodb=2, write_units=2, read_units=1):
        bob.close()
        chalice_gateway.settle()
    with aws_calls.exactly(dynamodb=2, write_units=1, read_units=2):
        ticket = room.alice.post(f"{room.path}/tickets", json={}).json()["ticket"]
    with aws_calls.exactly({**JOINING, "dynamodb": 5, "write_units": 3}):
        bob = room.join(ticket=ticket)
    bob.close()


def test_of_a_viewer_by_the_session(new_room: Callable[..., Room], aws_calls: Calls) -> None:
    """The role is noted on both rows."""
    room = new_room(joinAs="viewer")
    with aws_calls.exactly({**JOINING, "dynamodb": 6, "write_units": 4}):
        bob = room.join()
    bob.close()
    with aws_calls.exactly(JOINING):
        alice = room.join("alice")
    alice.close()


def test_of_a_session_with_a_limit(new_room: Callable[..., Room], aws_calls: Calls) -> None:
    """It counts the roster."""
    room = new_room(maxConnections=500)
    with aws_calls.exactly({"dynamodb": 5, "dynamodb:Query": 2, "write_units": 2}):
        bob = room.join("1")
    bob.close()


def test_of_frames(new_room: Callable[..., Room], aws_calls: Calls) -> None:
    room = new_room()
    bob = room.join()
    with aws_calls.exactly(dynamodb=2, write_units=1, read_units=2):
        room.say(bob, "hello", "welcome")
    room.rest()
    with aws_calls.exactly(dynamodb=2, write_units=1, read_units=1):
        room.say(bob, "ping", "pong")
    room.rest()
    with aws_calls.exactly(delivering(2, write_units=2)):
        room.say(bob, "publish", "ack", data="x")
    room.rest()
    with aws_calls.exactly(dynamodb=3, write_units=1, read_units=2):
        room.say(bob, "send", "ack", to="nobody", data="x")
    room.rest()
    with aws_calls.exactly(dynamodb=3, write_units=3, read_units=0):
        room.say(bob, "refresh", "ack", token=room.token("bob", expires_in=7200))
    bob.close()


def test_of_kept_events(new_room: Callable[..., Room], aws_calls: Calls, dynamodb_store: Store) -> None:
    """A read unit holds 4 KB of them. A hole is closed by one write, and looked for once more before that if it is
    young."""
    room = new_room(durable=True)
    session_id, old = room.session_id, datetime.now(UTC) - timedelta(minutes=1)

    def take(at: datetime, data: str = "x") -> Event:
        return events.message(dynamodb_store.take_seq(session_id, at), "carol", data, at, "correlation-1")

    for _ in range(9):
        dynamodb_store.put_event(take(old, "x" * 1_000))
    bob = room.join()
    resumed = {"dynamodb": 3, "dynamodb:Query": 1, "write_units": 1}
    with aws_calls.exactly({**resumed, "read_units": 2 + 3}):
        room.say(bob, "hello", "welcome", resume={"seq": 0})
    room.rest()
    for _ in range(2):
        take(old)
    with aws_calls.exactly({**resumed, "dynamodb": 3 + 2, "write_units": 1 + 2}):
        room.say(bob, "hello", "welcome", resume={"seq": 9})
    room.rest()
    with aws_calls.exactly(dynamodb=2, write_units=1, read_units=2):
        room.say(bob, "hello", "welcome", resume={"seq": 11})
    page = {"dynamodb": 2, "dynamodb:Query": 1, "write_units": 0}
    with aws_calls.exactly({**page, "read_units": 2 + 3}):
        room.alice.get(f"{room.path}/events")
    take(datetime.now(UTC))
    with aws_calls.exactly({**page, "dynamodb": 2 + 1, "dynamodb:Query": 2}):
        room.alice.get(f"{room.path}/events")
    bob.close()


def test_of_presence(new_room: Callable[..., Room], aws_calls: Calls, chalice_gateway: Gateway) -> None:
    """A change is written, numbered and looked at by one query. A room that has just become a crowd notes that."""
    room = new_room(presence=True)
    alice = room.join("alice")
    room.say(alice, "hello", "welcome")
    with aws_calls.exactly({**JOINING, "dynamodb": 5, "write_units": 3}):
        bob = room.join()
    with aws_calls.exactly({"dynamodb": 4, "dynamodb:Query": 1, "write_units": 3}):
        room.say(bob, "hello", "welcome")
    room.rest()
    with aws_calls.exactly({"dynamodb": 4, "dynamodb:Query": 1, "write_units": 3}):
        bob.send_json({"action": "state", "data": 1})
        while bob.receive_json()["type"] == "presence":  # which tells it of itself, but in a crowd
            pass
    room.rest()
    with aws_calls.exactly(dynamodb=2, write_units=1, read_units=1):
        room.say(bob, "ping", "pong")
    with aws_calls.exactly({"dynamodb": 4, "dynamodb:Query": 1, "write_units": 3}):
        bob.close()
        chalice_gateway.settle()
    bob = room.join()
    with aws_calls.exactly({"dynamodb": 5 + 1 + 2, "dynamodb:Query": 2, "write_units": 1 + 2 + 1}):
        room.alice.delete(f"{room.path}/participants", params={"subject": "bob"})
        chalice_gateway.settle()
    for socket in (alice, bob):
        socket.close()


def test_of_presence_at_the_end(new_room: Callable[..., Room], aws_calls: Calls, chalice_gateway: Gateway) -> None:
    """A socket that closes after it looks for no others."""
    room = new_room(presence=True)
    alice = room.join("alice")
    with aws_calls.exactly({"dynamodb": 1 + DELIVERY + 3, "dynamodb:Query": DELIVERY, "write_units": 4 + 2 + 1}):
        room.alice.delete(room.path)
        chalice_gateway.settle()
    alice.close()


def test_of_messages_of_a_server(new_room: Callable[..., Room], aws_calls: Calls) -> None:
    room = new_room()
    with aws_calls.exactly(delivering(1, write_units=1)):
        room.alice.post(f"{room.path}/messages", json={"data": "x"})
    with aws_calls.exactly(dynamodb=2, write_units=0, read_units=2):
        room.alice.post(f"{room.path}/messages", json={"data": "x", "to": "bob"})


def test_of_a_durable_session(new_room: Callable[..., Room], aws_calls: Calls, chalice_gateway: Gateway) -> None:
    """One more keeps the event; with a key one reads its record, and event and record are kept in a transaction. A
    server's repeat reads the session, whose owner alone gets it answered."""
    room = new_room(durable=True)
    bob = room.join()
    with aws_calls.exactly(delivering(3, write_units=3)):
        room.say(bob, "publish", "ack", data="x")
    room.rest()
    with aws_calls.exactly(delivering(4, write_units=6)):
        room.say(bob, "publish", "ack", data="x", key="k")
    room.rest()
    with aws_calls.exactly(dynamodb=2, write_units=1, read_units=1):
        room.say(bob, "publish", "ack", data="x", key="k")
    with aws_calls.exactly(delivering(2, write_units=2)):
        room.alice.post(f"{room.path}/messages", json={"data": "x"})
    room.rest()
    with aws_calls.exactly(delivering(3, write_units=5)):
        room.alice.post(f"{room.path}/messages", json={"data": "x"}, headers={"Idempotency-Key": "k"})
    with aws_calls.exactly(dynamodb=2, write_units=0, read_units=2):
        room.alice.post(f"{room.path}/messages", json={"data": "x"}, headers={"Idempotency-Key": "k"})
    with aws_calls.exactly(delivering(2 + TOLD, write_units=4 + 1 + 3)):
        room.alice.patch(room.path, json={"title": "x"})
    with aws_calls.exactly(dynamodb=1, write_units=1):
        room.alice.patch(room.path, json={"title": "x"})
    with aws_calls.exactly(delivering(3 + TOLD, write_units=4 + 1 + 3)):
        room.alice.patch(room.path, json={"metadata": {"a": 1}})
    bob.close()
    chalice_gateway.settle()
    with aws_calls.exactly(delivering(2, write_units=4 + 1)):
        room.alice.delete(room.path)


def test_of_a_burst(new_room: Callable[..., Room], aws_calls: Calls) -> None:
    """One more to meter the connection, and one to meter the session. A refused frame asks for nothing else."""
    room = new_room()
    bob, carol = room.join(), room.join("carol")
    room.say(carol, "publish", "ack", data="x")
    bob.expect(type="message")
    room.say(bob, "ping", "pong")
    with aws_calls.exactly(dynamodb=3, write_units=2, read_units=1):
        room.say(bob, "ping", "pong")
    with aws_calls.exactly(delivering(4, write_units=4)):
        room.say(bob, "publish", "ack", data="x")
    for _ in range(17):
        room.say(bob, "ping", "pong")
    with aws_calls.exactly(dynamodb=2, write_units=2, read_units=0):
        room.say(bob, "publish", "error", data="x")
    for socket in (bob, carol):
        socket.close()


def test_of_a_hand_over(new_room: Callable[..., Room], aws_calls: Calls, chalice_gateway: Gateway) -> None:
    """The first frame of a connection that takes another's place reads and removes that, and notes it. The other's
    disconnect finds nothing."""
    room = new_room()
    old = room.join()
    with aws_calls.exactly(JOINING):
        new = room.join(replaces=old.connection_id)
    with aws_calls.exactly(dynamodb=2 + 4 + 1, write_units=1 + 2 + 1, read_units=1 + 1 + 1):
        room.say(new, "ping", "pong")
        chalice_gateway.settle()
    old.expect(type="closing", code="replaced")
    room.rest()
    with aws_calls.exactly(dynamodb=2, write_units=1, read_units=1):
        room.say(new, "ping", "pong")
    for socket in (old, new):
        socket.close()


def test_of_people(new_room: Callable[..., Room], aws_calls: Calls, chalice_gateway: Gateway) -> None:
    """Each connection of a subject is written twice, in a kick all pointers first; its disconnect finds nothing."""
    room = new_room()
    alice, path, bob = room.alice, f"{room.path}/participants", {"subject": "bob"}
    sockets = [room.join() for _ in range(3)]
    with aws_calls.exactly({"dynamodb": 2, "dynamodb:Query": 1, "write_units": 0}):
        alice.get(path)
    with aws_calls.exactly({"dynamodb": 3 + 2 * 3, "dynamodb:Query": 1, "write_units": 1 + 2 * 3}):
        alice.patch(path, params=bob, json={"role": "viewer"})
    with aws_calls.exactly({"dynamodb": 5 + 3, "dynamodb:Query": 1, "write_units": 1 + 2 * 3}):
        alice.delete(path, params=bob)
        chalice_gateway.settle()
    with aws_calls.exactly({"dynamodb": 3, "dynamodb:Query": 1, "write_units": 1}):
        alice.delete(path, params={**bob, "ban": "0"})
    with aws_calls.exactly({"dynamodb": 3, "dynamodb:Query": 1, "write_units": 1}):
        alice.patch(path, params=bob, json={"role": "participant"})
    for socket in sockets:
        socket.close()


def test_of_refusals(chalice_gateway: Gateway, jwt_tokens: Tokens, aws_calls: Calls) -> None:
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
    with aws_calls.exactly(dynamodb=4), pytest.raises(Exception, match="404"):
        chalice_gateway.websocket("/", params={"sessionId": "a" * 26}, token=jwt_tokens("bob"))
    with aws_calls.exactly(dynamodb=0), pytest.raises(Exception, match="401"):
        chalice_gateway.websocket("/", params={"sessionId": "a" * 26})
