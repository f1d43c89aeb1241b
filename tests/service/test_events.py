from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import events, frames
from chalicelib.events import Hole
from chalicelib.memory import MemoryStore
from chalicelib.model import Change, Draft, Session
from chalicelib.sessions import END
from tests.service.fakes import NOON, new_session, write

SECOND = timedelta(seconds=1)
HEAD_AT = NOON + 20 * SECOND


@pytest.fixture
def session(store: MemoryStore) -> Session:
    return new_session(store, Draft(title="Standup", durable=True, metadata={"a": 1}))


def test_an_event_is_told_by_the_frame_that_told_it_first(store: MemoryStore, session: Session) -> None:
    said = events.message(replace(session, seq=7), "bob", {"é": [1.0, None]}, NOON, "c-1")
    assert frames.event(said) == frames.message(7, "bob", {"é": [1.0, None]}, NOON, "c-1")
    changed = store.change_session(session.session_id, Change(title="x"), write()).session
    assert frames.event(events.change(changed, "c-2")) == frames.change(changed, "c-2")
    ended = store.change_session(session.session_id, END, write()).session
    assert frames.event(events.change(ended, "c-3")) == frames.change(ended, "c-3")
    other = new_session(store)
    expired = store.expire_session(other.session_id, other.expires_at, "sweep")
    assert expired is not None
    assert frames.event(events.change(expired.session, "c-4")) == frames.change(expired.session, "c-4")
    assert frames.event(events.void(session, 1, NOON)) is None


def test_a_change_has_its_own_number_and_time_though_messages_came_after_it(
    store: MemoryStore, session: Session
) -> None:
    store.change_session(session.session_id, Change(title="x"), write(now=NOON + SECOND))
    store.take_seq(session.session_id, NOON + 2 * SECOND)
    found = store.find_session(session.session_id)
    assert found is not None
    event = events.change(found, "c-1")
    assert (found.seq, event.seq, event.at) == (2, 1, NOON + SECOND)


@pytest.mark.parametrize(
    ("found", "after", "head", "expected"),
    [
        ({}, 0, 0, []),
        ({}, 3, 3, []),
        ({1: 1, 2: 2}, 0, 2, []),
        ({}, 0, 2, [(1, 20), (2, 20)]),
        ({2: 2}, 0, 4, [(1, 2), (3, 20), (4, 20)]),
        ({4: 4, 7: 7}, 2, 8, [(3, 4), (5, 7), (6, 7), (8, 20)]),
        ({4: 4}, 4, 5, [(5, 20)]),
        ({6: 6}, 3, 5, [(4, 6), (5, 6)]),
        ({}, 9, 5, []),
    ],
)
def test_a_hole_was_taken_before_the_event_behind_it_or_at_the_head(
    session: Session, found: dict[int, int], after: int, head: int, expected: list[tuple[int, int]]
) -> None:
    kept = [events.void(session, seq, NOON + at * SECOND) for seq, at in found.items()]
    holes = list(events.holes(kept, after, head, HEAD_AT))
    assert holes == [Hole(seq, NOON + at * SECOND) for seq, at in expected]


def test_a_hole_is_lost_after_five_seconds() -> None:
    hole = Hole(1, NOON)
    assert not hole.lost_at(NOON + 5 * SECOND - timedelta(milliseconds=1))
    assert hole.lost_at(NOON + 5 * SECOND)
