"""Reads the properties of tables, and asks DynamoDB's checks. Each mistake is a sentence that names its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pytest_sessionplugin.aws.dynamodb import control
from pytest_sessionplugin.aws.dynamodb.values import Refusal
from pytest_sessionplugin.aws.templates import TableSpec
from pytest_sessionplugin.errors import TemplateError

STREAM_LABEL = "2026-01-01T00:00:00.000"
"""The end of the ARN of each stream that is made with its table; AWS takes the moment of its creation."""


def key_names(specs: Mapping[str, TableSpec]) -> dict[str, tuple[str, ...]]:
    """Name of a table -> the names of its key."""
    return {str(spec["TableName"]): tuple(key["AttributeName"] for key in spec["KeySchema"]) for spec in specs.values()}


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


def checked_in(path: Path, specs: Mapping[str, TableSpec]) -> Mapping[str, TableSpec]:
    """The same for the tables of one file, which an error names."""
    try:
        return checked(specs)
    except TemplateError as error:
        raise TemplateError(f"{path}: {error}") from None


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


def _text(at: _At, value: Any) -> str:
    if not isinstance(value, str):
        raise at.error(f"must be a text, not {value!r}.")
    return value


def _whole(at: _At, value: Any) -> int:
    """CloudFormation takes "5" for 5, as the default of a parameter often is."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise at.error(f"must be a whole number, not {value!r}.")
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

_KEYS = _list(_fields({"AttributeName": _text, "KeyType": _text}))
_THROUGHPUT = _fields({"ReadCapacityUnits": _whole, "WriteCapacityUnits": _whole})
_INDEX: Mapping[str, Read] = {
    "IndexName": _text,
    "KeySchema": _KEYS,
    "Projection": _fields({"ProjectionType": _text}, {"NonKeyAttributes": _list(_text)}),
}
_TABLE = _fields(
    {"KeySchema": _KEYS, "AttributeDefinitions": _list(_fields({"AttributeName": _text, "AttributeType": _text}))},
    {
        "TableName": _text,
        "BillingMode": _text,
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
        "StreamSpecification": _fields({}, {"StreamEnabled": _flag, "StreamViewType": _text}, "ResourcePolicy"),
        "TimeToLiveSpecification": _fields({"Enabled": _flag}, {"AttributeName": _text}),
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
    try:
        control.check("CreateTable", creation(spec), None)
    except Refusal as refusal:
        raise TemplateError(f"the table {at.table}: {refusal.message}") from refusal
    if not spec.get("StreamSpecification", {}).get("StreamEnabled", True):
        del spec["StreamSpecification"]
    ttl = spec.get("TimeToLiveSpecification")
    if ttl is not None and not ttl["Enabled"]:
        del spec["TimeToLiveSpecification"]
    elif ttl is not None and not ttl.get("AttributeName"):
        raise at["TimeToLiveSpecification"].error("has no AttributeName.")
    return spec


def creation(spec: TableSpec) -> dict[str, Any]:
    """The request of CreateTable. TTL is another request's; CloudFormation does not say that a stream is enabled."""
    members = {key: value for key, value in spec.items() if key != "TimeToLiveSpecification"}
    if "StreamSpecification" in members:
        members["StreamSpecification"] = {"StreamEnabled": True, **members["StreamSpecification"]}
    return members
