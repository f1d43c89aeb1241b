"""Environments that hold what was installed into them and nothing of this checkout, as a stranger's do."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

OURS = ("AWS_", "PYTEST_", "PYTHON", "SESSIONPLUGIN_")
"""Variables that would tell another run something of this one."""


@dataclass(frozen=True)
class Run:
    """A command that has ended, and all that it printed."""

    status: int
    output: str

    @property
    def outcomes(self) -> dict[str, int]:
        """How many tests passed, were skipped and so on, of a run of pytest."""
        return pytest.RunResult.parse_summary_nouns(self.output.splitlines())


class Environment:
    """A virtual environment. It sees what its `base` has too, so that what adds to one leaves it as it was."""

    def __init__(self, folder: Path, base: Environment | None = None) -> None:
        venv.create(folder, symlinks=True)
        self._commands = folder / "bin"
        self.packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        if base is not None:
            line = f"import site; site.addsitedir({str(base.packages)!r})\n"
            (self.packages / "base.pth").write_text(line)

    def install(self, *requirements: str) -> None:
        """From the package index, unless a requirement is a file."""
        where = ["--python", str(self._commands / "python")]
        unpack = ["install", "--quiet", "--no-compile"]  # most of it is never imported
        run = _run([sys.executable, "-m", "pip", *where, *unpack, *requirements], Path.cwd())
        assert run.status == 0, run.output

    def run(self, command: str, *arguments: str, cwd: Path, **variables: str) -> Run:
        """A command that was installed here, or `python`."""
        return _run([str(self._commands / command), *arguments], cwd, **variables)

    def pytest(self, *arguments: str, cwd: Path, **variables: str) -> Run:
        return self.run("python", "-m", "pytest", "-p", "no:cacheprovider", *arguments, cwd=cwd, **variables)


def _run(command: list[str], cwd: Path, **variables: str) -> Run:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | variables
    run = subprocess.run(
        command, cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
    )
    return Run(run.returncode, run.stdout)
