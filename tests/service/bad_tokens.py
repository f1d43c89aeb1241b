"""Bad tokens besides those of `bad_jwt`, by the name of their fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt

from pytest_sessionplugin.tokens.tokens import HOUR, Tokens


def _saying(**changes: Any) -> Callable[[Tokens], str]:
    return lambda tokens: tokens("alice", **changes)


def _from_the_future(tokens: Tokens) -> str:
    return tokens("alice", iat=tokens.claims("alice")["iat"] + 2 * HOUR, expires_in=3 * HOUR)


def _with_a_longer_hash(tokens: Tokens) -> str:
    return jwt.encode(tokens.claims("alice"), tokens.secret, "HS512")


def _of_another_type(tokens: Tokens) -> str:
    return jwt.encode(tokens.claims("alice"), tokens.secret, "HS256", headers={"typ": "logout+jwt"})


def _unsigned_in_capitals(tokens: Tokens) -> str:
    header = jwt.utils.base64url_encode(b'{"alg":"None","typ":"JWT"}').decode()
    return f"{header}.{tokens('alice').split('.')[1]}."


BAD_TOKENS: dict[str, Callable[[Tokens], str]] = {
    "issued in the future": _from_the_future,
    "without iat": _saying(iat=None),
    "valid for ten years": _saying(expires_in=3652 * 24 * HOUR),
    "of a guest": lambda tokens: tokens("guest:alice"),
    "of another type": _of_another_type,
    "several audiences": _saying(aud=["sessions", "elsewhere"]),
    "wrong algorithm": _with_a_longer_hash,
    "alg None": _unsigned_in_capitals,
    "three empty parts": lambda tokens: "..",
    "too long": _saying(padding="p" * 6300),
}
