"""A room in which anything happens: people come and go, publish and send nonsense, and the owner changes the session.

A model says what each socket must hear, and every frame is held to the contract as well.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from pytest_sessionplugin import Gateway, HandshakeRefused, WebSocket
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.service.fuzz import EXAMPLES, thorough

STEPS = 12
MOST = 5  # sockets
SUBJECTS = st.sampled_from(["alice", "bob", "carol"])
NAMES = st.one_of(st.none(), st.integers(min_value=0, max_value=2**53), st.text(min_size=1, max_size=20))
NUMBERS = st.integers(min_value=-(2**53), max_value=2**53)
DATA = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NO_RESUME = DATA.filter(lambda data: data is not None and not (isinstance(data, dict) and "seq" in data))
NONSENSE = st.one_of(
    st.text(max_size=50).filter(lambda text: not text.strip().startswith("{")),
    DATA.filter(lambda data: not isinstance(data, dict)).map(json.dumps),
    st.fixed_dictionaries({"action": st.sampled_from(["hello", "ping", "shout"]), "more": DATA}).map(json.dumps),
    st.fixed_dictionaries({"action": st.just("hello"), "resume": NO_RESUME}).map(json.dumps),
)


class Room(RuleBasedStateMachine):
    """The model: what the session is like, and the sockets that are open in it."""

    gateway: Gateway
    tokens: Tokens

    def __init__(self) -> None:
        super().__init__()
        self.sockets: list[WebSocket] = []
        self.seq, self.version, self.status = 0, 1, "active"

    @initialize()
    def create(self) -> None:
        self.alice: HttpClient = self.gateway.http(token=self.tokens("alice"))
        self.session_id: str = self.alice.post("/sessions", json={}).json()["sessionId"]

    # --- people

    @precondition(lambda self: len(self.sockets) < MOST)
    @rule(subject=SUBJECTS)
    def join(self, subject: str) -> None:
        room = {"sessionId": self.session_id}
        if self.status == "ended":
            with pytest.raises(HandshakeRefused) as refused:
                self.gateway.websocket(params=room, token=self.tokens(subject))
            assert refused.value.status_code == 410
        else:
            self.sockets.append(self.gateway.websocket(params=room, token=self.tokens(subject)))

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), politely=st.booleans())
    def leave(self, data: st.DataObject, politely: bool) -> None:
        socket = self.pick(data)
        self.sockets.remove(socket)
        if politely:
            socket.close()
        else:
            socket.drop()

    # --- frames

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), name=NAMES, behind=st.integers(min_value=0, max_value=2))
    def hello(self, data: st.DataObject, name: Any, behind: int) -> None:
        seen = max(self.seq - behind, 0)
        answer = self.say(self.pick(data), {"action": "hello", "resume": {"seq": seen}}, name)
        assert answer["type"] == "welcome"
        assert (answer["seq"], answer["recovered"]) == (self.seq, seen == self.seq)
        assert (answer["session"]["version"], answer["session"]["status"]) == (self.version, self.status)

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), name=NAMES)
    def ping(self, data: st.DataObject, name: Any) -> None:
        answer = self.say(self.pick(data), {"action": "ping"}, name)
        assert (answer["type"], answer["seq"], answer["version"]) == ("pong", self.seq, self.version)

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), name=NAMES, said=DATA)
    def publish(self, data: st.DataObject, name: Any, said: Any) -> None:
        speaker = self.pick(data)
        answer = self.say(speaker, {"action": "publish", "data": said}, name)
        if self.status == "paused":
            assert (answer["type"], answer["code"]) == ("error", "session_paused")
            return
        self.seq += 1
        others = [socket for socket in self.sockets if socket is not speaker]
        assert (answer["type"], answer["seq"], answer["version"]) == ("ack", self.seq, self.version)
        assert (answer["sent"], answer["missed"]) == (len(others), 0)
        for socket in others:
            frame = socket.receive_json()
            assert (frame["type"], frame["seq"], frame["data"]) == ("message", self.seq, said)

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), text=NONSENSE)
    def talk_nonsense(self, data: st.DataObject, text: str) -> None:
        socket = self.pick(data)
        socket.send_text(text)
        assert socket.receive_json()["type"] == "error"

    # --- the owner

    @rule(change=st.sampled_from([{"status": "paused"}, {"status": "active"}, {"title": "a"}, {"title": None}]))
    def change(self, change: dict[str, Any]) -> None:
        before = self.alice.get(f"/sessions/{self.session_id}").json()
        answer = self.alice.patch(f"/sessions/{self.session_id}", json=change)
        is_new = any(before[field] != value for field, value in change.items())
        if is_new and self.status == "ended":
            assert (answer.status_code, answer.json()["code"]) == (409, "session_ended")
            return
        if is_new:
            self.seq, self.version, self.status = self.seq + 1, self.version + 1, change.get("status", self.status)
            self.hear(type="session.updated", seq=self.seq)
        session = answer.json()
        assert (answer.status_code, session["version"], session["status"]) == (200, self.version, self.status)

    @rule()
    def end(self) -> None:
        assert self.alice.delete(f"/sessions/{self.session_id}").status_code == 204
        if self.status != "ended":
            self.seq, self.version, self.status = self.seq + 1, self.version + 1, "ended"
            self.hear(type="session.ended", seq=self.seq, reason="ended")
        for socket in self.sockets:
            assert list(socket) == []
        self.sockets.clear()

    # --- what the model says

    def pick(self, data: st.DataObject) -> WebSocket:
        return data.draw(st.sampled_from(self.sockets))

    def say(self, socket: WebSocket, frame: dict[str, Any], name: Any) -> dict[str, Any]:
        """Sends a frame, and returns its answer."""
        socket.send_json(frame if name is None else {**frame, "id": name})
        answer: dict[str, Any] = socket.receive_json()
        assert answer.get("replyTo") == name
        return answer

    def hear(self, **event: Any) -> None:
        for socket in self.sockets:
            socket.expect(**event)

    def teardown(self) -> None:
        for socket in self.sockets:
            socket.receive_nothing()
            socket.close()


def test_each_socket_hears_what_happens_in_its_room_and_nothing_else(
    chalice_gateway: Gateway, jwt_tokens: Tokens
) -> None:
    class ThisRoom(Room):
        gateway, tokens = chalice_gateway, jwt_tokens

    run_state_machine_as_test(ThisRoom, settings=thorough(EXAMPLES // 4, shrinks=True, stateful_step_count=STEPS))
