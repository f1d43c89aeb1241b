"""Change sets, state by state, against answers that botocore checks by the service's model."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY

from deployment import change_set
from deployment.change_set import Change, ChangeSet, Rollback
from deployment.errors import DeploymentError
from deployment.stacks import REVIEWED, SECONDS
from tests.deployment.scripted import NAME, STACK, Scripted, Terminal, scripted, step

SET = "arn:aws:cloudformation:eu-north-1:123456789012:changeSet/deploy/1"
URL = "https://sessions-artifacts.s3.eu-north-1.amazonaws.com/templates/dev/1.json"
ALARM = "arn:aws:cloudwatch:eu-north-1:123456789012:alarm:"
NOTHING_CHANGED = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)


@pytest.fixture
def aws() -> Iterator[Scripted]:
    with scripted() as made:
        yield made


def resource(action: str, name: str, kind: str = "AWS::SNS::Topic", **more: Any) -> dict[str, Any]:
    change = {"Action": action, "LogicalResourceId": name, "ResourceType": kind, **more}
    return {"Type": "Resource", "ResourceChange": change}


def described(aws: Scripted, status: str, *changes: Mapping[str, Any], token: str | None = None, **more: Any) -> None:
    answer = {"ChangeSetId": SET, "StackId": STACK, "Status": status, "Changes": list(changes), **more}
    aws.answer("describe_change_set", answer, ChangeSetName=SET, **({"NextToken": token} if token else {}))


def created(aws: Scripted, kind: str = "UPDATE", **request: Any) -> None:
    more = {"OnStackFailure": "DELETE"} if kind == "CREATE" else {"RollbackConfiguration": ANY}
    aws.answer(
        "create_change_set",
        {"Id": SET, "StackId": STACK},
        **{
            "StackName": NAME,
            "ChangeSetName": ANY,
            "ClientToken": ANY,
            "ChangeSetType": kind,
            "Description": "version 1",
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [{"ParameterKey": "Stage", "ParameterValue": "dev"}],
            "Tags": [{"Key": "Version", "Value": "1"}],
            "TemplateURL": URL,
            **more,
            **request,
        },
    )


def discarded(aws: Scripted, state: str | None = "CREATE_COMPLETE") -> None:
    aws.state(state, STACK)
    if state == REVIEWED:
        aws.answer("delete_stack", StackName=STACK)
        aws.state("DELETE_COMPLETE", STACK)
    elif state is not None:
        aws.answer("delete_change_set", ChangeSetName=SET, StackName=STACK)


def make(aws: Scripted, **more: Any) -> ChangeSet:
    if "template" not in more:
        more["url"] = URL
    return change_set.make(
        aws.stacks, NAME, parameters={"Stage": "dev"}, tags={"Version": "1"}, description="version 1", **more
    )


def of_type(aws: Scripted, kind: str, **more: Any) -> ChangeSet:
    """A set of one added resource."""
    aws.state(None if kind == "CREATE" else "UPDATE_COMPLETE", NAME)
    created(aws, kind)
    described(aws, "CREATE_COMPLETE", resource("Add", "Topic"))
    return make(aws, **more)


def watched(aws: Scripted, minutes: int) -> ChangeSet:
    """An update of one resource that an alarm can roll back for some minutes."""
    aws.state("UPDATE_COMPLETE", NAME)
    alarms(aws, ["faults"], faults="OK")
    created(aws)
    described(aws, "CREATE_COMPLETE", resource("Modify", "Topic"))
    return make(aws, rollback=Rollback((f"{ALARM}faults",), minutes))


def executed(aws: Scripted) -> Any:
    """Answers the calls up to the first look; returns the newest event before the operation."""
    before = aws.event("REVIEW_IN_PROGRESS")
    aws.events(before, StackName=STACK)
    aws.answer("execute_change_set", ChangeSetName=SET, StackName=STACK, ClientRequestToken=ANY)
    return before


# Making


@pytest.mark.parametrize("state", [None, REVIEWED])
def test_the_set_of_a_new_stack_creates_it_and_deletes_it_if_that_fails(aws: Scripted, state: str | None) -> None:
    aws.state(state, NAME)
    created(aws, "CREATE")
    described(aws, "CREATE_PENDING")
    described(aws, "CREATE_IN_PROGRESS")
    described(aws, "CREATE_COMPLETE", resource("Add", "Topic"), NextToken="2")
    described(aws, "CREATE_COMPLETE", resource("Add", "Queue"), token="2")
    made = make(aws)
    assert made.creates
    assert not made.empty
    assert [one.logical_id for one in made.changes] == ["Topic", "Queue"]


@pytest.mark.parametrize("state", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"])
def test_the_set_of_a_stack_that_stands_updates_it(aws: Scripted, state: str) -> None:
    aws.state(state, NAME)
    created(aws, **triggers())
    described(aws, "CREATE_COMPLETE")
    made = make(aws)
    assert not made.creates
    assert not made.empty  # outputs may change alone


def test_cloudformation_takes_the_role_that_is_given(aws: Scripted) -> None:
    role = "arn:aws:iam::111122223333:role/cloudformation-sessions-dev"
    aws.state("CREATE_COMPLETE", NAME)
    created(aws, RoleARN=role)
    described(aws, "CREATE_COMPLETE")
    make(aws, role=role)


def test_a_template_is_also_sent_with_the_call(aws: Scripted) -> None:
    aws.state(None, NAME)
    request = {"StackName": NAME, "ChangeSetName": ANY, "ChangeSetType": "CREATE", "Description": "version 1"}
    request |= {"ClientToken": ANY, "Capabilities": ANY, "Parameters": ANY, "Tags": ANY, "OnStackFailure": "DELETE"}
    aws.answer("create_change_set", {"Id": SET, "StackId": STACK}, **request, TemplateBody='{"Resources": {}}')
    described(aws, "CREATE_COMPLETE")
    make(aws, template={"Resources": {}})


@pytest.mark.parametrize("reason", [NOTHING_CHANGED, "No updates are to be performed."])
def test_an_empty_set_is_told_by_either_sentence_and_deleted(aws: Scripted, reason: str) -> None:
    aws.state("CREATE_COMPLETE", NAME)
    created(aws)
    described(aws, "FAILED", StatusReason=reason)
    discarded(aws)
    made = make(aws)
    assert made.empty
    made.execute(step())  # neither call asks AWS anything
    made.discard()


def test_a_stage_that_is_kept_from_now_on_is_protected_without_another_change(aws: Scripted) -> None:
    aws.state("CREATE_COMPLETE", NAME)
    created(aws)
    described(aws, "FAILED", StatusReason=NOTHING_CHANGED)
    discarded(aws)
    made = make(aws, protect=True)
    aws.answer("update_termination_protection", {"StackId": STACK}, StackName=STACK, EnableTerminationProtection=True)
    made.execute(step())


def test_a_new_stack_without_resources_is_refused_not_empty(aws: Scripted) -> None:
    aws.state(None, NAME)
    created(aws, "CREATE")
    described(aws, "FAILED", StatusReason=NOTHING_CHANGED)
    aws.answer("describe_events", {"OperationEvents": []}, ChangeSetName=SET, Filters={"FailedEvents": True})
    discarded(aws, REVIEWED)
    with pytest.raises(DeploymentError, match="didn't contain changes"):
        make(aws)


@pytest.mark.parametrize(("kind", "state"), [("UPDATE", "CREATE_COMPLETE"), ("CREATE", REVIEWED)])
def test_a_refused_set_tells_the_reason_and_leaves_nothing(aws: Scripted, kind: str, state: str) -> None:
    aws.state(None if kind == "CREATE" else state, NAME)
    created(aws, kind)
    described(aws, "FAILED", StatusReason="Transform AWS::Serverless-2016-10-31 failed with: Invalid.")
    aws.answer("describe_events", {"OperationEvents": []}, ChangeSetName=SET, Filters={"FailedEvents": True})
    discarded(aws, state)
    with pytest.raises(DeploymentError) as told:
        make(aws)
    assert str(told.value) == (
        "AWS refuses the change set of sessions-dev: Transform AWS::Serverless-2016-10-31 failed with: Invalid."
    )


def test_the_findings_of_cloudformations_validation_take_the_place_of_its_reason(aws: Scripted) -> None:
    aws.state("CREATE_COMPLETE", NAME)
    created(aws)
    described(aws, "FAILED", StatusReason="The following hook(s)/validation failed: [AWS::EarlyValidation::…].")
    found = {"LogicalResourceId": "Topic", "EventType": "VALIDATION_ERROR", "ValidationFailureMode": "FAIL"}
    found["ValidationStatusReason"] = "Resource of type 'AWS::SNS::Topic' with identifier 'x' already exists."
    warned = {**found, "LogicalResourceId": "Queue", "ValidationFailureMode": "WARN"}
    events = [{"LogicalResourceId": NAME}, found, warned]
    aws.answer("describe_events", {"OperationEvents": events}, ChangeSetName=SET, Filters={"FailedEvents": True})
    discarded(aws)
    with pytest.raises(DeploymentError) as told:
        make(aws)
    assert str(told.value) == (
        "AWS refuses the change set of sessions-dev: "
        "Topic: Resource of type 'AWS::SNS::Topic' with identifier 'x' already exists."
    )


def test_a_deployer_who_may_not_ask_for_findings_gets_the_reason(aws: Scripted) -> None:
    aws.state("CREATE_COMPLETE", NAME)
    created(aws)
    described(aws, "FAILED", StatusReason="validation failed")
    aws.error("describe_events", "AccessDenied", "not allowed", ChangeSetName=SET, Filters={"FailedEvents": True})
    discarded(aws)
    with pytest.raises(DeploymentError, match="sessions-dev: validation failed"):
        make(aws)


def test_a_template_that_aws_refuses_at_once_is_told(aws: Scripted) -> None:
    aws.state(None, NAME)
    aws.error("create_change_set", "ValidationError", "Template format error: unsupported structure.")
    with pytest.raises(DeploymentError, match="refuses the change set of sessions-dev: Template format error"):
        make(aws)


def test_a_stuck_stack_gets_no_set(aws: Scripted) -> None:
    aws.state("ROLLBACK_COMPLETE", NAME)
    aws.events(aws.event("CREATE_FAILED", "Topic", "it exists"), StackName=NAME)
    with pytest.raises(DeploymentError, match=r"is ROLLBACK_COMPLETE: Topic: it exists.*delete-stack"):
        make(aws)


@pytest.mark.parametrize("kind", ["CREATE", "UPDATE"])
def test_a_set_that_is_never_complete_is_given_up(aws: Scripted, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(change_set, "PATIENCE", 1)
    aws.state(None if kind == "CREATE" else "UPDATE_COMPLETE", NAME)
    created(aws, kind)
    described(aws, "CREATE_PENDING")
    if kind == "CREATE":
        discarded(aws, REVIEWED)
    else:
        aws.state("UPDATE_COMPLETE", STACK)
        aws.error(
            "delete_change_set", "InvalidChangeSetStatus", "it is being created", ChangeSetName=SET, StackName=STACK
        )
    with pytest.raises(DeploymentError, match="did not finish"):
        make(aws)


# Rollback triggers


def alarms(aws: Scripted, asked: Iterable[str], **states: str) -> None:
    """CloudWatch's answer about alarms: the states of those that stand."""
    found = [{"AlarmName": name, "AlarmArn": ALARM + name, "StateValue": state} for name, state in states.items()]
    aws.alarms.add_response("describe_alarms", {"MetricAlarms": found}, {"AlarmNames": list(asked)})


