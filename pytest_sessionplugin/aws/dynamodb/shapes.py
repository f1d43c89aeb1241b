"""Shapes of the control plane's requests: types of their members, and constraints that DynamoDB reports all at once.

A shape is a function, made of smaller ones. Constraints: the service's model, as its answers show it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pytest_sessionplugin.aws.dynamodb.kinds import mistyped
from pytest_sessionplugin.aws.dynamodb.requests import broken, in_members

NAME: Final = r"[a-zA-Z0-9_.-]+"

Shape = Callable[[str, Any], Iterator[str]]
"""Yields the constraints that a value at a path breaks. Raises Refusal for a value of another type."""


def _length(value: Sequence[Any], at: str, least: int, most: int | None) -> Iterator[str]:
    shown = value if isinstance(value, str) else f"[{', '.join(map(_shown, value))}]"
    if len(value) < least:
        yield broken(f"'{shown}'", at, f"Member must have length greater than or equal to {least}")
    if most is not None and len(value) > most:
        yield broken(f"'{shown}'", at, f"Member must have length less than or equal to {most}")


def _shown(item: Any) -> str:
    """A member of a list; of those that have a greatest length, only a KeySchema has structures."""
    if isinstance(item, str):
        return item
    return f"KeySchemaElement(attributeName={item.get('AttributeName', '')}, keyType={item.get('KeyType', '')})"


def _text(least: int = 0, most: int | None = None, pattern: str = "", choices: Sequence[str] = ()) -> Shape:
    def constraints(at: str, value: Any) -> Iterator[str]:
        if not isinstance(value, str):
            raise mistyped(value, "String")
        if choices and value not in choices:
            yield broken(f"'{value}'", at, f"Member must satisfy enum value set: [{', '.join(choices)}]")
        yield from _length(value, at, least, most)
        if pattern and not re.fullmatch(pattern, value):
            yield broken(f"'{value}'", at, f"Member must satisfy regular expression pattern: {pattern}")

    return constraints


def _number(kind: str, least: int, most: int | None = None) -> Shape:
    def constraints(at: str, value: Any) -> Iterator[str]:
        if not isinstance(value, int) or isinstance(value, bool):
            raise mistyped(value, kind)
        if value < least:
            yield broken(f"'{value}'", at, f"Member must have value greater than or equal to {least}")
        if most is not None and value > most:
            yield broken(f"'{value}'", at, f"Member must have value less than or equal to {most}")

    return constraints


def _flag(at: str, value: Any) -> Iterator[str]:
    if not isinstance(value, bool):
        raise mistyped(value, "Boolean")
    return iter(())


def _listed(item: Shape, least: int = 0, most: int | None = None) -> Shape:
    def constraints(at: str, value: Any) -> Iterator[str]:
        if not isinstance(value, list):
            raise mistyped(value)
        items = [found for place, each in enumerate(value, 1) for found in item(f"{at}.{place}.member", each)]
        yield from _length(value, at, least, most)
        yield from items

    return constraints


def _structure(required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    def constraints(at: str, value: Any) -> Iterator[str]:
        if not isinstance(value, Mapping):
            raise mistyped(value)
        for name, shape in {**(optional or {}), **required}.items():
            path = f"{at}.{in_members(name)}".lstrip(".")
            if value.get(name) is not None:
                yield from shape(path, value[name])
            elif name in required:
                yield broken("null", path, "Member must not be null")

    return constraints


_ATTRIBUTE = _text(1, 255)
INDEX_NAME = _text(3, 255, NAME)
_DEFINITIONS = _listed(_structure({"AttributeType": _text(choices=("B", "N", "S")), "AttributeName": _ATTRIBUTE}))
_KEY = _structure({"AttributeName": _ATTRIBUTE, "KeyType": _text(choices=("HASH", "RANGE"))})
_UNITS = _number("Long", 1)
_THROUGHPUT = _structure({"WriteCapacityUnits": _UNITS, "ReadCapacityUnits": _UNITS})
_PROJECTION = _structure(
    {},
    {"ProjectionType": _text(choices=("ALL", "INCLUDE", "KEYS_ONLY")), "NonKeyAttributes": _listed(_ATTRIBUTE, 1, 20)},
)
_GLOBAL_INDEX = _structure(
    {"KeySchema": _listed(_KEY, 1), "Projection": _PROJECTION, "IndexName": INDEX_NAME},
    {"ProvisionedThroughput": _THROUGHPUT},
)
_STREAM = _structure(
    {"StreamEnabled": _flag},
    {"StreamViewType": _text(choices=("OLD_IMAGE", "KEYS_ONLY", "NEW_AND_OLD_IMAGES", "NEW_IMAGE"))},
)
_TAG_LIST = _listed(_structure({}, {"Key": _text(), "Value": _text()}))
_SETTINGS: Mapping[str, Shape] = {
    "BillingMode": _text(choices=("PROVISIONED", "PAY_PER_REQUEST")),
    "ProvisionedThroughput": _THROUGHPUT,
    "StreamSpecification": _STREAM,
    "DeletionProtectionEnabled": _flag,
    "TableClass": _text(),
}
SHAPES: Mapping[str, Shape] = {
    "CreateTable": _structure(
        {"KeySchema": _listed(_KEY, 1, 2), "AttributeDefinitions": _DEFINITIONS},
        {
            **_SETTINGS,
            "LocalSecondaryIndexes": _listed(
                _structure({"IndexName": INDEX_NAME, "KeySchema": _listed(_KEY, 1, 2), "Projection": _PROJECTION})
            ),
            "GlobalSecondaryIndexes": _listed(_GLOBAL_INDEX),
            "Tags": _TAG_LIST,
        },
    ),
    "UpdateTable": _structure(
        {},
        {
            **_SETTINGS,
            "AttributeDefinitions": _DEFINITIONS,
            "GlobalSecondaryIndexUpdates": _listed(
                _structure(
                    {},
                    {
                        "Update": _structure({"IndexName": INDEX_NAME}, {"ProvisionedThroughput": _THROUGHPUT}),
                        "Create": _GLOBAL_INDEX,
                        "Delete": _structure({"IndexName": INDEX_NAME}),
                    },
                )
            ),
        },
    ),
    "DeleteTable": _structure({}),
    "DescribeTable": _structure({}),
    "ListTables": _structure({}, {"ExclusiveStartTableName": _text(3, 255, NAME), "Limit": _number("Integer", 1, 100)}),
    "UpdateTimeToLive": _structure(
        {"TimeToLiveSpecification": _structure({"AttributeName": _ATTRIBUTE, "Enabled": _flag})}
    ),
    "DescribeTimeToLive": _structure({}),
    "TagResource": _structure({}, {"ResourceArn": _text(), "Tags": _TAG_LIST}),
    "UntagResource": _structure({}, {"ResourceArn": _text(), "TagKeys": _listed(_text())}),
    "ListTagsOfResource": _structure({}, {"ResourceArn": _text(), "NextToken": _text()}),
}
