"""The reserved words of the developer guide, in any case, and words that only look like them."""

from __future__ import annotations

import re

import pytest

from pytest_sessionplugin.aws.dynamodb.expressions import CONDITION, KEYWORDS, PROJECTION, UPDATE, Expressions
from pytest_sessionplugin.aws.dynamodb.reserved_words import RESERVED
from pytest_sessionplugin.aws.dynamodb.values import Refusal

VALUES = {":v": {"S": "x"}}


def refused(kind: str, text: str) -> str:
    expressions = Expressions(None, VALUES)
    with pytest.raises(Refusal) as caught:
        {UPDATE: expressions.update, PROJECTION: expressions.projection}.get(
            kind, lambda text: expressions.condition(kind, text)
        )(text)
    return caught.value.message


def test_there_are_573_words_in_capitals() -> None:
    assert len(RESERVED) == 573
    assert [word for word in RESERVED if not re.fullmatch(r"[A-Z]+", word)] == []


def test_the_operators_and_sections_of_expressions_are_reserved() -> None:
    assert [word for word in KEYWORDS if word not in RESERVED] == ["REMOVE"]


@pytest.mark.parametrize(
    ("kind", "template"),
    [
        (CONDITION, "{} = :v"),
        (CONDITION, "a.{} = :v"),
        (CONDITION, "attribute_exists({})"),
        (UPDATE, "SET {} = :v"),
        (UPDATE, "REMOVE a[0].{}"),
        (PROJECTION, "a, {}"),
    ],
)
def test_a_reserved_word_in_any_case_needs_a_placeholder(kind: str, template: str) -> None:
    for word in ("name", "Name", "NAME", "status", "sTaTuS", "ttl", "uuid", "count", "abOrt", "zone"):
        reason = f"Attribute name is a reserved keyword; reserved keyword: {word}"
        assert refused(kind, template.format(word)) == f"Invalid {kind}: {reason}"


def test_another_word_needs_none() -> None:
    for word in ("statuses", "namespace", "id", "pk", "sk", "email", "contains", "attribute_exists", "size_"):
        assert Expressions(None, VALUES).condition(CONDITION, f"{word} = :v") is not None


def test_a_reserved_word_behind_a_placeholder_is_a_name() -> None:
    condition = Expressions({"#s": "status"}, VALUES).condition(CONDITION, "#s = :v")
    assert condition is not None
    assert condition.holds({"status": {"S": "x"}}, VALUES)
