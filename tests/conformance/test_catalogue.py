"""The catalogue and the tests agree."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.conformance.facts import CONFIDENCE, LEFT_OUT
from tests.conformance.table import Outcome, Result, fact_of, table, untested

HERE = Path(__file__).parent


def facts_tested() -> list[tuple[str, ast.FunctionDef]]:
    trees = [ast.parse(path.read_text()) for path in sorted(HERE.glob("test_*.py"))]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [(fact, function) for function in functions if (fact := fact_of(function.name))]


def test_each_fact_that_is_owed_a_test_has_one() -> None:
    assert untested({fact for fact, _ in facts_tested()}) == []


def test_each_test_is_about_a_fact_that_is_known_and_not_left_out() -> None:
    tested = [fact for fact, _ in facts_tested()]
    assert [fact for fact in tested if fact not in CONFIDENCE or fact in LEFT_OUT] == []
    assert sorted(tested) == sorted(set(tested)), "one test a fact"


def test_each_test_says_its_fact_in_one_line() -> None:
    said = {fact: ast.get_docstring(function) or "" for fact, function in facts_tested()}
    assert {fact: text for fact, text in said.items() if not text or "\n" in text} == {}


def test_what_is_left_out_is_known() -> None:
    assert set(LEFT_OUT) <= set(CONFIDENCE)


def test_the_table_counts_what_holds_and_lists_what_does_not() -> None:
    results = {
        "A1": Result(Outcome.HOLDS),
        "A2": Result(Outcome.MISSED, "refused"),
        "D3": Result(Outcome.UNSEEN, "no clock"),
    }
    printed = table("an emulator", results)
    assert "\n  A2   refused\n" in printed
    assert "\n  D3   no clock\n" in printed
    handshake = next(line for line in printed.splitlines() if line.startswith("A "))
    assert handshake.split()[-6:] == ["27", "1", "1", "·", "11", "2"]
