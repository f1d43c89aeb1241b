"""Services of moto other than DynamoDB: every test begins with none of their data, and nothing leaves the machine."""

from __future__ import annotations

import os
import sys

import pytest

from pytest_sessionplugin.aws import environment
from pytest_sessionplugin.errors import BlockedCall
from tests.aws.opened import opened
from tests.strangers import Stranger

APP = """
import boto3
from chalice import Chalice

app = Chalice("chat")
s3, sqs, ssm = boto3.client("s3"), boto3.client("sqs"), boto3.client("ssm")


@app.route("/files/{name}", methods=["POST"])
def upload(name):
    greeting = ssm.get_parameter(Name="/chat/greeting")["Parameter"]["Value"]
    s3.put_object(Bucket="uploads", Key=name, Body=greeting.encode())
    queue = sqs.get_queue_url(QueueName="uploaded")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=name)
    return {"greeting": greeting}
"""

BODY = """
    import boto3
    import pytest

    @pytest.fixture
    def storage(aws_calls):
        boto3.client("s3").create_bucket(Bucket="uploads")
        boto3.client("ssm").put_parameter(Name="/chat/greeting", Value="hello", Type="String")
        return boto3.client("sqs").create_queue(QueueName="uploaded")["QueueUrl"]

    def work(gateway, queue, name):
        s3, sqs = boto3.client("s3"), boto3.client("sqs")
        assert "Contents" not in s3.list_objects_v2(Bucket="uploads")
        assert gateway.http().post(f"/files/{name}").json() == {"greeting": "hello"}
        assert [one["Key"] for one in s3.list_objects_v2(Bucket="uploads")["Contents"]] == [name]
        assert s3.get_object(Bucket="uploads", Key=name)["Body"].read() == b"hello"
        assert [one["Body"] for one in sqs.receive_message(QueueUrl=queue)["Messages"]] == [name]

    def test_one(chalice_gateway, storage, aws_calls):
        work(chalice_gateway, storage, "a")
        assert aws_calls.count("s3:PutObject") == aws_calls.count("sqs:SendMessage") == 1

    def test_two(chalice_gateway, storage):
        work(chalice_gateway, storage, "b")

    def test_three(aws_calls):
        assert boto3.client("s3").list_buckets()["Buckets"] == []
        assert "QueueUrls" not in boto3.client("sqs").list_queues()
        assert boto3.client("ssm").describe_parameters()["Parameters"] == []
"""


def test_what_an_app_does_elsewhere_is_not_seen_in_the_next_test(stranger: Stranger) -> None:
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / "pyproject.toml").write_text('[tool.pytest.ini_options]\nfilterwarnings = ["error"]\n')
    orders = {"test_forth": ("one", "two", "three"), "test_back": ("three", "two", "one")}
    tests = [f"{file}.py::test_{name}" for file, names in orders.items() for name in names]
    stranger.test(*tests, **dict.fromkeys(orders, BODY)).assert_outcomes(passed=6)


@pytest.mark.emulator
def test_a_service_that_needs_more_of_moto_names_the_line_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    from pytest_sessionplugin.aws.moto.emulator import Emulator

    for name in [name for name in sys.modules if name.startswith("moto.cognitoidp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    sentence = r"cognito-idp:ListUserPools was blocked: moto needs joserfc for it: pip install 'moto\[cognitoidp\]'\."
    with environment.applied(environment.neutral("us-east-1")), opened(Emulator({})):
        for _ in range(2):
            with pytest.raises(BlockedCall, match=sentence):
                boto3.client("cognito-idp").list_user_pools(MaxResults=1)


def test_a_topic_posts_to_this_machine_only(stranger: Stranger) -> None:
    body = """
        import boto3
        import pytest
        import responses
        from pytest_sessionplugin.errors import BlockedCall

        def publish(endpoint):
            sns = boto3.client("sns")
            topic = sns.create_topic(Name="news")["TopicArn"]
            sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=endpoint)
            sns.publish(TopicArn=topic, Message="hello")

        @pytest.mark.chalice(allow="blocked_calls")
        def test_elsewhere(aws_calls):
            with pytest.raises(BlockedCall, match="sns:Publish was blocked: it posts to https://hooks.invalid/a"):
                publish("https://hooks.invalid/a")

        @pytest.mark.chalice(allow="blocked_calls")
        def test_here(aws_calls):
            with pytest.raises(OSError, match="127.0.0.1"):  # no server listens there
                publish("https://127.0.0.1:1/a")

        def test_mocked(aws_calls):
            with responses.RequestsMock() as mocked:
                mocked.post("https://hooks.invalid/a")
                publish("https://hooks.invalid/a")
    """
    stranger.test(test_it=body).assert_outcomes(passed=3)


def test_whom_a_topic_posts_to_may_call_aws_before_it_answers(stranger: Stranger) -> None:
    app = """
import boto3
from chalice import Chalice

app = Chalice("chat")
sqs = boto3.client("sqs")


@app.route("/news", methods=["POST"], content_types=["text/plain"])
def news():
    queue = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody=app.current_request.raw_body.decode())
    return {}
"""
    body = """
        import json
        import threading
        import boto3

        def test_it(chalice_gateway, aws_calls):
            queue = boto3.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]

            def publish():
                sns = boto3.client("sns")
                topic = sns.create_topic(Name="news")["TopicArn"]
                sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=chalice_gateway.urls.http + "/api/news")
                sns.publish(TopicArn=topic, Message="hello")

            thread = threading.Thread(target=publish, daemon=True)
            thread.start()
            thread.join(10)
            assert not thread.is_alive()
            messages = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
            assert "hello" in [json.loads(message["Body"]).get("Message") for message in messages]
    """
    (stranger.root / "app.py").write_text(app)
    stranger.test("--sessionplugin-target=sockets", test_it=body).assert_outcomes(passed=1)


def test_outside_of_a_test_nothing_is_open(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixture of the session begins before the first test does, and is told what a script would be told."""
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # no credentials: nothing real can be called
    conftest = """
        import boto3
        import pytest

        @pytest.fixture(scope="session")
        def bucket():
            boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="uploads")
    """
    body = """
        import boto3

        def test_early(bucket, dynamodb_tables): pass

        def test_in_time(dynamodb_tables):
            boto3.client("s3").create_bucket(Bucket="uploads")
    """
    result = stranger.test(conftest=conftest, test_it=body)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*NoCredentialsError: Unable to locate credentials"])
