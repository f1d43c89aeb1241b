"""The doctor: the stages pass unchanged, and each breakage fails its own check and no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from deployment.doctor import check
from deployment.doctor.check import Outcome
from deployment.doctor.registry import CHECKS
from tests.deployment import breakages  # noqa: F401 - registers its breakages in SPOILT
from tests.deployment.breaking import SPOILT, Break
from tests.deployment.doctored import Project, failed

ELSEWHERE = {"git-ignore"}
"""Checks that need a process; their tests are in tests/rehearsal/doctor."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_stages_as_they_are_pass(project: Project, stage: str) -> None:
    results = project.examine(stage)
    assert failed(results) == {}
    assert [one.check for one in results] == list(CHECKS)


@pytest.mark.slow  # hundreds of cases of ten milliseconds
@pytest.mark.parametrize(("which", "stage", "how", "said"), SPOILT)
def test_what_is_broken_fails_its_check_and_no_other(
    project: Project, which: str, stage: str, how: Break, said: str
) -> None:
    how(project)
    found = failed(project.examine(stage))
    assert found.keys() == {which}, found
    assert said in found[which]


def test_each_check_is_broken_by_some_test() -> None:
    assert {one.values[0] for one in SPOILT} | ELSEWHERE == {one.id for one in CHECKS}
    assert len({one.id for one in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.id)
def test_each_check_says_what_it_is_for_and_where_one_reads_of_it(one: check.Check[Any]) -> None:
    assert one.source.startswith("https://")
    assert one.title
    assert not one.title.endswith(".")


def test_what_cannot_be_looked_at_is_a_note(project: Project) -> None:
    (project.folder / "resources.json").unlink()
    results = {one.check.id: one for one in project.examine("dev")}
    assert results["table-ttl"].verdict == check.note("Not looked at, since template failed.")
    assert results["template"].outcome is Outcome.FAILED


def test_an_app_without_topics_and_origins_is_told_so(project: Project) -> None:
    notes = {one.check.id for one in project.examine("prod") if one.outcome is Outcome.NOTE}
    assert notes >= {"alarm-topics", "origins-exact"}


def test_of_a_stage_that_is_not_there_nothing_else_is_said(project: Project) -> None:
    results = project.examine("nope")
    assert failed(results) == {"stage": "There is no stage 'nope' in .chalice/config.json, only dev, prod."}
    found = {one.check.id for one in results if one.outcome is Outcome.OK}
    assert found <= {"template", "local-key"}, "what is of every stage"


def test_half_an_address_is_no_key_set(project: Project) -> None:
    with project.edited("config.json") as config:
        ours = config["stages"]["dev"]["environment_variables"]
        del ours["JWT_SECRET"]
        ours.update(JWT_JWKS_URL="https://[x/keys", JWT_ALGORITHMS="ES256")
    assert failed(project.examine("dev")).keys() == {"environment", "key-set-https"}


def test_what_app_py_prints_is_no_part_of_what_is_found(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.code(lambda text: f"{text}\nprint('hello')\n")
    assert failed(project.examine("dev")) == {}
    assert capsys.readouterr() == ("", "hello\n")


PUBLISHED = {"JWT_SECRET": None, "JWT_ALGORITHMS": "RS256"}


@pytest.mark.parametrize(
    "variables",
    [
        {**PUBLISHED, "JWT_JWKS_URL": "https://10.0.0.1/keys"},
        {
            **PUBLISHED,
            "JWT_JWKS_URL": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI/.well-known/jwks.json",
            "JWT_ISSUER": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI",
        },
        {"JWT_AUDIENCE": "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW"},
        {"JWT_SECRET": "secretsmanager:sessions/prod/jwt"},
        {"JWT_SECRET": "ssm:arn:aws:ssm:eu-west-1:123456789012:parameter/sessions/key"},
        {"JWT_SECRET": "secretsmanager:arn:aws:secretsmanager:eu-west-1:123456789012:secret:sessions/prod-AbCdEf"},
        {"TOPIC": "arn:aws:sns:eu-west-1:123456789012:sessions-prod-AlarmTopic-1ABCDEFGHIJ2K"},
        {"BUILD": "72f988bf-86f1-41af-91ab-2d7cd011db47"},
        {"ALLOWED_ORIGINS": "https://a.example.com, https://xn--bcher-kva.example:8443"},
    ],
    ids=lambda variables: " ".join(variables),
)
def test_what_is_sound_passes(project: Project, variables: dict[str, str | None]) -> None:
    with project.edited("config.json") as config:
        ours = config["stages"]["prod"]["environment_variables"]
        ours.update(variables)
        config["stages"]["prod"]["environment_variables"] = {k: v for k, v in ours.items() if v is not None}
    assert failed(project.examine("prod")) == {}


@pytest.mark.parametrize(("name", "refused"), [("eu-2", False), ("my_stage", True), ("Staging", True)])
def test_another_stage_passes_if_its_tables_take_its_name(project: Project, name: str, refused: bool) -> None:
    for file in ("config.json", "operations.json"):
        with project.edited(file) as document:
            stages = document.get("stages", document)
            stages[name] = json.loads(json.dumps(stages["prod"]).replace("prod", name))
    shutil.copytree(project.folder / "policies" / "prod", project.folder / "policies" / name)
    with project.edited("config.json") as config:
        domain = {
            "domain_name": "api.example.com",
            "certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/1",
        }
        config["stages"][name].update(api_gateway_stage="v1", api_gateway_custom_domain=domain, tags={"team": "rooms"})
    found = failed(project.examine(name))
    assert found.keys() == ({"table-names"} if refused else set())
