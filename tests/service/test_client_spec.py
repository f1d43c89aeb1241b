"""docs/client-spec.md names a test for each rule, on the reference client and on the service."""

from __future__ import annotations

import ast
import re

from tests.sources import ROOT, tree

PAGE = (ROOT / "docs" / "client-spec.md").read_text(encoding="utf-8")
RULES = re.findall(r"^- \*\*(\d+\.\d+)\*\* (.*(?:\n  .*)*)", PAGE, re.MULTILINE)
ROWS = re.findall(r"^\| (\d+\.\d+) \| `(\w+)` \| `(\w+)` \|$", PAGE, re.MULTILINE)


def named_tests(glob: str) -> set[str]:
    """Names of the tests in files of the service's room."""
    files = sorted((ROOT / "tests" / "service").glob(glob))
    nodes = [node for file in files for node in ast.walk(tree(file)) if isinstance(node, ast.FunctionDef)]
    return {node.name for node in nodes if node.name.startswith("test_")}


OF_CLIENT = named_tests("test_client*.py")


def test_rules_are_numbered_in_order_each_with_a_row_of_tests() -> None:
    numbers = [tuple(map(int, number.split("."))) for number, _ in RULES]
    counts = [max(rule for section, rule in numbers if section == one) for one in range(1, max(numbers)[0] + 1)]
    assert numbers == [(section, rule) for section, count in enumerate(counts, 1) for rule in range(1, count + 1)]
    assert [number for number, _, _ in ROWS] == [number for number, _ in RULES]


def test_each_rule_says_must_or_should() -> None:
    assert [number for number, text in RULES if not re.search(r"\b(MUST|SHOULD)\b", text)] == []


def test_the_tests_that_the_page_names_exist() -> None:
    assert {client for _, client, _ in ROWS} - OF_CLIENT == set()
    assert {service for _, _, service in ROWS} - (named_tests("test_*.py") - OF_CLIENT) == set()
