"""A refresh lets a connection last longer: never shorter, never for somebody else, and never for one that has gone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib import conversations, errors, frames
from chalicelib.credentials import Secret
from chalicelib.delivery import Delivery
from chalicelib.members import Connection, Role
from chalicelib.memory import MemoryStore
from chalicelib.model import Principal, Session, rfc3339
from tests.service.fakes import NOON, UNLIMITED, Clock, Deliveries, Management, connection, unverified

HOUR = 3600


@pytest.fixture
def bob(store: MemoryStore, session: Session) -> Connection:
    """A connection whose token expires an hour after noon."""
    joined = connection(session.session_id)
    store.connect(joined)
    return joined


def receive(store: MemoryStore, seconds: float = 0, **action: str) -> frames.Frame:
    return conversations.receive(
        frames.Envelope(None, action),
        "one=",
        store=store,
        deliver=Deliveries(),
        authenticate=unverified,
        now=NOON + timedelta(seconds=seconds),
        limits=UNLIMITED,
        correlation_id="a-request",
    )


def expiry(store: MemoryStore) -> datetime:
    found = store.find_connection("one=")
    assert found is not None
    return found.token_expires_at


def test_a_connection_lasts_as_long_as_its_newest_token(store: MemoryStore, bob: Connection) -> None:
    assert receive(store, action="refresh", token="bob+7200") == {
        "type": "ack",
        "tokenExpiresAt": "2026-03-01T14:00:00.000Z",
    }
    assert receive(store, 2 * HOUR, action="ping")["type"] == "pong"
    assert receive(store, 2 * HOUR, action="hello")["tokenExpiresAt"] == "2026-03-01T14:00:00.000Z"
    with pytest.raises(errors.TokenExpired):
        receive(store, 2 * HOUR + 10, action="ping")


def test_an_expiry_is_kept_in_whole_milliseconds(store: MemoryStore, bob: Connection) -> None:
    assert receive(store, action="refresh", token="bob+7200.0009")["tokenExpiresAt"] == "2026-03-01T14:00:00.000Z"
    assert expiry(store) == NOON + timedelta(hours=2)


def test_a_token_that_ends_earlier_shortens_nothing(store: MemoryStore, bob: Connection) -> None:
    assert receive(store, action="refresh", token="bob+1800")["tokenExpiresAt"] == rfc3339(bob.token_expires_at)
    assert expiry(store) == bob.token_expires_at


def test_a_token_of_another_subject_is_refused(store: MemoryStore, bob: Connection) -> None:
    with pytest.raises(errors.Unauthenticated):
        receive(store, action="refresh", token="carol+7200")
    assert expiry(store) == bob.token_expires_at


def test_a_guest_comes_back_with_a_ticket_and_its_token_is_not_even_looked_at(
    store: MemoryStore, session: Session
) -> None:
    store.connect(connection(session.session_id, subject="guest:ada"))
    with pytest.raises(errors.NotAllowed) as refused:
        receive(store, action="refresh", token="guest:ada+7200")
    assert refused.value.detail == "A guest may not refresh."


def test_a_viewer_may_refresh(store: MemoryStore, session: Session) -> None:
    store.connect(replace(connection(session.session_id), role=Role.VIEWER))
    assert receive(store, action="refresh", token="bob+7200")["type"] == "ack"


def test_a_refresh_after_the_expiry_is_told_so(store: MemoryStore, bob: Connection) -> None:
    assert receive(store, HOUR + 9.9, action="refresh", token="bob+7200")["type"] == "ack"
    store.connect(bob)
    with pytest.raises(errors.TokenExpired):
        receive(store, HOUR + 10, action="refresh", token="bob+7200")


def test_a_connection_that_goes_while_its_token_is_verified_does_not_come_back(
    store: MemoryStore, bob: Connection
) -> None:
    def slow(token: Secret) -> Principal:
        store.disconnect(bob)
        return unverified(token)

    with pytest.raises(errors.ConnectionNotFound):
        conversations.refresh(bob, Secret("bob+7200"), store=store, authenticate=slow)
    assert store.find_connection("one=") is None
    assert list(store.roster(bob.session_id)) == [[]]


def test_a_delivery_sends_until_the_newest_expiry_and_closes_from_then_on(store: MemoryStore, bob: Connection) -> None:
    clock, management = Clock(), Management()
    delivery = Delivery(store, management, clock=clock, random=lambda: 0.0, pause=clock.sleep)
    receive(store, action="refresh", token="bob+7200")
    for seconds, closes in ((2 * HOUR + 9.9, []), (2 * HOUR + 10, ["one="])):
        clock.now = NOON + timedelta(seconds=seconds)
        delivery.broadcast(bob.session_id, {"type": "role"}, began=clock.now)
        assert management.closes == closes
    assert management.posts[0] == ("one=", '{"type":"role"}')
    assert "token_expired" in management.posts[1][1]
