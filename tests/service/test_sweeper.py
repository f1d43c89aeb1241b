from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from chalicelib import metrics, sweeper
from chalicelib.delivery import DEADLINE
from chalicelib.errors import Unavailable
from chalicelib.memory import MemoryStore
from chalicelib.metrics import Metric
from chalicelib.model import Change, Draft, Outcome, Report, Status, Written
from chalicelib.sessions import END
from tests.service.fakes import NOON, Clock, Deliveries, new_session, write
from tests.sources import ROOT

MINUTE = Draft(expires_in=timedelta(seconds=60))


def sweep(store: MemoryStore, deliver: Deliveries, clock: Clock) -> tuple[int, int]:
    swept = sweeper.sweep(store=store, deliver=deliver, clock=clock, correlation_id="an-event")
    assert swept.failed == 0
    return swept.expired, swept.settled


def test_what_has_expired_ends_and_is_told_and_closed(store: MemoryStore) -> None:
    clock, deliver = Clock(), Deliveries()
    session = new_session(store, MINUTE)
    clock.advance(seconds=59)
    assert sweep(store, deliver, clock) == (0, 0)
    clock.advance(seconds=1)
    assert sweep(store, deliver, clock) == (1, 0)
    ended = store.find_session(session.session_id)
    assert ended is not None
    assert (ended.status, ended.ended_at) == (Status.ENDED, session.expires_at)
    assert deliver.frames == [{"type": "session.ended", "seq": 1, "reason": "expired", "correlationId": "an-event"}]
    assert deliver.closed == [session.session_id]


def test_an_end_is_looked_at_again_when_no_handshake_can_be_pending(store: MemoryStore) -> None:
    clock, deliver = Clock(), Deliveries()
    session = new_session(store)
    store.change_session(session.session_id, END, write())
    clock.advance(seconds=34.9)
    assert sweep(store, deliver, clock) == (0, 0)
    assert deliver.frames == []
    clock.advance(seconds=0.1)
    assert sweep(store, deliver, clock) == (0, 1)
    assert deliver.closed == [session.session_id]


def test_it_stays_due_until_nobody_is_left(store: MemoryStore) -> None:
    clock, deliver = Clock(), Deliveries(report=Report({Outcome.SENT: 1}))
    session = new_session(store)
    store.change_session(session.session_id, END, write())
    clock.advance(minutes=1)
    assert sweep(store, deliver, clock) == (0, 0)
    deliver.report = Report({})
    assert sweep(store, deliver, clock) == (0, 1)
    assert sweep(store, deliver, clock) == (0, 0)
    assert deliver.closed == [session.session_id] * 2


def test_a_session_that_just_expired_stays_due_although_nobody_was_there(store: MemoryStore) -> None:
    clock, deliver = Clock(), Deliveries()
    new_session(store, MINUTE)
    clock.advance(minutes=1)
    assert sweep(store, deliver, clock) == (1, 0)
    clock.advance(seconds=35)
    assert sweep(store, deliver, clock) == (0, 1)


def test_an_index_that_lags_ends_and_tells_nothing(store: MemoryStore) -> None:
    class Lagging(MemoryStore):
        def due_sessions(self, now):  # type: ignore[no-untyped-def]
            yield from self._sessions

    lagging, deliver = Lagging(), Deliveries()
    session = new_session(lagging)
    assert sweep(lagging, deliver, Clock()) == (0, 0)
    assert lagging.find_session(session.session_id) == session
    for change in (Change(title="x"), END):
        changed = lagging.change_session(session.session_id, change, write()).session
        assert sweep(lagging, deliver, Clock()) == (0, 0), "its own delivery may still be under way"
        assert lagging.find_session(session.session_id) == changed
    assert deliver.frames == []