def triggers(*names: str, minutes: int = 5) -> dict[str, Any]:
    named = [{"Arn": ALARM + name, "Type": "AWS::CloudWatch::Alarm"} for name in names]
    return {"RollbackConfiguration": {"RollbackTriggers": named, "MonitoringTimeInMinutes": minutes if names else 0}}


def test_an_update_is_rolled_back_by_its_alarms(aws: Scripted) -> None:
    names = ["faults", "latency"]
    aws.state("CREATE_COMPLETE", NAME)
    alarms(aws, names, **dict.fromkeys(names, "OK"))
    created(aws, **triggers(*names))
    described(aws, "CREATE_COMPLETE")
    make(aws, rollback=Rollback(tuple(ALARM + name for name in names), 5))


def test_alarms_that_do_not_stand_yet_roll_nothing_back(aws: Scripted) -> None:
    aws.state("CREATE_COMPLETE", NAME)
    alarms(aws, ["faults"])
    created(aws, **triggers())
    described(aws, "CREATE_COMPLETE")
    assert make(aws, rollback=Rollback((f"{ALARM}faults",), 5)).minutes == 0


def test_an_alarm_that_is_on_does_not_undo_the_update_that_mends_it(aws: Scripted) -> None:
    aws.state("CREATE_COMPLETE", NAME)
    alarms(aws, ["faults", "latency"], faults="ALARM", latency="INSUFFICIENT_DATA")
    created(aws, **triggers("latency"))
    described(aws, "CREATE_COMPLETE", resource("Modify", "Topic"))
    made = make(aws, rollback=Rollback((f"{ALARM}faults", f"{ALARM}latency"), 5))
    before = executed(aws)
    aws.end("UPDATE_COMPLETE", before)
    shown = step()
    made.execute(shown)
    assert shown.said == "1 changed, not watched by faults: on before"


