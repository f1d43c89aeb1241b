"""openapi.yaml has each route of app.py, each refusal and each code, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from openapi_spec_validator import validate

import app
from chalicelib import errors, jsontext
from chalicelib.problems import STATUSES, reply
from deployment import gateway_responses
from tests.contracts.documents import CONTRACTS, OPENAPI, load, nodes, operations, problems, resolved, validator
from tests.sources import ROOT

CONTRACT = load(OPENAPI)
OPERATIONS = {operation["operationId"]: (path, method, operation) for path, method, operation in operations(CONTRACT)}
EVERYWHERE = {
    *("X-Correlation-Id", "Cache-Control", "X-Content-Type-Options", "Strict-Transport-Security"),
    *("Content-Security-Policy", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers"),
}
ANYBODY = {"health", "ready"}


def subclasses(kind: type[errors.SessionsError]) -> set[type[errors.SessionsError]]:
    below = set(kind.__subclasses__())
    return below.union(*map(subclasses, below))


ELSEWHERE = {errors.NoPresence, errors.NotAllowed, errors.NotConnected}
"""Refusals of handshakes and frames alone."""


def answers(name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for status, answer in OPERATIONS[name][2]["responses"].items():
        yield status, resolved(answer, OPENAPI)[0]


def forms(answer: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The schemas of a refusal, each with what it says of status and code: the service's, API Gateway's, or both."""
    schema = answer["content"]["application/problem+json"]["schema"]
    for form in schema.get("anyOf", [schema]):
        first, own = form["allOf"]
        yield first["$ref"].removeprefix("schemas/"), own["properties"]


def codes(answer: Mapping[str, Any], of: str | None = None) -> set[str]:
    """The codes of a refusal, or those in one of its schemas."""
    told = [own["code"] for name, own in forms(answer) if of in (None, name)]
    return {code for each in told for code in each.get("enum", [each.get("const")])}


SERVICE, GATEWAY = "problem.json", "gateway-problem.json"


def test_it_is_valid() -> None:
    validate(CONTRACT, base_uri=OPENAPI.as_uri())


