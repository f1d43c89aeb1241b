"""A token, keys and the time in; a principal or an error out. The only place that knows JWT."""

from __future__ import annotations

import json
import math
import threading
import urllib.request
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Protocol

import jwt

from chalicelib.errors import Unauthenticated, Unavailable
from chalicelib.model import Principal
from chalicelib.settings import Tokens

LEEWAY: Final = timedelta(seconds=10)  # for clocks that differ
TOKEN_BYTES: Final = 8_192  # headers end at 10,240 bytes on API Gateway
SUBJECT_LENGTH: Final = 255
REFRESH: Final = timedelta(minutes=1)  # how often an unknown key id may ask the issuer again
LIFESPAN: Final = timedelta(hours=1)  # how long keys are used without asking again
RECOVERY: Final = timedelta(seconds=5)  # how long an issuer that did not answer is left alone

_NEVER: Final = datetime.min.replace(tzinfo=timezone.utc)


class Keys(Protocol):
    def key_for(self, kid: str | None, now: datetime) -> Any:
        """What verifies a token of this key id. Raises Unauthenticated or Unavailable."""


class OneKey:
    """A secret or a PEM: the same key whatever the token says."""

    def __init__(self, key: str) -> None:
        self._key = key

    def key_for(self, kid: str | None, now: datetime) -> Any:
        return self._key


class KeySet:
    """The keys that an issuer publishes (RFC 7517), cached; an unknown id asks again, once a minute at most."""

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]) -> None:
        self._fetch = fetch
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._stale_at = _NEVER  # when even a known key is asked for again
        self._ask_at = _NEVER  # when an unknown one may be
        self._lock = threading.Lock()

    def key_for(self, kid: str | None, now: datetime) -> Any:
        with self._lock:
            known = kid in self._keys
            if now >= self._ask_at and (not known or now >= self._stale_at):
                self._refresh(now)
            if kid in self._keys:
                return self._keys[kid]  # good while its issuer cannot be asked, too
            if now >= self._stale_at:
                raise Unavailable("The issuer's key set")
            raise Unauthenticated("The token names a key that its issuer does not publish.")

    def _refresh(self, now: datetime) -> None:
        try:
            published = self._fetch()["keys"]
            self._keys = {jwk.get("kid"): jwt.PyJWK(jwk) for jwk in published if _signs(jwk)}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, jwt.PyJWTError):
            self._ask_at = now + RECOVERY
        else:
            self._ask_at, self._stale_at = now + REFRESH, now + LIFESPAN


def keys_of(tokens: Tokens) -> Keys:
    """The source of keys that the settings name."""
    if tokens.jwks_url:
        return KeySet(lambda: _fetched(tokens.jwks_url))
    return OneKey(tokens.public_key or tokens.secret)


def authenticate(token: str, tokens: Tokens, keys: Keys, now: datetime) -> Principal:
    """Who this token speaks for at `now`.

    Raises Unauthenticated, never saying more of the token than what is wrong with it, and Unavailable when
    the issuer's keys cannot be had.
    """
    if len(token) > TOKEN_BYTES:
        raise Unauthenticated(f"The token is longer than {TOKEN_BYTES} bytes.")
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in tokens.algorithms:
            raise Unauthenticated("The token is signed with an algorithm that is not accepted.")
        claims = jwt.decode(
            token,
            keys.key_for(header.get("kid"), now),
            algorithms=list(tokens.algorithms),
            issuer=tokens.issuer,
            audience=tokens.audience,
            options={
                "require": ["exp", "iat", "iss", "aud", "sub"],
                "strict_aud": True,
                # the three that need a clock are judged below, by the clock that was given
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as exc:
        raise Unauthenticated(_reason(exc)) from exc
    expires_at = _moment(claims, "exp")
    if expires_at + LEEWAY <= now:
        raise Unauthenticated("The token has expired.")
    if _moment(claims, "iat") - LEEWAY > now or ("nbf" in claims and _moment(claims, "nbf") - LEEWAY > now):
        raise Unauthenticated("The token is not valid yet.")
    return Principal(_subject(claims["sub"]), expires_at)


def _reason(exc: Exception) -> str:
    if isinstance(exc, jwt.MissingRequiredClaimError):
        return f"The token lacks the claim {exc.claim}."
    if isinstance(exc, jwt.InvalidIssuerError):
        return "The token is of another issuer."
    if isinstance(exc, jwt.InvalidAudienceError):
        return "The token is for another audience."
    if isinstance(exc, (jwt.InvalidSignatureError, jwt.InvalidKeyError, jwt.InvalidAlgorithmError)):
        return "The signature of the token does not hold."
    return "The token is not a valid JWT."


def _moment(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Unauthenticated(f"The claim {name} of the token is not a time.")
    try:
        return datetime.fromtimestamp(value, timezone.utc)
    except (OverflowError, ValueError, OSError) as exc:
        raise Unauthenticated(f"The claim {name} of the token is not a time.") from exc


def _subject(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= SUBJECT_LENGTH or not value.isprintable():
        raise Unauthenticated(f"The subject of the token is not text of 1 to {SUBJECT_LENGTH} printable characters.")
    return value


def _signs(jwk: Mapping[str, Any]) -> bool:
    """Whether a published key may verify signatures. A symmetric key has no business in a public set."""
    return jwk.get("kty") != "oct" and jwk.get("use", "sig") == "sig"


def _fetched(url: str) -> Mapping[str, Any]:
    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  settings take only https and loopback
        document: Mapping[str, Any] = json.load(answer)
        return document
