"""Functions behind queues, topics and streams, in a stranger's project: run by `deliver_events()`."""

from __future__ import annotations

import copy
import json
import textwrap
from typing import Any

from tests.strangers import TABLE, Stranger

APP = """
import os
import boto3
from chalice import Chalice

app = Chalice("shop")
table = boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"])


def note(**values):
    table.update_item(
        Key={"name": "log"},
        UpdateExpression="SET #w = list_append(if_not_exists(#w, :none), :one)",
        ExpressionAttributeNames={"#w": "what"},
        ExpressionAttributeValues={":none": [], ":one": [values]},
    )


@app.route("/orders/{number}", methods=["POST"])
def order(number):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
    colour = {"colour": {"DataType": "String", "StringValue": "red"}}
    sqs.send_message(QueueUrl=url, MessageBody=number, MessageAttributes=colour)
    return {}


@app.on_sqs_message(queue="orders", batch_size=10)
def ship(event):
    for record in event:
        if record.body == "bad":
            raise ValueError("cannot ship this")
        colour = record.to_dict()["messageAttributes"]["colour"]["stringValue"]
        note(order=record.body, colour=colour)
        boto3.client("sns").publish(
            TopicArn="arn:aws:sns:us-east-1:123456789012:shipped", Subject="shipped", Message=record.body
        )


@app.on_sns_message(topic="shipped")
def tell(event):
    note(told=event.message, subject=event.subject)


@app.on_dynamodb_record(stream_arn="arn:aws:dynamodb:us-east-1:123456789012:table/rooms-us-east-1/stream/any")
def index(event):
    for record in event:
        if record.keys["name"]["S"] != "log":
            note(row=record.keys["name"]["S"], event=record.event_name, table=record.table_name)
"""

BODY = """
    import boto3
    import pytest

    @pytest.fixture(scope="session")
    def dynamodb_seed():
        return {"Rooms": [{"name": "lobby"}]}

    @pytest.fixture
    def shop(chalice_gateway):
        boto3.client("sqs").create_queue(QueueName="orders")
        boto3.client("sns").create_topic(Name="shipped")
        return chalice_gateway

    @pytest.fixture
    def noted(dynamodb_tables):
        return lambda: dynamodb_tables["Rooms"].get_item(Key={"name": "log"}).get("Item", {}).get("what")

    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_a_message_and_what_follows_from_it(shop, noted):
        shop.http().post("/orders/7")
        assert noted() is None
        assert {event.function for event in shop.deliver_events()} == {"ship", "tell", "index"}
        assert noted() == [{"order": "7", "colour": "red"}, {"told": "7", "subject": "shipped"}]
        assert shop.deliver_events() == []

    def test_rows_of_the_seed_and_writes_that_change_nothing_make_no_event(shop, noted, dynamodb_tables):
        dynamodb_tables["Rooms"].put_item(Item={"name": "lobby"})
        dynamodb_tables["Rooms"].put_item(Item={"name": "attic"})
        shop.deliver_events()
        table = "rooms-us-east-1"
        assert noted() == [{"row": "attic", "event": "INSERT", "table": table}]
        dynamodb_tables["Rooms"].delete_item(Key={"name": "lobby"})
        shop.deliver_events()
        assert noted()[1:] == [{"row": "lobby", "event": "REMOVE", "table": table}]

    def test_what_fails_is_told_and_comes_again(shop, aws_calls):
        shop.http().post("/orders/bad")
        for attempt in "12":
            (failed,) = shop.deliver_events()
            assert isinstance(failed.error, ValueError)
            assert failed.event["Records"][0]["attributes"]["ApproximateReceiveCount"] == attempt
        assert aws_calls.count("sqs") == 2 + 1  # of the app and of the fixture: looking for messages is not counted

    def test_nothing_of_another_test_waits(shop):
        assert shop.deliver_events() == []

    def test_without_queue_and_topic_nothing_waits(chalice_gateway):
        assert chalice_gateway.deliver_events() == []
"""


SCHEDULED = """
    import pytest

    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_a_rate_and_a_cron_expression(chalice_gateway, chalice_clock):
        assert chalice_gateway.deliver_events() == []
        nightly, sweep = chalice_gateway.deliver_events(schedules=True)
        assert (nightly.function, sweep.function) == ("nightly", "sweep")
        assert isinstance(sweep.error, ZeroDivisionError)
        assert nightly.event["time"] == chalice_clock.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert nightly.event["resources"] == ["arn:aws:events:us-east-1:123456789012:rule/chat-dev-nightly-event"]
        assert [event.function for event in chalice_gateway.deliver_events(schedules="nightly")] == ["nightly"]
"""


