"""The tree of refusals: one code each, evidence in attributes, and nothing of a caller in a text."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib import errors
from chalicelib.errors import SessionsError, SettingsError, code_of, is_refusal

REFUSALS: list[SessionsError] = [
    errors.InvalidRequest("title is text"),
    errors.TooLarge("The body", 65_537, 65_536),
    errors.UnsupportedMediaType("text/plain", ("application/json", "application/merge-patch+json")),
    errors.Unauthenticated("The token has expired."),
    errors.NotOwner("s-1", "mallory"),
    errors.OriginRefused("https://evil.example"),
    errors.SessionNotFound("s-1"),
    errors.SessionOver("s-1"),
    errors.SessionPaused("s-1"),
    errors.NotDurable("s-1"),
    errors.NoPresence("s-1"),
    errors.VersionMismatch("s-1", 7),
    errors.NotAllowed("publish", "viewer"),
    errors.Banned("s-1", "2026-03-01T12:00:00.000Z"),
    errors.Duplicate("s-1"),
    errors.SessionFull("s-1", 5),
    errors.IdempotencyMismatch("key-1"),
    errors.ConnectionNotFound("one="),
    errors.TokenExpired("one="),
    errors.Kicked("one="),
    errors.Replaced("one="),
    errors.RateLimited(timedelta(milliseconds=1200)),
    errors.Unavailable("The database", retry_after=2),
]
BUGS: list[Exception] = [
    errors.IllegalTransition("ended", "active"),
    SettingsError(("AWS_REGION is not set.",)),
    KeyError("x"),
]


def leaves(kind: type[SessionsError]) -> set[type[SessionsError]]:
    below = [leaf for each in kind.__subclasses__() for leaf in leaves(each)]
    return set(below) if below else {kind}


def test_each_refusal_has_a_code_of_its_own() -> None:
    shared = {errors.TooFast}  # with RateLimited
    assert {type(one) for one in REFUSALS} == leaves(SessionsError) - {errors.IllegalTransition} - shared
    assert len({code_of(one) for one in REFUSALS}) == len(REFUSALS)


@pytest.mark.parametrize("refusal", REFUSALS, ids=code_of)
def test_a_refusal_is_not_a_bug_and_shows_its_detail(refusal: SessionsError) -> None:
    assert is_refusal(refusal)
    assert str(refusal) == refusal.detail != ""


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: type(bug).__name__)
def test_any_other_error_is_a_bug(bug: Exception) -> None:
    assert not is_refusal(bug)
    assert code_of(bug) == "internal_error"


@pytest.mark.parametrize("refusal", REFUSALS, ids=code_of)
def test_ids_and_names_are_in_attributes_and_not_in_the_text(refusal: SessionsError) -> None:
    for evidence in ("s-1", "mallory", "https://evil.example", "key-1", "one=", "text/plain"):
        assert evidence not in str(refusal)


def test_evidence_is_in_attributes() -> None:
    large, mismatch = errors.TooLarge("The body", 9, 8), errors.VersionMismatch("s-1", 7)
    assert (large.size, large.limit) == (9, 8)
    assert (mismatch.session_id, mismatch.version) == ("s-1", 7)
    assert errors.NotOwner("s-1", "mallory").subject == "mallory"
    assert errors.OriginRefused("null").origin == "null"
    assert errors.Unavailable("A table").retry_after == 1


def test_a_closed_connection_may_come_back_at_once() -> None:
    for error in (errors.ConnectionNotFound("one="), errors.TokenExpired("one=")):
        assert (error.connection_id, error.reconnect) == ("one=", "now")


def test_settings_are_all_named_in_one_text() -> None:
    error = SettingsError(("A is not set.", "B is weak."))
    assert (error.problems, str(error)) == (("A is not set.", "B is weak."), "A is not set. B is weak.")
