"""A room in which anything happens: people come and go, publish, send and talk nonsense, and the owner changes the
session, gives roles and puts people out.

A model says what each socket must hear, and every frame is held to the contract as well.
"""

from __future__ import annotations

import json
from collections import Counter
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
SUBJECTS = st.sampled_from(["alice", "bob"])
OTHERS = st.sampled_from(["bob", "guest:ada"])
ANYBODY = st.sampled_from(["alice", "bob", "guest:ada", "nobody"])
ROLES = st.sampled_from(["participant", "viewer"])
KEYS = st.sampled_from(["one-key", "another"])
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
        self.subjects: dict[WebSocket, str] = {}
        self.roles: dict[WebSocket, str] = {}  # of connections
        self.words: dict[str, str] = {}  # roles that the owner gave to subjects
        self.banned: set[str] = set()
        self.replacing: dict[WebSocket, WebSocket] = {}  # a connection that has not spoken yet, and the one before it
        self.version, self.status = 1, "active"
        self.events: list[tuple[str, Any]] = []  # types, and the data of messages
        self.once: dict[tuple[str, str | None], tuple[int, Any]] = {}  # seq and data, by subject and key

    @property
    def seq(self) -> int:
        return len(self.events)

    @initialize(join_as=ROLES, durable=st.booleans(), first=st.lists(OTHERS, min_size=1, max_size=3))
    def create(self, join_as: str, durable: bool, first: list[str]) -> None:
        self.alice: HttpClient = self.gateway.http(token=self.tokens("alice"))
        draft = {"joinAs": join_as, "durable": durable}
        self.session_id: str = self.alice.post("/sessions", json=draft).json()["sessionId"]
        self.path, self.join_as, self.durable = f"/sessions/{self.session_id}", join_as, durable
        for subject in first:
            self.come(subject)

    # --- people

    @precondition(lambda self: len(self.sockets) < MOST)
    @rule(subject=SUBJECTS)
    def join(self, subject: str) -> None:
        room = {"sessionId": self.session_id}
        if refusal := self.refusal(subject):
            with pytest.raises(HandshakeRefused) as refused:
                self.gateway.websocket(params=room, token=self.tokens(subject))
            assert refused.value.status_code == refusal
        else:
            self.admit(self.gateway.websocket(params=room, token=self.tokens(subject)), subject)

    @precondition(lambda self: 0 < len(self.sockets) < MOST)
    @rule(data=st.data(), subject=SUBJECTS, speaks=st.booleans())
    def take_a_place(self, data: st.DataObject, subject: str, speaks: bool) -> None:
        """That of another's connection stays."""
        own = self.of(subject)
        if self.refusal(subject):
            return
        old = data.draw(st.sampled_from([*own, self.sockets[0]]))
        room = {"sessionId": self.session_id, "replaces": old.connection_id}
        new = self.gateway.websocket(params=room, token=self.tokens(subject))
        self.admit(new, subject)
        if old in own:
            self.replacing[new] = old
        if speaks:
            self.publish_by(new, 1, None)

    @precondition(lambda self: len(self.sockets) < MOST)
    @rule(subject=SUBJECTS)
    def join_by_ticket(self, subject: str) -> None:
        """One's own, which is good once."""
        asked = self.gateway.http(token=self.tokens(subject)).post(f"{self.path}/tickets", json={})
        if refusal := self.refusal(subject):
            assert asked.status_code == refusal
            return
        ticket = asked.json()["ticket"]
        new = self.gateway.websocket(params={"sessionId": self.session_id, "ticket": ticket})
        with pytest.raises(HandshakeRefused) as refused:
            self.gateway.websocket(params={"sessionId": self.session_id, "ticket": ticket})
        assert refused.value.status_code == 401
        self.admit(new, subject)

    @precondition(lambda self: len(self.sockets) < MOST)
    @rule(role=ROLES)
    def join_as_a_guest(self, role: str) -> None:
        asked = self.alice.post(f"{self.path}/tickets", json={"subject": "guest:ada", "role": role})
        if refusal := self.refusal("guest:ada"):
            assert asked.status_code == refusal
            return
        room = {"sessionId": self.session_id}
        new = self.gateway.websocket(params=room, subprotocols=asked.json()["protocols"])
        self.admit(new, "guest:ada", role)

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), politely=st.booleans())
    def leave(self, data: st.DataObject, politely: bool) -> None:
        socket = self.pick(data)
        self.part_with(socket)
        if politely:
            socket.close()
        else:
            socket.drop()

    # --- frames

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), name=NAMES, behind=st.integers(min_value=0, max_value=2))
    def hello(self, data: st.DataObject, name: Any, behind: int) -> None:
        seen, socket = max(self.seq - behind, 0), self.pick(data)
        answer = self.say(socket, {"action": "hello", "resume": {"seq": seen}}, name)
        assert answer["type"] == "welcome"
        assert (answer["seq"], answer["recovered"]) == (self.seq, self.durable or seen == self.seq)
        self.check_events(answer["events"], seen if self.durable else self.seq)
        assert (answer["session"]["version"], answer["session"]["status"]) == (self.version, self.status)
        assert answer["role"] == self.roles[socket]

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), name=NAMES)
    def ping(self, data: st.DataObject, name: Any) -> None:
        answer = self.say(self.pick(data), {"action": "ping"}, name)
        assert (answer["type"], answer["seq"], answer["version"]) == ("pong", self.seq, self.version)

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), name=NAMES, said=DATA, key=st.none() | KEYS, repeated=st.booleans())
    def publish(self, data: st.DataObject, name: Any, said: Any, key: str | None, repeated: bool) -> None:
        """With a key again, as the same or as something else."""
        speaker = self.pick(data)
        once = (self.subjects[speaker], key)
        if key is None or once not in self.once or self.roles[speaker] == "viewer":
            self.publish_by(speaker, said, name, key)
        if once not in self.once or self.roles[speaker] == "viewer":
            return
        seq, first = self.once[once]
        again = first if repeated else [first]
        answer = self.say(speaker, {"action": "publish", "data": again, "key": key}, name)
        if repeated:
            assert {**answer, "replyTo": name} == {"type": "ack", "seq": seq, "duplicate": True, "replyTo": name}
        else:
            assert (answer["type"], answer["code"]) == ("error", "idempotency_mismatch")

    def publish_by(self, speaker: WebSocket, said: Any, name: Any, key: str | None = None) -> None:
        keyed = {} if key is None else {"key": key}
        answer = self.say(speaker, {"action": "publish", "data": said, **keyed}, name)
        if code := self.silence(speaker) or ("not_durable" if keyed and not self.durable else None):
            assert (answer["type"], answer["code"]) == ("error", code)
            return
        if key is not None:
            self.once[self.subjects[speaker], key] = (self.seq + 1, said)
        self.events.append(("message", said))
        others = [socket for socket in self.sockets if socket is not speaker]
        assert (answer["type"], answer["seq"], answer["version"]) == ("ack", self.seq, self.version)
        assert (answer["sent"], answer["missed"]) == (len(others), 0)
        for socket in others:
            frame = socket.receive_json()
            assert (frame["type"], frame["seq"], frame["data"]) == ("message", self.seq, said)

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), name=NAMES, to=ANYBODY, said=DATA)
    def send(self, data: st.DataObject, name: Any, to: str, said: Any) -> None:
        speaker = self.pick(data)
        speaker.send_json({"action": "send", "to": to, "data": said, **({} if name is None else {"id": name})})
        self.hand_over(speaker)
        if code := self.silence(speaker):
            assert speaker.expect(type="error").get("code") == code
            return
        hearers = [socket for socket in self.sockets if self.subjects[socket] == to]
        for socket in hearers:
            assert socket.expect(type="direct", data=said)["from"] == self.subjects[speaker]
        assert speaker.expect(type="ack", sent=len(hearers), missed=0).get("replyTo") == name

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), name=NAMES, subject=SUBJECTS)
    def refresh(self, data: st.DataObject, name: Any, subject: str) -> None:
        socket = self.pick(data)
        answer = self.say(socket, {"action": "refresh", "token": self.tokens(subject, expires_in=7200)}, name)
        if self.subjects[socket].startswith("guest:"):
            assert (answer["type"], answer["code"]) == ("error", "not_allowed")
        elif self.subjects[socket] != subject:
            assert (answer["type"], answer["code"]) == ("error", "unauthenticated")
        else:
            assert answer["type"] == "ack"

    @precondition(lambda self: self.sockets)
    @rule(data=st.data(), text=NONSENSE)
    def talk_nonsense(self, data: st.DataObject, text: str) -> None:
        socket = self.pick(data)
        socket.send_text(text)
        self.hand_over(socket)
        assert socket.receive_json()["type"] == "error"

    # --- the owner

    @rule(change=st.sampled_from([{"status": "paused"}, {"status": "active"}, {"title": "a"}, {"title": None}]))
    def change(self, change: dict[str, Any]) -> None:
        before = self.alice.get(self.path).json()
        answer = self.alice.patch(self.path, json=change)
        is_new = any(before[field] != value for field, value in change.items())
        if is_new and self.status == "ended":
            assert (answer.status_code, answer.json()["code"]) == (409, "session_ended")
            return
        if is_new:
            self.version, self.status = self.version + 1, change.get("status", self.status)
            self.events.append(("session.updated", None))
            self.hear(type="session.updated", seq=self.seq)
        session = answer.json()
        assert (answer.status_code, session["version"], session["status"]) == (200, self.version, self.status)

    @rule(limit=st.integers(min_value=1, max_value=3), after=st.integers(min_value=0, max_value=STEPS))
    def page(self, limit: int, after: int) -> None:
        answer = self.alice.get(f"{self.path}/events?limit={limit}&after={after}")
        if not self.durable:
            assert (answer.status_code, answer.json()["code"]) == (409, "not_durable")
            return
        last = min(after + limit, self.seq)
        self.check_events(answer.json()["events"], after, last)
        assert answer.json().get("next") == (last if last < self.seq else None)

    @rule(subject=OTHERS, role=ROLES)
    def give_a_role(self, subject: str, role: str) -> None:
        answer = self.alice.patch(f"{self.path}/participants?subject={subject}", json={"role": role})
        assert (answer.status_code, answer.json()) == (200, {"subject": subject, "role": role})
        self.words[subject] = role
        for socket in self.of(subject):
            self.roles[socket] = role
            socket.expect(type="role", role=role)
        for socket in self.of(subject)[:1]:
            self.publish_by(socket, role, None)

    @rule(subject=OTHERS, returns=st.booleans())
    def put_out(self, subject: str, returns: bool) -> None:
        """Keeps a subject out, and, if it `returns`, lifts the ban."""
        for ban in (60, 0) if returns else (60,):
            gone = self.of(subject)
            answer = self.alice.delete(f"{self.path}/participants?subject={subject}&ban={ban}")
            told = answer.json()
            assert (answer.status_code, told["closed"], told["pending"]) == (200, len(gone), 0)
            assert (told["bannedUntil"] is None) == (ban == 0)
            (self.banned.add if ban else self.banned.discard)(subject)
            for socket in gone:
                self.hear_the_end(socket, code="kicked", reconnect="never")
            self.come(subject)

    @rule()
    def count(self) -> None:
        answer = self.alice.get(f"{self.path}/participants")
        told = {one["subject"]: (one["role"], one["connections"]) for one in answer.json()["participants"]}
        assert (answer.status_code, answer.json()["nextCursor"]) == (200, None)
        assert {subject: count for subject, (_, count) in told.items()} == Counter(self.subjects.values())
        for socket, subject in self.subjects.items():
            assert told[subject][0] in {self.roles[one] for one in self.of(subject)}, socket

    @rule(key=KEYS)
    def repeat_from_a_server(self, key: str) -> None:
        """The one thing that it says by this key."""
        path, body, keyed = f"{self.path}/messages", {"data": "one thing"}, {"Idempotency-Key": key}
        answer = self.alice.post(path, json=body, headers=keyed)
        if ("alice", key) in self.once:
            seq, first = self.once["alice", key]
            if first == "one thing":
                assert (answer.status_code, answer.json()) == (201, {"seq": seq, "duplicate": True})
            else:
                assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
        elif self.status != "active" or not self.durable:
            code = "not_durable" if self.status == "active" else f"session_{self.status}"
            assert (answer.status_code, answer.json()["code"]) == (409, code)
        else:
            self.once["alice", key] = (self.seq + 1, "one thing")
            self.events.append(("message", "one thing"))
            assert (answer.status_code, answer.json()["seq"]) == (201, self.seq)
            self.hear(type="message", seq=self.seq, data="one thing")

    @rule(said=DATA, to=st.none() | ANYBODY)
    def speak_from_a_server(self, said: Any, to: str | None) -> None:
        answer = self.alice.post(f"{self.path}/messages", json={"data": said, **({"to": to} if to else {})})
        if self.status != "active":
            assert (answer.status_code, answer.json()["code"]) == (409, f"session_{self.status}")
            return
        hearers = self.of(to) if to else self.sockets
        numbered = {} if to else {"seq": self.seq + 1}
        self.events += [] if to else [("message", said)]
        assert (answer.status_code, answer.json()) == (201, {**numbered, "sent": len(hearers), "missed": 0})
        for socket in hearers:
            socket.expect({"type": "direct" if to else "message", "from": "alice", "data": said, **numbered})

    @precondition(lambda self: self.version > 1)  # else most rooms would end at once
    @rule()
    def end(self) -> None:
        assert self.alice.delete(self.path).status_code == 204
        if self.status != "ended":
            self.version, self.status = self.version + 1, "ended"
            self.events.append(("session.ended", None))
            self.hear(type="session.ended", seq=self.seq, reason="ended")
        for socket in list(self.sockets):
            assert list(socket) == []
            self.part_with(socket)

    # --- what the model says

    def pick(self, data: st.DataObject) -> WebSocket:
        return data.draw(st.sampled_from(self.sockets))

    def of(self, subject: str) -> list[WebSocket]:
        return [socket for socket in self.sockets if self.subjects[socket] == subject]

    def come(self, subject: str) -> None:
        if len(self.sockets) < MOST:
            self.join_as_a_guest("viewer") if subject == "guest:ada" else self.join(subject)

    def refusal(self, subject: str) -> int | None:
        if subject in self.banned:
            return 403
        return 410 if self.status == "ended" else None

    def check_events(self, told: list[dict[str, Any]], after: int, last: int | None = None) -> None:
        expected = [(kind, after + n, data) for n, (kind, data) in enumerate(self.events[after:last], start=1)]
        assert [(event["type"], event["seq"], event.get("data")) for event in told] == expected

    def silence(self, speaker: WebSocket) -> str | None:
        """Why it may not speak."""
        if self.roles[speaker] == "viewer":
            return "not_allowed"
        return "session_paused" if self.status == "paused" else None

    def admit(self, socket: WebSocket, subject: str, role: str | None = None) -> None:
        self.sockets.append(socket)
        self.subjects[socket] = subject
        self.roles[socket] = "owner" if subject == "alice" else self.words.get(subject, role or self.join_as)

    def part_with(self, socket: WebSocket) -> None:
        self.sockets.remove(socket)
        del self.subjects[socket], self.roles[socket]
        self.replacing = {new: old for new, old in self.replacing.items() if socket not in (new, old)}

    def hear_the_end(self, socket: WebSocket, **closing: Any) -> None:
        socket.expect({"type": "closing", **closing})
        assert list(socket) == []
        self.part_with(socket)

    def hand_over(self, new: WebSocket) -> None:
        if new in self.replacing:
            self.hear_the_end(self.replacing[new], code="replaced", reconnect="never")

    def say(self, socket: WebSocket, frame: dict[str, Any], name: Any) -> dict[str, Any]:
        """Sends a frame, and returns its answer."""
        socket.send_json(frame if name is None else {**frame, "id": name})
        self.hand_over(socket)
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
