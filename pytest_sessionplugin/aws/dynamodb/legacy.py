"""Conditions and updates of the API before expressions, as the same trees: Expected, KeyConditions, AttributeUpdates.

Source: "Legacy DynamoDB conditional parameters" in the developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_sessionplugin.aws.dynamodb.conditions import (
    Attribute,
    Between,
    Comparison,
    Condition,
    Constant,
    Either,
    Every,
    Membership,
    Not,
    Test,
)
from pytest_sessionplugin.aws.dynamodb.requests import Members
from pytest_sessionplugin.aws.dynamodb.updates import Action
from pytest_sessionplugin.aws.dynamodb.values import INVALID, SCALARS, SETS, TYPES, Refusal, Value, kind_of, sortable

MISMATCH = "Type mismatch for attribute to update"

COMPARATORS = {"EQ": "=", "NE": "<>", "LE": "<=", "LT": "<", "GE": ">=", "GT": ">"}
COUNTS: Mapping[str, int | None] = {
    **dict.fromkeys(("NULL", "NOT_NULL"), 0),
    **dict.fromkeys((*COMPARATORS, "CONTAINS", "NOT_CONTAINS", "BEGINS_WITH"), 1),
    "BETWEEN": 2,
    "IN": None,
}
"""Operators, and the number of their values; IN has any."""


def expected(members: Members) -> Condition | None:
    """The condition of a write: Expected and ConditionalOperator. Raises Refusal."""
    conditions = [_expected(name, given) for name, given in (members.get("Expected") or {}).items()]
    return _joined(conditions, members)


def filtered(members: Members, member: str) -> Condition | None:
    """The condition of a QueryFilter or ScanFilter. Raises Refusal."""
    given = members.get(member) or {}
    conditions = [condition(name, each["ComparisonOperator"], _list(each)) for name, each in given.items()]
    return _joined(conditions, members)


def key_conditions(members: Members) -> Condition:
    """The condition of KeyConditions. Raises Refusal."""
    given = members["KeyConditions"]
    return Every(tuple(condition(name, each["ComparisonOperator"], _list(each)) for name, each in given.items()))


def _joined(conditions: list[Condition], members: Members) -> Condition | None:
    if not conditions:
        if members.get("ConditionalOperator"):
            raise Refusal(
                f"{INVALID}ConditionalOperator cannot be used without Filter or Expected"
                if "Expected" not in members
                else f"{INVALID}ConditionalOperator can only be used when Filter or Expected has at least one condition"
            )
        return None
    return (Either if members.get("ConditionalOperator") == "OR" else Every)(tuple(conditions))


def _list(given: Members) -> list[Value]:
    found: list[Value] = given.get("AttributeValueList") or []
    return found


def _expected(name: str, given: Members) -> Condition:
    operator, exists, value = given.get("ComparisonOperator"), given.get("Exists"), given.get("Value")
    for_attribute = f"for Attribute: {name}"
    if value is not None and "AttributeValueList" in given:
        raise Refusal(f"{INVALID}Value and AttributeValueList cannot be used together {for_attribute}")
    if operator is not None:
        if exists is not None:
            raise Refusal(f"{INVALID}Exists and ComparisonOperator cannot be used together {for_attribute}")
        if COUNTS.get(operator) != 0 and value is None and "AttributeValueList" not in given:
            raise Refusal(
                f"{INVALID}Value or AttributeValueList must be used with ComparisonOperator: {operator} {for_attribute}"
            )
        return condition(name, operator, [value] if value is not None else _list(given))
    if "AttributeValueList" in given:
        raise Refusal(f"{INVALID}AttributeValueList can only be used with a ComparisonOperator {for_attribute}")
    if exists is False:
        if value is not None:
            raise Refusal(f"{INVALID}Value cannot be used when Exists is false {for_attribute}")
        return Test("attribute_not_exists", (Attribute((name,)),))
    if value is None:
        state = "null" if exists is None else "true"
        raise Refusal(f"{INVALID}Value must be provided when Exists is {state} {for_attribute}")
    return Comparison("=", Attribute((name,)), Constant(value))


def condition(name: str, operator: str, values: list[Value]) -> Condition:
    """A condition on one attribute, by its ComparisonOperator. Raises Refusal."""
    _check(operator, values)
    attribute, operands = Attribute((name,)), tuple(map(Constant, values))
    if operator in COMPARATORS:
        return Comparison(COMPARATORS[operator], attribute, operands[0])
    if operator == "BETWEEN":
        return Between(attribute, *operands)
    if operator == "IN":
        return Membership(attribute, operands)
    if operator in ("NULL", "NOT_NULL"):
        return Test("attribute_not_exists" if operator == "NULL" else "attribute_exists", (attribute,))
    if operator == "NOT_CONTAINS":
        contains: Condition = Test("contains", (attribute, operands[0]))
        return Every((Test("attribute_exists", (attribute,)), Not(contains)))
    return Test(operator.lower(), (attribute, operands[0]))


def _check(operator: str, values: list[Value]) -> None:
    if operator not in COUNTS:
        raise Refusal(
            f"1 validation error detected: Value '{operator}' at 'comparisonOperator' failed to satisfy constraint: "
            "Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, NE, LE, "
            "BEGINS_WITH, GE, CONTAINS]"
        )
    count = COUNTS[operator]
    if (count is not None and len(values) != count) or (count is None and not values):
        raise Refusal(f"{INVALID}Invalid number of argument(s) for the {operator} ComparisonOperator")
    kinds = list(map(kind_of, values))
    if len(set(kinds)) > 1:
        raise Refusal(f"{INVALID}AttributeValues inside AttributeValueList must be of same type")
    allowed = _ALLOWED.get(operator, TYPES)
    if kinds and kinds[0] not in allowed:
        raise Refusal(f"{INVALID}ComparisonOperator {operator} is not valid for {kinds[0]} AttributeValue type")
    if operator == "BETWEEN" and sortable(values[0]) > sortable(values[1]):
        raise Refusal(
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
        )


_ALLOWED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("LE", "LT", "GE", "GT", "BETWEEN", "IN"), SCALARS),
    "BEGINS_WITH": frozenset({"S", "B"}),
    **dict.fromkeys(("CONTAINS", "NOT_CONTAINS"), SCALARS | {"BOOL", "NULL"}),
}


def updates(members: Members) -> tuple[Action, ...]:
    """The actions of AttributeUpdates. Raises Refusal."""
    return tuple(_action(name, given) for name, given in (members.get("AttributeUpdates") or {}).items())


def _action(name: str, given: Members) -> Action:
    action, value = given.get("Action", "PUT"), given.get("Value")
    path = (name,)
    if value is None:
        if action != "DELETE":
            raise Refusal(f"{INVALID}Only DELETE action is allowed when no attribute value is specified")
        return Action("REMOVE", path)
    kind, operand = kind_of(value), Constant(value)
    if action == "PUT":
        return Action("SET", path, operand)
    if action == "ADD" and kind not in SETS | {"N", "L"}:
        raise Refusal(f"{INVALID}ADD action is not supported for the type {kind}")
    if action == "DELETE" and kind not in SETS:
        raise Refusal(f"{INVALID}DELETE action with value is not supported for the type {kind}")
    if action not in ("ADD", "DELETE"):
        raise Refusal(
            f"1 validation error detected: Value '{action}' at 'attributeUpdates.{name}.member.action' failed to "
            "satisfy constraint: Member must satisfy enum value set: [ADD, PUT, DELETE]"
        )
    return Action(action, path, operand)
