"""The meters of both stores, in memory and on DynamoDB, which say the same to the microsecond."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from chalicelib import errors
from chalicelib.members import Metered, Role
from chalicelib.memory import MemoryStore
from chalicelib.model import Change, Session, Status
from chalicelib.rates import FAR, UNLIMITED, Rate, Verdict
from chalicelib.sessions import END
from pytest_sessionplugin.aws.calls import Calls
from tests.service.fakes import NOON, connection, new_session, write
from tests.service.stores import HOUR, AnyStore, stored

if TYPE_CHECKING:
    from chalicelib.storage import Store

FRAMES, PUBLISHES = Rate(10), Rate(50)
MICROSECOND = timedelta(microseconds=1)
ONE = connection("s", "one=")


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> AnyStore:
    if request.param == "memory":
        return MemoryStore()
    found: Store = request.getfixturevalue("dynamodb_store")
    return found


@pytest.fixture
def session(store: AnyStore) -> Session:
    return new_session(store)


def metered(store: AnyStore, count: int, now: datetime = NOON, rate: Rate = FRAMES) -> list[Verdict]:
    """The verdicts on so many frames at once."""
    found = [store.meter("one=", now, rate) for _ in range(count)]
    return [rate.verdict(one.tat, now) for one in found if one is not None]


def test_a_metered_connection_comes_with_the_time_when_its_bucket_is_full_again(store: AnyStore) -> None:
    store.connect(ONE)
    assert store.meter("one=", NOON, FRAMES) == Metered(ONE, NOON + FRAMES.cost)
    assert store.meter("one=", NOON, FRAMES) == Metered(ONE, NOON + 2 * FRAMES.cost)
    later = NOON + timedelta(minutes=1, microseconds=7)
    assert store.meter("one=", later, FRAMES) == Metered(ONE, later + FRAMES.cost)
    assert store.find_connection("one=") == ONE


def test_frames_at_once_are_done_then_refused_then_too_many(store: AnyStore) -> None:
    store.connect(ONE)
    assert metered(store, 61) == [Verdict.DONE] * 20 + [Verdict.REFUSED] * 40 + [Verdict.CLOSED]
    assert metered(store, 1, NOON + FAR) == [Verdict.DONE], "and well again"


def test_each_connection_has_a_meter_of_its_own_which_goes_with_it(store: AnyStore) -> None:
    store.connect(ONE)
    store.connect(connection("s", "two="))
    metered(store, 61)
    assert store.meter("two=", NOON, FRAMES) == Metered(connection("s", "two="), NOON + FRAMES.cost)
    store.disconnect(ONE)
    assert store.meter("one=", NOON, FRAMES) is None
    assert store.find_connection("one=") is None, "a meter brings nothing back"
    store.connect(ONE)
    assert metered(store, 1) == [Verdict.DONE]


def test_a_meter_keeps_the_other_words_on_a_connection(store: AnyStore) -> None:
    store.connect(ONE)
    store.meter("one=", NOON, FRAMES)
    store.set_role(ONE, Role.VIEWER, 1)
    store.refresh(ONE, NOON + HOUR + HOUR)
    found = store.meter("one=", NOON, FRAMES)
    assert found is not None
    assert (found.connection.role, found.connection.token_expires_at) == (Role.VIEWER, NOON + HOUR + HOUR)
    assert found.tat == NOON + 2 * FRAMES.cost, "a refresh gives no new bucket"


def test_no_rate_refuses_no_frame(store: AnyStore) -> None:
    store.connect(ONE)
    metered(store, 61)
    assert metered(store, 3, rate=UNLIMITED) == [Verdict.DONE] * 3, "whatever an earlier version left"
    assert metered(store, 3, NOON - timedelta(seconds=9), UNLIMITED) == [Verdict.DONE] * 3, "whatever the clock"


def test_a_hundred_messages_pass_at_once_and_the_next_takes_no_seq(store: AnyStore, session: Session) -> None:
    taken = [store.take_seq(session.session_id, NOON, PUBLISHES).seq for _ in range(100)]
    assert taken == list(range(1, 101))
    with pytest.raises(errors.RateLimited) as refused:
        store.take_seq(session.session_id, NOON, PUBLISHES)
    assert refused.value.after == PUBLISHES.cost
    with pytest.raises(errors.RateLimited):
        store.take_seq(session.session_id, NOON + refused.value.after - MICROSECOND, PUBLISHES)
    assert stored(store, session).seq == 100
    assert store.take_seq(session.session_id, NOON + refused.value.after, PUBLISHES).seq == 101
    assert store.take_seq(session.session_id, NOON + timedelta(seconds=3), PUBLISHES).seq == 102, "and well again"


def test_refused_messages_put_nothing_off(store: AnyStore, session: Session) -> None:
    for _ in range(100):
        store.take_seq(session.session_id, NOON, PUBLISHES)
    for _ in range(20):
        with pytest.raises(errors.RateLimited) as refused:
            store.take_seq(session.session_id, NOON, PUBLISHES)
        assert refused.value.after == PUBLISHES.cost


def test_no_rate_refuses_no_message(store: AnyStore, session: Session) -> None:
    for _ in range(100):
        store.take_seq(session.session_id, NOON, PUBLISHES)
    assert [store.take_seq(session.session_id, NOON).seq for _ in range(3)] == [101, 102, 103]


def test_what_a_session_refuses_anyhow_is_told_before_the_rate(store: AnyStore, session: Session) -> None:
    for _ in range(100):
        store.take_seq(session.session_id, NOON, PUBLISHES)
    with pytest.raises(errors.NotOwner):
        store.take_seq(session.session_id, NOON, PUBLISHES, "mallory")
    with pytest.raises(errors.RateLimited):
        store.take_seq(session.session_id, NOON, PUBLISHES, "alice")
    store.change_session(session.session_id, Change(status=Status.PAUSED), write())
    with pytest.raises(errors.SessionPaused):
        store.take_seq(session.session_id, NOON, PUBLISHES)
    store.change_session(session.session_id, END, write())
    with pytest.raises(errors.SessionEnded):
        store.take_seq(session.session_id, NOON, PUBLISHES)


def test_a_paused_session_meters_nothing(store: AnyStore, session: Session) -> None:
    store.change_session(session.session_id, Change(status=Status.PAUSED), write())
    for _ in range(200):
        with pytest.raises(errors.SessionPaused):
            store.take_seq(session.session_id, NOON, PUBLISHES)
    store.change_session(session.session_id, Change(status=Status.ACTIVE), write())
    assert len([store.take_seq(session.session_id, NOON, PUBLISHES) for _ in range(100)]) == 100


def moments() -> Iterator[tuple[datetime, Rate]]:
    """Times of functions whose clocks differ, at rates that settings change."""
    dice = random.Random(7)  # noqa: S311  not a secret
    now = NOON
    for _ in range(400):
        now += timedelta(microseconds=dice.choice((0, 1, 999, 100_000, 333_333, 2_000_000)))
        yield now + timedelta(milliseconds=dice.randint(-50, 50)), Rate(dice.choice((0, 1, 3, 7, 10, 10, 10, 600)))


def test_both_stores_say_the_same(dynamodb_store: Store) -> None:
    memory = MemoryStore()
    both: tuple[AnyStore, AnyStore] = (memory, dynamodb_store)
    session = new_session(memory)
    dynamodb_store.create_session(session, None)
    for store in both:
        store.connect(ONE)
    for now, rate in moments():
        told = []
        for store in both:
            frame = store.meter("one=", now, rate)
            assert frame is not None
            try:
                took: object = store.take_seq(session.session_id, now, rate).seq
            except errors.RateLimited as refused:
                took = refused.after
            told.append((rate.verdict(frame.tat, now), rate.wait(frame.tat, now), took))
        assert told[0] == told[1]


def test_one_request_meters_whoever_keeps_to_the_rate_and_two_a_burst(dynamodb_store: Store, aws_calls: Calls) -> None:
    session = new_session(dynamodb_store)
    dynamodb_store.connect(ONE)
    for now in (NOON, NOON + FRAMES.cost, NOON + timedelta(seconds=45)):
        with aws_calls.exactly(dynamodb=1, write_units=1):
            dynamodb_store.meter("one=", now, FRAMES)
        with aws_calls.exactly(dynamodb=1, write_units=1):
            dynamodb_store.take_seq(session.session_id, now, PUBLISHES)
    with aws_calls.exactly(dynamodb=2, write_units=2):
        dynamodb_store.meter("one=", now, FRAMES)
    with aws_calls.exactly(dynamodb=2, write_units=2):
        dynamodb_store.take_seq(session.session_id, now, PUBLISHES)
    for _ in range(98):
        dynamodb_store.take_seq(session.session_id, now, PUBLISHES)
    with aws_calls.exactly(dynamodb=1, write_units=1), pytest.raises(errors.RateLimited):
        dynamodb_store.take_seq(session.session_id, now, PUBLISHES)
    for _ in range(3):
        with aws_calls.exactly(dynamodb=1, write_units=1):
            dynamodb_store.meter("one=", now, UNLIMITED)
        with aws_calls.exactly(dynamodb=1, write_units=1):
            dynamodb_store.take_seq(session.session_id, now)
    with aws_calls.exactly(dynamodb=1, write_units=1):
        assert dynamodb_store.meter("gone=", now, FRAMES) is None
    dynamodb_store.change_session(session.session_id, Change(status=Status.PAUSED), write())
    with aws_calls.exactly(dynamodb=1, write_units=1), pytest.raises(errors.SessionPaused):
        dynamodb_store.take_seq(session.session_id, now, PUBLISHES)
