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


# --- WebSocket


def admits(visitor: Visitor) -> None:
    session_id = visitor.create()
    with visitor.join(session_id):
        assert len(visitor.rows(session_id)) == 2


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


def refreshes(visitor: Visitor) -> None:
    with visitor.join(visitor.create()) as bob:
        bob.send_json({"action": "refresh", "token": visitor.tokens("bob")})
        bob.expect(type="ack")


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


# --- the schedule


def ends_what_expires(visitor: Visitor) -> None:
    session_id = visitor.create()
    with visitor.join(session_id) as bob:
        haunted = visitor.haunt(session_id)
        visitor.expire(session_id)
        visitor.sweep()
        assert visitor.session(session_id)["status"] == "ended"
        bob.expect(type="session.ended", reason="expired")
        closed(bob)
        assert not haunted()


def all_of(visitor: Visitor) -> None:
    """Runs all acts of all functions, which are warm afterwards."""
    for acts in ACTS.values():
        for act in acts:
            act(visitor)


ACTS: Final[Mapping[str, tuple[Act, ...]]] = {
    "api_handler": (is_ready, keeps_sessions, lists_sessions, creates_once, tells_and_closes, forgets_who_is_gone),
    "websocket_connect": (admits,),
    "websocket_message": (talks, refreshes, closes_strangers),
    "websocket_disconnect": (forgets_who_leaves,),
    "sweep": (ends_what_expires,),
}
"""The acts by function."""
