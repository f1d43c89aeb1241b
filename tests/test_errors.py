"""What the project's own code raised is shown from its own first line on, and nothing is said twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.errors import ProjectError
from pytest_sessionplugin.tracebacks import cause_in_project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{}")
    (tmp_path / "app.py").touch()
    return tmp_path


def caused(root: Path, code: str) -> str:
    path = root / "app.py"
    path.write_text(code)
    refused = ProjectError(root, "it raised")
    try:
        exec(compile(code, str(path), "exec"), {})  # noqa: S102 - as an import does
    except (SyntaxError, ZeroDivisionError) as error:
        refused.__cause__ = error
    return cause_in_project(refused)


def test_a_traceback_begins_in_the_project(root: Path) -> None:
    shown = caused(root, "def broken():\n    1 / 0\nbroken()\n")
    assert shown.splitlines()[1].endswith('app.py", line 3, in <module>')
    assert "test_errors" not in shown
    assert shown.endswith("ZeroDivisionError: division by zero\n")


def test_a_syntax_error_shows_its_line_though_nothing_ran(root: Path) -> None:
    shown = caused(root, "def broken(:\n")
    assert "def broken(:" in shown
    assert "SyntaxError" in shown


def test_what_we_raised_over_a_file_is_not_said_twice(root: Path) -> None:
    (root / ".chalice" / "config.json").write_text("{")
    with pytest.raises(ProjectError, match=r"config.json is not a JSON object: Expecting property name") as raised:
        Project(root).config_json  # noqa: B018 - reads it
    assert isinstance(raised.value.__cause__, json.JSONDecodeError)
    assert cause_in_project(raised.value) == ""
