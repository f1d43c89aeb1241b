"""Patches of moto: memory that is given back, queries of one partition, and no trace when the block ends."""

from __future__ import annotations

from typing import Any

import pytest

REGION = "us-east-1"

pytestmark = pytest.mark.emulator


def partitions() -> Any:
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    return dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables["things"].items


# --- mocks and sessions


def test_a_mock_in_the_block_is_an_inner_one_and_motos_handler_rests() -> None:
    from moto.core.models import MockAWS, botocore_stubber

    from pytest_sessionplugin.aws.moto.patches import mock_started

    def state() -> tuple[int, bool, bool]:
        return MockAWS._nested_count, MockAWS._mocks_active, botocore_stubber.enabled

    before = nested, _, _ = state()
    with mock_started():
        assert state() == (nested + 1, True, False)
    assert state() == before


def test_a_default_session_is_put_aside_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    from pytest_sessionplugin.aws.moto.patches import DefaultSession

    theirs, ours = object(), DefaultSession()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", theirs)
    with ours.in_place():
        assert boto3.DEFAULT_SESSION is None
        boto3.setup_default_session(region_name=REGION)
        made = boto3.DEFAULT_SESSION
    assert boto3.DEFAULT_SESSION is theirs
    with ours.in_place():
        assert boto3.DEFAULT_SESSION is made


# --- memory


def come_and_go(table: Any, place: str) -> list[Any]:
    """Writes, reads and deletes a row; gives the answers."""
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
    """Number of models in moto's lists: `instances` in the oldest moto that is supported, renamed later."""
    from moto.core.model_instances import model_data

    models = [vars(model) for models in model_data.values() for model in models.values()]
    return sum(len(model["instances_tracked" if "instances_tracked" in model else "instances"]) for model in models)


def test_nothing_is_kept_of_rows_that_are_gone(moto_table: Any) -> None:
    from pytest_sessionplugin.aws.moto.patches import nothing_kept

    before = tracked()
    with nothing_kept():
        for number in range(3):
            assert come_and_go(moto_table, f"p{number}") == [None, 2, 2, [f"p{number}"], 5, None]
            assert (tracked(), len(partitions())) == (before, 0)


def test_moto_itself_keeps_all_of_them_and_does_so_again_afterwards(moto_table: Any) -> None:
    """If this fails one day, `nothing_kept` can go."""
    from moto.core.common_models import BaseModel

    from pytest_sessionplugin.aws.moto.patches import nothing_kept

    own = vars(BaseModel)["__new__"]
    with nothing_kept():
        come_and_go(moto_table, "p")
    assert vars(BaseModel)["__new__"] is own
    before = tracked()
    assert come_and_go(moto_table, "p") == [None, 2, 2, ["p"], 5, None]
    assert tracked() > before
    assert len(partitions()) == len(key_names(moto_table)) - 1


def test_a_partition_with_rows_stays(moto_table: Any) -> None:
    from pytest_sessionplugin.aws.moto.patches import nothing_kept

    rows = [{"place": "here", "id": name} for name in "ab"]
    with nothing_kept():
        for row in rows:
            moto_table.put_item(Item=row)
        moto_table.delete_item(Key={name: rows[0][name] for name in key_names(moto_table)})
        left = moto_table.scan()["Items"]
    assert left == rows[1:] if len(key_names(moto_table)) == 2 else left == []
    assert len(partitions()) == len(left)


# --- queries


@pytest.fixture
def filled(moto_table: Any) -> Any:
    for place in ("here", "there"):
        for key in "bac":
            moto_table.put_item(Item={"place": place, "id": key})
    return moto_table


def asked(table: Any, place: str) -> Any:
    found = table.query(KeyConditionExpression="place = :p", ExpressionAttributeValues={":p": place}, Limit=2)
    return [found["Items"], found["Count"], found["ScannedCount"], found.get("LastEvaluatedKey")]


@pytest.mark.parametrize("place", ["here", "nowhere"])
def test_the_answer_of_a_query_is_motos(filled: Any, place: str) -> None:
    from pytest_sessionplugin.aws.moto.patches import queries_by_partition

    before = asked(filled, place)
    with queries_by_partition():
        assert asked(filled, place) == before


class Untouched(dict[Any, Any]):
    def values(self) -> Any:
        raise AssertionError("another partition was looked at")


def test_a_query_looks_at_no_other_partition(filled: Any) -> None:
    from moto.dynamodb.models.dynamo_type import DynamoType

    from pytest_sessionplugin.aws.moto.patches import queries_by_partition

    partitions()[DynamoType({"S": "far away"})] = Untouched()
    with queries_by_partition():
        assert asked(filled, "here")[1] > 0
