"""Durable messages that are published at the same time: all that are acknowledged are kept, none twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from chalicelib import events, frames, messages
from chalicelib.events import Kind, Published
from chalicelib.messages import Sender
from chalicelib.model import Draft, Session
from chalicelib.rates import UNLIMITED
from chalicelib.storage import Store
from pytest_sessionplugin import Races
from tests.service.fakes import NOON, Deliveries, new_session
from tests.service.stores import stored

PUBLISHERS = 10
BOB = Sender("bob", NOON, "request-1", "correlation-1", "bob=")


@pytest.fixture
def session(dynamodb_store: Store) -> Session:
    return new_session(dynamodb_store, Draft(durable=True))


@pytest.fixture
def publish(dynamodb_store: Store, session: Session) -> Callable[..., int]:
    """Publishes, and returns the acknowledged seq."""

    def publish(data: Any, key: str | None = None, deliver: Deliveries | None = None) -> int:
        outcome = messages.publish(
            session.session_id,
            data,
            BOB,
            store=dynamodb_store,
            deliver=deliver or Deliveries(),
            rate=UNLIMITED,
            key=key,
        )
        return outcome.seq if isinstance(outcome, Published) else outcome[0].seq

    return publish


def kept(store: Store, session: Session) -> dict[int, events.Event]:
    found: dict[int, events.Event] = {}
    more = True
    while more:
        page, more = store.list_events(session.session_id, max(found, default=0), 1_000)
        found |= {event.seq: event for event in page}
    return found


@pytest.mark.parametrize("each", [20, pytest.param(200, marks=pytest.mark.slow)], ids=["200", "2,000"])
def test_messages_of_ten_publishers_at_once_are_kept_each_under_one_number(
    dynamodb_store: Store,
    session: Session,
    publish: Callable[..., int],
    aws_race: Races,
    capsys: pytest.CaptureFixture[str],
    each: int,
) -> None:
    """A reader closes the newest number again and again, however young it is."""
    acknowledged: dict[str, int] = {}
    done = threading.Event()

    def publisher(number: int) -> None:
        for data in (f"{number}-{i}" for i in range(each)):
            acknowledged[data] = publish(data)

    def reader() -> None:
        while not done.wait(0.02):
            head = stored(dynamodb_store, session).seq
            dynamodb_store.put_event(events.void(session, head, NOON))

    closing = threading.Thread(target=reader)
    closing.start()
    began = time.perf_counter()
    try:
        with aws_race("dynamodb:UpdateItem", parties=PUBLISHERS) as race:
            race.run(*(partial(publisher, number) for number in range(PUBLISHERS)))
    finally:
        done.set()
        closing.join(30)
    took = time.perf_counter() - began
    found = kept(dynamodb_store, session)
    with capsys.disabled():
        voids = sum(event.kind is Kind.VOID for event in found.values())
        print(f"\n{PUBLISHERS * each:,} messages, {PUBLISHERS * each / took:,.0f} a second, {voids} voids")  # noqa: T201
    assert len(acknowledged) == len(set(acknowledged.values())) == PUBLISHERS * each
    told = {frame["data"]: frame["seq"] for event in found.values() if (frame := frames.event(event))}
    assert told == acknowledged
    assert sorted(found) == list(range(1, stored(dynamodb_store, session).seq + 1)), "no hole but voids"
