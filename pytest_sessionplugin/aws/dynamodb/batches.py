"""Batches and transactions. Each write is planned and checked before any is written.

Source: "Managing complex workflows with DynamoDB transactions" in the developer guide, and BatchGetItem and
BatchWriteItem in the API reference.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_sessionplugin.aws.dynamodb import paths, writes
from pytest_sessionplugin.aws.dynamodb.capacity import Consumed, Outcome
from pytest_sessionplugin.aws.dynamodb.paths import DocumentPath
from pytest_sessionplugin.aws.dynamodb.requests import Members
from pytest_sessionplugin.aws.dynamodb.store import Change, Store, Stores
from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal
from pytest_sessionplugin.aws.dynamodb.writes import Write

LARGEST_BATCH_READ = 16 * 1024 * 1024  # bytes
LARGEST_TRANSACTION = 4 * 1024 * 1024

REMEMBERED = 600.0
"""Seconds for which a token is known."""

ONGOING = "Transaction is ongoing for the item"

UNPROCESSED = {
    "dynamodb:BatchWriteItem": "UnprocessedItems",
    "dynamodb:BatchGetItem": "UnprocessedKeys",
}
"""Call -> the member of its answer that gives back unprocessed items."""

TRANSACTIONS = ("dynamodb:TransactWriteItems", "dynamodb:TransactGetItems")

TWICE = "Provided list of item keys contains duplicates"
TWICE_IN_TRANSACTION = "Transaction request cannot include multiple operations on one item"

# --- batches


def batch_get_item(tables: Stores, members: Members) -> Outcome:
    seen: set[Any] = set()
    asked = [_Reads.of(tables, name, reads, seen) for name, reads in members["RequestItems"].items()]
    consumed = Consumed(members.get("ReturnConsumedCapacity"))
    responses: dict[str, list[Item]] = {}
    unprocessed: dict[str, Any] = {}
    total = 0
    for reads in asked:
        found = responses.setdefault(reads.name, [])
        left: list[Item] = []
        for key in reads.members["Keys"]:
            row = reads.store.get(key)
            size = row.size if row is not None else 0
            if total + size > LARGEST_BATCH_READ:
                left.append(key)
                continue
            total += size
            consumed.read(reads.store, size, consistent=bool(reads.members.get("ConsistentRead")))
            if row is not None:
                found.append(shown(row.item, reads.projection, reads.members.get("AttributesToGet")))
        if left:
            unprocessed[reads.name] = {**reads.members, "Keys": left}
    answer = {"Responses": responses, "UnprocessedKeys": unprocessed, **consumed.of_each()}
    return Outcome(answer, consumed)


@dataclass(frozen=True)
class _Reads:
    """The part of a BatchGetItem that is about one table."""

    name: str
    store: Store
    members: Members
    projection: Sequence[DocumentPath] | None

    @staticmethod
    def of(tables: Stores, name: str, members: Members, seen: set[Any]) -> _Reads:
        """Raises Refusal for a key that is wrong or has been `seen` before."""
        expressions = writes.of(members)
        projection = expressions.projection(members.get("ProjectionExpression"))
        expressions.check_used()
        store = tables.store(name)
        writes.check_scalars(store.definition, projection or ())
        for key in members["Keys"]:
            _check_new(store, writes.checked_key(store, key), seen, TWICE)
        return _Reads(name, store, members, projection)


def batch_write_item(tables: Stores, members: Members) -> Outcome:
    changes: list[Change] = []
    for requests in members["RequestItems"].values():
        for put in (request["PutRequest"] for request in requests if "PutRequest" in request):
            writes.sized(put["Item"])
    seen: set[Any] = set()
    for name, requests in members["RequestItems"].items():
        store = tables.store(name)
        for request in requests:
            change = _batched(store, request)
            _check_new(store, change.new.item if change.new else request["DeleteRequest"]["Key"], seen, TWICE)
            changes.append(change)
    consumed = Consumed(members.get("ReturnConsumedCapacity"))
    for change in changes:
        consumed.write(change)
        writes.commit(tables, change)
    return Outcome({"UnprocessedItems": {}, **consumed.of_each(), **_metrics(changes, members)}, consumed)


def _metrics(changes: Sequence[Change], members: Members) -> Members:
    found = writes.metrics(changes, members)
    return {"ItemCollectionMetrics": found} if found else {}


def _batched(store: Store, request: Members) -> Change:
    if "PutRequest" in request:
        item, types = request["PutRequest"]["Item"], store.definition.types
        if any(types[name] not in item.get(name, {}) for name in store.definition.keys):
            raise Refusal(writes.KEY_MISMATCH)
        row = writes.checked_row(store, item)
        return Change(store, store.get(item), row)
    return Change(store, store.get(writes.checked_key(store, request["DeleteRequest"]["Key"])), None)


def shown(item: Item, projection: Sequence[DocumentPath] | None, names: Sequence[str] | None = None) -> Item:
    """The item, or the part of it that is asked for."""
    if projection is not None:
        return paths.project(item, projection)
    return {name: item[name] for name in names if name in item} if names else item


def first_apart(requests: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first item of a batch, and the rest of it, both in the form of a batch's RequestItems."""
    table, *_ = requests
    first, rest = _first_apart(requests[table])
    others = {name: asked for name, asked in requests.items() if name != table}
    return {table: first}, {**({table: rest} if rest else {}), **others}


