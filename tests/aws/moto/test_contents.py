"""Records of streams and queues: binaries, rows that time removes, tables made twice, messages that fail."""

from __future__ import annotations

import copy
import json
from typing import Any

from tests.strangers import TABLE, Stranger

APP = """
import boto3
from chalice import Chalice

app = Chalice("chat")
got = []


def stream(table):
    return f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}/stream/any"


@app.on_dynamodb_record(stream_arn=stream("rooms-us-east-1"))
def rooms(event):
    got.extend(record.to_dict() for record in event)


@app.on_dynamodb_record(stream_arn=stream("own"))
def own(event):
    got.extend(record.to_dict() for record in event)


@app.on_sqs_message(queue="jobs.fifo", batch_size=1)
def jobs(event):
    (record,) = event
    got.append(record.body)
    if record.body == "bad":
        raise ValueError("not this one")


@app.on_sqs_message(queue="orders")
def orders(event):
    got.extend(record.body for record in event)
"""

BODY = """
    import json

    import boto3
    import pytest

    @pytest.fixture
    def got(chalice_gateway):
        import app
        app.got.clear()
        return app.got

    def test_binaries_are_text_in_base64_as_in_every_event(chalice_gateway, got, dynamodb_tables):
        item = {"name": "a", "one": b"\\x00\\xff", "set": {b"\\x01"}, "deep": {"list": [b"\\x02", 1]}}
        dynamodb_tables["Rooms"].put_item(Item=item)
        assert [event.error for event in chalice_gateway.deliver_events()] == [None]
        assert got[0]["dynamodb"]["NewImage"] == {
            "name": {"S": "a"},
            "one": {"B": "AP8="},
            "set": {"BS": ["AQ=="]},
            "deep": {"M": {"list": {"L": [{"B": "Ag=="}, {"N": "1"}]}}},
        }

    def test_a_set_that_is_written_in_another_order_is_the_same(chalice_gateway, got, dynamodb_tables):
        client = boto3.client("dynamodb")
        for tags in ["x", "y"], ["y", "x"]:
            item = {"name": {"S": "a"}, "deep": {"L": [{"M": {"tags": {"SS": tags}}}]}}
            client.put_item(TableName="rooms-us-east-1", Item=item)
        chalice_gateway.deliver_events()
        assert [record["eventName"] for record in got] == ["INSERT"]

    def test_a_row_that_time_removed_says_so(chalice_clock, chalice_gateway, got, dynamodb_tables):
        for name in "ab":
            dynamodb_tables["Rooms"].put_item(Item={"name": name, "purgeAt": int(chalice_clock.now.timestamp())})
        dynamodb_tables["Rooms"].delete_item(Key={"name": "a"})
        chalice_clock.advance(days=3)
        chalice_gateway.deliver_events()
        by = {"principalId": "dynamodb.amazonaws.com", "type": "Service"}
        removed = [(record["dynamodb"]["Keys"]["name"]["S"], record.get("userIdentity")) for record in got[2:]]
        assert removed == [("a", None), ("b", by)]

    def test_a_table_of_the_app_s_own_that_is_made_twice(chalice_gateway, got):
        client = boto3.client("dynamodb")
        for number in "12":
            client.create_table(
                TableName="own",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
                StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
            )
            client.put_item(TableName="own", Item={"id": {"S": number}})
            chalice_gateway.deliver_events()
            client.delete_table(TableName="own")
        assert [record["dynamodb"]["Keys"]["id"]["S"] for record in got] == ["1", "2"]

    def test_a_message_that_fails_comes_again_though_time_stands_still(chalice_clock, chalice_gateway, got):
        sqs = boto3.client("sqs")
        attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        url = sqs.create_queue(QueueName="jobs.fifo", Attributes=attributes)["QueueUrl"]
        for group, body in ("g", "bad"), ("g", "behind it"), ("h", "beside it"):
            sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
        for _ in range(2):
            chalice_gateway.deliver_events()
        assert got == ["bad", "beside it", "bad"]

    def test_a_message_with_a_delay_waits_for_its_time(chalice_clock, chalice_gateway, got):
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName="orders")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="late", DelaySeconds=60)
        chalice_clock.advance(seconds=59)
        assert chalice_gateway.deliver_events() == []
        chalice_clock.advance(seconds=1)
        assert len(chalice_gateway.deliver_events()) == 1
        assert got == ["late"]

    def test_a_topic_fans_out_to_a_queue(chalice_gateway, got):
        queue = boto3.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
        sns = boto3.client("sns")
        topic = sns.create_topic(Name="shipped")["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:orders")
        sns.publish(TopicArn=topic, Message="7")
        chalice_gateway.deliver_events()
        assert [json.loads(body)["Message"] for body in got] == ["7"]
"""


def test_records_are_as_lambda_gives_them(stranger: Stranger) -> None:
    table: Any = copy.deepcopy(TABLE)
    table["Properties"]["StreamSpecification"] = {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / ".chalice" / "resources.json").write_text(json.dumps({"Resources": {"Rooms": table}}))
    stranger.test(test_it=BODY).assert_outcomes(passed=7)
