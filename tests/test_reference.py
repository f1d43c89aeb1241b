"""docs/reference.md names everything that is public, and nothing else."""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import textwrap
from collections.abc import Collection, Iterator
from typing import Any

import pytest

import pytest_sessionplugin
from pytest_sessionplugin import __main__, options, plugin
from pytest_sessionplugin.app import placeholders
from pytest_sessionplugin.aws.faults import NAMES
from pytest_sessionplugin.misuse import FOR_OTHER_ROOMS
from pytest_sessionplugin.serving.control import Interventions, _Desk
from pytest_sessionplugin.tokens import bad
from pytest_sessionplugin.tokens.tokens import TokenSettings
from tests.sources import ROOT

PAGE = (ROOT / "docs" / "reference.md").read_text()
SECTIONS = dict(re.findall(r"^#{2,4} ([^\n]+)\n(.*?)(?=^#{2,4} |\Z)", PAGE, re.MULTILINE | re.DOTALL))
SMALL = "Smaller types"
CALLED = {"Tokens": "jwt_tokens", "Races": "aws_race"}  # fixtures whose objects are called


def cells(section: str, column: int = 0, table: int | None = None) -> list[str]:
    """The cells of a column, of one of the section's tables or of all, without their headers."""
    tables = re.findall(r"((?:^\|.*\n)+)", SECTIONS[section], re.MULTILINE)
    chosen = tables if table is None else [tables[table]]
    rows = [row for each in chosen for row in each.splitlines()[2:]]
    return [re.split(r"(?<!\\)\|", row)[column + 1].strip() for row in rows]


def codes(section: str, column: int = 0, table: int | None = None) -> list[str]:
    return [code for cell in cells(section, column, table) for code in re.findall(r"`([^`]+)`", cell)]


def name_of(code: str) -> str:
    return code.partition("(")[0].partition("=")[0]


def public(cls: type, without: Collection[str] | None = None) -> set[str]:
    """Members of a class without an underscore, with the attributes that it gives its objects.

    By default those for other rooms are left out.
    """
    found = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("pytest_sessionplugin"):
            continue
        found |= {*vars(base), *vars(base).get("__annotations__", {}), *vars(base).get("__slots__", ())}
        tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        found |= {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
        }
    return {name for name in found if not name.startswith("_")} - set(
        FOR_OTHER_ROOMS.get(cls.__name__, ()) if without is None else without
    )


def classes() -> Iterator[tuple[str, set[str]]]:
    """Each class that the page describes, with the members that it names."""
    for name in pytest_sessionplugin.__all__:
        if (name in SECTIONS and SECTIONS[name].lstrip().startswith("|")) or "\n| member |" in SECTIONS.get(name, ""):
            yield name, {name_of(code) for code in codes(name)} - {CALLED.get(name, "")}
    for row, names in zip(cells(SMALL), cells(SMALL, 1), strict=True):
        yield row.strip("`"), {name_of(code) for code in re.findall(r"`([^`]+)`", names)} - {"None"}


def test_a_member_that_is_for_other_rooms_is_there() -> None:
    for name, members in FOR_OTHER_ROOMS.items():
        with_all = public(getattr(pytest_sessionplugin, name), without=frozenset())
        assert set(members) <= with_all, name


def test_every_name_of_the_package_is_on_the_page() -> None:
    described = {name for name, _ in classes()} | {"BadToken", "HttpClient"}
    assert described | set(codes("Names to import", 0)) == set(pytest_sessionplugin.__all__)


@pytest.mark.parametrize(("name", "members"), list(classes()))
def test_every_member_of_a_class_is_on_the_page(name: str, members: set[str]) -> None:
    assert members == public(getattr(pytest_sessionplugin, name))


@pytest.mark.parametrize("name", [name for name, _ in classes() if name in SECTIONS])
def test_signatures_on_the_page_have_the_names_of_the_arguments(name: str) -> None:
    for code in codes(name):
        if "(" not in code:
            continue
        called = name_of(code)
        method = "__call__" if called == CALLED.get(name) else called
        found = inspect.signature(getattr(getattr(pytest_sessionplugin, name), method)).parameters
        there = [each for each in found if each != "self"]
        shown = [each.strip().lstrip("*") for each in code.partition("(")[2].rstrip(")").split(",")]
        shown = [each for each in shown if each]
        if "…" in shown:
            assert set(shown) - {"…"} <= set(there), code
        else:
            assert shown == there, code


def test_an_http_client_has_the_methods_of_a_gateway_and_its_own_attributes() -> None:
    shown = set(re.findall(r"`(\w+)`[,.]", SECTIONS["HttpClient"]))
    assert shown == public(pytest_sessionplugin.HttpClient)
    assert public(pytest_sessionplugin.BadToken) == set(re.findall(r"`(\w+)` (?:says|whom)", SECTIONS["BadToken"]))