def test_no_minutes_are_no_triggers(aws: Scripted) -> None:
    """CloudFormation would watch them during the update itself."""
    aws.state("CREATE_COMPLETE", NAME)
    created(aws, **triggers())
    described(aws, "CREATE_COMPLETE")
    make(aws, rollback=Rollback((f"{ALARM}faults",), 0))


def test_a_first_create_has_no_rollback_triggers(aws: Scripted) -> None:
    assert of_type(aws, "CREATE", rollback=Rollback((f"{ALARM}faults",), 5)).minutes == 0


# Discarding


@pytest.mark.parametrize(("kind", "state"), [("UPDATE", "CREATE_COMPLETE"), ("CREATE", REVIEWED), ("CREATE", None)])
def test_a_no_deletes_the_set_or_a_stack_that_is_nothing_else(aws: Scripted, kind: str, state: str | None) -> None:
    made = of_type(aws, kind)
    discarded(aws, state)
    made.discard()


# Executing


def test_a_create_shows_its_progress_and_protects_the_stack(aws: Scripted) -> None:
    made = of_type(aws, "CREATE", protect=True)
    before = executed(aws)
    begun = [aws.event("CREATE_IN_PROGRESS", "Topic"), aws.event("CREATE_IN_PROGRESS"), before]
    aws.look("CREATE_IN_PROGRESS", *begun)
    aws.look("CREATE_IN_PROGRESS", aws.event("CREATE_COMPLETE", "Topic"), *begun)
    aws.end("CREATE_COMPLETE", *begun)
    aws.answer("update_termination_protection", {"StackId": STACK}, StackName=STACK, EnableTerminationProtection=True)
    out = Terminal()
    shown = step(out)
    made.execute(shown)
    assert out.getvalue() == "".join(f"\r  stage … {count} of 1\x1b[K" for count in (0, 1, 1))
    assert shown.said == "1 added"


