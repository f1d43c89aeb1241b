"""Connect, end, publish and sweep in every order: no open socket in an ended session, none without its row."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib import connections, conversations, frames, members, sessions, sweeper
from chalicelib.credentials import Secret
from chalicelib.delivery import Answer, Delivery
from chalicelib.errors import ConnectionNotFound, SessionsError, TokenExpired
from chalicelib.members import Connection, Endpoint
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft, Patch, Principal, Session, Status, Write
from tests.service.fakes import ENDPOINT, NOON, UNLIMITED, connection, new_session, unverified
from tests.service.interleavings import Actor, Walk, walk

BOB = Principal("bob", NOON + timedelta(days=1))
OLD = NOON - timedelta(minutes=30)


class Store(MemoryStore):
    """The store in memory, which keeps the contract of the real one, as part of a world."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()  # connections in a roster that was read

    def __deepcopy__(self, memo: object) -> Store:
        twin = Store()
        for name in ("_sessions", "_connections", "_once", "_tats", "_revisions", "_standings", "_tickets", "seen"):
            setattr(twin, name, copy.copy(getattr(self, name)))
        return twin

    def roster(self, session_id: str) -> Iterator[Sequence[Connection]]:
        for page in super().roster(session_id):
            self.seen.update(one.connection_id for one in page)
            yield page

    def state(self) -> str:
        rows = f"{sorted(self._connections.items())} {self._standings} {self._tickets}"
        return f"{self._sessions} {rows} {sorted(self.seen)}"


@dataclass
class Sockets:
    """Sockets as API Gateway has them: a pending one is out of reach, and opens when $connect has returned.

    `heard` has the latest version of the session that each client heard of.
    """

    states: dict[str, str]
    heard: dict[str, int] = field(default_factory=dict)

    def accept(self, connection_id: str) -> None:
        self.states[connection_id] = "open"

    def refuse(self, connection_id: str) -> None:
        self.states[connection_id] = "refused"

    def post(self, endpoint: Endpoint, connection_id: str, text: str, within: float) -> Answer:
        if self.states[connection_id] != "open":
            return Answer.GONE
        version = json.loads(text).get("session", {}).get("version", 1)
        self.heard[connection_id] = max(version, self.heard.get(connection_id, 1))
        return Answer.DONE

    def close(self, endpoint: Endpoint, connection_id: str, within: float) -> Answer:
        if self.states[connection_id] != "open":
            return Answer.GONE
        self.states[connection_id] = "closed"
        return Answer.DONE


@dataclass
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_a_minute(self) -> None:
        self.now += timedelta(minutes=1)


@dataclass
class World:
    session_id: str
    store: Store
    sockets: Sockets
    clock: Clock = field(default_factory=Clock)

    def __deepcopy__(self, memo: object) -> World:  # by hand, since a walk makes thousands of copies
        return World(
            self.session_id,
            copy.deepcopy(self.store),
            Sockets({**self.sockets.states}, {**self.sockets.heard}),
            Clock(self.clock.now),
        )

    def state(self) -> str:
        return f"{self.store.state()} {self.sockets} {self.clock.now}"

    def open(self) -> list[str]:
        return [connection_id for connection_id, state in self.sockets.states.items() if state == "open"]

    def check(self) -> None:
        for connection_id in self.open():
            assert self.store.find_connection(connection_id) is not None, f"{connection_id} is open without its row"


class Inline(Executor):
    """Delivers in the actor's own code, so that the walk chooses the order of posts."""

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any], **unused: Any) -> Iterator[Any]:
        return iter([fn(*args) for args in zip(*iterables, strict=True)])

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise AssertionError("a delivery maps")


def delivery(view: Any) -> Delivery:
    return Delivery(view.store, view.sockets, clock=lambda: view.clock(), random=lambda: 0.0, executor=Inline())


# --- the actors: the service's own use cases


def connect(view: Any) -> None:
    now, deliver = view.clock(), delivery(view)
    handshake = frames.Handshake("new=", SESSION_ID, Secret("token"), None, ENDPOINT)
    try:
        connections.connect(
            handshake, BOB, store=view.store, deliver=deliver, now=now, limits=UNLIMITED, correlation_id="a"
        )
    except SessionsError:
        view.sockets.refuse("new=")
    else:
        view.sockets.accept("new=")


def join(view: Any) -> None:
    """Connects, and says hello."""
    connect(view)
    say(view, "new=", {"action": "hello"})


