"""Completes moto's server (5.2.5) with the calls that a deploy needs. Everything beyond moto is in this file.

    ImportRestApi, PutRestApi            only OpenAPI 3: made call by call instead
    UpdateRestApi, GetRestApi(s)         forget minimumCompressionSize and binary types
    REST CreateDeployment                resets the settings of its stage, which AWS keeps, and ignores tracing
    v2 CreateDeployment, GetDeployments,
       DeleteDeployment                  404: kept here
    v2 UpdateStage                       500: kept here, and in the answer of GetStage
    stacks with tables                   without TTL and point-in-time recovery; updates are ignored, and
                                         tables with pending updates outlive their stack
    stacks with alarms, composite
       alarms, metric filters            complete without creating them: created by their own calls
    log groups of stacks                 may outlive their stack; updates of their retention are ignored
    AttachRolePolicy of AWS's policies,
       DetachRolePolicy                  no such policy, unless all are loaded, which takes a second: kept here

botocore emits events before and after each call of a session, so the code under test runs unchanged.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.session import Session

from tests.emulators.ministack import rest_api

Parameters = Mapping[str, Any]
Answer = dict[str, Any]
GIVEN = "given"  # key in botocore's context of a call: its parameters before they are serialized
BINARY = "x-amazon-apigateway-binary-media-types"


@dataclass
class Status:
    """The attributes that botocore reads from an HTTP answer."""

    status_code: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Completed:
    """An account at moto's server, completed for deploys. Call `complete` on each session that goes there."""

    def __init__(self, session: Session) -> None:
        """`session` makes this class's own calls, and is left unchanged."""
        self._session = session
        self._clients: dict[str, Any] = {}
        self._ids = (f"d{number:05}" for number in itertools.count(1))
        self._attached: dict[str, list[str]] = {}
        self._imported: dict[str, dict[str, Any]] = {}
        self._rest_apis: dict[str, dict[str, Any]] = {}
        self._deployments: dict[str, list[dict[str, Any]]] = {}
        self._stages: dict[tuple[str, str], dict[str, Any]] = {}
        self._stacks: dict[str, list[Callable[[], object]]] = {}

    def complete(self, session: Session) -> None:
        """From now on the session's clients get the missing operations from here."""
        instead: dict[str, Callable[[Parameters], Answer]] = {
            "iam.AttachRolePolicy": self._attach,
            "iam.DetachRolePolicy": self._detach,
            "iam.ListAttachedRolePolicies": self._attached_to,
            "apigateway.ImportRestApi": self._import_rest_api,
            "apigateway.PutRestApi": self._put_rest_api,
            "apigateway.CreateDeployment": self._create_rest_deployment,
            "apigatewayv2.CreateDeployment": self._create_deployment,
            "apigatewayv2.GetDeployments": self._get_deployments,
            "apigatewayv2.DeleteDeployment": self._delete_deployment,
            "apigatewayv2.UpdateStage": self._update_stage,
        }
        afterwards: dict[str, Callable[[Parameters, Answer], None]] = {
            "iam.DeleteRole": self._role_deleted,
            "apigateway.UpdateRestApi": self._rest_api_updated,
            "apigateway.GetRestApi": self._rest_api_told,
            "apigateway.GetRestApis": self._rest_apis_told,
            "apigatewayv2.CreateStage": self._stage_created,
            "apigatewayv2.GetStage": self._stage_told,
            "apigatewayv2.GetStages": self._stages_told,
            "cloudformation.CreateStack": self._stack_made,
            "cloudformation.UpdateStack": self._stack_made,
            "cloudformation.DeleteStack": self._stack_deleted,
        }
        session.register("before-parameter-build", _remember)
        session.register("before-call", _answering(instead))  # not by operation: earlier registrations answer first
        for name, follow in afterwards.items():
            session.register(f"after-call.{name}", _following(follow))

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.create_client(service)
        return self._clients[service]

    # --- roles

    def _attach(self, given: Parameters) -> Answer:
        assert given["PolicyArn"].startswith("arn:aws:iam::aws:policy/"), given
        self._client("iam").get_role(RoleName=given["RoleName"])
        listed = self._attached.setdefault(given["RoleName"], [])
        if given["PolicyArn"] not in listed:
            listed.append(given["PolicyArn"])
        return {}

    def _detach(self, given: Parameters) -> Answer:
        self._attached[given["RoleName"]].remove(given["PolicyArn"])
        return {}

    def _attached_to(self, given: Parameters) -> Answer:
        self._client("iam").get_role(RoleName=given["RoleName"])
        listed = self._attached.get(given["RoleName"], [])
        attached = [{"PolicyArn": arn, "PolicyName": arn.rpartition("/")[2]} for arn in listed]
        return {"AttachedPolicies": attached, "IsTruncated": False}

    def _role_deleted(self, given: Parameters, answer: Answer) -> None:
        assert not self._attached.get(given["RoleName"]), "AWS deletes no role with policies"

    # --- the REST API

    def _import_rest_api(self, given: Parameters) -> Answer:
        document, kind = json.loads(given["body"]), given["parameters"]["endpointConfigurationTypes"]
        client = self._client("apigateway")
        api = rest_api.create(client, document, kind)
        self._imported[api] = document
        self._rest_apis[api] = {"binaryMediaTypes": document[BINARY]}
        answer: Answer = client.get_rest_api(restApiId=api)
        return answer

    def _put_rest_api(self, given: Parameters) -> Answer:
        assert given["mode"] == "overwrite"
        client, api, document = self._client("apigateway"), given["restApiId"], json.loads(given["body"])
        if document == self._imported[api]:
            rest_api.clear_responses(client, api)  # importing the same again would take a hundred calls
        else:
            rest_api.clear(client, api)
            rest_api.fill(client, api, document)
            self._imported[api] = document
            self._rest_apis[api]["binaryMediaTypes"] = document[BINARY]
        answer: Answer = client.get_rest_api(restApiId=api)
        return answer

    def _rest_api_updated(self, given: Parameters, answer: Answer) -> None:
        for patch in given["patchOperations"]:
            if patch["path"] == "/minimumCompressionSize":
                self._rest_apis[given["restApiId"]]["minimumCompressionSize"] = int(patch["value"])

    def _rest_api_told(self, given: Parameters, answer: Answer) -> None:
        answer.update(self._rest_apis[answer["id"]])

    def _rest_apis_told(self, given: Parameters, answer: Answer) -> None:
        for api in answer["items"]:
            self._rest_api_told(given, api)

    def _create_rest_deployment(self, given: Parameters) -> Answer:
        client, at = self._client("apigateway"), {"restApiId": given["restApiId"], "stageName": given["stageName"]}
        stages = client.get_stages(restApiId=given["restApiId"])["item"]
        before = next((one for one in stages if one["stageName"] == given["stageName"]), None)
        answer: Answer = client.create_deployment(**given)
        settings = {} if before is None else before
        patches = _patches({**settings, **{key: given[key] for key in ("tracingEnabled",) if key in given}})
        if patches:
            client.update_stage(**at, patchOperations=patches)
        return answer

    # --- the WebSocket API

    def _create_deployment(self, given: Parameters) -> Answer:
        made = {"DeploymentId": next(self._ids), "DeploymentStatus": "DEPLOYED"}
        if "Description" in given:
            made["Description"] = given["Description"]
        self._deployments.setdefault(given["ApiId"], []).append(made)
        return dict(made)

    def _get_deployments(self, given: Parameters) -> Answer:
        return {"Items": copy.deepcopy(self._deployments.get(given["ApiId"], []))}

    def _delete_deployment(self, given: Parameters) -> Answer:
        kept = self._deployments[given["ApiId"]]
        kept[:] = [one for one in kept if one["DeploymentId"] != given["DeploymentId"]]
        return {}

    def _update_stage(self, given: Parameters) -> Answer:
        deployments = {one["DeploymentId"] for one in self._deployments[given["ApiId"]]}
        assert given.get("DeploymentId", next(iter(deployments))) in deployments, "there is no such deployment"
        changed = {key: value for key, value in given.items() if key not in ("ApiId", "StageName")}
        self._stages.setdefault((given["ApiId"], given["StageName"]), {}).update(copy.deepcopy(changed))
        return changed

    def _stage_created(self, given: Parameters, answer: Answer) -> None:
        self._stages[given["ApiId"], given["StageName"]] = {"DeploymentId": given["DeploymentId"]}

    def _stage_told(self, given: Parameters, answer: Answer) -> None:
        answer.update(copy.deepcopy(self._stages[given["ApiId"], answer["StageName"]]))

    def _stages_told(self, given: Parameters, answer: Answer) -> None:
        for stage in answer["Items"]:
            self._stage_told(given, stage)

    # --- CloudFormation

    def _stack_made(self, given: Parameters, answer: Answer) -> None:
        template = json.loads(given["TemplateBody"])
        account = answer["StackId"].split(":")[4]
        values = _Values(template, given["Parameters"], answer["StackId"].split(":")[3], account)
        undo: list[Callable[[], object]] = []
        for resource in template["Resources"].values():
            kinds: dict[str, Callable[[Parameters], Callable[[], object]]] = {
                "AWS::DynamoDB::Table": self._table,
                "AWS::Logs::LogGroup": self._log_group,
                "AWS::CloudWatch::Alarm": self._alarm,
                "AWS::CloudWatch::CompositeAlarm": self._composite_alarm,
                "AWS::Logs::MetricFilter": self._metric_filter,
            }
            if resource["Type"] in kinds:
                undo.append(kinds[resource["Type"]](values.of(resource.get("Properties", {}))))
        self._stacks[given["StackName"]] = undo

    def _stack_deleted(self, given: Parameters, answer: Answer) -> None:
        for undo in reversed(self._stacks.pop(given["StackName"], [])):
            undo()

    def _table(self, said: Parameters) -> Callable[[], object]:
        client, name = self._client("dynamodb"), said["TableName"]
        ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["TimeToLiveStatus"]
        if ttl == "DISABLED" and "TimeToLiveSpecification" in said:
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=said["TimeToLiveSpecification"])
        restored = _truth(said.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled", False))
        client.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": restored}
        )
        kept = _truth(said.get("DeletionProtectionEnabled", False))
        client.update_table(TableName=name, DeletionProtectionEnabled=kept)

        def undo() -> None:
            with contextlib.suppress(client.exceptions.ResourceNotFoundException):
                client.delete_table(TableName=name)  # refused while protected, as on AWS

        return undo

    def _log_group(self, said: Parameters) -> Callable[[], object]:
        client, name = self._client("logs"), said["LogGroupName"]
        client.put_retention_policy(logGroupName=name, retentionInDays=said["RetentionInDays"])

        def undo() -> None:
            with contextlib.suppress(client.exceptions.ResourceNotFoundException):  # it may be gone with its stack
                client.delete_log_group(logGroupName=name)

        return undo

    def _alarm(self, said: Parameters) -> Callable[[], object]:
        client = self._client("cloudwatch")
        client.put_metric_alarm(**{key: _typed(client, "PutMetricAlarm", key, value) for key, value in said.items()})
        return lambda: client.delete_alarms(AlarmNames=[said["AlarmName"]])

    def _composite_alarm(self, said: Parameters) -> Callable[[], object]:
        client = self._client("cloudwatch")
        client.put_composite_alarm(**said)
        return lambda: client.delete_alarms(AlarmNames=[said["AlarmName"]])

    def _metric_filter(self, said: Parameters) -> Callable[[], object]:
        client = self._client("logs")
        at = {"logGroupName": said["LogGroupName"], "filterName": said["FilterName"]}
        transformations = [
            {key[0].lower() + key[1:]: value for key, value in one.items()} for one in said["MetricTransformations"]
        ]
        client.put_metric_filter(**at, filterPattern=said["FilterPattern"], metricTransformations=transformations)
        return lambda: client.delete_metric_filter(**at)