def test_verbose_output_has_one_line_for_each_finished_resource(aws: Scripted) -> None:
    made = of_type(aws, "UPDATE")
    before = executed(aws)
    topic = aws.event("UPDATE_COMPLETE", "Topic", "not worth a line")
    aws.look("UPDATE_IN_PROGRESS", topic, aws.event("UPDATE_IN_PROGRESS", "Topic"), before)
    aws.look("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", topic, before)
    aws.end("UPDATE_COMPLETE", aws.event("DELETE_COMPLETE", "Topic"), topic, before)
    out = io.StringIO()
    made.execute(step(out, verbose=True))
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["UPDATE_COMPLETE", "AWS::SNS::Topic", "Topic"],
        ["DELETE_COMPLETE", "AWS::SNS::Topic", "Topic"],
    ]


def test_a_terminal_sees_what_cloudformation_does(aws: Scripted) -> None:
    """CloudFormation also tells of resources that the set does not name."""
    made = watched(aws, 5)
    before = executed(aws)
    done = [aws.event("UPDATE_COMPLETE", "Other"), aws.event("UPDATE_COMPLETE", "Topic"), before]
    aws.look("UPDATE_IN_PROGRESS", before)
    aws.look("UPDATE_IN_PROGRESS", *done)
    aws.look("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", *done)
    aws.end("UPDATE_COMPLETE", *done)
    out = Terminal()
    made.execute(step(out))
    assert [text.partition(" … ")[2] for text in out.getvalue().split("\x1b[K")][:3] == [
        "0 of 1",
        "1 of 1, watching the alarms",
        "removing what was replaced",
    ]


