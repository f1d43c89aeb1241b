"""The contract of both stores for events and records of publishes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import errors, events
from chalicelib.events import Event, Published
from chalicelib.model import Change, Draft, Once, Session, Status
from chalicelib.sessions import END
from tests.service.fakes import NOON, new_session, write
from tests.service.stores import AnyStore, stored

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
ONCE, OTHER = Once("key", "print"), Once("key", "other print")


def message(session: Session, seq: int, data: object = "x", sender: str = "bob") -> Event:
    return events.message(replace(session, seq=seq), sender, data, NOON, f"correlation-{seq}")


class EventStoreContract:
    """Behaviour of each store. Its subclasses have a fixture `store`."""

    @pytest.fixture
    def session(self, store: AnyStore) -> Session:
        return new_session(store, Draft(durable=True))

    def test_events_come_back_as_they_were_stored_in_the_order_of_their_numbers(
        self, store: AnyStore, session: Session
    ) -> None:
        changed = store.change_session(session.session_id, Change(title="é"), write(now=NOON + MINUTE)).session
        ended = store.change_session(session.session_id, END, write()).session
        kept = [
            events.change(changed, "correlation-1"),
            events.change(ended, "correlation-2"),
            message(session, 3, {"é": [1, 2.5, None, "\N{GRINNING FACE}"]}),
            events.void(session, 10, NOON + timedelta(milliseconds=1)),
        ]
        for event in reversed(kept):
            assert store.put_event(event) == event
        store.put_event(message(new_session(store), 4))
        assert store.list_events(session.session_id, 0, 9) == (kept, False)

    def test_a_number_keeps_what_was_put_first(self, store: AnyStore, session: Session) -> None:
        event, void = message(session, 1), events.void(session, 1, NOON)
        assert [store.put_event(one) for one in (event, event, void)] == [event] * 3
        other, closed = message(session, 2), events.void(session, 2, NOON)
        assert [store.put_event(one) for one in (closed, other, events.void(session, 2, NOON + SECOND))] == [closed] * 3
        assert store.list_events(session.session_id, 0, 9)[0] == [event, closed]

    def test_events_are_listed_by_parts(self, store: AnyStore, session: Session) -> None:
        kept = [store.put_event(message(session, seq)) for seq in (1, 2, 4, 5, 6)]
        assert store.list_events(session.session_id, 0, 3) == (kept[:3], True)
        assert store.list_events(session.session_id, 4, 3) == (kept[3:], False)
        assert store.list_events(session.session_id, 3, 2) == (kept[2:4], True)
        assert store.list_events(session.session_id, 6, 3) == ([], False)
        assert store.list_events("a" * 26, 0, 3) == ([], False)

    def test_a_key_publishes_once_in_five_minutes(self, store: AnyStore, session: Session) -> None:
        first, second = message(session, 1), message(session, 2)
        here = session.session_id
        assert store.find_publish(here, "bob", "key", NOON) is None
        for _ in range(2):
            assert store.put_keyed(first, "bob", ONCE, NOON) == first
        published = Published(1, "print")
        assert store.put_keyed(second, "bob", OTHER, NOON + 4 * MINUTE) == published
        for late in (timedelta(), 5 * MINUTE - SECOND):
            assert store.find_publish(here, "bob", "key", NOON + late) == published
        assert store.find_publish(here, "bob", "key", NOON + 5 * MINUTE) is None
        assert store.list_events(here, 0, 9)[0] == [first], "a repeat stores nothing"
        assert store.put_keyed(second, "bob", OTHER, NOON + 5 * MINUTE) == second
        assert store.find_publish(here, "bob", "key", NOON + 5 * MINUTE) == Published(2, "other print")
        assert store.list_events(here, 0, 9)[0] == [first, second]

    def test_a_key_is_of_one_subject_in_one_session(self, store: AnyStore, session: Session) -> None:
        other = new_session(store, Draft(durable=True))
        store.put_keyed(message(session, 1), "bob", ONCE, NOON)
        for session_id, subject, key in (
            (session.session_id, "bob", "Key"),
            (session.session_id, "bobby", "key"),
            (other.session_id, "bob", "key"),
        ):
            assert store.find_publish(session_id, subject, key, NOON) is None

    def test_a_key_is_still_free_when_the_number_was_void(self, store: AnyStore, session: Session) -> None:
        void, second = events.void(session, 1, NOON), message(session, 2)
        store.put_event(void)
        assert store.put_keyed(message(session, 1), "bob", ONCE, NOON) == void
        assert store.find_publish(session.session_id, "bob", "key", NOON) is None
        assert store.put_keyed(second, "bob", ONCE, NOON) == second

    def test_an_earlier_publish_counts_more_than_a_void(self, store: AnyStore, session: Session) -> None:
        store.put_keyed(message(session, 1), "bob", ONCE, NOON)
        store.put_event(events.void(session, 2, NOON))
        assert store.put_keyed(message(session, 2), "bob", ONCE, NOON) == Published(1, "print")

    def test_only_a_durable_session_takes_a_seq_for_a_key(self, store: AnyStore, session: Session) -> None:
        assert store.take_seq(session.session_id, NOON, durable=True).seq == 1
        passing = new_session(store, Draft(expires_in=timedelta(hours=1)))
        with pytest.raises(errors.NotDurable):
            store.take_seq(passing.session_id, NOON, durable=True)
        with pytest.raises(errors.NotOwner):
            store.take_seq(passing.session_id, NOON, owner_id="mallory", durable=True)
        with pytest.raises(errors.SessionEnded):
            store.take_seq(passing.session_id, passing.expires_at, durable=True)
        assert stored(store, passing) == passing
        store.change_session(passing.session_id, Change(status=Status.PAUSED), write())
        with pytest.raises(errors.SessionPaused):
            store.take_seq(passing.session_id, NOON, durable=True)
