"""The doctor's command: status, lines, JSON. Only a process can import an app.py of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployment.doctor.registry import CHECKS
from tests.deployment.doctored import Project
from tests.sources import ROOT


def doctor(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deployment", "--project", str(project), "doctor", *options]
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    known = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return subprocess.run(command, cwd=ROOT, env={**known, **nowhere}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_the_project_passes_without_aws(stage: str) -> None:
    said = doctor(ROOT, "--stage", stage)
    assert (said.returncode, said.stderr) == (0, "")
    lines = said.stdout.splitlines()
    assert [line.split()[1] for line in lines[:-1]] == [one.id for one in CHECKS]
    assert {line.split()[0] for line in lines[:-1]} <= {"ok", "note"}
    assert lines[-1].startswith(f"{stage}: {len(CHECKS)} checks: ")
    assert lines[-1].endswith(", 0 failed")


def test_a_handler_that_was_added_is_found_and_programs_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(tmp_path, monkeypatch)
    added = "\n\n@app.lambda_function()\ndef report(event, context):\n    return {}\n"
    (tmp_path / "app.py").write_text((ROOT / "app.py").read_text() + added)
    said = doctor(project.root, "--stage", "dev", "--json")
    assert said.returncode == 1
    document = json.loads(said.stdout)
    assert (document["stage"], document["failed"]) == ("dev", 1)
    [failure] = [one for one in document["checks"] if one["outcome"] == "failed"]
    assert failure["id"] == "policy-files"
    assert "no function report" in failure["sentences"][0]
