"""Updates: what an UpdateExpression makes of an item. Each right side sees the item as it was.

Source: "Using update expressions in DynamoDB" in the developer guide.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_sessionplugin.aws.dynamodb import paths
from pytest_sessionplugin.aws.dynamodb.conditions import Attribute, FunctionCall, Operand, Values, known
from pytest_sessionplugin.aws.dynamodb.paths import DocumentPath
from pytest_sessionplugin.aws.dynamodb.values import (
    ARITHMETIC,
    INVALID,
    OVERFLOW,
    SETS,
    Item,
    Refusal,
    Value,
    decimal,
    kind_of,
    spelling,
)

KIND = "UpdateExpression"
WRONG_TYPE = "An operand in the update expression has an incorrect data type"
NAMES = {"S": "STRING", "N": "NUMBER", "B": "BINARY", "M": "MAP", "L": "LIST", "BOOL": "BOOLEAN", "NULL": "NULL"}


@dataclass(frozen=True)
class Arithmetic:
    operator: str  # + or -
    left: Operand
    right: Operand

    def value(self, item: Item, values: Values) -> Value | None:
        return added(_number(self.left, item, values), _number(self.right, item, values), self.operator)

    def paths(self) -> Iterator[DocumentPath]:
        yield from self.left.paths()
        yield from self.right.paths()


@dataclass(frozen=True)
class Action:
    """One part of a SET, REMOVE, ADD or DELETE section."""

    section: str
    path: DocumentPath
    operand: Operand | None = None  # REMOVE has none


def check(actions: Iterable[Action], keys: Collection[str], values: Values) -> None:
    """Raises Refusal for what can be told without an item."""
    check_operands(actions, values)
    check_keys(actions, keys)


def check_operands(actions: Iterable[Action], values: Values) -> None:
    """Raises Refusal for values of the wrong types."""
    for action in actions:
        if action.section in ("ADD", "DELETE") and (value := known(action.operand, values)) is not None:
            found = kind_of(value)
            if found not in (SETS | {"N"} if action.section == "ADD" else SETS):
                raise Refusal(
                    f"Invalid {KIND}: Incorrect operand type for operator or function; operator: {action.section}, "
                    f"operand type: {NAMES.get(found, found)}, typeSet: ALLOWED_FOR_{action.section}_OPERAND"
                )
        elif action.operand is not None:
            _check_operand(action.operand, values)


def check_keys(actions: Iterable[Action], keys: Collection[str]) -> None:
    """Raises Refusal for a change of the key."""
    for action in actions:
        if action.path[0] in keys:
            raise part_of_the_key(str(action.path[0]))


def part_of_the_key(name: str) -> Refusal:
    return Refusal(f"{INVALID}Cannot update attribute {name}. This attribute is part of the key")


def _check_operand(operand: Operand, values: Values) -> None:
    if isinstance(operand, FunctionCall):
        function = f"operator or function: {operand.function}"
        if len(operand.operands) != 2:
            raise Refusal(
                f"Invalid {KIND}: Incorrect number of operands for operator or function; {function}, "
                f"number of operands: {len(operand.operands)}"
            )
        if operand.function == "if_not_exists" and not isinstance(operand.operands[0], Attribute):
            raise Refusal(f"Invalid {KIND}: Operator or function requires a document path; {function}")
        for each in operand.operands:
            if operand.function == "list_append":
                _check_placeholder(each, "L", function, values)
            _check_operand(each, values)
    elif isinstance(operand, Arithmetic):
        for each in (operand.left, operand.right):
            _check_placeholder(each, "N", f"operator or function: {operand.operator}", values)
            _check_operand(each, values)


def _check_placeholder(operand: Operand, wanted: str, function: str, values: Values) -> None:
    if (value := known(operand, values)) is not None and (found := kind_of(value)) != wanted:
        raise Refusal(
            f"Invalid {KIND}: Incorrect operand type for operator or function; {function}, operand type: {found}"
        )


# --- values of right sides


def _assigned(operand: Operand, item: Item, values: Values) -> Value:
    """The value of a right side. Raises Refusal if it has none."""
    if isinstance(operand, FunctionCall) and operand.function == "if_not_exists":
        found = operand.operands[0].value(item, values)
        return found if found is not None else _assigned(operand.operands[1], item, values)
    if isinstance(operand, FunctionCall):
        one, other = (_assigned(each, item, values) for each in operand.operands)
        if "L" not in one or "L" not in other:
            raise Refusal(WRONG_TYPE)
        return {"L": one["L"] + other["L"]}
    value = operand.value(item, values)
    if value is None:
        raise Refusal("The provided expression refers to an attribute that does not exist in the item")
    return value


def _number(operand: Operand, item: Item, values: Values) -> Value:
    value = _assigned(operand, item, values)
    if "N" not in value:
        raise Refusal(WRONG_TYPE)
    return value


def added(one: Value, other: Value, operator: str = "+") -> Value:
    """The sum or difference of two numbers. Raises Refusal if DynamoDB cannot store it."""
    left, right = decimal(one["N"]), decimal(other["N"])
    total = ARITHMETIC.add(left, right) if operator == "+" else ARITHMETIC.subtract(left, right)
    return {"N": spelling(total, imprecise=OVERFLOW)}


def united(one: Value, other: Value) -> Value:
    """The union of two sets of one type."""
    kind = kind_of(one)
    return {kind: list(dict.fromkeys([*one[kind], *other[kind]]))}


def reduced(one: Value, other: Value) -> Value | None:
    """The first set without the members of the second; None if none is left, since a set is never empty."""
    kind = kind_of(one)
    left = [member for member in one[kind] if member not in other[kind]]
    return {kind: left} if left else None


def _joined(one: Value, other: Value) -> Value:
    """The outcome of ADD for two values of one type; for two lists in the legacy AttributeUpdates alone."""
    if "N" in one:
        return added(one, other)
    return {"L": one["L"] + other["L"]} if "L" in one else united(one, other)


# --- application


def applied(actions: Sequence[Action], item: Item, values: Values, mismatch: str = WRONG_TYPE) -> Item:
    """The item after all actions. Raises Refusal, with the sentence `mismatch` for an ADD or DELETE of another type."""
    assigned: list[tuple[DocumentPath, Value]] = []
    removed: list[DocumentPath] = []
    for action in actions:
        if action.operand is None:
            removed.append(action.path)
            continue
        value: Value | None = _assigned(action.operand, item, values)
        if action.section != "SET" and value is not None:
            old = paths.found(item, action.path)
            if old is None and action.section == "DELETE":
                continue
            if old is not None:
                if kind_of(old) != kind_of(value):
                    raise Refusal(mismatch)
                value = _joined(old, value) if action.section == "ADD" else reduced(old, value)
        if value is None:
            removed.append(action.path)
        else:
            assigned.append((action.path, value))
    if len(assigned) > 1:  # beyond the end of a list, elements are appended by their positions
        assigned.sort(key=lambda each: paths.by_position(each[0]))
    new = item
    for path, value in assigned:
        new = paths.assign(new, path, value)
    return paths.remove(new, removed) if removed else new
