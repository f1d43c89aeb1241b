"""Tables in memory, for tests of the data plane: stores by name, and the changes that were made.

Definitions, items and answers in few words stand here too, since most tests want the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_sessionplugin.aws.dynamodb.operations import DataPlane
from pytest_sessionplugin.aws.dynamodb.store import Change, Definition, Index, Row, Store, missing
from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal, Value


class Memory:
    """`Stores` of the data plane. `changes` holds each write, in order."""

    def __init__(self, *definitions: Definition) -> None:
        self._stores = {definition.name: Store(definition) for definition in definitions}
        self.changes: list[Change] = []

    def store(self, name: str) -> Store:
        if name not in self._stores:
            raise missing()
        return self._stores[name]

    def changed(self, change: Change) -> None:
        self.changes.append(change)


def one_key(name: str = "Rooms", *, kind: str = "S") -> Definition:
    """A table with the partition key `pk` of a type."""
    return Definition(name, {"pk": kind}, Index("", ("pk",), ()), {})


def two_keys(name: str = "Messages", indexes: Mapping[str, Index] | None = None, **types: str) -> Definition:
    """A table with the texts `pk` and `sk` for a key, and the types of the attributes that indexes use."""
    return Definition(name, {"pk": "S", "sk": "S", **types}, Index("", ("pk",), ("sk",)), indexes or {})


def on_global(name: str, partition: str, *sort: str, projected: frozenset[str] | None = None) -> Index:
    """A global index."""
    return Index(name, (partition,), sort, projected, is_global=True)


def on_local(name: str, sort: str, *, projected: frozenset[str] | None = None) -> Index:
    """A local index of a table whose partition key is `pk`."""
    return Index(name, ("pk",), (sort,), projected)


# --- items and answers


def wire(value: Any) -> Value:
    """A value of Python as DynamoDB's JSON writes it: `{"a", "b"}` is `{"SS": ["a", "b"]}`."""
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, dict):
        return {"M": {name: wire(each) for name, each in value.items()}}
    if isinstance(value, list):
        return {"L": [wire(each) for each in value]}
    if isinstance(value, set):
        kind = "SS" if all(isinstance(each, str) for each in value) else "NS"
        return {kind: sorted(map(str, value))}
    if value is None:
        return {"NULL": True}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def item(**attributes: Any) -> Item:
    return {name: wire(value) for name, value in attributes.items()}


def filled(definition: Definition, items: Iterable[Item]) -> Memory:
    """Tables with one table, and items in it."""
    tables = Memory(definition)
    for each in items:
        tables.store(definition.name).write(None, Row(each))
    return tables


def stored(tables: Memory, name: str) -> list[Item]:
    """All items of a table, in the order of their keys."""
    rows = tables.store(name).rows
    return [row.item for row in sorted(rows, key=lambda row: rows.place(row.item))]


def answered(tables: Memory, operation: str, **members: Any) -> dict[str, Any]:
    """The members of an answer, or `{"refused": (code, message)}`."""
    try:
        return DataPlane(tables, lambda: 0.0).answer(operation, members).members
    except Refusal as refusal:
        return {"refused": (refusal.code, refusal.message)}
