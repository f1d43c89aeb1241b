"""Cold start: importing `app.py`, beside an app with the same decorators that only creates a DynamoDB client.

Each import runs in a fresh process that finds the same files as a Lambda function: once precompiled, and once as in
Chalice's zips, which hold no compiled files. The time in parentheses is the import while Lambda initializes a function,
when `app.py` also imports what its first request needs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from bench.cold.task import lay_out
from bench.figures import Effort, Figure, in_turns

RUNS = 11
TARGET = 1.25  # times the rival's time
TIMED = """
import sys, time
sys.path.insert(0, sys.argv[1])
began = time.perf_counter()
__import__(sys.argv[2])
print((time.perf_counter() - began) * 1000)
"""
IN_LAMBDA = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}


def measure_compiled(effort: Effort) -> Figure:
    return _measured(effort, "import of app.py, precompiled", compiled=True)


def measure_uncompiled(effort: Effort) -> Figure:
    return _measured(effort, "import of app.py, as in Chalice's zip", compiled=False)


def _measured(effort: Effort, what: str, *, compiled: bool) -> Figure:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder, compiled=compiled)
        ours, prepared, theirs = in_turns(
            effort.of(RUNS),
            partial(import_in, folder, "app", {}),
            partial(import_in, folder, "app", IN_LAMBDA),
            partial(import_in, folder, "usual_app", {}),
        )
    return Figure(
        what,
        f"{ours:.0f} ms ({prepared:.0f} ms prepared)",
        f"client alone {theirs:.0f} ms",
        f"under {TARGET:g} times",
        ours < TARGET * theirs,
    )


def import_in(folder: Path, module: str, variables: dict[str, str]) -> float:
    """Milliseconds of this import in a process that has only the standard library and `folder`."""
    command = [sys.executable, "-S", "-B", "-c", TIMED, str(folder), module]
    run = subprocess.run(  # noqa: S603  our own command
        command, env={"AWS_REGION": "us-east-1", **variables}, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise SystemExit(f"bench: importing {module} failed\n{run.stderr[-2000:]}")
    return float(run.stdout)
