"""API Gateway's own answers."""

from __future__ import annotations

import json

import pytest

from pytest_sessionplugin.gateway.core import gateway_responses
from pytest_sessionplugin.gateway.core.gateway_responses import failure, no_method
from pytest_sessionplugin.gateway.values import Reply


def test_an_error_type_is_a_header_and_the_message_is_json() -> None:
    reply = failure(403, "Forbidden", "ForbiddenException")
    assert dict(reply.headers) == {"Content-Type": "application/json", "x-amzn-ErrorType": "ForbiddenException"}
    assert (reply.status, json.loads(reply.body)) == (403, {"message": "Forbidden"})


def test_without_an_error_type_there_is_no_such_header() -> None:
    assert dict(failure(504, "Endpoint request timed out").headers) == {"Content-Type": "application/json"}


def test_an_unknown_method_is_404_with_route_and_verb() -> None:
    reply = no_method("PUT", "rooms/7")
    assert reply.status == 404
    assert json.loads(reply.body)["message"] == "No method found matching route rooms/7 for http method PUT."


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("MISSING_TOKEN", 403),
        ("URL_TOO_LONG", 413),
        ("TOO_MANY", 429),
        ("HEADERS_TOO_LARGE", 431),
        ("UNAUTHORIZED", 401),
        ("FORBIDDEN", 403),
    ],
)
def test_each_has_its_status_and_a_message(name: str, status: int) -> None:
    reply: Reply = getattr(gateway_responses, name)
    assert (reply.status, list(json.loads(reply.body))) == (status, ["message"])
