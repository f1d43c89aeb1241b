"""CloudFormation stacks: made, changed, removed, each waited for. Knows nothing of what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError, WaiterError

from deployment.aws import Aws
from deployment.errors import DeploymentError

SECONDS: Final = 5
"""Between one look at a stack and the next."""
LOOKS: Final = 120  # ten minutes
LARGEST: Final = 51_200
"""Bytes of a template that comes with the call:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
UNFINISHED: Final = frozenset({"ROLLBACK_COMPLETE", "CREATE_FAILED", "REVIEW_IN_PROGRESS"})
"""States from which a stack can only be removed."""


def body(template: Mapping[str, Any]) -> str:
    """As CloudFormation takes it; more than `LARGEST` bytes only from a bucket."""
    return json.dumps(template, separators=(",", ":"))


class Stacks:
    """The stacks of one account and region; `seconds` is how long to wait between looks."""

    def __init__(self, aws: Aws, seconds: float = SECONDS) -> None:
        self._client = aws.client("cloudformation")
        self._wait = {"Delay": seconds, "MaxAttempts": int(LOOKS * SECONDS / seconds)}

    def apply(self, name: str, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        """Make the stack what the template says, whether it is there or not. Raises DeploymentError."""
        request = {
            "StackName": name,
            "TemplateBody": body(template),
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
        }
        state = self.state(name)
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
        """Remove a stack with all that is in it; no error if there is none. Raises DeploymentError."""
        if self.state(name) is None:
            return
        self._client.delete_stack(StackName=name)
        self._until("stack_delete_complete", name)

    def state(self, name: str) -> str | None:
        """The status that CloudFormation gives a stack; None if there is none."""
        try:
            stacks = self._client.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        state: str = stacks[0]["StackStatus"]
        return None if state == "DELETE_COMPLETE" else state

    def _until(self, waiter: str, name: str) -> None:
        try:
            self._client.get_waiter(waiter).wait(StackName=name, WaiterConfig=self._wait)
        except WaiterError as error:
            raise DeploymentError(f"The stack {name} did not get there: {self._reasons(name)}") from error

    def _reasons(self, name: str) -> str:
        events = self._client.describe_stack_events(StackName=name)["StackEvents"]
        failed = [one for one in events if one["ResourceStatus"].endswith("FAILED")]
        told = [
            f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', 'no reason is given')}" for one in failed
        ]
        return "; ".join(reversed(told)) or "CloudFormation gives no reason."
