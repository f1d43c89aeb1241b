"""Answers to each frame by role, status of the session and credential, behind the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import product
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
ROLES = {
    "owner": "alice",
    "participant": "bob",
    "viewer": "victor",
    "silenced": "sam",
    "guest": "guest:ada",
    "guest viewer": "guest:eve",
}
STATUSES = ("active", "paused", "ended", "expired")
CREDENTIALS = ("valid", "expired", "refreshed", "kicked", "replaced", "forgotten")
SHORT_LIVED = ("expired", "refreshed")
PEOPLE = [pair for pair in product(ROLES, CREDENTIALS) if pair != ("owner", "kicked")]  # no owner puts itself out
ACTIONS: dict[str, dict[str, Any]] = {  # publish at the end: every other connection hears it
    "hello": {},
    "ping": {},
    "end": {},
    "refresh": {},  # with a token of the subject
    "send": {"to": "carol", "data": 1},
    "publish": {"data": 1},
}


class Room:
    """A session in which a subject has a socket for each action, and somebody listens."""

    def __init__(self, gateway: Gateway, tokens: Tokens, clock: Clock, stack: ExitStack, role: str, **new: Any) -> None:
        self._gateway, self._tokens, self._clock, self._stack = gateway, tokens, clock, stack
        self.subject, self._role = ROLES[role], "viewer" if "viewer" in role else "participant"
        self._alice = gateway.http(token=tokens("alice"))
        self.session_id: str = self._alice.post("/sessions", json={"joinAs": self._role, **new}).json()["sessionId"]
        self._path = f"/sessions/{self.session_id}"
        self.listener = self._join("carol")
        self.sockets: dict[str, WebSocket] = {}

    def enter(self, credential: str) -> None:
        for action in ACTIONS:
            self.sockets[action] = self._join(self.subject, short=credential in SHORT_LIVED)
        if self.subject == ROLES["silenced"]:
            path = f"{self._path}/participants?subject={self.subject}"
            assert self._alice.patch(path, json={"role": "viewer"}).status_code == 200
            for socket in self.sockets.values():
                socket.expect(type="role", role="viewer")

    def _join(self, subject: str, *, short: bool = False, **params: str) -> WebSocket:
        """By a token, or a guest by a ticket."""
        room = {"sessionId": self.session_id, **params}
        if subject.startswith("guest:"):
            guest = {"subject": subject, "role": self._role, "expiresIn": 60 if short else 3600}
            protocols = self._alice.post(f"{self._path}/tickets", json=guest).json()["protocols"]
            socket = self._gateway.websocket("/", params=room, subprotocols=protocols)
        else:
            token = self._tokens(subject, expires_in=SHORT if short else 3600)
            socket = self._gateway.websocket("/", params=room, token=token)
        return self._stack.enter_context(closing(socket))

    def become(self, status: str, faults: Faults, *, heard: bool) -> None:
        """Brings the session to a status, which the sockets hear or not, and leaves every socket open."""
        if status == "paused":
            assert self._alice.patch(self._path, json={"status": "paused"}).status_code == 200
            self.listener.expect(type="session.updated")
            for socket in self.sockets.values():
                socket.expect(type="session.updated") if heard else socket.receive_nothing()
        elif status == "ended":
            with faults.failing("apigatewaymanagementapi"):
                assert self._alice.delete(self._path).status_code == 204

    def lose(self, credential: str, tables: Tables, faults: Faults) -> None:
        """Takes from the sockets what admitted them, and leaves them open."""
        ids = [str(socket.connection_id) for socket in self.sockets.values()]
        if credential == "forgotten":
            forget(tables, ids)
        elif credential == "refreshed":
            for action, socket in self.sockets.items():
                self.say(action, {"action": "refresh"})
                assert socket.receive_json()["type"] == ("error" if self.subject.startswith("guest:") else "ack")
        elif credential == "kicked":
            with faults.gone(*ids):
                answer = self._alice.delete(f"{self._path}/participants?subject={self.subject}&ban=60")
            assert answer.json()["pending"] == len(ids)
        elif credential == "replaced":
            with faults.gone(*ids):
                for connection_id in ids:
                    new = self._join(self.subject, replaces=connection_id)
                    new.send_json({"action": "hello"})
                    new.expect(type="welcome")
                    new.close()

    def say(self, of: str, frame: dict[str, Any]) -> None:
        """Says it on one of the sockets; `refresh` with a good token."""
        token = {"token": self._tokens(self.subject)} if frame["action"] == "refresh" else {}
        self.sockets[of].send_json({**frame, **token})

    def wait(self) -> None:
        self._clock.advance(seconds=LATER)


def forget(tables: Tables, ids: Sequence[str]) -> None:
    """Deletes both rows of connections."""
    for row in tables["Connections"].scan()["Items"]:
        if {str(row["place"]).partition("#")[2], str(row["member"]).rpartition("#")[2]}.intersection(ids):
            tables["Connections"].delete_item(Key={"place": row["place"], "member": row["member"]})


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(("role", "credential"), PEOPLE)
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
    room.lose(credential, dynamodb_tables, aws_faults)
    room.become(status, aws_faults, heard=credential not in verdicts.ROWLESS)
    room.wait()
    for action, fields in ACTIONS.items():
        expected = verdicts.of_frame(role, action, status, credential)
        socket = room.sockets[action]
        room.say(action, {"action": action, **fields, "id": action})
        answer = socket.expect(expected)
        if expected["type"] == "closing":
            with pytest.raises(ConnectionClosed):
                socket.receive_json()
        else:
            assert answer["replyTo"] == action
            socket.receive_nothing()
        if expected["type"] == "ack" and action == "send":
            assert answer["sent"] == 1
            room.listener.expect({"type": "direct", "from": room.subject})
        elif expected["type"] == "ack" and action == "publish":
            assert answer["sent"] == len(ACTIONS), "every other connection, the listener's too"
            room.listener.expect({"type": "message", "from": room.subject})
        room.listener.receive_nothing()
