"""Who may import whom, parsed from the sources: the layout of the service is a rule, not a habit."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICE = sorted((ROOT / "chalicelib").glob("*.py"))

# what each module may import of the service; of others, only the standard library unless named here
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "model": {"errors"},
    "jsontext": {"errors"},
    "settings": {"errors"},
    "health": {"errors"},
    "auth": {"errors", "model", "settings"},
    "credentials": {"errors"},
    "cursors": {"errors", "model"},
    "http": {"cursors", "errors", "jsontext", "model"},
    "frames": {"credentials", "errors", "jsontext", "model"},
    "sessions": {"errors", "frames", "jsontext", "model"},
    "connections": {"errors", "frames", "model", "sessions"},
    "sweeper": {"frames", "model", "sessions"},
    "delivery": {"errors", "frames", "model"},
    "items": {"jsontext", "model"},
    "dynamo": {"errors", "items"},
    "storage": {"dynamo", "errors", "items", "model", "settings"},
    "local": {"errors", "model", "settings"},
}
OUTSIDE: dict[str, set[str]] = {
    "auth": {"jwt"},
    "delivery": {"botocore", "types_boto3_apigatewaymanagementapi"},
    "dynamo": {"botocore", "types_boto3_dynamodb"},
    "storage": {"botocore", "types_boto3_dynamodb"},
}


@lru_cache
def imports(path: Path) -> frozenset[str]:
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    """Dotted names of everything that a file imports, wherever in it, relative ones made absolute."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*above, *filter(None, [node.module])))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def of_the_service(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("chalicelib.")}


def from_outside(path: Path) -> set[str]:
    tops = {name.split(".")[0] for name in imports(path)}
    return tops - {"chalicelib"} - set(sys.stdlib_module_names)


def test_the_table_names_every_module() -> None:
    assert {path.stem for path in SERVICE} - {"__init__"} == set(ALLOWED)


@pytest.mark.parametrize("path", [path for path in SERVICE if path.stem != "__init__"], ids=lambda path: path.stem)
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    assert of_the_service(path) <= ALLOWED[path.stem]
    assert from_outside(path) <= OUTSIDE.get(path.stem, set())


def test_the_app_knows_chalice_and_the_service_and_never_the_plugin() -> None:
    assert from_outside(ROOT / "app.py") == {"chalice"}


def test_nothing_of_the_plugin_knows_the_service() -> None:
    plugin = sorted((ROOT / "pytest_sessionplugin").rglob("*.py"))
    assert plugin
    guilty = {path.name for path in plugin for name in imports(path) if name.split(".")[0] in {"app", "chalicelib"}}
    assert guilty == set()


def test_the_gateway_knows_nothing_of_the_rest_of_the_plugin() -> None:
    for path in (ROOT / "pytest_sessionplugin" / "gateway").glob("*.py"):
        ours = {name for name in imports(path) if name.startswith("pytest_sessionplugin")}
        assert all(name.startswith("pytest_sessionplugin.gateway") for name in ours), path.name


def test_the_pure_half_of_the_gateway_needs_the_standard_library_alone() -> None:
    for stem in ("values", "core", "rest", "management", "shapes"):
        path = ROOT / "pytest_sessionplugin" / "gateway" / f"{stem}.py"
        assert from_outside(path) <= {"pytest_sessionplugin"}, stem
        tops = {name.split(".")[0] for name in imports(path)}
        assert not {"socket", "threading", "time", "uuid", "random", "asyncio"} & tops, stem
