"""Durable publishes, changes, crashes and readers in every order of their requests.

Wrong is a reader's answer in which something is missing, added or other than what is kept in the end; a message that is
acknowledged or heard and not kept; one that is kept twice; and a number that is closed while its writer may be at work.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from botocore.exceptions import ReadTimeoutError

from chalicelib import events, frames, history, items, messages, sessions
from chalicelib.errors import SessionsError
from chalicelib.events import Event, Hole, Kind, Published, Resumed
from chalicelib.messages import Sender
from chalicelib.model import Draft, Once, Patch, Report, Session, Write
from chalicelib.rates import UNLIMITED
from chalicelib.storage import Store
from pytest_sessionplugin.aws.dynamodb.store import Definition, Index
from pytest_sessionplugin.aws.dynamodb.store import Store as Rows
from tests.service.fakes import NOON, new_session
from tests.service.interleavings import Actor, Walk, walk
from tests.service.walked import NAMES, Tables

SECOND = timedelta(seconds=1)
LATE, LATER = NOON + 10 * SECOND, NOON + 20 * SECOND


class KeptTables(Tables):
    """Tables in which events are kept, and which know transactions."""

    def __deepcopy__(self, memo: object) -> KeptTables:
        twin = KeptTables(self._rows)
        twin._text = self._text
        return twin

    def ask(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        if operation == "TransactWriteItems":
            self._text, self._rows = None, {name: rows.copy() for name, rows in self._rows.items()}
        return super().ask(operation, request)


class Client:
    """The DynamoDB client of an actor: each request is one step, and is made again after a timeout."""

    def __init__(self, ask: Callable[[str, Any], Any]) -> None:
        self._ask = ask

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = method.title().replace("_", "")

        def asked(**request: Any) -> Any:
            try:
                return self._ask(operation, request)
            except ReadTimeoutError:
                return self._ask(operation, request)

        return asked


@dataclass(frozen=True)
class Read:
    """A reader's answer, and the session's number when it asked."""

    head: int
    answer: Resumed


@dataclass
class Room:
    """Frames that are heard, and the answers to actors."""

    heard: tuple[Any, ...] = ()
    answers: dict[str, Any] = field(default_factory=dict)

    def broadcast(self, session_id: str, frame: Mapping[str, Any], **unused: Any) -> Report:
        self.heard = (*self.heard, frame)
        return Report({})

    def answer(self, actor: str, answer: Any) -> None:
        self.answers = {**self.answers, actor: answer}


@dataclass
class World:
    session: Session
    tables: KeptTables
    room: Room

    def __deepcopy__(self, memo: object) -> World:
        return World(self.session, copy.deepcopy(self.tables), copy.copy(self.room))

    def state(self) -> str:
        return f"{self.tables.state()} {self.room.heard} {sorted(self.room.answers.items(), key=str)}"

    def check(self) -> None:
        """Ends alone are judged."""

    def kept(self) -> dict[int, Event]:
        return {one.seq: one for one in store_of(self).list_events(self.session.session_id, 0, 99)[0]}


def store_of(view: Any, kind: type[Store] = Store) -> Store:
    return kind(cast("Any", Client(view.tables.ask)), NAMES)


@pytest.fixture
def world() -> World:
    keys = {
        NAMES.sessions: ({"sessionId": "S"}, Index("", ("sessionId",), ())),
        NAMES.connections: ({"place": "S", "member": "S"}, Index("", ("place",), ("member",))),
        NAMES.events: ({"sessionId": "S", "seq": "N"}, Index("", ("sessionId",), ("seq",))),
    }
    tables = KeptTables({name: Rows(Definition(name, types, index, {})) for name, (types, index) in keys.items()})
    session = new_session(Store(cast("Any", Client(tables.ask)), NAMES), Draft(durable=True))
    return World(session, tables, Room())


# --- actors


def publish(world: World, name: str, key: str | None = None, data: str = "", store: type[Store] = Store) -> Actor:
    """A publish of bob, whose function may be killed anywhere."""
    here, sender = world.session.session_id, Sender("bob", NOON, name, name, name)

    def published(view: Any) -> None:
        given: Any = {"store": store_of(view, store), "deliver": view.room, "rate": UNLIMITED, "key": key}
        try:
            outcome = messages.publish(here, data or name, sender, **given)
        except SessionsError as exc:
            view.room.answer(name, exc.code)
        else:
            view.room.answer(name, outcome.seq if isinstance(outcome, Published) else outcome[0].seq)

    return Actor(name, published, mortal=True)


def change(world: World, title: str) -> Actor:
    """A PATCH of alice."""
    name, here = f"change to {title}", world.session.session_id
    write = Write("alice", NOON, name)

    def changed(view: Any) -> None:
        given: Any = {"store": store_of(view), "deliver": view.room, "correlation_id": name}
        view.room.answer(name, sessions.change_session(here, Patch(title=title), write, **given).title)

    return Actor(name, changed, mortal=True)


def read(world: World, name: str, now: datetime, after: int = 0, store: type[Store] = Store) -> Actor:
    """A client that comes back, and asks for all that it has missed."""
    here = world.session.session_id

    def resumed(view: Any) -> None:
        kept = store_of(view, store)
        session, _ = kept.find_with_standing(here, "carol")
        assert session is not None
        answer = history.resume(session, after, store=kept, now=now, pause=lambda seconds: None)
        view.room.answer(name, Read(session.seq, answer))

    return Actor(name, resumed, mortal=True)


def explore(world: World, *actors: Actor, young: bool = False) -> Walk:
    """To readers all numbers are old, or all `young`."""
    return walk(world, list(actors), lambda end: judge(end, young=young))


def judge(world: World, *, young: bool) -> None:
    kept = world.kept()
    session = store_of(world).find_session(world.session.session_id)
    assert session is not None
    assert max(kept, default=0) <= session.seq, "an event is ahead of its session"
    for name, answer in world.room.answers.items():
        if isinstance(answer, Read):
            told = answer.answer
            assert told.recovered, f"{name} was told nothing"
            assert young or told.seq == answer.head, f"{name} was told less than all"
            final = [kept.get(seq) for seq in range(1, told.seq + 1)]
            assert None not in final, f"{name} passed over a number that is open still"
            found = [event for event in final if event is not None and event.kind is not Kind.VOID]
            assert list(told.events) == found, f"{name} was told something else than is kept"
        elif isinstance(answer, int):
            assert answer in kept, f"{name} was acknowledged and is not kept"
            assert kept[answer].kind is Kind.MESSAGE, f"{name} was acknowledged and is void"
    if young:
        assert Kind.VOID not in {event.kind for event in kept.values()}, "a young number was closed"
    said = [event.data for event in kept.values() if event.kind is Kind.MESSAGE]
    assert len(said) == len(set(said)), "a message is kept twice"
    for frame in world.room.heard:
        event = kept.get(frame["seq"])
        if frame["type"] == "message":
            assert event is not None, "a message was heard and is not kept"
            assert frames.event(event) == frame, "a message was heard, and something else is kept"
        else:  # a change, which the session itself tells
            assert event is None or event.kind is Kind.VOID or frames.event(event) == frame
    numbers = [frame["seq"] for frame in world.room.heard]
    assert len(numbers) == len(set(numbers)), "a number was heard twice"


# --- walks


def test_two_publishes_and_a_reader_to_whom_all_is_old(world: World) -> None:
    assert explore(world, publish(world, "one"), publish(world, "two"), read(world, "reader", LATE)).states > 1_000


def test_two_publishes_and_a_reader_to_whom_all_is_young(world: World) -> None:
    found = explore(world, publish(world, "one"), publish(world, "two"), read(world, "reader", NOON), young=True)
    assert found.states > 1_000


def test_a_publish_and_two_readers(world: World) -> None:
    """The second sees numbers of the same age, and such as were taken after the first has closed some."""
    found = explore(world, publish(world, "one"), read(world, "reader", LATE), read(world, "other", LATER))
    assert found.states > 1_000


def test_a_publish_of_which_an_answer_is_lost(world: World) -> None:
    """Its request to the tables is made again, and finds itself."""
    lost = replace(publish(world, "one", "key"), failures=1)
    assert explore(world, lost, read(world, "reader", LATE)).states > 300


@pytest.mark.slow
def test_a_publish_of_which_an_answer_is_lost_beside_another(world: World) -> None:
    lost = replace(publish(world, "one"), failures=1)
    assert explore(world, lost, publish(world, "two"), read(world, "reader", LATE)).states > 5_000


def test_a_change_and_a_publish(world: World) -> None:
    found = explore(world, change(world, "x"), publish(world, "two"), read(world, "reader", LATE))
    assert found.states > 1_000


@pytest.mark.parametrize("failures", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_publish_with_a_key_and_its_repeat(world: World, failures: int) -> None:
    first = replace(publish(world, "one", "key", "x"), failures=failures)
    found = explore(world, first, publish(world, "two", "key", "x"), read(world, "reader", LATE))
    assert found.states > 1_000


# --- the walks find the faults that the rules prevent


class Careless(Store):
    """Puts events whatever stands there."""

    def _put(self, event: Event) -> Any:
        given = super()._put(event)
        return {"TableName": given["TableName"], "Item": given["Item"]}


class Uncounted(Store):
    """Takes numbers in two requests."""

    def take_seq(self, session_id: str, now: datetime, *args: Any, **given: Any) -> Session:
        found = self.find_session(session_id)
        assert found is not None
        values = {":seq": {"N": str(found.seq + 1)}}
        self.update(NAMES.sessions, {"sessionId": {"S": session_id}}, "SET #seq = :seq", None, values)
        return replace(found, seq=found.seq + 1)


class Split(Store):
    """Writes an event and the record of its key in two requests."""

    def put_keyed(self, event: Event, subject: str, once: Once, now: datetime) -> Event | Published:
        standing = self.put_event(event)
        if standing.kind is Kind.VOID:
            return standing
        self._client.put_item(TableName=NAMES.connections, Item=items.publish_item(event, subject, once, now))
        return event


def test_an_event_is_put_on_condition_that_its_number_is_free(world: World) -> None:
    one = publish(world, "one", store=Careless)
    with pytest.raises(AssertionError, match="told something else than is kept"):
        explore(world, one, read(world, "reader", LATE))


def test_a_void_is_put_on_condition_that_its_number_is_free(world: World) -> None:
    reader = read(world, "reader", LATE, store=Careless)
    with pytest.raises(AssertionError, match=r"is void|something else is kept"):
        explore(world, publish(world, "one"), reader)


def test_a_number_is_taken_in_one_request(world: World) -> None:
    three = [publish(world, name, store=Uncounted) for name in ("one", "two", "three")]
    with pytest.raises(AssertionError, match="ahead of its session"):
        explore(world, *three)


def test_an_event_and_the_record_of_its_key_are_written_together(world: World) -> None:
    pair = [publish(world, name, "key", "x", store=Split) for name in ("one", "two")]
    with pytest.raises(AssertionError, match="kept twice"):
        explore(world, *pair)


def test_a_young_number_ends_an_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "holes", lambda *given: iter(()))
    with pytest.raises(AssertionError, match="passed over a number"):
        explore(world, publish(world, "one"), read(world, "reader", NOON), young=True)


def test_a_young_number_is_not_closed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Hole, "lost_at", lambda hole, now: True)
    with pytest.raises(AssertionError, match="a young number was closed"):
        explore(world, publish(world, "one"), read(world, "reader", NOON), young=True)
