"""A query answers as moto's own does, and looks at no row of another partition."""

from __future__ import annotations

from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType

from pytest_sessionplugin.aws.moto.patches import queries_by_partition

REGION = "us-east-1"


@pytest.fixture
def table(moto_table: Any) -> Any:
    for place in ("here", "there"):
        for key in "bac":
            moto_table.put_item(Item={"place": place, "id": key})
    return moto_table


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
    rows: Any = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables["things"].items
    rows[DynamoType({"S": "far away"})] = Untouched()
    with queries_by_partition():
        assert asked(table, "here")[1] > 0
