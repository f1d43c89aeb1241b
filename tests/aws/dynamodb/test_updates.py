"""Updates change an item as it was: each right side, position and set is that of the old item."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb import updates
from pytest_sessionplugin.aws.dynamodb.conditions import Constant
from pytest_sessionplugin.aws.dynamodb.expressions import Expressions
from pytest_sessionplugin.aws.dynamodb.updates import WRONG_TYPE, Action
from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal, Value, checked
from tests.aws.dynamodb.cases import claims, refusal

INVALID_PATH = "The document path provided in the update expression is invalid for update"
NO_ATTRIBUTE = "The provided expression refers to an attribute that does not exist in the item"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"

SAMPLES: dict[str, Value] = {
    "S": {"S": "x"},
    "N": {"N": "1"},
    "B": {"B": "YQ=="},
    "BOOL": {"BOOL": True},
    "NULL": {"NULL": True},
    "SS": {"SS": ["x"]},
    "NS": {"NS": ["1"]},
    "BS": {"BS": ["YQ=="]},
    "L": {"L": [{"N": "1"}]},
    "M": {"M": {"a": {"N": "1"}}},
}
IN_WORDS = {"S": "STRING", "B": "BINARY", "BOOL": "BOOLEAN", "M": "MAP", "L": "LIST", "N": "NUMBER"}


def wire(value: Any) -> Value:
    """A value from a short one: numbers, texts, lists, dicts, and sets of one of them."""
    if isinstance(value, set):
        members = sorted(value)
        return {"SS": members} if isinstance(members[0], str) else {"NS": list(map(str, members))}
    if isinstance(value, list):
        return {"L": list(map(wire, value))}
    if isinstance(value, dict):
        return {"M": {name: wire(each) for name, each in value.items()}}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def items(item: dict[str, Any]) -> Item:
    return {name: wire(value) for name, value in item.items()}


def updated(text: str, item: Item, values: dict[str, Value] | None = None) -> Item:
    given = {name: checked(value) for name, value in (values or {}).items()}
    actions = Expressions(None, given).update(text)
    assert actions is not None
    return updates.applied(actions, item, given)


def refused(text: str, item: dict[str, Any], **values: Value) -> str | None:
    given = {f":{name}": value for name, value in values.items()}
    return refusal(lambda: updated(text, items(item), given))


# --- SET


@claims(
    ("text", "before", "after"),
    {
        "SET makes an attribute": ("SET b = :v", {"a": 1}, {"a": 1, "b": "v"}),
        "SET replaces a value of another type": ("SET a = :v", {"a": {"x": 1}}, {"a": "v"}),
        "SET copies": ("SET b = a", {"a": 1}, {"a": 1, "b": 1}),
        "SET of itself changes nothing": ("SET a = a", {"a": 1}, {"a": 1}),
        "each right side sees the old item": ("SET a = b, b = a", {"a": 1, "b": 2}, {"a": 2, "b": 1}),
        "a right side sees what another section removes": ("REMOVE a SET b = a", {"a": 1}, {"b": 1}),
        "a right side sees what another section adds to": ("ADD n :n SET b = n", {"n": 1}, {"n": 6, "b": 1}),
        "if_not_exists sees the old item": (
            "SET a = :v, b = if_not_exists(a, :n)",
            {"n": 1},
            {"n": 1, "a": "v", "b": 5},
        ),
        "sections in any order": ("ADD n :n SET b = :v REMOVE c", {"n": 1, "c": 1}, {"n": 6, "b": "v"}),
        "section names in any case": ("set b = :v rEmOvE a", {"a": 1}, {"b": "v"}),
        "a member of a map": ("SET m.x = :v", {"m": {"y": 1}}, {"m": {"y": 1, "x": "v"}}),
        "a deep path": (
            "SET m.l[1].y[1] = m.b",
            {"m": {"b": 9, "l": ["hi", {"y": [3, 5, 7]}]}},
            {"m": {"b": 9, "l": ["hi", {"y": [3, 9, 7]}]}},
        ),
        "members and attributes at once": (
            "SET m.b = :v, m.c.d = :n, k = :v REMOVE m.x, y",
            {"m": {"x": 3, "y": 4, "c": {}}, "y": 1},
            {"m": {"y": 4, "b": "v", "c": {"d": 5}}, "k": "v"},
        ),
        "an element": ("SET l[1] = :v", {"l": [1, 2, 3]}, {"l": [1, "v", 3]}),
        "an element of an empty list": ("SET l[0] = :v", {"l": []}, {"l": ["v"]}),
        "an element far beyond the end is appended": ("SET l[7] = :v", {"l": [1, 2, 3]}, {"l": [1, 2, 3, "v"]}),
        "elements beyond the end are appended by position": (
            "SET l[84] = a, l[37] = b, l[17] = c, l[50] = d",
            {"l": [0], "a": "84", "b": "37", "c": "17", "d": "50"},
            {"l": [0, "17", "37", "50", "84"], "a": "84", "b": "37", "c": "17", "d": "50"},
        ),
        "elements within and beyond": (
            "SET l[9] = :v, l[1] = :n, l[5] = :n",
            {"l": [0, 1, 2]},
            {"l": [0, 5, 2, 5, "v"]},
        ),
        "SET and REMOVE in one list by the old positions": (
            "REMOVE l[1] SET l[3] = :v",
            {"l": [2, 3, 4, 5, 6, 7]},
            {"l": [2, 4, "v", 6, 7]},
        ),
        "SET and REMOVE in one list in the other order": (
            "SET l[3] = :v REMOVE l[1]",
            {"l": [2, 3, 4, 5, 6, 7]},
            {"l": [2, 4, "v", 6, 7]},
        ),
        "SET beyond the end and REMOVE": ("SET l[9] = :v REMOVE l[0], l[2]", {"l": [1, 2, 3]}, {"l": [2, "v"]}),
        "operands in parentheses": (
            "SET a = (b), c = (b) + (b), d = (b + b)",
            {"b": 2},
            {"a": 2, "b": 2, "c": 4, "d": 4},
        ),
    },
)
def test_set(text: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    item = items(before)
    kept = copy.deepcopy(item)
    values = {name: value for name, value in {":v": wire("v"), ":n": wire(5)}.items() if name in text}
    assert updated(text, item, values) == items(after)
    assert item == kept


@claims(
    ("text", "before", "message"),
    {
        "of an absent attribute": ("SET b = z", {"a": 1}, NO_ATTRIBUTE),
        "of an attribute that the same update makes": ("SET x = a, b = x", {"a": 1}, NO_ATTRIBUTE),
        "of an absent element": ("SET b = l[3]", {"l": [1]}, NO_ATTRIBUTE),
        "of a sum with an absent attribute": ("SET b = a + z", {"a": 1}, NO_ATTRIBUTE),
        "of a list_append to an absent attribute": ("SET b = list_append(z, l)", {"l": [1]}, NO_ATTRIBUTE),
        "of an absent default": ("SET b = if_not_exists(y, z)", {"a": 1}, NO_ATTRIBUTE),
        "below an absent attribute": ("SET z.x = a", {"a": 1}, INVALID_PATH),
        "below an absent member": ("SET m.z.x = a", {"a": 1, "m": {}}, INVALID_PATH),
        "below an attribute that the same update makes": ("SET z = m, z2.x = a", {"a": 1, "m": {}}, INVALID_PATH),
        "below a number": ("SET a.x = a", {"a": 1}, INVALID_PATH),
        "of a member of a list": ("SET l.x = a", {"a": 1, "l": []}, INVALID_PATH),
        "of an element of a map": ("SET m[0] = a", {"a": 1, "m": {}}, INVALID_PATH),
        "of an element of an absent list": ("SET z[0] = a", {"a": 1}, INVALID_PATH),
        "below an element beyond the end": ("SET l[3].x = a", {"a": 1, "l": []}, INVALID_PATH),
        "of a sum with a text": ("SET b = a + s", {"a": 1, "s": "x"}, WRONG_TYPE),
        "of a difference from a list": ("SET b = l - a", {"a": 1, "l": [1]}, WRONG_TYPE),
        "of a list_append to a number": ("SET b = list_append(a, l)", {"a": 1, "l": [1]}, WRONG_TYPE),
        "of a list_append of a set": ("SET b = list_append(l, s)", {"s": {"x"}, "l": [1]}, WRONG_TYPE),
    },
)
def test_set_is_refused(text: str, before: dict[str, Any], message: str) -> None:
    assert refused(text, before) == message


# --- functions


@claims(
    ("text", "before", "expected"),
    {
        "list_append at the end": ("list_append(l, :l)", {"l": [1]}, [1, 8, 9]),
        "list_append at the beginning": ("list_append(:l, l)", {"l": [1]}, [8, 9, 1]),
        "list_append of a list to itself": ("list_append(l, l)", {"l": [1]}, [1, 1]),
        "list_append to an empty list": ("list_append(l, :l)", {"l": []}, [8, 9]),
        "list_append to a default": ("list_append(if_not_exists(z, :l), :l)", {}, [8, 9, 8, 9]),
        "list_append to an attribute with a default": ("list_append(if_not_exists(l, :l), :l)", {"l": [1]}, [1, 8, 9]),
        "if_not_exists of an attribute": ("if_not_exists(a, :l)", {"a": 1}, 1),
        "if_not_exists of an absent one": ("if_not_exists(z, :l)", {"a": 1}, [8, 9]),
        "if_not_exists of a member": ("if_not_exists(m.x, :l)", {"m": {"x": 2}}, 2),
        "if_not_exists of an absent parent": ("if_not_exists(z.x[0], a)", {"a": 1}, 1),
        "if_not_exists twice": ("if_not_exists(y, if_not_exists(z, a))", {"a": 1}, 1),
        "if_not_exists in a sum": ("if_not_exists(z, a) + a", {"a": 1}, 2),
        "if_not_exists on both sides": ("if_not_exists(z, a) - if_not_exists(a, z)", {"a": 1}, 0),
    },
)
def test_functions(text: str, before: dict[str, Any], expected: Any) -> None:
    values = {":l": wire([8, 9])} if ":l" in text else None
    assert updated(f"SET r = {text}", items(before), values)["r"] == wire(expected)


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind != "L"])
def test_list_append_takes_lists_of_the_request(kind: str) -> None:
    message = (
        "Invalid UpdateExpression: Incorrect operand type for operator or function; "
        f"operator or function: list_append, operand type: {kind}"
    )
    assert refused("SET a = list_append(:v, a)", {}, v=SAMPLES[kind]) == message
    assert refused("SET a = list_append(a, :v)", {}, v=SAMPLES[kind]) == message


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind != "N"])
def test_arithmetic_takes_numbers_of_the_request(kind: str) -> None:
    for operator in ("+", "-"):
        message = (
            "Invalid UpdateExpression: Incorrect operand type for operator or function; "
            f"operator or function: {operator}, operand type: {kind}"
        )
        assert refused(f"SET a = :v {operator} a", {}, v=SAMPLES[kind]) == message
        assert refused(f"SET a = a {operator} :v", {}, v=SAMPLES[kind]) == message


@claims(
    ("text", "message"),
    {
        "if_not_exists of one": ("if_not_exists(a)", "Incorrect number of operands for operator or function; "),
        "list_append of one": ("list_append(a)", "Incorrect number of operands for operator or function; "),
        "list_append of three": ("list_append(a, b, c)", "Incorrect number of operands for operator or function; "),
        "if_not_exists of a value": ("if_not_exists(:v, a)", "Operator or function requires a document path; "),
        "if_not_exists of a function": (
            "if_not_exists(if_not_exists(a, b), c)",
            "Operator or function requires a document path; ",
        ),
    },
)
def test_operands_that_a_function_does_not_take(text: str, message: str) -> None:
    values = {"v": SAMPLES["S"]} if ":v" in text else {}
    found = refused(f"SET a = {text}", {}, **values)
    assert found is not None
    assert found.startswith(f"Invalid UpdateExpression: {message}operator or function: {text.split('(', 1)[0]}")


# --- numbers


@claims(
    ("one", "operator", "other", "expected"),
    {
        "whole numbers": ("5", "+", "7", "12"),
        "fractions": ("0.1", "+", "0.2", "0.3"),
        "to zero": ("1.50", "-", "1.5", "0"),
        "below zero": ("1", "-", "2.5", "-1.5"),
        "of 23 digits": ("10000000000000000000000", "+", "1", "10000000000000000000001"),
        "of 38 digits": ("9" * 37 + "8", "+", "1", "9" * 38),
        "of 38 digits on both sides of the point": ("9" * 37, "+", "0.5", "9" * 37 + ".5"),
        "of 38 digits that end in zeros": ("9" * 38, "+", "1", "1" + "0" * 38),
        "of the largest numbers": ("9E125", "-", "8E125", "1" + "0" * 125),
        "of the smallest numbers": ("2E-130", "-", "1E-130", "0." + "0" * 129 + "1"),
        "that cancel": ("-1E125", "+", "1E125", "0"),
    },
)
def test_arithmetic_is_exact(one: str, operator: str, other: str, expected: str) -> None:
    values: dict[str, Value] = {":a": {"N": one}, ":b": {"N": other}}
    assert updated(f"SET r = :a {operator} :b", {}, values) == {"r": {"N": expected}}


@claims(
    ("one", "operator", "other", "message"),
    {
        "beyond the largest": ("9e125", "+", "9e125", OVERFLOW),
        "beyond the largest below zero": ("-9e125", "-", "9e125", OVERFLOW),
        "of 39 digits": ("9" * 38, "+", "0.5", OVERFLOW),
        "of 51 digits": ("1e50", "+", "1", OVERFLOW),
        "of 50 digits": ("1e50", "-", "1", OVERFLOW),
        "of the largest and the smallest": ("1e125", "+", "1e-130", OVERFLOW),
        "below the smallest": ("1.5E-130", "-", "1E-130", UNDERFLOW),
    },
)
def test_a_number_that_cannot_be_stored_is_refused(one: str, operator: str, other: str, message: str) -> None:
    """Too many digits are an overflow, too: measured by ScyllaDB against DynamoDB."""
    values: dict[str, Value] = {"a": {"N": one}, "b": {"N": other}}
    assert refused(f"SET r = :a {operator} :b", {}, **values) == message


# --- REMOVE


@claims(
    ("text", "before", "after"),
    {
        "an attribute": ("REMOVE a", {"a": 1, "b": 2}, {"b": 2}),
        "an absent attribute": ("REMOVE z", {"a": 1}, {"a": 1}),
        "a member": ("REMOVE m.x", {"m": {"x": 1, "y": 2}}, {"m": {"y": 2}}),
        "the last member": ("REMOVE m.x", {"m": {"x": 1}}, {"m": {}}),
        "an absent member": ("REMOVE m.z", {"m": {"x": 1}}, {"m": {"x": 1}}),
        "the last element": ("REMOVE l[0]", {"l": [1]}, {"l": []}),
        "an element beyond the end": ("REMOVE l[17]", {"l": [1]}, {"l": [1]}),
        "several elements": ("REMOVE l[0], l[2], l[1]", {"l": [1, 2, 3, 4]}, {"l": [4]}),
        "deep paths": (
            "REMOVE a.c[1].x.y[1], a.c[1].q",
            {"a": {"c": ["hi", {"x": {"y": [3, 5, 7]}, "q": 2}]}},
            {"a": {"c": ["hi", {"x": {"y": [3, 7]}}]}},
        ),
    },
)
def test_remove(text: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert updated(text, items(before)) == items(after)


@pytest.mark.parametrize(
    "text", ["REMOVE z.x", "REMOVE z[0]", "REMOVE s.x", "REMOVE s[0]", "REMOVE l.x", "REMOVE m[0]"]
)
def test_remove_through_what_is_not_there_is_refused(text: str) -> None:
    assert refused(text, {"s": "x", "l": [1], "m": {"x": 1}}) == INVALID_PATH


# --- ADD and DELETE


@claims(
    ("text", "before", "value", "after"),
    {
        "ADD to a number": ("ADD a :v", {"a": 3}, wire(4), {"a": 7}),
        "ADD of a number below zero": ("ADD a :v", {"a": 3}, wire(-4), {"a": -1}),
        "ADD of a number that is absent": ("ADD a :v", {"b": 1}, wire(4), {"a": 4, "b": 1}),
        "ADD to a set": ("ADD a :v", {"a": {"x"}}, {"SS": ["y"]}, {"a": {"x", "y"}}),
        "ADD of members that are there": ("ADD a :v", {"a": {"x", "y"}}, {"SS": ["y", "x"]}, {"a": {"x", "y"}}),
        "ADD of a number in another spelling": ("ADD a :v", {"a": {1}}, {"NS": ["1.0"]}, {"a": {1}}),
        "ADD of a set that is absent": ("ADD a :v", {}, {"SS": ["x"]}, {"a": {"x"}}),
        "ADD to a member": ("ADD m.n :v", {"m": {"n": 1}}, wire(2), {"m": {"n": 3}}),
        "ADD of a member": ("ADD m.n :v", {"m": {}}, wire(2), {"m": {"n": 2}}),
        "ADD to an element": ("ADD l[1] :v", {"l": [1, 2]}, wire(2), {"l": [1, 4]}),
        "ADD beyond the end of a list": ("ADD l[7] :v", {"l": [1]}, wire(2), {"l": [1, 2]}),
        "DELETE from a set": ("DELETE a :v", {"a": {"x", "y"}}, {"SS": ["y"]}, {"a": {"x"}}),
        "DELETE of a member that is not there": ("DELETE a :v", {"a": {"x"}}, {"SS": ["z"]}, {"a": {"x"}}),
        "DELETE of all members": ("DELETE a :v", {"a": {"x"}, "b": 1}, {"SS": ["z", "x"]}, {"b": 1}),
        "DELETE of a number in another spelling": ("DELETE a :v", {"a": {1, 2}}, {"NS": ["1.0"]}, {"a": {2}}),
        "DELETE from an absent attribute": ("DELETE a :v", {"b": 1}, {"SS": ["x"]}, {"b": 1}),
        "DELETE from a member": ("DELETE m.s :v", {"m": {"s": {"x"}}}, {"SS": ["x"]}, {"m": {}}),
        "DELETE of all members in a list": ("DELETE l[0] :v", {"l": [{"x"}, 1]}, {"SS": ["x"]}, {"l": [1]}),
        "ADD and SET beyond the end by position": (
            "ADD l[9] :v SET l[5] = b, l[20] = b",
            {"l": [0], "b": "b"},
            wire(2),
            {"l": [0, "b", 2, "b"], "b": "b"},
        ),
    },
)
def test_add_and_delete(text: str, before: dict[str, Any], value: Value, after: dict[str, Any]) -> None:
    item = items(before)
    kept = copy.deepcopy(item)
    assert updated(text, item, {":v": value}) == items(after)
    assert item == kept


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("section", ["ADD", "DELETE"])
def test_add_takes_numbers_and_sets_and_delete_takes_sets(section: str, kind: str) -> None:
    message = refused(f"{section} a :v", {}, v=SAMPLES[kind])
    if kind in ("SS", "NS", "BS") or (section, kind) == ("ADD", "N"):
        assert message is None
    else:
        assert message == (
            f"Invalid UpdateExpression: Incorrect operand type for operator or function; operator: {section}, "
            f"operand type: {IN_WORDS.get(kind, kind)}, typeSet: ALLOWED_FOR_{section}_OPERAND"
        )


@pytest.mark.parametrize(("section", "operand"), [("ADD", "N"), ("ADD", "SS"), ("DELETE", "NS"), ("DELETE", "BS")])
def test_add_and_delete_take_a_value_of_the_attribute_s_own_type(section: str, operand: str) -> None:
    values = {":v": SAMPLES[operand]}
    for kind, value in SAMPLES.items():
        actions = Expressions(None, values).update(f"{section} a :v") or ()
        message = refusal(lambda: updates.applied(actions, {"a": value}, values))  # noqa: B023
        assert message == (None if kind == operand else WRONG_TYPE)


def test_add_checks_the_sum() -> None:
    assert refused("ADD a :v", {"a": 1}, v={"N": "1e50"}) == OVERFLOW


def test_add_below_an_absent_parent_is_refused() -> None:
    assert refused("ADD z.n :v", {}, v={"N": "1"}) == INVALID_PATH


# --- keys, and trees


def test_a_change_of_the_key_is_refused() -> None:
    message = "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"
    action = Action("SET", ("pk",), Constant({"S": "x"}))
    assert refusal(lambda: updates.check([action], ["pk"], {})) == message
    assert (
        refusal(lambda: updates.check_keys([Action("REMOVE", ("a",)), Action("REMOVE", ("pk", 0))], ("pk",))) == message
    )
    assert refusal(lambda: updates.check([action], ("sk",), {})) is None


def test_the_legacy_add_joins_lists_and_names_a_mismatch_in_its_own_words() -> None:
    action = Action("ADD", ("l",), Constant(wire([2])))
    assert updates.applied([action], items({"l": [1]}), {}) == items({"l": [1, 2]})
    with pytest.raises(Refusal, match="in other words"):
        updates.applied([action], items({"l": 1}), {}, "in other words")


def test_a_sum_names_the_paths_that_it_reads() -> None:
    actions = Expressions(None, None).update("SET a = b.c + if_not_exists(d[0], e)")
    assert actions is not None
    assert actions[0].operand is not None
    assert list(actions[0].operand.paths()) == [("b", "c"), ("d", 0), ("e",)]
