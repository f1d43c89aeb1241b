"""The `package` command on a project without requirements: its files and its output."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.processes import ROOT
from tests.rehearsal.moto.environment import without_aws
from tests.rehearsal.moto.project import copied


def package(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deployment", "--project", str(project), "package", "--stage", "dev", *options]
    return subprocess.run(command, cwd=ROOT, env=without_aws(), capture_output=True, text=True, timeout=60)


def test_a_package_is_built_where_there_is_none_and_chalice_is_heard_if_that_is_asked_for(tmp_path: Path) -> None:
    project, out = copied(tmp_path / "project"), tmp_path / "build"
    said = package(project, "--out", str(out), "--verbose")
    assert (said.returncode, said.stderr) == (0, "")
    assert "    Creating deployment package.\n" in said.stdout
    assert "WebsocketAPI" in json.loads((out / "template.json").read_text())["Resources"]
    with zipfile.ZipFile(out / "deployment.zip") as code:
        assert {"app.py", "chalicelib/service.py"} <= set(code.namelist())
