"""Writes a stage as one CloudFormation template and its zip, for teams that deploy by pipeline. Asks AWS nothing.

Chalice packages functions, APIs and schedule. Everything else that a deploy does is merged into the template here,
from the same settings. Chalice merges dicts into its own and replaces lists whole.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from deployment import chalice, documents, gateway_settings, key, logs, policies
from deployment.gateway_responses import RESPONSES
from deployment.monitoring.resources import HTTP_LOGS, WEBSOCKET_LOGS, resources
from deployment.stage import Stage

TEMPLATE: Final = "template.json"
REST_API: Final = "RestAPI"
WEBSOCKET_API: Final = "WebsocketAPI"
WEBSOCKET_DEPLOYMENT: Final = "WebsocketAPIDeployment"
WEBSOCKET_STAGE: Final = "WebsocketAPIStage"
"""Chalice's logical ids."""
SNAPSHOT: Final = ("AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Integration")
"""Types of the resources that a deployment of the WebSocket API holds."""
ACCOUNT: Final = "ApiGatewayAccount"
MADE: Final = "MakesLogsRole"


def package(stage: Stage, out: Path, say: Callable[[str], None], code: Path | None = None) -> Path:
    """Writes `template.json` and `deployment.zip` to `out` and returns the template.

    `code` is an existing zip to use instead of a new one. Raises DeploymentError.
    """
    with tempfile.TemporaryDirectory() as folder:
        merge = Path(folder) / "merge.json"
        merge.write_text(json.dumps(additions(stage)), encoding="utf-8")
        merged = chalice.package(stage, merge, out, say, code)
    document = with_policies(stage, with_websocket_deployment(json.loads(merged.read_text(encoding="utf-8"))))
    merged.unlink()
    path = out / TEMPLATE
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path


def additions(stage: Stage) -> dict[str, Any]:
    """The parts to merge into Chalice's template."""
    tables = documents.read(stage.folder / "resources.json")
    return {
        "Description": description(stage),
        "Parameters": {**_tables_parameters(stage, tables["Parameters"]), **LOGS_ROLE_PARAMETER},
        "Conditions": {MADE: {"Fn::Equals": [{"Ref": "MakeLogsRole"}, "true"]}},
        "Resources": {
            **tables["Resources"],
            **_functions(stage, sorted(tables["Resources"])),
            **_monitoring(stage),
            **LOGS_ROLE,
            REST_API: _rest_api(stage),
            WEBSOCKET_STAGE: _websocket_stage(stage),
        },
        "Outputs": {"DashboardName": {"Value": {"Ref": "Dashboard"}}},
    }


def description(stage: Stage) -> str:
    """CloudFormation cannot create a secret parameter; the description tells the reader of the template."""
    told = f"The stage {stage.name} of {stage.app}."
    name = key.parameter(stage)
    if name is None:
        return told
    return f"{told} Its signing key is {name} in SSM, a SecureString that must exist before the first request."


def with_websocket_deployment(template: Mapping[str, Any]) -> dict[str, Any]:
    """The template with a deployment of the WebSocket API whose id depends on its routes.

    CloudFormation does not replace a deployment when a route changes, so a changed route would be unreachable. A new
    id makes a new deployment.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-apigatewayv2-deployment.html
    """
    resources = dict(template["Resources"])
    held = {name: one for name, one in resources.items() if one["Type"] in SNAPSHOT}
    digest = hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:16]
    name = WEBSOCKET_DEPLOYMENT + digest
    resources[name] = resources.pop(WEBSOCKET_DEPLOYMENT)
    stage = resources[WEBSOCKET_STAGE]
    resources[WEBSOCKET_STAGE] = {**stage, "Properties": {**stage["Properties"], "DeploymentId": {"Ref": name}}}
    return {**template, "Resources": resources}


def with_policies(stage: Stage, template: Mapping[str, Any]) -> dict[str, Any]:
    """The template with each role's policy narrowed to the stage's partition, region, account and API."""
    resources = dict(template["Resources"])
    for function in stage.functions:
        role = resources[chalice.logical_id(function.name)]["Properties"]["Role"]
        if isinstance(role, str):  # of somebody else: iam_role_arn
            continue
        name = role["Fn::GetAtt"][0]
        properties = resources[name]["Properties"]
        [inline] = properties["Policies"]
        inline = {**inline, "PolicyDocument": policies.narrowed(stage, function)}
        resources[name] = {**resources[name], "Properties": {**properties, "Policies": [inline]}}
    return {**template, "Resources": resources}


