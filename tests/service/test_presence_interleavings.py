"""Connections of a subject that come, go and vanish, and who watches it, in every order of their steps.

A step is a request to the store, or the frames of one delivery. Wrong is an end at which a client sees another picture
than the rows show, in whatever order its frames arrive.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from chalicelib import connections, frames, presence
from chalicelib.errors import NotConnected
from chalicelib.members import Connection, Recipient, Standing
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft, Report, Session
from chalicelib.presence import TellingDelivery
from tests.service.client_values import People
from tests.service.fakes import NOON, connection, new_session
from tests.service.interleavings import Actor, Walk, walk

ORDERS = 5  # frames, of which all orders are tried


class Store(MemoryStore):
    """The store in memory, which keeps the contract of the real one, as part of a world."""

    def __deepcopy__(self, memo: object) -> Store:
        twin = type(self)()
        for name in ("_sessions", "_connections"):
            setattr(twin, name, copy.copy(getattr(self, name)))
        return twin

    def state(self) -> str:
        rows = sorted((one.connection_id, one.ready, one.state or "") for one in self._connections.values())
        return f"{[(one.presence_seq, one.presence_since) for one in self._sessions.values()]} {rows}"

    def ready(self) -> Sequence[Connection]:
        return [one for one in self._connections.values() if one.ready]


@dataclass
class Sockets:
    """Sockets that are open, and the texts that arrived at each."""

    open: frozenset[str]
    heard: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def leave(self, connection_id: str) -> None:
        self.open -= {connection_id}

    def post(self, to: Collection[str], text: str) -> Sequence[str]:
        """Sends a text to some; returns those that are gone."""
        for one in to:
            if one in self.open:
                self.heard[one] = (*self.heard.get(one, ()), text)
        return tuple(one for one in to if one not in self.open)


@dataclass
class World:
    session: Session
    store: Store
    sockets: Sockets

    def __deepcopy__(self, memo: object) -> World:  # by hand, since a walk makes thousands of copies
        return World(self.session, copy.deepcopy(self.store), Sockets(self.sockets.open, {**self.sockets.heard}))

    def state(self) -> str:
        heard = sorted((one, sorted(texts)) for one, texts in self.sockets.heard.items())
        return f"{self.store.state()} {sorted(self.sockets.open)} {heard}"

    def check(self) -> None:
        """Only ends are wrong."""

    def told(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The frames of each client that is open and was welcomed."""
        heard = {one: [json.loads(text) for text in texts] for one, texts in self.sockets.heard.items()}
        return {
            one: got
            for one, got in heard.items()
            if one in self.sockets.open and any(frame["type"] == "welcome" for frame in got)
        }


@dataclass(frozen=True)
class Posts:
    """A `Deliver` of which each delivery is one step, before the rows of those who are gone are removed."""

    view: Any

    def broadcast(
        self, session_id: str, frame: frames.Frame, *, began: datetime, but: str | None = None, close: bool = False
    ) -> Report:
        [page] = self.view.store.roster(session_id)
        return self.tell([one for one in page if one.connection_id != but], frame, began=began)

    def tell(
        self, recipients: Sequence[Recipient], frame: frames.Frame, *, began: datetime, close: bool = False
    ) -> Report:
        if not recipients:
            return Report({})
        found = self.view.sockets.post([one.connection_id for one in recipients], frames.text(frame))
        gone = tuple(one for one in recipients if one.connection_id in found)
        if gone:
            self.view.store.disconnect(*gone)
        return Report({}, gone)


def device(connection_id: str, subject: str = "bob") -> Connection:
    return replace(connection("", connection_id, subject), presence=True)


def room(*there: Connection, ready: Sequence[Connection] = (), store: Store | None = None) -> World:
    """A session of alice with presence; connections that are there, and others that have said hello, one by one."""
    store = store or Store()
    session = new_session(store, Draft(presence=True))
    world = World(session, store, Sockets(frozenset(one.connection_id for one in (*there, *ready))))
    for one in (*there, *ready):
        store.connect(replace(one, session_id=session.session_id))
    for one in ready:
        hello(one).run(world)
    return world


