"""Answers in the form of each protocol of AWS, and requests read back from botocore."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pytest_sessionplugin.aws import wire
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


def test_botocore_reads_an_answer_as_if_it_came_over_the_network() -> None:
    response = wire.response("https://dynamodb/", Answer(200, {"a": "b"}, b"body"))
    assert (response.status_code, response.content, response.headers["a"]) == (200, b"body", "b")
