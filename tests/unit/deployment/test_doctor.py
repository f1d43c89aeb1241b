"""What the doctor finds: nothing in the stages as they are, and what is broken by the check that is for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployment.doctor import check
from deployment.doctor.check import Outcome
from deployment.doctor.registry import CHECKS
from tests.unit.deployment import breakages  # noqa: F401 - enters what it breaks
from tests.unit.deployment.breaking import SPOILT, Break
from tests.unit.deployment.doctored import Project, failed

ELSEWHERE = {"git-ignore"}
"""Checks that take a process; their tests are in tests/deployment_doctor."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_stages_as_they_are_pass(project: Project, stage: str) -> None:
    results = project.examine(stage)
    assert failed(results) == {}
    assert [one.check for one in results] == list(CHECKS)


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
def test_each_check_says_what_it_is_for_and_where_one_reads_of_it(one: check.Check) -> None:
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
