"""Answers in the form of each protocol of AWS, and requests read back from botocore."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sessionplugin.aws import environment, wire
from pytest_sessionplugin.aws.dynamodb import batches
from pytest_sessionplugin.aws.dynamodb.capacity import Consumed, Outcome
from pytest_sessionplugin.aws.dynamodb.store import Definition, Index, Store
from pytest_sessionplugin.aws.dynamodb.values import Refusal
from pytest_sessionplugin.aws.wire import Answer
from pytest_sessionplugin.gateway.values import Manage


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        ("json", b'{"__type": "Oops", "message": "a < b"}'),
        ("rest-json", b'{"message": "a < b"}'),
        ("query", b"<ErrorResponse><Error><Code>Oops</Code><Message>a &lt; b</Message></Error></ErrorResponse>"),
        ("rest-xml", b"<Error><Code>Oops</Code><Message>a &lt; b</Message></Error>"),
        (
            "ec2",
            b"<Response><Errors><Error><Code>Oops</Code><Message>a &lt; b</Message></Error></Errors></Response>",
        ),
    ],
)
def test_an_error_is_written_as_its_protocol_has_it_and_its_name_is_read_back(protocol: str, body: bytes) -> None:
    answer = wire.refusal(protocol, "Oops", 418, "a < b")
    assert (answer.status, answer.body) == (418, body)
    assert wire.outcome(answer) == "418 Oops"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(204, {}, b""), "204"),
        (Answer(400, {}, b'{"__type": "com.amazonaws.dynamodb#ValidationException"}'), "400 ValidationException"),
        (Answer(403, {"x-amzn-ErrorType": "Forbidden:http://internal/"}, b""), "403 Forbidden"),
        (Answer(500, {}, b"<html><p>"), "500"),
        (Answer(502, {}, b"null"), "502"),
    ],
)
def test_an_outcome_is_the_status_with_the_error_if_there_is_one(answer: Answer, outcome: str) -> None:
    assert wire.outcome(answer) == outcome


def test_a_post_names_its_connection_and_carries_what_is_sent() -> None:
    url = "https://abc.execute-api.us-east-1.amazonaws.com/api/@connections/VNR%3D"
    host = "abc.execute-api.us-east-1.amazonaws.com"
    for body in (b"hi", "hi", io.BytesIO(b"hi")):
        manage = wire.management("POST", url, body)
        assert manage == Manage("POST", host, "/api/@connections/VNR%3D", b"hi")
        assert wire.connection(manage) == "VNR="
    assert wire.management("GET", url, None).body == b""


def test_a_stream_stands_afterwards_where_it_stood() -> None:
    stream = io.BytesIO(b"head and body")
    stream.seek(9)
    assert (wire.sent(stream), stream.tell()) == (b"body", 9)


def test_a_place_is_host_and_port() -> None:
    assert wire.place("http://127.0.0.1:8000/a?b") == "127.0.0.1:8000"


def test_a_request_of_dynamodb_can_ask_for_something_else() -> None:
    from botocore.awsrequest import AWSPreparedRequest, HeadersDict

    headers: Any = HeadersDict({"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Length": "13"})
    request = AWSPreparedRequest("POST", "https://dynamodb/", headers, b'{"Key": "a"}', False)
    assert wire.members(request) == {"Key": "a"}
    other = wire.asking(request, {"Key": "longer"})
    assert json.loads(other.body) == {"Key": "longer"}  # type: ignore[arg-type]
    assert other.headers["Content-Length"] == str(len(other.body))  # type: ignore[arg-type]
    assert other.headers["X-Amz-Target"] == "DynamoDB_20120810.GetItem"
    assert request.headers["Content-Length"] == "13"


# --- DynamoDB


def test_an_answer_gives_back_the_item_beside_others_and_an_error_gives_back_nothing() -> None:
    headers = {"x-amz-crc32": "1", "Content-Length": "2", "x-amzn-RequestId": "id"}
    answer = wire.giving_back(Answer(200, headers, b'{"UnprocessedItems": {"b": [3]}}'), "UnprocessedItems", {"a": [1]})
    assert (answer.headers, json.loads(answer.body)) == (
        {"x-amzn-RequestId": "id"},
        {"UnprocessedItems": {"a": [1], "b": [3]}},
    )
    error = Answer(400, headers, b"{}")
    assert wire.giving_back(error, "UnprocessedItems", {"a": [1]}) is error


def test_a_refusal_has_its_name_its_message_and_its_other_members() -> None:
    answer = wire.refused(batches.conflicting(2))
    body = json.loads(answer.body)
    assert (answer.status, wire.outcome(answer)) == (400, "400 TransactionCanceledException")
    assert body["message"] == body["Message"]
    assert body["Message"].endswith("[TransactionConflict, None]")
    assert [reason["Code"] for reason in body["CancellationReasons"]] == ["TransactionConflict", "None"]


def test_an_outcome_is_json_with_the_units_that_it_has_consumed() -> None:
    consumed = Consumed()
    consumed.read(Store(Definition("Rooms", {"pk": "S"}, Index("", ("pk",), ()), {})), 5000)
    answer = wire.outcome_of(Outcome({"Count": 1}, consumed))
    assert (answer.status, json.loads(answer.body)) == (200, {"Count": 1})
    assert (answer.read_units, answer.write_units) == (2, 0)


@pytest.mark.parametrize(
    ("host", "header", "operation"),
    [
        ("dynamodb.eu-west-1.amazonaws.com", "DynamoDB_20120810.GetItem", "GetItem"),
        ("dynamodb.cn-north-1.amazonaws.com.cn", b"DynamoDB_20120810.Query", "Query"),
        ("streams.dynamodb.eu-west-1.amazonaws.com", "DynamoDBStreams_20120810.GetRecords", "GetRecords"),
        ("sqs.eu-west-1.amazonaws.com", "AmazonSQS.SendMessage", None),
        ("s3.eu-west-1.amazonaws.com", None, None),
        ("127.0.0.1:8000", "DynamoDB_20120810.GetItem", None),
    ],
)
def test_the_target_of_a_request_is_an_operation_of_dynamodb(
    host: str, header: str | bytes | None, operation: str | None
) -> None:
    headers = {} if header is None else {"X-Amz-Target": header}
    assert wire.target(SimpleNamespace(url=f"https://{host}/", headers=headers)) == operation


SIGNED = "AWS4-HMAC-SHA256 Credential=KEY/20261129/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"


@pytest.mark.parametrize("header", [SIGNED, SIGNED.encode()])
def test_the_scope_of_a_request_is_in_its_signature(header: str | bytes) -> None:
    found = wire.scope(SimpleNamespace(headers={"Authorization": header}))
    assert found == wire.Scope("KEY", "eu-west-1", "dynamodb")


def test_an_unsigned_request_is_of_the_usual_key_and_region() -> None:
    found = wire.scope(SimpleNamespace(headers={}, url="https://dynamodb.eu-west-1.amazonaws.com/"))
    assert (found.access_key, found.region) == (environment.ACCESS_KEY, environment.REGION)


def test_a_presigned_url_has_its_scope_in_the_query() -> None:
    url = "https://dynamodb.eu-west-1.amazonaws.com/?X-Amz-Credential=key%2F20270101%2Feu-west-1%2Fdynamodb%2Faws4_request"
    assert wire.scope(SimpleNamespace(headers={}, url=url)) == wire.Scope("key", "eu-west-1", "dynamodb")


def test_every_answer_of_dynamodb_has_an_id_of_its_own() -> None:
    answers = [wire.outcome_of(Outcome({})), wire.outcome_of(Outcome({})), wire.refused(Refusal("no"))]
    identities = [answer.headers["x-amzn-RequestId"] for answer in answers]
    assert len(set(identities)) == 3
    assert all(len(each) == 52 for each in identities)
