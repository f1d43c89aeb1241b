"""Calls of an app are judged by its policies: their functions, the parameters of real clients, the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from pytest_sessionplugin.aws.calls import Calls
from tests.aws.opened import opened
from tests.strangers import APP, Stranger

APP_WITH_A_POOL = (
    APP
    + """

import threading
from concurrent.futures import ThreadPoolExecutor

pool = ThreadPoolExecutor(2)


@app.route("/pooled")
def pooled():
    pool.submit(table.scan).result()
    thread = threading.Thread(target=table.scan)
    thread.start()
    thread.join()
    return {}
"""
)

ROOMS = "arn:aws:dynamodb:*:*:table/rooms-*"
POLICIES: dict[str, Any] = {
    "read": [{"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Scan"], "Resource": ROOMS}],
    "post": [
        {
            "Effect": "Allow",
            "Action": "execute-api:ManageConnections",
            "Resource": "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${ApiId}/api/POST/@connections/*",
        }
    ],
}


@pytest.fixture
def stranger(stranger: Stranger) -> Stranger:
    (stranger.root / "app.py").write_text(APP_WITH_A_POOL)
    for name, statements in POLICIES.items():
        policy = {"Version": "2012-10-17", "Statement": statements}
        (stranger.root / ".chalice" / f"policy-{name}.json").write_text(json.dumps(policy))
    return stranger


@pytest.mark.parametrize("target", ["inprocess", "sockets"])
def test_each_call_belongs_to_the_function_that_made_it_and_to_its_policy(stranger: Stranger, target: str) -> None:
    body = """
        from datetime import datetime
        import boto3
        import pytest
        from pytest_sessionplugin.lambdas.schedules import scheduled_event

        READ, POST = ".chalice/policy-read.json", ".chalice/policy-post.json"

        def functions(calls):
            return [call.function for call in calls]

        def test_a_route(chalice_gateway, aws_calls):
            chalice_gateway.http().get("/rooms/a")
            assert functions(aws_calls) == ["api_handler"]
            assert not aws_calls.denied_by(READ)
            assert not aws_calls.denied_by(POST, function="websocket_message")
            chalice_gateway.http().post("/rooms/a")
            (denial,) = aws_calls.denied_by(READ)
            assert denial.action == "dynamodb:UpdateItem"
            assert denial.resource.endswith(":table/rooms-us-east-1")
            assert len(aws_calls.denied_by(POST)) == 2

        def test_a_socket(chalice_gateway, aws_calls):
            with chalice_gateway.websocket() as socket:
                socket.send_text("hi")
                assert socket.receive_text() == "echo hi"
            assert functions(aws_calls) == ["websocket_message"]
            assert not aws_calls.denied_by(POST, "websocket_message")
            assert not aws_calls.denied_by(POST, variables={"ApiId": "a1b2c3d4e5"})
            (denial,) = aws_calls.denied_by(READ)
            assert denial.resource.endswith("/api/POST/@connections/" + socket.connection_id)

        def test_a_schedule_and_the_test_itself(chalice_gateway, aws_calls):
            chalice_gateway.invoke("sweep", scheduled_event("sweep", "us-east-1", datetime(2026, 1, 1)))
            boto3.client("dynamodb").list_tables()
            assert functions(aws_calls) == [None]
            assert not aws_calls.denied_by(READ, "sweep")
            assert [denial.function for denial in aws_calls.denied_by(READ)] == [None]

        def test_threads_of_a_function(chalice_gateway, aws_calls):
            chalice_gateway.http().get("/pooled")
            assert functions(aws_calls) == ["api_handler", "api_handler"]

        def test_without_a_gateway_there_are_no_functions(aws_calls):
            with pytest.raises(RuntimeError, match="Ask for the fixture chalice_gateway") as raised:
                try:
                    aws_calls.denied_by(READ, "api_handler")
                except Exception as error:
                    raise RuntimeError(str(error))

        def test_a_policy_that_is_not_there(aws_calls):
            aws_calls.denied_by("missing.json")
    """
    result = stranger.test(f"--sessionplugin-target={target}", test_it=body)
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*PolicyError: */missing.json: there is no such file; name one from the project's*"])


def test_a_failure_shows_what_is_denied(stranger: Stranger) -> None:
    body = """
        def test_it(chalice_gateway, aws_calls):
            for path in "/rooms/a", "/pooled":
                chalice_gateway.http().post(path)
                chalice_gateway.http().get(path)
            assert not aws_calls.denied_by(".chalice/policy-post.json")
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(failed=1)
    table = "arn:aws:dynamodb:us-east-1:123456789012:table/rooms-us-east-1: no statement allows it"
    result.stdout.fnmatch_lines(
        [
            "E *assert not [[]api_handler: dynamodb:UpdateItem on arn:aws:dynamodb:us-east-1:123456789012:table/*",
            "*- denied by the IAM policy -*",
            f"api_handler: dynamodb:UpdateItem on {table}",
            f"api_handler: dynamodb:GetItem on {table}",
            f"api_handler: dynamodb:Scan on {table}",
        ]
    )


