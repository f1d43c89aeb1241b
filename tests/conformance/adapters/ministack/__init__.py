"""The conformance suite's adapter for MiniStack: deploys projects to one process.

API Gateway's own behaviour is MiniStack's; what a deploy needs is in `tests/emulators/ministack/workarounds.py`.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.adapters import Deployed
from tests.emulators.ministack.process import ACCESS_KEY, REGION, SECRET_KEY, Process
from tests.processes import ROOT

DEPLOY_SECONDS = 120
SECONDS = 10.0  # answers take one second, with a function's start two, and longer on a busy machine
BROUGHT = re.compile(r"(boto3|botocore|chalice)\b", re.IGNORECASE)
MADE_HERE = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "local")


class MiniStack:
    """One process for all apps that run at the same time. The next app starts a fresh one."""

    name = "ministack"

    def __init__(self) -> None:
        self._process: Process | None = None
        self._up = 0

    @contextlib.contextmanager
    def deploy(self, project: Path) -> Iterator[Deployed]:
        """Raises RuntimeError with the whole output if the project cannot be deployed."""
        process = self._process = self._process or Process()
        self._up += 1
        try:
            yield _deploy(project, process)
        finally:
            self._up -= 1
            if not self._up:
                process.close()
                self._process = None


def _deploy(project: Path, process: Process) -> Deployed:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / project.name
        shutil.copytree(project, folder, ignore=MADE_HERE)
        _prepare(folder)
        run = subprocess.run(
            [sys.executable, "-m", "tests.conformance.adapters.ministack.deployment", str(folder)],
            cwd=ROOT,
            env=process.aws(),
            capture_output=True,
            text=True,
            timeout=DEPLOY_SECONDS,
        )
    if run.returncode != 0:
        raise RuntimeError(f"{project.name} cannot be deployed onto MiniStack:\n{run.stderr}\n{process.log()}")
    made = json.loads(run.stdout)
    rest, websocket = (process.execute_api(made[api] or "none", made["stage"]) for api in ("rest", "websocket"))
    return Deployed(
        http=rest,
        websocket=websocket.replace("http", "ws", 1),
        connections=websocket,
        region=REGION,
        access_key=ACCESS_KEY,
        secret_key=SECRET_KEY,
        api_key=made["api_key"],
        seconds=SECONDS,
    )


def _prepare(folder: Path) -> None:
    """A package without boto3, which MiniStack has as Lambda does, and without a second Chalice."""
    requirements = folder / "requirements.txt"
    if requirements.is_file():
        lines = requirements.read_text(encoding="utf-8").splitlines()
        requirements.write_text("\n".join(line for line in lines if not BROUGHT.match(line)), encoding="utf-8")