# --- actors: the service's own use cases


def parts(view: Any) -> dict[str, Any]:
    """Arguments of each use case."""
    deliver = TellingDelivery(Posts(view), view.store)
    return {"store": view.store, "deliver": deliver, "now": NOON, "correlation_id": "c"}


def hello(one: Connection, join: Callable[..., Any] = presence.join) -> Actor:
    def said(view: Any) -> None:
        found = view.store.find_connection(one.connection_id)  # by the meter
        if found is not None:
            try:
                session, shown = join(found, **parts(view))
            except NotConnected:
                return
            welcome = {"type": "welcome", **frames.picture(session, shown)}
            view.sockets.post([one.connection_id], frames.text(welcome))

    return Actor(f"hello {one.connection_id}", said)


def leave(one: Connection) -> Actor:
    def left(view: Any) -> None:
        view.sockets.leave(one.connection_id)
        connections.disconnect(one.connection_id, **parts(view))

    return Actor(f"leave {one.connection_id}", left)


def comes_and_goes(one: Connection) -> Actor:
    both = hello(one), leave(one)

    def run(view: Any) -> None:
        for each in both:
            each.run(view)

    return Actor(f"{one.connection_id} comes and goes", run)


def state(one: Connection, data: Any) -> Actor:
    def set_state(view: Any) -> None:
        found = view.store.find_connection(one.connection_id)
        if found is not None and not isinstance(found, str):
            try:
                presence.set_state(found, data, **parts(view))
            except NotConnected:
                return

    return Actor(f"state of {one.connection_id}", set_state)


def publish(but: str) -> Actor:
    """A frame to everybody but one, which finds those who vanished."""

    def published(view: Any) -> None:
        found = view.store.find_connection(but)
        parts(view)["deliver"].broadcast(found.session_id, {"type": "message"}, began=NOON, but=but)

    return Actor("publish", published)


# --- the walks

PHONE, LAPTOP, TABLET = device("phone="), device("laptop="), device("tablet=")
EARLY, LATE = device("early=", "alice"), device("late=", "carol")


def pictures(told: Sequence[Mapping[str, Any]]) -> Iterator[People]:
    """The pictures of a client to whom its frames come in any order."""
    shown = [frame for frame in told if frame["type"] in ("welcome", "presence")]
    for order in itertools.permutations(shown) if len(shown) <= ORDERS else (shown, shown[::-1]):
        people = People()
        for frame in order:
            (people.welcome if frame["type"] == "welcome" else people.presence)(dict(frame))
        yield people


def check_pictures(end: World, *, but: Collection[str] = ()) -> None:
    """Each client sees who is ready, `but` for some subjects, of whom nobody could tell."""
    look = presence.Look(end.session, Standing(), sorted(end.store.ready(), key=lambda one: one.member))
    truth = {one["subject"]: one for one in frames.presence(1, look.participants, (), "")["join"]}
    for client, told in end.told().items():
        for people in pictures(told):
            for subject in (people.there.keys() | truth.keys()) - set(but):
                seen, there = people.there.get(subject), truth.get(subject)
                assert seen == there, f"{client} sees {seen} where {there} is"


def explore(world: World, *actors: Actor, ended: Callable[[World], None] = check_pictures) -> Walk:
    return walk(world, list(actors), ended)


@pytest.mark.slow
def test_two_devices_come_and_go() -> None:
    world = room(PHONE, LAPTOP, ready=[EARLY])
    assert explore(world, comes_and_goes(PHONE), comes_and_goes(LAPTOP)).states > 1000


@pytest.mark.slow
@pytest.mark.parametrize("leaving", range(4))
def test_of_three_devices_each_comes_or_goes(leaving: int) -> None:
    three = (PHONE, LAPTOP, TABLET)
    world = room(*three[leaving:], ready=(EARLY, *three[:leaving]))
    actors = [*map(leave, three[:leaving]), *map(hello, three[leaving:])]
    assert explore(world, *actors).states > 300


