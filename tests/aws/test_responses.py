"""Answers are read by botocore, and awaited as aiobotocore awaits them. The real one: tests/packaging."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Coroutine
from types import FunctionType, SimpleNamespace
from typing import Any

import pytest

from pytest_sessionplugin.aws import responses, wire
from pytest_sessionplugin.aws.dynamodb.values import Refusal
from pytest_sessionplugin.aws.wire import Answer
from tests.aws.opened import Opened

URL = "https://dynamodb/"


def test_botocore_reads_an_answer_as_if_it_came_over_the_network() -> None:
    response = responses.response(URL, Answer(200, {"a": "b"}, b"body"))
    assert (response.status_code, response.content, response.headers["a"]) == (200, b"body", "b")
    assert response.text == "body"


def test_botocore_reads_a_refusal_as_its_typed_error() -> None:
    from botocore.session import Session

    model = Session().get_service_model("dynamodb").operation_model("PutItem")
    item = {"pk": {"S": "a"}}
    refused = wire.refused(Refusal("no", "ConditionalCheckFailedException", Item=item))
    _, parsed = responses.parsed(model, URL, refused)
    assert (parsed["Error"], parsed["Item"]) == ({"Message": "no", "Code": "ConditionalCheckFailedException"}, item)


def test_aiobotocore_awaits_the_content_more_than_once() -> None:
    async def asked() -> list[bytes]:
        response = responses.response(URL, Answer(200, {}, b"body"))
        return [await response.content, await response.content]

    assert asyncio.run(asked()) == [b"body", b"body"]


def test_aiobotocore_finds_the_headers_as_aiohttp_has_them() -> None:
    raw = responses.response(URL, Answer(200, {"Content-Length": 4}, b"body")).raw  # type: ignore[dict-item]
    assert list(raw.raw_headers) == [(b"Content-Length", b"4")]
    assert raw.url == URL


def test_aiobotocore_reads_a_stream_in_pieces() -> None:
    async def asked() -> list[object]:
        raw: Any = responses.response(URL, Answer(200, {}, b"body")).raw
        async with raw as body:
            seen = [await body.content.read(3), body.content.at_eof(), await body.content.read(), body.content.at_eof()]
        return [*seen, raw.closed]

    assert asyncio.run(asked()) == [b"bod", False, b"y", True, True]


def test_aiobotocore_reads_events_in_chunks() -> None:
    async def asked() -> list[tuple[bytes, bool]]:
        raw: Any = responses.response(URL, Answer(200, {}, b"body")).raw
        return [each async for each in raw.content.iter_chunks()]

    assert asyncio.run(asked()) == [(b"body", True)]


class Streamed:
    """A body of aiobotocore, which wraps what it uploads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return self._body


@pytest.mark.emulator
def test_a_body_that_only_a_coroutine_reads_arrives(aws: Opened) -> None:
    import boto3
    from botocore.awsrequest import AWSPreparedRequest, HeadersDict

    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="uploads")
    body: Any = Streamed(b"hello")
    url = "https://uploads.s3.us-east-1.amazonaws.com/a"
    headers: Any = HeadersDict({"content-length": "5"})
    request = AWSPreparedRequest("PUT", url, headers, body, False)
    sending: Any = aws.interceptor.before_send("before-send.s3.PutObject", request)
    assert isinstance(sending, Coroutine)
    assert asyncio.run(_awaited(sending)).status_code == 200
    assert s3.get_object(Bucket="uploads", Key="a")["Body"].read() == b"hello"


def test_any_other_body_needs_no_coroutine() -> None:
    for body in (b"", None, SimpleNamespace(read=lambda: b"")):
        assert not responses.is_streamed(SimpleNamespace(body=body))
    assert responses.is_streamed(SimpleNamespace(body=Streamed(b"")))


async def _awaited(one: Awaitable[Any]) -> Any:
    return await one


# --- work that waits


def emit(handler: Any) -> Any:
    """Calls a handler as aiobotocore does: which of the two SDKs asks is told by its frame."""

    def call(handler: Any) -> Any:
        return handler()

    return FunctionType(call.__code__, {"__name__": "aiobotocore.hooks"})(handler)


def test_a_coroutine_of_aiobotocore_is_told_from_other_code() -> None:
    assert emit(responses.is_awaited)
    assert not responses.is_awaited()


def test_work_in_a_thread_leaves_the_loop_to_others_and_may_be_given_up() -> None:
    go_on, ended = threading.Event(), threading.Event()

    def work() -> str:
        assert go_on.wait(10)
        ended.set()
        return "done"

    async def both() -> str:
        given_up = asyncio.ensure_future(responses.in_thread(work))
        waits = asyncio.ensure_future(responses.in_thread(work))
        await asyncio.sleep(0)
        given_up.cancel()
        go_on.set()
        return await waits

    assert asyncio.run(both()) == "done"
    assert ended.wait(10)


def test_an_error_of_work_in_a_thread_is_raised() -> None:
    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(responses.in_thread(work))
