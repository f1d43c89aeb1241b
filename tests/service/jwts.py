"""Tokens and keys of the unit tests, at noon of one day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chalicelib import auth
from chalicelib.credentials import Secret
from chalicelib.keys import Keys
from chalicelib.model import Principal
from chalicelib.settings import Reference, Tokens
from tests.service.fakes import NOON


def pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


SECRET = "s" * 32
TOKENS = Tokens("https://issuer.example", "sessions", ("HS256",), secret=Secret(SECRET))
CURVE = ec.generate_private_key(ec.SECP256R1())
PEM = pem(CURVE)
CURVE_TOKENS = Tokens("https://issuer.example", "sessions", ("ES256",), public_key=PEM)


def nothing_kept(reference: Reference) -> Callable[[], Secret]:
    raise AssertionError("a store was asked")


def authenticate(text: str, tokens: Tokens, keys: Keys, now: datetime) -> Principal:
    return auth.authenticate(Secret(text), tokens, keys, now)


def claims(**changes: Any) -> dict[str, Any]:
    usual = {
        "sub": "alice",
        "iss": "https://issuer.example",
        "aud": "sessions",
        "iat": NOON.timestamp(),
        "exp": (NOON + timedelta(minutes=5)).timestamp(),
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def token(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)
