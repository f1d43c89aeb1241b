"""Requests are read as clients write them: whole, in chunks, to a proxy, and in the chunks of S3."""

from __future__ import annotations

import io

import pytest

from pytest_sessionplugin.aws import http_requests
from pytest_sessionplugin.aws.http_requests import BadRequest, HttpRequest, decoded, read_chunks, written


def test_a_request_is_read_as_it_is_written() -> None:
    sent = b"PUT /a%20b?c=d HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello"
    request = written(sent)
    assert (request.method, request.target, request.body) == ("PUT", "/a%20b?c=d", b"hello")
    assert request.headers == {"host": "x", "x-a": "1, 2", "content-length": "5"}
    assert (request.path, request.query) == ("/a%20b", {"c": ["d"]})


def test_a_chunked_body_is_put_together() -> None:
    sent = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
    assert written(sent).body == b"hello"


@pytest.mark.parametrize(("url", "target"), [("http://s3.amazonaws.com/a/b?c", "/a/b?c"), ("http://h", "/")])
def test_the_url_in_a_request_to_a_proxy_becomes_a_path(url: str, target: str) -> None:
    assert written(f"GET {url} HTTP/1.1\r\n\r\n".encode()).target == target


def test_a_stream_of_s3_loses_its_own_chunks() -> None:
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "content-encoding": "aws-chunked,gzip",
        "x-amz-decoded-content-length": "5",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    request = decoded(HttpRequest("PUT", "/", headers, b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32: AA==\r\n\r\n"))
    assert request.body == b"hello"
    assert request.headers == {
        "content-encoding": "gzip",
        "x-amz-checksum-crc32": "AA==",
        "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
    }
    plain = HttpRequest("PUT", "/", {}, b"5\r\nhello\r\n")
    assert decoded(plain) is plain


@pytest.mark.parametrize("body", [b"", b"x\r\n", b"5\r\nhel", b"5\r\nhello", b"3\r\nhello\r\n", b"0\r\na: b"])
def test_a_body_without_its_end_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        read_chunks(io.BytesIO(body))
    assert refused.value.status == 400


def test_a_body_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_requests, "MAX_BODY", 4)
    with pytest.raises(BadRequest, match="a body may have 4 bytes") as refused:
        read_chunks(io.BytesIO(b"5\r\nhello\r\n0\r\n\r\n"))
    assert refused.value.status == 413


def test_parameters_are_in_the_query_or_in_a_form() -> None:
    form = {"content-type": f"{http_requests.FORM}; charset=utf-8"}
    assert HttpRequest("POST", "/?a=1", form, b"Action=Publish").form == {"a": ["1"], "Action": ["Publish"]}
    assert HttpRequest("POST", "/?a=1", {}, b"Action=Publish").form == {"a": ["1"]}
