"""`make package` writes the template and the zip that it names, ready for a pipeline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.packaging.conftest import REPOSITORY

OF_AWS = "AWS_"


def test_a_pipeline_gets_template_and_code_without_an_account_or_a_region(checkout: Path, tmp_path: Path) -> None:
    out = tmp_path / "build"
    command = [sys.executable, "-m", "deployment", "--project", str(checkout), "package"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OF_AWS)}
    run = subprocess.run(
        [*command, "--stage", "dev", "--out", str(out)],
        cwd=REPOSITORY,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    resources = json.loads((out / "template.json").read_text())["Resources"].values()
    functions = [one["Properties"] for one in resources if one["Type"] == "AWS::Serverless::Function"]
    assert [out / function["CodeUri"] for function in functions] == [out / "deployment.zip"] * 5
    with zipfile.ZipFile(out / "deployment.zip") as opened:
        assert {"app.py", "chalicelib/service.py", "jwt/__init__.py"} <= set(opened.namelist())
