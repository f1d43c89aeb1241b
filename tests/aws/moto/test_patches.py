"""Of rows that are written, read and gone nothing is kept in moto, and all is as before when the block ends."""

from __future__ import annotations

from typing import Any

import pytest
from moto.core.common_models import BaseModel
from moto.core.model_instances import model_data
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from pytest_sessionplugin.aws.moto.patches import nothing_kept

REGION = "us-east-1"


@pytest.fixture
def table(moto_table: Any) -> Any:
    return moto_table


def come_and_go(table: Any, place: str) -> list[Any]:
    """What is answered meanwhile."""
    key = {name: value for name, value in {"place": place, "id": "a"}.items() if name in key_names(table)}
    found = [table.get_item(Key=key).get("Item")]
    table.put_item(Item={**key, "n": 1})
    table.update_item(Key=key, UpdateExpression="ADD n :one", ExpressionAttributeValues={":one": 1})
    found.append(table.get_item(Key=key)["Item"]["n"])
    found.append(
        table.query(KeyConditionExpression="place = :p", ExpressionAttributeValues={":p": place})["Items"][0]["n"]
    )
    found.append([item["place"] for item in table.scan(ProjectionExpression="place")["Items"]])
    dynamodb = table.meta.client
    put = {"Put": {"TableName": "things", "Item": {**key, "n": 5}}}
    dynamodb.transact_write_items(TransactItems=[put])
    found.append(table.delete_item(Key=key, ReturnValues="ALL_OLD")["Attributes"]["n"])
    found.append(table.delete_item(Key=key, ReturnValues="ALL_OLD").get("Attributes") or None)
    return found


def key_names(table: Any) -> list[str]:
    return [each["AttributeName"] for each in table.key_schema]


def tracked() -> int:
    """The lists are `instances` in the oldest moto that is supported, and were renamed later."""
    models = [vars(model) for models in model_data.values() for model in models.values()]
    return sum(len(model["instances_tracked" if "instances_tracked" in model else "instances"]) for model in models)


def partitions() -> int:
    return len(dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables["things"].items)


def test_nothing_is_kept_of_rows_that_are_gone(table: Any) -> None:
    before = tracked()
    with nothing_kept():
        for number in range(3):
            assert come_and_go(table, f"p{number}") == [None, 2, 2, [f"p{number}"], 5, None]
            assert (tracked(), partitions()) == (before, 0)


def test_moto_itself_keeps_all_of_them_and_does_so_again_afterwards(table: Any) -> None:
    """If this fails one day, `nothing_kept` can go."""
    own = vars(BaseModel)["__new__"]
    with nothing_kept():
        come_and_go(table, "p")
    assert vars(BaseModel)["__new__"] is own
    before = tracked()
    assert come_and_go(table, "p") == [None, 2, 2, ["p"], 5, None]
    assert tracked() > before
    assert partitions() == len(key_names(table)) - 1


def test_a_partition_with_rows_stays(table: Any) -> None:
    rows = [{"place": "here", "id": name} for name in "ab"]
    with nothing_kept():
        for row in rows:
            table.put_item(Item=row)
        table.delete_item(Key={name: rows[0][name] for name in key_names(table)})
        left = table.scan()["Items"]
    assert left == rows[1:] if len(key_names(table)) == 2 else left == []
    assert partitions() == len(left)
