"""Capacity units that a request consumes. Source: "DynamoDB read and write operations" in the developer guide.

A write costs an index what its stored entry changes: nothing if it stays as it is, both entries if its key moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_sessionplugin.aws.dynamodb.store import Change, Index, Row, Store
from pytest_sessionplugin.aws.dynamodb.values import equal_items, item_size

READ_UNIT, WRITE_UNIT = 4096, 1024  # bytes
TRANSACTIONAL = 2  # units of a table in a transaction for one outside; indexes cost the same


def read_units(size: int, *, consistent: bool) -> float:
    return max(1, -(-size // READ_UNIT)) * (1.0 if consistent else 0.5)


def write_units(size: int) -> float:
    return float(max(1, -(-size // WRITE_UNIT)))


@dataclass
class _OfTable:
    """Units of one table."""

    store: Store
    table: float = 0.0
    indexes: dict[str, float] = field(default_factory=dict)

    def add(self, units: float, index: str | None) -> None:
        if index is None:
            self.table += units
        else:
            self.indexes[index] = self.indexes.get(index, 0.0) + units

    @property
    def total(self) -> float:
        return self.table + sum(self.indexes.values())


class Consumed:
    """Capacity units of one request, by table and index. `mode` is its ReturnConsumedCapacity."""

    def __init__(self, mode: str | None = None, *, transactional: bool = False) -> None:
        self._shown = mode in ("TOTAL", "INDEXES")
        self._each = mode == "INDEXES"
        self._factor = TRANSACTIONAL if transactional else 1
        self._transactional = transactional
        self._tables: dict[str, _OfTable] = {}
        self._sizes: list[tuple[Store, int]] = []
        self.read_units = 0.0
        self.write_units = 0.0

    def read(self, store: Store, size: int, *, consistent: bool = True, index: str | None = None) -> None:
        """Counts one read of so many bytes; all rows of a page are one read."""
        units = self._factor * read_units(size, consistent=consistent)
        self.read_units += units
        self._sizes.append((store, size))
        self._add(store, units, index)

    def write(self, change: Change) -> None:
        """Counts a write, or the check of a condition, which changes nothing."""
        table = self._factor * write_units(change.size)
        self._add(change.store, table)
        self._sizes.append((change.store, change.size))
        self.write_units += table
        for name, index in change.store.definition.indexes.items():
            if units := _index_units(change, index):
                self._add(change.store, units, name)
                self.write_units += units

    def again(self, mode: str | None) -> Consumed:
        """The units of the same transaction if its token comes once more: it reads the items."""
        found = Consumed(mode, transactional=True)
        for store, size in self._sizes:
            found.read(store, size)
        return found

    def _add(self, store: Store, units: float, index: str | None = None) -> None:
        self._tables.setdefault(store.definition.name, _OfTable(store)).add(units, index)

    def of_each(self) -> dict[str, Any]:
        """The member ConsumedCapacity of an answer about several tables, if it was asked for."""
        if not self._shown:
            return {}
        return {"ConsumedCapacity": [self._described(name) for name in sorted(self._tables)]}

    def of_one(self) -> dict[str, Any]:
        """The member ConsumedCapacity of an answer about one table, if it was asked for."""
        return {"ConsumedCapacity": self._described(next(iter(self._tables)))} if self._shown else {}

    def _described(self, name: str) -> dict[str, Any]:
        of_table = self._tables[name]
        found: dict[str, Any] = {"TableName": name, **self._units(of_table.total)}
        if self._each:
            found["Table"] = self._units(of_table.table)
            for index, units in of_table.indexes.items():
                is_global = of_table.store.definition.indexes[index].is_global
                kind = "GlobalSecondaryIndexes" if is_global else "LocalSecondaryIndexes"
                found.setdefault(kind, {})[index] = self._units(units)
        return found

    def _units(self, units: float) -> dict[str, float]:
        """A transaction names the kind of its units, too."""
        kind = "WriteCapacityUnits" if self.write_units else "ReadCapacityUnits"
        return {"CapacityUnits": units, **({kind: units} if self._transactional else {})}


def _index_units(change: Change, index: Index) -> float:
    """Units that a write costs one index."""
    rows, keys = change.store.by(index.name), change.store.definition.keys
    old, new = (row if row is not None and rows.holds(row.item) else None for row in (change.old, change.new))
    if old is None or new is None:
        return sum(_entry_units(row, index, keys) for row in (old, new) if row is not None)
    if any(old.item[name] != new.item[name] for name in index.keys):
        return _entry_units(old, index, keys) + _entry_units(new, index, keys)
    if equal_items(index.entry(old.item, keys), index.entry(new.item, keys)):
        return 0.0
    return max(_entry_units(old, index, keys), _entry_units(new, index, keys))


def _entry_units(row: Row, index: Index, keys: Sequence[str]) -> float:
    return write_units(row.size if index.projected is None else item_size(index.entry(row.item, keys)))


@dataclass(frozen=True)
class Outcome:
    """The members of an answer, and the units that its request consumed."""

    members: dict[str, Any]
    consumed: Consumed = field(default_factory=Consumed)
