"""Refusals of a deploy: another account or region, and resources of the same name that our stacks did not make.

CloudFormation, Lambda and API Gateway know names only. A stage of the same name may be another team's, or one that
`chalice deploy` made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from botocore.exceptions import ClientError

from deployment.aws import Aws, code_of
from deployment.errors import DeploymentError
from deployment.stage import REST, Stage

STACK_TAG: Final = "aws:cloudformation:stack-name"
"""CloudFormation's tag on each resource that it makes:

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
"""
CHALICE_TAG: Final = "aws-chalice"
"""Chalice's tag on a function, also on one in a stack that it packaged."""
CHALICE: Final = "made by chalice deploy"
CHALICE_DELETE: Final = "chalice delete --stage"
LOG_GROUP: Final = "log group"
LOGS_DELETE: Final = "aws logs delete-log-group --log-group-name"
MISSING: Final = frozenset({"NoSuchEntity", "ResourceNotFoundException"})


class Standing(Protocol):
    """The stacks of the account and region, such as `deployment.stacks.Stacks`."""

    def describe(self, name: str) -> Mapping[str, Any] | None:
        """CloudFormation's description; None if the stack does not exist."""

    def resources(self, name: str) -> frozenset[str]:
        """Physical ids of the stack's resources; none if the stack does not exist."""


@dataclass(frozen=True)
class Foreign:
    """A resource with one of our names that another stack or tool made."""

    kind: str
    name: str
    maker: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.maker}"


def refuse(aws: Aws, stage: Stage, stacks: Standing) -> None:
    """Refuses a stage with which something is in the way of a deploy. Raises DeploymentError, which names all of it."""
    refuse_place(aws, stage)
    refuse_names(aws, stage, stacks)


def refuse_names(aws: Aws, stage: Stage, stacks: Standing) -> None:
    """Refuses whatever has the stage's names and is not part of its stacks. Raises DeploymentError."""
    refuse_stacks(stage, stacks)
    ours = stacks.resources(stage.stack) | stacks.resources(stage.tables_stack)
    found = [*apis(aws, stage, ours), *named(aws, stage, ours)]
    if found:
        raise DeploymentError("\n".join(_told(stage, found)))


def _told(stage: Stage, found: list[Foreign]) -> Iterator[str]:
    yield f"{stage.stack} cannot be deployed: these have its names and are not part of its stacks."
    yield from (f"  {one}" for one in found)
    if any(one.maker == CHALICE for one in found):
        yield f"To remove those of Chalice, where .chalice/deployed/{stage.name}.json is: {CHALICE_DELETE} {stage.name}"
    if lines := [one.name for one in found if one.kind == LOG_GROUP]:
        yield "To remove the log lines that are left of a stage:"
        yield from (f"  {LOGS_DELETE} {name}" for name in lines)
    yield "If another team uses them, choose another app_name or stage."


def refuse_place(aws: Aws, stage: Stage) -> None:
    """Refuses an account or region other than the stage's own. Raises DeploymentError."""
    place = aws.place
    if stage.account is None or stage.region is None:
        raise DeploymentError(
            f"The stage {stage.name} does not say where it stands. These lines in .chalice/operations.json name the "
            f'account and region chosen now:\n  "account": "{place.account}",\n  "region": "{place.region}",'
        )
    if (place.account, place.region) != (stage.account, stage.region):
        raise DeploymentError(
            f"The stage {stage.name} stands in account {stage.account}, {stage.region}, as .chalice/operations.json "
            f"says. Chosen are account {place.account}, {place.region}: change AWS_PROFILE or AWS_DEFAULT_REGION."
        )


def refuse_stacks(stage: Stage, stacks: Standing) -> None:
    """Refuses a stack with one of our names and without all of our tags. Raises DeploymentError.

    Another stage's stack may have the name too: `sessions-dev-tables` is also that of a stage `dev-tables`.
    """
    for name in (stage.stack, stage.tables_stack):
        described = stacks.describe(name)
        lacking = [] if described is None else sorted(stage.tags.items() - _tags(described).items())
        if lacking:
            told = ", ".join(f"{key}={value}" for key, value in lacking)
            raise DeploymentError(
                f"The stack {name} is not this stage's: it lacks the tags {told}. "
                "Choose another app_name or stage, or delete the stack if nothing uses it."
            )


