"""Query and Scan: pages of a table or an index, by `Limit` and 1 MB."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_sessionplugin.aws.dynamodb import legacy, paths, writes
from pytest_sessionplugin.aws.dynamodb.capacity import Consumed, Outcome
from pytest_sessionplugin.aws.dynamodb.conditions import (
    ORDERS,
    Attribute,
    Between,
    Comparison,
    Condition,
    Every,
    FunctionCall,
    Operand,
    Test,
    Values,
    known,
)
from pytest_sessionplugin.aws.dynamodb.expressions import FILTER, KEY_CONDITION, Expressions
from pytest_sessionplugin.aws.dynamodb.paths import DocumentPath
from pytest_sessionplugin.aws.dynamodb.requests import Members
from pytest_sessionplugin.aws.dynamodb.store import Index, KeyValues, Partition, Row, Rows, Store, Stores, position
from pytest_sessionplugin.aws.dynamodb.values import INVALID, Item, Refusal, Value, item_size, sortable

PAGE = 1024 * 1024  # bytes

UNSUPPORTED = "Query key condition not supported"
MISSED = "Query condition missed key schema element: "
INVALID_START = "The provided starting key is invalid"

BEGINS_WITH, BETWEEN = "begins_with", "BETWEEN"
MIRRORED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
INDEXABLE = {"EQ", "LE", "LT", "GE", "GT", "BEGINS_WITH", "BETWEEN"}
"""Operators of KeyConditions."""


def query(tables: Stores, members: Members) -> Outcome:
    expressions = writes.of(members)
    given = expressions.condition(KEY_CONDITION, members.get("KeyConditionExpression"))
    asked = _Asked.of(members, expressions, legacy.filtered(members, "QueryFilter"))
    conditions = _key_conditions(given or _legacy(members), expressions.values)
    page = asked.on(tables)
    sought = _Sought(page.rows.index, conditions, page.store)
    start = page.start(sought)
    page.check_paths()
    page.check_filter("Filter Expression" if "FilterExpression" in members else "QueryFilter")
    page.check_projected()
    partition = page.rows.partitions.get(sought.partition)
    if partition is None:
        return page.read(())
    low, high = sought.bounds(partition)
    forward = members.get("ScanIndexForward", True)
    if start is not None and forward:
        low = max(low, partition.after(start[1]))
    elif start is not None:
        high = min(high, partition.first(start[1]))
    return page.read(partition.between(low, high, forward=forward))


def scan(tables: Stores, members: Members) -> Outcome:
    asked = _Asked.of(members, writes.of(members), legacy.filtered(members, "ScanFilter"))
    page = asked.on(tables)
    start = page.start()
    page.check_paths()
    page.check_projected()
    segments = (members["Segment"], members["TotalSegments"]) if "TotalSegments" in members else None
    if start is not None and segments is not None and not _is_in(position(start[0]), *segments):
        raise Refusal(
            f"{INVALID_START}: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
            f"TotalSegments: {segments[1]} Segment: {segments[0]}"
        )
    return page.read(_scanned(page.rows, start, segments))


def _scanned(rows: Rows, start: tuple[KeyValues, KeyValues] | None, segments: tuple[int, int] | None) -> Iterator[Row]:
    """The rows in the order of a scan, behind the start key."""
    at = position(start[0]) if start is not None else b""
    for _, partition in rows.scanned(at):
        if segments is None or _is_in(partition.position, *segments):
            low = partition.after(start[1]) if start is not None and partition.position == at else 0
            yield from partition.between(low, len(partition.keys), forward=True)


def _is_in(at: bytes, segment: int, total: int) -> bool:
    return int.from_bytes(at[:4], "big") % total == segment


# --- key conditions


@dataclass(frozen=True)
class _KeyCondition:
    """A condition on one key attribute, and the values that it compares with."""

    name: str
    comparator: str
    values: tuple[Value, ...]


def _legacy(members: Members) -> Condition:
    given = members.get("KeyConditions")
    if given is None:
        raise Refusal("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
    condition = legacy.key_conditions(members)
    if any(each["ComparisonOperator"] not in INDEXABLE for each in given.values()):
        raise Refusal("Attempted conditional constraint is not an indexable operation")
    return condition


def _key_conditions(condition: Condition, values: Values) -> Mapping[str, _KeyCondition]:
    """The conditions that AND joins, by attribute. Raises Refusal for another condition than on keys."""
    found: dict[str, _KeyCondition] = {}
    for each in _flat(condition, values):
        if each.name in found:
            raise Refusal("KeyConditionExpressions must only contain one condition per key")
        found[each.name] = each
    return found


def _flat(condition: Condition, values: Values) -> Iterator[_KeyCondition]:
    if type(condition) is Every:
        for each in condition.conditions:
            yield from _flat(each, values)
    elif isinstance(condition, Comparison) and condition.comparator != "<>":
        mirrored = not isinstance(condition.left, Attribute) and isinstance(condition.right, Attribute)
        operands = (condition.right, condition.left) if mirrored else (condition.left, condition.right)
        comparator = condition.comparator
        yield _key(operands, MIRRORED.get(comparator, comparator) if mirrored else comparator, values)
    elif isinstance(condition, Between):
        yield _key((condition.operand, condition.low, condition.high), BETWEEN, values)
    elif isinstance(condition, Test) and condition.function == BEGINS_WITH:
        yield _key(condition.operands, BEGINS_WITH, values)
    else:
        raise Refusal(f"Invalid operator used in KeyConditionExpression: {_operator(condition)}")


def _operator(condition: Condition) -> str:
    if isinstance(condition, Test):
        return condition.function
    return {"Either": "OR", "Not": "NOT", "Membership": "IN"}.get(type(condition).__name__, "<>")


def _key(operands: Sequence[Operand], comparator: str, values: Values) -> _KeyCondition:
    key, *others = operands
    invalid = "Invalid condition in KeyConditionExpression: "
    if any(isinstance(operand, FunctionCall) for operand in operands):
        raise Refusal("KeyConditionExpressions cannot contain nested operations")
    if any(isinstance(operand, Attribute) and len(operand.path) > 1 for operand in operands):
        raise Refusal("KeyConditionExpressions cannot have conditions on nested attributes")
    if not isinstance(key, Attribute):
        if comparator in (BETWEEN, BEGINS_WITH):
            raise Refusal(f"{invalid}{comparator} operator must have the key attribute as its first operand")
        raise Refusal(f"{invalid}No key attribute specified")
    held = [value for operand in others if (value := known(operand, values)) is not None]
    if len(held) < len(others):
        raise Refusal(f"{invalid}Multiple attribute names used in one condition")
    return _KeyCondition(key.path[0], comparator, tuple(held))


class _Sought:
    """The partition and the part of it that a query asks for."""

    def __init__(self, index: Index, conditions: Mapping[str, _KeyCondition], store: Store) -> None:
        """Raises Refusal unless each attribute of the partition key is equal to a value, and the rest is a range."""
        if not index.sort and len(conditions) > len(index.partition):
            raise Refusal(UNSUPPORTED)
        for name in index.partition:
            if name not in conditions:
                raise Refusal(MISSED + name)
            _check_values(conditions[name], store)
            if conditions[name].comparator != "=":
                raise Refusal(UNSUPPORTED)
        sort = [conditions[name] for name in index.sort if name in conditions]
        if len(sort) + len(index.partition) < len(conditions) or [each.name for each in sort] != list(
            index.sort[: len(sort)]
        ):
            missed = next((name for name in index.sort if name not in conditions), None)
            raise Refusal(MISSED + missed if missed else UNSUPPORTED)
        for each in sort:
            _check_values(each, store)
            if each is not sort[-1] and each.comparator != "=":
                raise Refusal(UNSUPPORTED)
        self.partition: KeyValues = tuple(sortable(conditions[name].values[0]) for name in index.partition)
        self.has_range = bool(sort)
        self._equal: KeyValues = tuple(sortable(each.values[0]) for each in sort if each.comparator == "=")
        self._range = sort[-1] if sort and sort[-1].comparator != "=" else None
        self._bounds = [sortable(value) for value in self._range.values] if self._range is not None else []
        if len(self._bounds) > 1 and self._bounds[0] > self._bounds[1]:
            raise Refusal(
                "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound"
            )

    def bounds(self, partition: Partition) -> tuple[int, int]:
        """Positions of the first row and behind the last one."""
        low, high = partition.first(self._equal), partition.after(self._equal)
        if self._range is None:
            return low, high
        comparator, first = self._range.comparator, (*self._equal, self._bounds[0])
        if comparator == BEGINS_WITH:
            return partition.first(first), partition.after_beginning(self._equal, self._bounds[0])
        if comparator == BETWEEN:
            return partition.first(first), partition.after((*self._equal, self._bounds[1]))
        if comparator in ("<", "<="):
            return low, partition.first(first) if comparator == "<" else partition.after(first)
        return partition.after(first) if comparator == ">" else partition.first(first), high

    def covers(self, key: KeyValues) -> bool:
        """Whether a row with this sort key is in the range."""
        at = len(self._equal)
        if key[:at] != self._equal:
            return False
        if self._range is None:
            return True
        if self._range.comparator == BEGINS_WITH:
            return bool(key[at].startswith(self._bounds[0]))
        if self._range.comparator == BETWEEN:
            return bool(self._bounds[0] <= key[at] <= self._bounds[1])
        return ORDERS[self._range.comparator](key[at], self._bounds[0])


def _check_values(condition: _KeyCondition, store: Store) -> None:
    wanted = store.definition.types[condition.name]
    for value in condition.values:
        if wanted not in value:
            raise Refusal(f"{INVALID}Condition parameter type does not match schema type")
        writes.check_not_empty(condition.name, value)


# --- pages


@dataclass(frozen=True)
class _Asked:
    """A page as its request asks for it."""

    members: Members
    condition: Condition | None
    projection: Sequence[DocumentPath] | None
    values: Values

    @staticmethod
    def of(members: Members, expressions: Expressions, filtered: Condition | None) -> _Asked:
        """Raises Refusal for expressions, and for a Select that does not go with the other members."""
        condition = expressions.condition(FILTER, members.get("FilterExpression")) or filtered
        projection = expressions.projection(members.get("ProjectionExpression"))
        expressions.check_used()
        _check_select(members)
        return _Asked(members, condition, projection, expressions.values)

    def on(self, tables: Stores) -> _Page:
        store = tables.store(self.members["TableName"])
        rows = store.by(self.members.get("IndexName"))
        if self.members.get("ConsistentRead") and rows.index.is_global:
            raise Refusal("Consistent reads are not supported on global secondary indexes")
        return _Page(self.members, self.condition, self.projection, self.values, store, rows)


def _check_select(members: Members) -> None:
    select = members.get("Select")
    chosen = next((name for name in ("ProjectionExpression", "AttributesToGet") if name in members), None)
    if select == "SPECIFIC_ATTRIBUTES" and chosen is None:
        raise Refusal(
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
        )
    if select not in (None, "SPECIFIC_ATTRIBUTES") and chosen is not None:
        target = "only the Count" if select == "COUNT" else select
        raise Refusal(f"Cannot specify the {chosen} when choosing to get {target}")
    if select == "ALL_PROJECTED_ATTRIBUTES" and "IndexName" not in members:
        raise Refusal("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")


@dataclass(frozen=True)
class _Page(_Asked):
    """A page of the rows that an index finds."""

    store: Store
    rows: Rows

    @property
    def _names(self) -> list[str]:
        """The attributes that are asked for."""
        return [path[0] for path in self.projection or ()] or self.members.get("AttributesToGet") or []

    @property
    def _held(self) -> frozenset[str] | None:
        """The attributes that the index holds; None for all."""
        index = self.rows.index
        return None if index.projected is None else index.projected.union(self.store.definition.keys, index.keys)

    def check_paths(self) -> None:
        writes.check_scalars(self.store.definition, self.projection or ())
        if self.condition is not None:
            writes.check_scalars(self.store.definition, self.condition.paths())

    def check_projected(self) -> None:
        """Raises Refusal for attributes that a global index does not hold."""
        index, held = self.rows.index, self._held
        if not index.is_global or held is None:
            return
        if self.members.get("Select") == "ALL_ATTRIBUTES":
            raise Refusal(
                f"{INVALID}Select type ALL_ATTRIBUTES is not supported for global secondary index {index.name} "
                "because its projection type is not ALL"
            )
        if absent := [name for name in self._names if name not in held]:
            raise Refusal(f"{INVALID}Global secondary index {index.name} does not project [{', '.join(absent)}]")

    def check_filter(self, name: str) -> None:
        """Raises Refusal for a filter of a query on a key attribute."""
        for path in self.condition.paths() if self.condition is not None else ():
            if path[0] in self.rows.index.keys:
                raise Refusal(f"{name} can only contain non-primary key attributes: Primary key attribute: {path[0]}")

    def start(self, sought: _Sought | None = None) -> tuple[KeyValues, KeyValues] | None:
        """Where the page begins. Raises Refusal for a start key that a query or, without `sought`, a scan cannot have.

        Words: dynalite's tests, which are recorded from DynamoDB.
        """
        key: Item | None = self.members.get("ExclusiveStartKey")
        if key is None:
            return None
        definition, mismatch = self.store.definition, f"{INVALID_START}: {writes.KEY_MISMATCH}"
        names = self.rows.index.keys if sought is not None or "IndexName" in self.members else ()
        if len(key) != len({*definition.keys, *self.rows.index.keys}):
            raise Refusal(INVALID_START if names else mismatch)
        for name in names:
            if name not in key:
                raise Refusal(INVALID_START)
            if definition.types[name] not in key[name]:
                raise Refusal(writes.KEY_MISMATCH)
        if any(definition.types[name] not in key.get(name, {}) for name in definition.keys):
            raise Refusal(mismatch)
        partition, row = self.rows.place(key)
        if sought is not None and not sought.covers(row):
            raise Refusal("The provided starting key does not match the range key predicate")
        if sought is not None and partition != sought.partition:
            raise Refusal(
                "The query can return at most one row and cannot be restarted"
                if sought.has_range
                else "The provided starting key is outside query boundaries based on provided conditions"
            )
        return partition, row

    def read(self, rows: Iterable[Row]) -> Outcome:
        """Reads until the limit or 1 MB is met."""
        limit, shown = self.members.get("Limit"), []
        count, read, last, fetched = 0, 0, None, []
        index, keys = self.rows.index, self.store.definition.keys
        values, previous, fetches = self.values, None, self._fetches
        for row in rows:
            item, size = row.item, row.size
            if index.projected is not None:
                entry = index.entry(item, keys)
                size = item_size(entry)
                if fetches:
                    fetched.append(row.size)
                else:
                    item = entry
            if read + size > PAGE and previous is not None:
                last = previous
                break
            read += size
            count += 1
            previous = row
            if self.condition is None or self.condition.holds(item, values):
                shown.append(self._shown(item))
            if count == limit:
                last = row
                break
        members: Members = {"Count": len(shown), "ScannedCount": count}
        if self.members.get("Select") != "COUNT":
            members["Items"] = shown
        if last is not None:
            members["LastEvaluatedKey"] = {name: last.item[name] for name in dict.fromkeys((*keys, *index.keys))}
        consumed = Consumed(self.members.get("ReturnConsumedCapacity"))
        consistent = bool(self.members.get("ConsistentRead"))
        consumed.read(self.store, read, consistent=consistent, index=self.members.get("IndexName"))
        for size in fetched:
            consumed.read(self.store, size, consistent=consistent)
        return Outcome({**members, **consumed.of_one()}, consumed)

    @property
    def _fetches(self) -> bool:
        """Whether a local index reads attributes that it does not hold from the table."""
        held = self._held
        if self.rows.index.is_global or held is None:
            return False
        return self.members.get("Select") == "ALL_ATTRIBUTES" or not held.issuperset(self._names)

    def _shown(self, item: Item) -> Item:
        if self.projection is not None:
            return paths.project(item, self.projection)
        if names := self.members.get("AttributesToGet"):
            return {name: item[name] for name in names if name in item}
        return item
