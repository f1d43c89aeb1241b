"""Tokens that must be refused wherever a token is taken, each under the name of what is wrong with it."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt

from pytest_sessionplugin.tokens import Tokens


def _claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {
        "sub": "alice",
        "iss": "https://sessions.local",
        "aud": "sessions",
        "iat": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def _signed(**changes: Any) -> Callable[[Tokens], str]:
    return lambda tokens: jwt.encode(_claims(**changes), tokens.secret, "HS256")


def _unsigned(header: dict[str, str]) -> Callable[[Tokens], str]:
    parts = [json.dumps(part).encode() for part in (header, _claims())]
    return lambda tokens: ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, b""))


def _tampered(tokens: Tokens) -> str:
    header, _, signature = tokens("alice").split(".")
    payload = base64.urlsafe_b64encode(json.dumps(_claims(sub="mallory")).encode()).decode().rstrip("=")
    return f"{header}.{payload}.{signature}"


HOUR = 3600

BAD_TOKENS: dict[str, Callable[[Tokens], str]] = {
    "expired": _signed(exp=int(time.time()) - HOUR),
    "not yet valid": _signed(nbf=int(time.time()) + 2 * HOUR),
    "issued in the future": _signed(iat=int(time.time()) + 2 * HOUR),
    "wrong issuer": _signed(iss="https://elsewhere.example"),
    "wrong audience": _signed(aud="elsewhere"),
    "several audiences": _signed(aud=["sessions", "elsewhere"]),
    "wrong key": lambda tokens: jwt.encode(_claims(), "another secret, long enough to be one", "HS256"),
    "wrong algorithm": lambda tokens: jwt.encode(_claims(), tokens.secret.ljust(64, "x"), "HS512"),
    "alg none": _unsigned({"alg": "none", "typ": "JWT"}),
    "alg None": _unsigned({"alg": "None", "typ": "JWT"}),
    "tampered": _tampered,
    "garbage": lambda tokens: "garbage",
    "three empty parts": lambda tokens: "..",
    "too long": _signed(padding="p" * 6300),
    **{f"without {name}": _signed(**{name: None}) for name in ("sub", "exp", "iat", "iss", "aud")},
}
