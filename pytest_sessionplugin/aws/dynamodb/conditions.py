"""Conditions of expressions as trees that are checked once for their values, and hold for an item or do not.

An absent attribute, or one of another type, makes a comparison false. Source: "Condition and filter expressions,
operators, and functions in DynamoDB" in the developer guide.
"""

from __future__ import annotations

import base64
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_sessionplugin.aws.dynamodb import paths
from pytest_sessionplugin.aws.dynamodb.paths import DocumentPath
from pytest_sessionplugin.aws.dynamodb.values import (
    SCALARS,
    TYPES,
    Item,
    Refusal,
    Value,
    contains,
    equal,
    kind_of,
    sortable,
)

Values = Mapping[str, Value]
"""ExpressionAttributeValues: `:name` -> value."""

SIZELESS = frozenset({"N", "BOOL", "NULL"})


class Operand(Protocol):
    """An operand of a condition or of an update."""

    def value(self, item: Item, values: Values) -> Value | None:
        """Its value for an item, None if it has none."""

    def paths(self) -> Iterator[DocumentPath]:
        """The document paths that it reads."""


@dataclass(frozen=True)
class Placeholder:
    name: str  # with its colon

    def value(self, _item: Item, values: Values) -> Value | None:
        return values[self.name]

    def paths(self) -> Iterator[DocumentPath]:
        return iter(())


@dataclass(frozen=True)
class Constant:
    """A value that stands in the request itself: in legacy members and in PartiQL."""

    held: Value

    def value(self, _item: Item, _values: Values) -> Value:
        return self.held

    def paths(self) -> Iterator[DocumentPath]:
        return iter(())


def known(operand: Operand | None, values: Values) -> Value | None:
    """The value of an operand that depends on no item."""
    return operand.value({}, values) if isinstance(operand, Placeholder | Constant) else None


def known_kind(operand: Operand, values: Values) -> str | None:
    """The type of an operand, if it depends on no item: `size` is a number."""
    if isinstance(operand, FunctionCall):
        return "N" if operand.function == "size" else None
    return kind_of(value) if (value := known(operand, values)) is not None else None


@dataclass(frozen=True)
class Attribute:
    path: DocumentPath

    def value(self, item: Item, _values: Values) -> Value | None:
        if len(self.path) == 1:
            return item.get(self.path[0])
        return paths.found(item, self.path)

    def paths(self) -> Iterator[DocumentPath]:
        yield self.path