def test_events_on_several_pages_are_read_up_to_the_last_known_one(aws: Scripted) -> None:
    made = of_type(aws, "UPDATE")
    before = executed(aws)
    aws.state("UPDATE_COMPLETE", STACK)
    end, topic = aws.event("UPDATE_COMPLETE"), aws.event("UPDATE_COMPLETE", "Topic")
    for _ in range(2):
        aws.events(end, more="2", StackName=STACK)
        aws.events(topic, before, more="3", StackName=STACK, NextToken="2")
    out = io.StringIO()
    made.execute(step(out, verbose=True))
    assert len(out.getvalue().splitlines()) == 1


def test_an_update_that_leaves_a_replaced_resource_behind_says_so(aws: Scripted) -> None:
    """CloudFormation gives it up after some attempts, and the update is complete all the same."""
    made = of_type(aws, "UPDATE")
    before = executed(aws)
    aws.end("UPDATE_COMPLETE", aws.event("DELETE_FAILED", "Role", "must detach all policies first."), before)
    shown = step()
    made.execute(shown)
    assert shown.said == "1 added, but something is left: Role: must detach all policies first"


def test_a_failed_update_says_that_the_version_before_stands(aws: Scripted) -> None:
    made = of_type(aws, "UPDATE")
    before = executed(aws)
    failed = [
        aws.event("UPDATE_ROLLBACK_IN_PROGRESS", reason="The following resource(s) failed to update: [Function]."),
        aws.event("UPDATE_FAILED", "Topic", "Resource update cancelled"),
        aws.event("UPDATE_FAILED", "Function", "S3 Error Message: The specified version does not exist."),
        aws.event("UPDATE_IN_PROGRESS", reason="User Initiated"),
        before,
    ]
    aws.look("UPDATE_ROLLBACK_IN_PROGRESS", *failed)
    aws.look("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", *failed)
    aws.end("UPDATE_ROLLBACK_COMPLETE", *failed)
    out = Terminal()
    with pytest.raises(DeploymentError) as told:
        made.execute(step(out))
    assert str(told.value) == (
        "The update of sessions-dev failed, and the version before stands: "
        "Function: S3 Error Message: The specified version does not exist."
    )
    assert "… failed, being rolled back" in out.getvalue()


def test_an_alarm_that_rolls_an_update_back_is_the_reason(aws: Scripted) -> None:
    made = of_type(aws, "UPDATE")
    before = executed(aws)
    reason = f"Alarm with ARN {ALARM}faults breached"
    aws.end(
        "UPDATE_ROLLBACK_COMPLETE",
        aws.event("UPDATE_ROLLBACK_IN_PROGRESS", reason=reason),
        aws.event("UPDATE_COMPLETE", "Function"),
        aws.event("UPDATE_IN_PROGRESS", reason="User Initiated"),
        before,
    )
    with pytest.raises(DeploymentError, match=f"version before stands: {reason}"):
        made.execute(step())


