"""Who may say what in which session: each role, frame, status and credential, behind the gateway."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin import Clock, ConnectionClosed, Gateway, WebSocket
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.service import verdicts

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

SHORT = 40  # seconds; sessions last 60 at least
LATER = 75  # seconds, when what was short is over, with a token's leeway
ROLES = {"owner": "alice", "participant": "bob", "viewer": "victor"}
STATUSES = ("active", "paused", "ended", "expired")
CREDENTIALS = ("valid", "expired", "forgotten")
ACTIONS: dict[str, dict[str, Any]] = {  # publish at the end: every other connection hears it
    "hello": {},
    "ping": {},
    "end": {},
    "publish": {"data": 1},
}


class Room:
    """A session in which a subject has a socket for each action, and somebody listens."""

    def __init__(self, gateway: Gateway, tokens: Tokens, clock: Clock, stack: ExitStack, role: str, **new: Any) -> None:
        self._gateway, self._tokens, self._clock, self._stack = gateway, tokens, clock, stack
        self.subject = ROLES[role]
        join_as = "viewer" if role == "viewer" else "participant"
        self._alice = gateway.http(token=tokens("alice"))
        self.session_id: str = self._alice.post("/sessions", json={"joinAs": join_as, **new}).json()["sessionId"]
        self._path = f"/sessions/{self.session_id}"
        self.listener = self._join("carol")
        self.sockets: dict[str, WebSocket] = {}

    def enter(self, credential: str) -> None:
        lasts = SHORT if credential == "expired" else 3600
        for action in ACTIONS:
            self.sockets[action] = self._join(self.subject, lasts)

    def _join(self, subject: str, expires_in: float = 3600) -> WebSocket:
        token = self._tokens(subject, expires_in=expires_in)
        socket = self._gateway.websocket("/", params={"sessionId": self.session_id}, token=token)
        return self._stack.enter_context(closing(socket))

    def become(self, status: str, faults: Faults) -> None:
        """Brings the session to a status, and leaves every socket open."""
        if status == "paused":
            assert self._alice.patch(self._path, json={"status": "paused"}).status_code == 200
            for socket in (self.listener, *self.sockets.values()):
                socket.expect(type="session.updated")
        elif status == "ended":
            with faults.failing("apigatewaymanagementapi"):
                assert self._alice.delete(self._path).status_code == 204

    def lose(self, credential: str, tables: Tables) -> None:
        """Takes from the sockets what admitted them, and leaves them open."""
        if credential == "forgotten":
            forget(tables, self.sockets.values())

    def wait(self) -> None:
        self._clock.advance(seconds=LATER)


def forget(tables: Tables, sockets: Iterable[WebSocket]) -> None:
    """Deletes both rows of connections."""
    ids = {socket.connection_id for socket in sockets}
    for row in tables["Connections"].scan()["Items"]:
        if {str(row["place"]).partition("#")[2], str(row["member"]).rpartition("#")[2]} & ids:
            tables["Connections"].delete_item(Key={"place": row["place"], "member": row["member"]})


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("credential", CREDENTIALS)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("role", ROLES)
def test_a_frame_is_answered_by_role_status_and_credential(
    chalice_gateway: Gateway,
    jwt_tokens: Tokens,
    chalice_clock: Clock,
    dynamodb_tables: Tables,
    aws_faults: Faults,
    stack: ExitStack,
    role: str,
    status: str,
    credential: str,
) -> None:
    lasts = 60 if status == "expired" else 3600
    room = Room(chalice_gateway, jwt_tokens, chalice_clock, stack, role, expiresIn=lasts)
    room.enter(credential)
    room.become(status, aws_faults)
    room.lose(credential, dynamodb_tables)
    room.wait()
    for action, fields in ACTIONS.items():
        expected = verdicts.of_frame(role, action, status, credential)
        socket = room.sockets[action]
        socket.send_json({"action": action, **fields, "id": action})
        answer = socket.expect(expected)
        if expected["type"] == "closing":
            with pytest.raises(ConnectionClosed):
                socket.receive_json()
        else:
            assert answer["replyTo"] == action
            socket.receive_nothing()
        if expected["type"] == "ack" and action == "publish":
            assert answer["sent"] == len(ACTIONS), "every other connection, the listener's too"
            room.listener.expect({"type": "message", "from": room.subject})
        room.listener.receive_nothing()
