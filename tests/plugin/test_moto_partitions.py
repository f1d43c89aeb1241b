"""A query answers as moto's own does, and looks at no row of another partition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from pytest_sessionplugin.aws.moto_partitions import queries_by_partition

REGION = "us-east-1"


@pytest.fixture(params=[["place", "id"], ["place"]], ids=["with a sort key", "without"])
def table(request: pytest.FixtureRequest) -> Iterator[Any]:
    names: list[str] = request.param
    with mock_aws():
        dynamodb: Any = boto3.resource("dynamodb", region_name=REGION)
        made = dynamodb.create_table(
            TableName="t",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[{"AttributeName": n, "KeyType": k} for n, k in zip(names, ("HASH", "RANGE"), strict=False)],
        )
        for place in ("here", "there"):
            for key in "bac":
                made.put_item(Item={"place": place, "id": key})
        yield made


def asked(table: Any, place: str) -> Any:
    found = table.query(KeyConditionExpression="place = :p", ExpressionAttributeValues={":p": place}, Limit=2)
    return [found["Items"], found["Count"], found["ScannedCount"], found.get("LastEvaluatedKey")]


@pytest.mark.parametrize("place", ["here", "nowhere"])
def test_the_answer_is_motos(table: Any, place: str) -> None:
    before = asked(table, place)
    with queries_by_partition():
        assert asked(table, place) == before


class Untouched(dict[Any, Any]):
    def values(self) -> Any:
        raise AssertionError("another partition was looked at")


def test_no_other_partition_is_looked_at(table: Any) -> None:
    rows: Any = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables["t"].items
    rows[DynamoType({"S": "far away"})] = Untouched()
    with queries_by_partition():
        assert asked(table, "here")[1] > 0
