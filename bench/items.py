"""Operations on items of a table in memory, beside moto's own: put and get, update, query, transaction, a table's copy.

Each side is a process of its own: `python -m bench.items ours 100` prints its times, in milliseconds an operation.
"""

from __future__ import annotations

import contextlib
import copy
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from bench.figures import Effort, Figure, each_in_turns, milliseconds
from bench.fixtures import python

RUNS, CALLS = 3, 60
TABLE: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("place", "id", "owner")],
    "KeySchema": [{"AttributeName": "place", "KeyType": "HASH"}, {"AttributeName": "id", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "by-owner",
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }
    ],
}


def measure_put_and_get(effort: Effort) -> Figure:
    return _figure(effort, "put and get", "put and get of an item", 2)


def measure_update(effort: Effort) -> Figure:
    return _figure(effort, "update", "update of an item", 4)


def measure_query(effort: Effort) -> Figure:
    return _figure(effort, "query", "query of 100 in 1,000 rows", 8)


def measure_transaction(effort: Effort) -> Figure:
    return _figure(effort, "transaction", "transaction of two, 2,000 rows", 10)


def measure_copy(effort: Effort) -> Figure:
    return _figure(effort, "copy", "copy of a table of 2,000 rows", 10)


def _figure(effort: Effort, name: str, what: str, times: int) -> Figure:
    ours, moto = (min(taken[name] for taken in side) for side in _taken(effort))
    return Figure(what, f"{ours:.2f} ms", f"moto {moto:.2f} ms", f"{times} times faster", ours * times <= moto)


@cache
def _taken(effort: Effort) -> list[list[dict[str, float]]]:
    """The times of our side and of moto's, measured in turns."""
    calls = str(effort.of(CALLS, 2))
    return each_in_turns(
        effort.of(RUNS),
        lambda: json.loads(python("-m", "bench.items", "ours", calls)),
        lambda: json.loads(python("-m", "bench.items", "moto", calls)),
    )


# --- one side


@contextlib.contextmanager
def ours() -> Iterator[None]:
    from pytest_sessionplugin.aws import environment
    from pytest_sessionplugin.aws.moto.emulator import Emulator
    from tests.aws.opened import opened

    with environment.applied(environment.neutral("us-east-1")), opened(Emulator({}, {})):
        yield


@contextlib.contextmanager
def moto() -> Iterator[None]:
    from moto import mock_aws

    from pytest_sessionplugin.aws import environment

    with environment.applied(environment.neutral("us-east-1")), mock_aws():
        yield


def times(calls: int) -> dict[str, float]:
    """Milliseconds of each operation, by a client in this process."""
    import boto3

    dynamodb: Any = boto3.client("dynamodb")
    for name, rows in (("small", 1000), ("large", 2000)):
        dynamodb.create_table(TableName=name, **TABLE)
        for number in range(rows):
            dynamodb.put_item(TableName=name, Item=item(f"p{number % 10}", f"{number:05}"))
    values = {":one": {"N": "1"}, ":place": {"S": "p1"}}

    def put_and_get(_: int) -> None:
        dynamodb.put_item(TableName="small", Item=item("here", "1"))
        dynamodb.get_item(TableName="small", Key={"place": {"S": "here"}, "id": {"S": "1"}})

    def update(_: int) -> None:
        dynamodb.update_item(
            TableName="small",
            Key={"place": {"S": "here"}, "id": {"S": "1"}},
            UpdateExpression="SET n = if_not_exists(n, :one) + :one, title = :place REMOVE gone",
            ConditionExpression="attribute_exists(place)",
            ExpressionAttributeValues=values,
            ReturnValues="ALL_NEW",
        )

    def query(_: int) -> None:
        found = dynamodb.query(
            TableName="small",
            KeyConditionExpression="place = :place",
            ExpressionAttributeValues={":place": {"S": "p1"}},
        )
        assert found["Count"] == 100

    def transaction(number: int) -> None:
        put = {"Put": {"TableName": "large", "Item": item("new", f"{number}")}}
        change = {
            "Update": {
                "TableName": "large",
                "Key": {"place": {"S": "p2"}, "id": {"S": "00002"}},
                "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }
        }
        dynamodb.transact_write_items(TransactItems=[put, change])

    operations = {"put and get": put_and_get, "update": update, "query": query, "transaction": transaction}
    return {**{name: _mean(do, calls) for name, do in operations.items()}, "copy": _mean(_copy, min(calls, 10))}


def item(place: str, identity: str) -> dict[str, Any]:
    return {
        "place": {"S": place},
        "id": {"S": identity},
        "owner": {"S": f"owner {identity[-1]}"},
        "n": {"N": "1"},
        "title": {"S": "x" * 40},
        "more": {"M": {"a": {"N": "1"}, "tags": {"L": [{"S": "q"}]}}},
    }


def _copy(_: int) -> None:
    """The same at the start of each test."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    copy.deepcopy(dynamodb_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].tables["large"])


def _mean(do: Callable[[int], None], calls: int) -> float:
    def all_calls() -> None:
        for number in range(1, calls + 1):
            do(number)

    do(0)
    return milliseconds(all_calls) / calls


if __name__ == "__main__":
    with {"ours": ours, "moto": moto}[sys.argv[1]]():
        print(json.dumps(times(int(sys.argv[2]))))
