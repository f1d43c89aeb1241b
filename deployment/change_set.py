"""Change sets of a stack: made, shown as a table, then executed or discarded."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from deployment.aws import code_of
from deployment.errors import DeploymentError
from deployment.progress import Step
from deployment.stacks import LONGEST, PATIENCE, REVIEWED, SECONDS, Operation, Stacks, way_out

CAPABILITIES: Final = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")
"""The template makes roles, and SAM's transform makes resources:

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateChangeSet.html
"""
EMPTY: Final = ("The submitted information didn't contain changes", "No updates are to be performed")
"""AWS's two reasons of an empty set; the second one comes with a transform: https://github.com/aws/aws-cdk/issues/10650"""
OVERTAKEN: Final = frozenset({"ChangeSetNotFound", "InvalidChangeSetStatus"})
"""Codes of a set that another deploy has made obsolete: the execution of one set deletes all others of the stack."""
ADDED, CHANGED, RETAINED, UNSURE, REPLACED, REMOVED = (
    "added",
    "changed",
    "retained",
    "may be replaced",
    "replaced",
    "removed",
)
ORDER: Final = (ADDED, CHANGED, RETAINED, UNSURE, REPLACED, REMOVED)
"""Words of the table; the dangerous ones come last, next to the question."""
COLOURS: Final = {UNSURE: "33", REPLACED: "1;31", REMOVED: "1;31"}
ROUTINE: Final = frozenset(
    {
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGatewayV2::Deployment",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Permission",
    }
)
"""Kinds without data or clients of their own, which changed routes or functions replace: not worth a colour."""


@dataclass(frozen=True)
class Change:
    """A change of one resource, in CloudFormation's words."""

    action: str  # Add, Modify, Remove, Import or Dynamic
    logical_id: str
    kind: str  # such as AWS::Lambda::Function
    replacement: str  # True, False or Conditional; empty unless the action is Modify
    properties: tuple[str, ...]  # changed properties, first those that replace the resource; or Tags, Metadata, …
    policy: str = ""  # what becomes of a removed resource, such as Retain

    @property
    def word(self) -> str:
        """The change as a word of the table."""
        if self.action == "Remove":
            return RETAINED if self.policy == "Retain" else REMOVED
        if self.action == "Dynamic" or self.replacement == "Conditional":
            return UNSURE
        if self.action == "Modify":
            return REPLACED if self.replacement == "True" else CHANGED
        return ADDED


@dataclass(frozen=True)
class Rollback:
    """At most five alarms that roll an update back, by ARN, and for how many minutes after it; 0 is not at all."""

    alarms: tuple[str, ...]
    minutes: int


NO_ROLLBACK: Final = Rollback((), 0)


@dataclass(frozen=True)
class ChangeSet:
    """A change set that waits for its execution; an empty one exists no more."""

    stacks: Stacks
    name: str  # of the stack
    stack: str  # id of the stack
    set_id: str
    creates: bool  # whether the stack is new
    changes: tuple[Change, ...]
    empty: bool
    protect: bool
    minutes: int  # for which alarms are watched after an update
    on: tuple[str, ...] = ()  # alarms that were on before the update and cannot tell what it does

    def execute(self, step: Step) -> None:
        """Raises DeploymentError with CloudFormation's reasons. An empty set changes nothing but the protection."""
        step.note("unchanged" if self.empty else self._run(step))
        if self.protect:
            self.stacks.protect(self.stack)

    def discard(self) -> None:
        """Deletes the set, and the stack if it has never had anything else."""
        if not self.empty:
            _discard(self.stacks, self.stack, self.set_id)

    def _run(self, step: Step) -> str:
        """Returns a summary."""
        newest = self.stacks.newest(self.stack)
        try:
            self.stacks.client.execute_change_set(
                ChangeSetName=self.set_id, StackName=self.stack, ClientRequestToken=_unique()
            )
        except ClientError as error:
            if code_of(error) in OVERTAKEN:
                raise DeploymentError(
                    f"Another deploy of {self.name} came first, and this one has changed nothing of it. "
                    "Run the same command again to see what is left to change."
                ) from error
            self.discard()
            raise
        most = LONGEST + self.minutes * 60 // SECONDS
        operation = self.stacks.watch(self.name, self.stack, newest, step, self._status, most)
        if operation.state not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            raise DeploymentError(self._failed(operation))
        unwatched = f", not watched by {', '.join(self.on)}: on before" if self.on else ""
        left = f", but something is left: {operation.failures}" if operation.failures else ""
        return f"{summary(self.changes)}{unwatched}{left}"

    def _status(self, state: str, finished: int) -> str:
        if "ROLLBACK" in state:
            return "failed, being rolled back"
        if state.startswith("DELETE"):
            return "failed, being deleted again"
        if state.endswith("CLEANUP_IN_PROGRESS"):
            return "removing what was replaced"
        total = len(self.changes)
        text = f"{min(finished, total)} of {total}"
        return f"{text}, watching the alarms" if self.minutes and finished >= total else text

    def _failed(self, operation: Operation) -> str:
        if operation.state == "UPDATE_ROLLBACK_COMPLETE":
            return f"The update of {self.name} failed, and the version before stands: {operation.reasons}."
        if operation.state == "DELETE_COMPLETE" and self.creates:
            return f"The stack {self.name} could not be made, and is deleted again: {operation.reasons}."
        told = f"The stack {self.name} is {operation.state}: {operation.reasons}."
        later = f" Then: {operation.later}." if operation.later else ""
        return f"{told}{later} {way_out(operation.state, self.name)}"


