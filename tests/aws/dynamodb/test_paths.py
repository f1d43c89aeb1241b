"""Document paths read, project and change an item, and leave the old one as it was."""

from __future__ import annotations

import copy

import pytest

from pytest_sessionplugin.aws.dynamodb import paths
from pytest_sessionplugin.aws.dynamodb.paths import DocumentPath
from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal, Value
from tests.aws.dynamodb.cases import claims

Pair = tuple[DocumentPath, DocumentPath]


def n(value: int) -> Value:
    return {"N": str(value)}


def numbers(*values: int) -> Value:
    return {"L": list(map(n, values))}


ITEM: Item = {
    "a": n(1),
    "m": {"M": {"x": n(2), "l": {"L": [n(3), {"M": {"y": n(4), "z": n(5)}}]}, "e": {"M": {}}}},
    "l": {"L": [n(0), numbers(10, 11), {"M": {"p": n(20), "q": n(21)}}, n(30)]},
    "s": {"SS": ["x"]},
}


PLACES: list[tuple[DocumentPath, Value | None]] = [
    (("a",), n(1)),
    (("m", "x"), n(2)),
    (("m", "l", 0), n(3)),
    (("m", "l", 1, "y"), n(4)),
    (("m", "e"), {"M": {}}),
    (("l", 1, 1), n(11)),
    (("l", 3), n(30)),
    (("l", 4), None),
    (("l", 10**30), None),
    (("l", "x"), None),
    (("m", 0), None),
    (("m", "none"), None),
    (("m", "none", "deeper", 0), None),
    (("a", "x"), None),
    (("a", 0), None),
    (("s", 0), None),
    (("s", "x"), None),
    (("none",), None),
    (("none", "x"), None),
]


def test_a_path_leads_to_a_value_or_to_none() -> None:
    assert [(path, paths.found(ITEM, path)) for path, _ in PLACES] == PLACES


@pytest.mark.parametrize(
    ("given", "pair"),
    [
        ([("a",), ("b",)], None),
        ([("a", "b"), ("a", "c"), ("a", "bc")], None),
        ([("a", 1), ("a", 2)], None),
        ([("a", "b", 0), ("a", "b", 1), ("b", "a")], None),
        ([("a",), ("a",)], (("a",), ("a",))),
        ([("a",), ("a", "b")], (("a",), ("a", "b"))),
        ([("a", "b"), ("a",)], (("a", "b"), ("a",))),
        ([("a", 1), ("a",)], (("a", 1), ("a",))),
        ([("a", 1, 1), ("a", 1)], (("a", 1, 1), ("a", 1))),
        ([("x",), ("a", "b"), ("y",), ("a", "b", "c", "d")], (("a", "b"), ("a", "b", "c", "d"))),
        ([("a", "b"), ("c",), ("c",), ("a",)], (("c",), ("c",))),
    ],
    ids=str,
)
def test_paths_overlap_if_one_leads_through_the_other(given: list[DocumentPath], pair: Pair | None) -> None:
    assert paths.overlapping(given) == pair


@pytest.mark.parametrize(
    ("given", "pair"),
    [
        ([("a", "b"), ("a", 1)], (("a", "b"), ("a", 1))),
        ([("a", 1), ("a", "b")], (("a", 1), ("a", "b"))),
        ([("a", "b", "c"), ("a", "b", 2)], (("a", "b", "c"), ("a", "b", 2))),
        ([("c", 3, "[3]"), ("c", "[3]", 3)], (("c", 3, "[3]"), ("c", "[3]", 3))),
        ([("a", "b"), ("b", 1)], None),
        ([("a", 1, "b"), ("a", 2, 1)], None),
        ([("a", "x", 1), ("a", "y", "b")], None),
        ([("a",), ("a", 1)], None),
    ],
    ids=str,
)
def test_paths_conflict_if_they_part_as_map_and_list(given: list[DocumentPath], pair: Pair | None) -> None:
    assert paths.conflicting(given) == pair


def test_a_path_is_written_as_in_aws_messages() -> None:
    assert paths.words(("ab", "bc", 1, "a")) == "ab, bc, [1], a"


# --- projections


