"""Writes of one item, planned whole before anything is written: what is there, and what will be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pytest_sessionplugin.aws.dynamodb import legacy, updates
from pytest_sessionplugin.aws.dynamodb.capacity import write_units
from pytest_sessionplugin.aws.dynamodb.conditions import Condition
from pytest_sessionplugin.aws.dynamodb.expressions import Expressions
from pytest_sessionplugin.aws.dynamodb.paths import DocumentPath
from pytest_sessionplugin.aws.dynamodb.requests import Members
from pytest_sessionplugin.aws.dynamodb.store import Change, Definition, KeyValues, Row, Store, Stores
from pytest_sessionplugin.aws.dynamodb.updates import Action
from pytest_sessionplugin.aws.dynamodb.values import INVALID, Item, Refusal, Value, kind_of, size

LARGEST_ITEM = 400 * 1024  # bytes
LARGEST_PARTITION_KEY, LARGEST_SORT_KEY = 2048, 1024

KEY_MISMATCH = "The provided key element does not match the schema"
TOO_LARGE = "Item size has exceeded the maximum allowed size"
TOO_LARGE_TO_UPDATE = "Item size to update has exceeded the maximum allowed size"


class EmptyKey(Refusal):
    """An empty text or binary in a key of the table or of an index, which refuses a whole transaction of writes."""


@dataclass(frozen=True)
class Write:
    """A planned write, and the paths that an update names."""

    change: Change
    paths: tuple[DocumentPath, ...] = ()


Planner = Callable[[Stores, Members], Write]


def metrics(changes: Iterable[Change], members: Members) -> dict[str, list[Members]]:
    """ItemCollectionMetrics by table, of tables with a local index, if the request asks for them."""
    found: dict[str, dict[KeyValues, Members]] = {}
    for change in changes if members.get("ReturnItemCollectionMetrics") == "SIZE" else ():
        definition, row = change.store.definition, change.new or change.old
        if (
            row is not None
            and change.old is not change.new
            and any(not index.is_global for index in definition.indexes.values())
        ):
            (name,) = definition.primary.partition
            of_one = {"ItemCollectionKey": {name: row.item[name]}, "SizeEstimateRangeGB": [0.0, 1.0]}
            found.setdefault(definition.name, {})[change.store.rows.place(row.item)[0]] = of_one
    return {table: [*collections.values()] for table, collections in found.items()}


def commit(tables: Stores, change: Change) -> None:
    if change.old is not None or change.new is not None:
        change.store.write(change.old, change.new)
        tables.changed(change)


# --- plans


def put(tables: Stores, members: Members) -> Write:
    condition, expressions = _conditional(members)
    row = sized(members["Item"])
    store = _store(tables, members, condition)
    check_keys(store, row.item)
    old = store.get(row.item)
    check_condition(condition, old, expressions, members)
    return Write(Change(store, old, row))


def delete(tables: Stores, members: Members) -> Write:
    condition, expressions = _conditional(members)
    store = _store(tables, members, condition)
    old = store.get(checked_key(store, members["Key"]))
    check_condition(condition, old, expressions, members)
    return Write(Change(store, old, None))


def condition_check(tables: Stores, members: Members) -> Write:
    change = delete(tables, members).change
    return Write(Change(change.store, change.old, change.old))


def _conditional(members: Members) -> tuple[Condition | None, Expressions]:
    expressions = of(members)
    condition = expressions.condition("ConditionExpression", members.get("ConditionExpression"))
    expressions.check_used()
    return condition or legacy.expected(members), expressions


def _store(tables: Stores, members: Members, condition: Condition | None) -> Store:
    store = tables.store(members["TableName"])
    if condition is not None:
        check_scalars(store.definition, condition.paths())
    return store


def update(tables: Stores, members: Members) -> Write:
    expressions = of(members)
    actions = expressions.update(members.get("UpdateExpression"))
    condition = expressions.condition("ConditionExpression", members.get("ConditionExpression"))
    expressions.check_used()
    condition = condition or legacy.expected(members)
    by_expression, mismatch = actions is not None, updates.WRONG_TYPE
    if actions is None:
        actions, mismatch = legacy.updates(members), legacy.MISMATCH
    store = _store(tables, members, condition)
    keys = store.definition.keys
    if by_expression:
        updates.check_keys(actions, keys)
    elif (part := next((action.path[0] for action in actions if action.path[0] in keys), None)) is not None:
        raise updates.part_of_the_key(part)
    check_scalars(store.definition, (action.path for action in actions))
    key = checked_key(store, members["Key"])
    old = store.get(key)
    check_condition(condition, old, expressions, members)
    if old is None and _removes_only(actions, members):
        return Write(Change(store, None, None))
    before = old.item if old is not None else key
    item = updates.applied(actions, before, expressions.values, mismatch)
    row = checked_row(store, item, TOO_LARGE_TO_UPDATE, before=before)
    return Write(Change(store, old, row), tuple(action.path for action in actions))


def _removes_only(actions: tuple[Action, ...], members: Members) -> bool:
    """DELETE of AttributeUpdates makes no item. Source: AttributeUpdates in the API reference."""
    return bool(members.get("AttributeUpdates")) and all(each.section in ("REMOVE", "DELETE") for each in actions)


PLANNERS: Mapping[str, Planner] = {"Put": put, "Delete": delete, "Update": update, "ConditionCheck": condition_check}
"""Actions of a transaction."""


def of(members: Members) -> Expressions:
    return Expressions(members.get("ExpressionAttributeNames"), members.get("ExpressionAttributeValues"))


# --- checks


def check_condition(condition: Condition | None, old: Row | None, expressions: Expressions, members: Members) -> None:
    """Raises Refusal unless the condition holds for the present item."""
    if condition is None or condition.holds(old.item if old is not None else {}, expressions.values):
        return
    shown = old is not None and members.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD"
    raise condition_failed(old, shown=shown)


def condition_failed(old: Row | None, *, shown: bool = False) -> Refusal:
    """The refusal of a write to an item that is there, or is not; `shown` if it gives the item."""
    return Refusal(
        "The conditional request failed",
        "ConditionalCheckFailedException",
        write_units=write_units(old.size if old is not None else 0),
        **({"Item": old.item} if old is not None and shown else {}),
    )


def checked_key(store: Store, key: Item) -> Item:
    """The key, if it has the attributes and types of the table's. Raises Refusal."""
    definition = store.definition
    if key.keys() != set(definition.keys):
        raise Refusal(KEY_MISMATCH)
    if any(definition.types[name] not in key[name] for name in definition.keys):
        raise Refusal(KEY_MISMATCH)
    _check_lengths(store, key)
    return key


