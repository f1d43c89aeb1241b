"""Pages of the plugin read easily: short sentences, and no table cell longer than a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.sources import ROOT

DOCS = ROOT / "docs"
# The service of this repository.
SERVICE = ("api.md", "errors.md", "operations.md", "conformance.md", "decisions.md")
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if page.name not in SERVICE]
LONGEST, USUAL = 40, 15  # words
CELL = 100  # characters
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`]*`")
TARGET = re.compile(r"\]\([^)]*\)")
END = re.compile(r"(?<=[.!?:])[)\"'*]*\s+(?=[^a-z])|\n\s*\n|\n(?=\s*(?:[-*]|\d+\.)\s)")


def sentences(text: str) -> Iterator[str]:
    """Sentences of paragraphs and lists; not those of code, tables and headings."""
    text = re.sub(r"^(?:\||#).*$", "", FENCED.sub("\n\n", text), flags=re.MULTILINE)
    for sentence in END.split(TARGET.sub("]", INLINE.sub("code", text))):
        if len(words(sentence)) > 1:
            yield " ".join(sentence.split())


def words(sentence: str) -> list[str]:
    return re.findall(r"\w[\w'.,/-]*", sentence)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_no_sentence_is_long(page: Path) -> None:
    assert [each for each in sentences(page.read_text()) if len(words(each)) > LONGEST] == []


def test_a_sentence_has_fifteen_words_at_the_median() -> None:
    lengths = [len(words(each)) for page in PAGES for each in sentences(page.read_text())]
    assert len(lengths) > 300
    assert median(lengths) <= USUAL


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_a_cell_of_a_table_is_no_longer_than_a_line(page: Path) -> None:
    rows = re.findall(r"^\|(.*)\|$", FENCED.sub("", page.read_text()), re.MULTILINE)
    cells = [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", TARGET.sub("]", row))]
    assert [cell for cell in cells if len(cell) > CELL] == []
    assert all(cells), "a header or a cell is empty"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One sentence here. Another one.\n", ["One sentence here.", "Another one."]),
        ("# A heading of words\n\n- An item\n- Another `x y` item\n", ["- An item", "- Another code item"]),
        (
            "| a cell | of a table |\n\n```python\nsome code here\n```\nIt ends [with a link](x.md).\n",
            ["It ends [with a link]."],
        ),
    ],
)
def test_sentences_are_found(text: str, found: list[str]) -> None:
    assert list(sentences(text)) == found
