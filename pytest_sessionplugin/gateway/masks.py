"""What stands in place of a credential where a failing test shows what was sent. Changes nothing that is sent."""

from __future__ import annotations

import re

from .values import Headers

ELLIPSIS = "…"

_CREDENTIALS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "x-amz-security-token", "x-api-key"}
)
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")  # a JSON object in base64url begins so, and a JWT has three parts


class Masked(str):
    """A text whose repr does not show it: pytest prints the arguments of a call that failed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(f"{self[:3]}{ELLIPSIS}")


def masked(text: str) -> str:
    """The text without the JWTs in it."""
    return _JWT.sub(f"eyJ{ELLIPSIS}", text)


def masked_bytes(data: bytes) -> bytes:
    return masked(data.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def masked_header(name: str, value: str) -> str:
    return ELLIPSIS if name.lower() in _CREDENTIALS else masked(value)


def masked_headers(headers: Headers) -> Headers:
    return tuple((name, masked_header(name, value)) for name, value in headers)
