"""CloudFormation stacks: their states, what gets one out of a stuck state, the events of an operation, and removal."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from deployment.aws import Aws
from deployment.errors import DeploymentError
from deployment.progress import Step

Event = Mapping[str, Any]
"""As in https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_StackEvent.html"""

SECONDS: Final = 5
"""Seconds between two looks at a stack, as in AWS's own tools: DescribeStacks has a quota for the whole account."""
PATIENCE: Final = 120
"""Looks at the operation of somebody else: ten minutes."""
LONGEST: Final = 720
"""Looks at an operation of ours: an hour, as long as botocore's waiters."""
SURE: Final = 3
"""Looks at the same state that tell an end without an event of it. Right after a call, a stack's description may still
have the state before: https://github.com/aws/aws-cdk-cli/pull/1848
"""
REVIEWED: Final = "REVIEW_IN_PROGRESS"
"""State of a stack that has a first change set and nothing else."""
STANDING: Final = frozenset(
    {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
)
"""States from which a stack can be updated."""
NEVER_STOOD: Final = (
    "It was never complete and can only be deleted: aws cloudformation delete-stack --stack-name {name}"
)
STUCK: Final = {
    "CREATE_FAILED": NEVER_STOOD,
    "ROLLBACK_COMPLETE": NEVER_STOOD,
    "ROLLBACK_FAILED": NEVER_STOOD,
    "DELETE_FAILED": "Its deletion failed. Fix that, then delete it again: "
    "aws cloudformation delete-stack --stack-name {name}",
    "UPDATE_FAILED": "An update failed and was not rolled back. Roll it back: "
    "aws cloudformation rollback-stack --stack-name {name}",
    "UPDATE_ROLLBACK_FAILED": "An update failed, and its rollback as well. Fix that, then continue the rollback: "
    "aws cloudformation continue-update-rollback --stack-name {name}",
    "IMPORT_ROLLBACK_FAILED": "An import failed, and its rollback as well. Ask AWS Support: "
    "CloudFormation documents no way out but to delete the stack.",
}
"""States that a person has to end, with instructions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_RollbackStack.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ContinueUpdateRollback.html
"""
BEGUN: Final = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS"})
"""Status of the stack in the first event of an operation; a rollback begins with another."""
CANCELLED: Final = re.compile(r"Resource \w+ cancelled")
"""Reason of a resource that CloudFormation gave up because another one failed."""
TOLD: Final = 5
"""Reasons in one message."""


@dataclass(frozen=True)
class Operation:
    """An operation on a stack that has ended: the state it left and its events, oldest first."""

    state: str
    events: tuple[Event, ...]

    @property
    def reasons(self) -> str:
        """The first failures: those before CloudFormation began to undo the operation."""
        return _told(self._before) or _own(self.events) or "CloudFormation gives no reason"

    @property
    def later(self) -> str:
        """Failures while CloudFormation undid the operation; empty if there were none."""
        return _told(self.events[len(self._before) :])

    @property
    def failures(self) -> str:
        """All failures; empty if there were none."""
        return _told(self.events)

    @property
    def _before(self) -> tuple[Event, ...]:
        undone = (place for place, one in enumerate(self.events) if place and is_own(one) and _undoes(one))
        return self.events[: next(undone, len(self.events))]


class Stacks:
    """The stacks of one account and region; `seconds` is the time between two looks."""

    def __init__(self, aws: Aws, seconds: float = SECONDS) -> None:
        self.aws = aws
        self.client = aws.client("cloudformation")
        self.seconds = seconds

    def describe(self, name: str) -> Mapping[str, Any] | None:
        """CloudFormation's description of a stack; None if it does not exist. Finds a deleted one by its id only."""
        try:
            stacks = self.client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        found: Mapping[str, Any] = stacks[0]
        return found

    def state(self, name: str) -> str | None:
        """CloudFormation's status of a stack; None if it does not exist."""
        found = self.describe(name)
        return None if found is None or found["StackStatus"] == "DELETE_COMPLETE" else str(found["StackStatus"])

    def settled(self, name: str) -> str | None:
        """Waits until no operation runs on the stack, an interrupted deploy's included; returns its state.

        Raises DeploymentError after ten minutes.
        """
        state = None
        for _ in self.looks(PATIENCE):
            state = self.state(name)
            if state is None or not is_busy(state):
                return state
        raise DeploymentError(f"The stack {name} is still {state}: another operation is changing it. Try again later.")

    def refuse_stuck(self, name: str) -> str | None:
        """Waits until no operation runs on the stack and returns its state.

        Raises DeploymentError if a person has to mend the stack, with what gets it out of its state.
        """
        state = self.settled(name)
        if state is None or state == REVIEWED or state in STANDING:
            return state
        operation = Operation(state, tuple(reversed(list(self._last(name)))))
        raise DeploymentError(
            f"The stack {name} is {state}: {operation.later or operation.reasons}. {way_out(state, name)}"
        )

    def outputs(self, name: str) -> Mapping[str, str]:
        """Values of the stack's outputs by name; none if it does not exist."""
        described = self.describe(name) or {}
        return {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", ())}

    def resources(self, name: str) -> frozenset[str]:
        """Physical ids of the stack's resources; none if it does not exist."""
        if self.state(name) in (None, REVIEWED):
            return frozenset()
        pages = self.client.get_paginator("list_stack_resources").paginate(StackName=name)
        return frozenset(
            one["PhysicalResourceId"]
            for page in pages
            for one in page["StackResourceSummaries"]
            if one.get("PhysicalResourceId") and one["ResourceStatus"] != "DELETE_COMPLETE"
        )

    def remove(self, name: str, step: Step) -> None:
        """Deletes a stack, a protected one as well; does nothing if it does not exist. Raises DeploymentError."""
        self.settled(name)
        described = self.describe(name)
        if described is None:
            return
        stack = described["StackId"]
        if described.get("EnableTerminationProtection"):
            self.client.update_termination_protection(StackName=stack, EnableTerminationProtection=False)
        newest = self.newest(stack)
        self.client.delete_stack(StackName=stack)
        operation = self.watch(name, stack, newest, step, lambda _, finished: f"{finished} resources removed")
        if operation.state != "DELETE_COMPLETE":
            raise DeploymentError(
                f"The stack {name} is {operation.state}: {operation.reasons}. {way_out(operation.state, name)}"
            )

    def protect(self, stack: str) -> None:
        """Turns on termination protection: the stack can be deleted only after somebody has turned it off."""
        self.client.update_termination_protection(StackName=stack, EnableTerminationProtection=True)

    def looks(self, most: int) -> Iterator[int]:
        """Numbers the looks at a stack, with a pause between two."""
        for number in range(most):
            if number:
                time.sleep(self.seconds)
            yield number

    def newest(self, stack: str) -> str | None:
        """Id of the stack's newest event; the events of an operation that is then begun come after it."""
        return next((str(one["EventId"]) for one in self._events(stack)), None)

    def watch(
        self,
        name: str,
        stack: str,
        newest: str | None,
        step: Step,
        status: Callable[[str, int], str],
        most: int = LONGEST,
    ) -> Operation:
        """Follows an operation on the stack of the id `stack` until it ends; its events come after `newest`.

        `status` makes words of the stack's state and the number of finished resources. Raises DeploymentError if the
        operation lasts too long.
        """
        seen: list[Event] = []
        state, steady = "", 0
        for _ in self.looks(most):
            before, state = state, str((self.describe(stack) or {"StackStatus": "DELETE_COMPLETE"})["StackStatus"])
            steady = steady + 1 if state == before else 1
            fresh = self._since(stack, str(seen[-1]["EventId"]) if seen else newest)
            seen += fresh
            for event in filter(_is_finished, fresh):
                step.detail(_line(event))
            finished = {one["LogicalResourceId"] for one in seen if one["ResourceStatus"].endswith("_COMPLETE")}
            step.status(status(state, len(finished - {name})))
            if state != REVIEWED and not is_busy(state) and (steady == SURE or _tells(seen, state)):
                return Operation(state, tuple(self._since(stack, newest)))  # with events that were late
        raise DeploymentError(
            f"The stack {name} is still {state}. The operation goes on without this command: "
            "run the same command again, it waits for the end."
        )

    def _since(self, stack: str, last: str | None) -> list[Event]:
        """The events after the one with the id `last`, oldest first."""
        fresh: list[Event] = []
        for one in self._events(stack):
            if one["EventId"] == last:
                break
            fresh.append(one)
        return fresh[::-1]

    def _last(self, name: str) -> Iterator[Event]:
        """The events of the last operation, newest first."""
        for one in self._events(name):
            yield one
            if is_own(one) and one["ResourceStatus"] in BEGUN:
                return

    def _events(self, stack: str) -> Iterator[Event]:
        """All events of the stack, newest first; asks for a page when it is needed."""
        for page in self.client.get_paginator("describe_stack_events").paginate(StackName=stack):
            yield from page["StackEvents"]


def is_busy(state: str) -> bool:
    """Whether CloudFormation is at work on a stack in this state."""
    return state.endswith("_IN_PROGRESS") and state != REVIEWED


def is_own(event: Event) -> bool:
    """Whether an event is about the stack itself, not about a resource of it."""
    return bool(
        event["ResourceType"] == "AWS::CloudFormation::Stack" and event["PhysicalResourceId"] == event["StackId"]
    )


def way_out(state: str, name: str) -> str:
    """Sentence that says what gets a stack out of a state."""
    return STUCK.get(state, "See its events: aws cloudformation describe-stack-events --stack-name {name}").format(
        name=name
    )


def _undoes(event: Event) -> bool:
    """Whether CloudFormation begins to undo the operation, which is not the first event of its own."""
    status = event["ResourceStatus"]
    return bool(status.endswith("ROLLBACK_IN_PROGRESS") or status == "DELETE_IN_PROGRESS")


def _tells(events: Sequence[Event], state: str) -> bool:
    """Whether an event of the stack itself says that an operation ended in this state.

    CREATE_FAILED does not end it where a deletion follows, as it does with `OnStackFailure`.
    """
    return state != "CREATE_FAILED" and any(is_own(one) and one["ResourceStatus"] == state for one in events)


def _is_finished(event: Event) -> bool:
    return not is_own(event) and not event["ResourceStatus"].endswith("_IN_PROGRESS")


def _line(event: Event) -> str:
    reason = event.get("ResourceStatusReason", "") if event["ResourceStatus"].endswith("_FAILED") else ""
    line = f"{event['ResourceStatus']:<16} {event['ResourceType']:<34} {event['LogicalResourceId']}"
    return f"{line}: {reason}" if reason else line


def _told(events: Sequence[Event]) -> str:
    """Reasons of the resources that failed, except those that were cancelled for another's failure."""
    failed = [
        f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', 'no reason is given').rstrip('.')}"
        for one in events
        if one["ResourceStatus"].endswith("_FAILED")
        and not is_own(one)
        and not CANCELLED.match(one.get("ResourceStatusReason", ""))
    ]
    distinct = list(dict.fromkeys(failed))
    more = [f"and {len(distinct) - TOLD} more"] if len(distinct) > TOLD else []
    return "; ".join(distinct[:TOLD] + more)


def _own(events: Sequence[Event]) -> str:
    """CloudFormation's first reason for the stack itself, such as the alarm that rolled an update back."""
    told = (
        one["ResourceStatusReason"].rstrip(".")
        for one in events
        if is_own(one)
        and one.get("ResourceStatusReason")
        and (one["ResourceStatus"].endswith("_FAILED") or _undoes(one))
    )
    return next((one for one in told if one != "User Initiated"), "")
