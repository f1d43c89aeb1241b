"""Checks the properties of tables. Each mistake is a sentence that names table and property."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pytest_sessionplugin.aws.templates import TableSpec
from pytest_sessionplugin.errors import TemplateError

NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html"""


def checked(specs: Any) -> dict[str, TableSpec]:
    """The same tables, each with a TableName, which is its logical name by default.

    Properties that change nothing in memory are left out. Raises TemplateError for tables that DynamoDB would
    refuse, and for unknown properties.
    """
    if not isinstance(specs, Mapping):
        raise TemplateError(f"dynamodb_specs must be a mapping of logical names to properties, not {_kind(specs)}.")
    found: dict[str, TableSpec] = {}
    owners: dict[str, str] = {}
    for name, properties in specs.items():
        if not isinstance(name, str):
            raise TemplateError(f"dynamodb_specs: the logical name of a table is a text, not {name!r}.")
        found[name] = _table(_At(name), properties)
        other = owners.setdefault(found[name]["TableName"], name)
        if other != name:
            raise TemplateError(
                f"the tables {other} and {name} are both named {found[name]['TableName']}; "
                "give each a TableName of its own."
            )
    return found


# --- values


@dataclass(frozen=True)
class _At:
    """A place in the properties of one table."""

    table: str
    path: str = ""

    def __getitem__(self, key: str | int) -> _At:
        if isinstance(key, int):
            return _At(self.table, f"{self.path}[{key}]")
        return _At(self.table, f"{self.path}.{key}" if self.path else key)

    def error(self, reason: str) -> TemplateError:
        return TemplateError(f"the table {self.table}: {self.path or 'it'} {reason}")


Read = Callable[[_At, Any], Any]
"""Converts the value at a place into the form of CreateTable. Raises TemplateError."""


def _text(*choices: str) -> Read:
    def read(at: _At, value: Any) -> str:
        if choices and value not in choices:
            raise at.error(f"is {value!r}; it must be {' or '.join(choices)}.")
        if not isinstance(value, str) or not value:
            raise at.error(f"must be a text that is not empty, not {value!r}.")
        return value

    return read


