"""The store on DynamoDB: each method shows the requests that it makes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from chalicelib import items
from chalicelib.errors import IdempotencyMismatch, SessionEnded, SessionNotFound, SessionPaused, Unavailable
from chalicelib.logs import log
from chalicelib.model import (
    SESSION_PURGE,
    Change,
    Connection,
    Once,
    Page,
    Position,
    Recipient,
    Session,
    Status,
    Write,
    Written,
    check_kept,
    from_rfc3339,
    rfc3339,
)
from chalicelib.settings import Tables

if TYPE_CHECKING:
    from botocore.session import Session as AwsSession
    from types_boto3_dynamodb import DynamoDBClient


NAMED: Final = re.compile(r"#(\w+)")
UNREADABLE: Final = (KeyError, TypeError, ValueError)  # a row without an attribute, or with one of a wrong type
ENDED: Final[items.Item] = {"S": Status.ENDED.value}
COUNTED: Final = "#version = #version + :one, #seq = #seq + :one, #changeSeq = #seq + :one"
"""Part of each change; `#seq` on the right is the one before."""
NO_VERSION: Final = -1  # matches no version, where a list must not be empty
BATCH: Final = 25  # the most writes of one BatchWriteItem
UNREACHABLE: Final = 3  # shards, after which a sweep asks for no other: each may take 6 s of its 60 s
PASSING_STATUSES: Final = frozenset({408, 429})  # besides each from 500 on
PASSING_CODES: Final = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2Throttled",
        "InternalServerError",
        "LimitExceeded",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "ReplicatedWriteConflict",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttled",
        "Throttling",
        "ThrottlingError",
        "TooManyRequests",
        "TransactionConflict",
        "TransactionInProgress",
    }
)
"""Codes of errors that pass, and of reasons of a cancelled transaction: DynamoDB's own, and what botocore calls
throttled or transient. They are written without the "Exception" at the end, which only some of them have.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
"""


class Store:
    """Sessions and connections in DynamoDB. May be used by several threads at once."""

    def __init__(self, client: DynamoDBClient, tables: Tables) -> None:
        self._client = client
        self._tables = tables

    def answers(self) -> None:
        """Reaches all tables in one request. Raises Unavailable."""
        nothing = {"S": "-"}
        keys = {
            self._tables.sessions: {"sessionId": nothing},
            self._tables.connections: {"place": nothing, "connectionId": nothing},
            self._tables.events: {"sessionId": nothing, "seq": {"N": "0"}},
        }
        with asking():
            answer = self._client.batch_get_item(RequestItems={t: {"Keys": [key]} for t, key in keys.items()})
        if answer.get("UnprocessedKeys"):
            raise Unavailable("A table")

    # --- sessions

    def create_session(self, session: Session, once: Once | None) -> Written:
        put = {
            "TableName": self._tables.sessions,
            "Item": items.session_item(session),
            "ConditionExpression": "attribute_not_exists(#sessionId)",
            "ExpressionAttributeNames": names("sessionId"),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if once is not None:
            return self._create_once(session, once, put)
        try:
            with asking():
                self._client.put_item(**put)  # type: ignore[arg-type]  # a transaction takes the same mapping
        except ClientError as exc:
            old = refused_by_condition(exc)
            if old is None or old.get("writtenBy") != {"S": session.written_by}:
                raise
        return Written(session, changed=True)

    def find_session(self, session_id: str) -> Session | None:
        with asking():
            answer = self._client.get_item(
                TableName=self._tables.sessions,
                Key={"sessionId": {"S": session_id}},
                ConsistentRead=True,
            )
        return items.to_session(answer["Item"]) if "Item" in answer else None

    def list_sessions(self, owner_id: str, after: Position | None, limit: int) -> Page:
        query: dict[str, Any] = {
            "TableName": self._tables.sessions,
            "IndexName": "by-owner",
            "KeyConditionExpression": "#ownerId = :owner",
            "ExpressionAttributeNames": names("ownerId"),
            "ExpressionAttributeValues": {":owner": {"S": owner_id}},
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if after is not None:
            query["ExclusiveStartKey"] = {
                "ownerId": {"S": owner_id},
                "createdAt": {"S": rfc3339(after.created_at)},
                "sessionId": {"S": after.session_id},
            }
        with asking():
            answer = self._client.query(**query)
        last = answer.get("LastEvaluatedKey")
        return Page(
            tuple(_sessions(answer["Items"])),
            Position(from_rfc3339(last["createdAt"]["S"]), last["sessionId"]["S"]) if last else None,
        )

    def change_session(self, session_id: str, change: Change, write: Write) -> Written:
        """It writes the id of the request, too: if the condition fails on an item with this id, the write had happened
        and only its answer was lost.
        """
        now = {"S": rfc3339(write.now)}
        given = items.change_fields(change)
        sets = {**given, "updatedAt": now, "writtenBy": {"S": write.request_id}, "dueAt": items.due_at(write.now)}
        if change.status is Status.ENDED:
            sets |= {"endedAt": now}
        values = {f":{name}": value for name, value in sets.items()}
        values |= {":me": {"S": write.subject}, ":final": ENDED, ":one": {"N": "1"}}
        differs = "(" + " OR ".join(f"#{name} <> :{name}" for name in given) + ")"
        conditions = ["#ownerId = :me", "#status <> :final", "#expiresAt > :updatedAt", differs]
        if write.versions is not None:
            allowed = {f":v{i}": {"N": str(v)} for i, v in enumerate(sorted(write.versions) or [NO_VERSION])}
            values |= allowed
            conditions.append(f"#version IN ({', '.join(allowed)})")
        updates = ", ".join(f"#{name} = :{name}" for name in sets)
        updated, item = self._update(session_id, f"SET {updates}, {COUNTED}", " AND ".join(conditions), values)
        if not item:
            raise SessionNotFound(session_id)
        session = items.to_session(item)
        return Written(session, changed=updated or session.written_by == write.request_id)

    def expire_session(self, session_id: str, now: datetime, request_id: str) -> Written | None:
        updated, item = self._update(
            session_id,
            "SET #status = :ended, #endedAt = #expiresAt, #updatedAt = :now, #dueAt = :due, "
            f"#writtenBy = :writtenBy, {COUNTED}",
            "#status <> :ended AND #expiresAt <= :now AND #expiresAt > :kept",
            {
                ":ended": ENDED,
                ":now": {"S": rfc3339(now)},
                ":kept": {"S": rfc3339(now - SESSION_PURGE)},
                ":due": items.due_at(now),
                ":writtenBy": {"S": request_id},
                ":one": {"N": "1"},
            },
        )
        session = items.to_session(item) if item else None
        if session is None or session.purged_at(now):
            return None
        return Written(session, changed=updated or session.ended_by(request_id, now))

    def told_session(self, session: Session) -> None:
        self._update(
            session.session_id,
            "SET #dueAt = #expiresAt",
            "#version = :told AND #status <> :ended",
            {":told": {"N": str(session.version)}, ":ended": ENDED},
        )

    # --- what is due

    def due_sessions(self, now: datetime) -> Iterator[str]:
        unreachable: list[Unavailable] = []
        first = int(now.timestamp() // 60)  # another shard each minute: none starves where sweeps stop early
        for shard in ((first + i) % items.SHARDS for i in range(items.SHARDS)):
            found = pages(
                self._client,
                TableName=self._tables.sessions,
                IndexName="due",
                KeyConditionExpression="#dueShard = :shard AND #dueAt <= :now",
                ExpressionAttributeNames=names("dueShard", "dueAt"),
                ExpressionAttributeValues={
                    ":shard": {"S": str(shard)},
                    ":now": {"S": rfc3339(now)},
                },
            )
            try:
                for page in found:
                    yield from (item["sessionId"]["S"] for item in page)
            except Unavailable as exc:
                unreachable.append(exc)
                if len(unreachable) == UNREACHABLE:
                    break
        if unreachable:
            raise unreachable[0]

    def settle_session(self, session_id: str, now: datetime) -> None:
        self._update(
            session_id,
            "REMOVE #dueShard, #dueAt",
            "#status = :ended AND #dueAt <= :now",
            {":ended": ENDED, ":now": {"S": rfc3339(now)}},
        )

    # --- connections

    def connect(self, connection: Connection) -> None:
        self._write_batches([{"PutRequest": {"Item": item}} for item in items.connection_items(connection)])

    def disconnect(self, *recipients: Recipient) -> None:
        keys = [key for recipient in recipients for key in items.connection_keys(recipient)]
        self._write_batches([{"DeleteRequest": {"Key": key}} for key in keys])

    def find_connection(self, connection_id: str) -> Connection | None:
        key = {"place": {"S": items.connection_place(connection_id)}, "connectionId": {"S": connection_id}}
        with asking():
            answer = self._client.get_item(TableName=self._tables.connections, Key=key, ConsistentRead=True)
        return items.to_connection(answer["Item"]) if "Item" in answer else None

    def take_seq(self, session_id: str, now: datetime) -> Session:
        updated, item = self._update(
            session_id,
            "ADD #seq :one",
            "#status = :active AND #expiresAt > :now",
            {":one": {"N": "1"}, ":active": {"S": "active"}, ":now": {"S": rfc3339(now)}},
        )
        if not item:
            raise SessionNotFound(session_id)
        session = items.to_session(item)
        if updated:
            return session
        check_kept(session, now)
        if session.at(now).status is Status.ENDED:
            raise SessionEnded(session_id)
        raise SessionPaused(session_id)

    def roster(self, session_id: str) -> Iterator[Sequence[Recipient]]:
        found = pages(
            self._client,
            TableName=self._tables.connections,
            KeyConditionExpression="#place = :place",
            ProjectionExpression=", ".join(f"#{name}" for name in items.RECIPIENT),
            ExpressionAttributeNames=names("place", *items.RECIPIENT),
            ExpressionAttributeValues={":place": {"S": items.session_place(session_id)}},
            ConsistentRead=True,
        )
        for page in found:
            yield list(_recipients(page, session_id))

    # --- how requests are made

    def _create_once(self, session: Session, once: Once, put: dict[str, Any]) -> Written:
        put_record = {
            "TableName": self._tables.connections,
            "Item": items.once_item(session, once),
            # a record past its purgeAt counts as purged, before DynamoDB removes it
            "ConditionExpression": "attribute_not_exists(#place) OR #purgeAt <= :now",
            "ExpressionAttributeNames": names("place", "purgeAt"),
            "ExpressionAttributeValues": {":now": items.seconds(session.created_at)},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            with asking():
                self._client.transact_write_items(
                    TransactItems=[{"Put": put_record}, {"Put": put}],  # type: ignore[typeddict-item]  # the same mapping
                    ClientRequestToken=session.session_id,
                )
        except ClientError as exc:
            before = refused_by_transaction(exc)
            if not before:
                raise
            if before["fingerprint"]["S"] != once.fingerprint:
                raise IdempotencyMismatch(once.key) from exc
            if before["sessionId"]["S"] == session.session_id:
                return Written(session, changed=True)  # only the answer was lost
            found = self.find_session(before["sessionId"]["S"])
            if found is None:
                raise SessionNotFound(before["sessionId"]["S"]) from exc
            return Written(found, changed=False)
        return Written(session, changed=True)

    def _update(
        self,
        session_id: str,
        update: str,
        condition: str,
        values: Mapping[str, Any],
    ) -> tuple[bool, items.Item]:
        """One conditional UpdateItem on a session: whether it was made, and the new item, or the old one that failed
        the condition, empty if it did not exist. Attributes are named `#attribute`."""
        try:
            with asking():
                answer = self._client.update_item(
                    TableName=self._tables.sessions,
                    Key={"sessionId": {"S": session_id}},
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names(*NAMED.findall(update + condition)),
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as exc:
            old = refused_by_condition(exc)
            if old is None:
                raise
            return False, old
        return True, answer["Attributes"]

    def _write_batches(self, requests: Sequence[Mapping[str, Any]]) -> None:
        rest = iter(requests)
        while batch := list(islice(rest, BATCH)):
            for _ in range(2):
                with asking():
                    answer = self._client.batch_write_item(
                        RequestItems={self._tables.connections: batch}  # type: ignore[dict-item]  # requests as plain mappings
                    )
                batch = list(answer.get("UnprocessedItems", {}).get(self._tables.connections, []))
                if not batch:
                    break
            else:
                raise Unavailable("The table of connections")


def _sessions(page: Sequence[items.Item]) -> Iterator[Session]:
    """Sessions of the rows. A row that cannot be read is logged, and must not take the list of its owner."""
    for item in page:
        try:
            yield items.to_session(item)
        except UNREADABLE:
            log.exception("a row of a session cannot be read")


def _recipients(page: Sequence[items.Item], session_id: str) -> Iterator[Recipient]:
    """Recipients of the rows. A row that cannot be read is logged, and must not keep a frame from the others."""
    for item in page:
        try:
            yield items.to_recipient(item, session_id)
        except UNREADABLE:
            log.exception("a row of a connection cannot be read")


# --- DynamoDB


def clients(region: str, *patiences: float | None) -> list[DynamoDBClient]:
    """A client for each patience, the seconds after which it gives up. None stands for timeouts that fit API Gateway's
    29 s. All share one session: each session loads DynamoDB's model again, which takes a tenth of a second."""
    from botocore.session import get_session  # late, for unit tests: a cold start imports it ahead (app.py)

    session = get_session()
    return [_client(session, region, patience) for patience in patiences]


