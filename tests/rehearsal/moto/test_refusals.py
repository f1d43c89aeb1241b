"""An impossible command says what to do in one sentence and exits with 1, without creating anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.moto import command, project
from tests.rehearsal.moto.command import Command, Ran
from tests.rehearsal.moto.environment import REGION, without_aws
from tests.rehearsal.moto.moto_server import MotoServer
from tests.rehearsal.moto.story import Story


@pytest.fixture
def commands(moto: MotoServer, told: Story) -> Command:
    """An empty account after the story."""
    return command.at(moto)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project.copied(tmp_path / "project")


def refused(ran: Ran) -> str:
    """The one line of the error."""
    assert ran.status == 1
    [line] = ran.err.splitlines()
    return line


@pytest.mark.parametrize("verb", ["deploy", "destroy"])
def test_a_stage_that_is_not_there_is_named_with_those_that_are(commands: Command, root: Path, verb: str) -> None:
    said = refused(commands.run(root, verb, "--stage", "nowhere"))
    assert said == "There is no stage 'nowhere' in .chalice/config.json, only dev, prod."
    assert commands.calls == []


@pytest.mark.parametrize("verb", ["deploy", "destroy"])
def test_without_a_region_nothing_is_asked(moto: MotoServer, told: Story, root: Path, verb: str) -> None:
    commands = Command({name: value for name, value in moto.environment.items() if name != "AWS_DEFAULT_REGION"})
    said = refused(commands.run(root, verb, "--stage", "dev"))
    assert said == "No region is chosen: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one."
    assert commands.calls == []


@pytest.mark.parametrize("verb", ["deploy", "destroy"])
def test_without_credentials_it_says_that_there_are_none(root: Path, verb: str) -> None:
    commands = Command({**without_aws(), "AWS_DEFAULT_REGION": REGION})
    said = refused(commands.run(root, verb, "--stage", "dev"))
    assert said == "AWS does not say who we are, check the credentials: Unable to locate credentials"
    assert [one.operation for one in commands.calls] == ["sts.GetCallerIdentity"]


def test_destroying_what_is_not_there_is_no_error(commands: Command, root: Path) -> None:
    ran = commands.run(root, "destroy", "--stage", "dev")
    assert (ran.status, ran.err) == (0, "")
    assert commands.account().left() == {}


def test_a_stage_that_is_kept_is_destroyed_by_its_name_alone(commands: Command, root: Path) -> None:
    for confirmed in ([], ["--confirm", "dev"]):
        said = refused(commands.run(root, "destroy", "--stage", "prod", *confirmed))
        assert said == "prod keeps its data; to destroy it for good: CONFIRM=prod"
        assert [one.operation for one in commands.calls] == ["sts.GetCallerIdentity"]


def test_a_stage_that_stands_twice_is_not_deployed_a_third_time(commands: Command, root: Path) -> None:
    with commands.session() as session:
        client = session.create_client("apigatewayv2", region_name=REGION)
        apis = [_websocket_api(client) for _ in range(2)]
    said = refused(commands.run(root, "deploy", "--stage", "dev"))
    assert said == (
        "The stage dev exists more than once in this account, as the WebSocket APIs "
        f"{', '.join(sorted(apis, key=said.index))}: delete those that no client uses."
    )


def _websocket_api(client: Any) -> str:
    api: str = client.create_api(
        Name="sessions-dev-websocket-api", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    deployment = client.create_deployment(ApiId=api)["DeploymentId"]
    client.create_stage(ApiId=api, StageName="api", DeploymentId=deployment)
    return api
