"""Attribute values as DynamoDB's JSON writes them: `{"S": "text"}`, `{"N": "1.5"}`, `{"L": […]}`.

Rules and limits: "Supported data types and naming rules in Amazon DynamoDB" and "DynamoDB item sizes and formats" in
the developer guide. A checked value is never changed afterwards, so items may share their parts.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

Value = dict[str, Any]
"""One attribute value: its type, and what it holds."""

Item = dict[str, Value]
"""Attributes by name."""

INVALID = "One or more parameter values were invalid: "

SCALARS = frozenset({"S", "N", "B"})
SETS = frozenset({"SS", "NS", "BS"})
TYPES = SCALARS | SETS | {"M", "L", "BOOL", "NULL"}
DEEPEST = 32  # levels of maps and lists
DIGITS = 38
LARGEST_EXPONENT = 125
SMALLEST = Decimal("1E-130")
ARITHMETIC = Context(prec=300)  # more than two numbers of 126 and 130 digits need
NUMBER = re.compile(r"[+-]?(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)

OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
IMPRECISE = "Attempting to store more than 38 significant digits in a Number"


class Refusal(Exception):
    """DynamoDB answers with an error. `members` are those of its body besides the message.

    A condition that does not hold has consumed `write_units` all the same.
    """

    def __init__(
        self, message: str, code: str = "ValidationException", *, write_units: float = 0.0, **members: Any
    ) -> None:
        super().__init__(message)
        self.message, self.code, self.members, self.write_units = message, code, members, write_units


# --- checks


def checked(value: Any, depth: int = 0) -> Value:
    """The value with its numbers in one spelling. Raises Refusal."""
    if not isinstance(value, dict) or not value:
        raise Refusal("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    if len(value) > 1:
        _check_numbers(value)
        raise Refusal(
            "Supplied AttributeValue has more than one datatypes set, "
            "must contain exactly one of the supported datatypes"
        )
    ((kind, held),) = value.items()
    if kind == "S":
        if not isinstance(held, str):
            raise _serialization(held, "String")
        return value
    if kind == "N":
        if not isinstance(held, str):
            raise _serialization(held, "String")
        spelt = number(held)
        return value if spelt == held else {"N": spelt}
    if kind in ("M", "L"):
        return _document(kind, held, depth)
    if kind in SETS:
        return _set(kind, held)
    if kind == "B":
        return {"B": _binary(held)}
    if kind == "BOOL":
        if not isinstance(held, bool):
            raise _serialization(held, "Boolean")
        return value
    if kind == "NULL":
        if held is not True:
            raise Refusal(f"{INVALID}Null attribute value types must have the value of true")
        return value
    raise Refusal("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")


def _check_numbers(value: Value) -> None:
    """Numbers are looked at before the count of types."""
    for held in (value.get("N"), *(value["NS"] if isinstance(value.get("NS"), list) else ())):
        if isinstance(held, str):
            number(held)


def checked_item(item: Any) -> Item:
    """The item with its numbers in one spelling. Raises Refusal."""
    if not isinstance(item, dict):
        raise Refusal("Unexpected value type in payload", "SerializationException")
    return {name: checked(value) for name, value in item.items()}


def _document(kind: str, held: Any, depth: int) -> Value:
    if depth >= DEEPEST:
        raise Refusal(f"Nesting Levels have exceeded supported limits: Attributes are nested over {DEEPEST} levels")
    if kind == "M" and isinstance(held, dict):
        return {"M": {name: checked(each, depth + 1) for name, each in held.items()}}
    if kind == "L" and isinstance(held, list):
        return {"L": [checked(each, depth + 1) for each in held]}
    raise _serialization(held, "Map" if kind == "M" else "List")


def _set(kind: str, held: Any) -> Value:
    if not isinstance(held, list) or not all(isinstance(each, str) for each in held):
        raise _serialization(held, "List")
    if not held:
        raise Refusal(
            INVALID
            + {
                "SS": "An string set  may not be empty",
                "NS": "An number set  may not be empty",
                "BS": "Binary sets should not be empty",
            }[kind]
        )
    spelt = [number(each) for each in held] if kind == "NS" else list(map(_binary, held)) if kind == "BS" else held
    if len(set(spelt)) != len(spelt):
        raise Refusal(_duplicates(kind, held))
    return {kind: spelt}


def _duplicates(kind: str, held: list[str]) -> str:
    if kind == "NS":
        return "Input collection contains duplicates"
    of_type = " contains" if kind == "SS" else "of type BS contains"
    return f"{INVALID}Input collection [{', '.join(held)}]{of_type} duplicates."


def _binary(held: Any) -> str:
    try:
        return base64.b64encode(base64.b64decode(held, validate=True)).decode()
    except (TypeError, ValueError, binascii.Error):
        raise Refusal("Invalid Base64 encoding of a binary value", "SerializationException") from None


def _serialization(held: Any, wanted: str) -> Refusal:
    found = {str: "STRING_VALUE", bool: "TRUE_VALUE" if held else "FALSE_VALUE", int: "NUMBER_VALUE"}
    return Refusal(f"{found.get(type(held), 'Value')} cannot be converted to {wanted}", "SerializationException")


# --- numbers


@lru_cache(4096)
def number(text: str) -> str:
    """The one spelling of a number: no exponent, no plus, no needless zero. Raises Refusal."""
    if NUMBER.fullmatch(text) is None:
        raise Refusal(f"The parameter cannot be converted to a numeric value{text and f': {text}'}")
    try:
        return spelling(Decimal(text))
    except InvalidOperation:  # Python has no exponents of 19 digits
        digits, _, exponent = text.lower().partition("e")
        return spelling(Decimal(f"{digits}E{'-9999' if exponent.startswith('-') else '9999'}"))


def spelling(value: Decimal, imprecise: str = IMPRECISE) -> str:
    """The number as DynamoDB writes it. Raises Refusal if it is out of range, or has too many digits: `imprecise`."""
    if not value:
        return "0"
    size = value.copy_abs()
    if size.adjusted() > LARGEST_EXPONENT:
        raise Refusal(OVERFLOW)
    if size < SMALLEST:
        raise Refusal(UNDERFLOW)
    plain = format(value, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    if len(plain.lstrip("-0.").replace(".", "").rstrip("0")) > DIGITS:
        raise Refusal(imprecise)
    return plain


@lru_cache(4096)
def decimal(text: str) -> Decimal:
    """The number that a checked value holds."""
    return Decimal(text)


# --- sizes


def size(value: Value) -> int:
    """Bytes that the value counts for."""
    ((kind, held),) = value.items()
    if kind == "S":
        return len(held) if held.isascii() else len(held.encode())
    if kind == "N":
        return _number_size(held)
    if kind == "B":
        return _binary_size(held)
    if kind == "SS":
        return sum(len(each.encode()) for each in held)
    if kind == "NS":
        return sum(map(_number_size, held))
    if kind == "BS":
        return sum(map(_binary_size, held))
    if kind == "L":
        return 3 + sum(1 + size(each) for each in held)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + size(each) for name, each in held.items())
    return 1


def item_size(item: Mapping[str, Value]) -> int:
    """Bytes that the item counts for, names included."""
    return sum(len(name.encode()) + size(value) for name, value in item.items())


@lru_cache(4096)
def _number_size(text: str) -> int:
    """A byte for two digits before the point, for two behind it, one for the exponent, and one for a minus."""
    whole, _, fraction = text.lstrip("-").partition(".")
    whole = whole.lstrip("0") if fraction else whole.strip("0")
    if not whole:
        fraction = fraction.lstrip("0")
    return (len(whole) + 1) // 2 + (len(fraction) + 1) // 2 + 1 + text.startswith("-")


def _binary_size(text: str) -> int:
    return len(text) * 3 // 4 - text.count("=", -2)


# --- comparison


def kind_of(value: Value) -> str:
    """The type: S, N, B, SS, NS, BS, M, L, BOOL or NULL."""
    (kind,) = value
    return kind


def sortable(value: Value) -> Any:
    """The sort key of a text, number or binary: bytes in UTF-8, the number, bytes."""
    ((kind, held),) = value.items()
    if kind == "S":
        return held.encode()
    return decimal(held) if kind == "N" else base64.b64decode(held)


def equal(one: Value, other: Value) -> bool:
    """Equal in type and value; sets have no order."""
    ((kind, held),) = one.items()
    if kind not in other:
        return False
    theirs = other[kind]
    if kind in SETS:
        return len(held) == len(theirs) and set(held) == set(theirs)
    if kind == "L":
        return len(held) == len(theirs) and all(map(equal, held, theirs))
    return equal_items(held, theirs) if kind == "M" else bool(held == theirs)


def equal_items(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)


def contains(value: Value, part: Value) -> bool:
    """`contains` of expressions: a part of a text or binary, a member of a set or list."""
    ((kind, held),) = value.items()
    ((kind_of_part, held_of_part),) = part.items()
    if kind == "L":
        return any(equal(each, part) for each in held)
    if kind in SETS:
        return kind[0] == kind_of_part and held_of_part in held
    if kind in ("S", "B") and kind == kind_of_part:
        return sortable(part) in sortable(value)
    return False
