"""moto as an AWS of our own: every opening starts fresh, and no concurrent write is lost."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.aws.resources import Resources
from pytest_sessionplugin.errors import BlockedCall, TemplateError
from tests.aws.opened import Opened, opened
from tests.aws.rooms import SPECS, client, enter, people

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.moto.emulator import Emulator

pytestmark = pytest.mark.emulator


def test_tables_are_as_the_template_says(aws: Opened) -> None:
    table = aws.tables["Rooms"]
    assert [index["IndexName"] for index in table.global_secondary_indexes or ()] == ["by-owner"]
    assert table.stream_specification == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    ttl = client().describe_time_to_live(TableName="rooms")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "purgeAt"}


@pytest.mark.parametrize("time", [1, 2])
def test_every_opening_starts_with_the_seed_and_nothing_else(aws: Opened, time: int) -> None:
    assert people(aws, "seeded") == 1
    enter(client(), "seeded")
    client().delete_table(TableName="empty")
    client("ssm").put_parameter(Name="left", Value="behind", Type="String", Overwrite=False)
    assert client("s3").list_buckets()["Buckets"] == []
    client("s3").create_bucket(Bucket="left")
    client("s3").put_object(Bucket="left", Key="behind", Body=b"an open file in moto")
    assert people(aws, "seeded") == 2


def test_it_can_be_emptied_and_filled_again(aws: Opened, emulated: Emulator) -> None:
    client("s3").create_bucket(Bucket="left")
    client("s3").put_object(Bucket="left", Key="behind", Body=b"an open file in moto")
    enter(client(), "seeded")
    emulated.empty()
    assert client().list_tables()["TableNames"] == []
    assert client("s3").list_buckets()["Buckets"] == []
    emulated.create(SPECS, Resources(), environment.REGION)
    assert client().scan(TableName="rooms")["Items"] == []
    enter(client(), "new")
    assert people(aws, "new") == 1


def test_a_table_that_is_none_is_an_error_that_names_those_there_are(aws: Opened) -> None:
    with pytest.raises(KeyError, match=r"there is no table Romos; did you mean Rooms\? There are: Rooms, Empty"):
        aws.tables["Romos"]


@pytest.mark.parametrize(
    ("specs", "seed", "sentence"),
    [
        ({"Bad": {**SPECS["Empty"], "AttributeDefinitions": []}}, {}, "the table Bad cannot be created: .*Validation"),
        ({}, {"Romos": []}, "dynamodb_seed: there is no table Romos"),
    ],
)
def test_tables_that_cannot_be_are_a_sentence(specs: Any, seed: Any, sentence: str) -> None:
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    opening = opened(Emulator(specs, seed))
    with environment.applied(environment.neutral("us-east-1")), pytest.raises(TemplateError, match=sentence), opening:
        pass


def test_tables_cannot_be_used_after_their_test(emulated: Emulator) -> None:

    with environment.applied(environment.neutral("us-east-1")), opened(emulated) as aws:
        table = aws.tables["Rooms"]
    with pytest.raises(BlockedCall, match="dynamodb_tables was used outside of its test"):
        table.get_item(Key={"name": "a"})


def test_a_first_set_up_within_a_mock_of_theirs_takes_nothing_of_it() -> None:
    from moto import mock_aws

    from pytest_sessionplugin.aws.moto.emulator import Emulator

    def buckets() -> list[str]:
        return [str(bucket["Name"]) for bucket in client("s3").list_buckets()["Buckets"]]

    emulated = Emulator({})
    with environment.applied(environment.neutral("us-east-1")), mock_aws():
        client("s3").create_bucket(Bucket="theirs")
        with opened(emulated):
            assert buckets() == []
        assert buckets() == ["theirs"]
    with environment.applied(environment.neutral("us-east-1")), opened(emulated):
        assert buckets() == []


def eight_times(work: Callable[[], None]) -> None:
    """In eight threads that are switched every 10 µs."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(interval)


def test_updates_from_eight_threads_are_all_kept(aws: Opened) -> None:
    dynamodb = client()

    def work() -> None:
        for _ in range(30):
            enter(dynamodb)

    eight_times(work)
    assert people(aws) == 240


def test_of_eight_threads_that_put_on_a_condition_one_wins_in_each_of_sixty_rounds(aws: Opened) -> None:
    dynamodb, winners = client(), []
    refused = dynamodb.exceptions.ConditionalCheckFailedException

    def work() -> None:
        for number in range(60):
            with contextlib.suppress(refused):
                dynamodb.put_item(
                    TableName="rooms",
                    Item={"name": {"S": f"round {number}"}},
                    ConditionExpression="attribute_not_exists(#name)",
                    ExpressionAttributeNames={"#name": "name"},
                )
                winners.append(number)

    eight_times(work)
    assert sorted(winners) == list(range(60))
