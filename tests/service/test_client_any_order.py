"""The reference client hears each event once and in order, or is told, whatever order, repeats and losses of frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.model import rfc3339
from tests.service.client import Client
from tests.service.client_values import Answered, Close, Effect, Frame, Heard, Missed, Open, Send
from tests.service.fakes import Clock
from tests.service.fuzz import thorough

AT_MOST: Final = 4  # events in a welcome
YOUNG: Final = timedelta(seconds=5)
PATIENCE: Final = 100  # rounds of six seconds until everything is settled

WHATS: Final = (
    *("publish", "publish", "unheard", "hole", "store", "own", "keyed"),
    *("deliver", "deliver", "deliver", "repeat", "lose", "pass", "close", "move", "refuse"),
)
Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(WHATS),
        st.integers(0, 9),
    ),
    max_size=60,
)


@dataclass
class Room:
    """A server and the network between: numbers with their event, None for a hole, or `void`; frames that are under
    way to a socket; and what the app of one client heard."""

    durable: bool
    clock: Clock = field(default_factory=Clock)
    client: Client = field(default_factory=lambda: Client(lambda: 0.5))
    events: dict[int, Frame | str | None] = field(default_factory=dict)
    taken: dict[int, datetime] = field(default_factory=dict)
    keys: dict[str, int] = field(default_factory=dict)
    sockets: list[int] = field(default_factory=list)
    under_way: list[tuple[int, Frame]] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    unsure: list[int] = field(default_factory=list)  # ids of publishes without an answer
    missed: list[tuple[int, int]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)  # as they came: heard, and the ends of what was missed
    recovered: list[bool] = field(default_factory=list)
    hellos: dict[int, datetime] = field(default_factory=dict)
    refuses: bool = False

    @property
    def head(self) -> int:
        return len(self.events)

    def number(self, event: Frame | None) -> int:
        seq = self.head + 1
        self.taken[seq] = self.clock()
        self.events[seq] = None if event is None else {**event, "seq": seq}
        return seq

    def step(self, what: str, which: int) -> None:
        some = which % len(self.under_way) if self.under_way else None
        if what in ("publish", "unheard"):
            self.broadcast(self.number({"type": "message"}), heard=what == "publish")
        elif what == "hole" and self.durable:
            self.number(None)
        elif what == "store":
            for seq in [seq for seq, event in self.events.items() if event is None][:1]:
                self.events[seq] = {"type": "message", "seq": seq}
                self.broadcast(seq)
        elif what in ("own", "keyed") and self.client.state.value in ("live", "moving"):
            key = {"key": f"k{self.head}"} if what == "keyed" else {}
            self.perform(self.client.ask({"action": "publish", "data": 1, **key}, self.clock()))
        elif what in ("deliver", "repeat") and some is not None:
            socket, frame = self.under_way[some] if what == "repeat" else self.under_way.pop(some)
            self.deliver(socket, frame)
        elif what == "lose" and some is not None:
            self.under_way.pop(some)
        elif what == "pass":
            self.passes(which)
        elif what == "close" and self.sockets:
            socket = self.sockets[which % len(self.sockets)]
            self.gone(socket)
            self.perform(self.client.closed(socket, 1006, self.clock()))
        elif what == "move":
            self.client._move(self.clock())
            self.perform(self.client.tick(self.clock()))
        elif what == "refuse":
            self.refuses = True

    def broadcast(self, seq: int, heard: bool = True) -> None:
        event = self.events[seq]
        assert isinstance(event, dict)
        self.under_way += [(socket, event) for socket in self.sockets if heard]

    def deliver(self, socket: int, frame: Frame) -> None:
        if frame["type"] == "open":
            self.sockets += [socket] if socket not in self.sockets else []
            self.perform(self.client.opened(socket, self.clock()))
        else:
            if frame["type"] == "welcome":
                self.recovered.append(frame["recovered"])
            self.perform(self.client.received(socket, frame, self.clock()))

    def gone(self, socket: int) -> None:
        self.sockets = [one for one in self.sockets if one != socket]
        self.under_way = [(one, frame) for one, frame in self.under_way if one != socket]

    def passes(self, seconds: float) -> None:
        end = self.clock() + timedelta(seconds=seconds)
        while (due := self.client.due) is not None and due <= end:
            self.clock.now = max(due, self.clock())
            self.perform(self.client.tick(self.clock()))
        self.clock.now = end

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Open(socket):
                    self.under_way.append((socket, {"type": "open"}))
                case Close(socket):
                    self.gone(socket)
                case Send(socket, frame) if socket in self.sockets:
                    self.answer(socket, frame)
                case Heard({"type": "message", "seq": seq}):
                    self.heard.append(seq)
                    self.told.append(seq)
                case Missed(first, last):
                    self.missed.append((first, last))
                    self.told += [first] if first == last else [first, last]
                case Answered(_, {"seq": seq}):
                    self.answered.append(seq)
                case Answered(number, None):
                    self.unsure.append(number)

    def answer(self, socket: int, frame: Frame) -> None:
        answer: dict[str, Any] = {"replyTo": frame.get("id")}
        match frame["action"]:
            case "hello":
                answer |= self.hello(socket, frame.get("resume", {}).get("seq"))
            case "publish":
                seq = self.keys.get(frame.get("key", ""))
                if seq is None:
                    seq = self.number({"type": "message", "own": True})
                    self.keys |= {frame["key"]: seq} if "key" in frame else {}
                answer |= {"type": "ack", "seq": seq, "version": 1}
            case "ping":
                answer |= {"type": "pong", "seq": self.head, "version": 1}
            case other:
                raise AssertionError(f"The room knows no {other}.")
        self.under_way.append((socket, answer))

    def hello(self, socket: int, resume: int | None) -> Frame:
        now = self.clock()
        if socket in self.hellos:
            assert now - self.hellos[socket] >= YOUNG, "hello is said at most once a gap"
        self.hellos[socket] = now
        if self.refuses:
            self.refuses = False
            del self.hellos[socket]
            return {"type": "error", "code": "unavailable", "detail": "", "retryAfter": 1}
        seq, events = self.head, []
        recovered = resume is not None and (self.durable or resume == self.head)
        if recovered and resume is not None:
            for number in range(resume + 1, self.head + 1):
                if self.events[number] is None and now - self.taken[number] < YOUNG:
                    seq = number - 1
                    break
                if self.events[number] is None:
                    self.events[number] = "void"
                elif self.events[number] != "void":
                    events.append(self.events[number])
            if len(events) > AT_MOST:
                seq, events, recovered = self.head, [], False
        return {
            "type": "welcome",
            "connectionId": f"{socket}=",
            "seq": seq,
            "events": events,
            "recovered": recovered,
            "session": {"version": 1, "durable": self.durable},
            "reconnectAt": rfc3339(now + timedelta(hours=1)),
            "tokenExpiresAt": rfc3339(now + timedelta(days=1)),
            "limits": {"gapSeconds": 5, "pingSeconds": 45},
        }

    def settle(self) -> None:
        """Loses nothing any more, until the client has settled every number."""
        for _ in range(PATIENCE):
            while self.under_way:
                self.deliver(*self.under_way.pop(0))
            if self.client.seq == self.head and self.client.state.value == "live":
                return
            self.passes(6)
        raise AssertionError(f"The client stays at {self.client.seq} of {self.head}, {self.client.state.value}.")


@pytest.mark.parametrize("durable", [True, False], ids=["durable", "not durable"])
def test_each_event_is_heard_once_and_in_order_or_told_as_missed(durable: bool) -> None:
    seen = {"heard": 0, "missed": 0, "resumed": 0}

    @thorough(shrinks=True)
    @given(STEPS)
    def walk(steps: list[Step]) -> None:
        room = Room(durable)
        room.perform(room.client.start(room.clock()))
        while room.under_way:
            room.deliver(*room.under_way.pop(0))
        for what, which in steps:
            room.step(what, which)
        room.settle()
        assert all(one < other for one, other in pairwise(room.told)), room.told
        lost = {seq for first, last in room.missed for seq in range(first, last + 1)}
        void = {seq for seq, event in room.events.items() if event == "void"}
        holes = {seq for seq, event in room.events.items() if event is None}
        own = {seq for seq, event in room.events.items() if isinstance(event, dict) and "own" in event}
        silent = set(room.events) - {*room.heard, *room.answered, *lost, *void}
        assert silent <= own
        assert len(silent) <= len(room.unsure)  # their answers came too late
        assert holes <= lost
        assert set(room.heard).isdisjoint(void)
        if durable and lost:
            assert False in room.recovered[1:]
        seen["heard"] += len(room.heard)
        seen["missed"] += len(lost)
        seen["resumed"] += sum(room.recovered)

    walk()
    assert all(seen.values()), seen