def test_every_fixture_is_on_the_page() -> None:
    marked = {name for name in vars(plugin) if isinstance(getattr(plugin, name), type(plugin.chalice_gateway))}
    assert set(codes("Fixtures", 0, 0)) | set(codes("Fixtures", 0, 1)) == {
        name for name in marked if not name.startswith("_")
    }


def test_every_keyword_and_name_of_the_mark_is_on_the_page() -> None:
    assert {name_of(code) for code in codes("Marks")} == set(options.ChaliceMark.__dataclass_fields__)
    text = SECTIONS["Marks"]
    for name in (*options.SWITCHES, options.OTHER_HOSTS, *options.TARGETS, options.DEPLOYED):
        assert f"`{name}`" in text
    assert all(f'"{isolation}"' in text for isolation in options.ISOLATIONS)


def test_every_option_and_setting_is_on_the_page() -> None:
    parser = pytest.Parser(_ispytest=True)
    options.add_options(parser)
    added = [option.names()[0] for option in parser.getgroup("sessionplugin").options]
    assert codes("Options", 0, 0) == added
    assert codes("Options", 1, 0) == [f"SESSIONPLUGIN_{name.upper()}" for name in options.NAMES]
    assert codes("Options", 2, 0) == list(options.NAMES)
    assert set(codes("Settings")) | set(options.NAMES) == options.KEYS
    [tokens] = [cell for key, cell in zip(cells("Settings"), cells("Settings", 1), strict=True) if key == "`tokens`"]
    assert re.findall(r"`(\w+)`", tokens) == list(TokenSettings.__dataclass_fields__)
    assert all(f"`{default}`" in SECTIONS["Settings"] for default in (TokenSettings.issuer, TokenSettings.audience))


def test_every_variable_is_on_the_page() -> None:
    source = "\n".join(path.read_text() for path in (ROOT / "pytest_sessionplugin").rglob("*.py"))
    named = set(re.findall(r"\bSESSIONPLUGIN_TOKEN\w+", source)) - {"SESSIONPLUGIN_TOKEN_"}
    assert set(codes("Options", 0, 1)) == named | {"SESSIONPLUGIN_TOKEN_ALICE"}


def test_every_placeholder_is_on_the_page() -> None:
    kinds = {code[1:].partition(":")[0] for code in codes("Placeholders")}
    cases = ast.walk(ast.parse(inspect.getsource(placeholders)))
    matched = {ast.literal_eval(case.value) for case in cases if isinstance(case, ast.MatchValue)}
    assert kinds == matched | set(placeholders.SERVICES)


def test_every_fault_and_flaw_is_on_the_page() -> None:
    assert {name_of(code) for code in codes("Faults")} - {'"$connect"', "catch_up"} == set(NAMES)
    assert codes("Flaws of bad_jwt") == sorted(bad.MADE, key=codes("Flaws of bad_jwt").index)
    assert len(codes("Flaws of bad_jwt")) == len(bad.MADE)


def test_every_command_and_its_options_are_on_the_page() -> None:
    [commands] = [each for each in __main__._parser()._actions if isinstance(each, argparse._SubParsersAction)]
    assert {f"sessionplugin {name}" for name in commands.choices} == {
        name for name in SECTIONS if name.startswith("sessionplugin ")
    }
    for name, parser in commands.choices.items():
        there = {option for action in parser._actions for option in action.option_strings} - {"-h", "--help"}
        assert set(codes(f"sessionplugin {name}")) & {*there, "--…"} == there, name
        assert {code for code in codes(f"sessionplugin {name}") if code.startswith("--")} == there, name


def test_every_request_of_the_control_port_is_on_the_page() -> None:
    there = {f"{method} {path}" for method, path in _Desk(Interventions.__new__(Interventions))._routes}
    assert {cell.split("`")[1] for cell in cells("Requests of the control port")} == there


def test_the_exit_statuses_are_those_on_the_page(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    by_command = [(int(status), of.strip("`")) for status, of in zip(cells(X), cells(X, 1), strict=True)]
    assert [status for status, of in by_command if of == "pytest"] == [1, 2, 4, 5]
    assert [code.value for code in pytest.ExitCode if code.value in (1, 2, 4, 5)] == [1, 2, 4, 5]

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    statuses = {__main__.main(["token", "alice", "--project", "/nowhere"])}
    assert "sessionplugin: " in capsys.readouterr().err
    statuses.add(__main__.main(["token", "alice", "--project", str(ROOT)]))
    monkeypatch.setattr(__main__, "_project", interrupted)
    statuses.add(__main__.main(["token", "alice"]))
    assert statuses == {status for status, of in by_command if of == "sessionplugin"}


X = "Exit statuses"
