"""DynamoDB: moto (5.1 to 5.2) keeps the tables, and our store keeps their items in the place of moto's.

Of moto's tables this file knows `backend.tables`, a dozen attributes of Table, and the records of its stream's shard;
`tests/aws/moto/test_tables.py` compares them with the installed moto.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.dynamo_type import Item as MotoItem
from moto.dynamodbstreams.models import dynamodbstreams_backends

from pytest_sessionplugin.aws.dynamodb import control, streams
from pytest_sessionplugin.aws.dynamodb.capacity import Outcome
from pytest_sessionplugin.aws.dynamodb.control import TableState
from pytest_sessionplugin.aws.dynamodb.operations import OPERATIONS, DataPlane
from pytest_sessionplugin.aws.dynamodb.requests import Members
from pytest_sessionplugin.aws.dynamodb.shapes import SHAPES
from pytest_sessionplugin.aws.dynamodb.store import Change, Definition, Index, Row, Store, missing
from pytest_sessionplugin.aws.dynamodb.values import Refusal, checked_item, decimal, sortable

# --- definitions


def definition_of(table: Any) -> Definition:
    """Keys and indexes of a table of moto's."""
    indexes = [*((each, False) for each in table.indexes), *((each, True) for each in table.global_indexes)]
    return Definition(
        table.name,
        {each["AttributeName"]: each["AttributeType"] for each in table.attr},
        Index("", *_halves(table.schema)),
        {
            each.name: Index(each.name, *_halves(each.schema), _projected(each.projection), is_global)
            for each, is_global in indexes
        },
    )