def test_it_has_each_route_and_method_under_the_name_of_its_handler() -> None:
    routes = {
        (re.sub(r"\{(\w+)\}", "{}", path), method.lower(), entry.view_function.__name__)
        for path, methods in app.app.routes.items()
        for method, entry in methods.items()
    }
    assert routes == {
        (re.sub(r"\{(\w+)\}", "{}", path), method, name) for name, (path, method, _) in OPERATIONS.items()
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_who_may_call_it(name: str) -> None:
    assert OPERATIONS[name][2]["security"] == ([] if name in ANYBODY else [{"token": []}])
    assert ("401" in dict(answers(name))) is (name not in ANYBODY)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_answer_has_the_headers_that_each_has(name: str) -> None:
    for status, answer in answers(name):
        missing = EVERYWHERE - set(answer["headers"])
        assert missing == set(), status


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_refusal_is_a_problem_with_its_own_status_and_codes(name: str) -> None:
    for status, answer in answers(name):
        if status >= "4":
            assert set(answer["content"]) == {"application/problem+json"}
            assert (answer.get("x-answered-by") == "API Gateway") is ({name for name, _ in forms(answer)} == {GATEWAY})
            for name, own in forms(answer):
                assert name == GATEWAY or own["status"]["const"] == int(status)
                assert codes(answer, name) <= set(load(CONTRACTS / "schemas" / name)["properties"]["code"]["enum"])
        assert ("Retry-After" in answer["headers"]) is (status in {"429", "503", "504", "5XX"})


def test_an_example_of_a_refusal_is_that_of_the_catalogue_and_fits() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^## (\w+)$", page, re.MULTILINE))
    for name, answer in CONTRACT["components"]["responses"].items():
        media = answer["content"]["application/problem+json"]
        if "example" not in media:
            assert codes(answer) <= shown, name  # the page has one example of a code
            continue
        assert json.dumps(media["example"]) in page, name
        assert media["example"]["code"] in codes(answer), name
        assert problems(next(forms(answer))[0], media["example"]) == []


def refusals() -> set[tuple[str, str]]:
    return {
        (status, code)
        for name in OPERATIONS
        for status, answer in answers(name)
        if status >= "4"
        for code in codes(answer, SERVICE)
    }


def test_it_has_each_status_and_code_of_the_service() -> None:
    kinds = {kind: status for kind, (status, _) in STATUSES.items() if kind not in ELSEWHERE}
    known = {(str(status), kind.code) for kind, status in kinds.items()} | {("500", "internal_error")}
    assert refusals() == known
    assert set(load(CONTRACTS / "schemas" / "problem.json")["properties"]["code"]["enum"]) == {c for _, c in refusals()}


def test_each_error_of_the_service_has_a_status_or_is_told_in_a_frame() -> None:
    refusals = {kind for kind in subclasses(errors.SessionsError) if kind.code != errors.SessionsError.code}
    assert {kind for kind in refusals if not issubclass(kind, tuple({*STATUSES, *ELSEWHERE}))} == set()


def test_it_has_each_code_of_api_gateway() -> None:
    refused = [answer for name in OPERATIONS for status, answer in answers(name) if status >= "4"]
    shown = {code for answer in refused for code in codes(answer, GATEWAY)}
    assert shown == {each.code for each in gateway_responses.RESPONSES}
    assert shown == set(load(CONTRACTS / "schemas" / "gateway-problem.json")["properties"]["code"]["enum"])


@pytest.mark.parametrize("response", gateway_responses.RESPONSES, ids=lambda each: each.type)
def test_an_answer_of_api_gateway_fits(response: gateway_responses.GatewayResponse) -> None:
    body = jsontext.parse(response.template.replace("$context.requestId", "a-request"))
    assert list(validator("gateway-problem.json").iter_errors(body)) == []


def test_each_error_of_the_service_fits_as_a_problem() -> None:
    made: list[errors.SessionsError] = [
        *(
            errors.InvalidRequest("x"),
            errors.Unauthenticated("x"),
            errors.NotOwner("x", "y"),
            errors.SessionNotFound("x"),
        ),
        *(
            errors.SessionEnded("x"),
            errors.VersionMismatch("x", 1),
            errors.TooLarge("x", 2, 1),
            errors.Unavailable("x"),
        ),
        *(
            errors.UnsupportedMediaType("x", ("y",)),
            errors.IdempotencyMismatch("x"),
            errors.IllegalTransition("x", "y"),
        ),
        *(errors.Banned("x", "y"), errors.Duplicate("x"), errors.SessionFull("x", 1), errors.SessionPaused("x")),
        errors.NotDurable("x"),
        errors.RateLimited(timedelta(seconds=1)),
    ]
    for error in made:
        body = jsontext.parse(reply(error, "a-request").body)
        assert list(validator("problem.json").iter_errors(body)) == []
        assert body["type"] == f"{errors.CATALOGUE}{body['code']}"


def test_links_lead_from_a_session_to_each_thing_that_can_be_done_with_it() -> None:
    ways = {
        name: {link["operationId"] for _, answer in answers(name) for link in answer.get("links", {}).values()}
        for name in OPERATIONS
    }
    of_sessions = {"find_session", "change_session", "end_session", "list_sessions"}
    of_a_session = {"issue_ticket", "list_participants", "send_message", "list_events"}
    assert ways["create_session"] == of_sessions | of_a_session
    assert ways["list_events"] == {"list_events"}
    assert ways["list_participants"] == {"list_participants", "set_role", "kick_participant"}
    assert "change_session" in ways["find_session"]
    assert "end_session" in ways["change_session"]
    assert "find_session" in ways["end_session"]
    for name, led in ways.items():
        assert led <= set(OPERATIONS), name


def test_a_link_gives_parameters_that_its_operation_has() -> None:
    for where, node in nodes(CONTRACT):
        if "operationId" in node and "responses" not in node:
            path, _, operation = OPERATIONS[node["operationId"]]
            taken = [*CONTRACT["paths"][path].get("parameters", ()), *operation.get("parameters", ())]
            names = {resolved(each, OPENAPI)[0]["name"] for each in taken}
            assert set(node.get("parameters", ())) <= names, where
