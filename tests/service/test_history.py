"""Resumes and pages of events, on the store in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from chalicelib import errors, events, frames, history, jsontext
from chalicelib.events import Event, EventPage, Kind, Resumed
from chalicelib.memory import MemoryStore
from chalicelib.model import Change, Draft, Principal, Session
from chalicelib.sessions import END
from tests.service.fakes import ALICE, NOON, new_session, write

SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
LATER = NOON + 60 * SECOND
BOB = Principal("bob", NOON + timedelta(hours=1))


class Kept(MemoryStore):
    """Counts the reads of events, and does what a test wants before one, and before a void."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[tuple[int, int]] = []
        self.before_list: Callable[[], object] = lambda: None
        self.before_void: Callable[[Event], object] = lambda void: None

    def list_events(self, session_id: str, after: int, limit: int) -> tuple[Sequence[Event], bool]:
        self.before_list()
        self.reads.append((after, limit))
        return super().list_events(session_id, after, limit)

    def put_event(self, event: Event) -> Event:
        if event.kind is Kind.VOID:
            self.before_void(event)
        return super().put_event(event)


@dataclass
class Pauses:
    """Records pauses, and does what a test wants in each."""

    meanwhile: Callable[[], object] = lambda: None
    lasted: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.lasted.append(seconds)
        self.meanwhile()


@pytest.fixture
def store() -> Kept:
    return Kept()


@pytest.fixture
def session(store: Kept) -> Session:
    return new_session(store, Draft(durable=True))


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


def take(store: Kept, session: Session, at: datetime = NOON) -> Event:
    """A message that has its number, and is not stored yet."""
    return message(store.take_seq(session.session_id, at), at)


def message(session: Session, at: datetime = NOON, data: object = "x") -> Event:
    return events.message(session, "bob", data, at, "correlation-1")


def publish(store: Kept, session: Session, times: int = 1, at: datetime = NOON) -> list[Event]:
    return [store.put_event(take(store, session, at)) for _ in range(times)]


def resume(store: Kept, session: Session, after: int, now: datetime = LATER, pause: Pauses | None = None) -> Resumed:
    found = store.find_session(session.session_id)
    assert found is not None
    return history.resume(found, after, store=store, now=now, pause=pause or Pauses())


def page(
    store: Kept,
    session: Session,
    after: int = 0,
    limit: int = 100,
    now: datetime = LATER,
    pause: Pauses | None = None,
    reader: Principal = BOB,
) -> EventPage:
    return history.list_events(
        session.session_id, reader, store=store, now=now, after=after, limit=limit, pause=pause or Pauses()
    )


# --- resume


def test_who_comes_back_gets_all_that_it_missed_in_order(store: Kept, session: Session) -> None:
    first, second, third = publish(store, session, 3)
    changed = store.change_session(session.session_id, Change(title="Later"), write()).session
    fourth = store.put_event(events.change(changed, "correlation-2"))
    assert resume(store, session, 1) == Resumed(4, [second, third, fourth], recovered=True)
    assert resume(store, session, 0) == Resumed(4, [first, second, third, fourth], recovered=True)


def test_who_missed_nothing_is_told_so_without_a_read(store: Kept, session: Session) -> None:
    assert resume(store, session, 0) == Resumed(0, (), recovered=True)
    publish(store, session, 2)
    assert resume(store, session, 2) == Resumed(2, (), recovered=True)
    assert store.reads == []


def test_a_seq_ahead_of_the_servers_is_of_another_history(store: Kept, session: Session) -> None:
    """The table may have been restored to an earlier point."""
    publish(store, session, 2)
    assert resume(store, session, 3) == Resumed(2, (), recovered=False)


def test_three_hundred_events_are_recovered_and_one_more_are_not(store: Kept, session: Session) -> None:
    """All or nothing."""
    publish(store, session, 300)
    take(store, session)  # whose writer died
    assert len(resume(store, session, 0).events) == 300, "a void is not an event"
    last = publish(store, session)[0].seq
    assert resume(store, session, 0) == Resumed(last, (), recovered=False)
    assert resume(store, session, 1).recovered


