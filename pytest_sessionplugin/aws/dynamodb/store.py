"""Rows of a table, kept by partition and sorted by key, for the table and for each of its indexes.

A row is never changed, only replaced, so a copy of a store shares its rows.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal, item_size, sortable

KeyValues = tuple[Any, ...]
"""`sortable` of each key attribute: finds a partition, or a row in it."""


@dataclass(frozen=True)
class Index:
    """A way to the items. A global index has up to four attributes in each half of its key.

    Source: "Multi-attribute keys pattern" in the developer guide. The table's own is called "".
    """

    name: str
    partition: tuple[str, ...]  # names of attributes
    sort: tuple[str, ...]
    projected: frozenset[str] | None = None  # names of attributes; None for all
    is_global: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        return (*self.partition, *self.sort)

    def entry(self, item: Item, keys: Sequence[str]) -> Item:
        """The part of an item that the index holds: its own keys, the table's `keys`, and projected attributes."""
        if self.projected is None:
            return item
        kept = {*keys, *self.keys, *self.projected}
        return {name: value for name, value in item.items() if name in kept}


@dataclass(frozen=True)
class Definition:
    """Keys and indexes of a table."""

    name: str
    types: Mapping[str, str]  # S, N or B of each attribute that a key has
    primary: Index
    indexes: Mapping[str, Index]

    @property
    def keys(self) -> tuple[str, ...]:
        return self.primary.keys

    @cached_property
    def by_name(self) -> tuple[Index, ...]:
        """The indexes, sorted by name: DynamoDB reports the first one that an item does not fit."""
        return tuple(index for _, index in sorted(self.indexes.items()))

    def key_of(self, item: Item) -> Item:
        """The primary key alone."""
        return {name: item[name] for name in self.primary.keys}


class Row:
    """A stored item, and the bytes that it counts for."""

    __slots__ = ("item", "size")

    def __init__(self, item: Item, size: int | None = None) -> None:
        self.item = item
        self.size = item_size(item) if size is None else size


@dataclass(frozen=True)
class Change:
    """A planned write: the row before and after, None where there is none."""

    store: Store
    old: Row | None
    new: Row | None

    @property
    def size(self) -> int:
        """The larger of both, which a write is charged for. Source: "DynamoDB write operations" in the guide."""
        return max(self.old.size if self.old is not None else 0, self.new.size if self.new is not None else 0)


class Stores(Protocol):
    """The tables of one account and region."""

    def store(self, name: str) -> Store:
        """The store of a table, given by name or ARN. Raises Refusal."""

    def changed(self, change: Change) -> None:
        """Called after an item has been written."""


def missing() -> Refusal:
    return Refusal("Requested resource not found", "ResourceNotFoundException")


class Partition:
    """Rows that share a partition key, by the rest of their keys."""

    __slots__ = ("keys", "position", "rows")

    def __init__(self, position: bytes, keys: list[KeyValues], rows: dict[KeyValues, Row]) -> None:
        self.position = position  # a hash: its place in a scan
        self.keys = keys  # sorted
        self.rows = rows

    def copy(self) -> Partition:
        return Partition(self.position, list(self.keys), dict(self.rows))

    def put(self, key: KeyValues, row: Row) -> None:
        if key not in self.rows:
            insort(self.keys, key)
        self.rows[key] = row

    def remove(self, key: KeyValues) -> None:
        if self.rows.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]

    def between(self, low: int, high: int, *, forward: bool) -> Iterator[Row]:
        """Rows by the positions of their keys."""
        places = range(low, high) if forward else range(high - 1, low - 1, -1)
        return (self.rows[self.keys[place]] for place in places)

    def first(self, prefix: KeyValues) -> int:
        """Position of the first key that begins with `prefix` or comes after it."""
        return bisect_left(self.keys, prefix)

    def after(self, prefix: KeyValues) -> int:
        """Position behind the last key that begins with `prefix`."""
        length = len(prefix)
        return bisect_right(self.keys, prefix, key=lambda key: key[:length])

    def after_beginning(self, prefix: KeyValues, beginning: bytes) -> int:
        """Position behind the last key with `prefix` whose next part begins with `beginning`."""
        at, length = len(prefix), len(beginning)
        return bisect_right(self.keys, (*prefix, beginning), key=lambda key: (*key[:at], key[at][:length]))


