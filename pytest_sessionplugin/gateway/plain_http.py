"""HTTP/1.1 at its plainest: a request that came in one piece and leaves nothing open, and the answer to it.

Everything else is for h11, which knows every case. This takes nothing that h11 refuses, and reads nothing otherwise;
`tests/properties` holds it to that.
"""

from __future__ import annotations

import functools
import http
import re
from dataclasses import dataclass

from .replies import WITHOUT_BODY
from .values import Headers, Reply

LONGEST = 65_536  # bytes of a whole request

_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_HEAD = re.compile(rb"(%b) (/[!-~]*) HTTP/1\.1\r\n((?:%b:[\t -~]*\r\n)+)\r\n" % (_TOKEN, _TOKEN))
_HOST = re.compile(r"[\w.~!$&'()*+,;=%:\[\]-]*", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)

_FRAMING = frozenset({"connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"})
"""What says where a request ends, and what becomes of its line."""


@dataclass(frozen=True)
class PlainRequest:
    """`target` is a path, with or without a query, raw. The line stays open."""

    method: str
    target: str
    headers: Headers
    body: bytes


def read(data: bytes) -> PlainRequest | None:
    """The one request that these bytes are; None if they are less, or more, or are to be looked at more closely."""
    if len(data) > LONGEST or (head := _HEAD.match(data)) is None or head[1] == b"CONNECT":
        return None
    fields = (line.partition(":") for line in head[3].decode("ascii").split("\r\n")[:-1])
    headers = tuple((name, value.strip(" \t")) for name, _, value in fields)
    framing = [(name.lower(), value) for name, value in headers if name.lower() in _FRAMING]
    told = dict(framing)
    host, length = told.pop("host", None), told.pop("content-length", "0")
    stays_open = told.pop("connection", "keep-alive").lower() == "keep-alive"
    if told or host is None or not stays_open or len({name for name, _ in framing}) < len(framing):
        return None
    body = data[head.end() :]
    if _HOST.fullmatch(host) is None or _LENGTH.fullmatch(length) is None or int(length) != len(body):
        return None
    return PlainRequest(head[1].decode("ascii"), head[2].decode("ascii"), headers, body)


def answer(reply: Reply, date: bytes, *, last: bool) -> bytes:
    """All of the answer; after the `last` one the line is closed."""
    lines = [b"HTTP/1.1 %d %b" % (reply.status, phrase(reply.status))]
    lines += [b"%b: %b" % pair for pair in encoded(reply.headers)]
    lines.append(b"Date: %b" % date)
    if reply.status not in WITHOUT_BODY:
        lines.append(b"Content-Length: %d" % len(reply.body))
    if last:
        lines.append(b"Connection: close")
    lines += [b"", reply.body]
    return b"\r\n".join(lines)


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Latin-1 as HTTP has it; what that cannot say goes out as UTF-8."""
    return [(name.encode(), _bytes(value.strip())) for name, value in headers]


def _bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode(errors="replace")


@functools.cache
def phrase(status: int) -> bytes:
    try:
        return http.HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