def checked_row(store: Store, item: Item, too_large: str = TOO_LARGE, before: Item | None = None) -> Row:
    """The item as it will be stored. Raises Refusal as `sized` and `check_keys`."""
    row = sized(item, too_large)
    check_keys(store, item, before)
    return row


def sized(item: Item, too_large: str = TOO_LARGE) -> Row:
    """The item with its size. Raises Refusal for more than 400 KB."""
    row = Row(item)
    if row.size > LARGEST_ITEM:
        raise Refusal(too_large)
    return row


def check_keys(store: Store, item: Item, before: Item | None = None) -> None:
    """Raises Refusal for keys of the table that are missing or wrong, and for wrong ones of its indexes.

    `before` is the item before an update, which checks no index key that it leaves as it was.
    """
    definition = store.definition
    for name in definition.keys:
        if name not in item:
            raise Refusal(f"{INVALID}Missing the key {name} in the item")
        if (wanted := definition.types[name]) not in item[name]:
            raise Refusal(f"{INVALID}Type mismatch for key {name} expected: {wanted} actual: {kind_of(item[name])}")
    _check_lengths(store, item)
    for index in definition.by_name:
        for name in index.keys:
            value = item.get(name)
            if value is not None and name not in definition.keys and (before is None or before.get(name) != value):
                _check_index_key(name, value, definition.types[name], index.name, is_update=before is not None)


def check_scalars(definition: Definition, paths: Iterable[DocumentPath]) -> None:
    """Raises Refusal for a path that leads into a key attribute, of the table or of an index."""
    for path in paths:
        if len(path) > 1 and path[0] in definition.types:
            kind = "Key" if path[0] in definition.keys else "IndexKey"
            raise Refusal(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
                f"{kind}: {path[0]}"
            )


def _check_lengths(store: Store, item: Item) -> None:
    primary = store.definition.primary
    for name in primary.keys:
        check_not_empty(name, item[name])
    if size(item[primary.partition[0]]) > LARGEST_PARTITION_KEY:
        raise Refusal(f"{INVALID}Size of hashkey has exceeded the maximum size limit of{LARGEST_PARTITION_KEY} bytes")
    for name in primary.sort:
        if size(item[name]) > LARGEST_SORT_KEY:
            raise Refusal(
                f"{INVALID}Aggregated size of all range keys has exceeded the size limit of {LARGEST_SORT_KEY} bytes"
            )


def check_not_empty(name: str, value: Value) -> None:
    """Raises Refusal for an empty text or binary in a key."""
    if (kind := _empty(value)) is not None:
        raise EmptyKey(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            f"empty {kind} value. Key: {name}"
        )


def _empty(value: Value) -> str | None:
    ((kind, held),) = value.items()
    return {"S": "string", "B": "binary"}.get(kind) if held == "" else None


def _check_index_key(name: str, value: Value, wanted: str, index: str, *, is_update: bool) -> None:
    if wanted not in value:
        raise Refusal(
            f"{INVALID}Type mismatch for Index Key {name} Expected: {wanted} Actual: {kind_of(value)} "
            f"IndexName: {index}"
        )
    if (kind := _empty(value)) is not None:
        invalid, empty = "One or more parameter values are not valid. ", f"cannot contain an empty {kind} value."
        if is_update:
            raise EmptyKey(
                f"{invalid}The update expression attempted to update a secondary index key to a value that is not "
                f"supported. The AttributeValue for a key attribute {empty}"
            )
        raise EmptyKey(
            f"{invalid}A value specified for a secondary index key is not supported. "
            f"The AttributeValue for a key attribute {empty} IndexName: {index}, IndexKey: {name}"
        )
