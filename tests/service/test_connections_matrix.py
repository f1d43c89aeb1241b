"""Who may say what in which session: each role, frame and status, behind the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin import Clock, ConnectionClosed, Gateway, WebSocket
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

ROLES = {"alice": "owner", "bob": "participant"}
STATUSES = {  # as a client is told, and the answer to publish
    "active": ("active", {"type": "ack"}),
    "paused": ("paused", {"type": "error", "code": "session_paused"}),
    "ended": ("ended", {"type": "error", "code": "session_ended"}),
    "expired": ("ended", {"type": "error", "code": "session_ended"}),
}
FRAMES: dict[str, Any] = {
    "hello": {"action": "hello"},
    "publish": {"action": "publish", "data": 1},
    "ping": {"action": "ping"},
    "not one of ours": {"action": "end"},
}


@pytest.fixture
def owner(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    return chalice_gateway.http(token=jwt_tokens("alice"))


@pytest.fixture
def sockets(
    chalice_gateway: Gateway, jwt_tokens: Tokens, owner: HttpClient, chalice_clock: Clock
) -> Iterator[dict[str, WebSocket]]:
    """A socket of each subject in one session, and of a listener."""
    session_id = owner.post("/sessions", json={"expiresIn": 60}).json()["sessionId"]
    with ExitStack() as stack:
        yield {
            subject: stack.enter_context(
                chalice_gateway.websocket("/", params={"sessionId": session_id}, token=jwt_tokens(subject))
            )
            for subject in (*ROLES, "listener")
        }


@pytest.fixture
def bring(
    sockets: dict[str, WebSocket], owner: HttpClient, chalice_clock: Clock, aws_faults: Faults
) -> Callable[[str], None]:
    """Brings the session to a status, and leaves every socket open."""

    def brought(status: str) -> None:
        path = f"/sessions/{owner.get('/sessions').json()['sessions'][0]['sessionId']}"
        if status == "paused":
            assert owner.patch(path, json={"status": "paused"}).status_code == 200
            for socket in sockets.values():
                socket.expect(type="session.updated")
        elif status == "ended":
            with aws_faults.failing("apigatewaymanagementapi", code="InternalServerError", status=500):
                assert owner.delete(path).status_code == 204
        elif status == "expired":
            chalice_clock.advance(seconds=61)

    return brought


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("subject", ROLES)
def test_a_frame_is_answered_by_role_and_status(
    sockets: dict[str, WebSocket], bring: Callable[[str], None], subject: str, status: str, frame: str
) -> None:
    bring(status)
    shown, published = STATUSES[status]
    expected: dict[str, Any] = {
        "hello": {"type": "welcome", "role": ROLES[subject]},
        "publish": published,
        "ping": {"type": "pong"},
        "not one of ours": {"type": "error", "code": "invalid_request"},
    }
    sockets[subject].send_json({**FRAMES[frame], "id": frame})
    answer = sockets[subject].expect(replyTo=frame, **expected[frame])
    if frame == "hello":
        assert answer["session"]["status"] == shown
    if (frame, status) == ("publish", "active"):
        sender: dict[str, Any] = {"from": subject}
        sockets["listener"].expect(type="message", **sender)
    sockets["listener"].receive_nothing()


@pytest.mark.parametrize("frame", list(FRAMES)[:3])
@pytest.mark.parametrize("status", STATUSES)
def test_a_connection_without_a_row_is_closed_whatever_it_says(
    sockets: dict[str, WebSocket], bring: Callable[[str], None], dynamodb_tables: Tables, status: str, frame: str
) -> None:
    bring(status)
    bob = sockets["bob"]
    table = dynamodb_tables["Connections"]
    keys = [one["AttributeName"] for one in table.key_schema]
    for row in table.scan()["Items"]:
        if bob.connection_id in (str(row["member"]).partition("#")[2], str(row["place"]).partition("#")[2]):
            table.delete_item(Key={name: row[name] for name in keys})
    bob.send_json(FRAMES[frame])
    bob.expect(type="closing", code="connection_not_found", reconnect="now")
    with pytest.raises(ConnectionClosed):
        bob.receive_json()
    sockets["listener"].receive_nothing()
