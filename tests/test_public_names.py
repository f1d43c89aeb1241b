"""The names that a test may import, and what each part of the plugin may import itself."""

from __future__ import annotations

import pytest

import pytest_sessionplugin
from tests.sources import ROOT, tops

PACKAGE = ROOT / "pytest_sessionplugin"


def importers(package: str) -> set[str]:
    """The files of the plugin that import a package when they run."""
    return {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if package in tops(path)}


@pytest.mark.parametrize("name", pytest_sessionplugin.__all__)
def test_every_public_name_is_there_on_first_use(name: str) -> None:
    assert getattr(pytest_sessionplugin, name).__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        pytest_sessionplugin.nothing  # noqa: B018


def test_only_files_that_say_so_know_moto() -> None:
    """How it runs, what it holds for functions to be given, what it keeps, which rows end, and where a query looks."""
    known = {"internals", "kept", "partitions", "rows", "sources"}
    assert importers("moto") == {f"aws/moto_{name}.py" for name in known}


def test_one_package_knows_chalices_insides() -> None:
    """Project uses what Chalice documents: its class, and how it reads config.json."""
    inside = {f"chalice_internals/{name}.py" for name in ("deployed", "running", "logs")}
    assert importers("chalice") == {*inside, "project.py"}


def test_only_the_plugin_knows_pytest() -> None:
    assert importers("pytest") == {"plugin.py"}
