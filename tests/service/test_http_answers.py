"""Answers of the contract that an operation shares with others, asked of each operation that has them."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from pytest_sessionplugin import Faults, Gateway
from pytest_sessionplugin.gateway.client.http import HttpClient

NOWHERE = "/sessions/" + "a" * 26
OF_SESSIONS = [("POST", "/sessions"), ("GET", "/sessions"), *((verb, NOWHERE) for verb in ("GET", "PATCH", "DELETE"))]
OF_PEOPLE = [
    ("POST", f"{NOWHERE}/tickets"),
    ("GET", f"{NOWHERE}/participants"),
    *((verb, f"{NOWHERE}/participants?subject=bob") for verb in ("PATCH", "DELETE")),
    ("POST", f"{NOWHERE}/messages"),
    ("GET", f"{NOWHERE}/events"),
]
BODIES = {
    ("POST", "/sessions"): {},
    ("PATCH", NOWHERE): {"title": "x"},
    ("POST", f"{NOWHERE}/tickets"): {},
    ("PATCH", f"{NOWHERE}/participants?subject=bob"): {"role": "viewer"},
    ("POST", f"{NOWHERE}/messages"): {"data": 1},
}


@pytest.mark.chalice(targets=["inprocess", "sockets"])
@pytest.mark.parametrize(("method", "path"), [*OF_SESSIONS, *OF_PEOPLE, ("GET", "/health/ready")])
def test_a_bug_says_nothing_of_itself(
    alice: HttpClient, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    def a_bug() -> NoReturn:
        raise RuntimeError("arn:aws:a-detail-of-ours")

    monkeypatch.setattr("app.service", a_bug)
    answer = alice.request(method, path, json=BODIES.get((method, path)))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "arn:aws" not in answer.text


@pytest.mark.parametrize(("method", "path"), [*OF_SESSIONS, *OF_PEOPLE])
def test_tables_that_do_not_answer_are_503(alice: HttpClient, aws_faults: Faults, method: str, path: str) -> None:
    with aws_faults.failing("dynamodb", code="InternalServerError", status=500):
        answer = alice.request(method, path, json=BODIES.get((method, path)))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize(("method", "path"), [*OF_SESSIONS, *OF_PEOPLE])
def test_a_caller_without_a_token_is_told_how_to_bring_one(chalice_gateway: Gateway, method: str, path: str) -> None:
    answer = chalice_gateway.http().request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["x-amzn-Remapped-WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), BODIES)
@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"content": b'{"title":"x"' + b" " * 65_536 + b"}"}, 413, "too_large"),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused(
    alice: HttpClient, method: str, path: str, sent: dict[str, Any], status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json", **sent.get("headers", {})}
    answer = getattr(alice, method.lower())(path, content=sent["content"], headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