def say(view: Any, connection_id: str, action: Mapping[str, Any]) -> None:
    now, deliver = view.clock(), delivery(view)
    try:
        answer = conversations.receive(
            frames.Envelope(None, action),
            connection_id,
            store=view.store,
            deliver=deliver,
            authenticate=unverified,
            now=now,
            limits=UNLIMITED,
            correlation_id="a",
        )
    except (ConnectionNotFound, TokenExpired) as exc:
        deliver.close(ENDPOINT, connection_id, frames.closing(exc, "a"), now)
    except SessionsError as exc:
        deliver.send(ENDPOINT, connection_id, frames.refusal(exc, "r-1"), now)
    else:
        deliver.send(ENDPOINT, connection_id, answer, now)


def patch(title: str, request_id: str) -> Callable[[Any], None]:
    def patched(view: Any) -> None:
        write, deliver = Write("alice", view.clock(), request_id), delivery(view)
        with contextlib.suppress(SessionsError):
            sessions.change_session(
                SESSION_ID, Patch(title=title), write, store=view.store, deliver=deliver, correlation_id="a patch"
            )

    return patched


def end(view: Any) -> None:
    write = Write("alice", view.clock(), "the end")
    sessions.end_session(SESSION_ID, write, store=view.store, deliver=delivery(view), correlation_id="the end")


def publish(view: Any) -> None:
    say(view, "pub=", {"action": "publish", "data": 1})


def disconnect(view: Any) -> None:
    connections.disconnect("pub=", store=view.store, deliver=delivery(view), now=NOON, correlation_id="d")


def sweep(view: Any) -> None:
    sweeper.sweep(store=view.store, deliver=delivery(view), clock=lambda: view.clock(), correlation_id="b")


def minute(view: Any) -> None:
    view.clock.pass_a_minute()


def nobody_is_busy(world: World, busy: dict[str, bool]) -> bool:
    """A minute is longer than a Lambda behind API Gateway may run, so that it passes between two of them."""
    return not any(busy.values())


def is_closed(world: World, busy: dict[str, bool]) -> bool:
    return world.sockets.states["pub="] == "closed"


CONNECT = Actor("connect", connect)
END = Actor("end", end)
PUBLISH = Actor("publish", publish)
DISCONNECT = Actor("$disconnect", disconnect, may_begin=is_closed)
SWEEP = Actor("sweep", sweep)
MINUTE = Actor("minute", minute, may_begin=nobody_is_busy)

SESSION_ID = ""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    store = Store()
    session = new_session(store, Draft(expires_in=timedelta(hours=1)), now=OLD)
    monkeypatch.setitem(globals(), "SESSION_ID", session.session_id)
    store.connect(connection(session.session_id, "pub=", "carol", connected_at=OLD))
    return World(session.session_id, store, Sockets({"new=": "pending", "pub=": "open"}))


@pytest.fixture
def expiring(world: World) -> World:
    """The same, half a minute before the session expires."""
    world.clock.now = OLD + timedelta(minutes=59, seconds=30)
    return world


def later(world: World) -> None:
    """The next minutes, with each $disconnect lost: sweeps, until nothing is due."""
    for _ in range(4):
        world.clock.pass_a_minute()
        sweep(world)
    session = world.store.find_session(world.session_id)
    assert session is not None
    if session.status is Status.ENDED:
        assert world.open() == [], f"{world.open()} left open in an ended session"
        assert list(world.store.roster(world.session_id)) == [[]], "rows left in an ended session"
        assert list(world.store.due_sessions(world.clock.now)) == [], "an ended session stays due for ever"
    world.check()


def explore(world: World, *actors: Actor) -> Walk:
    return walk(world, list(actors), later)


def one_saw_the_other(world: World) -> None:
    if world.sockets.states["new="] == "open":
        assert "new=" in world.store.seen, "neither saw the other: connect was let in, and end did not find it"


def test_of_a_connect_and_an_end_that_cross_one_sees_the_other(world: World) -> None:
    assert walk(world, [CONNECT, END], one_saw_the_other).ends > 1


@pytest.mark.slow
def test_connect_end_and_publish(world: World) -> None:
    found = explore(world, CONNECT, END, PUBLISH, DISCONNECT)
    assert found.states > 500


@pytest.mark.slow
def test_connect_end_and_sweep(world: World) -> None:
    found = explore(world, CONNECT, END, DISCONNECT, MINUTE, SWEEP)
    assert found.states > 500


@pytest.mark.slow
def test_connect_publish_and_the_sweep_that_ends_what_expires(expiring: World) -> None:
    found = explore(expiring, CONNECT, PUBLISH, DISCONNECT, MINUTE, SWEEP)
    assert found.states > 500


