"""API Gateway's own answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_sessionplugin.gateway.core import gateway_responses
from pytest_sessionplugin.gateway.core.gateway_responses import MISSING_TOKEN, TOO_LARGE, failure, formed, no_method
from pytest_sessionplugin.gateway.values import GatewayResponse, Reply, Request


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


REQUEST = Request("r-1", "GET", "/nowhere", "page=2", (("Origin", "https://app.example"),))
PROBLEM = GatewayResponse(
    404,
    {
        "Content-Type": "'application/problem+json'",
        "Content-Security-Policy": "'frame-ancestors 'none''",
        "X-Id": "context.requestId",
        "Access-Control-Allow-Origin": "method.request.header.Origin",
        "X-Page": "method.request.querystring.page",
        "X-Absent": "method.request.header.X-Absent",
        "X-Unknown": "stageVariables.x",
    },
    '{"id":"$context.requestId","why":$context.error.messageString,"type":"${context.error.responseType}$context.x"}',
)


def test_an_api_gives_an_answer_its_own_status_headers_and_body() -> None:
    reply = formed(MISSING_TOKEN, REQUEST, {"MISSING_AUTHENTICATION_TOKEN": PROBLEM})
    assert reply.status == 404
    assert dict(reply.headers) == {
        "Content-Type": "application/problem+json",
        "Content-Security-Policy": "frame-ancestors 'none'",
        "X-Id": "r-1",
        "Access-Control-Allow-Origin": "https://app.example",
        "X-Page": "2",
        "x-amzn-ErrorType": "MissingAuthenticationTokenException",
    }
    told = {"id": "r-1", "why": "Missing Authentication Token", "type": "MISSING_AUTHENTICATION_TOKEN"}
    assert json.loads(reply.body) == told


def test_a_type_without_a_form_or_a_status_of_its_own_has_that_of_its_family() -> None:
    refused = failure(401, "Unauthorized", "UnauthorizedException")
    reply = formed(refused, REQUEST, {"DEFAULT_4XX": PROBLEM})
    assert (reply.status, json.loads(reply.body)["type"]) == (404, "UNAUTHORIZED")
    own = replace(PROBLEM, status=None)
    assert formed(refused, REQUEST, {"DEFAULT_4XX": PROBLEM, "UNAUTHORIZED": own}).status == 404
    assert formed(refused, REQUEST, {"DEFAULT_4XX": own}).status == 401
    assert formed(refused, REQUEST, {"DEFAULT_4XX": PROBLEM, "UNAUTHORIZED": replace(own, status=403)}).status == 403
    late = failure(504, "Endpoint request timed out", "InternalServerErrorException")
    assert formed(late, REQUEST, {"DEFAULT_4XX": PROBLEM}) == late
    assert json.loads(formed(late, REQUEST, {"DEFAULT_5XX": PROBLEM}).body)["type"] == "INTEGRATION_TIMEOUT"


def test_a_signature_that_lacks_its_parts_is_of_no_type_but_the_family_itself() -> None:
    bearer = failure(403, "no equal-sign", "IncompleteSignatureException")
    assert formed(bearer, REQUEST, {"DEFAULT_4XX": PROBLEM}).status == 404
    assert formed(bearer, REQUEST, {"MISSING_AUTHENTICATION_TOKEN": PROBLEM, "INVALID_SIGNATURE": PROBLEM}) == bearer


def test_a_request_that_is_too_large_is_refused_before_the_api_is_looked_at() -> None:
    for reply in (TOO_LARGE, gateway_responses.URL_TOO_LONG, gateway_responses.HEADERS_TOO_LARGE):
        assert formed(reply, REQUEST, {"DEFAULT_4XX": PROBLEM, "REQUEST_TOO_LARGE": PROBLEM}) == reply


def test_without_a_template_the_body_stays() -> None:
    reply = formed(MISSING_TOKEN, REQUEST, {"DEFAULT_4XX": GatewayResponse(headers={"X-Own": "'yes'"})})
    assert (reply.status, reply.body, dict(reply.headers)["X-Own"]) == (403, MISSING_TOKEN.body, "yes")
