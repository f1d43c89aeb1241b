"""Runs `chalice package` in an export of the source."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from botocore.config import Config
from botocore.session import Session
from chalice.utils import to_cfn_resource_name

from deployment.errors import DeploymentError
from deployment.stage import REST, Stage

TEMPLATE: Final = "sam.json"
CODE: Final = "deployment.zip"
"""Files that `chalice package` writes."""
PATIENT: Final = Config(connect_timeout=10, read_timeout=120)
"""Seconds: the upload of a package of several megabytes must fit in."""


def package(stage: Stage, merge: Path, out: Path, say: Callable[[str], None]) -> None:
    """Runs `chalice package` with the template `merge`; writes `TEMPLATE` and `CODE` to the folder `out`.

    Chalice imports `app.py`, in a process of its own: this one may hold another version of it. Needs neither
    credentials nor a region. Raises DeploymentError.
    """
    command = [sys.executable, "-c", "import sys; from chalice.cli import main; sys.exit(main())"]
    command += ["package", "--stage", stage.name, "--merge-template", str(merge), str(out)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    # Chalice asks botocore for the service principals of a region; they are the same in every region.
    environ |= {"AWS_DEFAULT_REGION": "us-east-1", "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(  # noqa: S603
        command, cwd=stage.root, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = ""
    with process:
        for line in process.stdout or ():
            if line.strip():
                said = line.strip()
                say(said)
    if process.returncode:
        raise DeploymentError(f"Chalice could not package: {said}")


def logical_id(function: str) -> str:
    """Logical id of a function in a packaged template."""
    name: str = "APIHandler" if function == REST else to_cfn_resource_name(function)
    return name


def log_group_id(function: str) -> str:
    """Logical id of a function's log group in a packaged template."""
    return f"{to_cfn_resource_name(function)}LogGroup"


def session() -> Session:
    """botocore's session, with time-outs that allow for uploading a package."""
    made = Session()
    made.set_default_client_config(PATIENT)
    return made
