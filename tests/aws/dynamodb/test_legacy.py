"""Expected, filters, KeyConditions and AttributeUpdates say the same as expressions, in their own words."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb import legacy, updates
from pytest_sessionplugin.aws.dynamodb.updates import Action
from pytest_sessionplugin.aws.dynamodb.values import Item, Value
from tests.aws.dynamodb.cases import claims, refusal

INVALID = "One or more parameter values were invalid: "
KINDS: dict[str, Value] = {
    "S": {"S": "a"},
    "N": {"N": "1"},
    "B": {"B": "YQ=="},
    "BOOL": {"BOOL": True},
    "NULL": {"NULL": True},
    "SS": {"SS": ["a"]},
    "NS": {"NS": ["1"]},
    "BS": {"BS": ["YQ=="]},
    "L": {"L": [{"N": "1"}]},
    "M": {"M": {"a": {"N": "1"}}},
}
ALLOWED: dict[str, frozenset[str]] = {
    **dict.fromkeys(("EQ", "NE"), frozenset(KINDS)),
    **dict.fromkeys(("LT", "LE", "GT", "GE", "IN", "BETWEEN"), frozenset({"S", "N", "B"})),
    "BEGINS_WITH": frozenset({"S", "B"}),
    **dict.fromkeys(("CONTAINS", "NOT_CONTAINS"), frozenset({"S", "N", "B", "BOOL", "NULL"})),
}
ITEM: Item = {"n": {"N": "5"}, "s": {"S": "hello"}, "set": {"NS": ["2", "4"]}, "l": {"L": [{"N": "2"}]}}


def n(*numbers: int) -> list[Value]:
    return [{"N": str(number)} for number in numbers]


def condition(operator: str, *values: Value) -> dict[str, Any]:
    return {"ComparisonOperator": operator, "AttributeValueList": list(values)}


def holds(members: dict[str, Any]) -> bool | None:
    found = legacy.expected(members)
    return None if found is None else found.holds(ITEM, {})


def refused(member: str, given: dict[str, Any]) -> str | None:
    members = {member: {"a": given}}
    if member == "Expected":
        return refusal(lambda: legacy.expected(members))
    if member == "KeyConditions":
        return refusal(lambda: legacy.key_conditions(members))
    return refusal(lambda: legacy.filtered(members, member))


# --- operators


@claims(
    ("name", "operator", "values", "expected"),
    {
        "EQ": ("n", "EQ", n(5), True),
        "EQ another value": ("n", "EQ", n(6), False),
        "EQ another type": ("n", "EQ", [{"S": "5"}], False),
        "EQ a set in any order": ("set", "EQ", [{"NS": ["4", "2"]}], True),
        "EQ an absent attribute": ("z", "EQ", n(5), False),
        "NE": ("n", "NE", n(6), True),
        "NE another type": ("n", "NE", [{"S": "5"}], True),
        "NE an absent attribute": ("z", "NE", n(5), True),
        "LT": ("n", "LT", n(6), True),
        "LT the same": ("n", "LT", n(5), False),
        "LT another type": ("n", "LT", [{"S": "6"}], False),
        "LE": ("n", "LE", n(5), True),
        "GT": ("n", "GT", n(4), True),
        "GT by value": ("n", "GT", n(10), False),
        "GE": ("n", "GE", n(5), True),
        "GE an absent attribute": ("z", "GE", n(5), False),
        "BETWEEN": ("n", "BETWEEN", n(5, 6), True),
        "BETWEEN others": ("n", "BETWEEN", n(6, 10), False),
        "IN": ("n", "IN", n(1, 5), True),
        "IN others": ("n", "IN", n(1, 6), False),
        "IN is not a membership": ("set", "IN", n(2), False),
        "NULL of an absent attribute": ("z", "NULL", [], True),
        "NULL of an attribute": ("n", "NULL", [], False),
        "NOT_NULL": ("n", "NOT_NULL", [], True),
        "NOT_NULL of an absent attribute": ("z", "NOT_NULL", [], False),
        "CONTAINS a text": ("s", "CONTAINS", [{"S": "ell"}], True),
        "CONTAINS a member": ("set", "CONTAINS", n(4), True),
        "CONTAINS an element": ("l", "CONTAINS", n(2), True),
        "CONTAINS a number in a text": ("s", "CONTAINS", n(1), False),
        "CONTAINS of an absent attribute": ("z", "CONTAINS", n(1), False),
        "NOT_CONTAINS": ("set", "NOT_CONTAINS", n(1), True),
        "NOT_CONTAINS a member": ("set", "NOT_CONTAINS", n(2), False),
        "NOT_CONTAINS of an absent attribute": ("z", "NOT_CONTAINS", n(1), False),
        "BEGINS_WITH": ("s", "BEGINS_WITH", [{"S": "hel"}], True),
        "BEGINS_WITH another": ("s", "BEGINS_WITH", [{"S": "ell"}], False),
        "BEGINS_WITH of a number": ("n", "BEGINS_WITH", [{"S": "5"}], False),
    },
)
def test_an_operator(name: str, operator: str, values: list[Value], expected: bool) -> None:
    given = {name: condition(operator, *values)}
    assert holds({"Expected": given}) is expected
    for member in ("QueryFilter", "ScanFilter"):
        found = legacy.filtered({member: given}, member)
        assert found is not None
        assert found.holds(ITEM, {}) is expected
    assert legacy.key_conditions({"KeyConditions": given}).holds(ITEM, {}) is expected


@pytest.mark.parametrize("operator", ALLOWED)
def test_an_operator_takes_values_of_its_types(operator: str) -> None:
    for kind, value in KINDS.items():
        given = condition(operator, *[value] * (2 if operator == "BETWEEN" else 1))
        message = f"{INVALID}ComparisonOperator {operator} is not valid for {kind} AttributeValue type"
        for member in ("Expected", "QueryFilter", "KeyConditions"):
            assert refused(member, given) == (None if kind in ALLOWED[operator] else message)


@pytest.mark.parametrize("operator", [*ALLOWED, "NULL", "NOT_NULL"])
def test_an_operator_takes_its_number_of_values(operator: str) -> None:
    counts = {"BETWEEN": {2}, "IN": {1, 2, 3}, "NULL": {0}, "NOT_NULL": {0}}.get(operator, {1})
    message = f"{INVALID}Invalid number of argument(s) for the {operator} ComparisonOperator"
    for count in range(4):
        given = condition(operator, *[KINDS["S"]] * count)
        for member in ("Expected", "ScanFilter", "KeyConditions"):
            assert refused(member, given) == (None if count in counts else message)


@pytest.mark.parametrize("member", ["Expected", "QueryFilter", "ScanFilter", "KeyConditions"])
@claims(
    ("given", "message"),
    {
        "values of two types": (
            condition("IN", KINDS["S"], KINDS["N"]),
            f"{INVALID}AttributeValues inside AttributeValueList must be of same type",
        ),
        "bounds upside down": (
            condition("BETWEEN", {"N": "10"}, {"N": "9"}),
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
        ),
        "an unknown operator": (
            condition("LIKE", KINDS["S"]),
            "1 validation error detected: Value 'LIKE' at 'comparisonOperator' failed to satisfy constraint: Member "
            "must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, BEGINS_WITH, "
            "GE, CONTAINS]",
        ),
    },
)
def test_values_that_no_operator_takes(given: dict[str, Any], message: str, member: str) -> None:
    assert refused(member, given) == message


# --- Expected


@claims(
    ("members", "expected"),
    {
        "a value": ({"Expected": {"n": {"Value": n(5)[0]}}}, True),
        "a value that exists": ({"Expected": {"n": {"Value": n(5)[0], "Exists": True}}}, True),
        "another value": ({"Expected": {"n": {"Value": n(6)[0]}}}, False),
        "the value of an absent attribute": ({"Expected": {"z": {"Value": n(5)[0]}}}, False),
        "Exists of an attribute is false": ({"Expected": {"n": {"Exists": False}}}, False),
        "Exists of an absent attribute is false": ({"Expected": {"z": {"Exists": False}}}, True),
        "an operator with one value": ({"Expected": {"n": {"ComparisonOperator": "GE", "Value": n(5)[0]}}}, True),
        "all of several": ({"Expected": {"n": condition("EQ", *n(5)), "s": condition("EQ", *n(5))}}, False),
        "AND of several": (
            {"Expected": {"n": condition("EQ", *n(5)), "s": condition("NULL")}, "ConditionalOperator": "AND"},
            False,
        ),
        "OR of several": (
            {"Expected": {"n": condition("EQ", *n(5)), "s": condition("NULL")}, "ConditionalOperator": "OR"},
            True,
        ),
        "nothing": ({}, None),
        "no attribute": ({"Expected": {}}, None),
    },
)
def test_expected(members: dict[str, Any], expected: bool | None) -> None:
    assert holds(members) is expected


@claims(
    ("given", "message"),
    {
        "Value and AttributeValueList": (
            {"Value": n(1)[0], "AttributeValueList": n(1), "ComparisonOperator": "EQ"},
            "Value and AttributeValueList cannot be used together for Attribute: a",
        ),
        "Exists and an operator": (
            {"Exists": True, "ComparisonOperator": "EQ", "Value": n(1)[0]},
            "Exists and ComparisonOperator cannot be used together for Attribute: a",
        ),
        "an operator alone": (
            {"ComparisonOperator": "LT"},
            "Value or AttributeValueList must be used with ComparisonOperator: LT for Attribute: a",
        ),
        "a list without an operator": (
            {"AttributeValueList": n(1)},
            "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
        ),
        "nothing": ({}, "Value must be provided when Exists is null for Attribute: a"),
        "Exists without a value": ({"Exists": True}, "Value must be provided when Exists is true for Attribute: a"),
        "a value that does not exist": (
            {"Exists": False, "Value": n(1)[0]},
            "Value cannot be used when Exists is false for Attribute: a",
        ),
        "two values by Value": (
            {"ComparisonOperator": "BETWEEN", "Value": n(1)[0]},
            "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
        ),
    },
)
def test_members_of_expected_that_do_not_go_together(given: dict[str, Any], message: str) -> None:
    assert refused("Expected", given) == f"{INVALID}{message}"


def test_a_conditional_operator_needs_a_condition() -> None:
    assert refusal(lambda: legacy.expected({"ConditionalOperator": "OR"})) == (
        f"{INVALID}ConditionalOperator cannot be used without Filter or Expected"
    )
    assert refusal(lambda: legacy.expected({"ConditionalOperator": "OR", "Expected": {}})) == (
        f"{INVALID}ConditionalOperator can only be used when Filter or Expected has at least one condition"
    )


# --- AttributeUpdates


@claims(
    ("name", "given", "after"),
    {
        "PUT replaces": ("n", {"Action": "PUT", "Value": KINDS["S"]}, KINDS["S"]),
        "an update is a PUT": ("z", {"Value": KINDS["S"]}, KINDS["S"]),
        "ADD to a number": ("n", {"Action": "ADD", "Value": {"N": "-2"}}, {"N": "3"}),
        "ADD of a number": ("z", {"Action": "ADD", "Value": {"N": "2"}}, {"N": "2"}),
        "ADD to a set": ("set", {"Action": "ADD", "Value": {"NS": ["4", "6"]}}, {"NS": ["2", "4", "6"]}),
        "ADD of a set": ("z", {"Action": "ADD", "Value": {"SS": ["a"]}}, {"SS": ["a"]}),
        "ADD to a list appends": ("l", {"Action": "ADD", "Value": {"L": n(3)}}, {"L": n(2, 3)}),
        "ADD of a list": ("z", {"Action": "ADD", "Value": {"L": n(3)}}, {"L": n(3)}),
        "DELETE removes": ("n", {"Action": "DELETE"}, None),
        "DELETE of an absent attribute": ("z", {"Action": "DELETE"}, None),
        "DELETE from a set": ("set", {"Action": "DELETE", "Value": {"NS": ["2", "3"]}}, {"NS": ["4"]}),
        "DELETE of all members": ("set", {"Action": "DELETE", "Value": {"NS": ["2", "4"]}}, None),
        "DELETE from an absent set": ("z", {"Action": "DELETE", "Value": {"NS": ["2"]}}, None),
    },
)
def test_an_attribute_update(name: str, given: dict[str, Any], after: Value | None) -> None:
    actions = legacy.updates({"AttributeUpdates": {name: given}})
    assert updates.applied(actions, ITEM, {}, legacy.MISMATCH).get(name) == after


@claims(
    ("given", "message"),
    {
        "PUT of nothing": (
            {"Action": "PUT"},
            f"{INVALID}Only DELETE action is allowed when no attribute value is specified",
        ),
        "ADD of nothing": (
            {"Action": "ADD"},
            f"{INVALID}Only DELETE action is allowed when no attribute value is specified",
        ),
        "another action": (
            {"Action": "SET", "Value": KINDS["S"]},
            "1 validation error detected: Value 'SET' at 'attributeUpdates.a.member.action' failed to satisfy "
            "constraint: Member must satisfy enum value set: [ADD, PUT, DELETE]",
        ),
    },
)
def test_an_attribute_update_that_is_refused(given: dict[str, Any], message: str) -> None:
    assert refusal(lambda: legacy.updates({"AttributeUpdates": {"a": given}})) == message


@pytest.mark.parametrize("kind", KINDS)
def test_add_and_delete_take_values_of_their_types(kind: str) -> None:
    def refused_by(action: str) -> str | None:
        given = {"Action": action, "Value": KINDS[kind]}
        return refusal(lambda: legacy.updates({"AttributeUpdates": {"a": given}}))

    not_supported = f"not supported for the type {kind}"
    added, deleted = kind in ("N", "SS", "NS", "BS", "L"), kind in ("SS", "NS", "BS")
    assert refused_by("ADD") == (None if added else f"{INVALID}ADD action is {not_supported}")
    assert refused_by("DELETE") == (None if deleted else f"{INVALID}DELETE action with value is {not_supported}")


@pytest.mark.parametrize("action", ["ADD", "DELETE"])
def test_values_of_two_types_do_not_match(action: str) -> None:
    actions = legacy.updates({"AttributeUpdates": {"s": {"Action": action, "Value": {"SS": ["a"]}}}})
    message = refusal(lambda: updates.applied(actions, ITEM, {}, legacy.MISMATCH))
    assert message == "Type mismatch for attribute to update"


def test_a_dot_in_a_name_is_part_of_it() -> None:
    assert legacy.updates({"AttributeUpdates": {"a.b": {"Action": "DELETE"}}}) == (Action("REMOVE", ("a.b",)),)
    assert legacy.updates({}) == ()