def _client(session: AwsSession, region: str, patience: float | None) -> DynamoDBClient:
    from botocore.config import Config

    config = Config(
        connect_timeout=patience or 1,
        read_timeout=patience or 2,
        retries={"total_max_attempts": 1 if patience else 2, "mode": "standard"},
        max_pool_connections=20,
    )
    client: Any = session.create_client("dynamodb", region_name=region, config=config)
    return cast("DynamoDBClient", client)


@contextmanager
def asking() -> Iterator[None]:
    """Raises Unavailable for a late answer and for an error that passes; other errors are raised as they are."""
    try:
        yield
    except (ConnectionError, HTTPClientError) as exc:
        raise Unavailable("The database") from exc
    except ClientError as exc:
        if _passes(exc):
            raise Unavailable("The database") from exc
        raise


def _passes(exc: ClientError) -> bool:
    """Whether the same request may succeed later: by the HTTP status, whatever the code, or else by the codes."""
    response: Any = exc.response
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    reasons = response.get("CancellationReasons", [])
    codes = {str(error.get("Code")).removesuffix("Exception") for error in (response["Error"], *reasons)}
    return status >= 500 or status in PASSING_STATUSES or not codes.isdisjoint(PASSING_CODES)


def refused_by_condition(exc: ClientError) -> items.Item | None:
    """The item that failed a condition, empty if it did not exist; None if another error was raised."""
    if exc.response["Error"]["Code"] != "ConditionalCheckFailedException":
        return None
    response: Any = exc.response
    item: items.Item = response.get("Item", {})
    return item


def refused_by_transaction(exc: ClientError) -> items.Item | None:
    """The first item of a transaction that failed its condition."""
    response: Any = exc.response
    for reason in response.get("CancellationReasons", []):
        if reason.get("Code") == "ConditionalCheckFailed":
            item: items.Item = reason.get("Item", {})
            return item
    return None


def names(*names: str) -> dict[str, str]:
    """Aliases for attributes, since DynamoDB reserves several of these words."""
    return {f"#{name}": name for name in names}


def pages(client: DynamoDBClient, **query: Any) -> Iterator[Sequence[items.Item]]:
    """All pages of a query. Raises Unavailable."""
    while True:
        with asking():
            answer = client.query(**query)
        yield answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