def _halves(schema: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    partition, sort = (
        tuple(each["AttributeName"] for each in schema if each["KeyType"] == kind) for kind in ("HASH", "RANGE")
    )
    return partition, sort


def _projected(projection: Mapping[str, Any]) -> frozenset[str] | None:
    if projection.get("ProjectionType", "ALL") == "ALL":
        return None
    return frozenset(projection.get("NonKeyAttributes") or ())


# --- items in moto's shape


class Items(MutableMapping[DynamoType, Any]):
    """Our store as moto's `Table.items`: by partition key, and in that by sort key, if the table has one.

    moto's backups, restores, exports and imports read and write it.
    """

    def __init__(self, store: Store, lock: threading.RLock) -> None:
        self.store = store
        self._lock = lock

    def __deepcopy__(self, memo: object) -> Items:
        with self._lock:
            return Items(self.store.copy(), self._lock)

    def follow(self, table: Any) -> None:
        """Takes over the table's present name and indexes. Attributes that no key has are no longer defined."""
        used = {each["AttributeName"] for each in table.schema}
        used |= {each["AttributeName"] for index in (*table.indexes, *table.global_indexes) for each in index.schema}
        if any(each["AttributeName"] not in used for each in table.attr):
            table.attr = [each for each in table.attr if each["AttributeName"] in used]
        definition = definition_of(table)
        if definition != self.store.definition:
            self.store.define(definition)

    @property
    def _has_sort_key(self) -> bool:
        return bool(self.store.definition.primary.sort)

    def __getitem__(self, key: DynamoType) -> Any:
        return _SortKeys(self, key) if self._has_sort_key else self.get_item(key)

    def __setitem__(self, key: DynamoType, value: Any) -> None:
        for item in value.values() if self._has_sort_key else [value]:
            self.put_item(item)

    def __delitem__(self, key: DynamoType) -> None:
        for item in list(self[key].values()) if self._has_sort_key else [self.get_item(key)]:
            self.delete_item(key, item.range_key)

    def __iter__(self) -> Iterator[DynamoType]:
        (name,) = self.store.definition.primary.partition
        with self._lock:
            found = {DynamoType(row.item[name]): None for row in self.store.rows}
        return iter(found)

    def __len__(self) -> int:
        return len(self.store.rows.partitions)

    def get_item(self, *keys: DynamoType) -> MotoItem:
        """Raises KeyError."""
        row = self._row(*keys)
        if row is None:
            raise KeyError(keys)
        return _in_moto(row, self.store.definition)

    def put_item(self, item: MotoItem) -> None:
        keys = [item.hash_key, *([item.range_key] if self._has_sort_key else [])]
        with self._lock:
            self.store.write(self._row(*keys), Row(checked_item(item.to_json()["Attributes"])))

    def delete_item(self, *keys: DynamoType | None) -> None:
        with self._lock:
            self.store.write(self._row(*keys), None)

    def sort_keys(self, partition: DynamoType) -> list[DynamoType]:
        _, name = self.store.definition.keys
        with self._lock:
            found = self.store.rows.partitions.get((sortable(partition.to_json()),))
            rows = list(found.rows.values()) if found is not None else []
        return [DynamoType(row.item[name]) for row in rows]

    def _row(self, *keys: DynamoType | None) -> Row | None:
        values = [key.to_json() for key in keys if key is not None]
        return self.store.get(dict(zip(self.store.definition.keys, values, strict=True)))


class _SortKeys(MutableMapping[DynamoType, Any]):
    """One partition, by sort key."""

    def __init__(self, items: Items, partition: DynamoType) -> None:
        self._items, self._partition = items, partition

    def __getitem__(self, key: DynamoType) -> MotoItem:
        return self._items.get_item(self._partition, key)

    def __setitem__(self, _: DynamoType, item: MotoItem) -> None:
        self._items.put_item(item)

    def __delitem__(self, key: DynamoType) -> None:
        self._items.delete_item(self._partition, key)

    def __iter__(self) -> Iterator[DynamoType]:
        return iter(self._items.sort_keys(self._partition))

    def __len__(self) -> int:
        return len(self._items.sort_keys(self._partition))


def _in_moto(row: Row, definition: Definition) -> MotoItem:
    keys = [DynamoType(row.item[name]) for name in definition.keys]
    return MotoItem(keys[0], keys[1] if len(keys) > 1 else None, row.item)


# --- tables


class MotoTables:
    """moto's tables of one account and region, for the data plane."""

    def __init__(self, account_id: str, region: str, lock: threading.RLock) -> None:
        self.account_id, self.region, self._lock = account_id, region, lock

    @property
    def there(self) -> Mapping[str, Any]:
        """Name -> moto's Table."""
        regions = dynamodb_backends.get(self.account_id)
        backend = regions.get(self.region) if regions is not None else None  # moto's own lookup takes ten times longer
        found: Mapping[str, Any] = (backend or dynamodb_backends[self.account_id][self.region]).tables
        return found

    def table(self, name: str) -> Any:
        """moto's Table by name or ARN, or None."""
        if not name.startswith("arn:"):
            return self.there.get(name)
        arn = control.ARN.fullmatch(name)
        if arn is None or arn["below"] or (arn["account"], arn["region"]) != (self.account_id, self.region):
            return None
        return self.there.get(arn["table"])

    def store(self, name: str) -> Store:
        table = self.table(name)
        if table is None:
            raise missing()
        return self.items(table).store

    def items(self, table: Any) -> Items:
        """Our items of a table; those that moto has put there are taken over."""
        items = table.items
        if not isinstance(items, Items):
            own = Items(Store(definition_of(table)), self._lock)
            own.update(items)
            items = table.items = own
        return items

    def label_stream(self, name: str, label: str) -> None:
        """Gives the stream of a new table, if it has one, this end of its ARN."""
        table = self.there[name]
        if table.stream_shard is not None:
            table.latest_stream_label = label

    def follow(self) -> None:
        """Called when moto may have changed tables."""
        for table in list(self.there.values()):
            self.items(table).follow(table)
            if table.stream_shard is not None and not _streams(table):
                # moto keeps the records, and would not enable the stream a second time
                table.stream_shard = table.latest_stream_label = None

    def changed(self, change: Change, *, by_ttl: bool = False) -> None:
        table = self.there[change.store.definition.name]
        if (shard := table.stream_shard) is not None and _streams(table):
            record = streams.record(
                change,
                view=table.stream_specification["StreamViewType"],
                region=self.region,
                event_id=uuid.uuid4().hex,
                number=shard.starting_sequence_number + len(shard.items),
                at=time.time(),
                by_ttl=by_ttl,
            )
            if record is not None:
                shard.items.append(StreamRecord(record))


def _streams(table: Any) -> bool:
    """Whether the table's stream is enabled; moto keeps the shard of one that was disabled."""
    return bool((table.stream_specification or {}).get("StreamEnabled"))


def state_of(table: Any) -> TableState:
    """A table of moto's as the checks of the control plane see it."""
    indexes = [*table.indexes, *table.global_indexes]
    return TableState(
        billing_mode=table.billing_mode or "PROVISIONED",
        throughput=(table.throughput["ReadCapacityUnits"], table.throughput["WriteCapacityUnits"]),
        global_indexes=frozenset(each.name for each in table.global_indexes),
        local_indexes=frozenset(each.name for each in table.indexes),
        projected=sum(len(each.projection.get("NonKeyAttributes") or ()) for each in indexes),
        stream=_streams(table),
        ttl=table.ttl.get("AttributeName") if table.ttl["TimeToLiveStatus"] == "ENABLED" else None,
        protected=bool(table.deletion_protection_enabled),
        tags=frozenset(each["Key"] for each in table.tags),
    )


class StreamRecord:
    """A record in moto's shard, which moto reads by `to_json`."""

    def __init__(self, record: Members) -> None:
        self.record = record

    def to_json(self) -> Members:
        return self.record

    def __deepcopy__(self, _: object) -> StreamRecord:
        """Itself: a record is never changed, and a table is copied at the start of each test."""
        return self


class TimedRows:
    """Rows of all tables with TTL, in any account and region: `ttl.Expiring`."""

    def __init__(self, dynamodb: Callable[[], DynamoDb]) -> None:
        self._now_open = dynamodb

    def ends(self) -> list[float]:
        with self._now_open().lock:
            return [end for _, _, end in self._all()]

    def remove(self, ended: Callable[[float], bool]) -> None:
        with self._now_open().lock:
            for tables, change, end in list(self._all()):
                if ended(end):
                    change.store.write(change.old, None)
                    tables.changed(change, by_ttl=True)

    def _all(self) -> Iterator[tuple[MotoTables, Change, float]]:
        """The removal of each row, and the number in its TTL attribute."""
        for tables in self._now_open().everywhere():
            for table in list(tables.there.values()):
                if table.ttl["TimeToLiveStatus"] != "ENABLED":
                    continue
                store, name = tables.items(table).store, table.ttl["AttributeName"]
                for row in store.rows:
                    if (end := row.item.get(name, {}).get("N")) is not None:
                        yield tables, Change(store, row, None), float(decimal(end))


# --- operations


@dataclass(frozen=True)
class Picture:
    """A table of moto's, and its rows as they were once."""

    table: Any
    store: Store


class StaleTables:
    """The tables, one of which is read as it was: `Stores` for reads of a stale index."""

    def __init__(self, tables: MotoTables, past: Picture) -> None:
        self._tables, self._past = tables, past

    def store(self, name: str) -> Store:
        store = self._tables.store(name)
        return self._past.store if self._tables.table(name) is self._past.table else store

    def changed(self, change: Change) -> None:
        self._tables.changed(change)


def _tag(tables: MotoTables, members: Members) -> Members:
    """moto lists the same key twice."""
    table = tables.table(members["ResourceArn"])
    given = {each["Key"]: each["Value"] for each in (*table.tags, *members["Tags"])}
    table.tags = [{"Key": key, "Value": value} for key, value in given.items()]
    return {}


def _records(tables: MotoTables, members: Members) -> Members:
    """moto encodes binaries a second time."""
    iterators = dynamodbstreams_backends[tables.account_id][tables.region].shard_iterators
    asked = members.get("ShardIterator")
    iterator = iterators.get(asked) if isinstance(asked, str) else None
    if iterator is None:
        raise Refusal("Invalid ShardIterator: it does not exist")
    found: Members = iterator.get(members.get("Limit") or 1000)
    return found


def _stream(tables: MotoTables, members: Members) -> Members:
    """moto before 5.2 writes another form of time."""
    arn = str(members.get("StreamArn"))
    table = tables.table(arn.partition("/stream/")[0])
    if table is None or table.stream_shard is None:
        raise Refusal(f"Requested resource not found: Stream: {arn} not found", "ResourceNotFoundException")
    described = {
        "StreamArn": arn,
        "StreamLabel": table.latest_stream_label,
        "StreamStatus": "ENABLED",
        "StreamViewType": table.stream_specification["StreamViewType"],
        "CreationRequestDateTime": table.stream_shard.created_on.replace(tzinfo=UTC).timestamp(),
        "TableName": table.name,
        "KeySchema": table.schema,
        "Shards": [table.stream_shard.to_json()],
    }
    return {"StreamDescription": described}


_WITHOUT_MOTO: Mapping[str, Callable[[MotoTables, Members], Members]] = {
    "ListTables": lambda tables, members: control.tables(list(tables.there), members),
    "TagResource": _tag,
    "DescribeStream": _stream,
    "GetRecords": _records,
}


class DynamoDb:
    """DynamoDB in all accounts and regions of an emulator. `lock` is held while items are read or written."""

    def __init__(self, lock: threading.RLock) -> None:
        self.lock = lock
        self._planes: dict[tuple[str, str], tuple[MotoTables, DataPlane]] = {}

    def answers(self, operation: str) -> bool:
        """Whether it answers the operation without moto."""
        return operation in OPERATIONS or operation in _WITHOUT_MOTO

    def answer(
        self, account_id: str, region: str, operation: str, members: Members, past: Picture | None = None
    ) -> Outcome:
        """Carries out an operation on items. Raises Refusal. Reads see `past` in the place of that table."""
        with self.lock:
            tables, plane = self._in(account_id, region)
            if operation in OPERATIONS:
                return plane.answer(operation, members, None if past is None else StaleTables(tables, past))
            self.prepared(account_id, region, operation, members)
            return Outcome(_WITHOUT_MOTO[operation](tables, members))

    def prepared(self, account_id: str, region: str, operation: str, members: Members) -> Members:
        """The request of an operation on tables as moto carries it out. Raises Refusal if DynamoDB would refuse it."""
        if operation not in SHAPES:
            return members
        name = control.table_name(members)
        table = self.tables(account_id, region).table(name) if name is not None else None
        control.check(operation, members, None if table is None else state_of(table), account=account_id)
        if table is not None and operation == "UpdateTable" and members.get("AttributeDefinitions"):
            # moto forgets those that are there
            known = {each["AttributeName"] for each in table.attr}
            new = [each for each in members["AttributeDefinitions"] if each["AttributeName"] not in known]
            return {**members, "AttributeDefinitions": [*table.attr, *new]}
        return members

    def tables(self, account_id: str, region: str) -> MotoTables:
        return self._in(account_id, region)[0]

    def everywhere(self) -> list[MotoTables]:
        """The tables of each account and region that has any."""
        return [
            self.tables(account_id, region)
            for account_id, regions in list(dynamodb_backends.items())
            for region, backend in list(regions.items())
            if backend.tables
        ]

    def _in(self, account_id: str, region: str) -> tuple[MotoTables, DataPlane]:
        key = (account_id, region)
        if key not in self._planes:
            tables = MotoTables(account_id, region, self.lock)
            self._planes[key] = tables, DataPlane(tables, time.time)
        return self._planes[key]
