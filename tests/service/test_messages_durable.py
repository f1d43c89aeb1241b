"""Publishing in a durable session: kept first, under another number where that was closed, and once with a key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib import errors, events, frames, messages
from chalicelib.events import Event, Kind, Published
from chalicelib.memory import MemoryStore
from chalicelib.messages import Sender
from chalicelib.model import Change, Draft, NewMessage, Once, Outcome, Report, Session, Status
from chalicelib.rates import UNLIMITED, Rate
from tests.service.fakes import NOON, Deliveries, new_session, write

SECOND = timedelta(seconds=1)
BOB = Sender("bob", NOON, "request-1", "correlation-1", "bob=")
SERVER = Sender("alice", NOON, "request-2", "correlation-2", as_owner=True)


class Meddled(MemoryStore):
    """A store in which something happens before an event is put."""

    before: Callable[[Event], object] = staticmethod(lambda event: None)

    def put_event(self, event: Event) -> Event:
        if event.kind is not Kind.VOID:
            self.before(event)
        return super().put_event(event)

    def put_keyed(self, event: Event, subject: str, once: Once, now: datetime) -> Event | Published:
        self.before(event)
        return super().put_keyed(event, subject, once, now)


@pytest.fixture
def store() -> Meddled:
    return Meddled()


@pytest.fixture
def session(store: Meddled) -> Session:
    return new_session(store, Draft(durable=True, expires_in=timedelta(hours=1)))


@pytest.fixture
def deliver() -> Deliveries:
    return Deliveries(report=Report({Outcome.SENT: 2}))


@pytest.fixture
def publish(store: Meddled, session: Session, deliver: Deliveries) -> Callable[..., Any]:
    """Publishes as bob: the seq and report, or the publish that was repeated."""

    def publish(
        data: Any = "x", key: str | None = None, sender: Sender = BOB, rate: Rate = UNLIMITED
    ) -> tuple[int, Report] | Published:
        outcome = messages.publish(session.session_id, data, sender, store=store, deliver=deliver, rate=rate, key=key)
        return outcome if isinstance(outcome, Published) else (outcome[0].seq, outcome[1])

    return publish


def kept(store: MemoryStore, session: Session) -> dict[int, Event]:
    return {event.seq: event for event in store.list_events(session.session_id, 0, 99)[0]}


def test_a_message_is_kept_before_it_is_delivered(
    store: Meddled, session: Session, deliver: Deliveries, publish: Callable[..., Any]
) -> None:
    store.before = lambda event: before.append(len(deliver.frames))
    before: list[int] = []
    assert publish({"é": [1.0]}) == (1, deliver.report)
    assert before == [0]
    assert [frames.event(event) for event in kept(store, session).values()] == deliver.frames
    assert (kept(store, session)[1].sender, deliver.but) == ("bob", ["bob="])


def test_a_message_of_a_session_that_is_not_durable_is_not_kept(store: Meddled, deliver: Deliveries) -> None:
    passing = new_session(store)
    messages.publish(passing.session_id, "x", BOB, store=store, deliver=deliver, rate=UNLIMITED)
    assert (kept(store, passing), len(deliver.frames)) == ({}, 1)


def test_a_message_that_could_not_be_kept_is_not_delivered(
    store: Meddled, deliver: Deliveries, publish: Callable[..., Any]
) -> None:
    def fail(event: Event) -> None:
        raise errors.Unavailable("The database")

    store.before = fail
    for key in (None, "key"):
        with pytest.raises(errors.Unavailable):
            publish(key=key)
    assert deliver.frames == []


@pytest.mark.parametrize("key", [None, "key"])
def test_a_message_whose_number_was_closed_takes_another(
    store: Meddled, session: Session, deliver: Deliveries, publish: Callable[..., Any], key: str | None
) -> None:
    """It is as young as the void, or its number would pass for lost at once."""
    late = NOON + 10 * SECOND
    store.before = lambda event: store.put_event(events.void(session, event.seq, event.at)) if event.seq < 3 else None
    assert publish("x", key) == (3, deliver.report)
    found = kept(store, session)
    assert [event.kind for event in found.values()] == [Kind.VOID, Kind.VOID, Kind.MESSAGE]
    assert found[3].at == late
    assert deliver.frames == [frames.message(3, "bob", "x", late, "correlation-1")]
    stored = store.find_session(session.session_id)
    assert stored is not None
    assert (stored.seq, stored.seq_at) == (3, late)


@pytest.mark.parametrize("key", [None, "key"])
def test_a_message_does_not_pass_for_one_that_stands_under_its_number(
    store: Meddled, session: Session, deliver: Deliveries, publish: Callable[..., Any], key: str | None
) -> None:
    """The table of sessions was restored to an earlier point, and that of events was not."""
    before = [store.put_event(events.message(replace(session, seq=n), "bob", "x", NOON, "c")) for n in (1, 2)]
    assert publish("y", key) == (3, deliver.report)
    assert [event.data for event in kept(store, session).values()] == ['"x"', '"x"', '"y"']
    assert [kept(store, session)[event.seq] for event in before] == before
    assert kept(store, session)[3].at == NOON


@pytest.mark.parametrize("key", [None, "key"])
def test_a_message_whose_numbers_are_all_closed_is_given_up(
    store: Meddled, session: Session, deliver: Deliveries, publish: Callable[..., Any], key: str | None
) -> None:
    store.before = lambda event: store.put_event(events.void(session, event.seq, NOON))
    with pytest.raises(errors.Unavailable):
        publish("x", key)
    assert [event.kind for event in kept(store, session).values()] == [Kind.VOID] * 4
    assert deliver.frames == []


def test_a_message_is_metered_once_however_many_numbers_it_takes(
    store: Meddled, session: Session, publish: Callable[..., Any]
) -> None:
    rate = Rate(1)
    store.before = lambda event: store.put_event(events.void(session, event.seq, NOON)) if event.seq < 4 else None
    assert publish(rate=rate)[0] == 4
    assert publish(rate=rate)[0] == 5, "those of two seconds at once"
    with pytest.raises(errors.RateLimited):
        publish(rate=rate)


def test_a_session_that_is_paused_in_between_takes_no_other_number(
    store: Meddled, session: Session, deliver: Deliveries, publish: Callable[..., Any]
) -> None:
    def pause(event: Event) -> None:
        store.put_event(events.void(session, event.seq, NOON))
        store.change_session(session.session_id, Change(status=Status.PAUSED), write())

    store.before = pause
    with pytest.raises(errors.SessionPaused):
        publish()
    assert deliver.frames == []


# --- keys


def test_a_repeat_with_a_key_gets_the_first_seq_and_takes_none(
    store: Meddled, session: Session, deliver: Deliveries, publish: Callable[..., Any]
) -> None:
    assert publish({"a": 1, "b": 2}, "key") == (1, deliver.report)
    for sender in (BOB, replace(BOB, connection_id="other="), replace(BOB, now=NOON + 299 * SECOND)):
        repeated = publish({"b": 2, "a": 1}, "key", sender)
        assert (isinstance(repeated, Published), repeated.seq) == (True, 1)
    assert len(deliver.frames) == 1
    assert publish("y", "other key") == (2, deliver.report)
    assert publish({"a": 1, "b": 2}, "key", replace(BOB, subject="carol")) == (3, deliver.report)
    assert publish("z", "key", replace(BOB, now=NOON + 300 * SECOND)) == (4, deliver.report), "and is free again"


@pytest.mark.parametrize("data", ["y", {"x": None}, None, 1, True, ["x"]])
def test_a_key_with_other_data_is_refused(publish: Callable[..., Any], deliver: Deliveries, data: Any) -> None:
    publish("x", "key")
    with pytest.raises(errors.IdempotencyMismatch):
        publish(data, "key")
    assert len(deliver.frames) == 1


@pytest.mark.parametrize("data", ["x", "y"])
def test_of_two_publishes_with_one_key_at_once_the_first_counts(
    store: Meddled, session: Session, deliver: Deliveries, publish: Callable[..., Any], data: str
) -> None:
    def another(event: Event) -> None:
        store.before = lambda event: None
        publish("x", "key")

    store.before = another
    if data == "x":
        assert publish(data, "key").seq == 2
    else:
        with pytest.raises(errors.IdempotencyMismatch):
            publish(data, "key")
    assert [event.seq for event in kept(store, session).values()] == [2]
    assert len(deliver.frames) == 1


def test_a_key_is_refused_where_nothing_is_kept(store: Meddled, deliver: Deliveries) -> None:
    passing = new_session(store)
    with pytest.raises(errors.NotDurable):
        messages.publish(passing.session_id, "x", BOB, store=store, deliver=deliver, rate=UNLIMITED, key="key")
    assert store.find_session(passing.session_id) == passing
    assert deliver.frames == []


def test_a_repeat_is_answered_when_the_session_has_ended(
    store: Meddled, session: Session, publish: Callable[..., Any]
) -> None:
    publish("x", "key")
    store.change_session(session.session_id, Change(status=Status.ENDED), write())
    assert publish("x", "key").seq == 1
    with pytest.raises(errors.SessionEnded):
        publish("x", "other key")


def test_a_servers_message_has_a_key_too(store: Meddled, session: Session, deliver: Deliveries) -> None:
    def send(sender: Sender = SERVER) -> Any:
        message = NewMessage("x", key="key")
        return messages.send_message(session.session_id, message, sender, store=store, deliver=deliver, rate=UNLIMITED)

    assert send() == (1, deliver.report)
    assert send().seq == 1
    with pytest.raises(errors.NotOwner):
        send(replace(SERVER, subject="mallory"))
    assert len(deliver.frames) == 1


def test_a_participant_does_not_repeat_its_own_publish_as_the_owners_server(
    session: Session, store: Meddled, deliver: Deliveries, publish: Callable[..., Any]
) -> None:
    """Records are kept by subject: whoever is not the owner finds its own, and is refused all the same."""
    publish("x", "key")
    for data in ("x", "y"):
        message, sender = NewMessage(data, key="key"), replace(SERVER, subject="bob")
        with pytest.raises(errors.NotOwner):
            messages.send_message(session.session_id, message, sender, store=store, deliver=deliver, rate=UNLIMITED)
    assert len(deliver.frames) == 1


def test_a_record_of_one_subject_is_not_found_by_another(store: Meddled, session: Session) -> None:
    store.put_keyed(events.message(replace(session, seq=1), "bob", "x", NOON, "c"), "bob", Once("k", "print"), NOON)
    assert store.find_publish(session.session_id, "carol", "k", NOON) is None
