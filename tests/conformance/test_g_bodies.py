"""Section G: bodies on the REST API: binary, compressed and refused ones."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from tests.conformance.client import Client

BYTES = b"\xde\xad\xbe\xef"


@pytest.mark.parametrize(
    ("content_type", "is_binary"),
    [
        ("application/octet-stream", True),
        ("application/x-conformance", True),
        ("text/plain", False),
        ("application/json", False),
    ],
)
def test_g26_a_body_of_a_binary_type_is_base64(whole: Client, content_type: str, is_binary: bool) -> None:
    """The body is base64 if its Content-Type is one of Chalice's or the app's binary types; else it is text."""
    path = "/bytes" if is_binary else "/echo"
    event = whole.http("POST", path, {"Content-Type": content_type}, b'"text"').event
    assert event["isBase64Encoded"] is is_binary
    assert event["body"] == (base64.b64encode(b'"text"').decode() if is_binary else '"text"')


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        ("application/octet-stream", BYTES),
        ("application/octet-stream, text/html", BYTES),
        ("image/png", BYTES),
        ("text/html, application/octet-stream", base64.b64encode(BYTES)),
    ],
)
def test_g27_bytes_are_decoded_for_the_first_accept(whole: Client, accept: str, body: bytes) -> None:
    """A base64 answer is decoded only if the first entry of Accept is a binary type, whatever its own type."""
    answer = whole.http("GET", "/bytes/octet-stream", {"Accept": accept})
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("headers", [{}, {"Accept": "text/html"}])
def test_g28_bytes_for_who_accepts_none_are_400(whole: Client, headers: dict[str, str]) -> None:
    """A binary answer is 400, by Chalice, if Accept names no binary type."""
    answer = whole.http("GET", "/bytes/octet-stream", headers)
    assert answer.status == 400
    assert answer.json()["Code"] == "BadRequest"


def test_g29_a_compressed_request_is_decompressed(whole: Client) -> None:
    """A gzip body is decompressed before the function gets it; an unknown or false coding is 415."""
    plain = json.dumps({"text": "grüße"}, ensure_ascii=False).encode()
    compressed = gzip.compress(plain)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    event = whole.http("POST", "/echo", headers, compressed).event
    assert event["body"] == plain.decode()
    assert whole.http("POST", "/echo", headers, plain).status == 415
    assert whole.http("POST", "/echo", {**headers, "Content-Encoding": "br"}, compressed).status == 415


@pytest.mark.parametrize(
    ("path", "accept", "coding"),
    [
        ("/text/600", "gzip", "gzip"),
        ("/text/500", "gzip", "gzip"),
        ("/text/600", None, None),
        ("/text/400", "gzip", None),
        ("/encoded/600", "gzip", "identity"),
    ],
)
def test_g30_a_large_answer_is_compressed(
    listening: Client, whole: Client, path: str, accept: str | None, coding: str | None
) -> None:
    """An answer is compressed if it has the API's minimum size, is not encoded, and the client asks for it."""
    headers = {} if accept is None else {"Accept-Encoding": accept}
    answer = listening.http("GET", path, headers)
    plain = b"x" * int(path.rpartition("/")[2])
    assert answer.header("Content-Encoding") == coding
    assert (gzip.decompress(answer.body) if coding == "gzip" else answer.body) == plain
    assert whole.http("GET", "/echo", headers).header("Content-Encoding") is None  # without a minimum size


def test_g35_another_content_type_is_415(whole: Client) -> None:
    """A Content-Type that a route does not accept: 415, by Chalice; without one it counts as application/json."""
    answer = whole.http("POST", "/json", {"Content-Type": "text/plain"}, "{}")
    assert answer.status == 415
    assert answer.json()["Code"] == "UnsupportedMediaType"
    assert whole.http("POST", "/json", body="{}").status == 200