def _tables_parameters(stage: Stage, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The tables' template with the stage filled in. Another name would differ from the one the functions are given."""
    return {
        "Stage": {**parameters["Stage"], "Default": stage.name, "AllowedValues": [stage.name]},
        "Kept": {**parameters["Kept"], "Default": str(stage.kept).lower()},
    }


def _functions(stage: Stage, tables: list[str]) -> dict[str, Any]:
    """Fixed names, which policies and log groups can refer to. Logs and tables are created before their users."""
    merged: dict[str, Any] = {}
    for function in stage.functions:
        logs = chalice.log_group_id(function.name)
        merged[logs] = {"Properties": {"LogGroupName": function.log_group}}
        merged[chalice.logical_id(function.name)] = {
            "DependsOn": [logs, *tables],
            "Properties": {"FunctionName": function.full_name},
        }
    merged["Sweep"]["Properties"]["Events"] = {"SweepEvent": {"Properties": {"Name": stage.sweep_rule}}}
    return merged


def _monitoring(stage: Stage) -> dict[str, Any]:
    """Access logs, alarms, dashboard and saved queries.

    A tag makes the log groups, and the stages that log to them, wait for the account's role: they cannot depend on a
    resource that a condition leaves out.
    """
    made = resources(stage, websocket_api={"Ref": WEBSOCKET_API})
    waits = [{"Key": "logs-role", "Value": {"Fn::If": [MADE, {"Ref": ACCOUNT}, "there-already"]}}]
    for name in (HTTP_LOGS, WEBSOCKET_LOGS):
        made[name] = {**made[name], "Properties": {**made[name]["Properties"], "Tags": waits}}
    return made


def _rest_api(stage: Stage) -> dict[str, Any]:
    """Gateway responses are put into the API's definition.

    As resources of their own they would take effect with the next deployment, which nothing makes.
    """
    return {
        "Properties": {
            "DefinitionBody": {
                "info": {"title": stage.http_api},
                "x-amazon-apigateway-gateway-responses": {one.type: one.definition() for one in RESPONSES},
            },
            "OpenApiVersion": "2.0",  # else SAM adds a second stage, "Stage", without any of these settings
            "TracingEnabled": stage.tracing,
            "MethodSettings": [gateway_settings.method_settings(stage)],
            "AccessLogSetting": gateway_settings.http_access_logs(_log_group_arn(HTTP_LOGS)),
        },
    }


def _websocket_stage(stage: Stage) -> dict[str, Any]:
    return {
        "Properties": {
            "DefaultRouteSettings": gateway_settings.route_settings(stage),
            "AccessLogSettings": gateway_settings.websocket_access_logs(_log_group_arn(WEBSOCKET_LOGS)),
        },
    }


def _log_group_arn(logical_id: str) -> dict[str, str]:
    """The ARN without the `:*` that CloudFormation's attribute ends with."""
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:${{{logical_id}}}"}


LOGS_ROLE_PARAMETER: Final = {
    "MakeLogsRole": {
        "Type": "String",
        "Default": "false",
        "AllowedValues": ["true", "false"],
        "Description": "Whether to give the account and region a role by which API Gateway writes access logs, in "
        "place of the one they have. They need one; it is one for all APIs, and stays when this stack goes.",
    }
}
LOGS_ROLE: Final = {
    "ApiGatewayLogsRole": {
        "Type": "AWS::IAM::Role",
        "Condition": MADE,
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "AssumeRolePolicyDocument": logs.TRUST,
            "ManagedPolicyArns": [{"Fn::Sub": f"arn:${{AWS::Partition}}:iam::aws:policy/{logs.PUSHES}"}],
        },
    },
    ACCOUNT: {
        "Type": "AWS::ApiGateway::Account",
        "Condition": MADE,
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"CloudWatchRoleArn": {"Fn::GetAtt": ["ApiGatewayLogsRole", "Arn"]}},
    },
}
