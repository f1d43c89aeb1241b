"""Runs `chalice package` in a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def deployment_zip(checkout: Path) -> Path:
    """Builds the package of the functions."""
    command = [str(Path(sys.executable).with_name("chalice")), "package", "out"]
    environ = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
    run = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    return checkout / "out" / "deployment.zip"
