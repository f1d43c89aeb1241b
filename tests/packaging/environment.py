"""Virtual environments with only the installed packages and nothing of this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

OURS = ("AWS_", "PYTEST_", "PYTHON", "SESSIONPLUGIN_")
"""Variables that would leak settings of this run into another."""


@dataclass(frozen=True)
class Run:
    """A finished command and its output."""

    status: int
    output: str

    @property
    def outcomes(self) -> dict[str, int]:
        """Counts of passed, skipped and other tests of a pytest run."""
        return pytest.RunResult.parse_summary_nouns(self.output.splitlines())


class Environment:
    """A virtual environment. It also sees the packages of its `base`, so adding to one does not change the other."""

    def __init__(self, folder: Path, base: Environment | None = None) -> None:
        venv.create(folder, symlinks=True)
        self._commands = folder / "bin"
        self.packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        if base is not None:
            line = f"import site; site.addsitedir({str(base.packages)!r})\n"
            (self.packages / "base.pth").write_text(line)

    def install(self, *requirements: str) -> None:
        """Installs from the package index, or from files."""
        where = ["--python", str(self._commands / "python")]
        unpack = ["install", "--quiet", "--no-compile"]  # most modules are never imported
        run = _run([sys.executable, "-m", "pip", *where, *unpack, *requirements], Path.cwd())
        assert run.status == 0, run.output

    def run(self, command: str, *arguments: str, cwd: Path, **variables: str) -> Run:
        """Runs an installed command, or `python`."""
        return _run([str(self._commands / command), *arguments], cwd, **variables)

    def pytest(self, *arguments: str, cwd: Path, **variables: str) -> Run:
        return self.run("python", "-m", "pytest", "-p", "no:cacheprovider", *arguments, cwd=cwd, **variables)


def _run(command: list[str], cwd: Path, **variables: str) -> Run:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | variables
    run = subprocess.run(
        command, cwd=cwd, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300
    )
    return Run(run.returncode, run.stdout)
