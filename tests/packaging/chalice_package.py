"""Runs `chalice package` in a checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def deployment_zip(checkout: Path) -> Path:
    """Builds the package of the functions. The policies, which a deploy writes for its account, are empty."""
    stages = json.loads((checkout / ".chalice" / "config.json").read_text())["stages"]
    for function in stages["dev"]["lambda_functions"].values():
        policy = checkout / ".chalice" / function["iam_policy_file"]
        policy.parent.mkdir(parents=True, exist_ok=True)
        policy.write_text('{"Version": "2012-10-17", "Statement": []}')
    command = [str(Path(sys.executable).with_name("chalice")), "package", "out"]
    environ = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1"}
    run = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    return checkout / "out" / "deployment.zip"
