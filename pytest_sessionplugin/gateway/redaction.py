"""Redacts credentials in what a failing test and the log of `serve` show."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import quote_plus

ELLIPSIS = "…"

_CREDENTIALS = frozenset({"authorization", "authorizationtoken", "cookie", "set-cookie", "proxy-authorization"})
_WORDS = r"(?:token|ticket|password|secret|signature|api[-_]?key)"  # the end of a name
_NAME = re.compile(rf"{_WORDS}$", re.IGNORECASE)
_JWT = re.compile(r"eyJ[\w-]++((?:\.[\w-]*+){2,4})?+")
"""A word that begins as a JSON object does; the group has the other parts of a JWT, two, or four in a JWE.

The word alone matches, too, and so does a harmless `_SUBPROTOCOL`. A failed search would start again inside the word.
"""
_BEARER = re.compile(r"(?i:\b(bearer|basic)) (?=[\w.~+/=-]*\d)[\w.~+/=-]{8,}")
_SHORTEST = 8  # characters of a secret that is replaced; shorter ones are parts of other words
_LONGEST = 200  # characters of a value
_OF_QUERY = re.compile(rf"((?<![\w.-])[\w.-]*{_WORDS}=)([^&\s\"'<>]{{{_SHORTEST},}})", re.IGNORECASE)
_OF_JSON = re.compile(
    rf"((?P<q>[\"'])[\w.-]*{_WORDS}(?P=q)\s*:\s*(?P<v>[\"']))([^\"'\\]{{{_SHORTEST},}})(?=(?P=v))", re.IGNORECASE
)
_SUBPROTOCOL = re.compile(r"\b((?:ticket|bearer)\.)([\w.~+/=-]{8,}+)")
_LONG_PART = re.compile(r"\b((?:ticket|bearer)\.)([\w~+/=-]{20,}+)")
_OFFERED = re.compile(rf"((?:(?<![\w-])[\w-]*{_WORDS}|bearer)\.)[^,\s]+", re.IGNORECASE)  # in a Sec-WebSocket-Protocol

_others: dict[str, None] = {}  # secrets other than JWTs, plain and URL-encoded


class RedactedText(str):
    """A secret with a redacted repr, as pytest prints the arguments of a failed call.

    It is redacted in every text until the process ends, like a JWT.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> RedactedText:
        if len(text) >= _SHORTEST and not _is_jwt(text):
            _others.update({str(text): None, quote_plus(text): None})
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return repr(f"{self[:3]}{ELLIPSIS}")


def redacted(text: str) -> str:
    """The text without JWTs, `RedactedText` secrets, bearer tokens, and values whose name says that they are secret.

    Such names end with token, ticket, password, secret, signature or api_key, in a query string or in JSON. The rest of
    a subprotocol that begins with `ticket.` or `bearer.` is a secret, too.
    """
    for other in tuple(_others):
        text = text.replace(other, f"{other[:3]}{ELLIPSIS}")
    text = _JWT.sub(lambda found: found[0] if found[1] is None else f"eyJ{ELLIPSIS}", text)
    text = _BEARER.sub(rf"\1 {ELLIPSIS}", text)
    text = _SUBPROTOCOL.sub(_without_ticket, text)
    text = _OF_QUERY.sub(_cut, text)
    return _OF_JSON.sub(lambda found: f"{found[1]}{found[4][:3]}{ELLIPSIS}", text)


def _is_jwt(text: str) -> bool:
    found = _JWT.fullmatch(text)
    return found is not None and found[1] is not None


def _without_ticket(found: re.Match[str]) -> str:
    """A secret has a digit, or a part that is too long for a word."""
    return _cut(found) if any(map(str.isdecimal, found[2])) else _LONG_PART.sub(_cut, found[0])


def _cut(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2][:3]}{ELLIPSIS}"


def redacted_bytes(data: bytes) -> bytes:
    return redacted(data.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def redacted_header(name: str, value: str) -> str:
    if is_secret(name):
        return ELLIPSIS
    if name.lower() == "sec-websocket-protocol":
        value = _OFFERED.sub(rf"\1{ELLIPSIS}", value)
    return redacted(value)


def redacted_headers(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((name, redacted_header(name, value)) for name, value in headers)


def is_secret(name: str) -> bool:
    """Whether a header, or the field of an event, carries a credential, by its name."""
    return name.lower() in _CREDENTIALS or _NAME.search(name) is not None


def redacted_value(name: str, value: Any) -> str:
    """The value of a named attribute. Of a secret one, the first characters tell it from others."""
    text = redacted(str(value))
    return f"{text[:3]}{ELLIPSIS}" if is_secret(name) and len(text) >= _SHORTEST else text


def shown(value: Any) -> str:
    """The repr of a value without credentials. An object has to redact its own."""
    return repr(_redacted(value))


def brief(value: Any) -> str:
    """The repr of a value without credentials, cut if it is long."""
    try:
        text = redacted(shown(value))  # before it is cut
    except ValueError:  # a number of thousands of digits
        return "a number that is too long"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}{ELLIPSIS}"


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, bytes):
        return redacted_bytes(value)
    if isinstance(value, Mapping):
        return {name: _under(name, each) for name, each in value.items()}
    if isinstance(value, list):
        return [_redacted(each) for each in value]
    if isinstance(value, tuple):
        if len(value) == 2 and isinstance(value[0], str):  # perhaps a header
            return value[0], _under(value[0], value[1])
        return tuple(_redacted(each) for each in value)
    return _Quoted(redacted(repr(value))) if isinstance(value, BaseException) else value


def _under(name: Any, value: Any) -> Any:
    """The value of a header or a field."""
    if not isinstance(name, str):
        return _redacted(value)
    if isinstance(value, str):
        return redacted_header(name, value)
    if isinstance(value, list):
        return ELLIPSIS if is_secret(name) else [_under(name, each) for each in value]
    return _redacted(value)


class _Quoted(str):
    """A text that is its own repr."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Redacted:
    """A dataclass whose repr has no credentials: pytest and `print` show it."""

    def __repr__(self) -> str:
        found: Any = self
        named = (f"{each.name}={shown(getattr(self, each.name))}" for each in fields(found) if each.repr)
        return f"{type(self).__name__}({', '.join(named)})"
