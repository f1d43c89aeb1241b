"""The cost of the plugin in a run that does not use it: one empty test, with the plugin and without."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

from bench.figures import Effort, Figure, in_turns, milliseconds

RUNS = 41  # enough for the difference of two medians to vary by only a few milliseconds
TARGET = 15.0  # milliseconds


def measure(effort: Effort) -> Figure:
    # Modules that other plugins load would look free.
    others = [found.name for found in entry_points(group="pytest11") if found.name != "sessionplugin"]
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
        (project / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
        ours, theirs = in_turns(
            effort.of(RUNS),
            lambda: milliseconds(lambda: run(project, others)),
            lambda: milliseconds(lambda: run(project, [*others, "sessionplugin"])),
        )
    return Figure(
        "loading the plugin, in a run of one empty test",
        f"{ours - theirs:+.0f} ms",
        f"pytest alone {theirs:.0f} ms",
        f"at most {TARGET:.0f} ms",
        ours - theirs <= TARGET,
    )


def run(project: Path, without: list[str]) -> None:
    """One run in a project that has the plugin installed, with some of the installed plugins turned off."""
    left_out = [f"-pno:{name}" for name in without]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *left_out],
        cwd=project,
        env=environ,
        stdout=subprocess.DEVNULL,
        check=True,  # no timeout: waiting with one polls every 50 ms
    )