def test_what_is_far_behind_is_not_recovered_and_not_read(store: Kept, session: Session) -> None:
    """Never a part."""
    for _ in range(601):
        take(store, session)
    assert not resume(store, session, 0).recovered
    assert store.reads == []


@pytest.mark.parametrize(("beyond", "recovered"), [(0, True), (1, False)])
def test_96_kilobytes_are_recovered_and_one_byte_more_is_not(
    store: Kept, session: Session, beyond: int, recovered: bool
) -> None:
    def publish(data: str) -> None:
        store.put_event(message(store.take_seq(session.session_id, NOON), NOON, data))

    for _ in range(4):
        publish("é" * 12_000)
    empty = message(replace(session, seq=5), data="")
    four, _ = store.list_events(session.session_id, 0, 4)
    room = events.RESUMED_BYTES - jsontext.size(frames.events([*four, empty]))
    publish("x" * (room + beyond))
    result = resume(store, session, 0)
    assert (result.recovered, len(result.events)) == (recovered, 5 if recovered else 0)


def test_what_came_after_the_session_was_read_is_not_in_its_answer(store: Kept, session: Session) -> None:
    """Its snapshot is older; the client hears of it otherwise."""
    first = publish(store, session)[0]
    read = store.find_session(session.session_id)
    assert read is not None
    publish(store, session, 2)
    assert history.resume(read, 0, store=store, now=LATER, pause=Pauses()) == Resumed(1, [first], recovered=True)


def test_a_page_ends_at_the_number_that_was_the_last_when_the_session_was_read(store: Kept, session: Session) -> None:
    first = publish(store, session)[0]
    store.before_list = lambda: publish(store, session, 3)
    assert page(store, session, 0, 2) == EventPage([first], None)


# --- holes


def test_a_young_number_is_looked_for_once_more(store: Kept, session: Session) -> None:
    first = publish(store, session)[0]
    under_way = take(store, session)
    third = publish(store, session)[0]
    pauses = Pauses(meanwhile=lambda: store.put_event(under_way))
    assert resume(store, session, 0, NOON + SECOND, pauses) == Resumed(3, [first, under_way, third], recovered=True)
    assert (pauses.lasted, store.reads) == ([0.1], [(0, 600), (1, 599)])


def test_an_answer_ends_before_a_young_number(store: Kept, session: Session, pauses: Pauses) -> None:
    """Complete up to there. Nothing is written."""
    first = publish(store, session)[0]
    under_way = take(store, session)
    publish(store, session, 2)
    assert resume(store, session, 0, NOON + SECOND, pauses) == Resumed(1, [first], recovered=True)
    assert page(store, session, 0, 100, NOON + SECOND, pauses) == EventPage([first], 1)
    assert page(store, session, 1, 100, NOON + SECOND, pauses) == EventPage([], 1)
    assert pauses.lasted == [0.1] * 3
    assert store.put_event(under_way) == under_way


@pytest.mark.parametrize(("age", "closed"), [(5 * SECOND - MILLISECOND, False), (5 * SECOND, True)])
@pytest.mark.parametrize("behind", [True, False], ids=["before an event", "at the head"])
def test_a_number_is_closed_five_seconds_after_it_was_taken(
    store: Kept, session: Session, age: timedelta, closed: bool, behind: bool
) -> None:
    late = take(store, session)
    if behind:
        publish(store, session)
    pauses = Pauses()
    result = resume(store, session, 0, NOON + age, pauses)
    assert (result.seq, result.recovered) == ((2 if behind else 1) if closed else 0, True)
    standing = store.put_event(late)
    assert (standing.kind is Kind.VOID) == closed
    assert bool(pauses.lasted) != closed, "an old one is not waited for"


