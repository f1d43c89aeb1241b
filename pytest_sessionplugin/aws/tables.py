"""DynamoDB tables: creates them with their first rows, and reads and compares items in plain Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from difflib import ndiff
from pprint import pformat
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import Binary
from botocore.exceptions import ClientError, ParamValidationError

from pytest_sessionplugin.aws.table_specs import creation
from pytest_sessionplugin.errors import ItemError, SessionPluginError, TemplateError, UnknownTable

if TYPE_CHECKING:
    from types_boto3_dynamodb.service_resource import DynamoDBServiceResource, Table

    from pytest_sessionplugin.aws.templates import TableSpec


FirstRows = Mapping[str, Iterable[Mapping[str, Any]]]
"""Logical name of a table -> its first rows."""

FEW = 5  # items that a failure names
SHORT = 60  # characters; a longer value is compared line by line
KEYS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "S": ((str,), "a text"),
    "N": ((int, float, Decimal), "a number"),
    "B": ((bytes, bytearray, Binary), "bytes"),
}
"""Python types of a key's attributes; moto does not check them."""


class Tables:
    """The tables by logical name, as boto3's Table: `tables["Rooms"]`, `for name in tables`, `"Rooms" in tables`.

    `others` gives another project's tables, by its folder's path. `advice` says how to describe tables, for a project
    without any.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        others: Callable[[str | os.PathLike[str]], Tables] | None = None,
        advice: str = "",
    ) -> None:
        self._tables = dict(tables)
        self._others, self._advice = others, advice

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def __getitem__(self, name: str) -> Table:
        if name not in self._tables:
            raise UnknownTable(name, tuple(self), self._advice)
        return self._tables[name]

    def __repr__(self) -> str:
        return f"Tables({self._tables!r})"

    def of(self, path: str | os.PathLike[str]) -> Tables:
        """Tables of another Chalice project of the repository in the same AWS, created on first use.

        `path` is its folder, absolute or from the rootdir.
        """
        if self._others is None:
            raise SessionPluginError(f"dynamodb_tables.of({os.fspath(path)!r}) was used outside of its test.")
        return self._others(path)

    def item(self, table: str, key: Mapping[str, Any] | None = None, /, **more: Any) -> dict[str, Any] | None:
        """The item with this key in plain Python, or None, by a consistent read: `item("Rooms", name="lobby")`.

        Numbers are int or float, binaries bytes, sets sets. Names that are not Python keywords go into a mapping.
        Raises ItemError if the key does not fit the table.
        """
        chosen = self._key(table, {} if key is None else key, more)
        try:
            answer = self[table].get_item(Key=chosen, ConsistentRead=True)
        except ClientError as error:
            raise ItemError(f"{table} cannot have an item with {words(chosen)}: {error}") from error
        return dict(plain(answer["Item"])) if "Item" in answer else None

    def items(self, table: str) -> list[dict[str, Any]]:
        """All items of a table in plain Python, sorted by their keys, by consistent reads."""
        names = self._key_names(table)
        found = [dict(plain(item)) for page in self._pages(table) for item in page["Items"]]
        return sorted(found, key=lambda item: [item[name] for name in names])

    def count(self, table: str) -> int:
        """The number of a table's items."""
        return sum(page["Count"] for page in self._pages(table, Select="COUNT"))

    def _pages(self, table: str, **options: Any) -> Iterator[Any]:
        """All pages of a scan: one has a megabyte at most."""
        page = self[table].scan(ConsistentRead=True, **options)
        yield page
        while "LastEvaluatedKey" in page:
            page = self[table].scan(ConsistentRead=True, ExclusiveStartKey=page["LastEvaluatedKey"], **options)
            yield page

    def assert_item(
        self,
        table: str,
        key: Mapping[str, Any],
        attributes: Mapping[str, Any] | None = None,
        /,
        *,
        exactly: bool = False,
        **more: Any,
    ) -> None:
        """Asserts that the item is there and has these attributes: `assert_item("Rooms", {"name": "lobby"}, people=2)`.

        Other attributes are ignored; with `exactly` they must not be there. Names that are not Python keywords, and
        the name `exactly`, go into the mapping.
        """
        __tracebackhide__ = True
        found = self.item(table, key)
        if found is None:
            raise AssertionError(f"{table} has no item with {words(key)}; {self._some_keys(table)}")
        wanted = {**key, **(attributes or {}), **more}
        if lines := differences(wanted, found, exactly=exactly):
            raise AssertionError("\n".join([f"the item of {table} with {words(key)} is not as expected:", *lines]))

    def _key(self, table: str, key: Any, more: Mapping[str, Any]) -> dict[str, Any]:
        names = self._key_names(table)
        if not isinstance(key, Mapping):
            raise ItemError(f"the key of {table} is a mapping with {' and '.join(names)}, not {key!r}.")
        chosen = {**key, **more}
        if set(chosen) != set(names):
            hint = "; assert_item takes other attributes after the key" if set(chosen) > set(names) else ""
            given = " and ".join(chosen) or "nothing"
            raise ItemError(f"the key of {table} is {' and '.join(names)}, not {given}{hint}.")
        kinds = {one["AttributeName"]: one["AttributeType"] for one in self[table].attribute_definitions}
        for name, value in chosen.items():
            types, called = KEYS[kinds[name]]
            if not isinstance(value, types) or isinstance(value, bool):
                raise ItemError(f"{name}, of the key of {table}, is {called}, not {value!r}.")
        return {name: stored(value) for name, value in chosen.items()}

    def _key_names(self, table: str) -> list[str]:
        return [key["AttributeName"] for key in self[table].key_schema]

    def _some_keys(self, table: str) -> str:
        """The first few keys, in DynamoDB's arbitrary order."""
        names = self._key_names(table)
        aliases = {f"#{number}": name for number, name in enumerate(names)}
        rows = self[table].scan(
            Limit=FEW + 1,
            ConsistentRead=True,
            ProjectionExpression=", ".join(aliases),
            ExpressionAttributeNames=aliases,
        )["Items"]
        if not rows:
            return "it is empty."
        shown = "; ".join(words({name: row[name] for name in names}) for row in rows[:FEW])
        return f"it has: {shown}{' and more' if len(rows) > FEW else ''}."


