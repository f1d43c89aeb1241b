"""A token, keys and the time in; a principal or an error out. The only place that knows JWT."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final, Protocol

import jwt

from chalicelib.errors import SettingsError, Unauthenticated, Unavailable
from chalicelib.model import LEEWAY, Principal
from chalicelib.secret import Secret
from chalicelib.settings import Tokens

TOKEN_BYTES: Final = 8_192  # headers end at 10,240 bytes on API Gateway
SUBJECT_LENGTH: Final = 255
LEAST, GREATEST = 0, 221_845_392_000  # seconds: from 1970 to the year 9000
REFRESH: Final = timedelta(minutes=1)  # how often an unknown key id may ask the issuer again
LIFESPAN: Final = timedelta(hours=1)  # how long keys are used without asking again
RECOVERY: Final = timedelta(seconds=5)  # how long an issuer that did not answer is left alone

_NEVER: Final = datetime.min.replace(tzinfo=timezone.utc)


class Keys(Protocol):
    def key_for(self, kid: str | None, algorithm: str, now: datetime) -> Any:
        """What verifies a token of this key id and algorithm. Raises Unauthenticated or Unavailable."""


class OneKey:
    """A secret or a PEM: the same key whatever the token says."""

    def __init__(self, key: Any) -> None:
        self._key = key

    def key_for(self, kid: str | None, algorithm: str, now: datetime) -> Any:
        return self._key


@dataclass(frozen=True)
class Published:
    """A key of a key set; `algorithm` is the only one that it is for, if its issuer says so."""

    key: Any
    algorithm: str | None


class KeySet:
    """The keys that an issuer publishes (RFC 7517), cached; an unknown id asks again, once a minute at most."""

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]) -> None:
        self._fetch = fetch
        self._keys: dict[str | None, Published] = {}
        self._stale_at = _NEVER  # when even a known key is asked for again
        self._ask_at = _NEVER  # when an unknown one may be
        self._lock = threading.Lock()

    def key_for(self, kid: str | None, algorithm: str, now: datetime) -> Any:
        with self._lock:
            if now >= self._ask_at and (kid not in self._keys or now >= self._stale_at):
                self._refresh(now)
            found = self._keys.get(kid)  # good while its issuer cannot be asked, too
            if found is None and now >= self._stale_at:
                raise Unavailable("The issuer's key set")
            if found is None or found.algorithm not in (None, algorithm):
                raise Unauthenticated("The token names a key that its issuer does not publish for it.")
            return found.key

    def _refresh(self, now: datetime) -> None:
        try:
            published = list(self._fetch()["keys"])
        except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
            self._ask_at = now + RECOVERY
        else:
            self._keys = {jwk.get("kid"): key for jwk in published if (key := _published(jwk)) is not None}
            self._ask_at, self._stale_at = now + REFRESH, now + LIFESPAN


def keys_of(tokens: Tokens) -> Keys:
    """The source of keys that the settings name. Raises SettingsError for a PEM that is none."""
    if tokens.jwks_url:
        return KeySet(lambda: _fetched(tokens.jwks_url))
    if tokens.secret:
        return OneKey(tokens.secret.reveal())
    try:
        return OneKey(jwt.get_algorithm_by_name(tokens.algorithms[0]).prepare_key(tokens.public_key))
    except (jwt.PyJWTError, ValueError, TypeError) as exc:
        raise SettingsError(("JWT_PUBLIC_KEY is no public key in PEM that JWT_ALGORITHMS could use.",)) from exc


def authenticate(token: Secret, tokens: Tokens, keys: Keys, now: datetime) -> Principal:
    """Who this token speaks for at `now`.

    Raises Unauthenticated, never saying more of the token than what is wrong with it, and Unavailable when
    the issuer's keys cannot be had.
    """
    text = token.reveal()
    if len(text) > TOKEN_BYTES:
        raise Unauthenticated(f"The token is longer than {TOKEN_BYTES} bytes.")
    try:
        header = jwt.get_unverified_header(text)
        if header.get("alg") not in tokens.algorithms:
            raise Unauthenticated("The token is signed with an algorithm that is not accepted.")
        claims = jwt.decode(
            text,
            keys.key_for(header.get("kid"), header["alg"], now),
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
    if any(_moment(claims, name) - LEEWAY > now for name in ("iat", "nbf") if name in claims):
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
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not LEAST <= value <= GREATEST:
        raise Unauthenticated(f"The claim {name} of the token is not a time.")
    return datetime.fromtimestamp(value, timezone.utc)


def _subject(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= SUBJECT_LENGTH or not value.isprintable():
        raise Unauthenticated(f"The subject of the token is not text of 1 to {SUBJECT_LENGTH} printable characters.")
    return value


def _published(jwk: Any) -> Published | None:
    """A key that may verify signatures; None for one that is not understood, which is to be ignored (RFC 7517, 5),
    and for a symmetric one, which has no business in a public set."""
    try:
        if jwk.get("kty") == "oct" or jwk.get("use", "sig") != "sig":
            return None
        return Published(jwt.PyJWK(jwk).key, jwk.get("alg"))
    except (jwt.PyJWTError, AttributeError, LookupError, TypeError, ValueError):
        return None


def _fetched(url: str) -> Mapping[str, Any]:
    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  settings take only https and loopback
        document: Mapping[str, Any] = json.load(answer)
        return document
