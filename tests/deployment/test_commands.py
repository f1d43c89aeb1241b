"""The order of the steps: nothing changes before the yes, and a no leaves nothing.

The account is moto's, whose CloudFormation knows no SAM: a topic stands for the functions.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from deployment import change_set, commands, guards, stage
from deployment.artifacts import Artifacts
from deployment.aws import Aws
from deployment.change_set import ChangeSet
from deployment.commands import Kept, Target
from deployment.errors import DeploymentError
from deployment.progress import Progress
from deployment.stacks import Stacks
from tests.deployment.accounts import ACCOUNT, REGION, emulated
from tests.sources import ROOT

DEV = dataclasses.replace(stage.read(ROOT, "dev"), account=ACCOUNT, region=REGION)
OUTPUTS = {"EndpointURL": "https://rest.example/api/", "WebsocketConnectEndpointURL": "wss://sockets.example/api/"}

pytestmark = pytest.mark.emulator


class WithOutputs(Stacks):
    """moto gives no outputs to a stack that a change set made."""

    def outputs(self, name: str) -> Mapping[str, str]:
        return OUTPUTS


@dataclasses.dataclass
class Tried:
    """A target, and what its commands did."""

    target: Target
    shown: list[str]
    visited: list[tuple[str, str]]

    def keep(self, version: str, **properties: str) -> Kept:
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "rooms", **properties}}},
        }
        artifacts = Artifacts(self.target.aws, self.target.stage.app)
        artifacts.ensure()
        self.target.aws.client("s3").delete_bucket_policy(Bucket=artifacts.bucket)  # moto knows no condition of it
        return Kept(version, artifacts.put_template(self.target.stage.name, version, template))

    def deploy(self, kept: Kept, agreed: Callable[[], bool] | None = lambda: True) -> Mapping[str, str] | None:
        return commands.deploy(self.target, kept, agreed)

    def stacks(self) -> dict[str, str]:
        found = self.target.aws.client("cloudformation").describe_stacks()["Stacks"]
        return {one["StackName"]: one["StackStatus"] for one in found}

    def tables(self) -> list[str]:
        names: list[str] = self.target.aws.client("dynamodb").list_tables()["TableNames"]
        return names

    def has_key(self) -> bool:
        return bool(self.target.aws.client("ssm").describe_parameters()["Parameters"])


@pytest.fixture
def aws() -> Iterator[Aws]:
    """An account whose role for access logs works: moto has no policy to make one with."""
    with emulated() as account:
        role = account.client("iam").create_role(RoleName="logs", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        told = {"op": "replace", "path": "/cloudwatchRoleArn", "value": role}
        account.client("apigateway").update_account(patchOperations=[told])
        yield account


@pytest.fixture(autouse=True)
def retained(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto knows Retain as a deletion policy, and no RetainExceptOnCreate."""
    template = json.loads(json.dumps(commands.tables_template(DEV)).replace("RetainExceptOnCreate", "Retain"))
    monkeypatch.setattr(commands, "tables_template", lambda _: template)


def tried(aws: Aws, described: stage.Stage = DEV) -> Tried:
    made = Tried(None, [], [])  # type: ignore[arg-type]  # set in the next line, which refers to it
    made.target = Target(
        aws=aws,
        stage=described,
        stacks=WithOutputs(aws, seconds=0.001),
        progress=Progress(io.StringIO()),
        show=made.shown.append,
        coloured=False,
        visit=lambda http, websocket: made.visited.append((http, websocket)),
    )
    return made


def test_an_empty_account_gets_tables_key_and_functions_after_a_yes(aws: Aws) -> None:
    dev = tried(aws)

    def agreed() -> bool:
        assert set(dev.stacks().values()) == {"REVIEW_IN_PROGRESS"}
        assert (dev.tables(), dev.has_key()) == ([], False)
        assert any("Topic" in line for line in dev.shown)
        assert any("Sessions" in line for line in dev.shown)
        return True

    urls = dev.deploy(dev.keep("one"), agreed)
    assert urls == {"http": "https://rest.example/api", "websocket": "wss://sockets.example/api"}
    assert dev.stacks() == {"sessions-dev": "CREATE_COMPLETE", "sessions-dev-tables": "CREATE_COMPLETE"}
    assert set(dev.tables()) == {"connections-dev", "events-dev", "sessions-dev"}
    assert dev.has_key()
    assert dev.visited == [(urls["http"], urls["websocket"])]


