"""Records of a stream: one for a change, none for a write that changes nothing.

Every record comes from a write of the data plane, as its `Change`.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb import streams
from pytest_sessionplugin.aws.dynamodb.store import Row
from pytest_sessionplugin.aws.dynamodb.values import Item, item_size
from tests.aws.dynamodb.memory import Memory, answered, filled, item, one_key

OLD = item(pk="a", text="before", tags={"x", "y"})
KEY = item(pk="a")
SET = {"Key": KEY, "UpdateExpression": "SET #t = :t", "ExpressionAttributeNames": {"#t": "text"}}


def records(tables: Memory, view: str = "NEW_AND_OLD_IMAGES", *, by_ttl: bool = False) -> list[dict[str, Any]]:
    found = [
        streams.record(
            change, view=view, region="eu-west-1", event_id=f"event{number}", number=number, at=1.75, by_ttl=by_ttl
        )
        for number, change in enumerate(tables.changes)
    ]
    return [record for record in found if record is not None]


def names(tables: Memory) -> list[str]:
    return [record["eventName"] for record in records(tables)]


def put(value: Item) -> dict[str, Any]:
    return {"TransactItems": [{"Put": {"TableName": "Rooms", "Item": value}}]}


# --- one record for a change


@pytest.mark.parametrize(
    ("operation", "members", "expected"),
    [
        ("PutItem", {"Item": item(pk="b")}, ["INSERT"]),
        ("PutItem", {"Item": KEY}, ["MODIFY"]),
        ("PutItem", {"Item": OLD}, []),
        ("PutItem", {"Item": {**OLD, "tags": {"SS": ["y", "x"]}}}, []),
        ("UpdateItem", {**SET, "ExpressionAttributeValues": item(**{":t": "after"})}, ["MODIFY"]),
        ("UpdateItem", {**SET, "ExpressionAttributeValues": item(**{":t": "before"})}, []),
        ("UpdateItem", {**SET, "Key": item(pk="b"), "ExpressionAttributeValues": item(**{":t": "a"})}, ["INSERT"]),
        ("UpdateItem", {"Key": item(pk="b")}, ["INSERT"]),
        ("UpdateItem", {"Key": KEY}, []),
        ("UpdateItem", {"Key": KEY, "UpdateExpression": "REMOVE nothing"}, []),
        ("DeleteItem", {"Key": KEY}, ["REMOVE"]),
        ("DeleteItem", {"Key": item(pk="b")}, []),
    ],
    ids=[
        "a new item is an INSERT",
        "a replaced item is a MODIFY",
        "the same item again is nothing",
        "a set in another order changes nothing",
        "an update is a MODIFY",
        "an update to the same value is nothing",
        "an upsert is one INSERT",
        "an upsert of a key alone is one INSERT",
        "an update of nothing is nothing",
        "the removal of an absent attribute is nothing",
        "a deleted item is a REMOVE",
        "the deletion of nothing is nothing",
    ],
)
def test_a_write_is_one_record_or_none(operation: str, members: dict[str, Any], expected: list[str]) -> None:
    tables = filled(one_key(), [OLD])
    assert "refused" not in answered(tables, operation, TableName="Rooms", **members)
    assert names(tables) == expected


def test_a_transaction_and_a_batch_have_one_record_for_each_item() -> None:
    tables = filled(one_key(), [OLD])
    update = {**SET, "TableName": "Rooms", "Key": item(pk="b"), "ExpressionAttributeValues": item(**{":t": "a"})}
    entries = [{"Update": update}, *put(OLD)["TransactItems"], *put(item(pk="c"))["TransactItems"]]
    answered(tables, "TransactWriteItems", TransactItems=entries)
    writes = [{"PutRequest": {"Item": item(pk="d")}}, {"DeleteRequest": {"Key": KEY}}]
    answered(tables, "BatchWriteItem", RequestItems={"Rooms": writes})
    assert names(tables) == ["INSERT", "INSERT", "INSERT", "REMOVE"]


@pytest.mark.parametrize(
    "members",
    [
        {"Item": KEY, "ConditionExpression": "attribute_not_exists(pk)"},
        {"Item": {"pk": {"N": "1"}}},
        {"Item": item(pk="c", text="x" * 410_000)},
    ],
    ids=["a failed condition", "a wrong key", "too large an item"],
)
def test_a_refused_write_has_no_record(members: dict[str, Any]) -> None:
    tables = filled(one_key(), [OLD])
    assert "refused" in answered(tables, "PutItem", TableName="Rooms", **members)
    assert tables.changes == []


# --- views


@pytest.mark.parametrize(
    ("view", "images"),
    [
        ("KEYS_ONLY", set()),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
    ],
)
@pytest.mark.parametrize(
    ("old", "new", "there"),
    [(None, OLD, {"NewImage"}), (OLD, KEY, {"NewImage", "OldImage"}), (OLD, None, {"OldImage"})],
    ids=["INSERT", "MODIFY", "REMOVE"],
)
def test_a_view_shows_its_images_where_they_are(
    view: str, images: set[str], old: Item | None, new: Item | None, there: set[str]
) -> None:
    tables = filled(one_key(), [old] if old else [])
    write = ("PutItem", {"Item": new}) if new else ("DeleteItem", {"Key": KEY})
    answered(tables, write[0], TableName="Rooms", **write[1])
    (record,) = records(tables, view)
    shown = {name: record["dynamodb"][name] for name in ("NewImage", "OldImage") if name in record["dynamodb"]}
    assert shown == {name: {"NewImage": new, "OldImage": old}[name] for name in images & there}
    assert record["dynamodb"]["SizeBytes"] == item_size(KEY) + sum(
        item_size(image) for image in shown.values() if image
    )
    assert (record["dynamodb"]["Keys"], record["dynamodb"]["StreamViewType"]) == (KEY, view)


# --- members


def test_a_record_has_the_members_of_get_records() -> None:
    tables = filled(one_key(), [])
    answered(tables, "PutItem", TableName="Rooms", Item=KEY)
    assert records(tables) == [
        {
            "eventID": "event0",
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": "eu-west-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1,
                "Keys": KEY,
                "NewImage": KEY,
                "SequenceNumber": "0",
                "SizeBytes": 6,
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        }
    ]


def test_a_removal_by_time_has_dynamodb_for_its_author() -> None:
    tables = filled(one_key(), [OLD])
    answered(tables, "DeleteItem", TableName="Rooms", Key=KEY)
    (by_user,), (by_ttl,) = records(tables), records(tables, by_ttl=True)
    assert by_ttl.pop("userIdentity") == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    assert by_ttl == by_user


def test_a_recorded_image_stays_as_it_was() -> None:
    tables = filled(one_key(), [])
    answered(tables, "PutItem", TableName="Rooms", Item=OLD)
    (record,) = records(tables)
    answered(tables, "UpdateItem", TableName="Rooms", **SET, ExpressionAttributeValues=item(**{":t": "after"}))
    assert record["dynamodb"]["NewImage"]["text"] == {"S": "before"}
    assert isinstance(tables.changes[0].new, Row)