def test_a_sweep_that_takes_long_leaves_the_rest_to_the_next(store: MemoryStore) -> None:
    clock = Clock()

    class Slow(Deliveries):
        def broadcast(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            clock.advance(seconds=30)
            return super().broadcast(*args, **kwargs)

    for _ in range(5):
        new_session(store, MINUTE)
    clock.advance(minutes=1)
    swept = [sweep(store, Slow(), clock) for _ in range(5)]
    assert all(expired + settled <= 2 for expired, settled in swept)
    assert [sum(column) for column in zip(*swept, strict=True)] == [5, 5]


def test_no_delivery_begins_at_the_end_of_what_it_may_take(store: MemoryStore) -> None:
    """All deliveries of a sweep share one deadline, and one that begins after it reaches nobody."""
    clock = Clock()
    left: list[timedelta] = []

    class Timed(Deliveries):
        def broadcast(self, *args, began: datetime, **kwargs):  # type: ignore[no-untyped-def]
            left.append(began + DEADLINE - clock())
            clock.advance(seconds=1)
            return super().broadcast(*args, began=began, **kwargs)

    for _ in range(30):
        new_session(store, MINUTE)
    clock.advance(minutes=1)
    sweep(store, Timed(), clock)
    assert len(left) > 10
    assert min(left) >= timedelta(seconds=5)


@pytest.mark.parametrize("error", [KeyError("presence"), Unavailable("The database")])
def test_one_session_that_cannot_be_seen_to_keeps_no_other_open(error: Exception) -> None:
    class Broken(MemoryStore):
        def expire_session(self, session_id: str, now: datetime, request_id: str) -> Written | None:
            if session_id == broken:
                raise error
            return super().expire_session(session_id, now, request_id)

    store, clock = Broken(), Clock()
    made = [new_session(store, MINUTE).session_id for _ in range(3)]
    broken = made[0]
    clock.advance(minutes=1)
    swept = sweeper.sweep(store=store, deliver=Deliveries(), clock=clock, correlation_id="an-event")
    assert swept == sweeper.Sweep(expired=2, settled=0, told=0, failed=1, left=0)


def test_what_a_sweep_cannot_list_keeps_no_other_open_and_fails_it_at_the_end() -> None:
    class Partly(MemoryStore):
        def due_sessions(self, now: datetime) -> Iterator[str]:
            yield from super().due_sessions(now)
            raise Unavailable("The database")

    store, clock, deliver, backlog = Partly(), Clock(), Deliveries(), []
    made = {new_session(store, MINUTE).session_id for _ in range(3)}
    clock.advance(minutes=1)
    with pytest.raises(Unavailable):
        sweeper.sweep(
            store=store,
            deliver=deliver,
            clock=clock,
            correlation_id="an-event",
            measure=lambda metric, value=1.0, by="": backlog.append(metric),
        )
    assert set(deliver.closed) == made
    assert metrics.SWEEP_BACKLOG in backlog


def test_past_its_purge_a_session_is_left_to_ttl(store: MemoryStore) -> None:
    clock, deliver = Clock(), Deliveries()
    session = new_session(store, MINUTE)
    clock.advance(days=7, minutes=1)
    assert sweep(store, deliver, clock) == (0, 0)
    assert (store.find_session(session.session_id), deliver.frames) == (session, [])


def test_what_is_untold_is_told_once(store: MemoryStore) -> None:
    clock, deliver = Clock(), Deliveries()
    session = new_session(store)
    changed = store.change_session(session.session_id, Change(title="x"), write()).session
    clock.advance(seconds=34.9)
    assert sweep(store, deliver, clock) == (0, 0)
    assert deliver.frames == [], "its own delivery may still be under way"
    clock.advance(seconds=0.1)
    for _ in range(2):
        assert sweep(store, deliver, clock) == (0, 0)
    assert [(frame["type"], frame["seq"], frame["session"]["title"]) for frame in deliver.frames] == [
        ("session.updated", 1, "x")
    ]
    assert deliver.closed == []
    assert store.find_session(session.session_id) == replace(changed, due_at=session.expires_at)


def test_what_could_not_be_told_stays_due(store: MemoryStore) -> None:
    class Unreachable(Deliveries):
        def broadcast(self, *args: object, **kwargs: object) -> Report:
            raise Unavailable("The roster")

    clock, deliver = Clock(), Deliveries()
    session = new_session(store)
    store.change_session(session.session_id, Change(title="x"), write())
    clock.advance(minutes=1)
    swept = sweeper.sweep(store=store, deliver=Unreachable(), clock=clock, correlation_id="an-event")
    assert (swept.told, swept.failed) == (0, 1)
    assert sweep(store, deliver, clock) == (0, 0)
    assert len(deliver.frames) == 1


def test_an_untold_change_of_what_has_expired_is_told_as_its_end(store: MemoryStore) -> None:
    clock, deliver = Clock(), Deliveries()
    session = new_session(store, MINUTE)
    store.change_session(session.session_id, Change(title="x"), write(now=clock.advance(seconds=30)))
    clock.advance(seconds=35)
    assert sweep(store, deliver, clock) == (1, 0)
    assert [(frame["type"], frame["seq"]) for frame in deliver.frames] == [("session.ended", 2)]


def test_what_a_sweep_leaves_and_fails_at_is_its_backlog(store: MemoryStore) -> None:
    clock = Clock()
    backlog: list[float] = []

    def measure(metric: Metric, value: float = 1.0, by: str = "") -> None:
        if metric is metrics.SWEEP_BACKLOG:
            backlog.append(value)

    class Slow(Deliveries):
        def broadcast(self, *args: Any, **kwargs: Any) -> Report:
            clock.advance(seconds=20)
            if len(self.frames) == 1:
                self.frames.clear()
                raise Unavailable("The roster")
            return super().broadcast(*args, **kwargs)

    for _ in range(5):
        new_session(store, MINUTE)
    clock.advance(minutes=1)
    swept = sweeper.sweep(store=store, deliver=Slow(), clock=clock, correlation_id="an-event", measure=measure)
    assert (swept.expired, swept.failed, swept.left) == (1, 1, 3)
    sweeper.sweep(store=MemoryStore(), deliver=Slow(), clock=clock, correlation_id="an-event", measure=measure)
    assert backlog == [4, 0]


REQUEST: Final = timedelta(milliseconds=5)  # of DynamoDB, as Lambda in the same region sees it
SWEPT: Final = 1_000  # sessions a minute


def test_a_sweep_keeps_up_with_what_the_page_of_limits_says() -> None:
    """Each expiry takes five requests, over two sweeps; the page says how many a minute that allows."""
    clock = Clock()

    class Timed(MemoryStore):
        def __getattribute__(self, name: str) -> Any:
            if name in ("expire_session", "settle_session", "told_session"):
                clock.advance(seconds=REQUEST.total_seconds())
            return super().__getattribute__(name)

    class Quick(Deliveries):
        def broadcast(self, *args: Any, **kwargs: Any) -> Report:
            clock.advance(seconds=REQUEST.total_seconds())  # reads an empty roster
            return super().broadcast(*args, **kwargs)

    store, sweeps = Timed(), 5
    for minute in range(sweeps):
        for _ in range(SWEPT):
            new_session(store, MINUTE, now=NOON + timedelta(minutes=minute - 1))
    left = []
    for minute in range(sweeps):
        clock.now = NOON + timedelta(minutes=minute)
        swept = sweeper.sweep(store=store, deliver=Quick(), clock=clock, correlation_id="an-event")
        left.append(swept.left)
    assert left == [0] * sweeps
    [said] = re.findall(r"some ([\d,]+) sessions a minute", (ROOT / "docs" / "operations.md").read_text())
    assert int(said.replace(",", "")) == SWEPT
