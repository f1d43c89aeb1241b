"""A stage as the files describe it, and the errors for wrong files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deployment import stage
from deployment.errors import DeploymentError
from tests.sources import ROOT

CONFIG = ROOT / ".chalice" / "config.json"
OPERATIONS = ROOT / ".chalice" / "operations.json"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / ".chalice"
    folder.mkdir()
    for file in (CONFIG, OPERATIONS):
        (folder / file.name).write_bytes(file.read_bytes())
    return tmp_path


def change(project: Path, name: str, *keys: str, to: Any) -> None:
    path = project / ".chalice" / name
    document = json.loads(path.read_text())
    place = document
    for key in keys[:-1]:
        place = place.setdefault(key, {})
    place[keys[-1]] = to
    path.write_text(json.dumps(document))


def memory(project: Path, function: str) -> int:
    return next(one.memory for one in stage.read(project, "dev").functions if one.name == function)


def test_a_setting_is_looked_up_where_chalice_looks(project: Path) -> None:
    change(project, "config.json", "lambda_memory_size", to=150)
    assert memory(project, "websocket_connect") == 150
    change(project, "config.json", "lambda_functions", "websocket_connect", to={"lambda_memory_size": 200})
    assert memory(project, "websocket_connect") == 200
    change(project, "config.json", "stages", "dev", "lambda_memory_size", to=300)
    assert memory(project, "websocket_connect") == 300
    change(
        project, "config.json", "stages", "dev", "lambda_functions", "websocket_connect", "lambda_memory_size", to=400
    )
    assert memory(project, "websocket_connect") == 400
    assert memory(project, "sweep") == 300


def test_a_variable_of_one_function_is_of_no_other(project: Path) -> None:
    change(
        project,
        "config.json",
        "stages",
        "dev",
        "lambda_functions",
        "sweep",
        "environment_variables",
        to={"LOG_LEVEL": "DEBUG"},
    )
    levels = {one.name: one.environment["LOG_LEVEL"] for one in stage.read(project, "dev").functions}
    assert {name for name, level in levels.items() if level == "DEBUG"} == {"sweep"}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("operations.json", ("dev", "http_throttle")),
        ("operations.json", ("dev", "kept")),
        ("config.json", ("stages", "dev", "log_retention_in_days")),
    ],
)
def test_a_setting_that_is_missing_is_named(project: Path, name: str, keys: tuple[str, ...]) -> None:
    path = project / ".chalice" / name
    document = json.loads(path.read_text())
    place = document
    for key in keys[:-1]:
        place = place[key]
    del place[keys[-1]]
    path.write_text(json.dumps(document))
    with pytest.raises(DeploymentError, match=f"'dev' lacks .*{keys[-1]}"):
        stage.read(project, "dev")


def test_a_stage_that_is_not_there_is_answered_with_those_that_are(project: Path) -> None:
    with pytest.raises(DeploymentError, match=r"no stage 'staging' in .chalice/config.json, only dev, prod"):
        stage.read(project, "staging")


@pytest.mark.parametrize(("text", "said"), [("{", "is not JSON"), ("[]", "does not hold an object")])
def test_a_file_that_is_none_is_named(project: Path, text: str, said: str) -> None:
    (project / ".chalice" / "operations.json").write_text(text)
    with pytest.raises(DeploymentError, match=rf"operations\.json {said}"):
        stage.read(project, "dev")
    (project / ".chalice" / "operations.json").unlink()
    with pytest.raises(DeploymentError, match=r"operations\.json cannot be read: No such file"):
        stage.read(project, "dev")


def test_a_layer_of_dependencies_is_refused_since_nothing_would_check_their_hashes(project: Path) -> None:
    change(project, "config.json", "automatic_layer", to=True)
    with pytest.raises(DeploymentError, match=r"^automatic_layer in \.chalice/config\.json must be false"):
        stage.read(project, "dev")


def test_the_role_of_cloudformation_is_an_arn_or_absent(project: Path) -> None:
    assert stage.read(project, "dev").service_role is None
    role = "arn:aws:iam::111122223333:role/cloudformation-sessions-dev"
    change(project, "operations.json", "dev", "service_role", to=role)
    assert stage.read(project, "dev").service_role == role
    change(project, "operations.json", "dev", "service_role", to="cloudformation-sessions-dev")
    with pytest.raises(DeploymentError, match=r"service_role in \.chalice/operations\.json must be null or the ARN"):
        stage.read(project, "dev")


@pytest.mark.parametrize("of_all", [True, False])
@pytest.mark.parametrize("setting", ["api_gateway_custom_domain", "websocket_api_custom_domain"])
def test_a_domain_is_refused_with_the_page_of_its_own_stack(project: Path, setting: str, of_all: bool) -> None:
    domain = {"domain_name": "api.example.com", "certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/1"}
    where = (setting,) if of_all else ("stages", "dev", setting)
    change(project, "config.json", *where, to=domain)
    with pytest.raises(DeploymentError) as told:
        stage.read(project, "dev")
    assert str(told.value) == (
        f"{'.'.join(where)} in .chalice/config.json must go: a domain has its own stack, "
        "see docs/operations.md#two-domains."
    )
    assert "\n## Two domains\n" in (ROOT / "docs" / "operations.md").read_text()
