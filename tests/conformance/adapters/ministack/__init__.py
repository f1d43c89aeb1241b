"""The conformance suite's adapter for MiniStack: deploys projects onto one process. It judges nothing.

What it does for MiniStack's sake and no deploy to AWS needs:

- The REST API is made call by call (`rest_api.py`), since MiniStack imports no document.
- Calls of @connections are led to MiniStack (`in_function.py`), since the hosts that Chalice and `domainName` name are
  not there.
- The package holds neither boto3, which MiniStack's environment has as Lambda has, nor a second Chalice.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.adapters import Deployed
from tests.conformance.adapters.ministack.process import ACCESS_KEY, REGION, SECRET_KEY, Process
from tests.serving import ROOT

DEPLOY_SECONDS = 120
SECONDS = 10.0  # it answers within one, when a function begins within two; a busy machine may take longer
BROUGHT = re.compile(r"(boto3|botocore|chalice)\b", re.IGNORECASE)
BESIDE_APP = "conformance_in_function"
MADE_HERE = shutil.ignore_patterns("__pycache__", "deployed", "deployments", "local.key")


class MiniStack:
    """One process for all apps that are up at a time. The next app begins a new one, with nothing of the last in it."""

    name = "ministack"

    def __init__(self) -> None:
        self._process: Process | None = None
        self._up = 0

    @contextlib.contextmanager
    def deploy(self, project: Path) -> Iterator[Deployed]:
        """Raises RuntimeError with all that was said, if it cannot be deployed."""
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
            env=_environment(process, scratch),
            capture_output=True,
            text=True,
            timeout=DEPLOY_SECONDS,
        )
    if run.returncode != 0:
        raise RuntimeError(f"{project.name} cannot be deployed onto MiniStack:\n{run.stderr}\n{process.log()}")
    made = json.loads(run.stdout)
    rest, websocket = (
        f"{process.url}/_aws/execute-api/{made[api] or 'none'}/{made['stage']}" for api in ("rest", "websocket")
    )
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
    """Changes the copy of a project as this file's first words say."""
    vendor = folder / "vendor"
    vendor.mkdir(exist_ok=True)
    shutil.copy(Path(__file__).with_name("in_function.py"), vendor / f"{BESIDE_APP}.py")
    with (folder / "app.py").open("a", encoding="utf-8") as app:
        app.write(f"\nimport {BESIDE_APP}\n")
    requirements = folder / "requirements.txt"
    if requirements.is_file():
        lines = requirements.read_text(encoding="utf-8").splitlines()
        requirements.write_text("\n".join(line for line in lines if not BROUGHT.match(line)), encoding="utf-8")


def _environment(process: Process, scratch: str) -> dict[str, str]:
    """Of the deploying process: it may reach the package index, and no AWS but MiniStack."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTEST_"))}
    return inherited | {
        "AWS_ENDPOINT_URL": process.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_CONFIG_FILE": f"{scratch}/none",
        "AWS_SHARED_CREDENTIALS_FILE": f"{scratch}/none",
        "NO_PROXY": "127.0.0.1,localhost",
    }
