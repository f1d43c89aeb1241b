"""An app whose template and decorators name queues, topics and buckets finds them, and a team's own fixtures win."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.strangers import Stranger, write_project

APP = """
import os

import boto3
from chalice import Chalice

app = Chalice("shop")
mails = boto3.resource("sqs").get_queue_by_name(QueueName="mails")  # the template has it
got = []


@app.route("/order", methods=["POST"])
def order():
    mails.send_message(MessageBody="by mail")
    boto3.client("sqs").send_message(QueueUrl=os.environ["ORDERS"], MessageBody="an order")
    boto3.client("sns").publish(TopicArn=os.environ["NEWS"], Message="news")
    boto3.client("s3").put_object(Bucket=os.environ["FILES"], Key="a", Body=b"a")
    boto3.client("s3").put_object(Bucket="uploads", Key="a", Body=b"a")
    return {}


@app.route("/secret")
def secret():
    return boto3.client("secretsmanager").get_secret_value(SecretId="key")["SecretString"]


@app.on_sqs_message(queue="orders")
def on_order(event):
    got.extend(each.body for each in event)


@app.on_sns_message(topic="news")
def on_news(event):
    got.append(event.message)


@app.on_s3_event(bucket="uploads")
def on_upload(event):
    pass


@app.on_kinesis_record(stream="clicks")
def on_click(event):
    pass
"""

MORE = """

@app.route("/more")
def more():
    return {"url": boto3.client("sqs").get_queue_url(QueueName="more.fifo")["QueueUrl"]}


@app.on_sqs_message(queue="more.fifo")
def on_more(event):
    pass
"""

TEMPLATE = {
    "Resources": {
        "Mails": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "mails", "VisibilityTimeout": 60}},
        "Files": {"Type": "AWS::S3::Bucket"},
        "Key": {"Type": "AWS::SecretsManager::Secret"},
        "Role": {"Type": "AWS::IAM::Role"},
    }
}

ENV = """
[tool.pytest.ini_options]
filterwarnings = ["error"]

[tool.sessionplugin]
seed = "seed.py"

[tool.sessionplugin.env]
SEEDED = "{queue:seeded}"
ORDERS = "{queue:orders}"
NEWS = "{topic:news}"
FILES = "{bucket:Files}"
"""


SEED = """
import boto3


def seed():
    boto3.client("sqs").create_queue(QueueName="seeded")
"""


def write_shop(root: Path) -> None:
    write_project(root, APP, ENV)
    (root / "seed.py").write_text(SEED)
    (root / ".chalice" / "resources.json").write_text(json.dumps(TEMPLATE))


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_what_is_named_is_there_and_a_team_s_own_wins(stranger: Stranger, target: str) -> None:
    write_shop(stranger.root)
    body = """
        import os
        import boto3
        import pytest

        @pytest.fixture
        def orders(aws_calls):
            return boto3.client("sqs").create_queue(QueueName="orders", Attributes={"VisibilityTimeout": "7"})

        @pytest.fixture
        def uploads(aws_calls):
            return boto3.client("s3").create_bucket(Bucket="uploads", ObjectLockEnabledForBucket=True)

        def timeout(name):
            sqs = boto3.client("sqs")
            url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
            got = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
            return got["Attributes"]["VisibilityTimeout"]

        @pytest.mark.parametrize("time", [1, 2])
        def test_nothing_is_to_be_made(chalice_gateway, chalice_app, aws_calls, time):
            assert (timeout("mails"), timeout("orders")) == ("60", "30")
            del chalice_gateway.trace[:]
            with aws_calls.exactly({"sqs:CreateQueue": 0, "sqs:SendMessage": 2, "s3:PutObject": 2, "sns:Publish": 1}):
                assert chalice_gateway.http().post("/order").status_code == 200
            assert {event.function for event in chalice_gateway.deliver_events()} == {"on_order", "on_news"}
            assert boto3.client("kinesis").list_streams()["StreamNames"] == ["clicks"]
            names = [bucket["Name"] for bucket in boto3.client("s3").list_buckets()["Buckets"]]
            assert sorted(names) == sorted([os.environ["FILES"], "uploads"])

        def test_without_a_gateway(chalice_app):
            assert timeout("orders") == "30"

        def test_without_an_app(dynamodb_tables):
            assert timeout("mails") == "60"

        def test_an_earlier_fixture(orders, uploads, chalice_gateway):
            assert (timeout("mails"), timeout("orders")) == ("60", "7")
            assert chalice_gateway.http().post("/order").status_code == 200

        def test_a_later_fixture(chalice_gateway, orders, uploads):
            assert timeout("orders") == "7"
            assert chalice_gateway.http().post("/order").status_code == 200
            assert [event.error for event in chalice_gateway.deliver_events()] == [None, None]

        def test_a_missing_secret(chalice_gateway):
            assert chalice_gateway.http().get("/secret").status_code == 200
    """
    result = stranger.test(f"--sessionplugin-target={target}", test_shop=body)
    result.assert_outcomes(passed=6, failed=1)
    told = "The template has Key (AWS::SecretsManager::Secret), which the plugin does not make: create it in*"
    result.stdout.fnmatch_lines([f"*{told}"])


@pytest.mark.process
def test_a_served_app_has_them_too(tmp_path: Path) -> None:
    from tests.serving.test_reload import Serving

    pytest.importorskip("websockets")
    write_shop(tmp_path)
    serving = Serving(tmp_path)
    try:
        assert serving.get("/order", method="POST") == (200, {})
        assert serving.get("/secret")[0] == 500
        serving.said("The template has Key (AWS::SecretsManager::Secret), which the plugin does not make")
        serving.write(app=APP + MORE)
        assert serving.get("/more")[1]["url"].endswith("/123456789012/more.fifo")
    finally:
        serving.close()


def test_they_are_in_the_region_and_the_partition_of_the_app(stranger: Stranger) -> None:
    write_shop(stranger.root)
    (stranger.root / "pyproject.toml").write_text(f'{ENV}AWS_DEFAULT_REGION = "cn-north-1"\n')
    body = """
        import os
        import boto3

        def test_orders(chalice_gateway):
            assert chalice_gateway.http().post("/order").status_code == 200
            delivered = chalice_gateway.deliver_events()
            assert {event.function for event in delivered} == {"on_order", "on_news"}
            assert os.environ["ORDERS"] == boto3.client("sqs").get_queue_url(QueueName="orders")["QueueUrl"]
            assert os.environ["SEEDED"] == boto3.client("sqs").get_queue_url(QueueName="seeded")["QueueUrl"]
            assert os.environ["NEWS"] == boto3.client("sns").list_topics()["Topics"][0]["TopicArn"]
    """
    stranger.test(test_shop=body).assert_outcomes(passed=1)
