"""A document that Chalice writes for an app is created call by call, completely."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from chalice.app import Chalice, CORSConfig, IAMAuthorizer
from chalice.deploy.swagger import SwaggerGenerator

from tests.emulators.ministack.rest_api import create

ARN = "arn:aws:lambda:us-east-1:000000000000:function:app-dev"


class Calls:
    """Accepts every call of botocore's client for API Gateway."""

    def __init__(self) -> None:
        self.made: list[tuple[str, dict[str, Any]]] = []
        self._ids = itertools.count(1)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**given: Any) -> Any:
            self.made.append((name, given))
            return {"id": f"{name} {next(self._ids)}", "items": [{"id": "root", "path": "/"}]}

        return call

    def named(self, name: str) -> list[dict[str, Any]]:
        return [given for made, given in self.made if made == name]


@pytest.fixture
def calls() -> Calls:
    app = Chalice(app_name="app")
    app.api.binary_types = ["image/png"]

    @app.authorizer(ttl_seconds=60)
    def judge(request: Any) -> None: ...

    @app.route("/rooms/{room}/seats", methods=["GET", "PUT"], authorizer=judge, cors=CORSConfig(max_age=60))
    def seats(room: str) -> None: ...

    @app.route("/rooms", authorizer=IAMAuthorizer())
    def rooms() -> None: ...

    @app.route("/keyed", api_key_required=True)
    def keyed() -> None: ...

    deployed = {
        "api_handler_arn": ARN,
        "api_handler_name": "app-dev",
        "lambda_functions": {"app-dev-judge": {"arn": f"{ARN}-judge"}},
    }
    calls = Calls()
    create(calls, SwaggerGenerator("us-east-1", deployed).generate_swagger(app), "REGIONAL")
    return calls


def test_the_api_has_its_binary_types_from_the_start(calls: Calls) -> None:
    [api] = calls.named("create_rest_api")
    assert api["binaryMediaTypes"] == ["image/png"]
    assert api["endpointConfiguration"] == {"types": ["REGIONAL"]}


def test_each_part_of_a_path_is_one_resource_below_the_one_before(calls: Calls) -> None:
    resources = calls.named("create_resource")
    assert sorted(one["pathPart"] for one in resources) == ["keyed", "rooms", "seats", "{room}"]
    assert {one["pathPart"] for one in resources if one["parentId"] == "root"} == {"keyed", "rooms"}


def test_each_method_has_the_authorization_of_its_route(calls: Calls) -> None:
    [authorizer] = calls.named("create_authorizer")
    assert authorizer["authorizerResultTtlInSeconds"] == 60
    assert authorizer["identitySource"] == "method.request.header.Authorization"
    kinds = sorted(
        (one["httpMethod"], one["authorizationType"], "authorizerId" in one, one.get("apiKeyRequired", False))
        for one in calls.named("put_method")
    )
    assert kinds == [
        ("GET", "AWS_IAM", False, False),
        ("GET", "CUSTOM", True, False),
        ("GET", "NONE", False, True),
        ("OPTIONS", "NONE", False, False),
        ("PUT", "CUSTOM", True, False),
    ]


def test_preflight_is_answered_by_the_gateway_with_its_headers(calls: Calls) -> None:
    [preflight] = [one for one in calls.named("put_integration") if one["httpMethod"] == "OPTIONS"]
    assert preflight["type"] == "MOCK"
    [answer] = [one for one in calls.named("put_integration_response") if one["httpMethod"] == "OPTIONS"]
    assert answer["responseParameters"]["method.response.header.Access-Control-Max-Age"] == "'60'"
    [allowed] = [one for one in calls.named("put_method_response") if one["httpMethod"] == "OPTIONS"]
    assert set(allowed["responseParameters"]) == set(answer["responseParameters"])
    others = [one["type"] for one in calls.named("put_integration") if one is not preflight]
    assert set(others) == {"AWS_PROXY"}
