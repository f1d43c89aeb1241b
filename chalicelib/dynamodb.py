"""How requests to DynamoDB are made, and what its refusals mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

from chalicelib import items
from chalicelib.errors import Unavailable
from chalicelib.settings import Tables

if TYPE_CHECKING:
    from botocore.session import Session as AwsSession
    from types_boto3_dynamodb import DynamoDBClient


NAMED: Final = re.compile(r"#(\w+)")
UNREADABLE: Final = (KeyError, TypeError, ValueError)  # a row without an attribute, or with one of a wrong type
BATCH: Final = 25  # the most writes of one BatchWriteItem
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


class Rows:
    """Requests for the rows of the service's tables. May be used by several threads at once."""

    def __init__(self, client: DynamoDBClient, tables: Tables) -> None:
        self._client = client
        self._tables = tables

    def update(
        self,
        table: str,
        key: items.Item,
        update: str,
        condition: str | None,
        values: Mapping[str, Any],
    ) -> tuple[bool, items.Item]:
        """One UpdateItem: whether it was made, and the new item, or the old one that failed the condition, empty if it
        did not exist. Attributes are named `#attribute`."""
        conditional: Any = {}
        if condition is not None:
            conditional = {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            with asking():
                answer = self._client.update_item(
                    TableName=table,
                    Key=key,
                    UpdateExpression=update,
                    ExpressionAttributeNames=names(*NAMED.findall(update + (condition or ""))),
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_NEW",
                    **conditional,
                )
        except ClientError as exc:
            old = refused_by_condition(exc)
            if old is None:
                raise
            return False, old
        return True, answer["Attributes"]

    def get_batch(self, keys: Mapping[str, Sequence[items.Item]]) -> Mapping[str, Sequence[items.Item]]:
        """The items under these keys of each table, by strongly consistent reads."""
        rest: Any = {table: {"Keys": list(wanted), "ConsistentRead": True} for table, wanted in keys.items()}
        found: dict[str, list[items.Item]] = {table: [] for table in keys}
        for _ in range(2):
            with asking():
                answer = self._client.batch_get_item(RequestItems=rest)
            for table, page in answer["Responses"].items():
                found[table] += page
            rest = answer.get("UnprocessedKeys")
            if not rest:
                return found
        raise Unavailable("A table")

    def write_batches(self, table: str, requests: Sequence[Mapping[str, Any]]) -> None:
        """Puts and deletes, 25 in a request."""
        rest = iter(requests)
        while batch := list(islice(rest, BATCH)):
            for _ in range(2):
                with asking():
                    answer = self._client.batch_write_item(
                        RequestItems={table: batch}  # type: ignore[dict-item]  # requests as plain mappings
                    )
                batch = list(answer.get("UnprocessedItems", {}).get(table, []))
                if not batch:
                    break
            else:
                raise Unavailable("A table")


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
