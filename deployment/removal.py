"""Removes everything that Chalice created for a stage, in an order that leaves nothing behind; skips missing parts.

`chalice delete` goes by its record and stops at the first missing part, so an interrupted one cannot be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from deployment import discovery
from deployment.aws import Aws, code_of
from deployment.stage import Stage

GONE = frozenset({"NotFoundException", "ResourceNotFoundException", "NoSuchEntity"})


def remove(aws: Aws, stage: Stage, say: Callable[[str], None]) -> None:
    """Removes the APIs first, so that clients do not meet half a stage; passes each removal to `say`."""
    there = discovery.find(aws, stage)
    for api in (*there.websocket, *there.unfinished):
        say(f"WebSocket API {api}")
        _unless_gone(aws.client("apigatewayv2").delete_api, ApiId=api)
    for api in there.rest:
        say(f"REST API {api}")
        _unless_gone(aws.client("apigateway").delete_rest_api, restApiId=api)
    _rule(aws, stage.sweep_rule)
    for function in stage.functions:
        say(f"function {function.full_name}")
        _unless_gone(aws.client("lambda").delete_function, FunctionName=function.full_name)
        _role(aws, function.role)


def _rule(aws: Aws, name: str) -> None:
    """A rule can only be deleted without its targets, and afterwards only its name tells which stage it was of."""
    client = aws.client("events")
    try:
        targets = [one["Id"] for one in client.list_targets_by_rule(Rule=name)["Targets"]]
    except ClientError as error:
        if code_of(error) not in GONE:
            raise
        return
    if targets:
        client.remove_targets(Rule=name, Ids=targets)
    _unless_gone(client.delete_rule, Name=name)


def _role(aws: Aws, name: str) -> None:
    """A role can only be deleted without its policies."""
    client = aws.client("iam")
    try:
        policies = client.list_role_policies(RoleName=name)["PolicyNames"]
    except ClientError as error:
        if code_of(error) not in GONE:
            raise
        return
    for policy in policies:
        _unless_gone(client.delete_role_policy, RoleName=name, PolicyName=policy)
    _unless_gone(client.delete_role, RoleName=name)


def _unless_gone(delete: Callable[..., Any], **which: str) -> None:
    try:
        delete(**which)
    except ClientError as error:
        if code_of(error) not in GONE:
            raise
