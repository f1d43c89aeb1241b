"""Reads the contents of an account through AWS's own calls, without the project's files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from botocore.session import Session

Described = dict[str, Any]
SERVICES = (
    *("apigateway", "apigatewayv2", "lambda", "iam", "logs", "dynamodb", "cloudwatch", "events", "ssm"),
    *("cloudformation", "sns", "secretsmanager"),
)


@dataclass(frozen=True)
class RestApi:
    """A REST API with its one stage; `methods` are by path and verb, `responses` by type."""

    id: str
    described: Described
    methods: dict[tuple[str, str], Described]
    stages: dict[str, Described]
    responses: dict[str, Described]


@dataclass(frozen=True)
class WebsocketApi:
    """A WebSocket API; `routes` are by key and lead to the URI of their integration."""

    id: str
    described: Described
    routes: dict[str, str]
    integrations: int
    stages: dict[str, Described]
    deployments: list[Described]


@dataclass(frozen=True)
class Account:
    """Everything a deploy can create, by name or by id."""

    rest_apis: dict[str, RestApi]
    websocket_apis: dict[str, WebsocketApi]
    functions: dict[str, Described]
    permissions: dict[str, list[Described]]  # the principals that may invoke each function
    roles: dict[str, Described]
    policies: dict[str, dict[str, Described]]  # inline policies, by role and name
    attached: dict[str, list[str]]  # ARNs by role
    log_groups: dict[str, Described]
    metric_filters: dict[str, Described]
    tables: dict[str, Described]
    alarms: dict[str, Described]
    dashboards: dict[str, Described]
    rules: dict[str, Described]  # with their Targets
    parameters: dict[str, Described]
    stacks: dict[str, str]  # status by name
    topics: list[str]
    secrets: list[str]
    access_log_role: str | None  # of API Gateway, for the whole account

    def left(self) -> dict[str, Any]:
        """Contents by kind; empty for an empty account."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name))}

    @property
    def rest(self) -> RestApi:
        [only] = self.rest_apis.values()
        return only

    @property
    def websocket(self) -> WebsocketApi:
        [only] = self.websocket_apis.values()
        return only


def account(session: Session) -> Account:
    clients: dict[str, Any] = {name: session.create_client(name) for name in SERVICES}
    iam, logs, cloudwatch, events = clients["iam"], clients["logs"], clients["cloudwatch"], clients["events"]
    functions = {one["FunctionName"]: one for one in _all(clients["lambda"], "list_functions", "Functions")}
    roles = {one["RoleName"]: one for one in _all(iam, "list_roles", "Roles")}
    alarms = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return Account(
        rest_apis={one["id"]: _rest(clients["apigateway"], one) for one in _rest_apis(clients["apigateway"])},
        websocket_apis={
            one["ApiId"]: _websocket(clients["apigatewayv2"], one)
            for one in clients["apigatewayv2"].get_apis()["Items"]
        },
        functions={name: _function(clients["lambda"], name) for name in functions},
        permissions={name: _permissions(clients["lambda"], name) for name in functions},
        roles=roles,
        policies={name: _policies(iam, name) for name in roles},
        attached={
            name: [
                one["PolicyArn"] for one in _all(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
            ]
            for name in roles
        },
        log_groups={one["logGroupName"]: one for one in _all(logs, "describe_log_groups", "logGroups")},
        metric_filters={one["filterName"]: one for one in _all(logs, "describe_metric_filters", "metricFilters")},
        tables={
            name: _table(clients["dynamodb"], name) for name in _all(clients["dynamodb"], "list_tables", "TableNames")
        },
        alarms={one["AlarmName"]: one for one in alarms["MetricAlarms"] + alarms.get("CompositeAlarms", [])},
        dashboards={
            one["DashboardName"]: json.loads(
                cloudwatch.get_dashboard(DashboardName=one["DashboardName"])["DashboardBody"]
            )
            for one in _all(cloudwatch, "list_dashboards", "DashboardEntries")
        },
        rules={
            one["Name"]: {**one, "Targets": events.list_targets_by_rule(Rule=one["Name"])["Targets"]}
            for one in events.list_rules()["Rules"]
        },
        parameters={
            one["Name"]: {
                **one,
                "Tags": clients["ssm"].list_tags_for_resource(ResourceType="Parameter", ResourceId=one["Name"])[
                    "TagList"
                ],
            }
            for one in _all(clients["ssm"], "describe_parameters", "Parameters")
        },
        stacks={
            one["StackName"]: one["StackStatus"]
            for one in _all(clients["cloudformation"], "describe_stacks", "Stacks")
            if one["StackStatus"] != "DELETE_COMPLETE"
        },
        topics=[one["TopicArn"] for one in _all(clients["sns"], "list_topics", "Topics")],
        secrets=[one["Name"] for one in _all(clients["secretsmanager"], "list_secrets", "SecretList")],
        access_log_role=clients["apigateway"].get_account().get("cloudwatchRoleArn") or None,
    )


def _all(client: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
    return [one for page in client.get_paginator(operation).paginate(**arguments) for one in page[key]]


def _rest_apis(client: Any) -> list[Described]:
    return _all(client, "get_rest_apis", "items")


def _rest(client: Any, described: Described) -> RestApi:
    api = described["id"]
    return RestApi(
        id=api,
        described=described,
        methods={
            (resource["path"], verb): _bare(
                client.get_method(restApiId=api, resourceId=resource["id"], httpMethod=verb)
            )
            for resource in _all(client, "get_resources", "items", restApiId=api)
            for verb in resource.get("resourceMethods", {})
        },
        stages={one["stageName"]: one for one in client.get_stages(restApiId=api)["item"]},
        responses={one["responseType"]: one for one in client.get_gateway_responses(restApiId=api)["items"]},
    )


def _websocket(client: Any, described: Described) -> WebsocketApi:
    api = described["ApiId"]
    uris = {one["IntegrationId"]: one["IntegrationUri"] for one in client.get_integrations(ApiId=api)["Items"]}
    return WebsocketApi(
        id=api,
        described=described,
        routes={
            one["RouteKey"]: uris[one["Target"].rpartition("/")[2]] for one in client.get_routes(ApiId=api)["Items"]
        },
        integrations=len(uris),
        stages={one["StageName"]: one for one in client.get_stages(ApiId=api)["Items"]},
        deployments=client.get_deployments(ApiId=api)["Items"],
    )


def _bare(answer: Described) -> Described:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def _function(client: Any, name: str) -> Described:
    found = client.get_function(FunctionName=name)
    return {**found["Configuration"], "Tags": found.get("Tags", {})}


def _permissions(client: Any, name: str) -> list[Described]:
    try:
        policy = client.get_policy(FunctionName=name)["Policy"]
    except client.exceptions.ResourceNotFoundException:
        return []
    statements: list[Described] = json.loads(policy)["Statement"]
    return statements


def _policies(client: Any, role: str) -> dict[str, Described]:
    return {
        name: client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in _all(client, "list_role_policies", "PolicyNames", RoleName=role)
    }


def _table(client: Any, name: str) -> Described:
    backups: Mapping[str, Any] = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    return {
        **client.describe_table(TableName=name)["Table"],
        "TimeToLive": client.describe_time_to_live(TableName=name)["TimeToLiveDescription"],
        "PointInTimeRecovery": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
    }
