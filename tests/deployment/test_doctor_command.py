"""The doctor's command: status, lines, JSON. Only a process can import an app.py of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployment.doctor.registry import CHECKS
from tests.deployment.doctored import Project
from tests.sources import ROOT

pytestmark = pytest.mark.process


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return Project(tmp_path, monkeypatch)


def doctor(project: Project, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deployment", "--project", str(project.root), "doctor", "--stage", "dev"]
    known = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [*command, *options], cwd=ROOT, env={**known, **nowhere}, capture_output=True, text=True, check=False
    )


def test_the_project_passes_without_aws(project: Project) -> None:
    said = doctor(project)
    assert (said.returncode, said.stderr) == (0, "")
    *lines, summary = said.stdout.splitlines()
    assert [line.split()[1] for line in lines] == [one.id for one in CHECKS]
    assert summary.startswith(f"dev: {len(CHECKS)} checks: ")
    assert summary.endswith(", 0 failed")