@pytest.mark.slow
def test_an_observer_comes_in_between() -> None:
    world = room(PHONE, LATE, ready=[EARLY, LAPTOP])
    assert explore(world, hello(LATE), hello(PHONE), leave(LAPTOP)).states > 300


@pytest.mark.slow
def test_a_ghost_is_found_while_its_disconnect_comes_and_another_device_says_hello() -> None:
    world = room(LAPTOP, ready=[EARLY, PHONE])
    world.sockets.leave(PHONE.connection_id)
    assert explore(world, publish("early="), leave(PHONE), hello(LAPTOP)).states > 100


def test_a_device_leaves_while_it_says_hello() -> None:
    assert explore(room(PHONE, ready=[EARLY]), hello(PHONE), leave(PHONE)).states > 20


@pytest.mark.slow
def test_states_change_while_devices_come_and_go() -> None:
    world = room(PHONE, ready=[EARLY, LAPTOP])
    assert explore(world, state(LAPTOP, 1), hello(PHONE), leave(LAPTOP)).states > 300


# --- crashes


def heals(end: World) -> None:
    """A client without an answer asks again, a delivery finds sockets that are closed, and whoever says hello then has
    the right picture. Of a subject whose rows were removed by a function that died nobody else hears."""
    for one in (PHONE, LAPTOP):
        if one.connection_id in end.sockets.open and one.connection_id not in end.told():
            hello(one).run(end)
    publish("early=").run(end)
    there = {one.subject for one in end.store.ready()}
    check_pictures(end, but={"bob"} - there)
    hello(LATE).run(end)
    end.sockets.heard = {"late=": end.sockets.heard["late="]}
    check_pictures(end)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(hello, hello), (hello, leave), (leave, leave)])
def test_functions_die_at_any_step(first: Callable[..., Actor], second: Callable[..., Actor]) -> None:
    ready = [one for one, does in ((PHONE, first), (LAPTOP, second)) if does is leave]
    there = [one for one in (PHONE, LAPTOP) if one not in ready]
    world = room(LATE, *there, ready=[EARLY, *ready])
    mortals = [replace(does(one), mortal=True) for one, does in ((PHONE, first), (LAPTOP, second))]
    assert explore(world, *mortals, ended=heals).states > 50


# --- rooms that grow beyond the most, and shrink


@pytest.fixture
def most_are_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "CROWD", 2)


def check_pongs(end: World) -> None:
    """By its next pong each client knows whether it is told, and whether its picture is whole."""
    session = end.store.find_session(end.session.session_id)
    assert session is not None
    there = len(end.store.ready())
    assert session.crowded == (there > presence.CROWD), f"{there} are in, and crowded is {session.crowded}"
    if not session.crowded:
        whole = {
            client: frames
            for client, frames in end.told().items()
            if max(frame.get("presenceSeq", 0) for frame in frames) >= session.presence_since
        }
        kept = [text for one, texts in end.sockets.heard.items() if one in whole for text in texts]
        assert kept or session.presence_since, "nobody is left out without a reason"
        end.sockets.heard = {one: texts for one, texts in end.sockets.heard.items() if one in whole}
        check_pictures(end)


@pytest.mark.slow
@pytest.mark.usefixtures("most_are_two")
def test_one_too_many_comes_while_another_goes() -> None:
    world = room(PHONE, ready=[EARLY, LATE])
    assert explore(world, hello(PHONE), leave(LATE), ended=check_pongs).states > 50
    world = room(PHONE, TABLET, ready=[EARLY, LATE])
    assert explore(world, hello(PHONE), leave(LATE), hello(TABLET), ended=check_pongs).states > 300
    world = room(PHONE, ready=[EARLY, LATE, TABLET])
    assert explore(world, hello(PHONE), leave(LATE), leave(TABLET), ended=check_pongs).states > 300