def test_a_failed_create_is_deleted_and_its_reasons_are_read_by_the_stacks_id(aws: Scripted) -> None:
    made = of_type(aws, "CREATE")
    before = executed(aws)
    failed = [
        aws.event("CREATE_FAILED", reason="The following resource(s) failed to create: [Topic]."),
        aws.event("CREATE_FAILED", "Queue", "Resource creation cancelled"),
        aws.event("CREATE_FAILED", "Topic", "x already exists"),
        aws.event("CREATE_IN_PROGRESS", reason="User Initiated"),
        before,
    ]
    aws.look("CREATE_FAILED", *failed)  # passed on the way
    deleted = [aws.event("DELETE_COMPLETE", "Queue"), aws.event("DELETE_IN_PROGRESS")]
    aws.look("DELETE_IN_PROGRESS", *deleted, *failed)
    aws.end("DELETE_COMPLETE", *deleted, *failed)
    out = Terminal()
    with pytest.raises(DeploymentError) as told:
        made.execute(step(out))
    assert str(told.value) == (
        "The stack sessions-dev could not be made, and is deleted again: Topic: x already exists."
    )
    assert "… failed, being deleted again" in out.getvalue()


@pytest.mark.parametrize(
    ("kind", "state", "undone", "out"),
    [
        ("UPDATE", "UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS", "continue-update-rollback"),
        ("CREATE", "DELETE_FAILED", "DELETE_IN_PROGRESS", "delete-stack"),
        ("CREATE", "ROLLBACK_FAILED", "ROLLBACK_IN_PROGRESS", "delete-stack"),
    ],
)
def test_a_failure_that_could_not_be_undone_tells_both_and_the_way_out(
    aws: Scripted, kind: str, state: str, undone: str, out: str
) -> None:
    made = of_type(aws, kind)
    before = executed(aws)
    aws.end(
        state,
        aws.event("DELETE_FAILED", "Role", "must detach all policies first."),
        aws.event("DELETE_FAILED", "Role", "must detach all policies first."),
        aws.event(undone),
        aws.event(f"{kind}_FAILED", "Topic", "x already exists"),
        aws.event(f"{kind}_IN_PROGRESS", reason="User Initiated"),
        before,
    )
    with pytest.raises(DeploymentError) as told:
        made.execute(step())
    assert str(told.value).startswith(
        f"The stack sessions-dev is {state}: Topic: x already exists. Then: Role: must detach all policies first. "
    )
    assert f"aws cloudformation {out} --stack-name sessions-dev" in str(told.value)


@pytest.mark.parametrize(("kind", "state"), [("UPDATE", "UPDATE_FAILED"), ("CREATE", "CREATE_FAILED")])
def test_a_failure_that_is_not_undone_is_named(aws: Scripted, kind: str, state: str) -> None:
    made = of_type(aws, kind)
    before = executed(aws)
    failed = [aws.event(state, "Topic", "no"), aws.event(f"{kind}_IN_PROGRESS"), before]
    if state == "CREATE_FAILED":  # which may be on the way to a deletion
        aws.look(state, *failed)
        aws.look(state, *failed)
    aws.end(state, *failed)
    with pytest.raises(DeploymentError, match=f"is {state}: Topic: no. .*aws cloudformation"):
        made.execute(step())


def test_a_message_has_the_first_five_reasons(aws: Scripted) -> None:
    made = of_type(aws, "UPDATE")
    before = executed(aws)
    failed = [aws.event("UPDATE_FAILED", f"Topic{number}", "no") for number in range(7)]
    aws.end("UPDATE_ROLLBACK_COMPLETE", *reversed(failed), before)
    with pytest.raises(DeploymentError, match=r"stands: Topic0: no; .*; Topic4: no; and 2 more\.$"):
        made.execute(step())


@pytest.mark.parametrize("code", ["ChangeSetNotFound", "InvalidChangeSetStatus"])
def test_the_second_of_two_deploys_is_told_that_it_is_the_second(aws: Scripted, code: str) -> None:
    made = of_type(aws, "UPDATE")
    aws.events(StackName=STACK)
    aws.error("execute_change_set", code, "it is OBSOLETE")
    with pytest.raises(DeploymentError, match="Another deploy of sessions-dev came first"):
        made.execute(step())


def test_a_refused_execution_leaves_no_set_and_no_new_stack(aws: Scripted) -> None:
    made = of_type(aws, "CREATE")
    aws.events(StackName=STACK)
    aws.error("execute_change_set", "AccessDenied", "not allowed")
    discarded(aws, REVIEWED)
    with pytest.raises(ClientError, match="not allowed"):
        made.execute(step())


