"""JSON text: parsed strictly, written compactly."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, Final

from chalicelib.errors import InvalidRequest

MAX_DEPTH: Final = 64  # metadata has a smaller limit
MAX_DIGITS: Final = 126  # of a whole number below MAX_MAGNITUDE
MAX_MAGNITUDE: Final = 1e126
MIN_MAGNITUDE: Final = 1e-130


def parse(text: str | bytes) -> Any:
    """The value of a JSON text.

    Raises InvalidRequest for a text that is not JSON in UTF-8, and for JSON that readers understand differently:
    duplicate keys, NaN and infinities, numbers that would be rounded or do not fit DynamoDB, lone surrogates, and
    nesting deeper than 64.
    """
    try:
        value = json.loads(
            text.decode("utf-8") if isinstance(text, bytes) else text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
        compact(value).encode("utf-8")
    except UnicodeDecodeError as exc:
        raise InvalidRequest("The text is not UTF-8.") from exc
    except UnicodeEncodeError as exc:
        raise InvalidRequest("A string has half of a surrogate pair in it.") from exc
    except RecursionError as exc:
        raise InvalidRequest(f"The value is nested deeper than {MAX_DEPTH} levels.") from exc
    except ArithmeticError as exc:
        raise InvalidRequest("A number is too large or too small to be stored.") from exc
    except ValueError as exc:
        raise InvalidRequest("The text is not JSON.") from exc
    if depth(value) > MAX_DEPTH:
        raise InvalidRequest(f"The value is nested deeper than {MAX_DEPTH} levels.")
    return value


def compact(value: Any) -> str:
    """JSON text without white space and ASCII escapes."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def size(value: Any) -> int:
    """The length of the compact text in UTF-8 bytes."""
    return len(compact(value).encode("utf-8"))


def whole(value: Any) -> int | None:
    """The whole number that a JSON value is, or None. 1.0 and 1 are one number, as in JSON Schema."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def depth(value: Any) -> int:
    """How deep objects and arrays are nested; 0 for a scalar."""
    deepest = 0
    pending = [(value, 0)]
    while pending:
        part, above = pending.pop()
        if isinstance(part, (dict, list)):
            deepest = max(deepest, above + 1)
            pending.extend((p, above + 1) for p in (part.values() if isinstance(part, dict) else part))
    return deepest


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise InvalidRequest("An object has the same key twice.")
    return result


def _constant(name: str) -> Any:
    raise InvalidRequest(f"{name} is not a JSON number.")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number) or abs(number) >= MAX_MAGNITUDE or 0 < abs(number) < MIN_MAGNITUDE:
        raise InvalidRequest("A number is too large or too small to be stored.")
    if Decimal(repr(number)) != Decimal(text):  # which raises InvalidOperation for an exponent of 19 digits
        raise InvalidRequest("A number has more digits than a double keeps; send it as text.")
    return number


def _int(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise InvalidRequest("A number is too large or too small to be stored.")
    number = int(text)
    if float(number) != number:  # but 10**23, which no double is, is what a double is written as
        _float(text)
    return number
