"""Duplicates, caps and hand-overs, on the store in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import connections, conversations, errors, frames
from chalicelib.credentials import Secret
from chalicelib.members import Connection, Duplicates
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft, Principal
from chalicelib.rates import Limits
from tests.service.fakes import ENDPOINT, NOON, UNLIMITED, Deliveries, connection, new_session
from tests.service.stores import roster

NEWEST, OLDEST = Draft(duplicates=Duplicates.NEWEST), Draft(duplicates=Duplicates.OLDEST)


class Room:
    """A session of alice."""

    def __init__(self, draft: Draft, limits: Limits = UNLIMITED, store: MemoryStore | None = None) -> None:
        self.store = store or MemoryStore()
        self.session = new_session(self.store, draft)
        self.deliver = Deliveries()
        self.limits = limits

    def join(self, name: str, subject: str = "bob", at: float = 0, replaces: str | None = None) -> Connection:
        """A connection, `at` so many seconds after noon."""
        now = NOON + timedelta(seconds=at)
        return connections.connect(
            frames.Handshake(name, self.session.session_id, Secret("token"), None, ENDPOINT, replaces),
            Principal(subject, NOON + timedelta(hours=1)),
            store=self.store,
            deliver=self.deliver,
            now=now,
            limits=self.limits,
            correlation_id="c",
        )

    def leave(self, connection_id: str) -> None:
        connections.disconnect(
            connection_id, store=self.store, deliver=self.deliver, now=NOON, correlation_id="a leave"
        )

    def says(self, name: str, action: str = "ping") -> frames.Frame:
        def authenticate(token: Secret) -> Principal:
            raise AssertionError("no token is refreshed")

        return conversations.receive(
            frames.Envelope(None, {"action": action}),
            name,
            store=self.store,
            deliver=self.deliver,
            now=NOON,
            limits=self.limits,
            correlation_id="c",
            authenticate=authenticate,
        )

    @property
    def there(self) -> list[str]:
        return roster(self.store, self.session.session_id)

    @property
    def closed(self) -> Sequence[str]:
        """Connections that were told that they are replaced, and closed."""
        told = {(frame["type"], frame["code"], frame["reconnect"]) for frame in self.deliver.frames}
        assert told <= {("closing", "replaced", "never")}
        assert self.deliver.told == self.deliver.closed
        return self.deliver.closed


def per_subject(most: int) -> Limits:
    return replace(UNLIMITED, per_subject=most)


# --- duplicates


def test_by_default_all_connections_of_a_subject_stay() -> None:
    room = Room(Draft())
    for name in ("a=", "b=", "c="):
        room.join(name)
    assert (room.there, room.closed) == (["a=", "b=", "c="], [])


def test_the_newest_takes_the_place_of_all_others_of_its_subject() -> None:
    room = Room(NEWEST)
    for name in ("a=", "b="):
        room.store.connect(connection(room.session.session_id, name))
    room.join("carol=", "carol")
    room.join("c=", at=1)
    assert (room.there, sorted(room.closed)) == (["c=", "carol="], ["a=", "b="])


def test_of_two_that_connect_in_one_millisecond_the_same_is_newer_for_both() -> None:
    newest = max(("a=", "b="), key=lambda name: connection("s", name).member)
    for first, second in (("a=", "b="), ("b=", "a=")):
        room = Room(NEWEST)
        room.join(first)
        if second == newest:
            room.join(second)
        else:
            with pytest.raises(errors.Duplicate):
                room.join(second)
        assert room.there == [newest]


def test_the_newest_is_so_by_its_clock() -> None:
    room = Room(NEWEST)
    room.join("ahead=", at=0.05)
    with pytest.raises(errors.Duplicate):
        room.join("late=")
    assert (room.there, room.closed) == (["ahead="], [])


def test_the_oldest_keeps_others_of_its_subject_out_until_it_leaves() -> None:
    room = Room(OLDEST)
    room.join("a=")
    room.join("carol=", "carol")
    with pytest.raises(errors.Duplicate):
        room.join("b=", at=1)
    assert (room.there, room.closed) == (["a=", "carol="], [])
    room.leave("a=")
    room.join("b=", at=2)
    assert room.there == ["b=", "carol="]


# --- caps


def test_a_full_session_takes_one_more_when_one_has_left() -> None:
    room = Room(Draft(max_connections=2))
    room.join("owner=", "alice")
    room.join("a=")
    for subject in ("bob", "carol", "alice"):
        with pytest.raises(errors.SessionFull) as refused:
            room.join("b=", subject)
        assert refused.value.limit == 2
        assert room.there == ["a=", "owner="]
    room.leave("a=")
    room.join("b=", "carol")
    assert room.there == ["b=", "owner="]


def test_in_a_full_session_the_newest_takes_the_seat_of_the_one_before() -> None:
    room = Room(replace(NEWEST, max_connections=1))
    room.join("a=")
    with pytest.raises(errors.SessionFull):
        room.join("carol=", "carol", at=1)
    assert room.closed == []
    room.join("b=", at=2)
    assert (room.there, room.closed) == (["b="], ["a="])


def test_a_full_session_closes_nobody_for_one_that_it_refuses() -> None:
    room = Room(replace(NEWEST, max_connections=1))
    for name, subject in (("carol=", "carol"), ("dave=", "dave"), ("a=", "bob")):
        room.store.connect(connection(room.session.session_id, name, subject))
    with pytest.raises(errors.SessionFull):
        room.join("b=", at=1)
    assert (room.there, room.closed) == (["a=", "carol=", "dave="], [])


def test_of_more_connections_than_a_subject_may_have_the_oldest_are_closed() -> None:
    room = Room(Draft(), per_subject(2))
    for at, name in enumerate(("b=", "d=", "a=", "c=")):
        room.join(name, at=at)
        if at < 2:
            room.join(f"carol-{name}", "carol", at)
    assert room.there == ["a=", "c=", "carol-b=", "carol-d="]
    assert room.closed == ["b=", "d="]


def test_a_connection_that_is_older_than_all_that_a_subject_may_have_is_refused() -> None:
    room = Room(Draft(), per_subject(2))
    for name in ("a=", "b="):
        room.join(name, at=1)
    with pytest.raises(errors.SessionFull) as refused:
        room.join("late=")
    assert (refused.value.limit, room.there, room.closed) == (2, ["a=", "b="], [])


def test_no_limit_of_a_subject_closes_nobody() -> None:
    room = Room(Draft(), per_subject(0))
    for i in range(30):
        room.join(f"{i}=", at=i)
    assert (len(room.there), room.closed) == (30, [])


# --- hand-overs


@pytest.mark.parametrize("draft", [OLDEST, NEWEST, Draft(max_connections=1)])
@pytest.mark.parametrize("action", ["hello", "ping", "nonsense"])
def test_a_connection_is_replaced_by_the_first_frame_of_the_next(draft: Draft, action: str) -> None:
    room = Room(draft)
    room.join("old=")
    room.join("new=", at=1, replaces="old=")
    assert (room.there, room.closed) == (["new=", "old="], [])
    with pytest.raises(errors.InvalidRequest) if action == "nonsense" else contextlib.nullcontext():
        room.says("new=", action)
    assert (room.there, room.closed) == (["new="], ["old="])
    room.leave("old=")
    new = room.store.find_connection("new=")
    assert new is not None
    assert new.replaces is None
    room.says("new=", action="ping")
    assert (room.there, room.closed) == (["new="], ["old="])


def test_a_hand_over_gives_one_seat_and_no_more() -> None:
    room = Room(Draft(max_connections=1))
    room.join("old=")
    room.join("new=", replaces="old=")
    for subject, replaces in (("carol", None), ("bob", None), ("bob", "old="), ("bob", "new=")):
        with pytest.raises(errors.SessionFull):
            room.join("more=", subject, replaces=replaces)
    assert room.there == ["new=", "old="]
    room.leave("old=")
    with pytest.raises(errors.SessionFull):
        room.join("more=", replaces="old=")
    room.join("more=", replaces="new=")
    assert room.there == ["more=", "new="]


def elsewhere(room: Room) -> str:
    room.store.connect(connection(new_session(room.store).session_id, "else="))
    return "else="


def carols(room: Room) -> str:
    room.store.connect(connection(room.session.session_id, "carol=", "carol"))
    return "carol="


@pytest.mark.parametrize("named", [elsewhere, carols, lambda room: "gone="])
def test_only_a_connection_of_the_same_subject_in_the_same_session_is_replaced(named: Callable[[Room], str]) -> None:
    room = Room(replace(OLDEST, max_connections=2))
    replaces = named(room)
    found = room.store.find_connection(replaces)
    room.join("new=", replaces=replaces)
    room.says("new=", "hello")
    assert room.store.find_connection(replaces) == found
    assert room.closed == []
    for refusal in (errors.Duplicate, errors.SessionFull):
        with pytest.raises(refusal):
            room.join("more=", "bob" if refusal is errors.Duplicate else "erin", replaces=replaces)
        room.store.connect(connection(room.session.session_id, "dave=", "dave"))


def test_a_refused_handshake_leaves_the_connection_that_it_would_replace() -> None:
    room = Room(Draft(duplicates=Duplicates.OLDEST, max_connections=5))
    room.join("old=")
    room.store.connect(connection(room.session.session_id, "other="))
    with pytest.raises(errors.Duplicate):
        room.join("new=", replaces="old=")
    assert (room.there, room.closed) == (["old=", "other="], [])


# --- what fails


class Broken(MemoryStore):
    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        raise ZeroDivisionError


class HalfExpelled(MemoryStore):
    def expel(self, *recipients: object) -> None:
        raise errors.Unavailable("The database")


@pytest.mark.parametrize(
    ("store", "refusal"), [(Broken(), ZeroDivisionError), (HalfExpelled(), errors.Unavailable)], ids=["bug", "outage"]
)
def test_a_handshake_that_fails_leaves_no_row_and_closes_nobody(store: MemoryStore, refusal: type[Exception]) -> None:
    room = Room(replace(NEWEST, max_connections=5), store=store)
    store.connect(connection(room.session.session_id, "old="))
    with pytest.raises(refusal):
        room.join("new=", at=1)
    assert (room.there, room.closed) == (["old="], [])
