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
from moto.server import ThreadedMotoServer

from chalicelib import logs, settings
from tests.deployment.runbook import Shell, blocks, inline, section
from tests.processes import ROOT

pytestmark = pytest.mark.process

NAME = "/sessions/dev/jwt-secret"
OLD = "an-old-key-of-the-stage-" + 40 * "x"
AWS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def shell(tmp_path: Path, url: str) -> Shell:
    return Shell(tmp_path, {**AWS, "AWS_ENDPOINT_URL": url})


@pytest.fixture
def ssm(url: str) -> Any:
    """Parameter Store with the old key of the stage."""
    client: Any = boto3.client(
        "ssm", "us-east-1", endpoint_url=url, aws_access_key_id="testing", aws_secret_access_key="testing"
    )
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
    replace, history, *_ = blocks("A key leaked")
    shell.run(functions, replace)
    [new] = keys(ssm)
    assert new != OLD
    versions = shell.run(functions, history)
    assert len(json.loads(versions)) > 1
    assert OLD not in shell.arguments + versions
    assert new not in shell.arguments + versions


def test_a_subject_is_hashed_as_in_the_log(shell: Shell) -> None:
    [line] = [one for one in inline("A key leaked") if "sha256sum" in one]
    assert shell.run(line).strip() == logs.subject_hash("alice")


@pytest.mark.parametrize("heading", ["A key leaked", "Two domains"])
def test_a_command_that_no_emulator_runs_is_one_that_the_aws_cli_knows(heading: str, shell: Shell) -> None:
    """With this option the CLI reads the command line and calls nobody. `deploy` does not have it."""
    lines = [line for block in blocks(heading) for line in block.splitlines()]
    found = [
        line
        for line in (*lines, *inline(heading))
        if line.startswith(("aws cloudtrail ", "aws cloudformation describe-"))
    ]
    assert found
    for command in found:
        shell.run(f"{command} --generate-cli-skeleton")
    with pytest.raises(AssertionError, match="Unknown options"):
        shell.run(f"{found[0]} --nonsense 1 --generate-cli-skeleton")


def test_the_command_of_two_domains_gives_each_parameter_that_has_no_default() -> None:
    template = json.loads((ROOT / "deployment" / "domains.json").read_text(encoding="utf-8"))
    needed = {name for name, one in template["Parameters"].items() if "Default" not in one}
    [command] = [one for one in blocks("Two domains") if "cloudformation deploy" in one]
    given = dict(re.findall(r"([A-Z]\w+)=(\S+)", command))
    assert set(given) == needed
    assert re.fullmatch(template["Parameters"]["Certificate"]["AllowedPattern"], given["Certificate"])
    assert "--template-file deployment/domains.json" in command
    assert all(name in section("Two domains") for name in (given["HttpDomain"], given["WebsocketDomain"]))
