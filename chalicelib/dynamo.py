"""How DynamoDB is asked: the client, its time-outs, what its errors mean. Knows no table of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError
from botocore.session import get_session

from chalicelib import items
from chalicelib.errors import Unavailable

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

RETRIED: Final = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html


def connect(region: str, *, patience: float | None = None) -> DynamoDBClient:
    """A client whose time-outs fit API Gateway's 29 s; with `patience`, one that gives up after so many seconds."""
    config = Config(
        connect_timeout=patience or 1,
        read_timeout=patience or 2,
        retries={"total_max_attempts": 1 if patience else 2, "mode": "standard"},
        max_pool_connections=20,
    )
    client: Any = get_session().create_client("dynamodb", region_name=region, config=config)
    return cast("DynamoDBClient", client)


@contextmanager
def asking() -> Iterator[None]:
    """What DynamoDB says with "later", or does not say in time, is Unavailable; the rest passes."""
    try:
        yield
    except (ConnectionError, HTTPClientError) as exc:
        raise Unavailable("The database") from exc
    except ClientError as exc:
        if exc.response["Error"]["Code"] in RETRIED:
            raise Unavailable("The database") from exc
        reasons: Any = exc.response.get("CancellationReasons", [])
        codes = {reason.get("Code") for reason in reasons}
        if codes & {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}:
            raise Unavailable("The database") from exc
        raise


def refused_by_condition(exc: ClientError) -> items.Item | None:
    """The item that did not meet a condition, empty if there was none; None if it was no condition that failed."""
    if exc.response["Error"]["Code"] != "ConditionalCheckFailedException":
        return None
    response: Any = exc.response
    item: items.Item = response.get("Item", {})
    return item


def refused_by_transaction(exc: ClientError) -> items.Item | None:
    """The first item of a transaction that did not meet its condition."""
    response: Any = exc.response
    for reason in response.get("CancellationReasons", []):
        if reason.get("Code") == "ConditionalCheckFailed":
            item: items.Item = reason.get("Item", {})
            return item
    return None


def names(*names: str) -> dict[str, str]:
    """Aliases for attributes: several of them are words that DynamoDB reserves."""
    return {f"#{name}": name for name in names}


def pages(client: DynamoDBClient, **query: Any) -> Iterator[Sequence[items.Item]]:
    """The answers to a query, a page at a time, to the end. Raises Unavailable."""
    while True:
        with asking():
            answer = client.query(**query)
        yield answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
