"""A command interrupted at any call can simply be repeated. Calls are refused as AWS refuses missing permissions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.rehearsal.moto import command, project
from tests.rehearsal.moto.command import DENIED, Command, Ran
from tests.rehearsal.moto.likeness import likeness
from tests.rehearsal.moto.moto_server import MotoServer
from tests.rehearsal.moto.read_back import Account
from tests.rehearsal.moto.story import Story

OF_A_DEPLOY = (
    "cloudformation.CreateStack",
    "ssm.PutParameter",
    "iam.CreateRole",
    "apigateway.UpdateRestApi",
    "apigatewayv2.CreateStage",
    "iam.AttachRolePolicy",
    "apigatewayv2.UpdateStage",
)
"""In the order of a deploy, at least one of each step. The others were tried by hand."""
OF_A_DESTROY = (
    "cloudformation.DeleteStack",
    "apigatewayv2.DeleteApi",
    "apigateway.DeleteRestApi",
    "events.RemoveTargets",
    "events.DeleteRule",
    "lambda.DeleteFunction",
    "iam.DeleteRolePolicy",
    "iam.DeleteRole",
    "logs.DeleteLogGroup",
    "iam.DetachRolePolicy",
    "ssm.DeleteParameter",
)


@dataclass(frozen=True)
class Tried:
    """A command that was refused at one call after another, each later than the last, and then succeeded."""

    refused: dict[str, Ran]
    last: Ran
    account: Account


@pytest.fixture(scope="module")
def commands(moto: MotoServer, told: Story) -> Command:
    """An account that is empty again after the story."""
    return command.at(moto)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project.copied(tmp_path_factory.mktemp("broken-off") / "project")


@pytest.fixture(scope="module")
def deployed(commands: Command, root: Path) -> Tried:
    return tried(commands, root, "deploy", OF_A_DEPLOY)


@pytest.fixture(scope="module")
def destroyed(deployed: Tried, commands: Command, root: Path) -> Tried:
    return tried(commands, root, "destroy", OF_A_DESTROY)


def tried(commands: Command, root: Path, verb: str, operations: tuple[str, ...]) -> Tried:
    refused = {}
    for operation in operations:
        commands.refuse = operation.__eq__
        refused[operation] = commands.run(root, verb, "--stage", "dev")
    commands.refuse = lambda operation: False
    return Tried(refused, commands.run(root, verb, "--stage", "dev"), commands.account())


@pytest.mark.parametrize("operation", OF_A_DEPLOY)
def test_a_deploy_that_is_refused_a_call_says_which_and_what_to_do(deployed: Tried, operation: str) -> None:
    says_which_and_what_to_do(deployed.refused[operation], operation)


@pytest.mark.parametrize("operation", OF_A_DESTROY)
def test_a_destroy_that_is_refused_a_call_says_which_and_what_to_do(destroyed: Tried, operation: str) -> None:
    says_which_and_what_to_do(destroyed.refused[operation], operation)


def test_a_deploy_that_broke_off_wherever_ends_in_the_same_state(deployed: Tried, told: Story) -> None:
    assert deployed.last.status == 0, deployed.last.err
    assert likeness(deployed.account) == likeness(told.first.account)


def test_a_destroy_that_broke_off_wherever_leaves_nothing(destroyed: Tried) -> None:
    assert destroyed.last.status == 0, destroyed.last.err
    assert destroyed.account.left() == {}


def says_which_and_what_to_do(ran: Ran, operation: str) -> None:
    assert ran.status == 1
    [line] = ran.err.splitlines()
    assert f"when calling the {operation.partition('.')[2]} operation: {DENIED}" in line
    assert line.endswith("Fix that and run the same command again: it continues from here.")
    assert ": failed (" in ran.out.splitlines()[-1]
