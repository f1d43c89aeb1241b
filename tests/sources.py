"""Imports, docstrings and comments of the sources, for the tests that hold the rules of the repository."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Import:
    """One imported name, dotted and absolute. `late` ones lie within a function, `typed` ones are for types alone."""

    name: str
    late: bool
    typed: bool

    @property
    def top(self) -> str:
        return self.name.split(".")[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def imports(path: Path) -> frozenset[Import]:
    """All imports of a file, at its top and in its functions."""
    package = path.relative_to(ROOT).parts[:-1]
    return frozenset(_within(tree(path), package, late=False, typed=False))


def _within(node: ast.AST, package: tuple[str, ...], *, late: bool, typed: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, late, typed) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            above = package[: len(package) - child.level + 1] if child.level else ()
            module = ".".join((*above, *filter(None, [child.module])))
            yield from (Import(f"{module}.{alias.name}", late, typed) for alias in child.names)
        elif isinstance(child, (ast.stmt, ast.excepthandler, ast.match_case)):
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            for_types = (
                isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"
            )
            yield from _within(child, package, late=late or function, typed=typed or for_types)


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, including the strings that describe a constant or an attribute."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each comment."""
    with path.open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string.lstrip("# ")


def names(path: Path) -> set[str]:
    return {one.name for one in imports(path)}


def tops(path: Path) -> set[str]:
    """Top-level packages that a file imports when it runs."""
    return {one.top for one in imports(path) if not one.typed}
