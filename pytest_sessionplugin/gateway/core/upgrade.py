"""Both sides of the opening handshake of RFC 6455, section 4, as headers."""

from __future__ import annotations

import base64
import hashlib

from pytest_sessionplugin.gateway.core.gateway_responses import failure
from pytest_sessionplugin.gateway.values import Headers, Reply, header

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_VERSION = "13"


def reject(method: str, headers: Headers, http_version: bytes = b"1.1") -> Reply | None:
    """The answer to a request that is not a valid opening handshake; None for a valid one."""
    if http_version < b"1.1" or method != "GET":
        return _UPGRADE_REQUIRED
    if "upgrade" not in _listed(headers, "connection") or "websocket" not in _listed(headers, "upgrade"):
        return _UPGRADE_REQUIRED
    if (header(headers, "sec-websocket-version") or "").strip() != _VERSION:
        return _WRONG_VERSION
    if [name.lower() for name, _ in headers].count("sec-websocket-key") != 1:
        return _BAD_REQUEST
    try:
        key = base64.b64decode(header(headers, "sec-websocket-key") or "", validate=True)
    except ValueError:
        return _BAD_REQUEST
    return None if len(key) == 16 else _BAD_REQUEST


def answer(headers: Headers, subprotocol: str | None) -> Headers:
    """The headers of the 101 that answers a request with these headers."""
    key = header(headers, "sec-websocket-key") or ""
    accepted = (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept(key)),
    )
    if subprotocol is None:
        return accepted
    return (*accepted, ("Sec-WebSocket-Protocol", subprotocol))


def offer(nonce: bytes) -> Headers:
    """The headers that make a GET an opening handshake; `nonce` is 16 random bytes."""
    return (
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", _VERSION),
        ("Sec-WebSocket-Key", base64.b64encode(nonce).decode()),
    )


def accept(key: str) -> str:
    digest = hashlib.sha1(f"{key.strip()}{_GUID}".encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _listed(headers: Headers, name: str) -> list[str]:
    """The members of a list in one or several headers (RFC 9110, 5.3), in lower case."""
    values = ",".join(value for key, value in headers if key.lower() == name)
    return [member.strip().lower() for member in values.split(",")]


def _with(reply: Reply, *headers: tuple[str, str]) -> Reply:
    return Reply(reply.status, (*reply.headers, *headers), reply.body)


_UPGRADE_REQUIRED = _with(failure(426, "Upgrade Required"), ("Upgrade", "websocket"), ("Connection", "Upgrade"))
_WRONG_VERSION = _with(_UPGRADE_REQUIRED, ("Sec-WebSocket-Version", _VERSION))
_BAD_REQUEST = failure(400, "Bad Request")
