"""A thousand durable publishes in simulated time, while the table of events is slow and clients drop and resume."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any, Final

import pytest

from chalicelib import conversations, events, frames, messages
from chalicelib.events import Kind
from chalicelib.memory import MemoryStore
from chalicelib.messages import Sender
from chalicelib.model import Draft, Report, Session
from chalicelib.rates import UNLIMITED
from tests.service.client import Client
from tests.service.client_values import Effect, Heard, Missed, Open, Send, State
from tests.service.fakes import UNLIMITED as NO_LIMITS
from tests.service.fakes import Clock, connection, new_session
from tests.service.interleavings import Call, Raised, Replay
from tests.service.interleavings import Paused as NextCall

PUBLISHERS, EACH, LISTENERS = 10, 100, 5
SLOW: Final = range(2, 7)  # seconds in which a put takes as long as `PUT`
PUT, REQUEST = 0.15, 0.06  # seconds; ten publishers are near the 50 messages a second of a session
READ = 0.005  # seconds of a reader's requests, its voids too: the faster, the more holes it sees


class Time:
    """Simulated time: what is to happen, soonest first."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._began = clock()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    @property
    def passed(self) -> float:
        return (self.clock() - self._began).total_seconds()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self.passed + seconds, next(self._numbers), act))

    def pass_by(self, until: float) -> None:
        while self._due and self._due[0][0] <= until:
            at, _, act = heapq.heappop(self._due)
            self.clock.now = self._began + timedelta(seconds=at)
            act()


@dataclass
class Room:
    """The parts that the service's code calls: a store that takes its time, and deliveries that overtake each other."""

    time: Time
    random: Random
    store: MemoryStore = field(default_factory=MemoryStore)
    listeners: list[Listener] = field(default_factory=list)
    acknowledged: dict[int, float] = field(default_factory=dict)  # numbers, and when

    def pause(self, seconds: float) -> None:
        """Takes the time that `takes` says."""

    def broadcast(self, session_id: str, frame: frames.Frame, **unused: Any) -> Report:
        for listener in self.listeners:
            self.time.after(self.random.uniform(0.01, 0.2), lambda to=listener: to.hear(frame))  # type: ignore[misc]
        return Report({})

    def takes(self, call: Call) -> float:
        if call.method == "pause":
            return float(call.args[0])
        if call.method in ("find_with_standing", "list_events"):
            return READ
        if call.method == "put_event":
            is_slow = int(self.time.passed) in SLOW
            return READ if call.args[0].kind is Kind.VOID else PUT if is_slow else REQUEST
        return REQUEST

    def run(self, code: Callable[[Any], None], results: tuple[Any, ...] = ()) -> None:
        """Runs code up to its next call, which is done when its time has passed."""
        try:
            code(Replay(results))
        except NextCall as paused:
            call = paused.call
            self.time.after(self.takes(call), lambda: self.run(code, (*results, self._done(call))))

    def _done(self, call: Call) -> Any:
        part = self if call.part == "room" else self.store
        try:
            result = getattr(part, call.method)(*call.args, **call.kwargs)
        except Exception as error:  # noqa: BLE001  the code gets any error
            return Raised(error)
        return list(result) if isinstance(result, Iterator) else result