def _first_apart(asked: Any) -> tuple[Any, Any]:
    if isinstance(asked, list):
        return asked[:1], asked[1:]
    first, rest = asked["Keys"][:1], asked["Keys"][1:]
    return {**asked, "Keys": first}, {**asked, "Keys": rest} if rest else None


# --- transactions


def cancelled(reasons: Sequence[Mapping[str, Any]]) -> Refusal:
    """A transaction that is not done; a reason for each item, in order, `None` for items without one.

    Source: TransactionCanceledException in the API reference.
    """
    codes = ", ".join(reason["Code"] for reason in reasons)
    return Refusal(
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        "TransactionCanceledException",
        CancellationReasons=[*reasons],
    )


def conflicting(items: int) -> Refusal:
    """A transaction of so many items, the first of which conflicts with another transaction.

    Source: "Transaction conflict handling in DynamoDB" in the developer guide.
    """
    return cancelled([{"Code": "TransactionConflict", "Message": ONGOING}, *[{"Code": "None"}] * (items - 1)])


CODES = {
    "ConditionalCheckFailedException": "ConditionalCheckFailed",
    "ValidationException": "ValidationError",
    "DuplicateItemException": "DuplicateItem",
}
"""Refusal of an item -> the code of its reason."""


def planned_all(plans: Sequence[Callable[[], Any]], as_a_whole: tuple[type[Refusal], ...] = ()) -> list[Any]:
    """The result of each plan. Raises Refusal with the reasons of all that fail; those `as_a_whole` have no place."""
    found, reasons = [], []
    for plan in plans:
        try:
            found.append(plan())
            reasons.append({"Code": "None"})
        except Refusal as refusal:
            if refusal.code not in CODES or isinstance(refusal, as_a_whole):
                raise
            reasons.append({"Code": CODES[refusal.code], "Message": refusal.message, **refusal.members})
    if len(found) < len(plans):
        raise cancelled(reasons)
    return found


def transact_get_items(tables: Stores, members: Members) -> Outcome:
    reads = [_transacted(tables, entry["Get"]) for entry in members["TransactItems"]]
    keys = planned_all([lambda read=read: writes.checked_key(read[0], read[1]["Key"]) for read in reads])  # type: ignore[misc]
    _check_distinct((store, key) for (store, _, _), key in zip(reads, keys, strict=True))
    consumed = Consumed(members.get("ReturnConsumedCapacity"), transactional=True)
    rows = [store.get(asked["Key"]) for store, asked, _ in reads]
    check_total(row.size for row in rows if row is not None)
    responses = []
    for (store, _, projection), row in zip(reads, rows, strict=True):
        consumed.read(store, row.size if row is not None else 0)
        item = shown(row.item, projection) if row is not None else {}
        responses.append({"Item": item} if item else {})
    return Outcome({"Responses": responses, **consumed.of_each()}, consumed)


def _transacted(tables: Stores, asked: Members) -> tuple[Store, Members, Sequence[DocumentPath] | None]:
    expressions = writes.of(asked)
    projection = expressions.projection(asked.get("ProjectionExpression"))
    expressions.check_used()
    store = tables.store(asked["TableName"])
    writes.check_scalars(store.definition, projection or ())
    return store, asked, projection