def make(
    stacks: Stacks,
    name: str,
    *,
    template: Mapping[str, Any] | None = None,
    url: str | None = None,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    description: str,
    protect: bool = False,
    rollback: Rollback = NO_ROLLBACK,
    role: str | None = None,
) -> ChangeSet:
    """Makes a change set of the stack `name` and waits for all of its changes.

    The template is given by its URL or, up to 51,200 bytes, by itself.

    `role` is the ARN of the role by which CloudFormation changes the resources, now and from then on; without one it
    uses the stack's role or, if that has none, the caller's rights. `protect` turns on termination protection once it
    is executed. Raises DeploymentError if the stack is stuck or AWS refuses the set, and leaves nothing behind then.
    """
    creates = stacks.refuse_stuck(name) in (None, REVIEWED)
    triggers, on = ((), ()) if creates else _triggers(stacks, rollback)
    minutes = rollback.minutes if triggers else 0
    unique = _unique()
    request: dict[str, Any] = {
        "StackName": name,
        "ChangeSetName": unique,
        "ClientToken": unique,  # botocore may repeat the call
        "ChangeSetType": "CREATE" if creates else "UPDATE",
        "Description": description,
        "Capabilities": list(CAPABILITIES),
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        **({"TemplateURL": url} if url else {"TemplateBody": json.dumps(template)}),
        **({"RoleARN": role} if role else {}),
        **({"OnStackFailure": "DELETE"} if creates else {"RollbackConfiguration": _configuration(triggers, minutes)}),
    }
    try:
        made = stacks.client.create_change_set(**request)
    except ClientError as error:
        if code_of(error) == "ValidationError":
            message = error.response["Error"]["Message"].rstrip(".")
            raise DeploymentError(f"AWS refuses the change set of {name}: {message}.") from error
        raise
    stack, set_id = made["StackId"], made["Id"]
    try:
        pages = _complete(stacks, name, set_id)
    except BaseException:
        _discard(stacks, stack, set_id)
        raise
    reason = pages[0].get("StatusReason", "")
    failed = pages[0]["Status"] == "FAILED"
    empty = failed and not creates and reason.startswith(EMPTY)
    if failed:
        found = "" if empty else _findings(stacks.client, set_id)
        _discard(stacks, stack, set_id)
        if not empty:
            raise DeploymentError(f"AWS refuses the change set of {name}: {(found or reason).rstrip('.')}.")
    return ChangeSet(
        stacks=stacks,
        name=name,
        stack=stack,
        set_id=set_id,
        creates=creates,
        changes=tuple(_change(one["ResourceChange"]) for page in pages for one in page.get("Changes", ())),
        empty=empty,
        protect=protect,
        minutes=minutes,
        on=on,
    )


def table(changes: Iterable[Change], *, coloured: bool) -> Iterator[str]:
    """One line for each resource, aligned, the dangerous ones last, then the summary."""
    every = list(changes)
    tagged = [one for one in every if one.word == CHANGED and one.properties == ("Tags",)]
    rows = sorted((one for one in every if one not in tagged), key=lambda one: (_place(one), one.kind, one.logical_id))
    widths = [max((len(text) for text in column), default=0) for column in zip(*map(_cells, rows), strict=True)]
    if tagged:
        yield f"  {CHANGED}  Tags of {len(tagged)} resource{'' if len(tagged) == 1 else 's'}"
    for row in rows:
        cells = "  ".join(f"{text:{width}}" for text, width in zip(_cells(row), widths, strict=True))
        line = f"  {cells}  {', '.join(row.properties)}".rstrip()
        colour = COLOURS.get(row.word) if row.kind not in ROUTINE else None
        yield f"\x1b[{colour}m{line}\x1b[0m" if coloured and colour else line
    yield f"  {summary(every)}"


