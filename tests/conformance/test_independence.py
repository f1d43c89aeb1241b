"""The suite is independent: only an adapter knows the implementation behind the URLs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
OWN = "tests.conformance"
WITH_A_PROCESS = {"adapters", "test_given.py"}  # these start an implementation, as its user would


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here, so that they can be read"
            yield node.module or ""


def test_nothing_of_the_suite_imports_the_plugin_or_the_service() -> None:
    found = [
        (str(path.relative_to(HERE)), name)
        for path in HERE.rglob("*.py")
        for name in imported(path)
        if name.partition(".")[0] in ("pytest_sessionplugin", "chalicelib", "app")
    ]
    assert found == []


def test_nothing_but_what_begins_an_implementation_imports_other_tests() -> None:
    found = [
        (str(path.relative_to(HERE)), name)
        for path in HERE.rglob("*.py")
        if path.relative_to(HERE).parts[0] not in WITH_A_PROCESS
        for name in imported(path)
        if name.partition(".")[0] == "tests" and not f"{name}.".startswith(f"{OWN}.")
    ]
    assert found == []


def test_a_test_of_a_fact_knows_no_adapter() -> None:
    found = [
        (path.name, name)
        for path in HERE.glob("test_[a-h]_*.py")
        for name in imported(path)
        if name.startswith(f"{OWN}.adapters")
    ]
    assert found == []
