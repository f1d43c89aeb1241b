"""Deploys and destroys a stage step by step.

Each step can be repeated, so an interrupted deploy is simply run again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from deployment import chalice, discovery, documents, function_logs, gateway, key, logs, operations, policies, removal
from deployment.aws import Aws, code_of
from deployment.chalice import Apis
from deployment.errors import DeploymentError
from deployment.progress import Progress
from deployment.stacks import Stacks
from deployment.stage import Stage

TWICE: Final = (
    "The stage {stage} exists more than once in this account, as the {kind} APIs {ids}: "
    "delete those that no client uses."
)


def deploy(aws: Aws, stage: Stage, progress: Progress, stacks: Stacks) -> dict[str, str]:
    """Brings the stage up from any state and returns its URLs. Raises DeploymentError."""
    known = recall(aws, stage)
    with progress.step("tables"):
        stacks.apply(tables_stack(stage), tables_template(stage), tables_parameters(stage))
    with progress.step("signing key") as step:
        step.note("created" if key.ensure(aws, stage) else "exists already")
    with progress.step("functions and APIs") as step:
        function_logs.ensure(aws, stage)
        rendered = render(aws, stage, known)
        apis = chalice.deploy(stage, step.detail)
        function_logs.remove_misnamed(aws, stage)
    with progress.step("function policies"):
        narrow(aws, stage, apis, rendered)
    with progress.step("logs, alarms, dashboard"):
        logs.ensure(aws)
        stacks.apply(operations_stack(stage), operations.template(stage), {"WebsocketApiId": apis.websocket})
    with progress.step("responses, throttles, access logs") as step:
        gateway.respond(aws, stage, apis)
        gateway.set_http_stage(aws, stage, apis)
        routes_changed = gateway.set_websocket_stage(aws, stage, apis)
        step.note("WebSocket routes deployed" if routes_changed else "WebSocket routes unchanged")
    return urls(aws, stage, apis)


def destroy(aws: Aws, stage: Stage, progress: Progress, stacks: Stacks) -> None:
    """Removes the stage with its data; parts that are missing are skipped. Raises DeploymentError."""
    with progress.step("alarms, dashboard"):
        stacks.remove(operations_stack(stage))
    with progress.step("functions and APIs") as step:
        removal.remove(aws, stage, step.detail)
        chalice.forget(stage)
    with progress.step("logs"):
        function_logs.remove(aws, stage)
        logs.remove(aws)
    with progress.step("signing key"):
        key.remove(aws, stage)
    with progress.step("tables"):
        if stacks.state(tables_stack(stage)):
            unprotect(aws, stage)
        stacks.remove(tables_stack(stage))


def tables_stack(stage: Stage) -> str:
    return f"{stage.full_name}-tables"


def operations_stack(stage: Stage) -> str:
    return f"{stage.full_name}-operations"


def tables_template(stage: Stage) -> dict[str, Any]:
    """`.chalice/resources.json`, unchanged."""
    return documents.read(stage.folder / "resources.json")


def tables_parameters(stage: Stage) -> dict[str, str]:
    """Parameters of `.chalice/resources.json`: kept tables cannot be deleted, and can be restored to any second."""
    return {"Stage": stage.name, "Kept": str(stage.kept).lower()}


def unprotect(aws: Aws, stage: Stage) -> None:
    """Turns deletion protection off, table by table: a stack whose deletion failed cannot be updated."""
    client = aws.client("dynamodb")
    for table in stage.tables.values():
        try:
            if client.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
                client.update_table(TableName=table, DeletionProtectionEnabled=False)
                client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise


def render(aws: Aws, stage: Stage, apis: Apis | None) -> dict[str, dict[str, Any]]:
    """Writes each function's policy to where Chalice reads it; returns the policies by function."""
    rendered = filled_policies(aws, stage, apis)
    policies.write(stage, rendered)
    return rendered


def filled_policies(aws: Aws, stage: Stage, apis: Apis | None) -> dict[str, dict[str, Any]]:
    """The policies of a stage by function. Without APIs, statements that need their ids are left out."""
    place = aws.place
    filled = {}
    for function in stage.functions:
        known = policies.variables(
            stage,
            function,
            partition=place.partition,
            region=place.region,
            account=place.account,
            websocket_api=None if apis is None else apis.websocket,
        )
        filled[function.name] = policies.fill(policies.template(stage, function), known)
    return filled


def narrow(aws: Aws, stage: Stage, apis: Apis, deployed: Mapping[str, Mapping[str, Any]]) -> None:
    """Puts the id of the WebSocket API, unknown before the first deploy, into the roles' policies."""
    rendered = render(aws, stage, apis)
    for function in stage.functions:
        if rendered[function.name] != deployed[function.name]:
            aws.client("iam").put_role_policy(
                RoleName=function.role,
                PolicyName=function.role,  # Chalice's name for it
                PolicyDocument=json.dumps(rendered[function.name]),
            )


def recall(aws: Aws, stage: Stage) -> Apis | None:
    """Finds the APIs of an earlier deploy, including one from another machine or an interrupted one.

    Chalice would create new ones beside those that its local record lacks. Raises DeploymentError.
    """
    known = chalice.apis(stage)
    if known is not None:
        return known
    there = discovery.find(aws, stage)
    for api in there.unfinished:
        aws.client("apigatewayv2").delete_api(ApiId=api)  # Chalice would not give it a stage any more
    for kind, ids in {"REST": there.rest, "WebSocket": there.websocket}.items():
        if len(ids) > 1:
            raise DeploymentError(TWICE.format(stage=stage.name, kind=kind, ids=", ".join(ids)))
    chalice.remember(stage, rest=next(iter(there.rest), None), websocket=next(iter(there.websocket), None))
    return chalice.apis(stage)


def urls(aws: Aws, stage: Stage, apis: Apis) -> dict[str, str]:
    """The URLs of the stage."""
    suffix = "amazonaws.com.cn" if aws.place.partition == "aws-cn" else "amazonaws.com"
    host = f"execute-api.{aws.place.region}.{suffix}"
    return {
        "http": f"https://{apis.rest}.{host}/{stage.api_stage}",
        "websocket": f"wss://{apis.websocket}.{host}/{stage.api_stage}",
    }
