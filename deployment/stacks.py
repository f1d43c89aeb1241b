"""Creates, updates and deletes CloudFormation stacks, and waits for each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError, WaiterError

from deployment.aws import Aws
from deployment.errors import DeploymentError

SECONDS: Final = 5
"""Seconds between two looks at a stack."""
LOOKS: Final = 120  # ten minutes
LARGEST: Final = 51_200
"""Largest template, in bytes, that can be sent with the call:

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
UNFINISHED: Final = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS"})
"""States of a stack that was never completed: it can only be deleted."""
STUCK: Final = {
    "DELETE_FAILED": "Its deletion failed: {reasons}. Destroy the stage completely, then deploy it again.",
    "UPDATE_ROLLBACK_FAILED": "An update failed, and its rollback as well: {reasons}. Fix that, then continue the "
    "rollback: aws cloudformation continue-update-rollback --stack-name {name}",
}
"""States that a person has to end, with instructions."""
BEGUN: Final = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"})
"""Status of the stack in the first event of an operation; a rollback begins with another."""


def body(template: Mapping[str, Any]) -> str:
    """The template as CloudFormation takes it; more than `LARGEST` bytes needs a bucket."""
    return json.dumps(template, separators=(",", ":"))


class Stacks:
    """The stacks of one account and region; `seconds` is the time between two looks."""

    def __init__(self, aws: Aws, seconds: float = SECONDS) -> None:
        self._client = aws.client("cloudformation")
        self._wait: dict[str, Any] = {"Delay": seconds, "MaxAttempts": int(LOOKS * SECONDS / seconds)}

    def apply(self, name: str, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        """Creates or updates the stack. Raises DeploymentError."""
        request = {
            "StackName": name,
            "TemplateBody": body(template),
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        }
        state = self._settled(name)
        if state in STUCK:
            told = STUCK[state].format(name=name, reasons=self._reasons(name))
            raise DeploymentError(f"The stack {name} cannot be changed. {told}")
        if state in UNFINISHED:
            self.remove(name)
            state = None
        if state is None:
            self._client.create_stack(**request)
            self._until("stack_create_complete", name)
            return
        try:
            self._client.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return
            raise
        self._until("stack_update_complete", name)

    def remove(self, name: str) -> None:
        """Deletes a stack with everything in it; does nothing if it does not exist. Raises DeploymentError."""
        if self._settled(name) is None:
            return
        self._client.delete_stack(StackName=name)
        self._until("stack_delete_complete", name)

    def state(self, name: str) -> str | None:
        """CloudFormation's status of a stack; None if it does not exist."""
        try:
            stacks = self._client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        state: str = stacks[0]["StackStatus"]
        return None if state == "DELETE_COMPLETE" else state

    def _settled(self, name: str) -> str | None:
        """Waits until no operation runs on the stack and returns its state.

        An operation outlives an interrupted deploy.
        """
        for _ in range(self._wait["MaxAttempts"]):
            state = self.state(name)
            if state is None or state in UNFINISHED or not state.endswith("_IN_PROGRESS"):
                return state
            time.sleep(self._wait["Delay"])
        raise DeploymentError(f"The stack {name} is still {state}: another operation is changing it. Try again later.")

    def _until(self, waiter: str, name: str) -> None:
        try:
            self._client.get_waiter(waiter).wait(StackName=name, WaiterConfig=self._wait)
        except WaiterError as error:
            raise DeploymentError(f"The stack {name} failed: {self._reasons(name)}.") from error

    def _reasons(self, name: str) -> str:
        """Reasons from the last operation only. The events include all earlier operations, latest first."""
        failed = [one for one in self._last(name) if one["ResourceStatus"].endswith("FAILED")]
        told = [
            f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', 'no reason is given').rstrip('.')}"
            for one in failed
        ]
        return "; ".join(reversed(told)) or "CloudFormation gives no reason"

    def _last(self, name: str) -> Iterator[Mapping[str, Any]]:
        for one in self._client.describe_stack_events(StackName=name)["StackEvents"]:
            yield one
            if one["LogicalResourceId"] == name and one["ResourceStatus"] in BEGUN:
                return