# --- the walks find the faults that the rules prevent


class Unnumbered(Store):
    """From the second change on."""

    def take_presence_seq(self, session_id: str) -> Session | None:
        taken = super().take_presence_seq(session_id)
        return taken and replace(taken, presence_seq=min(taken.presence_seq, 2))


class Revives(Store):
    def mark_ready(self, connection: Connection) -> bool:
        self._connections[connection.connection_id] = replace(connection, ready=True)
        return True


class ForgetsTheUntold(Store):
    def end_telling(self, session: Session) -> None:
        stored = self._found(session.session_id)
        if stored.presence_seq == session.presence_seq:
            super().end_telling(session)


class BeginsLate(Store):
    def begin_telling(self, session: Session) -> None:
        stored = self._found(session.session_id)
        self._sessions[session.session_id] = replace(stored, presence_since=session.presence_seq)


def numbered_before_it_is_written(connection: Connection, *, store: Any, **rest: Any) -> Any:
    session = store.take_presence_seq(connection.session_id)
    if not store.mark_ready(connection):
        raise NotConnected("", "")
    look = presence.Look(session, *store.look(session.session_id, connection.subject, 101))
    presence._tell(look, [connection.subject], {connection.connection_id}, store=store, **rest)
    return session, look.shown


def seen_before_it_is_numbered(connection: Connection, *, store: Any, **rest: Any) -> Any:
    if not store.mark_ready(connection):
        raise NotConnected("", "")
    seen = store.look(connection.session_id, connection.subject, 101)
    look = presence.Look(store.take_presence_seq(connection.session_id), *seen)
    presence._tell(look, [connection.subject], {connection.connection_id}, store=store, **rest)
    return look.session, look.shown


def test_a_change_has_a_number_of_its_own() -> None:
    world = room(PHONE, ready=[EARLY], store=Unnumbered())
    with pytest.raises(AssertionError, match="early= sees"):
        explore(world, comes_and_goes(PHONE))


def test_a_change_is_written_before_it_is_numbered() -> None:
    world = room(PHONE, ready=[EARLY, LAPTOP])
    with pytest.raises(AssertionError, match="= sees"):
        explore(world, hello(PHONE, numbered_before_it_is_written), leave(LAPTOP))


def test_a_change_is_numbered_before_it_is_looked_at() -> None:
    world = room(PHONE, ready=[EARLY])
    with pytest.raises(AssertionError, match="= sees"):
        explore(world, hello(PHONE, seen_before_it_is_numbered), leave(PHONE))


def test_a_hello_is_written_on_condition_that_its_connection_is_there() -> None:
    world = room(PHONE, ready=[EARLY], store=Revives())
    with pytest.raises(AssertionError, match="stays"):
        explore(world, hello(PHONE), leave(PHONE), ended=nobody_stays)


def nobody_stays(end: World) -> None:
    left = {one.connection_id for one in end.store.ready()} - end.sockets.open
    assert not left, f"{left} stays"


def test_a_delivery_tells_whom_it_finds_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TellingDelivery, "_left", lambda self, report, frame, began: report)
    world = room(ready=[EARLY, PHONE])
    with pytest.raises(AssertionError, match="early= sees"):
        explore(world, publish("early="), leave(PHONE))


@pytest.mark.usefixtures("most_are_two")
def test_a_change_that_is_told_to_nobody_is_noted() -> None:
    world = room(PHONE, ready=[EARLY, LATE], store=ForgetsTheUntold())
    with pytest.raises(AssertionError, match="early= sees None"):
        explore(world, hello(PHONE), leave(LATE), ended=check_pongs)


@pytest.mark.usefixtures("most_are_two")
def test_only_the_last_number_begins_the_telling() -> None:
    world = room(PHONE, TABLET, ready=[EARLY, LATE, LAPTOP], store=BeginsLate())
    with pytest.raises(AssertionError, match="crowded is False"):
        explore(world, leave(LATE), hello(PHONE), ended=check_pongs)
