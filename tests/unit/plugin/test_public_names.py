"""The names that a test may import, and what each part of the plugin may import itself."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_sessionplugin

PACKAGE = Path(pytest_sessionplugin.__file__).parent


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it; the names under TYPE_CHECKING are not imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@functools.cache
def imported() -> dict[str, set[str]]:
    """Each file of the plugin, and the top-level packages that it imports."""
    return {
        path.relative_to(PACKAGE).as_posix(): {name.partition(".")[0] for name in imports(path)}
        for path in PACKAGE.rglob("*.py")
    }


def importers(package: str) -> set[str]:
    return {path for path, packages in imported().items() if package in packages}


@pytest.mark.parametrize("name", pytest_sessionplugin.__all__)
def test_every_public_name_is_there_on_first_use(name: str) -> None:
    assert getattr(pytest_sessionplugin, name).__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        pytest_sessionplugin.nothing  # noqa: B018


def test_one_file_knows_moto() -> None:
    assert importers("moto") == {"aws/moto_internals.py"}


def test_one_file_knows_chalices_insides() -> None:
    """Project uses what Chalice documents: its class, and how it reads config.json."""
    assert importers("chalice") == {"chalice_internals.py", "project.py"}


def test_only_the_plugin_knows_pytest() -> None:
    assert importers("pytest") == {"plugin.py"}
