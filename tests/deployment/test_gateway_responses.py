"""API Gateway's own answers have the form and the headers of the service's, and repeat nothing of the request."""

from __future__ import annotations

import json

import pytest

from chalicelib import http, problems
from chalicelib.errors import InvalidRequest
from deployment.gateway_responses import RESPONSES, GatewayResponse, template
from tests.sources import ROOT

each = pytest.mark.parametrize("response", RESPONSES, ids=lambda response: response.type)
PREFIX = "gatewayresponse.header."


@each
def test_it_has_the_headers_of_each_answer(response: GatewayResponse) -> None:
    request = http.request({"requestContext": {}}, b"", "r-1")
    own = http.response_headers(request, problems.reply(InvalidRequest("x"), "r-1"))
    headers = {name.removeprefix(PREFIX): value for name, value in response.parameters.items()}
    assert headers.pop("X-Correlation-Id") == "context.requestId"
    del own["X-Correlation-Id"]
    assert headers.items() >= {name: f"'{value}'" for name, value in own.items()}.items()
    assert headers["Access-Control-Allow-Origin"] == "'*'"


@each
def test_it_is_a_problem_with_nothing_of_the_request_but_its_id(response: GatewayResponse) -> None:
    body = json.loads(response.template)
    own = json.loads(problems.reply(InvalidRequest("x"), "r-1").body)
    assert body.keys() == own.keys() - ({"status"} if response.status is None else set())
    assert body["requestId"] == "$context.requestId"
    assert response.template.count("$") == 1


def test_a_path_that_is_not_there_is_told_the_same_with_a_token_and_without() -> None:
    told = {one.template for one in RESPONSES if one.code == "no_such_route"}
    types = {one.type for one in RESPONSES if one.code == "no_such_route"}
    assert len(told) == 1
    assert types >= {"MISSING_AUTHENTICATION_TOKEN", "INVALID_SIGNATURE", "ACCESS_DENIED"}


def test_whoever_has_to_come_back_is_told_when() -> None:
    later = {one.type for one in RESPONSES if f"{PREFIX}Retry-After" in one.parameters}
    assert later == {one.type for one in RESPONSES if (one.status or int(one.type[-3])) in (429, 504, 5)}


def test_tests_and_serve_have_the_answers_of_a_stage() -> None:
    """`python -m deployment.gateway_responses > .chalice/gateway.json`"""
    assert json.loads((ROOT / ".chalice" / "gateway.json").read_text(encoding="utf-8")) == json.loads(template())
