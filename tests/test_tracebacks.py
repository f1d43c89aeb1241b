"""A traceback is reduced to the lines that its reader wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import CodeType

import pytest

from pytest_sessionplugin import tracebacks
from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.errors import ProjectError
from pytest_sessionplugin.gateway.values import Invoke
from pytest_sessionplugin.lambdas.functions import FaultyFunctions
from pytest_sessionplugin.tracebacks import Owner, cause_in_project


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
    except Exception as error:  # noqa: BLE001 - any error is shown
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


# --- of a project's error


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".chalice").mkdir()
    (tmp_path / ".chalice" / "config.json").write_text("{}")
    (tmp_path / "app.py").touch()
    return tmp_path


def caused(checkout: Path, code: str) -> str:
    path = checkout / "app.py"
    path.write_text(code)
    refused = ProjectError(checkout, "it raised")
    try:
        exec(compile(code, str(path), "exec"), {})  # noqa: S102 - as an import does
    except (SyntaxError, ZeroDivisionError) as error:
        refused.__cause__ = error
    return cause_in_project(refused)


def test_a_traceback_begins_in_the_project(checkout: Path) -> None:
    shown = caused(checkout, "def broken():\n    1 / 0\nbroken()\n")
    assert shown.splitlines()[1].endswith('app.py", line 3, in <module>')
    assert "test_tracebacks" not in shown
    assert shown.endswith("ZeroDivisionError: division by zero\n")


def test_a_syntax_error_shows_its_line_though_nothing_ran(checkout: Path) -> None:
    shown = caused(checkout, "def broken(:\n")
    assert "def broken(:" in shown
    assert "SyntaxError" in shown


def test_what_we_raised_over_a_file_is_not_said_twice(checkout: Path) -> None:
    (checkout / ".chalice" / "config.json").write_text("{")
    with pytest.raises(ProjectError, match=r"config.json is not a JSON object: Expecting property name") as raised:
        Project(checkout).config_json  # noqa: B018 - reads it
    assert isinstance(raised.value.__cause__, json.JSONDecodeError)
    assert cause_in_project(raised.value) == ""


# --- whose code it is


@pytest.mark.parametrize(
    ("file", "owner"),
    [
        (tracebacks.__file__, Owner.PLUGIN),
        (json.__file__, Owner.LIBRARY),
        ("<string>", Owner.LIBRARY),
        ("<frozen importlib._bootstrap>", Owner.MACHINERY),
        ("/srv/.venv/lib/python3.11/site-packages/chalice/app.py", Owner.MACHINERY),
        ("/srv/.venv/lib/python3.11/site-packages/pydantic/main.py", Owner.LIBRARY),
        ("/srv/shop/app.py", Owner.USER),
        (__file__, Owner.USER),
    ],
)
def test_a_file_is_somebodys(file: str, owner: Owner) -> None:
    assert tracebacks.owner(file) is owner


@pytest.mark.parametrize(
    ("file", "inside"),
    [
        ("app.py", True),
        ("chalicelib/rules.py", True),
        ("vendor/site-packages/library.py", False),
        (".venv/bin/pytest", False),
        ("../other/app.py", False),
    ],
)
def test_code_is_in_a_project_unless_it_is_installed_hidden_or_elsewhere(root: Path, file: str, inside: bool) -> None:
    assert tracebacks.is_in(root, os.path.normpath(root / file)) is inside


def test_of_a_function_those_frames_are_shown_that_the_kit_ran() -> None:
    def handler(invoke: Invoke) -> None:
        raise KeyError("k")

    functions = FaultyFunctions(handler, {"sweep": "sweep"}, Faults(), None)
    with pytest.raises(KeyError) as raised:
        functions(Invoke("id", "sweep", {}))
    assert [frame.name for frame in tracebacks.of_function(raised.value).stack] == ["handler"]


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("WS_DOMAIN", '[tool.sessionplugin.env], perhaps as WS_DOMAIN = "{websocket:domain}", or for every stage'),
        ("ROOMS_TABLE", '[tool.sessionplugin.env], perhaps as ROOMS_TABLE = "{table:Name}", or for every stage'),
        ("STABLE", "[tool.sessionplugin.env], or for every stage"),
    ],
)
def test_advice_on_a_variable_has_the_placeholder_that_its_name_tells(variable: str, said: str) -> None:
    assert tracebacks.set_it(variable).startswith(f"{variable} is not set: give it in {said}")
