from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from chalicelib import errors
from chalicelib.memory import MemoryStore
from chalicelib.model import (
    Change,
    Draft,
    Session,
    Status,
    applies,
    document,
    from_rfc3339,
    judge,
    merged,
    rfc3339,
)
from tests.service.fakes import NOON, connection, new_session, write


@pytest.fixture
def session() -> Session:
    return new_session(MemoryStore(), Draft(expires_in=timedelta(hours=1)))


def test_active_and_paused_lead_to_each_other_and_to_ended() -> None:
    for before in (Status.ACTIVE, Status.PAUSED):
        for after in Status:
            assert before.to(after) is after


@pytest.mark.parametrize("after", [Status.ACTIVE, Status.PAUSED])
def test_no_way_leads_out_of_ended(after: Status) -> None:
    with pytest.raises(errors.IllegalTransition, match=f"from ended to {after.value}"):
        Status.ENDED.to(after)


def test_a_session_past_its_expiry_has_ended_before_anything_writes_that(session: Session) -> None:
    assert session.at(session.expires_at - timedelta(milliseconds=1)) is session
    expired = session.at(session.expires_at)
    assert (expired.status, expired.ended_at, expired.end_reason) == (Status.ENDED, session.expires_at, "expired")


def test_judge_finds_403_before_409_before_412(session: Session) -> None:
    wrong = write("mallory", versions=frozenset({9}))
    ended = replace(session, status=Status.ENDED)
    change = Change(title="x")
    with pytest.raises(errors.NotOwner):
        judge(ended, change, wrong)
    with pytest.raises(errors.SessionEnded):
        judge(ended, change, replace(wrong, subject="alice"))
    with pytest.raises(errors.VersionMismatch):
        judge(session, change, replace(wrong, subject="alice"))
    judge(session, change, write(versions=frozenset({1})))


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (Change(), False),
        (Change(status=Status.ENDED), False),
        (Change(status=Status.ENDED, title=None, metadata={}), False),
        (Change(title="x"), True),
        (Change(status=Status.ACTIVE), True),
        (Change(status=Status.ENDED, metadata={"a": 1}), True),
    ],
)
def test_an_ended_session_may_be_asked_for_what_it_is(session: Session, change: Change, refused: bool) -> None:
    late = write(now=session.expires_at, versions=frozenset({9}))
    for ended in (replace(session, status=Status.ENDED), session):
        with pytest.raises(errors.SessionEnded) if refused else contextlib.nullcontext():
            judge(ended, change, late)
        assert not applies(change, ended, late)


def test_a_change_applies_if_it_is_allowed_and_makes_a_difference(session: Session) -> None:
    assert applies(Change(title="x"), session, write())
    assert not applies(Change(title=session.title), session, write())
    assert not applies(Change(title="x"), session, write("mallory"))
    assert not applies(Change(title="x"), session, write(versions=frozenset({9})))


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # the cases of RFC 7396, appendix A, that concern objects
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_merges_as_the_rfc_says(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


def test_times_are_text_of_one_width_whose_order_is_theirs() -> None:
    moments = [NOON, NOON + timedelta(microseconds=1500), NOON + timedelta(seconds=10), NOON + timedelta(days=400)]
    texts = [rfc3339(moment) for moment in moments]
    assert texts == sorted(texts)
    assert texts[1] == "2026-03-01T12:00:00.001Z"
    assert {len(text) for text in texts} == {24}
    assert from_rfc3339(texts[1]) == NOON + timedelta(milliseconds=1)


def test_a_time_of_another_zone_is_told_in_utc() -> None:
    assert rfc3339(datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1)))) == "2026-03-01T12:00:00.000Z"


def test_a_young_connection_may_still_be_opening() -> None:
    one = connection("s")
    assert one.pending_at(NOON + timedelta(seconds=34.9))
    assert not one.pending_at(NOON + timedelta(seconds=35))


def test_a_document_has_every_field_and_a_listed_one_no_metadata(session: Session) -> None:
    shown = document(session)
    assert set(shown) == {
        *("sessionId", "ownerId", "status", "title", "metadata", "durable", "presence", "version"),
        *("joinAs", "duplicates", "maxConnections"),
        *("createdAt", "updatedAt", "endedAt", "expiresAt"),
    }
    assert "metadata" not in document(replace(session, metadata=None))
