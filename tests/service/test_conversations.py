"""Frames of open connections, on the store in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import connections, conversations, errors, events, frames
from chalicelib.credentials import Secret
from chalicelib.members import Connection, Role
from chalicelib.memory import MemoryStore
from chalicelib.model import Change, Draft, Outcome, Principal, Report, Session, Status
from chalicelib.sessions import END
from tests.service.fakes import ENDPOINT, NOON, UNLIMITED, Deliveries, connection, new_session, unverified, write

BOB = Principal("bob", NOON + timedelta(hours=1))


def join(store: MemoryStore, session_id: str, connection_id: str = "one=") -> Connection:
    handshake = frames.Handshake(connection_id, session_id, Secret("token"), None, ENDPOINT)
    return connections.connect(
        handshake, BOB, store=store, deliver=Deliveries(), now=NOON, limits=UNLIMITED, correlation_id="c"
    )


def receive(store: MemoryStore, deliver: Deliveries, action: Mapping[str, Any], seconds: float = 0) -> frames.Frame:
    now = NOON + timedelta(seconds=seconds)
    envelope = frames.Envelope(None, action)
    return conversations.receive(
        envelope,
        "one=",
        store=store,
        deliver=deliver,
        authenticate=unverified,
        now=now,
        limits=UNLIMITED,
        correlation_id="a-request",
    )


def test_hello_is_answered_with_the_session_as_it_is_now(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    join(store, session.session_id)
    store.change_session(session.session_id, Change(title="Later"), write())
    welcome = receive(store, deliver, {"action": "hello"})
    assert (welcome["type"], welcome["session"]["title"], welcome["seq"]) == ("welcome", "Later", 1)


@pytest.mark.parametrize(("seq", "recovered"), [(None, False), (0, False), (1, True), (2, False)])
def test_a_session_that_keeps_no_events_recovers_only_who_missed_none(
    store: MemoryStore, session: Session, deliver: Deliveries, seq: int | None, recovered: bool
) -> None:
    join(store, session.session_id)
    store.change_session(session.session_id, Change(title="Later"), write())
    resume = {} if seq is None else {"resume": {"seq": seq}}
    welcome = receive(store, deliver, {"action": "hello", **resume})
    assert (welcome["seq"], welcome["events"], welcome["recovered"]) == (1, [], recovered)


@pytest.mark.parametrize(("seq", "missed"), [(None, None), (0, [1, 2]), (1, [2]), (2, []), (3, None)])
def test_a_durable_session_brings_what_was_missed_if_it_is_asked_to(
    store: MemoryStore, deliver: Deliveries, seq: int | None, missed: list[int] | None
) -> None:
    session = new_session(store, Draft(durable=True))
    join(store, session.session_id)
    for n in (1, 2):
        taken = store.take_seq(session.session_id, NOON)
        store.put_event(events.message(taken, "carol", n, NOON, "c"))
    resume = {} if seq is None else {"resume": {"seq": seq}}
    welcome = receive(store, deliver, {"action": "hello", **resume})
    told = [frames.message(n, "carol", n, NOON, "c") for n in missed or []]
    assert (welcome["seq"], welcome["events"], welcome["recovered"]) == (2, told, missed is not None)


def test_a_publish_goes_to_everybody_else_and_is_acknowledged(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    join(store, session.session_id)
    deliver.report = Report({Outcome.SENT: 3, Outcome.GONE: 1, Outcome.FAILED: 1, Outcome.UNSENT: 1})
    assert [receive(store, deliver, {"action": "publish", "data": n}) for n in (1, 2)] == [
        {"type": "ack", "seq": seq, "version": 1, "sent": 3, "missed": 2} for seq in (1, 2)
    ]
    assert deliver.but == ["one=", "one="]
    assert deliver.frames[1] == {
        "type": "message",
        "seq": 2,
        "from": "bob",
        "data": 2,
        "at": "2026-03-01T12:00:00.000Z",
        "correlationId": "a-request",
    }


def test_a_pong_tells_the_last_event_to_whoever_missed_it(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    join(store, session.session_id)
    assert receive(store, deliver, {"action": "ping"}) == {"type": "pong", "seq": 0, "version": 1}
    store.change_session(session.session_id, Change(title="Later"), write())
    receive(store, deliver, {"action": "publish", "data": 1})
    assert receive(store, deliver, {"action": "ping"}) == {"type": "pong", "seq": 2, "version": 2}
    store.change_session(session.session_id, END, write())
    assert receive(store, deliver, {"action": "ping"}) == {"type": "pong", "seq": 3, "version": 3}


def test_a_pong_tells_the_end_of_a_token_in_its_last_five_minutes(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    join(store, session.session_id)
    assert "tokenExpiresAt" not in receive(store, deliver, {"action": "ping"}, seconds=3299.9)
    assert receive(store, deliver, {"action": "ping"}, seconds=3300)["tokenExpiresAt"] == "2026-03-01T13:00:00.000Z"


def test_nothing_is_published_in_a_paused_or_an_ended_session(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    join(store, session.session_id)
    store.change_session(session.session_id, Change(status=Status.PAUSED), write())
    with pytest.raises(errors.SessionPaused):
        receive(store, deliver, {"action": "publish", "data": 1})
    store.change_session(session.session_id, END, write())
    with pytest.raises(errors.SessionEnded):
        receive(store, deliver, {"action": "publish", "data": 1})
    assert deliver.frames == []


def test_nothing_is_published_after_the_expiry(store: MemoryStore, deliver: Deliveries) -> None:
    session = new_session(store, Draft(expires_in=timedelta(seconds=60)))
    join(store, session.session_id)
    receive(store, deliver, {"action": "publish", "data": 1}, seconds=59)
    with pytest.raises(errors.SessionEnded):
        receive(store, deliver, {"action": "publish", "data": 1}, seconds=60)


def test_what_is_too_large_takes_no_seq(store: MemoryStore, session: Session, deliver: Deliveries) -> None:
    join(store, session.session_id)
    with pytest.raises(errors.TooLarge):
        receive(store, deliver, {"action": "publish", "data": "x" * 131_000})
    assert receive(store, deliver, {"action": "publish", "data": "x"})["seq"] == 1


@pytest.mark.parametrize("action", [{"action": "hello"}, {"action": "publish", "data": 1}, {"action": "ping"}])
def test_no_frame_is_taken_after_the_tokens_expiry(
    store: MemoryStore, session: Session, deliver: Deliveries, action: Mapping[str, Any]
) -> None:
    join(store, session.session_id)
    receive(store, deliver, action, seconds=3609)  # with the same leeway as when the token was verified
    with pytest.raises(errors.TokenExpired):
        receive(store, deliver, action, seconds=3610)


def test_a_socket_without_a_row_is_told_so(store: MemoryStore, deliver: Deliveries) -> None:
    with pytest.raises(errors.ConnectionNotFound):
        receive(store, deliver, {"action": "ping"})


def test_hello_tells_that_a_session_has_expired_before_anything_writes_that(
    store: MemoryStore, deliver: Deliveries
) -> None:
    join(store, new_session(store, Draft(expires_in=timedelta(seconds=60))).session_id)
    assert receive(store, deliver, {"action": "hello"}, seconds=60)["session"]["status"] == "ended"


def test_past_its_purge_a_session_is_not_found_by_handshakes_and_frames(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    purge = session.expires_at + timedelta(days=7)
    lasting = Principal("bob", purge + timedelta(hours=1))
    handshake = frames.Handshake("one=", session.session_id, Secret("token"), None, ENDPOINT)
    with pytest.raises(errors.SessionNotFound):
        connections.connect(
            handshake, lasting, store=store, deliver=Deliveries(), now=purge, limits=UNLIMITED, correlation_id="c"
        )
    assert store.find_connection("one=") is None
    store.connect(replace(connection(session.session_id), token_expires_at=lasting.expires_at))
    for action in ({"action": "hello"}, {"action": "publish", "data": "x"}, {"action": "ping"}):
        with pytest.raises(errors.SessionNotFound):
            receive(store, deliver, action, (purge - NOON).total_seconds())
    assert deliver.frames == []


@pytest.mark.parametrize("action", ["hello", "ping", "publish", "dance"])
def test_the_first_frame_takes_the_place_of_the_replaced_connection_whatever_it_says(
    store: MemoryStore, session: Session, deliver: Deliveries, action: str
) -> None:
    join(store, session.session_id, "old=")
    viewer = replace(connection(session.session_id), role=Role.VIEWER, replaces="old=")
    store.connect(viewer)
    if action == "publish":
        with pytest.raises(errors.NotAllowed):
            receive(store, deliver, {"action": action, "data": 1})
    elif action == "dance":
        with pytest.raises(errors.InvalidRequest):
            receive(store, deliver, {"action": action})
    else:
        receive(store, deliver, {"action": action})
    assert deliver.closed == ["old="]
    assert store.find_connection("old=") is None


def test_hello_of_a_banned_subject_whose_rows_are_there_ends_its_connection(
    store: MemoryStore, session: Session, deliver: Deliveries
) -> None:
    """The ban and the handshake met, and neither has removed the rows yet."""
    join(store, session.session_id)
    store.ban(session, "bob", NOON + timedelta(minutes=1))
    with pytest.raises(errors.Kicked):
        receive(store, deliver, {"action": "hello"}, seconds=59)
    assert receive(store, deliver, {"action": "hello"}, seconds=61)["type"] == "welcome"
