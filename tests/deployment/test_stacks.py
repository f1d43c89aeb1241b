"""A stack is brought up to date from any state CloudFormation left it in, or the error says what a person has to do."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from deployment import stacks
from deployment.errors import DeploymentError
from deployment.stacks import STUCK, UNFINISHED, Stacks

OLD = {"LogicalResourceId": "Sessions", "ResourceStatus": "CREATE_FAILED", "ResourceStatusReason": "long ago"}
NEW = {"LogicalResourceId": "Events", "ResourceStatus": "DELETE_FAILED", "ResourceStatusReason": "it is protected"}
EVENTS = [
    {"LogicalResourceId": "s-tables", "ResourceStatus": "UPDATE_ROLLBACK_IN_PROGRESS"},
    NEW,
    {"LogicalResourceId": "s-tables", "ResourceStatus": "DELETE_IN_PROGRESS"},
    OLD,
    {"LogicalResourceId": "s-tables", "ResourceStatus": "CREATE_IN_PROGRESS"},
]


class CloudFormation:
    """Enters the next state at each look, and records the calls."""

    def __init__(self, *states: str | None, fails: bool = False) -> None:
        self.states, self.fails, self.asked = list(states), fails, list[str]()

    def client(self, service: str) -> Any:
        return self

    def describe_stacks(self, StackName: str) -> Any:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state is None:
            answer: Any = {"Error": {"Code": "ValidationError", "Message": f"Stack with id {StackName} does not exist"}}
            raise ClientError(answer, "DescribeStacks")
        return {"Stacks": [{"StackStatus": state}]}

    def describe_stack_events(self, **_: Any) -> Any:
        return {"StackEvents": EVENTS}

    def create_stack(self, **_: Any) -> None:
        self.asked.append("create")

    def update_stack(self, **_: Any) -> None:
        self.asked.append("update")

    def delete_stack(self, **_: Any) -> None:
        self.asked.append("delete")

    def get_waiter(self, name: str) -> Any:
        return self

    def wait(self, **_: Any) -> None:
        if self.fails:
            raise WaiterError("StackCreateComplete", "Waiter encountered a terminal failure state", {})


def applied(*states: str | None, fails: bool = False) -> list[str]:
    made = CloudFormation(*states, fails=fails)
    Stacks(made, seconds=0.001).apply("s-tables", {}, {})  # type: ignore[arg-type]  # all that it needs
    return made.asked


def test_a_stack_that_is_not_there_is_made() -> None:
    assert applied(None) == ["create"]


@pytest.mark.parametrize("state", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_a_stack_that_stands_is_updated(state: str) -> None:
    assert applied(state) == ["update"]


@pytest.mark.parametrize("state", sorted(UNFINISHED))
def test_a_stack_that_never_came_to_be_is_made_anew(state: str) -> None:
    assert applied(state) == ["delete", "create"]


@pytest.mark.parametrize("state", ["CREATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"])
def test_what_a_deploy_that_broke_off_began_is_waited_for(state: str) -> None:
    assert applied(state, state, "CREATE_COMPLETE") == ["update"]


def test_a_stack_that_is_being_deleted_is_made_anew() -> None:
    assert applied("DELETE_IN_PROGRESS", None) == ["create"]


@pytest.mark.parametrize("state", STUCK)
def test_a_stack_that_a_person_has_to_mend_says_how_and_why(state: str) -> None:
    with pytest.raises(DeploymentError, match=r"s-tables cannot be changed.*Events: it is protected\. \w+"):
        applied(state)


def test_a_failure_tells_the_reasons_of_the_last_operation_alone() -> None:
    with pytest.raises(DeploymentError) as told:
        applied("UPDATE_COMPLETE", fails=True)
    assert str(told.value) == "The stack s-tables failed: Events: it is protected."


def test_a_stack_that_somebody_works_on_for_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "SECONDS", 0.001)
    with pytest.raises(DeploymentError, match="still UPDATE_IN_PROGRESS"):
        Stacks(CloudFormation("UPDATE_IN_PROGRESS"), seconds=0.001).remove("s-tables")  # type: ignore[arg-type]