class Rows:
    """Rows as one index finds them. Ties of a global index are in the order of the table's keys."""

    def __init__(
        self,
        index: Index,
        types: Mapping[str, str],
        tie_breakers: tuple[str, ...] = (),
        partitions: dict[KeyValues, Partition] | None = None,
    ) -> None:
        self.index = index
        self.partitions = partitions if partitions is not None else {}
        self._types = {name: types[name] for name in index.keys}
        self._tie_breakers = tie_breakers
        self._sort = (*index.sort, *tie_breakers)
        self._order = sorted((each.position, key) for key, each in self.partitions.items())  # of a scan

    def copy(self) -> Rows:
        partitions = {key: partition.copy() for key, partition in self.partitions.items()}
        return Rows(self.index, self._types, self._tie_breakers, partitions)

    def holds(self, item: Item) -> bool:
        """Whether the item is in the index: it has each of its keys, of their types, and none is empty."""
        return all(name in item and item[name].get(kind, "") != "" for name, kind in self._types.items())

    def __len__(self) -> int:
        return sum(len(partition.keys) for partition in self.partitions.values())

    def __iter__(self) -> Iterator[Row]:
        for partition in self.partitions.values():
            for key in partition.keys:
                yield partition.rows[key]

    def place(self, item: Item) -> tuple[KeyValues, KeyValues]:
        """Keys of the partition and of the row in it."""
        return (
            tuple([sortable(item[name]) for name in self.index.partition]),
            tuple([sortable(item[name]) for name in self._sort]),
        )

    def get(self, key: Item) -> Row | None:
        """The row with the same key."""
        partition, row = self.place(key)
        found = self.partitions.get(partition)
        return found.rows.get(row) if found is not None else None

    def put(self, row: Row) -> None:
        if self.holds(row.item):
            at, key = self.place(row.item)
            partition = self.partitions.get(at)
            if partition is None:
                partition = self.partitions[at] = Partition(position(at), [], {})
                insort(self._order, (partition.position, at))
            partition.put(key, row)

    def remove(self, row: Row) -> None:
        if self.holds(row.item):
            at, key = self.place(row.item)
            if (partition := self.partitions.get(at)) is not None:
                partition.remove(key)
                if not partition.keys:
                    del self.partitions[at]
                    del self._order[bisect_left(self._order, (partition.position, at))]

    def scanned(self, at: bytes = b"") -> Iterator[tuple[KeyValues, Partition]]:
        """The partitions in the order of a scan, from a position."""
        for _, key in self._order[bisect_left(self._order, (at,)) :]:
            yield key, self.partitions[key]


def position(key: KeyValues) -> bytes:
    """The place of a partition in a scan: DynamoDB sorts by a hash, so that no order can be relied on."""
    return hashlib.md5(repr(key).encode(), usedforsecurity=False).digest()


class Store:
    """All rows of one table."""

    def __init__(
        self, definition: Definition, rows: Rows | None = None, indexes: Mapping[str, Rows] | None = None
    ) -> None:
        self.rows = Rows(definition.primary, definition.types) if rows is None else rows
        self._indexes = dict(indexes or {})
        self.define(definition)

    def define(self, definition: Definition) -> None:
        """Follows a change of the table's indexes; a new one is filled with the rows that have its keys."""
        there = self._indexes
        self._indexes = {
            name: there[name] if name in there and there[name].index == index else self._filled(index, definition)
            for name, index in definition.indexes.items()
        }
        self.definition = definition

    def _filled(self, index: Index, definition: Definition) -> Rows:
        tie_breakers = tuple(name for name in definition.keys if name not in index.keys)
        rows = Rows(index, definition.types, tie_breakers)
        for row in self.rows:
            rows.put(row)
        return rows

    def copy(self) -> Store:
        indexes = {name: rows.copy() for name, rows in self._indexes.items()}
        return Store(self.definition, self.rows.copy(), indexes)

    def by(self, index: str | None) -> Rows:
        """The rows as an index finds them, or as the table does. Raises Refusal."""
        if index is None:
            return self.rows
        if index not in self._indexes:
            raise Refusal(f"The table does not have the specified index: {index}")
        return self._indexes[index]

    def get(self, key: Item) -> Row | None:
        return self.rows.get(key)

    def write(self, old: Row | None, new: Row | None) -> None:
        """Replaces a row by another one with the same key; None stands for no row."""
        for rows in self._indexes.values():
            if old is not None:
                rows.remove(old)
            if new is not None:
                rows.put(new)
        if new is not None:
            self.rows.put(new)
        elif old is not None:
            self.rows.remove(old)