def check_total(sizes: Iterable[int]) -> None:
    if sum(sizes) > LARGEST_TRANSACTION:
        raise Refusal("Collection size of the items in the transaction exceeds 4 MB")


def _check_distinct(items: Iterable[tuple[Store, Item]]) -> None:
    seen: set[Any] = set()
    for store, key in items:
        _check_new(store, key, seen, TWICE_IN_TRANSACTION)


def _check_new(store: Store, key: Item, seen: set[Any], twice: str) -> None:
    """Adds the place of an item to those that were seen. Raises Refusal with the sentence `twice` if it is there."""
    place = (store.definition.name, store.rows.place(key))
    if place in seen:
        raise Refusal(twice)
    seen.add(place)


def transact_write_items(tables: Stores, members: Members) -> Outcome:
    entries = [next(iter(entry.items())) for entry in members["TransactItems"]]
    _check_distinct(target for action, asked in entries if (target := _target(tables, action, asked)) is not None)
    plans: list[Callable[[], Write]] = [
        lambda action=action, asked=asked: writes.PLANNERS[action](tables, asked)  # type: ignore[misc]
        for action, asked in entries
    ]
    changes = [write.change for write in planned_all(plans, as_a_whole=(writes.EmptyKey,))]
    check_total(change.size for change in changes)
    consumed = Consumed(members.get("ReturnConsumedCapacity"), transactional=True)
    for (action, _), change in zip(entries, changes, strict=True):
        consumed.write(change)
        if action != "ConditionCheck":
            writes.commit(tables, change)
    return Outcome({**consumed.of_each(), **_metrics(changes, members)}, consumed)


def _target(tables: Stores, action: str, asked: Members) -> tuple[Store, Item] | None:
    """Table and key of an action, None if its key is wrong, which is a reason of its own.

    Raises Refusal for faults that refuse the transaction as a whole: of an expression, of an item's size, of an empty
    key.
    """
    expressions = writes.of(asked)
    if action == "Update":
        expressions.update(asked["UpdateExpression"])
    expressions.condition("ConditionExpression", asked.get("ConditionExpression"))
    expressions.check_used()
    found: Item = writes.sized(asked["Item"]).item if action == "Put" else asked["Key"]
    store = tables.store(asked["TableName"])
    types = store.definition.types
    key = {name: found[name] for name in store.definition.keys if types[name] in found.get(name, {})}
    for name, value in key.items():
        writes.check_not_empty(name, value)
    return (store, key) if len(key) == len(store.definition.keys) else None


@dataclass(frozen=True)
class _Done:
    at: float
    asked: str
    answer: Outcome


class Transactions:
    """Transactions by token. `clock` gives seconds since the epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._done: dict[str, _Done] = {}

    def once(self, members: Members, do: Callable[[], Outcome]) -> Outcome:
        """Runs `do` unless the same token has succeeded within ten minutes; then its answer is given again.

        It consumes units of reads then ("Idempotency" in TransactWriteItems of the API reference). Raises Refusal if
        the token came with another request.
        """
        token = members.get("ClientRequestToken")
        if token is None:
            return do()
        self._forget()
        asked = json.dumps({name: value for name, value in members.items() if name.startswith("Trans")}, sort_keys=True)
        if (done := self._done.get(token)) is None:
            outcome = do()
            self._done[token] = _Done(self._clock(), asked, outcome)
            return outcome
        if done.asked != asked:
            raise Refusal(
                "Another request with the same ClientRequestToken but different parameters was made",
                "IdempotentParameterMismatchException",
            )
        consumed = done.answer.consumed.again(members.get("ReturnConsumedCapacity"))
        answer = {name: value for name, value in done.answer.members.items() if name != "ConsumedCapacity"}
        return Outcome({**answer, **consumed.of_each()}, consumed)

    def _forget(self) -> None:
        """Removes expired tokens; they are kept in the order of their time."""
        until = self._clock() - REMEMBERED
        while (oldest := next(iter(self._done), None)) is not None and self._done[oldest].at <= until:
            del self._done[oldest]
