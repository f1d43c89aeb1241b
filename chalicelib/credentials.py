"""Credentials: read from a header, a subprotocol or, a ticket alone, a query, and masked in logs."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NoReturn

from chalicelib.errors import OriginRefused, Unauthenticated

PROTOCOL: Final = "sessions.v1"
BEARER: Final = "bearer."  # begins the subprotocol of a token
TICKET: Final = "ticket."  # begins that of a ticket
TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # of RFC 6750
PART: Final = re.compile(r"[A-Za-z0-9_-]*")  # of a JWT
OTHER: Final = re.compile(r"[^A-Za-z0-9_-]")
TICKET_TEXT: Final = re.compile(r"[A-Z2-7]{26}")
"""Base32 in capitals: not to be taken for a session's id, nor for an option."""
TICKET_IN: Final = re.compile(rf"(?<![A-Za-z0-9]){TICKET_TEXT.pattern}(?![A-Za-z0-9])")
HEADER: Final = re.compile(rb'\s*\{\s*"')
MASK: Final = "[secret]"


class Secret:
    """Text that only `reveal` gives. `str`, `repr`, `%s`, f-strings and `json.dumps(…, default=str)` give the mask.

    It is not a `str`: using the mask by mistake as a key or a token is a TypeError, and so are `json.dumps` without a
    default, pickling and joining. False if the text is empty.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself. Call it in the very expression that verifies or sends the text."""
        return self.__text

    def __bool__(self) -> bool:
        return bool(self.__text)

    def __str__(self) -> str:
        return MASK

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        """Compares in constant time. A `str` is never equal."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(
            self.__text.encode(errors="surrogatepass"), other.__text.encode(errors="surrogatepass")
        )

    def __hash__(self) -> int:
        return hash(self.__text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not pickled: the pickle would hold its text.")


def bearer(authorization: str) -> Secret:
    """The token of an Authorization header (RFC 6750). Raises Unauthenticated, also for two headers in one."""
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not TOKEN.fullmatch(token.strip()):
        raise Unauthenticated("Send `Authorization: Bearer <token>`, once.")
    return Secret(token.strip())


def of_handshake(
    authorization: Sequence[str], offered: Iterable[str], tickets: Sequence[str] = ()
) -> tuple[Secret, bool]:
    """The credential of a handshake, and whether it is a ticket: that of the header if there is one, else of the first
    subprotocol that has one, else of the query. The others do not count. Raises Unauthenticated."""
    if authorization:
        return bearer(", ".join(authorization)), False
    for word in offered:
        for prefix in (BEARER, TICKET):
            if word.startswith(prefix) and len(word) > len(prefix):
                return Secret(word.removeprefix(prefix)), prefix == TICKET
    if len(tickets) == 1 and tickets[0]:
        return Secret(tickets[0]), True
    raise Unauthenticated(
        "Send a token as `Authorization: Bearer <token>`, or one token or ticket as"
        f" `Sec-WebSocket-Protocol: {PROTOCOL}, {BEARER}<token>` or `{PROTOCOL}, {TICKET}<ticket>`."
    )


def check_origin(origin: str, allowed: Container[str]) -> None:
    """Raises OriginRefused for a page that may not open sockets."""
    if origin not in allowed:
        raise OriginRefused(origin)


def refuse_leaked(query: Mapping[str, Sequence[str]]) -> None:
    """Raises Unauthenticated if a token is anywhere in the query."""
    if any(is_leaked_in(text) for name, values in query.items() for text in (name, *values)):
        raise Unauthenticated("Never send a token in the query: it ends up in logs. It counts as leaked now.")


def has_ticket(text: str) -> bool:
    """Whether a ticket is a word of the text, or what looks like one."""
    return TICKET_IN.search(text) is not None


def is_leaked_in(text: str) -> bool:
    """Whether a JWT is anywhere in the text: an object in base64, whatever white space it begins with, and two dots."""
    parts = text.split(".")[:-1]  # no pattern for the whole: a long text would be read once from each of its letters
    return any(_ends_with_header(header) and PART.fullmatch(claims) for header, claims in pairwise(parts))


def _ends_with_header(text: str) -> bool:
    part = OTHER.split(text)[-1]
    return "eyJ" in part or HEADER.match(_decoded(part)) is not None  # nearly each header begins with `{"`


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:  # of a length that no text has
        return b""
