"""A table is restored by the commands of the page of operations, and its stack goes on with the new one.

MiniStack restores the present, whatever second is asked for: the damage is done after the first restore.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from deployment import stage
from tests.deployment.runbook import Shell, blocks
from tests.emulators.ministack.process import ACCESS_KEY, REGION, SECRET_KEY, Process
from tests.processes import ROOT

TABLE, STACK = "sessions-prod", "sessions-prod-tables"


@dataclass(frozen=True)
class Account:
    dynamodb: Any
    cloudformation: Any
    shell: Shell

    def drift(self) -> str:
        """The output of the page's commands about drift, of the tables' stack alone."""
        [commands] = blocks("Drift")
        return self.shell.run(
            commands.replace("for STACK in sessions-prod sessions-prod-tables", f"for STACK in {STACK}")
        )

    def tags(self) -> dict[str, str]:
        """Tags of the table, besides CloudFormation's own."""
        arn = self.dynamodb.describe_table(TableName=TABLE)["Table"]["TableArn"]
        found = self.dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"]
        return {one["Key"]: one["Value"] for one in found if not one["Key"].startswith("aws:")}

    def titles(self, table: str) -> list[str]:
        return sorted(item["title"]["S"] for item in self.dynamodb.scan(TableName=table)["Items"])


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    """An account with the tables of a kept stage, and two sessions."""
    with contextlib.closing(Process()) as emulator:

        def client(service: str) -> Any:
            make: Any = boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION).client
            return make(service, endpoint_url=emulator.url)

        cloudformation, dynamodb = client("cloudformation"), client("dynamodb")
        tags = stage.read(ROOT, "prod").tags
        cloudformation.create_stack(
            StackName=STACK,
            TemplateBody=(ROOT / ".chalice" / "resources.json").read_text(encoding="utf-8"),
            Parameters=[
                {"ParameterKey": "Stage", "ParameterValue": "prod"},
                {"ParameterKey": "Kept", "ParameterValue": "true"},
            ],
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=STACK, WaiterConfig={"Delay": 1})
        for title in ("Retro", "Standup"):
            item = {"sessionId": title, "title": title, "ownerId": "alice", "createdAt": "2026-11-29T14:00:00.000Z"}
            dynamodb.put_item(TableName=TABLE, Item={name: {"S": value} for name, value in item.items()})
        yield Account(dynamodb, cloudformation, Shell(tmp_path, emulator.aws()))


def test_a_restored_table_takes_the_place_of_the_damaged_one_and_its_stack_sees_no_drift(account: Account) -> None:
    beside, swap, settings = blocks("Restore a table")
    name = beside.splitlines()[0]
    account.shell.run(beside)
    account.dynamodb.delete_item(TableName=TABLE, Key={"sessionId": {"S": "Retro"}})
    before = account.dynamodb.describe_table(TableName=TABLE)["Table"]
    assert before["DeletionProtectionEnabled"]

    account.shell.run(name, swap)
    assert account.titles(TABLE) == ["Retro", "Standup"]
    seen = account.drift()
    assert f"{STACK} DETECTION_COMPLETE\tDRIFTED" in seen
    assert "/DeletionProtectionEnabled" in seen
    assert account.tags() == {}

    account.shell.run(name, settings)
    after = account.dynamodb.describe_table(TableName=TABLE)["Table"]
    assert after["DeletionProtectionEnabled"]
    assert account.tags() == stage.read(ROOT, "prod").tags
    assert after["KeySchema"] == before["KeySchema"]
    assert {one["IndexName"] for one in after["GlobalSecondaryIndexes"]} == {"by-owner", "due"}
    ttl = account.dynamodb.describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
    assert (ttl["AttributeName"], ttl["TimeToLiveStatus"]) == ("purgeAt", "ENABLED")
    recovery = account.dynamodb.describe_continuous_backups(TableName=TABLE)["ContinuousBackupsDescription"]
    assert recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert account.drift() == f"{STACK} DETECTION_COMPLETE\tIN_SYNC\n[]\n"


def test_the_settings_that_are_put_back_are_those_of_the_template() -> None:
    table = json.loads((ROOT / ".chalice" / "resources.json").read_text(encoding="utf-8"))["Resources"]["Sessions"]
    *_, settings = blocks("Restore a table")
    assert f"AttributeName={table['Properties']['TimeToLiveSpecification']['AttributeName']}" in settings
    lost = {"DeletionProtectionEnabled", "PointInTimeRecoverySpecification", "TimeToLiveSpecification"}
    kept = {"TableName", "BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes"}
    assert set(table["Properties"]) == lost | kept