# --- creation


def named(specs: Mapping[str, TableSpec], dynamodb: DynamoDBServiceResource) -> dict[str, Table]:
    return {name: dynamodb.Table(spec["TableName"]) for name, spec in specs.items()}


def create(specs: Mapping[str, TableSpec], first: FirstRows, dynamodb: DynamoDBServiceResource) -> list[str]:
    """Creates tables that do not exist yet, and writes their rows. Returns their real names. Raises TemplateError."""
    tables = named(specs, dynamodb)
    client = dynamodb.meta.client
    rows, new = _rows(first, specs), list[str]()
    for name, spec in specs.items():
        try:
            client.create_table(**creation(spec))
        except client.exceptions.ResourceInUseException:
            continue  # a real DynamoDB has kept it from an earlier run
        except (ClientError, ParamValidationError) as error:
            raise TemplateError(f"the table {name} cannot be created: {error}") from error
        tables[name].wait_until_exists()
        if ttl := spec.get("TimeToLiveSpecification"):
            client.update_time_to_live(TableName=spec["TableName"], TimeToLiveSpecification=ttl)
        _write(name, tables[name], rows.get(name, []))
        new.append(str(spec["TableName"]))
    return new


def _rows(given: Any, specs: Mapping[str, TableSpec]) -> dict[str, list[Any]]:
    if not isinstance(given, Mapping):
        raise TemplateError(f"dynamodb_seed must be a mapping of tables to their rows, not a {type(given).__name__}.")
    if unknown := set(given) - set(specs):
        raise TemplateError(f"dynamodb_seed: {UnknownTable(str(min(unknown, key=str)), tuple(specs))}")
    found: dict[str, list[Any]] = {}
    for name, rows in given.items():
        if isinstance(rows, (str, Mapping)) or not isinstance(rows, Iterable):
            raise TemplateError(f"the rows for {name} must be a list of mappings, not a {type(rows).__name__}.")
        found[name] = list(rows)
        keys = [key["AttributeName"] for key in specs[name]["KeySchema"]]
        seen: dict[str, int] = {}
        for number, row in enumerate(found[name]):
            if not isinstance(row, Mapping):
                raise TemplateError(f"row {number} for {name} must be a mapping, not {row!r}.")
            if missing := [key for key in keys if key not in row]:
                raise TemplateError(f"row {number} for {name} has no {' and no '.join(missing)}: {dict(row)}.")
            first = seen.setdefault(words({key: row[key] for key in keys}), number)
            if first != number:
                raise TemplateError(f"rows {first} and {number} for {name} have the same key: {dict(row)}.")
    return found


def _write(name: str, table: Table, rows: list[Any]) -> None:
    try:
        with table.batch_writer() as batch:
            for row in rows:
                batch.put_item(Item=dict(row))
    except (ClientError, ParamValidationError, TypeError) as error:
        for number, row in enumerate(rows):  # a failed batch does not tell which row
            try:
                table.put_item(Item=dict(row))
            except (ClientError, ParamValidationError, TypeError) as reason:
                raise TemplateError(f"row {number} for {name} is refused, {dict(row)}: {reason}") from reason
        raise TemplateError(f"the rows for {name} are refused: {error}") from error


# --- items


def plain(value: Any) -> Any:
    """A value of boto3 as int, float, bytes or set. A Decimal that no float can hold stays a Decimal."""
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
    """The value as boto3 takes it: a Decimal for a float."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any], *, exactly: bool) -> list[str]:
    """Lines about each attribute that differs; about unexpected attributes only if `exactly`."""
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
    """Equal as DynamoDB sees it: true is not 1. An object with its own `==` may be wanted, at any depth."""
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
