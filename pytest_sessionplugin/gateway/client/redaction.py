"""Redacts credentials in what a failing test shows."""

from __future__ import annotations

import re
from urllib.parse import quote_plus

from pytest_sessionplugin.gateway.values import Headers

ELLIPSIS = "…"

_CREDENTIALS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "x-amz-security-token", "x-api-key"}
)
_JWT = re.compile(r"eyJ[\w-]+(?:\.[\w-]*){2,4}")  # "eyJ" begins a JSON object; three parts, or five in a JWE
_SHORTEST = 8  # characters of a secret that is replaced; shorter ones are parts of other words

_others: dict[str, None] = {}  # secrets other than JWTs, plain and URL-encoded


class Masked(str):
    """A secret with a redacted repr, as pytest prints the arguments of a failed call.

    It is redacted in every text until the process ends, like a JWT.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Masked:
        if len(text) >= _SHORTEST and _JWT.fullmatch(text) is None:
            _others.update({str(text): None, quote_plus(text): None})
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return repr(f"{self[:3]}{ELLIPSIS}")


def masked(text: str) -> str:
    """The text with JWTs and `Masked` secrets redacted."""
    for other in tuple(_others):
        text = text.replace(other, f"{other[:3]}{ELLIPSIS}")
    return _JWT.sub(f"eyJ{ELLIPSIS}", text)


def masked_bytes(data: bytes) -> bytes:
    return masked(data.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def masked_header(name: str, value: str) -> str:
    return ELLIPSIS if name.lower() in _CREDENTIALS else masked(value)


def masked_headers(headers: Headers) -> Headers:
    return tuple((name, masked_header(name, value)) for name, value in headers)
