"""Presence as its clients meet it, behind the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_sessionplugin import Clock, Faults, Gateway, WebSocket
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

pytestmark = pytest.mark.chalice(targets=["inprocess", "sockets"])

Enter = Callable[..., WebSocket]
HOURS = 7_200  # seconds


@pytest.fixture
def alice(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    """HTTP as the owner."""
    return chalice_gateway.http(token=jwt_tokens("alice", expires_in=HOURS))


@pytest.fixture
def session_id(alice: HttpClient) -> str:
    return str(alice.post("/sessions", json={"presence": True}).json()["sessionId"])


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens, session_id: str) -> Iterator[Enter]:
    """Opens a socket in the session until the test is over."""
    with ExitStack() as opened:

        def connect(subject: str, expires_in: int = HOURS, **query: str) -> WebSocket:
            params, token = {"sessionId": session_id, **query}, jwt_tokens(subject, expires_in=expires_in)
            return opened.enter_context(chalice_gateway.websocket("/", params=params, token=token))

        yield connect


@pytest.fixture
def enter(join: Enter) -> Enter:
    """Opens a socket and says hello."""

    def enter(subject: str, **known: Any) -> WebSocket:
        socket = join(subject, **known)
        ask(socket, "hello", "welcome")
        return socket

    return enter


def ask(socket: WebSocket, action: str, answer: str, **fields: Any) -> Any:
    socket.send_json({"action": action, **fields})
    return socket.expect(type=answer)


def joins(frame: Any) -> list[str]:
    return [one["subject"] for one in frame["join"]]


def test_people_come_show_a_state_and_go(enter: Enter, join: Enter, alice: HttpClient, session_id: str) -> None:
    owner, bob = enter("alice"), join("bob")
    welcome = ask(bob, "hello", "welcome")
    shown = sorted(welcome["participants"], key=lambda one: str(one["subject"]))
    assert shown == [{"subject": "alice", "role": "owner"}, {"subject": "bob", "role": "participant"}]
    joined = owner.expect(type="presence")
    assert (joins(joined), joined["leave"]) == (["bob"], [])
    assert joined["n"] == welcome["presenceSeq"]
    bob.send_json({"action": "state", "data": {"hand": "up"}})
    assert joins(bob.expect(type="presence")) == ["bob"]
    bob.expect(type="ack", sent=2)
    assert owner.expect(type="presence")["join"] == [{"subject": "bob", "role": "participant", "state": {"hand": "up"}}]
    listed = {one["subject"]: one for one in alice.get(f"/sessions/{session_id}/participants").json()["participants"]}
    assert listed["bob"]["state"] == {"hand": "up"}
    assert "state" not in listed["alice"]
    pong = ask(owner, "ping", "pong")
    assert (pong["presence"], pong["presenceSince"]) == ("on", 0)
    bob.close()
    left = owner.expect(type="presence")
    assert (left["join"], left["leave"]) == ([], ["bob"])


def test_a_ghost_leaves_with_the_first_frame_that_does_not_reach_it(
    enter: Enter, chalice_clock: Clock, aws_faults: Faults
) -> None:
    owner, bob, ghost = enter("alice"), enter("bob"), enter("ghost")
    assert joins(owner.expect(type="presence")) == ["bob"]
    for socket in (owner, bob):
        assert joins(socket.expect(type="presence")) == ["ghost"]
    chalice_clock.advance(minutes=1)  # a new connection may be opening
    with aws_faults.gone(str(ghost.connection_id)):
        bob.send_json({"action": "publish", "data": 1})
        owner.expect(type="message")
        for socket in (owner, bob):
            assert socket.expect(type="presence")["leave"] == ["ghost"]
        bob.expect(type="ack", sent=1)


def test_a_kicked_subject_leaves_and_a_hand_over_is_not_heard_of(
    enter: Enter, alice: HttpClient, session_id: str
) -> None:
    owner, old = enter("alice"), enter("bob")
    assert joins(owner.expect(type="presence")) == ["bob"]
    new = enter("bob", replaces=str(old.connection_id))
    old.expect(type="closing", code="replaced")
    joined = owner.expect(type="presence")
    assert (joins(joined), joined["leave"]) == (["bob"], [])
    alice.delete(f"/sessions/{session_id}/participants?subject=bob")
    new.expect(type="closing", code="kicked")
    assert owner.expect(type="presence")["leave"] == ["bob"]
    assert ask(owner, "ping", "pong")["presence"] == "on"


def test_a_leave_reaches_whom_the_token_still_lets_stay(enter: Enter, chalice_clock: Clock) -> None:
    """$disconnect closes the others."""
    owner, bob, carol = enter("alice"), enter("bob", expires_in=60), enter("carol")
    for socket, expected in ((owner, ["bob", "carol"]), (bob, ["carol"])):
        for subject in expected:
            assert joins(socket.expect(type="presence")) == [subject]
    chalice_clock.advance(minutes=2)
    carol.close()
    bob.expect(type="closing", code="token_expired")
    left = [owner.expect(type="presence")["leave"] for _ in range(2)]
    assert sorted(left) == [["bob"], ["carol"]]


def test_a_disconnect_that_cannot_be_told_is_over_all_the_same(
    enter: Enter, aws_faults: Faults, chalice_gateway: Gateway
) -> None:
    owner, bob = enter("alice"), enter("bob")
    owner.expect(type="presence")
    with aws_faults.failing("dynamodb:UpdateItem", code="InternalServerError", status=500):
        bob.close()
        chalice_gateway.settle()
    welcome = ask(owner, "hello", "welcome")
    assert [one["subject"] for one in welcome["participants"]] == ["alice"]
