"""After a deploy the account agrees with the project's files and its app, field by field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from chalice.app import CORSConfig, ScheduledEventConfig, ScheduleExpression

from deployment import gateway_responses, gateway_settings
from tests.rehearsal.moto.environment import REGION
from tests.rehearsal.moto.expected import ACCOUNT, LOGICAL_TABLES, OF_ROUTES, OF_SOCKETS, quoted
from tests.rehearsal.moto.story import Chapter

# --- the REST API


def test_the_rest_api_is_regional_and_compresses_from_the_size_that_is_set(deployed: Chapter) -> None:
    said, there = deployed.wanted.config, deployed.account.rest.described
    assert there["name"] == deployed.wanted.prefix  # its metrics are found by name
    assert there["endpointConfiguration"]["types"] == [said["api_gateway_endpoint_type"]]
    assert there["minimumCompressionSize"] == said["minimum_compression_size"]
    assert there["binaryMediaTypes"] == deployed.wanted.app.api.binary_types


def test_the_routes_are_those_of_the_app_and_the_preflights_of_those_with_cors(deployed: Chapter) -> None:
    wanted = set()
    for path, by_method in deployed.wanted.app.routes.items():
        wanted |= {(path, method) for method in by_method}
        wanted |= {(path, "OPTIONS") for entry in by_method.values() if entry.cors}
    assert deployed.account.rest.methods.keys() == wanted


def test_each_route_is_answered_by_the_function_of_the_routes_which_asks_who_calls(deployed: Chapter) -> None:
    called = {at: one for at, one in deployed.account.rest.methods.items() if at[1] != "OPTIONS"}
    assert called
    for at, method in called.items():
        leads = method["methodIntegration"]
        assert (leads["type"], leads["httpMethod"]) == ("AWS_PROXY", "POST"), at
        assert leads["uri"] == deployed.wanted.invocation(OF_ROUTES), at
        assert (method["authorizationType"], method["apiKeyRequired"]) == ("NONE", False), at


def test_a_preflight_tells_what_the_app_says_of_cors(deployed: Chapter) -> None:
    routes, methods = deployed.wanted.app.routes, deployed.account.rest.methods
    for path in {path for path, verb in methods if verb == "OPTIONS"}:
        cors = next(one.cors for one in routes[path].values())
        assert isinstance(cors, CORSConfig)
        told = methods[path, "OPTIONS"]["methodIntegration"]["integrationResponses"]["200"]["responseParameters"]
        prefix = "method.response.header.Access-Control"
        allowed = told.pop(f"{prefix}-Allow-Methods").strip("'").split(",")
        assert sorted(allowed) == sorted([*routes[path], "OPTIONS"])
        assert told == quoted(dict(cors.get_access_control_headers()), "method.response.header")


def test_the_stage_of_the_rest_api_is_throttled_measured_as_a_whole_and_traced(deployed: Chapter) -> None:
    [(name, stage)] = deployed.account.rest.stages.items()
    settings, throttle = stage["methodSettings"]["*/*"], deployed.wanted.operations["http_throttle"]
    assert name == deployed.wanted.config["api_gateway_stage"]
    assert stage["tracingEnabled"] is deployed.wanted.config["xray"]
    assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (throttle["rate"], throttle["burst"])
    assert settings["metricsEnabled"] is False


def test_no_request_and_no_answer_is_ever_logged_whole(deployed: Chapter) -> None:
    [rest], [websocket] = deployed.account.rest.stages.values(), deployed.account.websocket.stages.values()
    assert rest["methodSettings"]["*/*"]["dataTraceEnabled"] is False
    assert rest["methodSettings"]["*/*"]["loggingLevel"] == "OFF"
    assert websocket["DefaultRouteSettings"]["DataTraceEnabled"] is False
    assert websocket["DefaultRouteSettings"]["LoggingLevel"] == "OFF"


def test_access_logs_go_to_groups_that_are_there_in_the_form_that_is_set(deployed: Chapter) -> None:
    [rest], [websocket] = deployed.account.rest.stages.values(), deployed.account.websocket.stages.values()
    logs = rest["accessLogSettings"]
    assert logs["destinationArn"] == log_group(f"/aws/apigateway/{deployed.wanted.prefix}-http")
    assert json.loads(logs["format"]) == gateway_settings.HTTP_FIELDS
    logs = websocket["AccessLogSettings"]
    assert logs["DestinationArn"] == log_group(f"/aws/apigateway/{deployed.wanted.prefix}-websocket")
    assert json.loads(logs["Format"]) == gateway_settings.WEBSOCKET_FIELDS
    assert {log_group(name) for name in deployed.account.log_groups} >= {
        rest["accessLogSettings"]["destinationArn"],
        websocket["AccessLogSettings"]["DestinationArn"],
    }


def test_no_access_log_holds_what_a_client_put_into_a_url_or_a_header(deployed: Chapter) -> None:
    [rest], [websocket] = deployed.account.rest.stages.values(), deployed.account.websocket.stages.values()
    for form in (rest["accessLogSettings"]["format"], websocket["AccessLogSettings"]["Format"]):
        for field in json.loads(form).values():
            assert field.startswith("$context.")
            assert not any(word in field.lower() for word in ("query", "header", "authorizer", "useragent", "body"))
            assert field not in ("$context.path", "$context.requestOverride.path")


def test_what_api_gateway_answers_by_itself_is_a_problem_that_a_page_may_read(deployed: Chapter) -> None:
    there = deployed.account.rest.responses
    for wanted in gateway_responses.RESPONSES:
        response = there[wanted.type]
        headers = response["responseParameters"]
        assert response.get("statusCode") == (None if wanted.status is None else str(wanted.status))
        assert headers["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "'*'"
        assert response["responseTemplates"] == {"application/json": wanted.template}
    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= {name for name, one in there.items() if not one["defaultResponse"]}


def test_the_responses_are_part_of_what_is_deployed(deployed: Chapter) -> None:
    """They take effect with the next deployment."""
    order = [one.operation for one in deployed.calls]
    assert "apigateway.CreateDeployment" in order[last(order, "apigateway.PutGatewayResponse") :]
    assert "apigateway.UpdateStage" in order[last(order, "apigateway.CreateDeployment") :]


# --- the WebSocket API


def test_each_route_of_the_sockets_leads_to_its_function(deployed: Chapter) -> None:
    api = deployed.account.websocket
    assert api.described["Name"] == f"{deployed.wanted.prefix}-websocket-api"
    assert api.described["RouteSelectionExpression"] == "$request.body.action"
    assert api.routes == {
        key: deployed.wanted.invocation(OF_SOCKETS[key]) for key in deployed.wanted.app.websocket_handlers
    }
    assert api.integrations == len(api.routes)


def test_the_stage_of_the_sockets_is_throttled_and_measured_as_a_whole(deployed: Chapter) -> None:
    [(name, stage)] = deployed.account.websocket.stages.items()
    settings, throttle = stage["DefaultRouteSettings"], deployed.wanted.operations["websocket_throttle"]
    assert name == deployed.wanted.config["api_gateway_stage"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (throttle["rate"], throttle["burst"])
    assert settings["DetailedMetricsEnabled"] is False


def test_what_the_stage_of_the_sockets_serves_is_the_one_deployment_that_there_is(deployed: Chapter) -> None:
    [stage] = deployed.account.websocket.stages.values()
    assert [one["DeploymentId"] for one in deployed.account.websocket.deployments] == [stage["DeploymentId"]]


# --- functions


def test_there_is_a_function_for_the_routes_each_kind_of_event_and_the_schedule(deployed: Chapter) -> None:
    wanted = deployed.wanted
    assert {name: one["Handler"] for name, one in deployed.account.functions.items()} == {
        wanted.full_name(function): f"app.{handler}" for function, handler in wanted.handlers.items()
    }


@pytest.mark.parametrize(
    ("field", "setting"), [("MemorySize", "lambda_memory_size"), ("Timeout", "lambda_timeout")], ids=["memory", "time"]
)
def test_each_function_has_the_memory_and_the_time_that_are_set_for_it(
    deployed: Chapter, field: str, setting: str
) -> None:
    wanted = deployed.wanted
    assert {name: one[field] for name, one in deployed.account.functions.items()} == {
        wanted.full_name(function): wanted.setting(setting, function) for function in wanted.handlers
    }


def test_each_function_has_the_environment_that_is_set_for_it(deployed: Chapter) -> None:
    wanted = deployed.wanted
    assert {name: one["Environment"]["Variables"] for name, one in deployed.account.functions.items()} == {
        wanted.full_name(function): wanted.environment(function) for function in wanted.handlers
    }


def test_each_function_is_traced_and_named_in_its_tags(deployed: Chapter) -> None:
    wanted = deployed.wanted
    assert wanted.config["xray"] is True
    for function in deployed.account.functions.values():
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert f"stage={wanted.stage}:app={wanted.config['app_name']}" in function["Tags"]["aws-chalice"]


def test_a_function_is_invoked_by_the_one_thing_that_it_answers(deployed: Chapter) -> None:
    account, wanted = deployed.account, deployed.wanted
    rest = ("apigateway.amazonaws.com", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{account.rest.id}/*")
    sockets = ("apigateway.amazonaws.com", f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{account.websocket.id}/*")
    [rule] = account.rules.values()
    sources = {
        OF_ROUTES: rest,
        **dict.fromkeys(OF_SOCKETS.values(), sockets),
        "sweep": ("events.amazonaws.com", rule["Arn"]),
    }
    assert {
        name: [
            (one["Principal"]["Service"], one["Condition"]["ArnLike"]["AWS:SourceArn"])
            for one in statements
            if (one["Effect"], one["Action"]) == ("Allow", "lambda:InvokeFunction")
        ]
        for name, statements in account.permissions.items()
    } == {wanted.full_name(function): [sources[function]] for function in wanted.handlers}
    assert all(len(statements) == 1 for statements in account.permissions.values())


def test_the_schedule_is_the_apps_and_runs_its_function(deployed: Chapter) -> None:
    [source] = deployed.wanted.app.event_sources
    assert isinstance(source, ScheduledEventConfig)
    assert isinstance(source.schedule_expression, ScheduleExpression)
    [rule] = deployed.account.rules.values()
    assert (rule["ScheduleExpression"], rule["State"]) == (source.schedule_expression.to_string(), "ENABLED")
    assert [one["Arn"] for one in rule["Targets"]] == [deployed.wanted.arn(source.name)]


# --- roles


def test_each_function_has_a_role_of_its_own_that_lambda_alone_may_take(deployed: Chapter) -> None:
    account, wanted = deployed.account, deployed.wanted
    assert {name: one["Role"] for name, one in account.functions.items()} == {
        wanted.full_name(function): f"arn:aws:iam::{ACCOUNT}:role/{wanted.prefix}-{function}"
        for function in wanted.handlers
    }
    for function in wanted.handlers:
        [trust] = account.roles[f"{wanted.prefix}-{function}"]["AssumeRolePolicyDocument"]["Statement"]
        assert (trust["Effect"], trust["Action"]) == ("Allow", "sts:AssumeRole")
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_a_role_may_do_what_its_template_says_and_nothing_else(deployed: Chapter) -> None:
    account, wanted = deployed.account, deployed.wanted
    for function in wanted.handlers:
        role = f"{wanted.prefix}-{function}"
        assert account.policies[role] == {role: wanted.policy(function, account.websocket.id)}
        assert account.attached[role] == []


def test_api_gateway_may_write_access_logs_by_a_role_that_may_do_nothing_else(deployed: Chapter) -> None:
    role = f"api-gateway-access-logs-{REGION}"
    account, wanted = deployed.account, deployed.wanted
    assert account.access_log_role == f"arn:aws:iam::{ACCOUNT}:role/{role}"
    assert account.policies[role] == {}
    assert account.attached[role] == ["arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"]
    [trust] = account.roles[role]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert account.roles.keys() == {role, *(f"{wanted.prefix}-{function}" for function in wanted.handlers)}


# --- what is kept


def test_each_function_and_each_access_log_has_a_log_group_that_forgets_after_the_days_that_are_set(
    deployed: Chapter,
) -> None:
    wanted = deployed.wanted
    groups = {f"/aws/lambda/{wanted.full_name(function)}" for function in wanted.handlers}
    groups |= {f"/aws/apigateway/{wanted.prefix}-{kind}" for kind in ("http", "websocket")}
    days = wanted.own["log_retention_in_days"]
    assert {name: one.get("retentionInDays") for name, one in deployed.account.log_groups.items()} == dict.fromkeys(
        groups, days
    )


def test_the_tables_have_the_keys_and_indexes_of_their_template(deployed: Chapter) -> None:
    tables, wanted = deployed.account.tables, deployed.wanted.tables
    assert tables.keys() == wanted.keys()
    assert wanted.keys() == {deployed.wanted.environment("sweep")[name] for name in LOGICAL_TABLES.values()}
    for name, said in wanted.items():
        there = tables[name]
        assert there["KeySchema"] == said["KeySchema"]
        assert by(there["AttributeDefinitions"], "AttributeName") == by(said["AttributeDefinitions"], "AttributeName")
        assert there["BillingModeSummary"]["BillingMode"] == said["BillingMode"]
        indexes = {
            one["IndexName"]: (one["KeySchema"], one["Projection"]) for one in there.get("GlobalSecondaryIndexes", [])
        }
        assert indexes == {
            one["IndexName"]: (one["KeySchema"], one["Projection"]) for one in said.get("GlobalSecondaryIndexes", [])
        }


def test_the_tables_forget_and_are_protected_as_their_template_says(deployed: Chapter) -> None:
    for name, said in deployed.wanted.tables.items():
        there = deployed.account.tables[name]
        assert there["TimeToLive"]["TimeToLiveStatus"] == "ENABLED"
        assert there["TimeToLive"]["AttributeName"] == said["TimeToLiveSpecification"]["AttributeName"]
        assert there["DeletionProtectionEnabled"] is said["DeletionProtectionEnabled"]
        restorable = said["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        assert there["PointInTimeRecovery"] == ("ENABLED" if restorable else "DISABLED")


def test_the_key_of_the_tokens_is_a_secret_parameter_that_says_who_made_it(deployed: Chapter) -> None:
    reference = deployed.wanted.environment(OF_ROUTES)["JWT_SECRET"]
    [(name, parameter)] = deployed.account.parameters.items()
    assert f"ssm:{name}" == reference
    assert parameter["Type"] == "SecureString"
    assert parameter["Tags"] == [{"Key": "made-by", "Value": "sessions-deployment"}]


def test_the_command_tells_where_the_stage_is_reached(deployed: Chapter) -> None:
    account, stage = deployed.account, deployed.wanted.config["api_gateway_stage"]
    host = f"execute-api.{REGION}.amazonaws.com/{stage}"
    lines = [line.split() for line in deployed.ran.out.splitlines()]
    assert ["http", f"https://{account.rest.id}.{host}"] in lines
    assert ["websocket", f"wss://{account.websocket.id}.{host}"] in lines
    assert deployed.ran.err == ""


def log_group(name: str) -> str:
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}"


def last(order: list[str], operation: str) -> int:
    return len(order) - 1 - order[::-1].index(operation)


def by(listed: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    return {one[key]: one for one in listed}
