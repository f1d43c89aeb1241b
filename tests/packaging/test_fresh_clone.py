"""Plain Chalice on a fresh clone: it packages without AWS, and plans on moto's server, which answers its questions."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deployment import chalice, policies, stage
from tests.emulators import moto_server
from tests.emulators.moto_server import REGION, without_aws
from tests.packaging.conftest import copy_of_the_checkout

STAGES = ("dev", "prod")
MADE = Counter(create_function=5, create_role=5, import_rest_api=1, create_websocket_api=1)
SOMEWHERE = {**without_aws(), "AWS_DEFAULT_REGION": REGION}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Chalice keeps the dependencies that it fetched for the first test."""
    return copy_of_the_checkout(tmp_path_factory.mktemp("fresh") / "clone")


def run(clone: Path, environment: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("chalice")), *options]
    return subprocess.run(command, cwd=clone, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("name", STAGES)
def test_chalice_packages_a_fresh_clone_with_a_region_and_no_credentials(clone: Path, name: str) -> None:
    made = run(clone, SOMEWHERE, "package", "--stage", name, f"build/{name}")
    assert made.returncode == 0, made.stderr
    resources = json.loads((clone / "build" / name / "sam.json").read_text())["Resources"]
    described = stage.read(clone, name)
    for function in described.functions:
        [role, _] = resources[chalice.logical_id(function.name)]["Properties"]["Role"]["Fn::GetAtt"]
        [policy] = resources[role]["Properties"]["Policies"]
        assert policy["PolicyDocument"] == policies.committed(described, function)


def test_the_region_is_all_that_chalice_misses(clone: Path) -> None:
    refused = run(clone, without_aws(), "package", "--stage", "dev", "build/nowhere")
    assert refused.returncode != 0
    assert refused.stderr.startswith("No region configured.")


@pytest.fixture(scope="module")
def account() -> Iterator[moto_server.MotoServer]:
    with moto_server.running() as account:
        yield account


@pytest.mark.parametrize("name", STAGES)
def test_chalice_plans_a_deploy_of_a_fresh_clone(clone: Path, account: moto_server.MotoServer, name: str) -> None:
    planned = run(clone, account.environment, "dev", "plan", "--stage", name)
    assert planned.returncode == 0, planned.stderr
    described = stage.read(clone, name)
    assert Counter(re.findall(r"method_name: (\w+)", planned.stdout)) > MADE
    named = set(re.findall(rf"function_name: ({described.full_name}\S*)", planned.stdout))
    assert named == {function.full_name for function in described.functions}
    found = [ast.literal_eval(one) for one in re.findall(r"(?m)^\$\{POLICY_\d+\}:\n(\{[^$]*\})$", planned.stdout)]
    written = [policies.committed(described, function) for function in described.functions]
    assert sorted(map(canonical, found)) == sorted(map(canonical, written))


def canonical(policy: object) -> str:
    """Equal for equal policies, in whatever order Chalice prints their keys."""
    return json.dumps(policy, sort_keys=True)