@pytest.mark.slow
def test_two_sweeps_at_once_and_an_end(world: World) -> None:
    explore(world, END, CONNECT, MINUTE, SWEEP, Actor("other sweep", sweep))


@pytest.mark.slow
def test_everything_at_once(world: World) -> None:
    explore(world, CONNECT, END, PUBLISH, DISCONNECT, MINUTE, SWEEP)


# --- told in the end


PATCH = Actor("patch", patch("x", "patch"))
DOOMED = replace(PATCH, mortal=True, failures=2)
AGAIN = Actor("again", patch("x", "again"), may_begin=lambda world, busy: not busy["patch"])
JOIN = Actor("join", join)


def all_have_heard(world: World) -> None:
    session = world.store.find_session(world.session_id)
    assert session is not None
    for connection_id in world.open():
        assert world.sockets.heard.get(connection_id, 1) == session.version, f"{connection_id} is on an old version"


def heard_within_two_minutes(world: World) -> None:
    for _ in range(2):
        world.clock.pass_a_minute()
        sweep(world)
    all_have_heard(world)
    session = world.store.find_session(world.session_id)
    assert session is not None
    assert session.status is Status.ENDED or not session.untold, "told again and again"


def test_a_patch_that_failed_anywhere_is_told_at_once_when_it_is_made_again(world: World) -> None:
    """Its calls fail with their effect or without, or it is killed; the same request comes once more."""
    found = walk(world, [DOOMED, AGAIN], all_have_heard)
    assert found.ends > 10


def test_a_patch_that_failed_anywhere_is_told_within_two_minutes_though_nobody_asks_again(world: World) -> None:
    assert walk(world, [DOOMED], heard_within_two_minutes).ends > 5


@pytest.mark.slow
def test_a_patch_that_failed_anywhere_beside_a_publish_and_a_join(world: World) -> None:
    found = walk(world, [DOOMED, PUBLISH, JOIN], heard_within_two_minutes)
    assert found.states > 500


@pytest.mark.slow
def test_two_patches_that_fail_anywhere_and_a_sweep(world: World) -> None:
    other = replace(DOOMED, name="other patch", run=patch("y", "other"), failures=1)
    found = walk(world, [replace(DOOMED, failures=1), other, MINUTE, SWEEP], heard_within_two_minutes)
    assert found.states > 500


@pytest.mark.slow
def test_patch_end_connect_and_sweep(world: World) -> None:
    found = explore(world, PATCH, END, CONNECT, MINUTE, SWEEP)
    assert found.states > 500


# --- the walk finds the faults that the rules prevent


def test_the_walk_finds_that_gone_must_mean_pending_on_a_young_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "PENDING", timedelta(0))
    with pytest.raises(AssertionError, match=r"open without its row|left open"):
        explore(world, CONNECT, END)


def looks_first(view: Any) -> None:
    """A connect that reads before it writes, which is wrong."""
    if view.store.find_session(SESSION_ID).status is Status.ENDED:
        view.sockets.refuse("new=")
    else:
        view.store.connect(connection(SESSION_ID, "new=", connected_at=view.clock()))
        view.sockets.accept("new=")


def test_the_walk_finds_that_connecting_writes_before_it_looks(world: World) -> None:
    with pytest.raises(AssertionError, match="neither saw the other"):
        walk(world, [Actor("connect", looks_first), END], one_saw_the_other)


def test_the_walk_finds_that_an_end_must_be_looked_at_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def never_due(self: Store, now: datetime) -> Iterator[str]:
        return iter(())

    monkeypatch.setattr(Store, "due_sessions", never_due)
    with pytest.raises(AssertionError, match=r"\['new='\] left open"):
        explore(world, CONNECT, END, DISCONNECT)


def test_the_walk_finds_that_a_change_is_noted_before_it_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "untold", property(lambda self: self.status is Status.ENDED))
    for actors in ([DOOMED, AGAIN], [DOOMED]):
        with pytest.raises(AssertionError, match="on an old version"):
            walk(copy.deepcopy(world), actors, heard_within_two_minutes)


def test_the_walk_finds_that_only_the_version_that_was_told_is_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Store.told_session

    def careless(self: Store, session: Session) -> None:
        stored = self.find_session(session.session_id)
        told(self, replace(session, version=0 if stored is None else stored.version))

    monkeypatch.setattr(Store, "told_session", careless)
    other = replace(DOOMED, name="other patch", run=patch("y", "other"), failures=0)
    with pytest.raises(AssertionError, match="on an old version"):
        walk(world, [PATCH, other], heard_within_two_minutes)
