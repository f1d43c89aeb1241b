"""The data plane of DynamoDB: answers a request about items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from pytest_sessionplugin.aws.dynamodb import batches, pages, paths, writes
from pytest_sessionplugin.aws.dynamodb.batches import Transactions, shown
from pytest_sessionplugin.aws.dynamodb.capacity import Consumed, Outcome
from pytest_sessionplugin.aws.dynamodb.requests import Members, checked_request
from pytest_sessionplugin.aws.dynamodb.store import Stores
from pytest_sessionplugin.aws.dynamodb.values import Refusal
from pytest_sessionplugin.aws.dynamodb.writes import Write


class DataPlane:
    """Operations on the items of one account and region. `clock` gives seconds since the epoch.

    Not thread-safe: callers hold a lock.
    """

    def __init__(self, tables: Stores, clock: Callable[[], float]) -> None:
        self._tables = tables
        self._transactions = Transactions(clock)

    def answer(self, operation: str, members: Members, tables: Stores | None = None) -> Outcome:
        """Carries out one of OPERATIONS, in `tables` if given. Raises Refusal; nothing has been written then."""
        try:
            asked = checked_request(operation, members)
            do = partial(OPERATIONS[operation], tables or self._tables, asked)
            return self._transactions.once(asked, do) if operation in TOKENS else do()
        except UnicodeEncodeError:  # half of a pair of surrogates, which JSON can write
            raise Refusal("The request holds text that is not Unicode", "SerializationException") from None


def get_item(tables: Stores, members: Members) -> Outcome:
    expressions = writes.of(members)
    projection = expressions.projection(members.get("ProjectionExpression"))
    expressions.check_used()
    store = tables.store(members["TableName"])
    writes.check_scalars(store.definition, projection or ())
    row = store.get(writes.checked_key(store, members["Key"]))
    consumed = Consumed(members.get("ReturnConsumedCapacity"))
    consumed.read(store, row.size if row is not None else 0, consistent=bool(members.get("ConsistentRead")))
    found = {"Item": shown(row.item, projection, members.get("AttributesToGet"))} if row is not None else {}
    return Outcome({**found, **consumed.of_one()}, consumed)


def put_item(tables: Stores, members: Members) -> Outcome:
    _check_returned(members)
    return _written(tables, members, writes.put(tables, members))


def delete_item(tables: Stores, members: Members) -> Outcome:
    _check_returned(members)
    return _written(tables, members, writes.delete(tables, members))


def update_item(tables: Stores, members: Members) -> Outcome:
    return _written(tables, members, writes.update(tables, members))


def _check_returned(members: Members) -> None:
    if members.get("ReturnValues") not in (None, "NONE", "ALL_OLD"):
        raise Refusal("ReturnValues can only be ALL_OLD or NONE")


def _written(tables: Stores, members: Members, write: Write) -> Outcome:
    change = write.change
    writes.commit(tables, change)
    consumed = Consumed(members.get("ReturnConsumedCapacity"))
    consumed.write(change)
    attributes = _attributes(members.get("ReturnValues"), write)
    answer: Members = {"Attributes": attributes} if attributes is not None else {}
    for (collection,) in writes.metrics([change], members).values():
        answer["ItemCollectionMetrics"] = collection
    return Outcome({**answer, **consumed.of_one()}, consumed)


def _attributes(returned: str | None, write: Write) -> Members | None:
    """The attributes that ReturnValues asks for; None for none."""
    if returned in (None, "NONE"):
        return None
    row = write.change.old if returned.endswith("OLD") else write.change.new
    if row is None:
        return None
    return row.item if returned.startswith("ALL") else paths.project(row.item, write.paths) or None


Operation = Callable[[Stores, Members], Outcome]


def _by_statement(name: str) -> Operation:
    def do(stores: Stores, members: Members) -> Outcome:
        from pytest_sessionplugin.aws.dynamodb import partiql  # a quarter of the package, and few apps use it

        return partiql.OPERATIONS[name](stores, members)

    return do


OPERATIONS: Mapping[str, Operation] = {
    "GetItem": get_item,
    "PutItem": put_item,
    "DeleteItem": delete_item,
    "UpdateItem": update_item,
    "Query": pages.query,
    "Scan": pages.scan,
    "BatchGetItem": batches.batch_get_item,
    "BatchWriteItem": batches.batch_write_item,
    "TransactGetItems": batches.transact_get_items,
    "TransactWriteItems": batches.transact_write_items,
    **{name: _by_statement(name) for name in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")},
}
TOKENS = ("TransactWriteItems", "ExecuteTransaction")
