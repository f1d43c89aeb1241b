from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import errors, http
from chalicelib.credentials import Secret
from chalicelib.members import Guest, Role
from tests.service.test_http import request


def test_a_ticket_without_a_body_is_the_callers_own() -> None:
    bodies: tuple[Any, ...] = (None, {})
    for body in bodies:
        assert http.new_ticket(request(body)) == (None, None)
    assert http.new_ticket(request({"replaces": "Zm1xbfzZoAMCJUw="})) == (None, "Zm1xbfzZoAMCJUw=")


def test_a_guests_ticket_takes_every_field() -> None:
    assert http.new_ticket(request({"subject": "guest:ada"})) == (Guest("guest:ada", None, timedelta(hours=1)), None)
    for role, seconds in ((Role.VIEWER, 60.0), (Role.PARTICIPANT, 7200)):
        subject = "guest:" + "é" * 249
        body = {"subject": subject, "role": role.value, "expiresIn": seconds, "replaces": "x="}
        assert http.new_ticket(request(body)) == (Guest(subject, role, timedelta(seconds=seconds)), "x=")


@pytest.mark.parametrize(
    "body",
    [
        *([], "text", 1, None, {"ticket": "x"}, {"subject": None}, {"Subject": "guest:ada"}),
        *({"subject": subject} for subject in ("", "bob", "guest:", "Guest:ada", "guest", 1, ["guest:ada"])),
        *({"subject": subject} for subject in ("guest:" + "a" * 250, "guest:a\nb", "guest:\ud800")),
        *({"subject": "guest:ada", "role": role} for role in ("owner", "", None, 1, ["viewer"])),
        *({"subject": "guest:ada", "expiresIn": seconds} for seconds in (59, 7201, "60", 60.5, True, None)),
        *({"replaces": named} for named in ("", "x" * 129, 1, None, "a b")),
        *({"role": "viewer"}, {"expiresIn": 60}, {"role": "viewer", "replaces": "x="}),
    ],
)
def test_a_ticket_refuses_what_is_mistyped_or_unknown(body: Any) -> None:
    with pytest.raises(errors.InvalidRequest):
        http.new_ticket(request(json.dumps(body).encode()))


def test_what_belongs_in_a_body_is_refused_in_the_query() -> None:
    """A ticket of the owner's must not reach a guest, nor a direct message everybody."""
    for query in ({"subject": ["guest:ada"]}, {"role": ["viewer"]}, {"ticket": ["x"]}):
        with pytest.raises(errors.InvalidRequest, match="no others: none"):
            http.new_ticket(request({}, query))
    with pytest.raises(errors.InvalidRequest, match="no others: none"):
        http.new_message(request({"data": 1}, {"to": ["bob"]}))


def test_what_belongs_in_the_query_is_refused_in_a_body() -> None:
    query = {"subject": ["bob"]}
    assert http.kick(request(None, query)) == ("bob", timedelta(hours=1))
    with pytest.raises(errors.InvalidRequest, match="no body"):
        http.kick(request({"ban": 0}, query))


def test_a_ticket_comes_with_what_a_browser_opens_its_socket_by() -> None:
    reply = http.issued(Secret("ABC"), "a" * 26, "wss://example.com/api")
    assert (reply.status, json.loads(reply.body)) == (
        201,
        {
            "ticket": "ABC",
            "expiresIn": 60,
            "protocols": ["sessions.v1", "ticket.ABC"],
            "url": f"wss://example.com/api?sessionId={'a' * 26}",
        },
    )
    assert "url" not in json.loads(http.issued(Secret("ABC"), "a" * 26, None).body)