@claims(
    ("given", "expected"),
    {
        "an attribute": ([("a",)], {"a": n(1)}),
        "attributes that are not there": ([("none", "x"), ("a", "x"), ("a", 0), ("l", 9)], {}),
        "a member of a map": ([("m", "x")], {"m": {"M": {"x": n(2)}}}),
        "two members of a map": ([("m", "e"), ("m", "x")], {"m": {"M": {"x": n(2), "e": {"M": {}}}}}),
        "elements in their order without gaps": ([("l", 3), ("l", 0)], {"l": numbers(0, 30)}),
        "two members of one element": (
            [("l", 2, "q"), ("l", 2, "p")],
            {"l": {"L": [{"M": {"p": n(20), "q": n(21)}}]}},
        ),
        "elements of elements": ([("l", 1, 1), ("l", 0)], {"l": {"L": [n(0), numbers(11)]}}),
        "an element that is not there beside one that is": ([("l", 0), ("l", 9)], {"l": numbers(0)}),
        "a member of an element of a member": ([("m", "l", 1, "z")], {"m": {"M": {"l": {"L": [{"M": {"z": n(5)}}]}}}}),
        "none of an empty map": ([("m", "e", "x")], {}),
        "nothing": ([], {}),
    },
)
def test_a_projection_keeps_the_parts_that_are_there(given: list[DocumentPath], expected: Item) -> None:
    assert paths.project(ITEM, given) == expected


# --- changes


@claims(
    ("path", "expected"),
    {
        "an attribute": (("a",), {"a": n(9)}),
        "a new attribute": (("b",), {"b": n(9)}),
        "a member": (("m", "e", "x"), {"m": {"M": {**ITEM["m"]["M"], "e": {"M": {"x": n(9)}}}}}),
        "an element": (("l", 0), {"l": {"L": [n(9), *ITEM["l"]["L"][1:]]}}),
        "the element behind the last": (("l", 4), {"l": {"L": [*ITEM["l"]["L"], n(9)]}}),
        "an element far beyond the end": (("l", 10**30), {"l": {"L": [*ITEM["l"]["L"], n(9)]}}),
        "an element of an element": (
            ("l", 1, 7),
            {"l": {"L": [n(0), numbers(10, 11, 9), *ITEM["l"]["L"][2:]]}},
        ),
    },
)
def test_a_value_is_put_where_the_path_leads(path: DocumentPath, expected: Item) -> None:
    before = copy.deepcopy(ITEM)
    assert paths.assign(ITEM, path, n(9)) == {**ITEM, **expected}
    assert before == ITEM


@pytest.mark.parametrize(
    "path",
    [
        ("none", "x"),
        ("none", 0),
        ("a", "x"),
        ("a", 0),
        ("l", "x"),
        ("m", 0),
        ("m", "none", "x"),
        ("l", 9, "x"),
        ("s", 0),
    ],
    ids=str,
)
def test_a_path_through_what_is_not_there_is_invalid(path: DocumentPath) -> None:
    with pytest.raises(Refusal, match="The document path provided in the update expression is invalid for update"):
        paths.assign(ITEM, path, n(9))
    with pytest.raises(Refusal, match="The document path provided in the update expression is invalid for update"):
        paths.remove(ITEM, [path])


@claims(
    ("given", "expected"),
    {
        "an attribute": ([("b",)], {"l": numbers(0, 1, 2, 3), "m": {"M": {"x": n(1)}}}),
        "an attribute that is not there": ([("c",)], {"l": numbers(0, 1, 2, 3), "m": {"M": {"x": n(1)}}, "b": n(1)}),
        "the only member of a map": ([("m", "x")], {"l": numbers(0, 1, 2, 3), "m": {"M": {}}, "b": n(1)}),
        "a member that is not there": ([("m", "y")], {"l": numbers(0, 1, 2, 3), "m": {"M": {"x": n(1)}}, "b": n(1)}),
        "an element": ([("l", 1)], {"l": numbers(0, 2, 3), "m": {"M": {"x": n(1)}}, "b": n(1)}),
        "an element beyond the end": ([("l", 17)], {"l": numbers(0, 1, 2, 3), "m": {"M": {"x": n(1)}}, "b": n(1)}),
        "elements, each by its old position": (
            [("l", 0), ("l", 2), ("l", 1)],
            {"l": numbers(3), "m": {"M": {"x": n(1)}}, "b": n(1)},
        ),
        "all elements": (
            [("l", 3), ("l", 0), ("l", 2), ("l", 1)],
            {"l": {"L": []}, "m": {"M": {"x": n(1)}}, "b": n(1)},
        ),
    },
)
def test_what_is_removed_is_found_by_the_old_positions(given: list[DocumentPath], expected: Item) -> None:
    item = {"l": numbers(0, 1, 2, 3), "m": {"M": {"x": n(1)}}, "b": n(1)}
    before = copy.deepcopy(item)
    assert paths.remove(item, given) == expected
    assert item == before


def test_elements_of_elements_are_removed_before_those_around_them() -> None:
    item: Item = {"l": {"L": [numbers(1, 2), numbers(3, 4)]}}
    assert paths.remove(item, [("l", 0), ("l", 1, 0)]) == {"l": {"L": [numbers(4)]}}
