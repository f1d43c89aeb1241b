"""Content codings: decompresses requests for functions, and compresses answers for clients that accept it.

Sources: "Payload compression for REST APIs" in the developer guide, with its pages on compressed requests and
responses. A decompressed request keeps its Content-Encoding, by reports (dougmoscrop/serverless-http#194).
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import replace

from pytest_sessionplugin.gateway.core.gateway_responses import failure
from pytest_sessionplugin.gateway.values import Api, Headers, Reply, Request, header

_WINDOW = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}  # zlib's `wbits`

UNSUPPORTED = failure(415, "Unsupported Media Type", "UnsupportedMediaTypeException")


class NotEncoded(ValueError):
    """A body is not in its declared coding."""


class TooLong(ValueError):
    """A decompressed body exceeds its limit."""


def plain(request: Request, longest: int) -> Request | Reply:
    """The request with its body decompressed and its headers unchanged, or a reply with 413 or 415.

    Decompression stops after `longest` bytes, the limit of the body.
    """
    coding = (header(request.headers, "content-encoding") or "identity").strip().lower()
    if coding != "identity" and coding not in _WINDOW:
        return UNSUPPORTED
    if len(request.body) > longest:
        return _too_large(longest)
    if coding == "identity" or not request.body:
        return request
    try:
        return replace(request, body=decompressed(request.body, coding, longest))
    except TooLong:
        return _too_large(longest)
    except NotEncoded:
        return UNSUPPORTED


def decompressed(body: bytes, coding: str, longest: int | None = None) -> bytes:
    """Decompresses gzip or deflate (zlib's format, RFC 1950). Raises NotEncoded or TooLong."""
    reader = zlib.decompressobj(_WINDOW[coding])
    try:
        found = reader.decompress(body, 0 if longest is None else longest + 1)
    except zlib.error as error:
        raise NotEncoded(str(error)) from error
    if longest is not None and len(found) > longest:
        raise TooLong(f"more than {longest} bytes")
    if not reader.eof or reader.unused_data:
        raise NotEncoded("it ends too early" if not reader.eof else "more follows it")
    return found


def compressed(request: Request, reply: Reply, api: Api) -> Reply:
    """The answer, compressed if the API does so, the client accepts it and the body is long enough."""
    if api.minimum_compression is None or not reply.body or len(reply.body) < api.minimum_compression:
        return reply
    coding = _accepted(header(request.headers, "accept-encoding") or "")
    if coding is None or header(reply.headers, "content-encoding") is not None:
        return reply
    # Without a time in it, so that equal answers are equal.
    body = gzip.compress(reply.body, mtime=0) if coding == "gzip" else zlib.compress(reply.body)
    return Reply(reply.status, (*reply.headers, ("Content-Encoding", coding)), body)


def read(headers: Headers, body: bytes) -> bytes:
    """The body of an answer as a client reads it. A body that is not in its declared coding is unchanged."""
    coding = (header(headers, "content-encoding") or "").strip().lower()
    if coding not in _WINDOW or not body:
        return body
    try:
        return decompressed(body, coding)
    except NotEncoded:
        return body


def _too_large(longest: int) -> Reply:
    return failure(413, f"HTTP content length exceeded {longest} bytes.", "RequestTooLargeException")


def _accepted(accept: str) -> str | None:
    """The coding that a client prefers, gzip of equals; None for plain bytes. `*` is ignored."""
    weights: dict[str, float] = {}
    for entry in accept.lower().split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        weights[name] = min((_weight(parameter) for parameter in parameters if parameter[:2] == "q="), default=1.0)
    liked = {coding: weights.get(coding, 0.0) for coding in _WINDOW}
    best = max(liked, key=liked.__getitem__)
    return best if liked[best] > 0 and liked[best] >= weights.get("identity", 0.0) else None


def _weight(parameter: str) -> float:
    try:
        return float(parameter[2:])
    except ValueError:
        return 0.0