class _Values:
    """Evaluates the intrinsic functions that our templates use."""

    def __init__(self, template: Parameters, given: list[dict[str, str]], region: str, account: str) -> None:
        defaults = {key: one.get("Default") for key, one in template.get("Parameters", {}).items()}
        self._known = {
            "AWS::Region": region,
            "AWS::AccountId": account,
            "AWS::Partition": "aws",
            **defaults,
            **{one["ParameterKey"]: one["ParameterValue"] for one in given},
        }
        self._resources: Parameters = template["Resources"]
        self._mappings: Parameters = template.get("Mappings", {})

    def of(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.of(one) for one in value]
        if not isinstance(value, dict):
            return value
        match value:
            case {"Ref": name}:
                return self._reference(name)
            case {"Fn::Sub": text}:
                return re.sub(r"\$\{([\w:.]+)\}", lambda found: str(self._reference(found[1])), text)
            case {"Fn::Join": [between, parts]}:
                return between.join(self.of(parts))
            case {"Fn::FindInMap": [section, entry, key]}:
                return self._mappings[section][entry][key]
        assert not any(key.startswith("Fn::") for key in value), f"moto_lacks.py does not know {value}"
        return {key: self.of(one) for key, one in value.items()}

    def _reference(self, name: str) -> Any:
        if name in self._known:
            return self._known[name]
        properties = self._resources[name]["Properties"]
        physical = next(key for key in properties if key in ("LogGroupName", "AlarmName", "TableName"))
        return self.of(properties[physical])


