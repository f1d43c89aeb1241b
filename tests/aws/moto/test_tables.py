"""moto keeps tables, our store keeps their items: what moto does with items sees ours, and the other way round."""

from __future__ import annotations

import copy
import inspect
import json
from typing import Any

import pytest

from pytest_sessionplugin.aws import environment
from tests.aws.opened import Opened
from tests.aws.rooms import client, names

pytestmark = pytest.mark.emulator

PAIRS: dict[str, Any] = {
    "TableName": "pairs",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "place", "AttributeType": "S"},
        {"AttributeName": "id", "AttributeType": "N"},
    ],
    "KeySchema": [
        {"AttributeName": "place", "KeyType": "HASH"},
        {"AttributeName": "id", "KeyType": "RANGE"},
    ],
}


@pytest.fixture
def moto_table(aws: Opened) -> Any:
    """moto's own object of the table `pairs`, with three rows in it."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    client().create_table(**PAIRS)
    for place, number in (("b", "2"), ("a", "10"), ("a", "9")):
        client().put_item(TableName="pairs", Item={"place": {"S": place}, "id": {"N": number}, "n": {"N": "1"}})
    return dynamodb_backends[DEFAULT_ACCOUNT_ID][environment.REGION].tables["pairs"]


def dynamo(kind: str, value: str) -> Any:
    from moto.dynamodb.models.dynamo_type import DynamoType

    return DynamoType({kind: value})


# --- what we know of moto


def test_the_installed_moto_has_what_is_known_of_its_tables(aws: Opened) -> None:
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][environment.REGION].tables["rooms"]
    kinds = {
        **dict.fromkeys(("name", "table_arn", "latest_stream_label"), str),
        **dict.fromkeys(("attr", "schema", "indexes", "global_indexes", "tags"), list),
        **dict.fromkeys(("throughput", "ttl", "stream_specification"), dict),
    }
    assert {name: type(getattr(table, name)) for name in kinds} == kinds
    assert table.deletion_protection_enabled in (None, False)
    assert table.billing_mode == "PAY_PER_REQUEST"
    (index,) = table.global_indexes
    assert (index.name, index.schema, index.projection) == (
        "by-owner",
        [{"AttributeName": "owner", "KeyType": "HASH"}],
        {"ProjectionType": "ALL"},
    )
    shard: Any = table.stream_shard
    assert isinstance(shard.items, list)
    assert isinstance(shard.starting_sequence_number, int)


def test_moto_reads_and_writes_items_of_a_table_in_these_places_only() -> None:
    """A place that is new must be looked at: it sees our items."""
    from moto.dynamodb.models.table import Table

    touching = {
        name
        for name, method in inspect.getmembers(Table, inspect.isfunction)
        if "self.items" in inspect.getsource(method) and not name.startswith("__")
    }
    assert touching == {"__len__", "all_items", "delete_item", "get_item", "has_idx_items", "put_item"} - {"__len__"}


# --- items in moto's shape


def test_moto_sees_our_rows_by_partition_and_sort_key(moto_table: Any) -> None:
    items = moto_table.items
    assert {key.value: sorted(each.value for each in items[key]) for key in items} == {"a": ["10", "9"], "b": ["2"]}
    assert items[dynamo("S", "a")][dynamo("N", "9")].to_json()["Attributes"]["n"] == {"N": "1"}
    assert len(list(moto_table.all_items())) == 3
    with pytest.raises(KeyError):
        items[dynamo("S", "a")][dynamo("N", "8")]


def test_what_moto_writes_and_deletes_is_in_our_store(moto_table: Any) -> None:
    moto_table.put_item({"place": {"S": "c"}, "id": {"N": "1.0"}})  # in the one spelling, as ours
    moto_table.delete_item(dynamo("S", "b"), dynamo("N", "2"))
    found = client().scan(TableName="pairs")["Items"]
    assert sorted((row["place"]["S"], row["id"]["N"]) for row in found) == [("a", "10"), ("a", "9"), ("c", "1")]


def test_a_copy_has_its_own_rows(moto_table: Any) -> None:
    before = copy.deepcopy(moto_table)
    client().delete_item(TableName="pairs", Key={"place": {"S": "b"}, "id": {"N": "2"}})
    assert (len(list(before.all_items())), len(list(moto_table.all_items()))) == (3, 2)


def test_a_table_that_moto_filled_is_taken_over(aws: Opened) -> None:
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    backend = dynamodb_backends[DEFAULT_ACCOUNT_ID][environment.REGION]
    given: dict[str, Any] = {
        "schema": PAIRS["KeySchema"],
        "attr": PAIRS["AttributeDefinitions"],
        "billing_mode": "PAY_PER_REQUEST",
    }
    others: dict[str, Any] = dict.fromkeys(set(inspect.signature(backend.create_table).parameters) - {"name", *given})
    table: Any = backend.create_table("pairs", **given, **others)
    table.put_item({"place": {"S": "a"}, "id": {"N": "1"}})
    assert client().query(
        TableName="pairs", KeyConditionExpression="place = :p", ExpressionAttributeValues={":p": {"S": "a"}}
    )["Items"] == [{"place": {"S": "a"}, "id": {"N": "1"}}]


# --- what moto makes of items


def test_a_backup_that_is_restored_has_the_rows_of_its_moment(aws: Opened) -> None:
    dynamodb = client()
    backup = dynamodb.create_backup(TableName="rooms", BackupName="before")["BackupDetails"]["BackupArn"]
    dynamodb.put_item(TableName="rooms", Item={"name": {"S": "later"}})
    dynamodb.restore_table_from_backup(TargetTableName="again", BackupArn=backup)
    found = dynamodb.scan(TableName="again", ReturnConsumedCapacity="TOTAL")
    assert [row["name"]["S"] for row in found["Items"]] == ["seeded"]
    assert found["ConsumedCapacity"]["TableName"] == "again"
    assert names(aws) == {"seeded", "later"}


def test_a_table_is_restored_to_a_point_in_time(aws: Opened) -> None:
    dynamodb = client()
    dynamodb.restore_table_to_point_in_time(SourceTableName="rooms", TargetTableName="again")
    dynamodb.put_item(TableName="again", Item={"name": {"S": "new"}, "owner": {"S": "alice"}})
    found = dynamodb.query(
        TableName="again",
        IndexName="by-owner",
        KeyConditionExpression="#o = :o",
        ExpressionAttributeNames={"#o": "owner"},
        ExpressionAttributeValues={":o": {"S": "alice"}},
    )["Items"]
    assert sorted(row["name"]["S"] for row in found) == ["new", "seeded"]
    assert names(aws) == {"seeded"}


def test_a_table_counts_its_items(aws: Opened) -> None:
    assert client().describe_table(TableName="rooms")["Table"]["ItemCount"] == 1


# --- tables that moto changes


def test_an_index_that_is_added_finds_the_rows_that_are_there(aws: Opened) -> None:
    dynamodb = client()
    keys = [{"AttributeName": "people", "KeyType": "HASH"}]
    dynamodb.update_table(
        TableName="rooms",
        AttributeDefinitions=[{"AttributeName": "people", "AttributeType": "N"}],
        GlobalSecondaryIndexUpdates=[
            {"Create": {"IndexName": "by-people", "KeySchema": keys, "Projection": {"ProjectionType": "KEYS_ONLY"}}}
        ],
    )
    found = dynamodb.query(
        TableName="rooms",
        IndexName="by-people",
        KeyConditionExpression="people = :n",
        ExpressionAttributeValues={":n": {"N": "1.0"}},
    )["Items"]
    assert found == [{"name": {"S": "seeded"}, "people": {"N": "1"}}]
    assert {each["AttributeName"] for each in definitions(dynamodb)} == {"name", "owner", "people"}


def test_an_index_that_is_deleted_takes_its_definitions_with_it(aws: Opened) -> None:
    dynamodb = client()
    dynamodb.update_table(TableName="rooms", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-owner"}}])
    assert definitions(dynamodb) == [{"AttributeName": "name", "AttributeType": "S"}]
    with pytest.raises(dynamodb.exceptions.ClientError, match="does not have the specified index: by-owner"):
        dynamodb.scan(TableName="rooms", IndexName="by-owner")


def definitions(dynamodb: Any) -> Any:
    return dynamodb.describe_table(TableName="rooms")["Table"]["AttributeDefinitions"]


def test_a_key_is_tagged_once(aws: Opened) -> None:
    dynamodb = client()
    arn = dynamodb.describe_table(TableName="rooms")["Table"]["TableArn"]
    for value in "12":
        dynamodb.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": value}])
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "2"}]


# --- streams


def test_a_stream_gives_binaries_as_they_are_and_one_insert_for_an_upsert(aws: Opened) -> None:
    dynamodb, streams = client(), client("dynamodbstreams")
    arn = dynamodb.describe_table(TableName="rooms")["Table"]["LatestStreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    at = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST")
    for _ in range(2):  # the second one changes nothing
        dynamodb.update_item(
            TableName="rooms",
            Key={"name": {"S": "a"}},
            UpdateExpression="SET b = :b",
            ExpressionAttributeValues={":b": {"B": b"\x00"}},
        )
    found = streams.get_records(ShardIterator=at["ShardIterator"])["Records"]
    assert [(each["eventName"], each["dynamodb"]["NewImage"]["b"]) for each in found] == [("INSERT", {"B": b"\x00"})]
    with pytest.raises(streams.exceptions.ClientError, match="Invalid ShardIterator"):
        streams.get_records(ShardIterator="x")


def test_a_stream_that_is_disabled_takes_no_record_and_can_be_enabled_again(aws: Opened) -> None:
    dynamodb, sources = client(), aws.emulator.sources(environment.REGION)
    dynamodb.update_table(TableName="rooms", StreamSpecification={"StreamEnabled": False})
    put = {"Put": {"TableName": "rooms", "Item": {"name": {"S": "a"}}}}
    dynamodb.transact_write_items(TransactItems=[put])
    assert names(aws) == {"seeded", "a"}
    assert sources.changes("rooms") == []
    view = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    dynamodb.update_table(TableName="rooms", StreamSpecification=view)
    dynamodb.put_item(TableName="rooms", Item={"name": {"S": "b"}})
    (record,) = sources.changes("rooms")
    assert record["dynamodb"]["Keys"] == {"name": {"S": "b"}}


def test_a_copy_of_a_table_shares_the_records_of_its_stream(aws: Opened) -> None:
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    client().put_item(TableName="rooms", Item={"name": {"S": "a"}})
    table = dynamodb_backends[DEFAULT_ACCOUNT_ID][environment.REGION].tables["rooms"]
    shards: list[Any] = [each.stream_shard for each in (table, copy.deepcopy(table))]
    assert [id(each) for each in shards[0].items] == [id(each) for each in shards[1].items]


# --- names


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:dynamodb:eu-west-1:123456789012:table/rooms",
        "arn:aws:dynamodb:us-east-1:999999999999:table/rooms",
        "arn:aws:dynamodb:us-east-1:123456789012:table/rooms/index/by-owner",
        "arn:x/rooms",
    ],
)
def test_the_arn_of_another_table_is_none_of_ours(aws: Opened, arn: str) -> None:
    dynamodb = client()
    with pytest.raises(dynamodb.exceptions.ResourceNotFoundException):
        dynamodb.put_item(TableName=arn, Item={"name": {"S": "a"}})


def test_a_table_may_be_named_by_its_arn_but_an_item_not_twice(aws: Opened) -> None:
    dynamodb, arn = client(), f"arn:aws:dynamodb:{environment.REGION}:123456789012:table/rooms"
    dynamodb.put_item(TableName=arn, Item={"name": {"S": "a"}})
    write = [{"PutRequest": {"Item": {"name": {"S": "b"}}}}]
    with pytest.raises(dynamodb.exceptions.ClientError, match="contains duplicates"):
        dynamodb.batch_write_item(RequestItems={"rooms": write, arn: write})
    assert names(aws) == {"seeded", "a"}


# --- openings


@pytest.mark.parametrize("opening", [1, 2])
def test_rows_of_each_opening_are_behind_the_lock_of_the_emulator(aws: Opened, opening: int) -> None:
    """moto's exports read them in a thread of its own."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    items: Any = dynamodb_backends[DEFAULT_ACCOUNT_ID][environment.REGION].tables["rooms"].items
    assert items._lock is aws.emulator._dynamodb.lock