def test_cloudformation_makes_both_stacks_by_the_role_of_the_stage(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/cloudformation-sessions-dev"
    dev, roles = tried(aws, dataclasses.replace(DEV, service_role=role)), []

    def made(*given: Any, **request: Any) -> ChangeSet:
        roles.append(request["role"])
        return make(*given, **request)

    make = change_set.make
    monkeypatch.setattr(change_set, "make", made)
    dev.deploy(dev.keep("one"), lambda: False)
    assert roles == [role, role]


@pytest.mark.parametrize("agreed", [lambda: False, None], ids=["no", "plan"])
def test_a_no_and_a_plan_leave_nothing_behind(aws: Aws, agreed: Callable[[], bool] | None) -> None:
    dev = tried(aws)
    assert dev.deploy(dev.keep("one"), agreed) is None
    assert (dev.stacks(), dev.tables(), dev.has_key(), dev.visited) == ({}, [], False, [])


def test_an_interrupted_question_leaves_nothing_behind(aws: Aws) -> None:
    dev = tried(aws)

    def interrupted() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dev.deploy(dev.keep("one"), interrupted)
    assert dev.stacks() == {}


def test_an_unchanged_stage_is_said_to_be_unchanged_and_visited_without_a_question_unless_it_is_a_plan(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """moto makes no empty change set; the rehearsal does."""
    dev = tried(aws)
    dev.deploy(dev.keep("one"))
    dev.shown.clear()
    empty = ChangeSet(dev.target.stacks, "", "", "", creates=False, changes=(), empty=True, protect=False, minutes=0)
    monkeypatch.setattr(change_set, "make", lambda *_, **__: empty)

    def never() -> bool:
        raise AssertionError("it asks about no change")

    assert dev.deploy(dev.keep("one"), never) is not None
    assert dev.shown == ["Nothing changes: sessions-dev stands as version one describes it."]
    assert len(dev.visited) == 2
    aws.client("ssm").delete_parameter(Name="/sessions/dev/jwt-secret")
    assert dev.deploy(dev.keep("one"), None) is None
    assert (dev.has_key(), len(dev.visited)) == (False, 2)


def test_a_kept_version_is_deployed_again_without_its_tables(aws: Aws) -> None:
    dev = tried(aws)
    first, second = dev.keep("one"), dev.keep("two", DisplayName="other")
    dev.deploy(first)
    commands.deploy(dev.target, second, lambda: True, with_tables=False)
    dev.shown.clear()
    assert commands.deploy(dev.target, first, lambda: True, with_tables=False) is not None
    assert not any("tables" in line for line in dev.shown)
    assert [one["Value"] for one in tags(dev) if one["Key"] == "made-by"] == ["sessions-deployment"]


def tags(of: Tried) -> Any:
    return of.target.aws.client("cloudformation").describe_stacks(StackName="sessions-dev")["Stacks"][0]["Tags"]


def test_a_kept_version_is_found_by_the_whole_id_of_its_commit_too(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "refuse", lambda *_: None)
    dev, commit = tried(aws), "0123456789ab" + 28 * "c"
    kept = dev.keep(commit[:12])
    assert commands.find_kept(dev.target, commit) == commands.find_kept(dev.target, commit[:12]) == kept


def test_a_kept_stage_takes_no_version_that_was_not_committed(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "refuse", lambda *_: None)
    kept = tried(aws, dataclasses.replace(DEV, kept=True))
    kept.keep("0123456789ab-dirty-0123456")
    with pytest.raises(DeploymentError, match="name another version"):
        commands.find_kept(kept.target, "0123456789ab-dirty-0123456")


def test_destroying_a_stage_keeps_its_data_unless_that_is_confirmed(aws: Aws) -> None:
    dev = tried(aws)
    dev.deploy(dev.keep("one"))
    commands.destroy(dev.target, with_data=False)
    assert list(dev.stacks()) == ["sessions-dev-tables"]
    assert (len(dev.tables()), dev.has_key()) == (3, True)
    aws.client("dynamodb").update_table(TableName="events-dev", DeletionProtectionEnabled=True)
    commands.destroy(dev.target, with_data=True)
    assert (dev.stacks(), dev.tables(), dev.has_key()) == ({}, [], False)
    commands.destroy(dev.target, with_data=True)
    assert dev.deploy(dev.keep("one")) is not None


def test_a_table_that_another_stack_made_is_not_deleted(aws: Aws) -> None:
    dev = tried(aws)
    dev.deploy(dev.keep("one"))
    aws.client("dynamodb").create_table(
        TableName="theirs",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    environment = {**DEV.environment, "EVENTS_TABLE": "theirs"}
    commands.destroy(tried(aws, dataclasses.replace(DEV, environment=environment)).target, with_data=True)
    assert set(dev.tables()) == {"events-dev", "theirs"}


def test_tables_alone_are_made_for_the_sandbox(aws: Aws) -> None:
    dev = tried(aws)
    commands.ensure_tables(dev.target)
    assert list(dev.stacks()) == ["sessions-dev-tables"]
    assert (len(dev.tables()), dev.has_key()) == (3, True)


@pytest.mark.parametrize("command", [commands.ensure_tables, lambda target: commands.destroy(target, with_data=True)])
def test_another_region_is_refused_before_anything_is_done(aws: Aws, command: Any) -> None:
    elsewhere = dataclasses.replace(DEV, region="us-east-1")
    with pytest.raises(DeploymentError, match="us-east-1"):
        command(tried(aws, elsewhere).target)
    assert tried(aws).stacks() == {}
