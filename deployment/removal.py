"""Takes away what Chalice made of a stage, in an order that leaves nothing behind. What is not there is no error.

`chalice delete` goes by its record and stops at what is gone already: one that broke off could not be repeated.
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
    """APIs first, so that nobody is answered by half a stage; what is removed is told to `say`."""
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
    """A rule is deleted without its targets alone, and then nothing but its name tells whose it was."""
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
    """A role is deleted without its policies alone."""
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
