"""What the gateway may import: a rule of architecture is a test."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import pytest_sessionplugin.gateway as package

FOLDER = Path(package.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py"))
PURE = {"values", "connection", "core", "handshake", "management", "replies", "rest", "results", "shapes"}
ON_SOCKETS = {"http_line", "server", "sockets", "switchboard", "websocket_line"}


def imports(module: str) -> set[str]:
    """Modules that a module imports, those of its own package with a dot in front."""
    found = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level < 2, f"{module} imports from outside of the gateway"
            if not node.level:
                found.add(str(node.module).split(".")[0])
            else:
                found |= {f".{node.module or name.name}" for name in node.names}
    return found


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_the_rest_of_the_plugin_and_little_of_others(module: str) -> None:
    allowed = {"h11", "websockets"} if module in ON_SOCKETS else set()
    foreign = {name for name in imports(module) if not name.startswith(".")} - sys.stdlib_module_names
    assert foreign <= allowed


@pytest.mark.parametrize("module", sorted(PURE))
def test_the_pure_half_is_pure(module: str) -> None:
    found = imports(module)
    assert {name[1:] for name in found if name.startswith(".")} <= PURE
    assert not found & {"asyncio", "queue", "random", "secrets", "socket", "threading", "time", "uuid"}


def test_what_needs_the_extra_is_loaded_only_when_it_is_used() -> None:
    reached, todo = set(), ["client"]
    while todo:
        module = todo.pop()
        if module not in reached:
            reached.add(module)
            tree = ast.parse((FOLDER / f"{module}.py").read_text())
            todo += [
                node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.level and node.module
            ]
    assert not reached & ON_SOCKETS