class Listener:
    """The reference client, on a line that drops."""

    def __init__(self, room: Room, session: Session, name: str) -> None:
        self.client = Client(room.random.random)
        self.told: list[int] = []
        self.hellos = 0
        self._room = room
        self._session = session
        self._name = name
        self._socket: int | None = None
        self.perform(self.client.start(room.time.clock()))

    def drop(self) -> None:
        if self._socket is not None:
            number, self._socket = self._socket, None
            self.perform(self.client.closed(number, 1006, self._room.time.clock()))

    def hear(self, frame: frames.Frame, number: int | None = None) -> None:
        if self._socket is not None and number in (None, self._socket):
            self.perform(self.client.received(self._socket, frame, self._room.time.clock()))

    def tick(self) -> None:
        self.perform(self.client.tick(self._room.time.clock()))

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Open(number):
                    self._room.time.after(0.05, lambda number=number: self._open(number))  # type: ignore[misc]
                case Send(number, frame):
                    self._answer(number, frame)
                case Heard({"type": "message", "seq": seq}):
                    self.told.append(seq)
                case Missed():
                    raise AssertionError(f"{self._name} missed {effect}")
        if self.client.due is not None:
            wait = (self.client.due - self._room.time.clock()).total_seconds()
            self._room.time.after(max(wait, 0.001), self.tick)

    def _open(self, number: int) -> None:
        self._socket = number
        self.perform(self.client.opened(number, self._room.time.clock()))

    def _answer(self, number: int, said: frames.Frame) -> None:
        """Answers hello; a ping gets none, since nobody's line is silent for so long."""
        if said["action"] != "hello":
            return
        self.hellos += 1
        now = self._room.time.clock()
        here = connection(self._session.session_id, f"{number}=", self._name, now, now + timedelta(days=1))

        def hello(view: Any) -> None:
            resume = said.get("resume", {}).get("seq")
            given: Any = {"store": view.store, "deliver": view.room, "pause": view.room.pause}
            welcome = conversations.hello(here, resume, now=now, limits=NO_LIMITS, correlation_id="c", **given)
            answer = frames.replying(welcome, said["id"])
            self._room.time.after(0.02, lambda: self.hear(answer, number))

        self._room.run(hello)


@dataclass(frozen=True)
class Figures:
    """The figures of a run, until the last message was acknowledged."""

    numbers: int
    voids: int
    hellos: float  # a second, of the client that said most
    seconds: float


def simulate(drops: bool) -> Figures:
    random = Random(18)  # noqa: S311  the same each time
    time = Time(Clock())
    room = Room(time, random)
    session = new_session(room.store, Draft(durable=True))
    room.listeners += [Listener(room, session, f"listener-{number}") for number in range(LISTENERS)]

    def publish(publisher: int, left: int) -> None:
        sender = Sender(f"publisher-{publisher}", time.clock(), "r", f"{publisher}-{left}", f"{publisher}=")

        def published(view: Any) -> None:
            given: Any = {"store": view.store, "deliver": view.room, "rate": UNLIMITED}
            outcome: Any = messages.publish(session.session_id, left, sender, **given)
            room.acknowledged[outcome[0].seq] = time.passed
            if left > 1:
                time.after(0, lambda: publish(publisher, left - 1))

        room.run(published)

    for publisher in range(PUBLISHERS):
        time.after(1, lambda publisher=publisher: publish(publisher, EACH))  # type: ignore[misc]
    if drops:
        for listener in room.listeners:
            for second in SLOW[::2]:
                time.after(second + random.random(), listener.drop)
    time.pass_by(120)
    stored = room.store.find_session(session.session_id)
    kept, _ = room.store.list_events(session.session_id, 0, 10 * PUBLISHERS * EACH)
    assert stored is not None
    said = [event.seq for event in kept if event.kind is Kind.MESSAGE]
    assert sorted(room.acknowledged) == said
    assert len(said) == PUBLISHERS * EACH
    assert [event.seq for event in kept] == list(range(1, stored.seq + 1))
    for listener in room.listeners:
        assert listener.client.state is State.LIVE
        assert listener.told == said, "each once, and in order"
    seconds = max(room.acknowledged.values())
    hellos = max(listener.hellos for listener in room.listeners) / seconds
    return Figures(stored.seq, len(kept) - len(said), hellos, seconds)


@pytest.mark.parametrize("drops", [False, True], ids=["steady lines", "lines that drop"])
def test_a_slow_table_closes_no_numbers_and_sends_nobody_asking(
    drops: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = simulate(drops)
    with capsys.disabled():
        print(f"\n{figures}")  # noqa: T201
    assert figures.voids / figures.numbers < 0.01
    assert figures.hellos < 1


def test_numbers_that_are_closed_too_young_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "VOID_AGE", timedelta(seconds=-1))
    figures = simulate(drops=True)
    assert figures.voids / figures.numbers > 0.01
