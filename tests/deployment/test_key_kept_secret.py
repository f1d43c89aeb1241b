"""The key that a deploy makes is in its parameter, and nowhere else."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import command, project
from tests.deployment.command import Command
from tests.deployment.environment import REGION
from tests.deployment.moto_server import MotoServer
from tests.deployment.story import Story

NAME = "/sessions/dev/jwt-secret"


@pytest.fixture
def commands(moto: MotoServer, told: Story) -> Command:
    return command.at(moto)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project.copied(tmp_path / "project")


def test_the_key_is_sent_to_its_parameter_and_written_nowhere(
    commands: Command, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    real = secrets.token_urlsafe

    def token_urlsafe(size: int) -> str:
        made.append(real(size))
        return made[-1]

    monkeypatch.setattr(secrets, "token_urlsafe", token_urlsafe)
    ran = commands.run(root, "deploy", "--stage", "dev", "--verbose")
    assert ran.status == 0
    [value] = made
    assert [one.operation for one in commands.calls if value in repr(one.given)] == ["ssm.PutParameter"]
    assert value not in ran.out + ran.err
    assert [path for path in root.rglob("*") if path.is_file() and value.encode() in path.read_bytes()] == []


def test_a_key_that_somebody_brought_is_used_and_stays(commands: Command, root: Path) -> None:
    with commands.session() as session:
        client: Any = session.create_client("ssm", region_name=REGION)
        client.put_parameter(Name=NAME, Value="brought", Type="SecureString")
    assert "key of the tokens: there already" in commands.run(root, "deploy", "--stage", "dev").out
    assert commands.run(root, "destroy", "--stage", "dev").status == 0
    left = commands.account().left()
    assert left.keys() == {"parameters"}
    assert left["parameters"].keys() == {NAME}
