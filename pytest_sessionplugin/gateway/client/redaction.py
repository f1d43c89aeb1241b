"""What stands in place of a credential where a failing test shows what was sent. Changes nothing that is sent."""

from __future__ import annotations

import re
from urllib.parse import quote_plus

from pytest_sessionplugin.gateway.values import Headers

ELLIPSIS = "…"

_CREDENTIALS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "x-amz-security-token", "x-api-key"}
)
_JWT = re.compile(r"eyJ[\w-]+(?:\.[\w-]*){2,4}")  # a JSON object in base64url begins so; three parts, or five in a JWE
_SHORTEST = 8  # characters of what is looked for; less would be found in other words

_others: dict[str, None] = {}  # what was masked and is no JWT, as it is and as a query has it


class Masked(str):
    """A text whose repr does not show it: pytest prints the arguments of a call that failed.

    Until the process ends it is masked wherever it stands, as a JWT is, whoever made it.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Masked:
        if len(text) >= _SHORTEST and _JWT.fullmatch(text) is None:
            _others.update({str(text): None, quote_plus(text): None})
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return repr(f"{self[:3]}{ELLIPSIS}")


def masked(text: str) -> str:
    """The text without the JWTs in it, and without what was made `Masked`."""
    for other in tuple(_others):
        text = text.replace(other, f"{other[:3]}{ELLIPSIS}")
    return _JWT.sub(f"eyJ{ELLIPSIS}", text)


def masked_bytes(data: bytes) -> bytes:
    return masked(data.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def masked_header(name: str, value: str) -> str:
    return ELLIPSIS if name.lower() in _CREDENTIALS else masked(value)


def masked_headers(headers: Headers) -> Headers:
    return tuple((name, masked_header(name, value)) for name, value in headers)
