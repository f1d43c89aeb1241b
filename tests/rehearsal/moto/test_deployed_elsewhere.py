"""A kept stage, deployed by two machines, in an account that already has a key and a log role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.rehearsal.moto import command, project
from tests.rehearsal.moto.command import Ran
from tests.rehearsal.moto.environment import REGION
from tests.rehearsal.moto.moto_server import MotoServer
from tests.rehearsal.moto.read_back import Account
from tests.rehearsal.moto.story import Story

KEY = "/sessions/prod/jwt-secret"
THEIRS = "arn:aws:iam::123456789012:role/theirs"


@dataclass(frozen=True)
class Machines:
    """The account after the first deploy, after the second machine's, and after a third machine destroyed the stage."""

    first: Account
    second: Account
    left: dict[str, Any]
    deployed: Ran


@pytest.fixture(scope="module")
def machines(moto: MotoServer, told: Story, tmp_path_factory: pytest.TempPathFactory) -> Machines:
    root, commands = project.copied(tmp_path_factory.mktemp("elsewhere") / "project"), command.at(moto)
    with commands.session() as session:
        ssm: Any = session.create_client("ssm", region_name=REGION)
        ssm.put_parameter(Name=KEY, Value="brought", Type="SecureString")
        gateway: Any = session.create_client("apigateway", region_name=REGION)
        gateway.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": THEIRS}])
        logs: Any = session.create_client("logs", region_name=REGION)

    def run(*arguments: str) -> Ran:
        """A machine without Chalice's record, which is not in the repository."""
        (root / ".chalice" / "deployed" / "prod.json").unlink(missing_ok=True)
        ran = commands.run(root, *arguments)
        assert ran.status == 0, ran.err
        return ran

    deployed = run("deploy", "--stage", "prod")
    first = commands.account()
    run("deploy", "--stage", "prod")
    second = commands.account()

    def log_once_more(operation: str) -> bool:
        if operation == "apigateway.DeleteRestApi":
            logs.create_log_group(logGroupName="/aws/apigateway/sessions-prod-http")
        return False

    commands.refuse = log_once_more
    run("destroy", "--stage", "prod", "--confirm", "prod")
    return Machines(first, second, commands.account().left(), deployed)


def test_the_second_goes_on_with_what_the_first_deployed(machines: Machines) -> None:
    first, second = machines.first, machines.second
    assert (second.rest.id, second.websocket.id) == (first.rest.id, first.websocket.id)
    assert second.functions.keys() == first.functions.keys()
    assert second.permissions == first.permissions


def test_the_tables_cannot_be_deleted_and_can_be_restored(machines: Machines) -> None:
    tables = machines.second.tables
    assert tables.keys() == {"sessions-prod", "connections-prod", "events-prod"}
    for table in tables.values():
        assert table["DeletionProtectionEnabled"] is True
        assert table["PointInTimeRecovery"] == "ENABLED"


def test_a_key_that_was_there_is_used(machines: Machines) -> None:
    assert "signing key: exists already" in machines.deployed.out
    assert machines.first.parameters.keys() == {KEY}


def test_what_somebody_else_brought_stays_and_nothing_else(machines: Machines) -> None:
    """Including the log of a request made while the stage was being destroyed."""
    assert machines.first.access_log_role == machines.second.access_log_role == THEIRS
    assert machines.left.keys() == {"access_log_role", "parameters"}
    assert machines.left["access_log_role"] == THEIRS
    assert machines.left["parameters"].keys() == {KEY}