def _remember(**event: Any) -> None:
    event["context"][GIVEN] = event["params"]


def _answering(instead: Mapping[str, Callable[[Parameters], Answer]]) -> Callable[..., Any]:
    def answered(**event: Any) -> tuple[Status, Answer] | None:
        answer = instead.get(operation(event["model"]))
        if answer is None:
            return None
        return Status(), {**answer(event["context"][GIVEN]), "ResponseMetadata": {"HTTPStatusCode": 200}}

    return answered


def operation(model: Any) -> str:
    """The name of a call, such as `iam.CreateRole`."""
    return f"{model.service_model.service_name}.{model.name}"


def _following(follow: Callable[[Parameters, Answer], None]) -> Callable[..., None]:
    def followed(**event: Any) -> None:
        if event["http_response"].status_code < 300:
            follow(event["context"][GIVEN], event["parsed"])

    return followed


def _patches(stage: Parameters) -> list[dict[str, str]]:
    """Patches that restore a REST stage whose settings moto has reset."""
    found = {}
    for place, settings in stage.get("methodSettings", {}).items():
        for name, path in METHOD_PATHS.items():
            if name in settings:
                found[f"/{place}/{path}"] = _text(settings[name])
    if "tracingEnabled" in stage:
        found["/tracingEnabled"] = _text(stage["tracingEnabled"])
    logs = stage.get("accessLogSettings", {})
    found.update({f"/accessLogSettings/{name}": value for name, value in logs.items()})
    return [{"op": "replace", "path": path, "value": value} for path, value in found.items()]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


METHOD_PATHS = {
    "throttlingRateLimit": "throttling/rateLimit",
    "throttlingBurstLimit": "throttling/burstLimit",
    "metricsEnabled": "metrics/enabled",
    "loggingLevel": "logging/loglevel",
    "dataTraceEnabled": "logging/dataTrace",
}


def _typed(client: Any, operation: str, key: str, value: Any) -> Any:
    """Numbers of a template may be texts."""
    kinds: dict[str, Callable[[Any], Any]] = {"integer": int, "double": float, "boolean": _truth}
    kind = client.meta.service_model.operation_model(operation).input_shape.members[key].type_name
    return kinds[kind](value) if kind in kinds else value


def _truth(value: object) -> bool:
    return value in (True, "true")
