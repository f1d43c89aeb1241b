"""Items in plain Python, and the difference between two of them in words. Calls nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import ndiff
from pprint import pformat
from typing import Any

from boto3.dynamodb.types import Binary

SHORT = 60  # characters; what is longer is shown line by line


def plain(value: Any) -> Any:
    """What boto3 reads, without its own types: int, float, bytes, set. A Decimal that no float holds stays one."""
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return {plain(one) for one in value}
    if isinstance(value, Binary):
        return value.__bytes__()
    return bytes(value) if isinstance(value, bytearray) else value


def stored(value: Any) -> Any:
    """A float as boto3 takes numbers."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any], *, exactly: bool) -> list[str]:
    """A line or more for each attribute that is not as wanted; those that nobody asked for only if `exactly`."""
    lines: list[str] = []
    for name, value in wanted.items():
        if name not in found:
            lines.append(f"  {name}: absent, not {plain(value)!r}")
        elif not same(plain(value), found[name]):
            lines += _difference(name, plain(value), found[name])
    if exactly:
        lines += [f"  {name}: {found[name]!r}, and it was not to be there" for name in found if name not in wanted]
    return lines


def same(wanted: Any, found: Any) -> bool:
    """Equal, as DynamoDB sees it: true is not 1. Anything with an `==` of its own can be wanted, anywhere inside."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(same(value, found[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(same, wanted, found))
    if _is_plain_number(wanted) and _is_plain_number(found) and isinstance(wanted, bool) != isinstance(found, bool):
        return False
    return bool(wanted == found)


def words(key: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={plain(value)!r}" for name, value in key.items())


def _number(value: Decimal) -> Any:
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else value


def _is_plain_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, Decimal))


def _difference(name: str, wanted: Any, found: Any) -> Iterator[str]:
    if len(repr(wanted)) <= SHORT and len(repr(found)) <= SHORT:
        yield f"  {name}: {found!r}, not {wanted!r}"
        return
    yield f"  {name}: (+ is there, - was to be)"
    for line in ndiff(pformat(wanted, width=80).splitlines(), pformat(found, width=80).splitlines()):
        yield f"    {line.rstrip()}"
