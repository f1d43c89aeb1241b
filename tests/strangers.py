"""Projects of strangers, copied to a folder of their own, and pytest run there in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests import forks

REPOSITORY = Path(__file__).parents[1]
PROJECTS = Path(__file__).parent / "projects"
CHAT = PROJECTS / "chat"

APP = (CHAT / "app.py").read_text()
PYPROJECT = (CHAT / "pyproject.toml").read_text()
CONFIG: dict[str, object] = json.loads((CHAT / ".chalice" / "config.json").read_text())
TABLE: dict[str, object] = json.loads((CHAT / ".chalice" / "resources.json").read_text())["Resources"]["Rooms"]

SECONDS = 60.0  # of a run of pytest

LENGTHENS_SUMMARIES = ("CI", "BUILD_NUMBER")
"""Variables at which pytest prints the lines of its summary whole, so that a text is there once more."""

COGNITO = """

from chalice import CognitoUserPoolAuthorizer


@app.route("/pool", authorizer=CognitoUserPoolAuthorizer("people", provider_arns=["arn:aws:cognito-idp:eu:1:x"]))
def pool():
    return {}
"""


def write_project(root: Path, app: str = APP, pyproject: str = PYPROJECT) -> Path:
    """Copies the chat project to `root`, with another app or other settings if they are given."""
    copy_project("chat", root)
    (root / "app.py").write_text(app)
    (root / "pyproject.toml").write_text(pyproject)
    return root


def copy_project(name: str, root: Path) -> None:
    """Copies a project of tests/projects to `root`, over the files that are there."""
    compiled = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECTS / name, root, ignore=compiled, copy_function=shutil.copy, dirs_exist_ok=True)


class Stranger:
    """A project in a folder, and pytest run there in a process of its own, a fork or a new interpreter."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, *, is_forked: bool) -> None:
        self._is_forked = is_forked
        self._pytester = pytester
        self._monkeypatch = monkeypatch
        for name in os.environ:
            if name.startswith(("SESSIONPLUGIN_", "AWS_", "PYTEST_")) or name in LENGTHENS_SUMMARIES:
                monkeypatch.delenv(name)
        path = os.environ.get("PYTHONPATH")
        monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY}{os.pathsep}{path}" if path else f"{REPOSITORY}")
        self.root = write_project(pytester.path)

    def become(self, name: str) -> None:
        """Copies a project of tests/projects over this one."""
        copy_project(name, self.root)

    def test(self, *arguments: str, **files: str) -> pytest.RunResult:
        """Runs pytest on these test files, with the plugin of this checkout."""
        if files:
            self._pytester.makepyfile(**files)
        # Other plugins of this machine are not under test, and cost half a second.
        self._monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        installed = bool(entry_points(group="pytest11", name="sessionplugin"))
        plugin = "sessionplugin" if installed else "pytest_sessionplugin.plugin"
        return self.pytest("-p", plugin, *arguments)

    def pytest(self, *arguments: str) -> pytest.RunResult:
        """Runs pytest with these arguments alone."""
        arguments = ("-p", "no:cacheprovider", *arguments)
        if not self._is_forked:
            return self._pytester.runpytest_subprocess(*arguments, timeout=SECONDS)
        command = [sys.executable, "-m", "pytest", f"--basetemp={tempfile.mkdtemp(dir=self.root.parent)}", *arguments]
        began = time.perf_counter()
        ended = forks.run(command, timeout=SECONDS)
        sys.stdout.write(ended.stdout + ended.stderr)
        took = time.perf_counter() - began
        return pytest.RunResult(ended.returncode, ended.stdout.splitlines(), ended.stderr.splitlines(), took)