# --- parameters of real clients


@pytest.fixture(scope="module")
def calls() -> Iterator[Calls]:
    from pytest_sessionplugin.aws import environment
    from pytest_sessionplugin.aws.moto.emulator import Emulator

    calls = Calls()
    with environment.applied(environment.neutral("us-east-1")), opened(Emulator({}), calls):
        yield calls


@pytest.mark.emulator
@pytest.mark.parametrize(
    ("service", "method", "arguments", "expected"),
    [
        (
            "dynamodb",
            "transact_write_items",
            {"TransactItems": [{"Put": {"TableName": "abc", "Item": {"k": {"S": "v"}}}}]},
            "dynamodb:PutItem arn:aws:dynamodb:us-east-1:123456789012:table/abc",
        ),
        (
            "dynamodb",
            "execute_statement",
            {"Statement": 'SELECT * FROM "a"'},
            "dynamodb:PartiQLSelect arn:aws:dynamodb:us-east-1:123456789012:table/a",
        ),
        ("s3", "head_object", {"Bucket": "b", "Key": "k"}, "s3:GetObject arn:aws:s3:::b/k"),
        ("s3", "list_objects_v2", {"Bucket": "b"}, "s3:ListBucket arn:aws:s3:::b"),
        (
            "lambda",
            "invoke",
            {"FunctionName": "f"},
            "lambda:InvokeFunction arn:aws:lambda:us-east-1:123456789012:function:f",
        ),
        (
            "sqs",
            "send_message_batch",
            {
                "QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/q",
                "Entries": [{"Id": "1", "MessageBody": "m"}],
            },
            "sqs:SendMessage arn:aws:sqs:us-east-1:123456789012:q",
        ),
        ("sns", "publish", {"TopicArn": "arn:aws:sns:x:1:t", "Message": "m"}, "sns:Publish arn:aws:sns:x:1:t"),
        (
            "secretsmanager",
            "get_secret_value",
            {"SecretId": "s"},
            "secretsmanager:GetSecretValue arn:aws:secretsmanager:us-east-1:123456789012:secret:s-??????",
        ),
        (
            "events",
            "put_events",
            {"Entries": [{"Source": "s", "DetailType": "d", "Detail": "{}"}]},
            "events:PutEvents arn:aws:events:us-east-1:123456789012:event-bus/default",
        ),
        (
            "kinesis",
            "put_record",
            {"StreamName": "s", "Data": b"", "PartitionKey": "k"},
            "kinesis:PutRecord arn:aws:kinesis:us-east-1:123456789012:stream/s",
        ),
        (
            "firehose",
            "put_record",
            {"DeliveryStreamName": "s", "Record": {"Data": b""}},
            "firehose:PutRecord arn:aws:firehose:us-east-1:123456789012:deliverystream/s",
        ),
        (
            "stepfunctions",
            "start_execution",
            {"stateMachineArn": "arn:aws:states:x:1:stateMachine:m"},
            "states:StartExecution arn:aws:states:x:1:stateMachine:m",
        ),
        ("kms", "decrypt", {"CiphertextBlob": b"1", "KeyId": "alias/a"}, "kms:Decrypt None"),
        ("cloudwatch", "list_metrics", {}, "cloudwatch:ListMetrics None"),
    ],
)
def test_what_a_real_client_is_given_is_read_by_the_names_of_the_api(
    calls: Calls, service: str, method: str, arguments: dict[str, Any], expected: str
) -> None:
    import boto3

    with suppress(Exception):  # the resource does not exist, or nothing emulates the call
        getattr(boto3.client(service), method)(**arguments)  # type: ignore[call-overload]
    (need,) = list(calls)[-1].needs
    assert f"{need.action} {need.resource}" == expected


@pytest.mark.emulator
def test_a_table_of_a_resource_is_told_too_and_what_changes_afterwards_is_not(calls: Calls) -> None:
    import boto3

    items: list[Any] = [{"Put": {"TableName": "first", "Item": {"k": {"S": "v"}}}}]
    with suppress(Exception):
        boto3.client("dynamodb").transact_write_items(TransactItems=items)
    items.clear()
    with suppress(Exception):
        boto3.resource("dynamodb").Table("second").put_item(Item={"k": 1})
    resources = [call.needs[0].resource for call in list(calls)[-2:]]
    assert resources == [f"arn:aws:dynamodb:us-east-1:123456789012:table/{name}" for name in ("first", "second")]
