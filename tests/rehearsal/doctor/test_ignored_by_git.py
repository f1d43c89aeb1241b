"""The check that asks git, in a repository of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from deployment.doctor import check
from deployment.doctor.check import Outcome
from tests.deployment.doctored import Project, failed
from tests.sources import ROOT


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    project = Project(tmp_path, monkeypatch)
    git(tmp_path, "init", "--quiet")
    shutil.copy(ROOT / ".gitignore", tmp_path)
    return project


def git(root: Path, *command: str) -> None:
    subprocess.run(["git", "-C", str(root), *command], check=True, capture_output=True)  # noqa: S607 - git itself


def without(checkout: Project, word: str) -> None:
    path = checkout.root / ".gitignore"
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if word not in line))


def test_what_the_project_ignores_is_enough(checkout: Project) -> None:
    assert failed(checkout.examine("dev")) == {}
    assert outcome(checkout) is Outcome.OK


@pytest.mark.parametrize(
    ("word", "said"),
    [("local.key", ".chalice/local.key"), ("deployed", ".chalice/deployed")],
)
def test_what_git_would_publish_fails(checkout: Project, word: str, said: str) -> None:
    without(checkout, word)
    found = failed(checkout.examine("dev"))
    assert found.keys() == {"git-ignore"}
    assert f"git would publish {said}:" in found["git-ignore"]


def test_a_key_that_was_added_all_the_same_fails(checkout: Project) -> None:
    key = checkout.folder / "local.key"
    key.touch(mode=0o600)
    git(checkout.root, "add", "--force", str(key))
    assert failed(checkout.examine("dev")).keys() == {"git-ignore"}


def test_without_a_checkout_nothing_is_claimed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(Project(tmp_path, monkeypatch)) is Outcome.NOTE


def outcome(project: Project) -> check.Outcome:
    [result] = [one for one in project.examine("dev") if one.check.id == "git-ignore"]
    return result.outcome