def test_an_operation_that_never_ends_is_named(aws: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_set, "LONGEST", 2)
    made = of_type(aws, "UPDATE")
    before = executed(aws)
    aws.look("UPDATE_IN_PROGRESS", before)
    aws.look("UPDATE_IN_PROGRESS", before)
    with pytest.raises(DeploymentError, match="sessions-dev is still UPDATE_IN_PROGRESS"):
        made.execute(step())


def test_an_update_that_alarms_watch_may_last_longer(aws: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change_set, "LONGEST", 0)
    made = watched(aws, 1)
    before = executed(aws)
    for _ in range(60 // SECONDS):
        aws.look("UPDATE_IN_PROGRESS", before)
    with pytest.raises(DeploymentError, match="sessions-dev is still UPDATE_IN_PROGRESS"):
        made.execute(step())


# The table


def change(name: str, action: str = "Modify", replacement: str = "", *properties: str, **more: str) -> Change:
    return Change(action, name, more.get("kind", "AWS::SNS::Topic"), replacement, properties, more.get("policy", ""))


def test_the_table_is_aligned_and_ends_with_what_is_dangerous() -> None:
    changes = (
        change("Old", "Remove"),
        change("Kept", "Remove", policy="Retain"),
        change("New", "Add", kind="AWS::Lambda::Function"),
        change("Table", "Modify", "True", "KeySchema", "Tags", kind="AWS::DynamoDB::Table"),
        change("Perhaps", "Modify", "Conditional", "Name"),
        change("Unknown", "Dynamic"),
        change("Changed", "Modify", "False", "Name"),
    )
    assert "\n".join(change_set.table(changes, coloured=False)) == "\n".join(
        [
            "  added            Lambda::Function  New",
            "  changed          SNS::Topic        Changed  Name",
            "  retained         SNS::Topic        Kept",
            "  may be replaced  SNS::Topic        Perhaps  Name",
            "  may be replaced  SNS::Topic        Unknown",
            "  replaced         DynamoDB::Table   Table    KeySchema, Tags",
            "  removed          SNS::Topic        Old",
            "  1 added, 1 changed, 1 retained, 2 may be replaced, 1 replaced, 1 removed",
        ]
    )


def test_replacements_and_removals_are_red_on_a_terminal_but_not_those_of_each_deploy() -> None:
    routine = change("Deployment", "Remove", kind="AWS::ApiGateway::Deployment")
    changes = (change("New", "Add"), change("Table", "Modify", "True", "KeySchema"), change("Old", "Remove"), routine)
    red = [line for line in change_set.table(changes, coloured=True) if "\x1b[1;31m" in line]
    assert [line.split()[3] for line in red] == ["Table", "Old\x1b[0m"]


def test_changes_of_tags_alone_are_one_line() -> None:
    changes = (change("One", "Modify", "False", "Tags"), change("Two", "Modify", "False", "Tags"))
    assert list(change_set.table(changes, coloured=True)) == ["  changed  Tags of 2 resources", "  2 changed"]


def test_a_change_names_its_properties_the_replacing_ones_first(aws: Scripted) -> None:
    def detail(name: str | None, recreation: str | None = None, attribute: str = "Properties") -> Any:
        target = {"Attribute": attribute, "Name": name, "RequiresRecreation": recreation}
        return {"Target": {key: value for key, value in target.items() if value}, "Evaluation": "Static"}

    details = [
        detail("BillingMode", "Never"),
        detail("KeySchema", "Always"),
        detail("KeySchema", "Always"),
        detail(None, attribute="Tags"),
    ]
    aws.state("CREATE_COMPLETE", NAME)
    created(aws)
    described(
        aws,
        "CREATE_COMPLETE",
        resource("Modify", "Table", "AWS::DynamoDB::Table", Replacement="True", Details=details),
        resource("Remove", "Old", PolicyAction="Retain"),
    )
    assert make(aws).changes == (
        Change("Modify", "Table", "AWS::DynamoDB::Table", "True", ("KeySchema", "BillingMode", "Tags")),
        Change("Remove", "Old", "AWS::SNS::Topic", "", (), "Retain"),
    )