def test_schedules_run_without_waiting_for_them(stranger: Stranger) -> None:
    app = """
        from chalice import Chalice, Cron, Rate
        app = Chalice("chat")

        @app.schedule(Cron(0, 3, "*", "*", "?", "*"))
        def nightly(event):
            assert event.resources[0].endswith("-event")

        @app.schedule(Rate(5, unit=Rate.MINUTES))
        def sweep(event):
            raise ZeroDivisionError
    """
    (stranger.root / "app.py").write_text(textwrap.dedent(app))
    stranger.test(test_it=SCHEDULED).assert_outcomes(passed=2)


def test_queues_topics_and_streams_reach_their_functions(stranger: Stranger) -> None:
    table: Any = copy.deepcopy(TABLE)
    table["Properties"]["StreamSpecification"] = {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / ".chalice" / "resources.json").write_text(json.dumps({"Resources": {"Rooms": table}}))
    deprecated = "ignore:datetime.datetime.utcfromtimestamp:DeprecationWarning"  # by Python 3.12; Chalice calls it
    stranger.test("-W", deprecated, test_it=BODY).assert_outcomes(passed=6)


REDRIVEN = """
from chalice import Chalice

app = Chalice("shop")
app.experimental_feature_flags.add("WEBSOCKETS")


@app.on_sqs_message(queue="orders")
def ship(event):
    raise ValueError("cannot ship this")


@app.on_ws_message()
def message(event):
    import boto3

    app.websocket_api.session = boto3.Session()
    sqs = boto3.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="orders")["QueueUrl"], MessageBody=event.body)
"""

QUEUES = {
    "Rooms": TABLE,
    "Lost": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "lost"}},
    "Orders": {
        "Type": "AWS::SQS::Queue",
        "Properties": {
            "QueueName": "orders",
            "RedrivePolicy": {"deadLetterTargetArn": {"Fn::GetAtt": ["Lost", "Arn"]}, "maxReceiveCount": 2},
        },
    },
}

DEAD_LETTERS = """
    import boto3
    import pytest

    @pytest.fixture
    def lost():
        sqs = boto3.client("sqs")

        def bodies():
            url = sqs.get_queue_url(QueueName="lost")["QueueUrl"]
            return [each["Body"] for each in sqs.receive_message(QueueUrl=url).get("Messages", [])]

        return bodies

    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_a_message_is_tried_twice_and_then_moves(chalice_gateway, lost):
        with chalice_gateway.websocket() as ws:
            ws.send_text("tea")
            ws.receive_nothing()
        for _ in range(2):
            (failed,) = chalice_gateway.deliver_events()
            assert failed.function == "ship" and isinstance(failed.error, ValueError)
            assert lost() == []
        assert chalice_gateway.deliver_events() == []
        assert lost() == ["tea"]
"""


def test_a_message_that_failed_as_often_as_it_may_moves_to_the_dead_letter_queue(stranger: Stranger) -> None:
    (stranger.root / "app.py").write_text(REDRIVEN)
    (stranger.root / ".chalice" / "resources.json").write_text(json.dumps({"Resources": QUEUES}))
    stranger.test(test_it=DEAD_LETTERS).assert_outcomes(passed=2)


def test_a_frame_that_does_not_come_names_the_events_that_wait(stranger: Stranger) -> None:
    body = """
        import boto3

        def test_it(chalice_gateway):
            boto3.client("lambda").invoke(FunctionName="chat-dev-ship", InvocationType="Event", Payload="{}")
            with chalice_gateway.websocket() as ws:
                ws.send_text("tea")
                ws.send_text("salt")
                ws.expect(type="shipped")
    """
    (stranger.root / "app.py").write_text(REDRIVEN)
    (stranger.root / ".chalice" / "resources.json").write_text(json.dumps({"Resources": QUEUES}))
    stranger.test(test_it=body).stdout.fnmatch_lines(
        [
            "E * no frame came, and the gateway is quiet; 2 events wait in the queue orders for ship: deliver_events() "
            "delivers them; ship will be tried again: chalice_clock.advance() does it; on this socket:"
        ]
    )
