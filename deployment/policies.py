"""The permissions of each function: templates in `.chalice/policy-<function>.json`, rendered for a stage.

A placeholder `${Name}` stands for a value of the stage. A statement with an unknown value, such as the id of the
WebSocket API before the first deploy, is left out: it would have to allow too much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from deployment import documents
from deployment.stage import Function, Stage

PLACEHOLDER: Final = re.compile(r"\$\{([\w:]+)\}")


def template(stage: Stage, function: Function) -> dict[str, Any]:
    """The policy template of a function. Raises DeploymentError."""
    return documents.read(stage.folder / f"policy-{function.name}.json")


def variables(
    stage: Stage, function: Function, *, partition: str, region: str, account: str, websocket_api: str | None
) -> dict[str, str]:
    """Values of the placeholders; those that the stage does not have are missing."""
    known = {
        "AWS::Partition": partition,
        "AWS::Region": region,
        "AWS::AccountId": account,
        "Function": function.full_name,
        "ApiStage": stage.api_stage,
        **{f"{logical}Table": table for logical, table in stage.tables.items()},
    }
    if websocket_api is not None:
        known["WebsocketAPI"] = websocket_api
    kind, _, place = stage.key_reference.partition(":")
    if kind == "ssm":
        named = f"arn:{partition}:ssm:{region}:{account}:parameter/{place.lstrip('/')}"
        known["KeyParameterArn"] = place if place.startswith("arn:") else named
    elif kind == "secretsmanager":
        # Secrets Manager adds six characters to a name:
        # https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html
        named = f"arn:{partition}:secretsmanager:{region}:{account}:secret:{place}-??????"
        known["KeySecretArn"] = place if place.startswith("arn:") else named
    return known


def for_template(stage: Stage, function: Function) -> dict[str, Any]:
    """The policy of a function as part of a CloudFormation template, which fills in the rest."""
    known = variables(
        stage,
        function,
        partition="${AWS::Partition}",
        region="${AWS::Region}",
        account="${AWS::AccountId}",
        websocket_api="${WebsocketAPI}",
    )
    filled = fill(template(stage, function), known)
    statements = [_filled(one, lambda text: {"Fn::Sub": text} if names(text) else text) for one in filled["Statement"]]
    return {**filled, "Statement": statements}


def fill(document: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    """A policy with its placeholders replaced, without the statements whose placeholders are unknown."""
    statements = [one for one in document["Statement"] if names(one["Resource"]) <= known.keys()]
    return {**document, "Statement": [_filled(one, lambda text: _replaced(text, known)) for one in statements]}


def names(value: Any) -> set[str]:
    """Names of the placeholders in a part of a policy."""
    return set(PLACEHOLDER.findall(json.dumps(value)))


def _filled(statement: Mapping[str, Any], replace: Callable[[str], Any]) -> dict[str, Any]:
    return {**statement, "Resource": [replace(resource) for resource in statement["Resource"]]}


def _replaced(text: str, known: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda found: known[found[1]], text)


def write(stage: Stage, filled: Mapping[str, Mapping[str, Any]]) -> None:
    """Writes each function's policy to where Chalice reads it."""
    for function in stage.functions:
        path = stage.folder / function.policy_file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(filled[function.name], indent=2) + "\n", encoding="utf-8")