def apis(aws: Aws, stage: Stage, ours: frozenset[str]) -> Iterator[Foreign]:
    """API Gateway takes a name more than once, but metrics of REST APIs are told apart by it alone."""
    rest = aws.client("apigateway")
    for page in rest.get_paginator("get_rest_apis").paginate():
        for api in page["items"]:
            if api["id"] in ours:
                continue
            name = f"{api['id']} ({api['name']})"
            if api["name"] == stage.http_api:
                yield Foreign("REST API", name, _maker(api))
            elif api["name"] == stage.app and _leads_to(rest, api["id"], stage):
                yield Foreign("REST API", name, CHALICE)
    for page in aws.client("apigatewayv2").get_paginator("get_apis").paginate():
        for api in page["Items"]:
            if api["ApiId"] not in ours and api["Name"] == stage.websocket_api:
                yield Foreign("WebSocket API", f"{api['ApiId']} ({api['Name']})", _maker(api))


def _leads_to(client: Any, api: str, stage: Stage) -> bool:
    """Whether the API calls the stage's function. Chalice gives the APIs of all stages the name of the app."""
    function = next(one.full_name for one in stage.functions if one.name == REST)
    return any(
        method.get("methodIntegration", {}).get("uri", "").endswith(f":function:{function}/invocations")
        for page in client.get_paginator("get_resources").paginate(restApiId=api, embed=["methods"])
        for resource in page["items"]
        for method in resource.get("resourceMethods", {}).values()
    )


@dataclass(frozen=True)
class Question:
    """A call for the tags of a resource whose name is unique in the account and region."""

    kind: str
    name: str
    service: str
    operation: str
    arguments: Mapping[str, str]

    def ask(self, aws: Aws) -> Mapping[str, Any] | None:
        """The answer; None if the resource does not exist."""
        try:
            return _whole(aws.client(self.service), self.operation, self.arguments)
        except ClientError as error:
            if code_of(error) not in MISSING:
                raise
            return None


def named(aws: Aws, stage: Stage, ours: frozenset[str]) -> Iterator[Foreign]:
    for one in _questions(aws, stage):
        if one.name not in ours and (answer := one.ask(aws)) is not None:
            yield Foreign(one.kind, one.name, _maker(answer))


def _questions(aws: Aws, stage: Stage) -> Iterator[Question]:
    place = aws.place

    def arn(service: str, which: str) -> str:
        return f"arn:{place.partition}:{service}:{place.region}:{place.account}:{which}"

    for function in stage.functions:
        name = function.full_name
        yield Question("function", name, "lambda", "list_tags", {"Resource": arn("lambda", f"function:{name}")})
        yield Question("role", function.role, "iam", "list_role_tags", {"RoleName": function.role})
    rule = stage.sweep_rule
    yield Question(
        "event rule", rule, "events", "list_tags_for_resource", {"ResourceARN": arn("events", f"rule/{rule}")}
    )
    for name in (*(one.log_group for one in stage.functions), stage.http_log_group, stage.websocket_log_group):
        which = {"resourceArn": arn("logs", f"log-group:{name}")}
        yield Question(LOG_GROUP, name, "logs", "list_tags_for_resource", which)
    # DynamoDB may deny the tags of a table that does not exist
    standing = _whole(aws.client("dynamodb"), "list_tables", {})["TableNames"]
    for name in sorted({*standing}.intersection(stage.tables.values())):
        which = {"ResourceArn": arn("dynamodb", f"table/{name}")}
        yield Question("table", name, "dynamodb", "list_tags_of_resource", which)


def _whole(client: Any, operation: str, arguments: Mapping[str, str]) -> Mapping[str, Any]:
    """The answer to a call, with all of its pages."""
    answer: Mapping[str, Any]
    if client.can_paginate(operation):
        answer = client.get_paginator(operation).paginate(**arguments).build_full_result()
    else:
        answer = getattr(client, operation)(**arguments)
    return answer


def _maker(described: Mapping[str, Any]) -> str:
    tags = _tags(described)
    if STACK_TAG in tags:
        return f"made by the stack {tags[STACK_TAG]}"
    return CHALICE if CHALICE_TAG in tags else "its tags do not say by what it was made"


def _tags(described: Mapping[str, Any]) -> Mapping[str, str]:
    """Tags in any of the three forms that AWS's services have for them."""
    tags = described.get("Tags", described.get("tags", {}))
    return tags if isinstance(tags, Mapping) else {one["Key"]: one["Value"] for one in tags}
