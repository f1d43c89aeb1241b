"""A call that finds nothing, because it goes to another region than its resource is in, is explained once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from pytest_sessionplugin.aws import environment
from tests.aws.opened import opened
from tests.aws.rooms import SPECS, client
from tests.strangers import Stranger

HERE, THERE = "us-east-1", "eu-west-1"
TEXT = {"S": "a"}
TOPIC = f"arn:aws:sns:{HERE}:123456789012:news"
URL = f"https://sqs.{THERE}.amazonaws.com/123456789012/jobs"
ASK = "AWS_DEFAULT_REGION in [tool.sessionplugin.env] is the region of the app and its tables."


@pytest.fixture(scope="module")
def told() -> Iterator[list[str]]:
    """Hints about a world whose resources are all in one region."""
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    told: list[str] = []
    with environment.applied(environment.neutral(HERE)), opened(Emulator(SPECS), tell=told.append):
        for name in ("scanned", "described", "batched", "written", "stated"):
            client().create_table(**{**SPECS["Empty"], "TableName": name})
        client("sqs").create_queue(QueueName="jobs")
        client("sns").create_topic(Name="news")
        client("ssm").put_parameter(Name="/chat/limit", Value="1", Type="String")
        client("secretsmanager").create_secret(Name="chat/key", SecretString="x")
        client("kinesis").create_stream(StreamName="clicks", ShardCount=1)
        yield told


def there(service: str) -> Any:
    return client(service, region_name=THERE)


CALLS: dict[str, tuple[str, Callable[[], object]]] = {
    "scan": ("scanned", lambda: there("dynamodb").scan(TableName="scanned")),
    "describe": ("described", lambda: there("dynamodb").describe_table(TableName="described")),
    "batch": ("batched", lambda: there("dynamodb").batch_get_item(RequestItems={"batched": {"Keys": [{"id": TEXT}]}})),
    "transaction": (
        "written",
        lambda: there("dynamodb").transact_write_items(
            TransactItems=[{"Put": {"TableName": "written", "Item": {"id": TEXT}}}]
        ),
    ),
    "statement": ("stated", lambda: there("dynamodb").execute_statement(Statement='SELECT * FROM "stated"')),
    "queue": ("jobs", lambda: there("sqs").get_queue_url(QueueName="jobs")),
    "message": ("jobs", lambda: there("sqs").send_message(QueueUrl=URL, MessageBody="x")),
    "topic": ("news", lambda: there("sns").publish(TopicArn=TOPIC, Message="x")),
    "parameter": ("/chat/limit", lambda: there("ssm").get_parameter(Name="/chat/limit")),
    "secret": ("chat/key", lambda: there("secretsmanager").get_secret_value(SecretId="chat/key")),
    "stream": ("clicks", lambda: there("kinesis").describe_stream(StreamName="clicks")),
}


@pytest.mark.emulator
@pytest.mark.parametrize("case", CALLS)
def test_a_resource_of_another_region_is_named_once(told: list[str], case: str) -> None:
    from botocore.exceptions import ClientError

    name, call = CALLS[case]
    for _ in range(2):
        with pytest.raises(ClientError):
            call()
    assert told.count(f"{name} is in {HERE}; this call went to {THERE}. {ASK}") == 1


@pytest.mark.emulator
def test_an_arn_of_another_account_is_named_once(told: list[str]) -> None:
    from botocore.exceptions import ClientError

    for _ in range(2):
        with pytest.raises(ClientError):
            client("sns").publish(TopicArn=f"arn:aws:sns:{HERE}:111122223333:news", Message="x")
    (hint,) = [each for each in told if "111122223333" in each]
    assert hint.startswith(
        "news is in the account 123456789012, as all that is emulated; this call named 111122223333."
    )


@pytest.mark.emulator
@pytest.mark.parametrize(
    "call",
    [
        lambda: there("dynamodb").describe_table(TableName="nowhere"),
        lambda: there("sqs").get_queue_url(QueueName="nowhere"),
        lambda: client("dynamodb").get_item(TableName="rooms", Key={"other": TEXT}),
        lambda: client("s3").head_bucket(Bucket="jobs"),
        lambda: there("dynamodb").create_table(**SPECS["Empty"]),
    ],
)
def test_a_look_for_what_is_nowhere_or_another_failure_is_not_explained(
    told: list[str], call: Callable[[], object]
) -> None:
    from botocore.exceptions import ClientError

    before = list(told)
    with suppress(ClientError):
        call()
    assert told == before


@pytest.mark.emulator
def test_what_is_nowhere_is_told_with_what_is_there(told: list[str]) -> None:
    from botocore.exceptions import ClientError

    queue = f"https://sqs.{HERE}.amazonaws.com/123456789012/nowhere"
    calls: list[Callable[[], object]] = [
        lambda: client("dynamodb").get_item(TableName="romms", Key={"name": TEXT}),
        lambda: client("sqs").send_message(QueueUrl=queue, MessageBody="x"),
        lambda: client("ssm").get_parameter(Name="/nowhere"),
    ]
    for call in calls:
        with pytest.raises(ClientError):
            call()
    assert [line.split(";")[0].split("?")[0] for line in told[-3:]] == [
        "there is no table romms",
        "there is no queue nowhere",
        "there is no parameter /nowhere",
    ]


def test_it_is_a_line_under_the_failing_test(stranger: Stranger) -> None:
    app = """
        import boto3
        from chalice import Chalice

        app = Chalice("chat")
        rooms = boto3.resource("dynamodb", region_name="eu-west-1").Table("rooms-us-east-1")

        @app.route("/")
        def index():
            return {"count": rooms.scan()["Count"]}
    """
    body = """
        def test_it(chalice_gateway, dynamodb_tables):
            assert chalice_gateway.http().get("/").json() == {"count": 0}
    """
    name = stranger.root / "app.py"
    name.write_text("\n".join(line[8:] for line in app.splitlines()))
    result = stranger.test(test_it=body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [f"*aws    rooms-us-east-1 is in us-east-1; this call went to eu-west-1. {ASK.replace('[', '[[]')}"]
    )
