"""What the plugin costs a run of pytest that does not use it: runs of one empty test, with the plugin and without."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from bench.figures import Figure, in_turns, milliseconds

RUNS = 41  # as many as it takes for the difference of two medians to stay within a few milliseconds
ASKED = 15.0  # milliseconds


def measure() -> Figure:
    # What they have loaded would look free.
    others = [found.name for found in entry_points(group="pytest11") if found.name != "sessionplugin"]
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
        (project / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        ours, theirs = in_turns(
            RUNS,
            lambda: milliseconds(lambda: run(project, others)),
            lambda: milliseconds(lambda: run(project, [*others, "sessionplugin"])),
        )
    return Figure(
        "loading the plugin, in a run of one empty test",
        f"{ours - theirs:+.0f} ms",
        f"pytest alone {theirs:.0f} ms",
        f"at most {ASKED:.0f} ms",
        ours - theirs <= ASKED,
    )


def run(project: Path, without: list[str]) -> None:
    """One run, as everybody has it who has installed the plugin, without some of the plugins that are there."""
    left_out = [f"-pno:{name}" for name in without]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *left_out],
        cwd=project,
        env=environ,
        stdout=subprocess.DEVNULL,
        check=True,  # and no timeout: waiting with one looks every 50 ms
    )
