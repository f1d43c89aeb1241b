"""The permissions of each function: IAM files in `.chalice/policies/<stage>/`, as `chalice deploy` uses them.

They name actions and tables, and leave partition, region, account and the id of the API open: `*` stands for them, as
in the policies that Chalice itself writes.

https://github.com/aws/chalice/blob/1.34.0/chalice/constants.py
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from deployment import documents
from deployment.stage import Function, Stage

PSEUDO: Final = {1: "${AWS::Partition}", 3: "${AWS::Region}", 4: "${AWS::AccountId}"}
"""CloudFormation's pseudo parameters by their place in `arn:partition:service:region:account:resource`."""
ANY_API: Final = re.compile(r"^\*(?=/[^/]+/[^/]+/@connections/)")
"""The id of an API, before its stage, verb and connections."""
MAKES_LOGS: Final = "logs:CreateLogGroup"


def committed(stage: Stage, function: Function) -> dict[str, Any]:
    """The IAM policy of a function as its file has it. Raises DeploymentError."""
    return documents.read(stage.folder / function.policy_file)


def narrowed(stage: Stage, function: Function) -> dict[str, Any]:
    """The policy of a function for the stage's CloudFormation template. Raises DeploymentError.

    A `*` for partition, region, account or the API of connections becomes the stage's own. The right to make log
    groups is left out: the stack makes them. Everything else stays as it is.
    """
    document = committed(stage, function)
    return {**document, "Statement": [_narrowed(one) for one in every(document["Statement"]) if not _makes_logs(one)]}


def every(value: Any) -> list[Any]:
    """A list; IAM takes a single value in its place."""
    return value if isinstance(value, list) else [value]


def _makes_logs(statement: Mapping[str, Any]) -> bool:
    return every(statement.get("Action")) == [MAKES_LOGS]


def _narrowed(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A Deny stays wide: narrowed, it would deny less."""
    if statement["Effect"] == "Deny" or "Resource" not in statement:
        return {**statement}
    return {**statement, "Resource": [_narrow(one) for one in every(statement["Resource"])]}


def _narrow(resource: str) -> str | dict[str, str]:
    """A resource with `${AWS::…}` in place of `*`; IAM's own variables, such as `${aws:username}`, are kept from Sub.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference-sub.html
    """
    fields = resource.replace("${", "${!").split(":", 5)
    if len(fields) < 6:
        return resource
    narrow = [PSEUDO.get(place, field) if field == "*" else field for place, field in enumerate(fields)]
    if fields[2] == "execute-api":
        narrow[5] = ANY_API.sub("${WebsocketAPI}", fields[5])
    return resource if narrow == fields else {"Fn::Sub": ":".join(narrow)}
