"""Plain English in docstrings, comments and pages: they start with a verb or a noun, and negate with "not"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import ROOT, comments, docstrings

SOURCES = [
    path
    for top in ("app.py", "chalicelib", "pytest_sessionplugin", "deployment", "bench", "tests", "examples")
    for path in ([ROOT / top] if top.endswith(".py") else sorted((ROOT / top).rglob("*.py")))
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

PRONOUN = re.compile(r"(What|Those|Whoever|Nobody)\b")
NEGATED = re.compile(
    r"""
    (?<!there\ ) (?<!There\ )     # "there is no such table" is plain English
    \b (is|are) \s+
    (
        no \b (?! \s+ longer\b )   # "is no longer open"
        | none \b (?! \s+ of\b )   # "is none of the app's"
    )
    """,
    re.VERBOSE,
)
START = re.compile(
    r"(?:[.:!?][\"')*]*\s+(?:(?:[-*>]|\d+\.|#+)\s+)?|\|\s*|(?:^|\n)\s*(?:[-*>]|\d+\.|#+)\s+|^|\n\s*\n)[*_\"'(\[]*(?=\S)"
)
"""Where a sentence of a page starts: after a full stop, and in each cell, item, heading and paragraph."""

CODE = re.compile(r"```.*?```|`[^`]*`|\]\([^)]*\)|<!--.*?-->|https?://\S+", re.DOTALL)


def _of_text(text: str) -> Iterator[tuple[int, str]]:
    """Line offset and text of each fault."""
    yield from ((0, found[0]) for found in [PRONOUN.match(text.lstrip())] if found)
    yield from _negated(CODE.sub(_blank, text))


def _of_page(text: str) -> Iterator[tuple[int, str]]:
    text = CODE.sub(_blank, text)
    for start in START.finditer(text):
        found = PRONOUN.match(text, start.end())
        if found:
            yield text.count("\n", 0, found.start()), found[0]
    yield from _negated(text)


def _negated(text: str) -> Iterator[tuple[int, str]]:
    for found in NEGATED.finditer(text):
        yield text.count("\n", 0, found.start()), " ".join(text[found.start() : found.end() + 20].split())


def _blank(found: re.Match[str]) -> str:
    """Code is not prose: a word in its place, with as many lines."""
    return "x" + "\n" * found[0].count("\n")


def _told(path: Path, line: int, text: str) -> str:
    return f"{path.relative_to(ROOT)}:{line}: {text}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_docstring_or_comment_is_stated_plainly(path: Path) -> None:
    texts = (*docstrings(path), *comments(path))
    found = [_told(path, line + below, words) for line, text in texts for below, words in _of_text(text)]
    assert found == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_is_stated_plainly(path: Path) -> None:
    assert [_told(path, line + 1, words) for line, words in _of_page(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("# What stands\n\nWhat stands.", [1, 3]),
        ("Plain.\n\nNobody knows. Those\nknow.", [3, 3]),
        ("| a | **Whoever** asks |", [1]),
        ("- first\n- Those of the app\n", [2]),
        ("It is no\nkey. They are none.", [1, 2]),
        ("It is no longer open. There is no key. It is none of these. `is no x`", []),
        ("Knows what is there, and\nwhatever else.", []),
    ],
)
def test_faults_of_a_page_are_found_at_their_lines(text: str, lines: list[int]) -> None:
    assert [line + 1 for line, _ in _of_page(text)] == lines
