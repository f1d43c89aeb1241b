"""Manual changes to a deployed stage: to its APIs, its functions, their roles."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from deployment.doctor.check import Outcome
from tests.rehearsal.doctor.account_breaking import rest, spoils, websocket
from tests.rehearsal.doctor.standing_stage import Place

API = "api"  # the stage of both APIs


# --- the REST API


def of_rest_stage(said: str, name: str, path: str, to: str, back: str) -> None:
    def how(place: Place) -> Iterator[None]:
        for value in (to, back):
            patch = {"op": "replace", "path": path, "value": value}
            place.client("apigateway").update_stage(restApiId=rest(place), stageName=API, patchOperations=[patch])
            if value == to:
                yield

    how.__name__ = name
    spoils("account-drift", said)(how)


of_rest_stage(
    "throttlingRateLimit of the REST API is 7", "requests_are_throttled", "/*/*/throttling/rateLimit", "7", "50"
)
of_rest_stage(
    "throttlingBurstLimit of the REST API is 7", "bursts_are_throttled", "/*/*/throttling/burstLimit", "7", "100"
)
of_rest_stage(
    "dataTraceEnabled of the REST API is True", "bodies_are_logged", "/*/*/logging/dataTrace", "true", "false"
)
of_rest_stage("loggingLevel of the REST API is INFO", "requests_are_logged", "/*/*/logging/loglevel", "INFO", "OFF")
of_rest_stage("has tracing off: turn it on", "nothing_is_traced", "/tracingEnabled", "false", "true")


@spoils("account-drift", "The access logs of the REST API have another format")
def access_logs_have_the_path(place: Place) -> Iterator[None]:
    client, at = place.client("apigateway"), {"restApiId": rest(place), "stageName": API}
    before = client.get_stage(**at)["accessLogSettings"]["format"]
    for text in ('{"path":"$context.path"}', before):
        patch = {"op": "replace", "path": "/accessLogSettings/format", "value": text}
        client.update_stage(**at, patchOperations=[patch])
        if text != before:
            yield


@spoils("account-drift", "The method ~1sessions/POST of the REST API has settings of its own")
def a_method_is_not_throttled(place: Place) -> Iterator[None]:
    """moto cannot remove settings of a method.

    A deployment that bypasses the workarounds replaces the stage's settings.
    """
    at = {"restApiId": rest(place), "stageName": API}
    patch = {"op": "replace", "path": "/~1sessions/POST/throttling/rateLimit", "value": "9000"}
    place.client("apigateway").update_stage(**at, patchOperations=[patch])
    yield
    place.bare("apigateway").create_deployment(**at)
    assert place.run("deploy", "--stage", "dev").status == 0


@spoils("account-drift", "The endpoint of the REST API is EDGE, not REGIONAL")
def the_endpoint_is_at_the_edge(place: Place) -> Iterator[None]:
    client = place.client("apigateway")
    for kind in ("EDGE", "REGIONAL"):
        patch = {"op": "replace", "path": "/endpointConfiguration/types/0", "value": kind}
        client.update_rest_api(restApiId=rest(place), patchOperations=[patch])
        if kind == "EDGE":
            yield


@spoils("account-drift", "The REST API compresses from 4096 bytes on, not from 1024")
def little_is_compressed(place: Place) -> Iterator[None]:
    client = place.client("apigateway")
    for least in ("4096", "1024"):
        patch = {"op": "replace", "path": "/minimumCompressionSize", "value": least}
        client.update_rest_api(restApiId=rest(place), patchOperations=[patch])
        if least == "4096":
            yield


@spoils("account-drift", "API Gateway answers THROTTLED differently")
def a_response_is_gone(place: Place) -> Iterator[None]:
    client, at = place.client("apigateway"), {"restApiId": rest(place), "responseType": "THROTTLED"}
    before = client.get_gateway_response(**at)
    client.delete_gateway_response(**at)
    yield
    kept = {name: before[name] for name in ("statusCode", "responseParameters", "responseTemplates") if name in before}
    client.put_gateway_response(**at, **kept)


# --- the WebSocket API


@contextmanager
def websocket_stage(place: Place, key: str, change: Callable[[Any], Any]) -> Iterator[None]:
    client, at = place.client("apigatewayv2"), {"ApiId": websocket(place), "StageName": API}
    before = client.get_stage(**at).get(key)
    client.update_stage(**at, **{key: change(before)})
    yield
    client.update_stage(**at, **{key: before or {}})


@spoils("account-drift", "ThrottlingRateLimit of the WebSocket API is 7, not 100")
def frames_are_throttled(place: Place) -> Iterator[None]:
    with websocket_stage(place, "DefaultRouteSettings", lambda there: {**there, "ThrottlingRateLimit": 7}):
        yield


@spoils("account-drift", "DataTraceEnabled of the WebSocket API is True, not False")
def frames_are_logged(place: Place) -> Iterator[None]:
    with websocket_stage(place, "DefaultRouteSettings", lambda there: {**there, "DataTraceEnabled": True}):
        yield


@spoils("account-drift", "The access logs of the WebSocket API have another Format")
def access_logs_have_the_token(place: Place) -> Iterator[None]:
    with websocket_stage(place, "AccessLogSettings", lambda there: {**there, "Format": "$context.authorizer.token"}):
        yield


@spoils("account-drift", "The route $connect of the WebSocket API has settings of its own")
def a_route_is_not_throttled(place: Place) -> Iterator[None]:
    with websocket_stage(place, "RouteSettings", lambda there: {"$connect": {"ThrottlingRateLimit": 9000}}):
        yield


@spoils("account-drift", "The WebSocket API serves the routes of an earlier deployment")
def a_route_is_not_deployed(place: Place) -> Iterator[None]:
    client, api = place.client("apigatewayv2"), websocket(place)
    target = client.get_routes(ApiId=api)["Items"][0]["Target"]
    added = client.create_route(ApiId=api, RouteKey="added", Target=target)["RouteId"]
    yield
    client.delete_route(ApiId=api, RouteId=added)


@contextmanager
def deployed_as(place: Place, description: str) -> Iterator[None]:
    client, api = place.client("apigatewayv2"), websocket(place)
    other = client.create_deployment(ApiId=api, Description=description)["DeploymentId"]
    with websocket_stage(place, "DeploymentId", lambda there: other):
        yield
    client.delete_deployment(ApiId=api, DeploymentId=other)


@spoils("account-drift", "Which routes the WebSocket API serves is not known", Outcome.NOTE)
def routes_were_deployed_by_hand(place: Place) -> Iterator[None]:
    with deployed_as(place, "by hand"):
        yield


@spoils("account-drift", "serves no deployment")
def the_deployment_is_gone(place: Place) -> Iterator[None]:
    client, api = place.client("apigatewayv2"), websocket(place)
    with deployed_as(place, "by hand"):
        served = client.get_stage(ApiId=api, StageName=API)["DeploymentId"]
        client.delete_deployment(ApiId=api, DeploymentId=served)
        yield
        client.create_deployment(ApiId=api)


# --- functions and roles


def of_function(said: str, name: str, to: dict[str, Any]) -> None:
    def how(place: Place) -> Iterator[None]:
        client, sweep = place.client("lambda"), "sessions-dev-sweep"
        there = client.get_function_configuration(FunctionName=sweep)
        before = {"MemorySize": there["MemorySize"], "Timeout": there["Timeout"]}
        variables = there["Environment"]["Variables"]
        changed = {**variables, **to.get("Variables", {})}
        settings = {key: value for key, value in to.items() if key != "Variables"}
        client.update_function_configuration(FunctionName=sweep, **settings, Environment={"Variables": changed})
        yield
        client.update_function_configuration(FunctionName=sweep, **before, Environment={"Variables": variables})

    how.__name__ = name
    spoils("account-drift", said)(how)


of_function("The memory of sessions-dev-sweep is 128, not 1769", "a_function_has_little_memory", {"MemorySize": 128})
of_function("The timeout of sessions-dev-sweep is 60, not 29", "a_function_has_much_time", {"Timeout": 60})
of_function(
    "The variable LOG_LEVEL of sessions-dev-sweep is not what",
    "a_variable_is_another",
    {"Variables": {"LOG_LEVEL": "nobody-may-see-me"}},
)
of_function(
    "The variable ADDED of sessions-dev-sweep is not what",
    "a_variable_was_added",
    {"Variables": {"ADDED": "nobody-may-see-me"}},
)


@contextmanager
def policy(place: Place, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    client, at = place.client("iam"), {"RoleName": "sessions-dev-sweep", "PolicyName": "sessions-dev-sweep"}
    before = json.dumps(client.get_role_policy(**at)["PolicyDocument"])
    document = json.loads(before)
    change(document)
    client.put_role_policy(**at, PolicyDocument=json.dumps(document))
    yield
    client.put_role_policy(**at, PolicyDocument=before)


def of_policy(said: str, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    def how(place: Place) -> Iterator[None]:
        with policy(place, change):
            yield

    how.__name__ = name
    spoils("account-drift", said)(how)


def any_api(document: dict[str, Any]) -> None:
    for statement in document["Statement"]:
        if statement["Action"] == ["execute-api:ManageConnections"]:
            statement["Resource"] = ["arn:aws:execute-api:*:*:*/@connections/*"]


def less(document: dict[str, Any]) -> None:
    document["Statement"] = [one for one in document["Statement"] if "dynamodb:UpdateItem" not in one["Action"]]


def only_at_times(document: dict[str, Any]) -> None:
    document["Statement"][0]["Condition"] = {"Bool": {"aws:SecureTransport": "true"}}


of_policy(
    "has Allow execute-api:ManageConnections on arn:aws:execute-api:*:*:*/@connections/*",
    "a_role_posts_to_any_api",
    any_api,
)
of_policy("The role sessions-dev-sweep lacks Allow dynamodb:UpdateItem", "a_role_may_do_less", less)
of_policy("The role sessions-dev-sweep lacks Allow", "a_role_may_do_it_at_times", only_at_times)


@spoils("account-drift", "has Allow s3:* on *, which is not in its file")
def a_role_has_a_second_policy(place: Place) -> Iterator[None]:
    client, at = place.client("iam"), {"RoleName": "sessions-dev-sweep", "PolicyName": "by-hand"}
    allowed = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}
    client.put_role_policy(**at, PolicyDocument=json.dumps(allowed))
    yield
    client.delete_role_policy(**at)


@spoils("account-drift", "has the policy arn:aws:iam::aws:policy/AdministratorAccess besides its own")
def a_role_may_do_everything(place: Place) -> Iterator[None]:
    client = place.client("iam")
    at = {"RoleName": "sessions-dev-sweep", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    client.attach_role_policy(**at)
    yield
    client.detach_role_policy(**at)