def summary(changes: Iterable[Change]) -> str:
    """Such as `3 added, 1 replaced`."""
    counts = Counter(one.word for one in changes)
    return ", ".join(f"{counts[word]} {word}" for word in ORDER if counts[word]) or "no resource changes"


def _unique() -> str:
    return f"deploy-{uuid.uuid4().hex}"


def _triggers(stacks: Stacks, rollback: Rollback) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """ARNs of the alarms that can judge an update, and names of those that are on already.

    A missing alarm fails the whole update. One that is on would undo the update that mends what it tells of:
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-rollback-triggers.html
    """
    if not rollback.minutes or not rollback.alarms:
        return (), ()
    wanted = rollback.alarms
    found = stacks.aws.client("cloudwatch").describe_alarms(AlarmNames=[arn.rpartition(":")[2] for arn in wanted])
    states = {one["AlarmArn"]: one["StateValue"] for one in found["MetricAlarms"]}
    on = tuple(arn.rpartition(":")[2] for arn in wanted if states.get(arn) == "ALARM")
    return tuple(arn for arn in wanted if states.get(arn) in ("OK", "INSUFFICIENT_DATA")), on


def _configuration(triggers: tuple[str, ...], minutes: int) -> dict[str, Any]:
    """CloudFormation keeps the triggers of the last update unless it is given others, if only an empty list.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackConfiguration.html
    """
    return {
        "RollbackTriggers": [{"Arn": arn, "Type": "AWS::CloudWatch::Alarm"} for arn in triggers],
        "MonitoringTimeInMinutes": minutes,
    }


def _complete(stacks: Stacks, name: str, set_id: str) -> list[Mapping[str, Any]]:
    """All pages of the set's description, once it is complete or has failed."""
    for _ in stacks.looks(PATIENCE):
        pages = list(stacks.client.get_paginator("describe_change_set").paginate(ChangeSetName=set_id))
        if pages[0]["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            return pages
    raise DeploymentError(f"AWS did not finish the change set of {name} in time. Run the same command again.")


def _findings(client: Any, set_id: str) -> str:
    """Findings of CloudFormation's own validation of a set, which its reason does not tell; empty if there are none.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html
    """
    try:
        pages = list(
            client.get_paginator("describe_events").paginate(ChangeSetName=set_id, Filters={"FailedEvents": True})
        )
    except ClientError:
        return ""  # a deployer without the right to ask gets AWS's own reason
    found = [
        f"{one['LogicalResourceId']}: {one['ValidationStatusReason'].rstrip('.')}"
        for page in pages
        for one in page["OperationEvents"]
        if one.get("ValidationStatusReason") and one.get("ValidationFailureMode") != "WARN"
    ]
    return "; ".join(dict.fromkeys(found))


def _discard(stacks: Stacks, stack: str, set_id: str) -> None:
    """Deletes the set, or with it the stack that has never had anything else."""
    state = stacks.state(stack)
    if state == REVIEWED:
        stacks.client.delete_stack(StackName=stack)
        stacks.settled(stack)
    elif state is not None:  # the no of another deploy may have deleted the stack
        with contextlib.suppress(stacks.client.exceptions.InvalidChangeSetStatusException):  # it is still being made
            stacks.client.delete_change_set(ChangeSetName=set_id, StackName=stack)


def _change(found: Mapping[str, Any]) -> Change:
    details = [one["Target"] for one in found.get("Details", ()) if "Target" in one]
    details.sort(key=lambda target: target.get("RequiresRecreation", "Never") == "Never")
    return Change(
        action=found["Action"],
        logical_id=found["LogicalResourceId"],
        kind=found["ResourceType"],
        replacement=found.get("Replacement", ""),
        properties=tuple(dict.fromkeys(target.get("Name") or target["Attribute"] for target in details)),
        policy=found.get("PolicyAction", ""),
    )


def _place(change: Change) -> int:
    return ORDER.index(change.word)


def _cells(change: Change) -> tuple[str, str, str]:
    return change.word, change.kind.removeprefix("AWS::"), change.logical_id
