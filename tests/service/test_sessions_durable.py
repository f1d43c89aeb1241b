"""Changes and ends of a durable session are kept as events under their own numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib import errors, frames, sessions, sweeper
from chalicelib.events import Event
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft, Patch, Report, Session, Status
from tests.service.fakes import NOON, Clock, Deliveries, new_session, write

HOUR = timedelta(hours=1)


class Failing(MemoryStore):
    """A store whose events do not answer while `fails`."""

    fails = False

    def put_event(self, event: Event) -> Event:
        if self.fails:
            raise errors.Unavailable("The database")
        return super().put_event(event)


@pytest.fixture
def store() -> Failing:
    return Failing()


@pytest.fixture
def deliver() -> Deliveries:
    return Deliveries()


@pytest.fixture
def session(store: Failing) -> Session:
    return new_session(store, Draft(durable=True, expires_in=HOUR))


def kept(store: MemoryStore, session: Session) -> list[Any]:
    return [frames.event(event) for event in store.list_events(session.session_id, 0, 99)[0]]


def change(store: Failing, deliver: Deliveries, session: Session, patch: Patch, correlation_id: str = "c-1") -> Session:
    return sessions.change_session(
        session.session_id, patch, write(), store=store, deliver=deliver, correlation_id=correlation_id
    )


def end(store: Failing, deliver: Deliveries, session: Session, correlation_id: str = "c-1") -> Session:
    return sessions.end_session(
        session.session_id, write(), store=store, deliver=deliver, correlation_id=correlation_id
    )


@pytest.mark.parametrize("patch", [Patch(title="x"), Patch(metadata={"a": 1}), Patch(status=Status.ENDED, title="x")])
def test_a_change_is_kept_as_it_is_told(store: Failing, deliver: Deliveries, session: Session, patch: Patch) -> None:
    store.take_seq(session.session_id, NOON)
    change(store, deliver, session, patch)
    assert kept(store, session) == deliver.frames
    assert deliver.frames[0]["seq"] == 2


def test_an_end_is_kept_once(store: Failing, deliver: Deliveries, session: Session) -> None:
    end(store, deliver, session)
    end(store, deliver, session, "c-2")
    assert kept(store, session) == deliver.frames[:1]
    assert (deliver.frames[0]["type"], deliver.frames[0]["correlationId"]) == ("session.ended", "c-1")


def test_a_patch_that_changes_nothing_is_not_kept(store: Failing, deliver: Deliveries, session: Session) -> None:
    change(store, deliver, session, Patch(title="x"))
    change(store, deliver, session, Patch(title="x"), "c-2")
    with pytest.raises(errors.NotOwner):
        sessions.change_session(
            session.session_id, Patch(title="y"), write("bob"), store=store, deliver=deliver, correlation_id="c-3"
        )
    assert kept(store, session) == deliver.frames[:1]


def test_an_expiry_is_kept_by_the_sweep_that_wrote_it(store: Failing, deliver: Deliveries, session: Session) -> None:
    clock = Clock(NOON + HOUR)
    for correlation_id in ("sweep-1", "sweep-2"):
        sweeper.sweep(store=store, deliver=deliver, clock=clock, correlation_id=correlation_id)
        clock.advance(seconds=60)
    assert [frame["reason"] for frame in deliver.frames] == ["expired", "expired"]
    assert kept(store, session) == deliver.frames[:1]


@pytest.mark.parametrize("act", ["change", "end", "sweep"])
def test_a_change_is_kept_before_it_is_told(store: Failing, session: Session, act: str) -> None:
    """Its delivery may last longer than others wait for its number."""
    before: list[list[Any]] = []

    class Looking(Deliveries):
        def broadcast(self, *args: Any, **given: Any) -> Report:
            before.append(kept(store, session))
            return super().broadcast(*args, **given)

    deliver = Looking()
    if act == "change":
        change(store, deliver, session, Patch(title="x"))
    elif act == "end":
        end(store, deliver, session)
    else:
        sweeper.sweep(store=store, deliver=deliver, clock=Clock(NOON + HOUR), correlation_id="sweep-1")
    assert before == [deliver.frames]


def test_a_change_whose_event_is_lost_is_told_all_the_same(
    store: Failing, deliver: Deliveries, session: Session
) -> None:
    store.fails = True
    assert change(store, deliver, session, Patch(title="x")).title == "x"
    end(store, deliver, session)
    other = new_session(store, Draft(durable=True, expires_in=HOUR))
    swept = sweeper.sweep(store=store, deliver=deliver, clock=Clock(NOON + HOUR), correlation_id="sweep-1")
    assert (swept.expired, swept.failed) == (1, 0)
    assert [frame["type"] for frame in deliver.frames] == ["session.updated", "session.ended"] + ["session.ended"] * 2
    assert (kept(store, session), kept(store, other)) == ([], [])


def test_a_session_that_is_not_durable_keeps_no_change(store: Failing, deliver: Deliveries) -> None:
    passing = new_session(store)
    change(store, deliver, passing, Patch(title="x"))
    end(store, deliver, passing)
    assert kept(store, passing) == []
