"""Older tests with their own mock, in a fixture with the name of one of the plugin's."""

import boto3
import pytest
from moto import mock_aws

from chalicelib.watchers import Watchers


@pytest.fixture
def dynamodb_tables():
    with mock_aws():
        yield [
            boto3.resource("dynamodb", region_name="eu-west-1").create_table(
                TableName="ours",
                BillingMode="PAY_PER_REQUEST",
                KeySchema=[{"AttributeName": "connectionId", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "connectionId", "AttributeType": "S"}],
            )
        ]


def test_a_watcher_is_stored_with_its_endpoint(dynamodb_tables):
    [table] = dynamodb_tables
    Watchers(table).add("a-lot", "a-connection", "https://a.example/v1")
    assert Watchers(table).lot_of("a-connection") == "a-lot"
    assert table.scan()["Items"][0]["endpoint"] == "https://a.example/v1"


def test_the_plugin_does_not_use_our_fixture_of_that_name(dynamodb_tables, bidder, lot):
    assert bidder.get(lot).json()["price"] == 100
