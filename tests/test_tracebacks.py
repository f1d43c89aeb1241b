"""Of a traceback those lines are left that its author wrote."""

from __future__ import annotations

from pathlib import Path
from types import CodeType

import pytest

from pytest_sessionplugin import tracebacks


def code(path: Path, source: str) -> CodeType:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    return compile(source, str(path), "exec")


def defined(path: Path, source: str, **names: object) -> dict[str, object]:
    exec(code(path, source), names)  # noqa: S102 - as an import does
    return names


def raised(root: Path, call: object) -> str:
    try:
        call()  # type: ignore[operator]
    except Exception as error:  # noqa: BLE001 - whatever it is
        return tracebacks.shown(error, root)
    raise AssertionError("it raised nothing")


def files(shown: str) -> list[str]:
    return [line.split('"')[1].rpartition("/")[2] for line in shown.splitlines() if line.startswith("  File ")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "project"


def test_frames_of_what_runs_the_app_and_of_what_it_calls_for_aws_are_left_out(root: Path, tmp_path: Path) -> None:
    aws = defined(tmp_path / "site-packages/botocore/client.py", "def call():\n    1 / 0\n")
    other = defined(tmp_path / "site-packages/other/x.py", "def other(call):\n    call()\n")
    app = defined(root / "app.py", "def view():\n    other(call)\n", **aws, other=other["other"])
    chalice = defined(tmp_path / "site-packages/chalice/app.py", "def run():\n    view()\n", **app)
    shown = raised(root, chalice["run"])
    assert files(shown) == ["app.py", "x.py"]
    assert shown.endswith("ZeroDivisionError: division by zero\n")


def test_so_are_those_of_what_it_came_from(root: Path, tmp_path: Path) -> None:
    aws = defined(tmp_path / "site-packages/botocore/client.py", "def call():\n    1 / 0\n")
    source = (
        "def view():\n    try:\n        call()\n    except ArithmeticError as e:\n        raise KeyError('k') from e\n"
    )
    shown = raised(root, defined(root / "app.py", source, **aws)["view"])
    assert files(shown) == ["app.py", "app.py"]
    assert "direct cause" in shown


def test_one_without_a_line_of_the_project_is_shown_whole(root: Path, tmp_path: Path) -> None:
    run = defined(tmp_path / "site-packages/chalice/app.py", "def run():\n    1 / 0\n")["run"]
    assert files(raised(root, run)) == ["test_tracebacks.py", "app.py"]


def test_what_is_installed_within_the_project_is_not_its_own(root: Path) -> None:
    run = defined(root / ".venv/lib/site-packages/chalice/app.py", "def run():\n    1 / 0\n")["run"]
    assert files(raised(root, run)) == ["test_tracebacks.py", "app.py"]


def test_errors_that_come_from_each_other_end(root: Path) -> None:
    error, other = ValueError("one"), ValueError("other")
    error.__cause__, other.__cause__ = other, error
    assert "ValueError: one" in tracebacks.shown(error, root)
