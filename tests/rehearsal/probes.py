"""Uses of each function, as a user would act. Each fails if the function lacks one of its permissions.

An act checks what a client receives, and reads the tables only where a client cannot see the effect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pytest

from pytest_sessionplugin import ConnectionClosed, WebSocket
from tests.rehearsal.visitor import Visitor, comes_true

Act = Callable[[Visitor], None]


def closed(socket: WebSocket) -> None:
    with pytest.raises(ConnectionClosed):
        socket.receive_text()


# --- HTTP


def is_ready(visitor: Visitor) -> None:
    assert visitor.gateway.http().get("/health/ready").status_code == 200


def keeps_sessions(visitor: Visitor) -> None:
    path = f"/sessions/{visitor.create(title='Standup')}"
    alice = visitor.http()
    assert alice.get(path).json()["title"] == "Standup"
    assert alice.patch(path, json={"title": "Break"}).json()["title"] == "Break"
    assert alice.delete(path).status_code == 204


def lists_sessions(visitor: Visitor) -> None:
    assert visitor.http("carol").get("/sessions").json() == {"sessions": [], "nextCursor": None}


def creates_once(visitor: Visitor) -> None:
    key = {"Idempotency-Key": "k-1"}
    made = [visitor.http("dave").post("/sessions", json={}, headers=key) for _ in range(2)]
    assert [one.status_code for one in made] == [201, 201]
    assert made[0].json()["sessionId"] == made[1].json()["sessionId"]


def tells_and_closes(visitor: Visitor) -> None:
    session_id = visitor.create()
    alice = visitor.http()
    with visitor.join(session_id) as bob:
        alice.patch(f"/sessions/{session_id}", json={"title": "Break"})
        bob.expect(type="session.updated")
        alice.delete(f"/sessions/{session_id}")
        bob.expect(type="session.ended")
        closed(bob)


def forgets_who_is_gone(visitor: Visitor) -> None:
    session_id = visitor.create()
    with visitor.join(session_id):
        haunted = visitor.haunt(session_id)
        assert visitor.http().patch(f"/sessions/{session_id}", json={"title": "x"}).status_code == 200
        assert not haunted()


def issues_tickets(visitor: Visitor) -> None:
    tickets = f"/sessions/{visitor.create()}/tickets"
    assert visitor.http("bob").post(tickets, json={}).status_code == 201
    assert visitor.http().post(tickets, json={"subject": "guest:ada"}).status_code == 201


def knows_who_is_in(visitor: Visitor) -> None:
    session_id = visitor.create()
    with visitor.join(session_id):
        [bob] = visitor.http().get(f"/sessions/{session_id}/participants").json()["participants"]
        assert bob["subject"] == "bob"


def gives_roles(visitor: Visitor) -> None:
    session_id = visitor.create()
    path = f"/sessions/{session_id}/participants?subject=bob"
    with visitor.join(session_id) as bob:
        assert visitor.http().patch(path, json={"role": "viewer"}).status_code == 200
        bob.expect(type="role", role="viewer")


def puts_out(visitor: Visitor) -> None:
    session_id = visitor.create()
    path = f"/sessions/{session_id}"
    with visitor.join(session_id) as bob:
        assert visitor.http().delete(f"{path}/participants?subject=bob&ban=60").json()["closed"] == 1
        bob.expect(type="closing", code="kicked")
        closed(bob)
    assert visitor.http("bob").get(path).status_code == 403


def speaks_for_the_owner(visitor: Visitor) -> None:
    session_id = visitor.create()
    path = f"/sessions/{session_id}/messages"
    with visitor.join(session_id) as bob:
        assert visitor.http().post(path, json={"data": 1}).json()["sent"] == 1
        bob.expect(type="message", data=1)
        assert visitor.http().post(path, json={"data": 2, "to": "bob"}).json()["sent"] == 1
        bob.expect(type="direct", data=2)


def keeps_events(visitor: Visitor) -> None:
    path = f"/sessions/{visitor.create(durable=True)}"
    alice, key = visitor.http(), {"Idempotency-Key": "k-1"}
    assert alice.post(f"{path}/messages", json={"data": 1}, headers=key).json()["seq"] == 1
    assert alice.patch(path, json={"title": "Break"}).status_code == 200
    events = alice.get(f"{path}/events").json()["events"]
    assert [event["type"] for event in events] == ["message", "session.updated"]


# --- WebSocket


def admits(visitor: Visitor) -> None:
    session_id = visitor.create()
    with visitor.join(session_id):
        assert len(visitor.rows(session_id)) == 2


def admits_by_ticket(visitor: Visitor) -> None:
    session_id = visitor.create()
    ticket = visitor.http().post(f"/sessions/{session_id}/tickets", json={"subject": "guest:ada"}).json()["ticket"]
    with visitor.gateway.websocket("/", params={"sessionId": session_id, "ticket": ticket}):
        assert {row["subject"] for row in visitor.rows(session_id)} == {"guest:ada"}


def marks_viewers(visitor: Visitor) -> None:
    session_id = visitor.create(joinAs="viewer")
    with visitor.join(session_id):
        assert {row["role"] for row in visitor.rows(session_id)} == {"viewer"}


def makes_room(visitor: Visitor) -> None:
    session_id = visitor.create(duplicates="newest", maxConnections=2)
    with visitor.join(session_id) as old, visitor.join(session_id):
        old.expect(type="closing", code="replaced")
        closed(old)


def talks(visitor: Visitor) -> None:
    session_id = visitor.create()
    with visitor.join(session_id) as bob, visitor.join(session_id, "carol") as carol:
        haunted = visitor.haunt(session_id)
        bob.send_json({"action": "hello"})
        bob.expect(type="welcome")
        bob.send_json({"action": "publish", "data": "x"})
        bob.expect(type="ack", seq=1)
        carol.expect(type="message", data="x")
        assert not haunted()
        bob.send_json({"action": "send", "to": "carol", "data": "y"})
        bob.expect(type="ack", sent=1)
        carol.expect(type="direct", data="y")


def keeps_what_is_said(visitor: Visitor) -> None:
    session_id = visitor.create(durable=True)
    with visitor.join(session_id) as bob:
        for key in ({}, {"key": "k-1"}):
            bob.send_json({"action": "publish", "data": "x", **key})
            bob.expect(type="ack", sent=0)
        bob.send_json({"action": "hello", "resume": {"seq": 0}})
        assert [event["seq"] for event in bob.expect(type="welcome", recovered=True)["events"]] == [1, 2]


def refreshes(visitor: Visitor) -> None:
    with visitor.join(visitor.create()) as bob:
        bob.send_json({"action": "refresh", "token": visitor.tokens("bob")})
        bob.expect(type="ack")


def hands_over(visitor: Visitor) -> None:
    session_id = visitor.create()
    with visitor.join(session_id) as old:
        old.send_json({"action": "hello"})
        with visitor.join(session_id, replaces=old.expect(type="welcome")["connectionId"]) as new:
            new.send_json({"action": "hello"})
            new.expect(type="welcome")
            old.expect(type="closing", code="replaced")
            closed(old)


def closes_strangers(visitor: Visitor) -> None:
    session_id = visitor.create()
    with visitor.join(session_id) as bob:
        visitor.forget(session_id)
        bob.send_json({"action": "ping"})
        bob.expect(type="closing", code="connection_not_found")
        closed(bob)


def forgets_who_leaves(visitor: Visitor) -> None:
    session_id = visitor.create()
    with visitor.join(session_id):
        pass
    assert comes_true(lambda: visitor.rows(session_id) == [], visitor.patience)


def tells_who_leaves(visitor: Visitor) -> None:
    """One who is told has a token that has expired in the meantime, and is closed."""
    session_id = visitor.create(presence=True)
    with visitor.join(session_id, "carol") as carol, visitor.join(session_id, "dave") as dave:
        with visitor.join(session_id) as bob:
            for socket in (carol, dave, bob):
                socket.send_json({"action": "hello"})
                socket.expect(type="welcome", skip=True)
            visitor.lapse(session_id, "dave")
        carol.expect(type="presence", leave=["bob"], skip=True)
        dave.expect(type="closing", code="token_expired", skip=True)
        closed(dave)


# --- the schedule


def ends_what_expires(visitor: Visitor) -> None:
    session_id = visitor.create(durable=True)
    with visitor.join(session_id) as bob:
        haunted = visitor.haunt(session_id)
        visitor.expire(session_id)
        visitor.sweep()
        assert visitor.session(session_id)["status"] == "ended"
        bob.expect(type="session.ended", reason="expired")
        closed(bob)
        assert not haunted()
    [end] = visitor.http().get(f"/sessions/{session_id}/events").json()["events"]
    assert end["type"] == "session.ended"


def all_of(visitor: Visitor) -> None:
    """Runs all acts of all functions, which are warm afterwards."""
    for acts in ACTS.values():
        for act in acts:
            act(visitor)


ACTS: Final[Mapping[str, tuple[Act, ...]]] = {
    "api_handler": (
        keeps_sessions,
        lists_sessions,
        creates_once,
        tells_and_closes,
        forgets_who_is_gone,
        issues_tickets,
        knows_who_is_in,
        gives_roles,
        puts_out,
        speaks_for_the_owner,
        keeps_events,
        is_ready,  # the last: it remembers for seconds that a table did not answer, whatever act needs that right, too
    ),
    "websocket_connect": (admits, admits_by_ticket, marks_viewers, makes_room),
    "websocket_message": (talks, keeps_what_is_said, refreshes, hands_over, closes_strangers),
    "websocket_disconnect": (forgets_who_leaves, tells_who_leaves),
    "sweep": (ends_what_expires,),
}
"""The acts by function."""
