"""The shell commands of the page of operations are run as they stand, by the AWS CLI on moto's server.

`tests/rehearsal/test_restore.py` runs those of a restore and of drift, which moto lacks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from chalicelib import logs, settings
from tests.deployment.runbook import Shell, blocks, inline
from tests.emulators import moto_server
from tests.emulators.moto_server import MotoServer
from tests.processes import ROOT

pytestmark = pytest.mark.process

NAME = "/sessions/dev/jwt-secret"
OLD = "an-old-key-of-the-stage-" + 40 * "x"


@pytest.fixture(scope="module")
def account() -> Iterator[MotoServer]:
    with moto_server.running() as account:
        yield account


@pytest.fixture
def shell(tmp_path: Path, account: MotoServer) -> Shell:
    return Shell(tmp_path, account.environment)


@pytest.fixture
def ssm(account: MotoServer) -> Any:
    """Parameter Store with the old key of the stage."""
    credentials = {"aws_access_key_id": moto_server.ACCESS_KEY, "aws_secret_access_key": moto_server.SECRET_KEY}
    make: Any = boto3.client
    client = make("ssm", moto_server.REGION, endpoint_url=account.url, **credentials)
    client.put_parameter(Name=NAME, Value=OLD, Type="SecureString", Overwrite=True)
    return client


def keys(ssm: Any) -> tuple[str, ...]:
    """The keys as the service reads them."""
    found = ssm.get_parameter(Name=NAME, WithDecryption=True)["Parameter"]
    assert found["Type"] == "SecureString"
    return settings.secrets_in(found["Value"])


def test_a_key_is_rotated_by_two_keys_and_shown_to_nobody(shell: Shell, ssm: Any) -> None:
    functions, both, alone = blocks("Rotate a key")
    shell.run(functions, both)
    new, old = keys(ssm)
    assert old == OLD
    assert len(new) >= 64
    shell.run(functions, alone)
    assert keys(ssm) == (new,)
    assert NAME in shell.arguments
    assert OLD not in shell.arguments
    assert new not in shell.arguments


def test_a_leaked_key_is_replaced_at_once_and_its_versions_are_listed_without_it(shell: Shell, ssm: Any) -> None:
    functions, *_ = blocks("Rotate a key")
    [replace] = blocks("A key leaked")
    [history] = [one for one in inline("A key leaked") if one.startswith("aws ssm ")]
    shell.run(functions, replace)
    [new] = keys(ssm)
    assert new != OLD
    versions = shell.run(functions, history)
    first, *_, last = json.loads(versions)
    assert first[0] < last[0]
    [read_first] = [one for one in inline("A key leaked") if one.startswith("NAME=")]
    assert shell.run(functions, read_first).strip() == OLD
    assert OLD not in shell.arguments + versions
    assert new not in shell.arguments + versions


def test_a_subject_is_hashed_as_in_the_log(shell: Shell) -> None:
    [line] = [one for one in inline("A key leaked") if "sha256sum" in one]
    assert shell.run(line).strip() == logs.subject_hash("alice")


def test_a_command_that_no_emulator_runs_is_one_that_the_aws_cli_knows(shell: Shell) -> None:
    """With this option the CLI reads the command line and calls nobody. `deploy` does not have it."""
    headings = ("Deploy", "A key leaked", "Two domains", "Restore a table")
    lines = [line for heading in headings for block in blocks(heading) for line in block.splitlines()]
    lines += [line for heading in headings for line in inline(heading)]
    calls = ("aws cloudtrail ", "aws cloudformation describe-", "aws iam ", "aws dynamodb list-")
    found = {line for line in lines if line.startswith(calls)}
    assert {line.split()[1] for line in found} == {call.split()[1] for call in calls}
    shell.run(*(f"{command} --generate-cli-skeleton" for command in found))
    with pytest.raises(AssertionError, match="Unknown options"):
        shell.run(f"{found.pop()} --nonsense 1 --generate-cli-skeleton")


@pytest.mark.parametrize(("heading", "file"), [("Deploy", "pipeline.json"), ("Two domains", "domains.json")])
def test_a_stack_that_is_made_by_hand_is_given_each_parameter_that_has_no_default(heading: str, file: str) -> None:
    parameters = json.loads((ROOT / "deployment" / file).read_text(encoding="utf-8"))["Parameters"]
    [command] = [one for one in blocks(heading) if f"--template-file deployment/{file}" in one]
    given = dict(re.findall(r"([A-Z]\w+)=(\S+)", command))
    assert given.keys() == {name for name, one in parameters.items() if "Default" not in one}
    for name, value in given.items():
        assert re.fullmatch(parameters[name].get("AllowedPattern", ".+"), value), name
