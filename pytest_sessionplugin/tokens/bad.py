"""Tokens that an app must refuse, each named after its flaw."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.tokens.keys import Key
from pytest_sessionplugin.tokens.tokens import HOUR, Tokens

SUBJECT = "alice"
TEN_YEARS = 10 * 365 * 24 * HOUR


class BadToken(str):
    """The text of a token with a `flaw`, which would be valid for `subject` without it."""

    def __new__(cls, text: str, flaw: str, subject: str) -> BadToken:
        return super().__new__(cls, text)

    def __init__(self, text: str, flaw: str, subject: str) -> None:
        self.flaw, self.subject = flaw, subject

    def __repr__(self) -> str:
        """Without the text, which a stage may accept."""
        return f"<token of {self.subject}: {self.flaw}>"


def names(section: Mapping[str, object]) -> tuple[str, ...]:
    """The flaws that an app can detect with these settings, [tool.sessionplugin.tokens].

    An app that is not told its issuer cannot refuse another one.
    """
    return tuple(flaw for flaw in MADE if _NEEDS.get(flaw) in (None, *section))


def make(flaw: str | None, tokens: Tokens, subject: str = SUBJECT) -> BadToken:
    """Makes the token by the clock of `tokens`. It stays bad however far a test moves time."""
    if flaw is None:
        raise SessionPluginError("bad_jwt is another token in each run of a test: name it among the test's arguments.")
    if flaw not in MADE:
        raise SessionPluginError(f"bad_jwt: there is no {flaw!r}; there are {', '.join(MADE)}.")
    return BadToken(MADE[flaw](tokens, subject), flaw, subject)


def _saying(**changes: Any) -> Callable[[Tokens, str], str]:
    return lambda tokens, subject: tokens(subject, **changes)


def _expired(tokens: Tokens, subject: str) -> str:
    return tokens(subject, iat=tokens.claims(subject)["iat"] - 2 * HOUR, expires_in=-HOUR)


def _not_yet_valid(tokens: Tokens, subject: str) -> str:
    return tokens(subject, nbf=tokens.claims(subject)["iat"] + TEN_YEARS, expires_in=TEN_YEARS + HOUR)


def _wrong_key(tokens: Tokens, subject: str) -> str:
    key = Key(tokens.key.algorithm, _elsewhere(tokens.key.algorithm).private, tokens.key.id)
    return tokens.sign(tokens.claims(subject), key)


def _alg_none(tokens: Tokens, subject: str) -> str:
    import jwt

    return jwt.encode(tokens.claims(subject), "", algorithm="none")


def _key_confusion(tokens: Tokens, subject: str) -> str:
    """The public key used as a shared secret; with HS256, a key pair instead of the secret."""
    if tokens.key.algorithm == "HS256":
        return tokens.sign(tokens.claims(subject), _elsewhere("ES256"))
    header = {"alg": "HS256", "typ": "JWT", "kid": tokens.key.id}
    signed = f"{_part(header)}.{_part(tokens.claims(subject))}"
    mac = hmac.new(tokens.public_key_pem.encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{_base64(mac.digest())}"


def _tampered(tokens: Tokens, subject: str) -> str:
    """A valid token of another subject, whose payload was replaced."""
    header, _, signature = tokens(f"not-{subject}").split(".")
    return f"{header}.{_part(tokens.claims(subject))}.{signature}"


def _garbage(tokens: Tokens, subject: str) -> str:
    return "garbage"


MADE: Mapping[str, Callable[[Tokens, str], str]] = {
    "expired": _expired,
    "not yet valid": _not_yet_valid,
    "wrong issuer": _saying(iss="https://elsewhere.test"),
    "wrong audience": _saying(aud="elsewhere"),
    "wrong key": _wrong_key,
    "alg none": _alg_none,
    "key confusion": _key_confusion,
    "tampered": _tampered,
    "without exp": _saying(exp=None),
    "without sub": _saying(sub=None),
    "without iss": _saying(iss=None),
    "without aud": _saying(aud=None),
    "garbage": _garbage,
}

_NEEDS = {
    "wrong issuer": "issuer",
    "without iss": "issuer",
    "wrong audience": "audience",
    "without aud": "audience",
}


@cache
def _elsewhere(algorithm: str) -> Key:
    """A key that the app does not know."""
    return Key.new(algorithm)


def _part(content: Mapping[str, Any]) -> str:
    return _base64(json.dumps(content, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