def _whole(at: _At, value: Any) -> int:
    """CloudFormation takes "5" for 5, as the default of a parameter often is."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise at.error(f"must be a whole number, 1 or more, not {value!r}.")
    return value


def _flag(at: _At, value: Any) -> bool:
    """CloudFormation takes "true" for true."""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        value = value.lower() == "true"
    if not isinstance(value, bool):
        raise at.error(f"must be true or false, not {value!r}.")
    return value


def _list(item: Read) -> Read:
    def read(at: _At, value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise at.error(f"must be a list, not {_kind(value)}.")
        return [item(at[number], one) for number, one in enumerate(value)]

    return read


def _fields(needed: Mapping[str, Read], optional: Mapping[str, Read] | None = None, *ignored: str) -> Read:
    readers = {**needed, **(optional or {})}

    def read(at: _At, value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise at.error(f"must be a mapping, not {_kind(value)}.")
        for key in value:
            if key not in readers and key not in ignored:
                near = get_close_matches(str(key), readers, 1)
                raise at.error(f"has {key}, which it cannot have; {_hint(near, readers)}.")
        for key in needed:
            if key not in value:
                raise at.error(f"has no {key}.")
        return {key: reader(at[key], value[key]) for key, reader in readers.items() if key in value}

    return read


def _hint(near: list[str], readers: Mapping[str, Read]) -> str:
    return f"{near[0]} may be meant" if near else f"there are {', '.join(readers)}"


def _kind(value: object) -> str:
    return f"a {type(value).__name__}" if value is not None else "None"


# --- tables, after https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dynamodb-table.html

_KEYS = _list(_fields({"AttributeName": _text(), "KeyType": _text("HASH", "RANGE")}))
_THROUGHPUT = _fields({"ReadCapacityUnits": _whole, "WriteCapacityUnits": _whole})
_INDEX: Mapping[str, Read] = {
    "IndexName": _text(),
    "KeySchema": _KEYS,
    "Projection": _fields(
        {"ProjectionType": _text("ALL", "KEYS_ONLY", "INCLUDE")}, {"NonKeyAttributes": _list(_text())}
    ),
}
_TABLE = _fields(
    {
        "KeySchema": _KEYS,
        "AttributeDefinitions": _list(_fields({"AttributeName": _text(), "AttributeType": _text("S", "N", "B")})),
    },
    {
        "TableName": _text(),
        "BillingMode": _text("PAY_PER_REQUEST", "PROVISIONED"),
        "ProvisionedThroughput": _THROUGHPUT,
        "GlobalSecondaryIndexes": _list(
            _fields(
                _INDEX,
                {"ProvisionedThroughput": _THROUGHPUT},
                "ContributorInsightsSpecification",
                "OnDemandThroughput",
                "ReadOnDemandThroughputSettings",
                "ReadProvisionedThroughputSettings",
                "WarmThroughput",
                "WriteOnDemandThroughputSettings",
                "WriteProvisionedThroughputSettings",
            )
        ),
        "LocalSecondaryIndexes": _list(_fields(_INDEX)),
        "StreamSpecification": _fields(
            {},
            {
                "StreamEnabled": _flag,
                "StreamViewType": _text("NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"),
            },
            "ResourcePolicy",
        ),
        "TimeToLiveSpecification": _fields({"Enabled": _flag}, {"AttributeName": _text()}),
    },
    "ContributorInsightsSpecification",
    "DeletionProtectionEnabled",
    "ImportSourceSpecification",
    "KinesisStreamSpecification",
    "OnDemandThroughput",
    "PointInTimeRecoverySpecification",
    "ResourcePolicy",
    "SSESpecification",
    "TableClass",
    "Tags",
    "WarmThroughput",
)


def _table(at: _At, properties: Any) -> TableSpec:
    if isinstance(properties, Mapping) and {"Type", "Properties"} <= set(properties):
        raise at.error("is a resource of a template; give what stands under its Properties.")
    spec: dict[str, Any] = {"TableName": at.table, **_TABLE(at, properties)}
    if not NAME.fullmatch(spec["TableName"]):
        raise at["TableName"].error(f"is {spec['TableName']!r}; it has 3 to 255 of A-Z, a-z, 0-9, _, . and -.")
    _check_keys(at, spec)
    _check_indexes(at, spec)
    _check_throughput(at, spec)
    stream, ttl = spec.get("StreamSpecification"), spec.get("TimeToLiveSpecification")
    if stream is not None and not stream.get("StreamEnabled", True):
        del spec["StreamSpecification"]
    elif stream is not None and "StreamViewType" not in stream:
        raise at["StreamSpecification"].error("has no StreamViewType.")
    if ttl is not None and not ttl["Enabled"]:
        del spec["TimeToLiveSpecification"]
    elif ttl is not None and "AttributeName" not in ttl:
        raise at["TimeToLiveSpecification"].error("has no AttributeName.")
    return spec


def _indexes(at: _At, spec: TableSpec) -> list[tuple[_At, Any]]:
    return [
        (at[kind][number], index)
        for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes")
        for number, index in enumerate(spec.get(kind, ()))
    ]


def _check_keys(at: _At, spec: TableSpec) -> None:
    defined = [one["AttributeName"] for one in spec["AttributeDefinitions"]]
    if len(set(defined)) < len(defined):
        raise at["AttributeDefinitions"].error("defines an attribute twice.")
    used: set[str] = set()
    for place, holder in [(at, spec), *_indexes(at, spec)]:
        keys, where = holder["KeySchema"], place["KeySchema"]
        names = [key["AttributeName"] for key in keys]
        if [key["KeyType"] for key in keys] not in (["HASH"], ["HASH", "RANGE"]) or len(set(names)) < len(names):
            raise where.error("must be one HASH, or a HASH and then a RANGE that is another attribute.")
        for name in names:
            if name not in defined:
                raise where.error(
                    f"names {name}, which AttributeDefinitions lacks; it defines {', '.join(defined) or 'nothing'}."
                )
        used.update(names)
    if idle := [name for name in defined if name not in used]:
        raise at["AttributeDefinitions"].error(
            f"defines {', '.join(idle)}, which no key has; only attributes of keys are defined."
        )


def _check_indexes(at: _At, spec: TableSpec) -> None:
    """Rules of AWS that moto does not check."""
    seen: set[str] = set()
    for place, index in _indexes(at, spec):
        if index["IndexName"] in seen:
            raise place.error(f"is a second index named {index['IndexName']}.")
        seen.add(index["IndexName"])
        if (index["Projection"]["ProjectionType"] == "INCLUDE") != bool(index["Projection"].get("NonKeyAttributes")):
            raise place["Projection"].error("has NonKeyAttributes if its type is INCLUDE, and else none.")
        keys, own = index["KeySchema"], spec["KeySchema"]
        if "Local" in place.path and (keys[0] != own[0] or len(keys) == 1 or len(own) == 1):
            raise place["KeySchema"].error(
                f"must be {own[0]['AttributeName']}, the HASH of the table, and a RANGE; and the table must have one."
            )


def _check_throughput(at: _At, spec: TableSpec) -> None:
    on_demand = spec.get("BillingMode") == "PAY_PER_REQUEST"
    holders = [(at, spec), *((place, index) for place, index in _indexes(at, spec) if "Global" in place.path)]
    for place, holder in holders:
        if on_demand and "ProvisionedThroughput" in holder:
            raise place.error("has a ProvisionedThroughput, which BillingMode PAY_PER_REQUEST excludes.")
        if not on_demand and "ProvisionedThroughput" not in holder:
            raise place.error("has no ProvisionedThroughput; give it one, or the table BillingMode PAY_PER_REQUEST.")