def test_a_writer_that_comes_just_before_its_void_is_heard(store: Kept, session: Session) -> None:
    late = take(store, session)
    last = publish(store, session)[0]
    store.before_void = lambda void: MemoryStore.put_event(store, late)
    assert resume(store, session, 0) == Resumed(2, [late, last], recovered=True)


def test_a_hole_is_as_old_for_the_next_reader_as_for_the_first(store: Kept, session: Session) -> None:
    """A void does not make the numbers before it young again."""
    take(store, session), take(store, session)
    assert resume(store, session, 1, NOON + 6 * SECOND).seq == 2
    pauses = Pauses()
    assert resume(store, session, 0, NOON + 6 * SECOND, pauses).seq == 2
    assert pauses.lasted == []


def test_one_request_closes_a_hundred_holes_and_the_next_ones_go_on(store: Kept, session: Session) -> None:
    for _ in range(250):
        take(store, session)
    last = publish(store, session)[0]
    assert [resume(store, session, 0).seq for _ in range(3)] == [100, 200, 251]
    assert resume(store, session, 250).events == [last]


# --- pages


def test_pages_lead_through_all_events_and_leave_voids_out(store: Kept, session: Session) -> None:
    kept = publish(store, session, 2)
    take(store, session)
    kept += publish(store, session, 3)
    take(store, session), take(store, session)
    for limit in (1, 2, 3, 4, 6, 7, 8, 1000):
        found: list[Event] = []
        after, pages = 0, 0
        while True:
            one = page(store, session, after, limit)
            found += one.events
            pages += 1
            assert len(one.events) <= limit
            if one.next is None:
                break
            assert one.next > after
            after = one.next
            assert pages < 20
        assert found == kept


def test_a_page_may_hold_nothing_but_voids(store: Kept, session: Session) -> None:
    take(store, session), take(store, session)
    publish(store, session)
    page(store, session)
    assert page(store, session, 0, 2) == EventPage([], 2)


def test_a_page_is_not_longer_for_an_event_that_comes_late(store: Kept, session: Session) -> None:
    late = take(store, session)
    last = publish(store, session)[0]
    store.before_void = lambda void: MemoryStore.put_event(store, late)
    assert page(store, session, 0, 1) == EventPage([late], 1)
    assert page(store, session, 1, 1) == EventPage([last], None)


def test_there_is_nothing_after_the_head(store: Kept, session: Session) -> None:
    assert page(store, session) == EventPage((), None)
    publish(store, session, 2)
    assert page(store, session, 2) == page(store, session, 7) == EventPage((), None)
    assert store.reads == []


def test_events_are_read_after_the_end_as_long_as_the_session_is(store: Kept, session: Session) -> None:
    message = publish(store, session)[0]
    ended = store.change_session(session.session_id, END, write()).session
    end = store.put_event(events.change(ended, "correlation-2"))
    purge = session.expires_at + timedelta(days=7)
    assert page(store, session, now=purge - MILLISECOND) == EventPage([message, end], None)
    with pytest.raises(errors.SessionNotFound):
        page(store, session, now=purge)


def test_a_hole_of_a_session_that_counts_as_purged_stays(store: Kept, session: Session) -> None:
    late = take(store, session)
    with pytest.raises(errors.SessionNotFound):
        page(store, session, now=session.expires_at + timedelta(days=7))
    assert store.put_event(late) == late


def test_refusals_come_in_the_order_not_found_banned_not_durable(store: Kept, session: Session) -> None:
    passing = new_session(store)
    store.ban(passing, "bob", LATER + SECOND)
    with pytest.raises(errors.SessionNotFound):
        page(store, replace(session, session_id="a" * 26))
    with pytest.raises(errors.SessionNotFound):
        page(store, replace(session, session_id="nonsense"))
    with pytest.raises(errors.Banned):
        page(store, passing)
    with pytest.raises(errors.NotDurable):
        page(store, passing, now=LATER + SECOND)
    with pytest.raises(errors.NotDurable):
        page(store, passing, reader=ALICE)
