"""HTTP requests to AWS: as they are written on a connection, in chunks, and in the chunks of S3's own.

Source: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" in the API
reference of S3.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http.client import parse_headers
from io import BufferedIOBase, BytesIO
from urllib.parse import parse_qs

MAX_BODY = 64 * 1024 * 1024
"""Bytes; DynamoDB takes 16 MB, and an upload to S3 may be larger."""

FORM = "application/x-www-form-urlencoded"
LINE = 8192  # bytes of the line before a chunk, or of a trailer

_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\s*(;.*)?")
_OF_CHUNKS = frozenset({"content-encoding", "x-amz-decoded-content-length", "x-amz-trailer"})


class BadRequest(Exception):
    """A request that is not read to its end, for which its connection is closed."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.code = status, code


@dataclass(frozen=True)
class HttpRequest:
    """A request as it came: `target` is its path, from a slash on, with the query; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @functools.cached_property
    def query(self) -> Mapping[str, Sequence[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    @functools.cached_property
    def form(self) -> Mapping[str, Sequence[str]]:
        """Parameters of the query protocols, of the body or the URL."""
        if self.headers.get("content-type", "").startswith(FORM):
            return {**self.query, **parse_qs(self.body.decode(errors="replace"), keep_blank_values=True)}
        return self.query


def written(data: bytes) -> HttpRequest:
    """The request that an HTTP client has written. Raises BadRequest."""
    stream = BytesIO(data)
    method, target, _ = stream.readline().decode("latin-1").split(" ", 2)
    message = parse_headers(stream)
    headers = {name.lower(): ", ".join(message.get_all(name, ())) for name in message}
    if target.startswith("http"):  # to a proxy
        target = "/" + target.partition("://")[2].partition("/")[2]
    body = read_chunks(stream)[0] if headers.get("transfer-encoding", "").lower() == "chunked" else stream.read()
    return decoded(HttpRequest(method, target, headers, body))


def decoded(request: HttpRequest) -> HttpRequest:
    """The request without the chunks in which S3's clients sign a stream; trailers become headers.

    Raises BadRequest.
    """
    if not request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        return request
    body, trailers = read_chunks(BytesIO(request.body))
    codings = [each.strip() for each in request.headers.get("content-encoding", "").split(",")]
    coding = ",".join(each for each in codings if each not in ("", "aws-chunked"))
    headers = {name: value for name, value in request.headers.items() if name not in _OF_CHUNKS}
    headers = {**headers, **trailers, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    return replace(request, headers={**headers, "content-encoding": coding} if coding else headers, body=body)


def read_chunks(stream: BufferedIOBase) -> tuple[bytes, dict[str, str]]:
    """A chunked body up to its end, and its trailers. Raises BadRequest."""
    body = bytearray()
    while length := _size(stream):
        if len(body) + length > MAX_BODY:
            raise too_large()
        chunk = stream.read(length)
        if len(chunk) < length or _line(stream):
            raise incomplete()
        body += chunk
    trailers = {}
    while line := _line(stream):
        name, _, value = line.decode("latin-1").partition(":")
        trailers[name.strip().lower()] = value.strip()
    return bytes(body), trailers


def _size(stream: BufferedIOBase) -> int:
    size = _SIZE.fullmatch(_line(stream))
    if size is None:
        raise BadRequest(400, "BadRequest", "the chunked body is malformed.")
    return int(size[1], 16)


def _line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(LINE)
    if not line.endswith(b"\n"):
        raise incomplete()
    return line.rstrip(b"\r\n")


def incomplete() -> BadRequest:
    return BadRequest(400, "IncompleteBody", "the body ended before its length.")


def too_large() -> BadRequest:
    return BadRequest(413, "RequestEntityTooLargeException", f"a body may have {MAX_BODY} bytes.")