@dataclass(frozen=True)
class FunctionCall:
    """A function. `size` alone has a value in a condition; an update knows what the others give.

    The size of a text is its length in UTF-16, as Java counts it.
    """

    function: str
    operands: tuple[Operand, ...]

    def value(self, item: Item, values: Values) -> Value | None:
        if self.function != "size" or (measured := self.operands[0].value(item, values)) is None:
            return None
        ((kind, held),) = measured.items()
        if kind in SIZELESS:
            return None
        if kind == "S" and not held.isascii():
            return {"N": str(len(held.encode("utf-16-le", "surrogatepass")) // 2)}
        return {"N": str(len(base64.b64decode(held) if kind == "B" else held))}

    def paths(self) -> Iterator[DocumentPath]:
        for operand in self.operands:
            yield from operand.paths()


class Condition(Protocol):
    """A condition on an item."""

    def holds(self, item: Item, values: Values) -> bool: ...

    def check(self, kind: str, values: Values) -> None:
        """Raises Refusal for what can be told from the values alone; `kind` is the name of the expression's member."""

    def paths(self) -> Iterator[DocumentPath]:
        """The document paths that it reads."""


# --- logic


@dataclass(frozen=True)
class Every:
    conditions: tuple[Condition, ...]

    def holds(self, item: Item, values: Values) -> bool:
        return all(condition.holds(item, values) for condition in self.conditions)

    def check(self, kind: str, values: Values) -> None:
        for condition in self.conditions:
            condition.check(kind, values)

    def paths(self) -> Iterator[DocumentPath]:
        for condition in self.conditions:
            yield from condition.paths()


@dataclass(frozen=True)
class Either(Every):
    def holds(self, item: Item, values: Values) -> bool:
        return any(condition.holds(item, values) for condition in self.conditions)


@dataclass(frozen=True)
class Not:
    condition: Condition

    def holds(self, item: Item, values: Values) -> bool:
        return not self.condition.holds(item, values)

    def check(self, kind: str, values: Values) -> None:
        self.condition.check(kind, values)

    def paths(self) -> Iterator[DocumentPath]:
        return self.condition.paths()


# --- comparisons

ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
COMPARATORS = ("=", "<>", *ORDERS)


def compare(comparator: str, one: Value | None, other: Value | None) -> bool:
    """Compares type first. An absent value differs from all, also from an absent one; it is never smaller or larger."""
    if one is None or other is None:
        return comparator == "<>"
    if comparator == "=":
        return equal(one, other)
    if comparator == "<>":
        return not equal(one, other)
    kind = kind_of(one)
    return kind in other and kind in SCALARS and ORDERS[comparator](sortable(one), sortable(other))


@dataclass(frozen=True)
class Comparison:
    comparator: str
    left: Operand
    right: Operand

    def holds(self, item: Item, values: Values) -> bool:
        return compare(self.comparator, self.left.value(item, values), self.right.value(item, values))

    def check(self, kind: str, values: Values) -> None:
        if isinstance(self.left, Attribute) and self.left == self.right:
            raise _same_operand(kind, self.comparator, self.left)
        _check_sizes(kind, values, (self.left, self.right))
        if self.comparator in ORDERS:
            _check_ordered(kind, self.comparator, values, (self.left, self.right))

    def paths(self) -> Iterator[DocumentPath]:
        yield from self.left.paths()
        yield from self.right.paths()


@dataclass(frozen=True)
class Between:
    operand: Operand
    low: Operand
    high: Operand

    def holds(self, item: Item, values: Values) -> bool:
        found = self.operand.value(item, values)
        return compare(">=", found, self.low.value(item, values)) and compare(
            "<=", found, self.high.value(item, values)
        )

    def check(self, kind: str, values: Values) -> None:
        operands = (self.operand, self.low, self.high)
        _check_sizes(kind, values, operands)
        _check_ordered(kind, "BETWEEN", values, operands)
        low, high = known(self.low, values), known(self.high, values)
        if low is not None and high is not None:
            check_bounds(kind, low, high)

    def paths(self) -> Iterator[DocumentPath]:
        for operand in (self.operand, self.low, self.high):
            yield from operand.paths()


def check_bounds(kind: str, low: Value, high: Value) -> None:
    """Raises Refusal unless the bounds have one type and are in order."""
    bounds = f"lower bound operand: AttributeValue: {shown(low)}, upper bound operand: AttributeValue: {shown(high)}"
    if kind_of(low) != kind_of(high):
        raise Refusal(
            f"Invalid {kind}: The BETWEEN operator requires same data type for lower and upper bounds; {bounds}"
        )
    if sortable(low) > sortable(high):
        raise Refusal(
            f"Invalid {kind}: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            f"{bounds}"
        )


@dataclass(frozen=True)
class Membership:
    operand: Operand
    choices: tuple[Operand, ...]

    def holds(self, item: Item, values: Values) -> bool:
        found = self.operand.value(item, values)
        if found is None:
            return False
        chosen = (choice.value(item, values) for choice in self.choices)
        return any(each is not None and equal(found, each) for each in chosen)

    def check(self, kind: str, values: Values) -> None:
        _check_sizes(kind, values, (self.operand, *self.choices))

    def paths(self) -> Iterator[DocumentPath]:
        for operand in (self.operand, *self.choices):
            yield from operand.paths()


# --- functions

OPERANDS = {"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2}
"""Functions that are conditions, and the number of their operands."""


@dataclass(frozen=True)
class Test:
    """A function that is a condition."""

    function: str
    operands: tuple[Operand, ...]

    def holds(self, item: Item, values: Values) -> bool:
        found = self.operands[0].value(item, values)
        if self.function == "attribute_exists":
            return found is not None
        if self.function == "attribute_not_exists":
            return found is None
        wanted = self.operands[1].value(item, values)
        if found is None or wanted is None:
            return False
        if self.function == "attribute_type":
            return kind_of(found) == wanted.get("S")
        if self.function == "contains":
            return contains(found, wanted)
        kind = kind_of(found)
        return kind in ("S", "B") and kind in wanted and sortable(found).startswith(sortable(wanted))

    def check(self, kind: str, values: Values) -> None:
        first, *others = self.operands
        if isinstance(first, Attribute) and first in others:
            raise _same_operand(kind, self.function, first)
        _check_sizes(kind, values, self.operands)
        if self.function.endswith("exists"):
            if not isinstance(first, Attribute):
                raise Refusal(
                    f"Invalid {kind}: Operator or function requires a document path; "
                    f"operator or function: {self.function}"
                )
        elif self.function == "attribute_type":
            self._check_name(kind, values)
        elif self.function == "begins_with":
            for operand in self.operands:
                if (found := known_kind(operand, values)) not in (None, "S", "B"):
                    raise self._wrong_type(kind, str(found))

    def _check_name(self, kind: str, values: Values) -> None:
        """The name of a type is a value of the request, never an attribute."""
        operand = self.operands[1]
        if (found := known_kind(operand, values)) != "S":
            raise self._wrong_type(kind, found or "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}")
        name = (known(operand, values) or {})["S"]
        if name not in TYPES:
            raise Refusal(
                f"Invalid {kind}: Invalid attribute type name found; type: {name}, "
                "valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"
            )

    def _wrong_type(self, kind: str, found: str) -> Refusal:
        return _wrong_type(kind, f"operator or function: {self.function}", found)

    def paths(self) -> Iterator[DocumentPath]:
        for operand in self.operands:
            yield from operand.paths()


def _check_sizes(kind: str, values: Values, operands: tuple[Operand, ...]) -> None:
    """Raises Refusal for the `size` of a value that has none."""
    for operand in operands:
        if isinstance(operand, FunctionCall):
            _check_sizes(kind, values, operand.operands)
            if (found := known_kind(operand.operands[0], values)) in SIZELESS:
                raise _wrong_type(kind, "operator or function: size", str(found))


def _check_ordered(kind: str, operator: str, values: Values, operands: tuple[Operand, ...]) -> None:
    """Raises Refusal for a value that is neither smaller nor larger than others of its type."""
    for operand in operands:
        if (value := known(operand, values)) is not None and kind_of(value) not in SCALARS:
            raise _wrong_type(kind, f"operator: {operator}", kind_of(value))


def _same_operand(kind: str, name: str, operand: Attribute) -> Refusal:
    return Refusal(
        f"Invalid {kind}: The first operand must be distinct from the remaining operands for this operator or "
        f"function; operator: {name}, first operand: [{paths.words(operand.path)}]"
    )


def _wrong_type(kind: str, what: str, found: str) -> Refusal:
    return Refusal(f"Invalid {kind}: Incorrect operand type for operator or function; {what}, operand type: {found}")


def shown(value: Value) -> str:
    """The value as messages write it: `{S:text}`."""
    ((kind, held),) = value.items()
    return f"{{{kind}:{held}}}"
