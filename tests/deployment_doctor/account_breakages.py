"""What is broken in the account of a stage that stands: one thing each, mended when its test is over."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from deployment.doctor.check import Outcome
from tests.deployment_doctor.standing_stage import Place

API = "api"  # the stage of both APIs
KEY = "/sessions/dev/jwt-secret"
LONG = "k" * 64
SPOILT: list[Any] = []
"""Parameters of a test: check, outcome, break, text that is said."""

Break = Callable[[Place], AbstractContextManager[None]]


def spoils(
    check: str, said: str, outcome: Outcome = Outcome.FAILED
) -> Callable[[Callable[[Place], Iterator[None]]], Break]:
    def entered(how: Callable[[Place], Iterator[None]]) -> Break:
        managed = contextmanager(how)
        SPOILT.append(pytest.param(check, outcome, managed, said, id=f"{check}: {how.__name__}"))
        return managed

    return entered


def rest(place: Place) -> str:
    [api] = place.client("apigateway").get_rest_apis()["items"]
    return str(api["id"])


def websocket(place: Place) -> str:
    [api] = place.client("apigatewayv2").get_apis()["Items"]
    return str(api["ApiId"])


# --- the key of the tokens


@contextmanager
def key(place: Place, value: str | None, kind: str = "SecureString") -> Iterator[None]:
    client = place.client("ssm")
    client.delete_parameter(Name=KEY)
    if value is not None:
        client.put_parameter(Name=KEY, Value=value, Type=kind)
    yield
    client.put_parameter(Name=KEY, Value=LONG, Type="SecureString", Overwrite=True)
    if kind != "SecureString":
        client.delete_parameter(Name=KEY)
        client.put_parameter(Name=KEY, Value=LONG, Type="SecureString")


@spoils("account-key", "shorter than its hash")
def the_key_is_short(place: Place) -> Iterator[None]:
    with key(place, "nobody-may-see-me"):
        yield


@spoils("account-key", "somebody's checkout")
def the_key_is_of_a_checkout(place: Place) -> Iterator[None]:
    with key(place, f"local-{LONG}"):
        yield


@spoils("account-key", "make it a SecureString")
def the_key_is_no_secret_parameter(place: Place) -> Iterator[None]:
    with key(place, LONG, "String"):
        yield


@spoils("account-key", f"JWT_SECRET names ssm:{KEY}, which is not there")
def the_key_is_gone(place: Place) -> Iterator[None]:
    with key(place, None):
        yield


# --- tables


@spoils("account-tables", "The table events-dev keeps its rows for ever")
def rows_stay(place: Place) -> Iterator[None]:
    with ttl(place, {"Enabled": False, "AttributeName": "purgeAt"}):
        yield


@spoils("account-tables", "forgets at expiresAt, and rows have purgeAt")
def rows_stay_past_another_attribute(place: Place) -> Iterator[None]:
    client = place.client("dynamodb")
    client.update_time_to_live(
        TableName="events-dev", TimeToLiveSpecification={"Enabled": False, "AttributeName": "purgeAt"}
    )
    with ttl(place, {"Enabled": True, "AttributeName": "expiresAt"}):
        yield
        client.update_time_to_live(
            TableName="events-dev", TimeToLiveSpecification={"Enabled": False, "AttributeName": "expiresAt"}
        )


@contextmanager
def ttl(place: Place, specification: dict[str, Any]) -> Iterator[None]:
    client = place.client("dynamodb")
    client.update_time_to_live(TableName="events-dev", TimeToLiveSpecification=specification)
    yield
    on = {"Enabled": True, "AttributeName": "purgeAt"}
    client.update_time_to_live(TableName="events-dev", TimeToLiveSpecification=on)


@spoils("account-tables", "The table events-dev is not on demand")
def a_table_is_provisioned(place: Place) -> Iterator[None]:
    client = place.client("dynamodb")
    few = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
    client.update_table(TableName="events-dev", BillingMode="PROVISIONED", ProvisionedThroughput=few)
    yield
    client.update_table(TableName="events-dev", BillingMode="PAY_PER_REQUEST")


@spoils("account-tables", "The table events-dev is not there, and the stage stands")
def a_table_is_gone(place: Place) -> Iterator[None]:
    client = place.client("dynamodb")
    there = client.describe_table(TableName="events-dev")["Table"]
    client.delete_table(TableName="events-dev")
    yield
    kept = {name: there[name] for name in ("TableName", "KeySchema", "AttributeDefinitions")}
    client.create_table(**kept, BillingMode="PAY_PER_REQUEST")
    with ttl(place, {"Enabled": True, "AttributeName": "purgeAt"}):
        pass


# --- quotas


@contextmanager
def quota(place: Place, code: str, value: float) -> Iterator[None]:
    before = place.quotas.values[code]
    place.quotas.values[code] = value
    yield
    place.quotas.values[code] = before


@spoils("account-quotas", "The rate of websocket_throttle is 100 a second, and the account has 99")
def the_account_has_a_lower_rate(place: Place) -> Iterator[None]:
    with quota(place, "L-8A5B8E43", 99):
        yield


@spoils("account-quotas", "The burst of websocket_throttle is 200, and the account takes 199")
def the_account_has_a_lower_burst(place: Place) -> Iterator[None]:
    with quota(place, "L-CDF5615A", 199):
        yield


@spoils(
    "account-quotas",
    "Lambda runs 10 functions at once here, of all in the account, and the throttles let 300",
    Outcome.NOTE,
)
def the_account_is_new(place: Place) -> Iterator[None]:
    with quota(place, "L-B99A9384", 10):
        yield


@spoils("account-quotas", "Service Quotas has no L-8A5B8E43", Outcome.NOTE)
def a_quota_is_not_known(place: Place) -> Iterator[None]:
    value = place.quotas.values.pop("L-8A5B8E43")
    yield
    place.quotas.values["L-8A5B8E43"] = value


# --- logs


@contextmanager
def log_role(place: Place, arn: str) -> Iterator[None]:
    client = place.client("apigateway")
    before = client.get_account()["cloudwatchRoleArn"]
    for value in (arn, before):
        client.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": value}])
        if value == arn:
            yield


@spoils("account-logs", "has no role to write access logs by in this account")
def nobody_may_write_access_logs(place: Place) -> Iterator[None]:
    with log_role(place, ""):
        yield


@spoils("account-logs", "arn:aws:iam::123456789012:role/was-here, which is gone")
def the_role_of_access_logs_is_gone(place: Place) -> Iterator[None]:
    with log_role(place, "arn:aws:iam::123456789012:role/was-here"):
        yield


@spoils("account-logs", "The log group /aws/lambda/sessions-dev-sweep keeps what is written for ever")
def a_log_is_kept_for_ever(place: Place) -> Iterator[None]:
    client, name = place.client("logs"), "/aws/lambda/sessions-dev-sweep"
    client.delete_retention_policy(logGroupName=name)
    yield
    client.put_retention_policy(logGroupName=name, retentionInDays=14)


@spoils("account-logs", "/aws/apigateway/sessions-dev-http forgets after 3 days, not 14")
def a_log_is_forgotten_early(place: Place) -> Iterator[None]:
    client, name = place.client("logs"), "/aws/apigateway/sessions-dev-http"
    client.put_retention_policy(logGroupName=name, retentionInDays=3)
    yield
    client.put_retention_policy(logGroupName=name, retentionInDays=14)


@spoils("account-logs", "There is no log group /aws/lambda/sessions-dev:")
def a_log_group_is_gone(place: Place) -> Iterator[None]:
    client, name = place.client("logs"), "/aws/lambda/sessions-dev"
    client.delete_log_group(logGroupName=name)
    yield
    client.create_log_group(logGroupName=name)
    client.put_retention_policy(logGroupName=name, retentionInDays=14)


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


@spoils("account-drift", "The access logs of the REST API are others (format)")
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
    """moto removes no settings of a method: a deployment past what completes it gives the stage others altogether."""
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


@spoils("account-drift", "API Gateway answers THROTTLED otherwise")
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


@spoils("account-drift", "The access logs of the WebSocket API are others (Format)")
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
