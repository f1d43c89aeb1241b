"""States, events and removal of a stack, against answers that botocore checks by the service's model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from deployment import stacks
from deployment.errors import DeploymentError
from deployment.stacks import REVIEWED, STANDING, STUCK, Operation
from tests.deployment.scripted import NAME, STACK, Scripted, Terminal, scripted, step


@pytest.fixture
def aws() -> Iterator[Scripted]:
    with scripted() as made:
        yield made


def test_each_state_of_the_service_has_a_meaning(aws: Scripted) -> None:
    known = set(aws.client("cloudformation").meta.service_model.shape_for("StackStatus").enum)
    busy = {state for state in known if stacks.is_busy(state)}
    assert known == busy | STANDING | set(STUCK) | {REVIEWED, "DELETE_COMPLETE"}
    assert not busy & (STANDING | set(STUCK) | {REVIEWED})


def test_a_missing_stack_and_a_deleted_one_have_no_state(aws: Scripted) -> None:
    aws.state(None, NAME)
    aws.state("DELETE_COMPLETE", STACK)
    aws.state("CREATE_COMPLETE", NAME)
    assert [aws.stacks.state(NAME), aws.stacks.state(STACK), aws.stacks.state(NAME)] == [None, None, "CREATE_COMPLETE"]


def test_another_refusal_is_not_taken_for_a_missing_stack(aws: Scripted) -> None:
    aws.error("describe_stacks", "AccessDenied", "not allowed", StackName=NAME)
    with pytest.raises(ClientError, match="not allowed"):
        aws.stacks.state(NAME)


@pytest.mark.parametrize("state", ["CREATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_IN_PROGRESS"])
def test_an_operation_that_runs_is_waited_for(aws: Scripted, state: str) -> None:
    for one in (state, state, "UPDATE_COMPLETE"):
        aws.state(one, NAME)
    assert aws.stacks.settled(NAME) == "UPDATE_COMPLETE"


def test_an_operation_that_lasts_too_long_is_named(aws: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "PATIENCE", 2)
    aws.state("UPDATE_IN_PROGRESS", NAME)
    aws.state("UPDATE_IN_PROGRESS", NAME)
    with pytest.raises(DeploymentError, match="sessions-dev is still UPDATE_IN_PROGRESS: another operation"):
        aws.stacks.settled(NAME)


@pytest.mark.parametrize("state", [*sorted(STANDING), REVIEWED, None])
def test_a_state_that_can_be_changed_is_not_stuck(aws: Scripted, state: str | None) -> None:
    aws.state(state, NAME)
    assert aws.stacks.refuse_stuck(NAME) == state


@pytest.mark.parametrize(
    ("state", "out"),
    [
        ("CREATE_FAILED", "aws cloudformation delete-stack --stack-name sessions-dev"),
        ("ROLLBACK_COMPLETE", "aws cloudformation delete-stack --stack-name sessions-dev"),
        ("ROLLBACK_FAILED", "aws cloudformation delete-stack --stack-name sessions-dev"),
        ("DELETE_FAILED", "aws cloudformation delete-stack --stack-name sessions-dev"),
        ("UPDATE_FAILED", "aws cloudformation rollback-stack --stack-name sessions-dev"),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name sessions-dev"),
        ("IMPORT_ROLLBACK_FAILED", "AWS Support"),
    ],
)
def test_a_stuck_state_is_named_with_its_reason_and_what_gets_out_of_it(aws: Scripted, state: str, out: str) -> None:
    aws.state(state, NAME)
    aws.events(
        aws.event(state),
        aws.event("DELETE_FAILED", "Sessions", "It is protected."),
        aws.event("DELETE_IN_PROGRESS", reason="User Initiated"),
        aws.event("CREATE_FAILED", "Events", "long ago"),
        StackName=NAME,
    )
    with pytest.raises(DeploymentError) as told:
        aws.stacks.refuse_stuck(NAME)
    assert str(told.value).startswith(f"The stack sessions-dev is {state}: Sessions: It is protected. ")
    assert out in str(told.value)


def test_a_failed_rollback_is_told_by_its_own_reason(aws: Scripted) -> None:
    aws.state("UPDATE_ROLLBACK_FAILED", NAME)
    aws.events(
        aws.event("UPDATE_ROLLBACK_FAILED", reason="The following resource(s) failed to update: [Table]."),
        aws.event("UPDATE_FAILED", "Table", "it is gone"),
        aws.event("UPDATE_ROLLBACK_IN_PROGRESS"),
        aws.event("UPDATE_FAILED", "Function", "no such key"),
        aws.event("UPDATE_IN_PROGRESS", reason="User Initiated"),
        StackName=NAME,
    )
    with pytest.raises(DeploymentError, match=r"UPDATE_ROLLBACK_FAILED: Table: it is gone\. "):
        aws.stacks.refuse_stuck(NAME)


def test_the_reasons_are_those_of_the_last_operation(aws: Scripted) -> None:
    aws.state("UPDATE_FAILED", NAME)
    aws.events(
        aws.event("UPDATE_FAILED", "Function", "no such key"),
        aws.event("UPDATE_IN_PROGRESS"),
        aws.event("UPDATE_FAILED", "Table", "long ago"),
        aws.event("UPDATE_IN_PROGRESS"),
        StackName=NAME,
    )
    with pytest.raises(DeploymentError, match=r"UPDATE_FAILED: Function: no such key\. "):
        aws.stacks.refuse_stuck(NAME)


def test_without_a_failed_resource_the_stacks_own_reason_is_told(aws: Scripted) -> None:
    begun = aws.event("DELETE_IN_PROGRESS", reason="User Initiated")
    ended = aws.event("DELETE_FAILED", reason="Role arn:… is invalid or cannot be assumed.")
    assert Operation("DELETE_FAILED", (begun, ended)).reasons == "Role arn:… is invalid or cannot be assumed"
    assert Operation("DELETE_FAILED", (begun,)).reasons == "CloudFormation gives no reason"


def test_outputs_and_resources_of_a_stack(aws: Scripted) -> None:
    aws.state("CREATE_COMPLETE", NAME, Outputs=[{"OutputKey": "Url", "OutputValue": "https://…"}])
    assert aws.stacks.outputs(NAME) == {"Url": "https://…"}
    aws.state("CREATE_COMPLETE", NAME)
    resource = {"ResourceType": "AWS::SNS::Topic", "LastUpdatedTimestamp": "2026-01-01T00:00:00Z"}
    for token, name, status in ((None, "one", "CREATE_COMPLETE"), ("more", "two", "DELETE_COMPLETE")):
        page = {**resource, "LogicalResourceId": name, "PhysicalResourceId": f"{name}-id", "ResourceStatus": status}
        answer = {"StackResourceSummaries": [page], **({} if token else {"NextToken": "more"})}
        aws.answer("list_stack_resources", answer, StackName=NAME, **({"NextToken": token} if token else {}))
    assert aws.stacks.resources(NAME) == {"one-id"}


@pytest.mark.parametrize("state", [None, REVIEWED])
def test_a_stack_that_does_not_stand_has_no_resources(aws: Scripted, state: str | None) -> None:
    aws.state(state, NAME)
    assert aws.stacks.resources(NAME) == frozenset()


def test_a_removal_turns_protection_off_and_follows_the_stack_by_its_id(aws: Scripted) -> None:
    aws.state("CREATE_COMPLETE", NAME)
    aws.state("CREATE_COMPLETE", NAME, EnableTerminationProtection=True)
    aws.answer("update_termination_protection", {"StackId": STACK}, StackName=STACK, EnableTerminationProtection=False)
    made = aws.event("CREATE_COMPLETE")
    aws.events(made, StackName=STACK)
    aws.answer("delete_stack", StackName=STACK)
    begun = aws.event("DELETE_IN_PROGRESS")
    aws.look("DELETE_IN_PROGRESS", begun, made)
    aws.end("DELETE_COMPLETE", aws.event("DELETE_COMPLETE", "Topic"), begun, made)
    out = Terminal()
    aws.stacks.remove(NAME, step(out))
    assert out.getvalue().endswith("\r  stage … 1 resources removed\x1b[K")


def test_the_removal_of_a_missing_stack_does_nothing(aws: Scripted) -> None:
    aws.state(None, NAME)
    aws.state(None, NAME)
    aws.stacks.remove(NAME, step())


def test_a_failed_removal_tells_its_reasons(aws: Scripted) -> None:
    aws.state("CREATE_COMPLETE", NAME)
    aws.state("CREATE_COMPLETE", NAME)
    aws.events(StackName=STACK)
    aws.answer("delete_stack", StackName=STACK)
    aws.end(
        "DELETE_FAILED",
        aws.event("DELETE_FAILED", "Role", "Cannot delete entity, must detach all policies first."),
        aws.event("DELETE_IN_PROGRESS", reason="User Initiated"),
    )
    with pytest.raises(DeploymentError, match=r"DELETE_FAILED: Role: Cannot delete .* first\. .*delete-stack"):
        aws.stacks.remove(NAME, step())


def test_an_end_that_no_event_tells_is_believed_at_the_third_look(aws: Scripted) -> None:
    """A stack's description may still tell the end of the operation before."""
    old = aws.event("UPDATE_COMPLETE")
    begun = aws.event("UPDATE_IN_PROGRESS")
    aws.look("UPDATE_COMPLETE", old)
    for _ in range(stacks.SURE):
        aws.look(REVIEWED, old)
    aws.look("UPDATE_IN_PROGRESS", begun, old)
    for _ in range(stacks.SURE):
        aws.look("UPDATE_COMPLETE", begun, old)
    aws.events(begun, old)
    operation = aws.stacks.watch(NAME, STACK, old["EventId"], step(), "{} {}".format)
    assert operation == Operation("UPDATE_COMPLETE", (begun,))


def test_a_stack_that_was_deleted_meanwhile_ends_the_watch(aws: Scripted) -> None:
    for _ in range(stacks.SURE):
        aws.state(None, STACK)
        aws.events()
    aws.events()
    assert aws.stacks.watch(NAME, STACK, None, step(), "{} {}".format).state == "DELETE_COMPLETE"
