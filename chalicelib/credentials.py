"""Where a credential may travel: a header, a subprotocol, never the query. Knows nothing of what is in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from chalicelib.errors import Unauthenticated
from chalicelib.secret import Secret

PROTOCOL: Final = "sessions.v1"
BEARER: Final = "bearer."
JWT: Final = re.compile(r"eyJ[\w-]+\.[\w-]*\.")  # begins as every header of a JWT does, `{"` in base64


def bearer(authorization: str) -> Secret:
    """The token of an Authorization header (RFC 6750). Raises Unauthenticated."""
    scheme, _, token = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send `Authorization: Bearer <token>`.")
    return Secret(token.strip())


def of_handshake(authorization: Sequence[str], offered: Iterable[str]) -> Secret:
    """The token of a handshake: the header decides if there is one, else the subprotocol. Raises Unauthenticated."""
    if authorization:
        return bearer(authorization[0])
    for word in offered:
        if word.startswith(BEARER) and len(word) > len(BEARER):
            return Secret(word[len(BEARER) :])
    raise Unauthenticated(
        f"Send the token as `Authorization: Bearer <token>` or `Sec-WebSocket-Protocol: {PROTOCOL}, {BEARER}<token>`."
    )


def refuse_leaked(query: Mapping[str, Sequence[str]]) -> None:
    """Raises Unauthenticated if a token stands anywhere in the query."""
    if any(JWT.search(text) for name, values in query.items() for text in (name, *values)):
        raise Unauthenticated("Never send a token in the query: it ends up in logs. It counts as leaked now.")
