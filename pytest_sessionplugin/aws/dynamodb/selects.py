"""SELECT of PartiQL: the partitions and rows that a statement reads, page by page.

A condition on the partition key reads its partitions, any other one scans. Sources: "PartiQL select statements for
DynamoDB" in the developer guide, ExecuteStatement in the API reference, and answers recorded from DynamoDB.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from pytest_sessionplugin.aws.dynamodb import paths, writes
from pytest_sessionplugin.aws.dynamodb.capacity import Consumed
from pytest_sessionplugin.aws.dynamodb.conditions import (
    Attribute,
    Between,
    Comparison,
    Condition,
    Either,
    Every,
    Membership,
    Operand,
    Test,
    known,
)
from pytest_sessionplugin.aws.dynamodb.pages import MIRRORED, PAGE
from pytest_sessionplugin.aws.dynamodb.requests import Members
from pytest_sessionplugin.aws.dynamodb.statements import Select, column
from pytest_sessionplugin.aws.dynamodb.store import Index, KeyValues, Partition, Row, Rows, Store, position
from pytest_sessionplugin.aws.dynamodb.values import INVALID, Item, Refusal, Value, item_size, sortable

MOST_PARTITIONS = 50  # of IN ("PartiQL select statements for DynamoDB")


@dataclass(frozen=True)
class Part:
    """A part of a key condition: `attribute = value`, or another comparison, BETWEEN, IN or begins_with."""

    name: str
    comparator: str
    values: tuple[Value, ...]


def parts(condition: Condition | None) -> Iterator[Part]:
    """The parts that AND joins at the top of a condition, of those that compare an attribute with values."""
    for each in () if condition is None else _joined(condition):
        yield from _part(each)


def _part(condition: Condition) -> Iterator[Part]:
    found: tuple[Operand, str, Sequence[Operand]] | None = None
    if isinstance(condition, Comparison):
        left, right, comparator = condition.left, condition.right, condition.comparator
        if known(left, {}) is not None:
            left, right, comparator = right, left, MIRRORED.get(comparator, comparator)
        found = left, comparator, (right,)
    elif isinstance(condition, Between):
        found = condition.operand, "BETWEEN", (condition.low, condition.high)
    elif isinstance(condition, Membership):
        found = condition.operand, "IN", condition.choices
    elif isinstance(condition, Test) and condition.function == "begins_with":
        found = condition.operands[0], "begins_with", condition.operands[1:]
    if found is None:
        return
    operand, comparator, others = found
    values = tuple(value for other in others if (value := known(other, {})) is not None)
    if isinstance(operand, Attribute) and len(operand.path) == 1 and len(values) == len(others):
        yield Part(str(operand.path[0]), comparator, values)


def is_only_key(condition: Condition, names: Sequence[str]) -> bool:
    """Whether a condition is nothing but an equality on each of the names."""
    joined = list(_joined(condition))
    found = [part for part in parts(condition) if part.name in names and part.comparator == "="]
    return len(found) == len(joined) == len(names)


def _joined(condition: Condition) -> Iterator[Condition]:
    if type(condition) is Every:  # Either is one, too
        for each in condition.conditions:
            yield from _joined(each)
    else:
        yield condition


def check_key_value(store: Store, name: str, value: Value) -> None:
    """Raises Refusal for a value that a key attribute cannot have."""
    if store.definition.types[name] not in value:
        raise Refusal(f"Key attribute's data type should match its data type in table's schema: Key {name}")
    writes.check_not_empty(name, value)


# --- pages


@dataclass(frozen=True)
class Reading:
    """One SELECT of a request. `token` binds the pages of a statement and its parameters to each other."""

    select: Select
    store: Store
    rows: Rows
    is_consistent: bool
    token: str

    @staticmethod
    def of(select: Select, store: Store, asked: Members) -> Reading:
        """Raises Refusal for what the table or the index cannot answer."""
        is_consistent = bool(asked.get("ConsistentRead"))
        if select.index is not None and select.index not in store.definition.indexes:
            raise Refusal("The table does not have the specified index")
        rows = store.by(select.index)
        if is_consistent and rows.index.is_global:
            raise Refusal("Strongly consistent read is not supported on Global Secondary Indexes")
        bound = json.dumps([asked["Statement"], asked.get("Parameters")], sort_keys=True)
        reading = Reading(select, store, rows, is_consistent, hashlib.sha256(bound.encode()).hexdigest()[:16])
        reading._check_projected()
        return reading

    def _check_projected(self) -> None:
        index, keys = self.rows.index, self.store.definition.keys
        if index.projected is None:
            return
        held = {*keys, *index.keys, *index.projected}
        columns = [str(path[0]) for path in self.select.columns or ()]
        if index.is_global and (absent := [name for name in columns if name not in held]):
            raise Refusal(f"{INVALID}Global secondary index {index.name} does not project [{', '.join(absent)}]")
        if not any(part.name == index.partition[0] and part.comparator in ("=", "IN") for part in self._parts):
            return
        read = dict.fromkeys(str(path[0]) for path in self.select.where.paths()) if self.select.where else ()
        if absent := [name for name in read if name not in held]:
            raise Refusal(
                f"{INVALID}Secondary index {index.name} does not project one or more filter attributes: "
                f"[{', '.join(absent)}]"
            )

    @property
    def _parts(self) -> list[Part]:
        return list(parts(self.select.where))

    def page(self, consumed: Consumed, limit: int | None = None, next_token: str | None = None) -> Members:
        """Reads until the limit or 1 MB is met: Items, NextToken and LastEvaluatedKey."""
        index, keys = self.rows.index, self.store.definition.keys
        start = self._start(next_token)
        shown, count, read, fetches = [], 0, 0, self._fetches
        previous: Row | None = None
        last: Row | None = None
        for row in self._walk(start):
            entry = row.item if index.projected is None else index.entry(row.item, keys)
            size = row.size if index.projected is None else item_size(entry)
            if read + size > PAGE and previous is not None:
                last = previous
                break
            read, count, previous = read + size, count + 1, row
            if fetches:
                consumed.read(self.store, row.size, consistent=self.is_consistent)
            if self.select.where is None or self.select.where.holds(entry, {}):
                shown.append(self._shown(row.item if fetches else entry))
            if count == limit:
                last = row
                break
        consumed.read(self.store, read, consistent=self.is_consistent, index=self.select.index)
        if last is None:
            return {"Items": shown}
        key = {name: last.item[name] for name in dict.fromkeys((*keys, *index.keys))}
        return {"Items": shown, "NextToken": self._token(key), "LastEvaluatedKey": key}

    @property
    def _fetches(self) -> bool:
        """Whether columns that a local index does not hold are read from the table."""
        index = self.rows.index
        if index.is_global or index.projected is None:
            return False
        held = {*self.store.definition.keys, *index.keys, *index.projected}
        return any(path[0] not in held for path in self.select.columns or ())

    def _shown(self, item: Item) -> Item:
        if self.select.columns is None:
            return item
        found = ((column(path), paths.found(item, path)) for path in self.select.columns)
        return {name: value for name, value in found if value is not None}

    # --- tokens

    def _token(self, key: Item) -> str:
        return base64.b64encode(json.dumps([self.token, key]).encode()).decode()

    def _start(self, token: str | None) -> tuple[KeyValues, KeyValues] | None:
        """The place behind which the page begins. Raises Refusal for a token of another request, or of none."""
        if token is None:
            return None
        try:
            bound, key = json.loads(base64.b64decode(token, validate=True))
            place = self.rows.place(key) if bound == self.token else None
        except (ValueError, TypeError, KeyError, binascii.Error) as exc:
            raise Refusal("Invalid NextToken") from exc
        if place is None:
            raise Refusal("NextToken does not match request")
        return place

    # --- rows

    def _walk(self, start: tuple[KeyValues, KeyValues] | None) -> Iterator[Row]:
        """The rows that are read, in order, behind the place `start`."""
        sought, forward = self._sought(), self._forward
        partitions: Iterable[tuple[KeyValues, Partition | None]]
        if sought is not None:
            first = sought.index(start[0]) if start is not None and start[0] in sought else 0
            partitions = [(key, self.rows.partitions.get(key)) for key in sought[first:]]
        else:
            partitions = self.rows.scanned(position(start[0]) if start is not None else b"")
        for key, partition in partitions:
            if partition is None:
                continue
            low, high = self._bounds(partition) if sought is not None else (0, len(partition.keys))
            if start is not None and key == start[0]:
                low = max(low, partition.after(start[1])) if forward else low
                high = high if forward else min(high, partition.first(start[1]))
            yield from partition.between(low, high, forward=forward)

    @property
    def _forward(self) -> bool:
        """Whether rows of a partition ascend.

        ORDER BY on the partition key alone gives descending rows, as recorded from DynamoDB.
        """
        order = self.select.order
        named = next((name for name in self.rows.index.sort if name in order), None)
        return not order if named is None else not order[named]

    def _sought(self) -> list[KeyValues] | None:
        """The keys of the partitions to read, in order; None for a scan. Raises Refusal."""
        index, order = self.rows.index, self.select.order
        found = [_choices(self.select.where, name) for name in index.partition]
        choices = [each for each in found if each is not None]
        for name, values in zip(index.partition, found, strict=True):
            for value in (values or {}).values():
                check_key_value(self.store, name, value)
        keys = list(product(*choices)) if len(choices) == len(found) else None
        if keys is not None and len(keys) > MOST_PARTITIONS:
            raise Refusal("Too many decomposed read operations for a given query.")
        if order:
            self._check_order(index, order, keys)
        if keys is None:
            return None
        for part in (part for name in index.sort for part in self._ranges(name)):
            for value in part.values:
                check_key_value(self.store, part.name, value)
        if ordered := [name for name in index.partition if name in order]:
            keys.sort(reverse=order[ordered[0]])
        return keys

    def _ranges(self, name: str) -> list[Part]:
        """The conditions on an attribute of the sort key that leave a range of it."""
        return [part for part in self._parts if part.name == name and part.comparator not in ("<>", "IN")]

    def _check_order(self, index: Index, order: Mapping[str, bool], keys: list[KeyValues] | None) -> None:
        if self.select.where is None:
            raise Refusal("Must have WHERE clause in the statement when using ORDER BY clause.")
        for name in order:
            if name not in index.keys:
                raise Refusal(f"Attribute {name} in ORDER BY clause must be part of the primary key")
        if keys is None:
            raise Refusal(
                "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."
            )
        if len(keys) > 1 and not any(name in order for name in index.partition):
            raise Refusal(
                "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause."
            )

    def _bounds(self, partition: Partition) -> tuple[int, int]:
        """Positions of the first row that conditions on the sort key leave, and behind the last one."""
        prefix: KeyValues = ()
        for name in self.rows.index.sort:
            ranges = self._ranges(name)
            equal = next((part for part in ranges if part.comparator == "="), None)
            if equal is None:
                return _narrowed(partition, prefix, ranges)
            prefix = (*prefix, sortable(equal.values[0]))
        return _narrowed(partition, prefix, [])


def _narrowed(partition: Partition, prefix: KeyValues, ranges: Sequence[Part]) -> tuple[int, int]:
    low, high = partition.first(prefix), partition.after(prefix)
    for part in ranges:
        keys = [(*prefix, sortable(value)) for value in part.values]
        if part.comparator in ("<", "<="):
            high = min(high, partition.first(keys[0]) if part.comparator == "<" else partition.after(keys[0]))
        else:
            low = max(low, partition.after(keys[0]) if part.comparator == ">" else partition.first(keys[0]))
        if part.comparator == "BETWEEN":
            high = min(high, partition.after(keys[1]))
        elif part.comparator == "begins_with":
            high = min(high, partition.after_beginning(prefix, keys[0][-1]))
    return low, high


def _choices(condition: Condition | None, name: str) -> dict[Any, Value] | None:
    """The values that the condition leaves an attribute, by `sortable`; None if it may have any other one."""
    if isinstance(condition, Either):
        found = list(_each_choices(condition.conditions, name))
        is_open = len(found) < len(condition.conditions)
        return None if is_open else {at: value for choices in found for at, value in choices.items()}
    if isinstance(condition, Every):
        return next(_each_choices(condition.conditions, name), None)
    part = next(parts(condition), None)
    if part is None or part.name != name or part.comparator not in ("=", "IN"):
        return None
    return {_place(value): value for value in part.values}


def _each_choices(conditions: Iterable[Condition], name: str) -> Iterator[dict[Any, Value]]:
    return (choices for each in conditions if (choices := _choices(each, name)) is not None)


def _place(value: Value) -> Any:
    """The key of a partition; for a type that no key has, a text of its own."""
    return sortable(value) if value.keys() <= {"S", "N", "B"} else json.dumps(value)
