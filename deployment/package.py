"""Builds a stage as one CloudFormation template and its zip, from an export of the source. Asks AWS nothing.

Chalice packages functions, APIs and schedule. Everything else of the stage's stack is merged into its template here.
Chalice merges dicts into its own and replaces lists whole.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deployment import chalice, dependencies, gateway_responses, gateway_settings, key, policies
from deployment.artifacts import Code
from deployment.monitoring import resources as monitoring
from deployment.source import Source
from deployment.stage import REST, Function, Stage

TEMPLATE: Final = "template.json"
CODE: Final = chalice.CODE
REST_API: Final = "RestAPI"
WEBSOCKET_API: Final = "WebsocketAPI"
WEBSOCKET_DEPLOYMENT: Final = "WebsocketAPIDeployment"
WEBSOCKET_STAGE: Final = "WebsocketAPIStage"
SWEEP: Final = "Sweep"
"""Chalice's logical ids."""
HTTP_URL: Final = "EndpointURL"
WEBSOCKET_URL: Final = "WebsocketConnectEndpointURL"
"""Chalice's outputs; each URL ends with a slash."""
SNAPSHOT: Final = ("AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Integration")
"""Types of the resources that a deployment of the WebSocket API holds."""
FUNCTION: Final = "AWS::Serverless::Function"
VERSION: Final = "VERSION"
"""Name of each function's variable that holds the version of the source, and, in small letters, of its tag."""

ADDRESS: Final = "WEBSOCKET_URL"
"""Name of the variable by which the function of all routes tells clients where to open sockets."""


@dataclass(frozen=True)
class Package:
    """A packaged stage. The template names the zip as a file beside it."""

    template: dict[str, Any]
    code: Path
    digest: str  # SHA-256 of the zip
    version: str


def build(stage: Stage, source: Source, out: Path, say: Callable[[str], None]) -> Package:
    """Writes `template.json` and `deployment.zip` to the folder `out`.

    The same commit makes the same bytes in any folder, on machines with the same zlib and Chalice. Each line of the
    tools' output is passed to `say`. Raises DeploymentError.
    """
    exported = dataclasses.replace(stage, root=source.folder)
    vendor = source.folder / "vendor"
    say("dependencies")
    dependencies.install(
        source.folder / "requirements.lock", vendor, runtime=stage.runtime, architecture=stage.architecture, say=say
    )
    # Chalice would download these once more, and check no hash
    (source.folder / "requirements.txt").write_text("", encoding="utf-8")
    say("functions and APIs")
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        packaged = Path(scratch)
        (packaged / "merge.json").write_text(json.dumps(additions(exported, source.version)), encoding="utf-8")
        chalice.package(exported, packaged / "merge.json", packaged / "out", say)
        merged = json.loads((packaged / "out" / chalice.TEMPLATE).read_text(encoding="utf-8"))
        write_reproducibly(packaged / "out" / chalice.CODE, out / CODE)
    template = with_roles(exported, with_websocket_deployment(merged))
    (out / TEMPLATE).write_text(json.dumps(template, indent=2) + "\n", encoding="utf-8")
    return Package(template, out / CODE, hashlib.sha256((out / CODE).read_bytes()).hexdigest(), source.version)


def write_reproducibly(written: Path, path: Path) -> None:
    """Copies a zip: files in the order of their names, without their times and modes, and without bytecode.

    Everybody may read the files, as Lambda needs it: https://docs.aws.amazon.com/lambda/latest/dg/python-package.html
    """
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(path, "w") as made:
        for name in sorted(source.namelist()):
            if not name.endswith((".pyc", "/")):
                entry = zipfile.ZipInfo(name)  # of 1980, the first time that a zip can name
                entry.external_attr = 0o100644 << 16
                entry.create_system = 3  # Unix, whose modes these are
                made.writestr(entry, source.read(name), zipfile.ZIP_DEFLATED)


def located(template: Mapping[str, Any], code: Code) -> dict[str, Any]:
    """The template with the zip in its bucket: each function names the object and its version."""
    place = {"Bucket": code.bucket, "Key": code.key, "Version": code.version}
    changed = {
        name: {**one, "Properties": {**one["Properties"], "CodeUri": place}} if one["Type"] == FUNCTION else one
        for name, one in template["Resources"].items()
    }
    return {**template, "Resources": changed}


