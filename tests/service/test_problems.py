from __future__ import annotations

import json
from datetime import timedelta

import pytest

from chalicelib import errors, problems


def test_a_problem_says_what_the_rfc_asks_for() -> None:
    reply = problems.reply(errors.VersionMismatch("s", 7), "r-1")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert json.loads(reply.body) == {
        "type": "https://sessions.example/docs/errors.html#version_mismatch",
        "title": "Version mismatch",
        "status": 412,
        "detail": "The session is at version 7; read it again before you change it.",
        "code": "version_mismatch",
        "requestId": "r-1",
    }


def test_a_bug_says_nothing_of_itself() -> None:
    for bug in (
        RuntimeError("arn:aws:secret"),
        errors.IllegalTransition("ended", "active"),
        errors.SettingsError(("a weak secret",)),
    ):
        reply = problems.reply(bug, "r-1")
        assert (reply.status, json.loads(reply.body)["code"]) == (500, "internal_error")
        assert str(bug) not in reply.body


def test_the_headers_of_a_refusal_tell_what_to_do() -> None:
    assert problems.reply(errors.Unauthenticated("x"), "r").headers["WWW-Authenticate"] == "Bearer"
    for error in (errors.Unavailable("x", retry_after=2), errors.RateLimited(timedelta(seconds=1.02))):
        waits = {problems.reply(error, str(i)).headers["Retry-After"] for i in range(100)}
        assert waits == {"2", "3", "4", "5", "6"}, "spread, so that not all come back at once"
    assert problems.reply(errors.RateLimited(timedelta()), "r").status == 429


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidRequest("x"), 400),
        (errors.Unauthenticated("x"), 401),
        (errors.OriginRefused("x"), 403),
        (errors.SessionNotFound("x"), 404),
        (errors.SessionOver("x"), 410),
        (errors.Unavailable("x"), 503),
        (RuntimeError("x"), 500),
    ],
)
def test_a_handshake_is_refused_with_its_own_status(error: Exception, status: int) -> None:
    assert problems.handshake_status(error) == status


def test_an_end_refuses_who_wants_to_come_in_with_410_and_a_change_with_409() -> None:
    for error, status in ((errors.SessionOver("a"), 410), (errors.SessionEnded("a"), 409)):
        problem = json.loads(problems.reply(error, "r-1").body)
        assert (problem["status"], problem["code"], problem["title"]) == (status, "session_ended", "Session ended")