def test_a_partition_is_found_without_looking_at_others(moto_table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """moto's DescribeTable counts the rows of each partition."""
    from pytest_sessionplugin.aws.dynamodb.store import Rows

    def looked_at(_: Rows) -> None:
        raise AssertionError("all rows were read")

    items = moto_table.items
    monkeypatch.setattr(Rows, "__iter__", looked_at)
    assert len(items[dynamo("S", "a")]) == 2


# --- requests that no SDK sends


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_half_a_pair_of_surrogates_is_refused(aws: Opened, text: str) -> None:
    dynamodb = client()
    with pytest.raises(dynamodb.exceptions.ClientError, match="SerializationException"):
        dynamodb.put_item(TableName="rooms", Item={"name": {"S": "a"}, "text": {"S": text}})
    assert names(aws) == {"seeded"}


def test_a_request_of_another_shape_is_refused_as_dynamodb_does(aws: Opened) -> None:
    from pytest_sessionplugin.aws import wire

    sent: dict[str, Any] = {}

    def broken(request: Any, **_: Any) -> None:
        request.data = json.dumps({"TableName": 7, "Key": {}}).encode()
        sent["request"] = request

    dynamodb = client()
    dynamodb.meta.events.register("request-created.dynamodb.GetItem", broken)
    with pytest.raises(dynamodb.exceptions.ClientError, match="SerializationException"):
        dynamodb.get_item(TableName="rooms", Key={"name": {"S": "a"}})
    assert wire.target(sent["request"]) == "GetItem"