def additions(stage: Stage, version: str) -> dict[str, Any]:
    """The parts to merge into Chalice's template."""
    return {
        "Description": description(stage),
        "Resources": {
            **_functions(stage, version),
            **monitoring.resources(stage, websocket_api={"Ref": WEBSOCKET_API}),
            "SweepInvocations": _sweep_invocations(),
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


def with_roles(stage: Stage, template: Mapping[str, Any]) -> dict[str, Any]:
    """The template with the stage's permissions boundary on each role, and with narrowed policies.

    Those name the stage's partition, region, account and API.
    """
    resources = dict(template["Resources"])
    boundary = {} if stage.permissions_boundary is None else {"PermissionsBoundary": stage.permissions_boundary}
    for function in stage.functions:
        role = resources[chalice.logical_id(function.name)]["Properties"]["Role"]
        if isinstance(role, str):  # of somebody else: iam_role_arn
            continue
        name = role["Fn::GetAtt"][0]
        properties = resources[name]["Properties"]
        [inline] = properties["Policies"]
        inline = {**inline, "PolicyDocument": policies.narrowed(stage, function)}
        resources[name] = {**resources[name], "Properties": {**properties, **boundary, "Policies": [inline]}}
    return {**template, "Resources": resources}


def _functions(stage: Stage, version: str) -> dict[str, Any]:
    """Functions with fixed names, which policies and log groups can refer to, and their log groups.

    A log group is made before its function, which would otherwise make it, without retention.
    """
    merged: dict[str, Any] = {}
    for function in stage.functions:
        logs = chalice.log_group_id(function.name)
        merged[logs] = {"Properties": {"LogGroupName": function.log_group}}
        merged[chalice.logical_id(function.name)] = {
            "DependsOn": [logs],
            "Properties": {
                "FunctionName": function.full_name,
                "Description": f"{function.name} of {stage.full_name}, version {version}",
                "Tags": {VERSION.lower(): version},
                "Environment": {"Variables": {VERSION: version, **_address(stage, function)}},
            },
        }
    merged[SWEEP]["Properties"]["Events"] = {"SweepEvent": {"Properties": {"Name": stage.sweep_rule}}}
    return merged


def _address(stage: Stage, function: Function) -> dict[str, Any]:
    """The API's own URL, unless the stage names another one, such as that of its domain."""
    if function.name != REST or ADDRESS in function.environment:
        return {}
    own = f"wss://${{{WEBSOCKET_API}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}/{stage.api_stage}"
    return {ADDRESS: {"Fn::Sub": own}}


def _sweep_invocations() -> dict[str, Any]:
    """Neither retries nor queues the sweep: the next one begins within a minute, and does the same work.

    Lambda would try twice more, and keep what it could not invoke for six hours.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-lambda-eventinvokeconfig.html
    """
    return {
        "Type": "AWS::Lambda::EventInvokeConfig",
        "Properties": {
            "FunctionName": {"Ref": SWEEP},
            "Qualifier": "$LATEST",
            "MaximumEventAgeInSeconds": 60,
            "MaximumRetryAttempts": 0,
        },
    }


def _rest_api(stage: Stage) -> dict[str, Any]:
    """Gateway responses are put into the API's definition.

    As resources of their own they would take effect with the next deployment, which nothing makes.
    """
    return {
        "Properties": {
            "DefinitionBody": {
                "info": {"title": stage.http_api},
                **gateway_responses.extension(),
            },
            "OpenApiVersion": "2.0",  # else SAM adds a second stage, "Stage", without any of these settings
            "TracingEnabled": stage.tracing,
            "MethodSettings": [gateway_settings.method_settings(stage)],
            "AccessLogSetting": gateway_settings.http_access_logs(_log_group_arn(monitoring.HTTP_LOGS)),
        },
    }


def _websocket_stage(stage: Stage) -> dict[str, Any]:
    return {
        "Properties": {
            "DefaultRouteSettings": gateway_settings.route_settings(stage),
            "AccessLogSettings": gateway_settings.websocket_access_logs(_log_group_arn(monitoring.WEBSOCKET_LOGS)),
        },
    }


def _log_group_arn(logical_id: str) -> dict[str, str]:
    """The ARN without the `:*` that CloudFormation's attribute ends with."""
    return {"Fn::Sub": f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:${{{logical_id}}}"}
