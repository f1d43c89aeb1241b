"""The rules of a session's seats, set over HTTP and seen by clients, in process and on sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_sessionplugin import ConnectionClosed, Gateway, HandshakeRefused, WebSocket
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

BOTH = pytest.mark.chalice(targets=["inprocess", "sockets"])
Joins = Callable[..., WebSocket]


@pytest.fixture
def creates(alice: HttpClient) -> Callable[..., str]:
    """Creates a session of alice, and returns its id."""

    def create(**fields: Any) -> str:
        return str(alice.post("/sessions", json=fields).json()["sessionId"])

    return create


@pytest.fixture
def joins(chalice_gateway: Gateway, jwt_tokens: Tokens) -> Joins:
    def join(session_id: str, subject: str, **query: Any) -> WebSocket:
        params = {"sessionId": session_id, **query}
        return chalice_gateway.websocket("/", params=params, token=jwt_tokens(subject))

    return join


def refused(joins: Joins, session_id: str, subject: str, **query: Any) -> int:
    with pytest.raises(HandshakeRefused) as refusal:
        joins(session_id, subject, **query)
    return refusal.value.status_code


def is_replaced(socket: WebSocket) -> None:
    socket.expect(type="closing", code="replaced", reconnect="never")
    with pytest.raises(ConnectionClosed):
        socket.receive_json()


def hears(speaker: WebSocket, listener: WebSocket, data: str) -> None:
    speaker.send_json({"action": "publish", "data": data})
    listener.expect(type="message", data=data)
    speaker.expect(type="ack", sent=1, missed=0)


@BOTH
def test_the_newest_connection_of_a_subject_closes_the_one_before(creates: Callable[..., str], joins: Joins) -> None:
    session_id = creates(duplicates="newest")
    alice, first = joins(session_id, "alice"), joins(session_id, "bob")
    second = joins(session_id, "bob")
    is_replaced(first)
    hears(alice, second, "one copy")
    alice.close()
    second.close()


@BOTH
def test_the_oldest_connection_of_a_subject_keeps_others_out(
    creates: Callable[..., str], joins: Joins, chalice_gateway: Gateway
) -> None:
    session_id = creates(duplicates="oldest")
    first = joins(session_id, "bob")
    assert refused(joins, session_id, "bob") == 409
    joins(session_id, "carol").close()
    first.close()
    chalice_gateway.settle()
    joins(session_id, "bob").close()


@BOTH
def test_a_full_session_refuses_until_one_leaves(
    creates: Callable[..., str], joins: Joins, chalice_gateway: Gateway
) -> None:
    session_id = creates(maxConnections=2)
    alice, bob = joins(session_id, "alice"), joins(session_id, "bob")
    for subject in ("carol", "bob", "alice"):
        assert refused(joins, session_id, subject) == 409
    hears(alice, bob, "undisturbed")
    bob.close()
    chalice_gateway.settle()
    joins(session_id, "carol").close()
    alice.close()


@BOTH
@pytest.mark.parametrize("first", [{"action": "hello"}, {"action": "publish", "data": "first"}])
def test_a_client_that_comes_again_takes_its_own_place_in_a_full_session(
    creates: Callable[..., str], joins: Joins, first: dict[str, Any]
) -> None:
    """Both are there until the new one speaks; the end of the old socket, and its disconnect, never end the new one,
    and nobody else hears of them."""
    session_id = creates(maxConnections=2, duplicates="oldest")
    alice, old = joins(session_id, "alice"), joins(session_id, "bob")
    new = joins(session_id, "bob", replaces=old.connection_id)
    alice.send_json({"action": "publish", "data": "to both"})
    for socket in (old, new):
        socket.expect(type="message", data="to both")
    alice.expect(type="ack", sent=2)
    new.send_json(first)
    new.expect(type="welcome" if first["action"] == "hello" else "ack")
    is_replaced(old)
    if first["action"] == "publish":
        alice.expect(type="message", data="first")
    hears(alice, new, "to one")
    alice.receive_nothing()
    assert refused(joins, session_id, "carol") == 409
    assert refused(joins, session_id, "bob", replaces=old.connection_id) == 409
    for socket in (alice, new):
        socket.close()


@BOTH
def test_nobody_takes_the_place_of_somebody_else(creates: Callable[..., str], joins: Joins) -> None:
    session_id, other_id = creates(maxConnections=2), creates()
    alice, bob, elsewhere = joins(session_id, "alice"), joins(session_id, "bob"), joins(other_id, "carol")
    assert refused(joins, session_id, "carol", replaces=bob.connection_id) == 409
    again = joins(other_id, "bob", replaces=bob.connection_id)
    other = joins(other_id, "dave", replaces=elsewhere.connection_id)
    for socket in (again, other):
        socket.send_json({"action": "hello"})
        socket.expect(type="welcome")
    hears(alice, bob, "still there")
    elsewhere.send_json({"action": "ping"})
    elsewhere.expect(type="pong")
    for socket in (alice, bob, elsewhere, again, other):
        socket.close()


@pytest.mark.chalice(targets=["inprocess", "sockets"], env={"MAX_PER_SUBJECT": "2"})
def test_the_oldest_of_too_many_connections_of_a_subject_are_closed(creates: Callable[..., str], joins: Joins) -> None:
    session_id = creates()
    alice = joins(session_id, "alice")
    one, two, three = (joins(session_id, "bob") for _ in range(3))
    is_replaced(one)
    alice.send_json({"action": "publish", "data": "x"})
    alice.expect(type="ack", sent=2)
    for socket in (two, three):
        socket.expect(type="message", data="x")
    for socket in (alice, two, three):
        socket.close()


# --- the fields of a session


def test_a_session_has_its_rules_and_only_the_role_of_newcomers_changes(
    alice: HttpClient, creates: Callable[..., str], joins: Joins
) -> None:
    plain = alice.get(f"/sessions/{creates()}").json()
    assert (plain["joinAs"], plain["duplicates"], plain["maxConnections"]) == ("participant", "allow", None)
    rules = {"joinAs": "viewer", "duplicates": "newest", "maxConnections": 500}
    path = f"/sessions/{creates(**rules)}"
    assert rules.items() <= alice.get(path).json().items()
    viewer = joins(path.rpartition("/")[2], "bob")
    changed = alice.patch(path, json={"joinAs": "participant"})
    assert changed.status_code == 200
    assert {**rules, "joinAs": "participant", "version": 2}.items() <= changed.json().items()
    assert viewer.expect(type="session.updated")["session"]["joinAs"] == "participant"
    participant = joins(path.rpartition("/")[2], "carol")
    for socket, role in ((viewer, "viewer"), (participant, "participant")):
        socket.send_json({"action": "hello"})
        socket.expect(type="welcome", role=role)
        socket.close()
    assert alice.patch(path, json={"joinAs": "participant"}).json()["version"] == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"joinAs": "owner"},
        {"joinAs": None},
        {"joinAs": ["viewer"]},
        {"duplicates": "none"},
        {"duplicates": None},
        {"duplicates": {}},
        {"maxConnections": 0},
        {"maxConnections": 501},
        {"maxConnections": 1.5},
        {"maxConnections": True},
        {"maxConnections": "5"},
    ],
    ids=str,
)
def test_a_rule_that_does_not_exist_is_refused(
    alice: HttpClient, creates: Callable[..., str], fields: dict[str, Any]
) -> None:
    refusals = [alice.post("/sessions", json=fields), alice.patch(f"/sessions/{creates()}", json=fields)]
    assert [(one.status_code, one.json()["code"]) for one in refusals] == [(400, "invalid_request")] * 2


@pytest.mark.parametrize("fields", [{"duplicates": "newest"}, {"maxConnections": 5}])
def test_what_is_promised_to_those_who_are_in_is_not_changed(
    alice: HttpClient, creates: Callable[..., str], fields: dict[str, Any]
) -> None:
    path = f"/sessions/{creates()}"
    assert alice.patch(path, json=fields).status_code == 400
    assert alice.get(path).json()["version"] == 1
