from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import errors, frames, messages
from chalicelib.memory import MemoryStore
from chalicelib.messages import Sender
from chalicelib.model import Change, Draft, NewMessage, Outcome, Report, Session, Status
from chalicelib.rates import UNLIMITED, Rate
from chalicelib.sessions import END
from tests.service.fakes import NOON, Deliveries, connection, new_session, write

BOB = Sender("bob", NOON, "request-1", "correlation-1", "bob=")
SERVER = Sender("alice", NOON, "request-2", "correlation-2", as_owner=True)
TO_ALL, TO_CAROL = NewMessage("x"), NewMessage("x", "carol")


@pytest.fixture
def deliver() -> Deliveries:
    return Deliveries(report=Report({Outcome.SENT: 2, Outcome.FAILED: 1}))


@pytest.fixture
def carols(store: MemoryStore, session: Session) -> list[str]:
    """Two connections of carol in the session, among others."""
    mine = ["one=", "two="]
    for connection_id in mine:
        store.connect(connection(session.session_id, connection_id, "carol"))
    store.connect(connection(session.session_id, "bob=", "bob"))
    store.connect(connection("b" * 26, "elsewhere=", "carol"))
    return mine


def test_a_direct_message_goes_to_each_connection_of_its_subject_and_to_no_other(
    store: MemoryStore, session: Session, deliver: Deliveries, carols: list[str]
) -> None:
    report = messages.send(session.session_id, "carol", {"n": 1}, BOB, store=store, deliver=deliver)
    assert (report, sorted(deliver.told), deliver.closed) == (deliver.report, carols, [])
    assert deliver.frames == [
        {
            "type": "direct",
            "id": "request-1",
            "from": "bob",
            "data": {"n": 1},
            "at": "2026-03-01T12:00:00.000Z",
            "correlationId": "correlation-1",
        }
    ]
    assert store.find_session(session.session_id) == session, "it takes no seq"


def test_a_direct_message_to_oneself_goes_to_the_sending_connection_too(
    store: MemoryStore, session: Session, deliver: Deliveries, carols: list[str]
) -> None:
    messages.send(session.session_id, "bob", "x", BOB, store=store, deliver=deliver)
    assert deliver.told == ["bob="]


def test_a_message_of_the_owners_server_goes_to_everybody_under_the_next_seq(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    sent = [
        messages.send_message(session.session_id, TO_ALL, SERVER, store=store, deliver=deliver, rate=UNLIMITED)
        for _ in range(2)
    ]
    assert sent == [(1, deliver.report), (2, deliver.report)]
    assert (deliver.but, deliver.told) == ([None, None], [])
    assert deliver.frames[1] == frames.message(2, "alice", "x", NOON, "correlation-2")


def test_a_message_of_the_owners_server_to_one_subject_has_no_seq(
    store: MemoryStore, session: Session, deliver: Deliveries, carols: list[str]
) -> None:
    sent = messages.send_message(session.session_id, TO_CAROL, SERVER, store=store, deliver=deliver, rate=UNLIMITED)
    assert (sent, sorted(deliver.told)) == ((None, deliver.report), carols)
    assert deliver.frames == [frames.direct("request-2", "alice", "x", NOON, "correlation-2")]


@pytest.mark.parametrize("message", [TO_ALL, TO_CAROL], ids=["all", "one"])
def test_refusals_come_in_the_order_not_found_not_owner_ended_paused(
    store: MemoryStore, deliver: Deliveries, message: NewMessage
) -> None:
    session = new_session(store, Draft(expires_in=timedelta(hours=1)))
    session_id, mallory = session.session_id, replace(SERVER, subject="mallory")
    late = NOON + timedelta(hours=1)
    purged = late + timedelta(days=7)

    def refused(refusal: type[errors.SessionsError], sender: Sender, session_id: str = session_id) -> None:
        with pytest.raises(refusal):
            messages.send_message(session_id, message, sender, store=store, deliver=deliver, rate=UNLIMITED)

    refused(errors.SessionNotFound, SERVER, "a" * 26)
    refused(errors.SessionNotFound, SERVER, "not an id")
    refused(errors.SessionNotFound, replace(mallory, now=purged))
    refused(errors.NotOwner, mallory)
    refused(errors.NotOwner, replace(mallory, now=late))
    refused(errors.SessionEnded, replace(SERVER, now=late))
    store.change_session(session_id, Change(status=Status.PAUSED), write())
    refused(errors.NotOwner, mallory)
    refused(errors.SessionPaused, SERVER)
    refused(errors.SessionEnded, replace(SERVER, now=late))
    store.change_session(session_id, END, write())
    refused(errors.SessionEnded, SERVER)
    assert deliver.frames == []


def test_anybody_in_the_session_sends_and_only_its_owner_speaks_as_owner(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    messages.send(session.session_id, "carol", "x", BOB, store=store, deliver=deliver)
    with pytest.raises(errors.NotOwner):
        messages.send(session.session_id, "carol", "x", replace(BOB, as_owner=True), store=store, deliver=deliver)
    assert len(deliver.frames) == 1


def test_messages_of_a_server_count_in_the_rate_of_the_session(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    for _ in range(4):
        messages.send_message(session.session_id, TO_ALL, SERVER, store=store, deliver=deliver, rate=Rate(2))
    with pytest.raises(errors.RateLimited):
        messages.send_message(session.session_id, TO_ALL, SERVER, store=store, deliver=deliver, rate=Rate(2))
    assert len(deliver.frames) == 4


@pytest.mark.parametrize("message", [NewMessage("x" * 131_000), NewMessage("x" * 131_000, "carol")], ids=["all", "one"])
def test_a_message_that_nobody_could_get_is_refused_before_any_request(
    deliver: Deliveries, message: NewMessage
) -> None:
    nothing = object()  # an object without any method
    with pytest.raises(errors.TooLarge):
        messages.send_message("a" * 26, message, SERVER, store=nothing, deliver=deliver, rate=UNLIMITED)  # type: ignore[arg-type]
    assert deliver.frames == []
