"""A durable session in virtual time: reference clients, a network that is late and breaks, and the service's own code
on a store whose calls take time and whose callers die."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any

from chalicelib import connections, conversations, frames, history
from chalicelib.credentials import Secret
from chalicelib.errors import NotConnected, SessionsError
from chalicelib.events import Event, Kind
from chalicelib.members import Recipient
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft, Outcome, Principal, Report
from tests.service.client import Client
from tests.service.client_values import Answered, Close, Effect, Frame, Heard, Missed, Open, Over, Send, State
from tests.service.fakes import ENDPOINT, NOON, UNLIMITED, new_session, unverified
from tests.service.virtual import Killed, Time

Seconds = Callable[[], float]


@dataclass
class Weather:
    """The state of network and tables: seconds that things take, and of a thousand calls those that end a function."""

    network: Seconds
    table: Seconds
    put: Seconds  # an event
    deaths: float = 0


class Slow:
    """The store as functions reach it."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def __getattr__(self, method: str) -> Callable[..., Any]:
        room, do = self._room, getattr(self._room.store, method)

        def call(*args: Any, **given: Any) -> Any:
            weather = room.weather
            takes = weather.put() if method in ("put_event", "put_keyed") else weather.table()
            room.time.sleep(takes / 2)
            self._live_on()
            answer = do(*args, **given)
            answer = list(answer) if isinstance(answer, Iterator) else answer
            room.time.sleep(takes / 2)
            self._live_on()
            return answer

        return call

    def _live_on(self) -> None:
        if self._room.random.random() * 1_000 < self._room.weather.deaths:
            self._room.counts["deaths"] += 1
            raise Killed


@dataclass
class Socket:
    person: Person
    number: int
    connection_id: str
    up: bool = True


@dataclass
class Person:
    """A client, and what its app has heard."""

    name: str
    client: Client
    sockets: dict[int, Socket] = field(default_factory=dict)
    first: int | None = None  # `seq` of its first welcome
    heard: list[int] = field(default_factory=list)
    own: dict[int, Any] = field(default_factory=dict)  # numbers that were acknowledged, and their data
    asked: dict[int, Any] = field(default_factory=dict)
    missed: set[int] = field(default_factory=set)
    due: datetime | None = None

    def is_live(self) -> bool:
        return self.client.state is State.LIVE


class Room:
    """The session, the people in it, and their sockets. It delivers, too."""

    def __init__(self, seed: int, people: int) -> None:
        self.random, self.time, self.counts = Random(seed), Time(), Counter[str]()  # noqa: S311  the same each time
        self.weather = Weather(lambda: 0, lambda: 0, lambda: 0)
        self.store = MemoryStore()
        self.session_id = new_session(self.store, Draft(durable=True)).session_id
        self.sockets: dict[str, Socket] = {}
        self.people = [Person(f"p{n}", Client(self.random.random)) for n in range(people)]
        self._ids = 0
        for person in self.people:
            self.do(person, person.client.start(self.time.now))

    def events(self) -> dict[int, Event]:
        return {event.seq: event for event in self.store.list_events(self.session_id, 0, 1_000_000)[0]}

    @property
    def head(self) -> int:
        session = self.store.find_session(self.session_id)
        assert session is not None
        return session.seq

    @property
    def seconds(self) -> float:
        """Since it began."""
        return (self.time.now - NOON).total_seconds()

    # --- clients

    def do(self, person: Person, effects: Sequence[Effect]) -> None:
        """The effects of an input of a client."""
        for effect in effects:
            match effect:
                case Open(number, replaces):
                    self._open(person, number, replaces)
                case Send(number, frame):
                    self._send(person.sockets[number], frame)
                case Close(number):
                    self._close(person.sockets[number])
                case Heard(frame):
                    self._heard(person, frame)
                case Missed(first, last):
                    person.missed |= set(range(first, last + 1))
                case Answered(asked, answer):
                    data = person.asked.pop(asked)
                    if answer is not None and answer["type"] == "ack":
                        person.own[answer["seq"]] = data
                case Over(code):
                    raise AssertionError(f"{person.name} is over: {code}")
        due = person.client.due
        if due is not None and due != person.due:
            person.due = due
            self.time.at(due, lambda: self._tick(person, due))

    def publish(self, person: Person, data: Any, **key: str) -> None:
        """Says it, if the client may speak."""
        effects = person.client.ask({"action": "publish", "data": data, **key}, self.time.now)
        sent = [one.frame["id"] for one in effects if isinstance(one, Send) and one.frame["action"] == "publish"]
        person.asked |= dict.fromkeys(sent, data)
        self.do(person, effects)

    def drop(self, person: Person) -> None:
        """Breaks a client's lines. It sees that sooner or later, and so does API Gateway."""
        for socket in [one for one in person.sockets.values() if one.up]:
            self.counts["drops"] += 1
            socket.up = False
            self.time.after(self.random.uniform(0, 20), partial(self._closed, socket, 1006))
            self.time.start(partial(self._disconnect, socket), self.random.uniform(0, 60))

    def _tick(self, person: Person, due: datetime) -> None:
        if person.due == due:
            person.due = None
            self.do(person, person.client.tick(self.time.now))

    def _heard(self, person: Person, frame: Frame) -> None:
        if frame["type"] == "welcome":
            self.counts["welcomes"] += 1
            self.counts["not recovered"] += person.first is not None and not frame["recovered"]
            person.first = frame["seq"] if person.first is None else person.first
        elif "seq" in frame:
            person.heard.append(frame["seq"])

    # --- the network

    def _open(self, person: Person, number: int, replaces: str | None) -> None:
        self._ids += 1
        socket = Socket(person, number, f"{self._ids}=")
        person.sockets[number] = self.sockets[socket.connection_id] = socket
        handshake = frames.Handshake(
            socket.connection_id, self.session_id, Secret("token"), None, ENDPOINT, replaces=replaces
        )

        def connect() -> None:
            given: Any = {"store": Slow(self), "deliver": self, "limits": UNLIMITED, "correlation_id": "c"}
            principal = Principal(person.name, NOON + timedelta(days=1))
            status = None
            try:
                connections.connect(handshake, principal, now=self.time.now, **given)
                status = 101
            finally:  # a function that died has answered, too
                self.time.after(self.weather.network(), lambda: self._opened(socket, status))

        self.time.start(connect, self.weather.network())

    def _opened(self, socket: Socket, status: int | None) -> None:
        person, now = socket.person, self.time.now
        if status is None:
            socket.up = False
            self.do(person, person.client.refused(socket.number, now, 503))
        elif socket.up:
            self.do(person, person.client.opened(socket.number, now))

    def _send(self, socket: Socket, frame: Frame) -> None:
        self.counts[frame["action"]] += 1
        self.time.start(lambda: self._handle(socket, frame), self.weather.network())

    def _handle(self, socket: Socket, frame: Frame) -> None:
        """The function that a frame calls, if it arrives."""
        if not socket.up:
            return
        envelope, began = frames.envelope(json.dumps(frame)), self.time.now
        self._ids += 1
        try:
            answer = conversations.receive(
                envelope,
                socket.connection_id,
                store=Slow(self),
                deliver=self,
                authenticate=unverified,
                now=began,
                limits=UNLIMITED,
                correlation_id=f"frame-{self._ids}",
                pause=self.time.sleep,
            )
        except NotConnected as error:
            self._post(socket.connection_id, frames.closing(error, "c"))
            self._hang_up(socket)
            return
        except SessionsError as error:
            self.counts[error.code] += 1
            answer = frames.refusal(error, "c")
        self._post(socket.connection_id, frames.replying(answer, envelope.reply_to))

    def _disconnect(self, socket: Socket) -> None:
        connections.disconnect(
            socket.connection_id,
            store=Slow(self),
            deliver=self,
            now=self.time.now,
            correlation_id="c",
        )

    def _close(self, socket: Socket) -> None:
        if socket.up:
            socket.up = False
            self.time.start(lambda: self._disconnect(socket), self.weather.network())

    def _hang_up(self, socket: Socket) -> None:
        """By the service."""
        self._close(socket)
        self.time.after(self.weather.network(), partial(self._closed, socket, 1000))

    def _closed(self, socket: Socket, code: int) -> None:
        self.do(socket.person, socket.person.client.closed(socket.number, code, self.time.now))

    # --- deliveries

    def broadcast(
        self, session_id: str, frame: Frame, *, began: datetime, but: str | None = None, close: bool = False
    ) -> Report:
        found = [one for page in self.store.roster(session_id) for one in page if one.connection_id != but]
        return self.tell(found, frame, began=began, close=close)

    def tell(self, recipients: Sequence[Recipient], frame: Frame, *, began: datetime, close: bool = False) -> Report:
        posted = sum(self._post(one.connection_id, frame) for one in recipients)
        if close:
            for one in recipients:
                self._hang_up(self.sockets[one.connection_id])
        return Report({Outcome.SENT: posted, Outcome.GONE: len(recipients) - posted})

    def _post(self, connection_id: str, frame: Frame) -> bool:
        """Whether it was sent. Whether it arrives, nobody knows."""
        socket, text = self.sockets[connection_id], frames.text(frame)
        if socket.up:
            self.time.after(self.weather.network(), lambda: self._arrive(socket, text))
        return socket.up

    def _arrive(self, socket: Socket, text: str) -> None:
        if socket.up:
            self.do(socket.person, socket.person.client.received(socket.number, json.loads(text), self.time.now))

    # --- the end

    def check(self) -> None:
        """Each client had each event once, and in order, or was told that it missed it. It finds it by pages then."""
        kept = self.events()
        messages = {seq: json.loads(event.data) for seq, event in kept.items() if event.kind is Kind.MESSAGE}
        for person in self.people:
            assert person.first is not None, f"{person.name} was never welcomed"
            assert person.client.seq == self.head, f"{person.name} is at {person.client.seq} of {self.head}"
            assert person.heard == sorted(set(person.heard)), f"{person.name} heard something twice, or late"
            for seq, data in person.own.items():
                assert messages.get(seq) == data, f"{seq} was acknowledged to {person.name} and is not kept"
            met = {*person.heard, *person.own, *person.missed, *range(person.first + 1)}
            lost = messages.keys() - met
            assert not lost, f"{person.name} does not know of {sorted(lost)}"
            assert set(person.heard) <= messages.keys(), "what was heard is kept"
            paged = self._pages(person) if person.missed else set()
            assert messages.keys() & person.missed <= paged, "pages have what was missed"

    def _pages(self, person: Person) -> set[int]:
        found: set[int] = set()
        after: int | None = min(person.missed) - 1
        while after is not None:
            page = history.list_events(
                self.session_id,
                Principal(person.name, NOON + timedelta(days=1)),
                store=self.store,
                now=self.time.now,
                after=after,
                limit=1_000,
            )
            found |= {event.seq for event in page.events}
            after = page.next
        return found
