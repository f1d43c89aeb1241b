"""Verifies a token: token, keys and time in, a principal or an error out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from chalicelib.credentials import Secret
from chalicelib.errors import Unauthenticated
from chalicelib.keys import Keys
from chalicelib.members import GUEST, LEEWAY, SUBJECT_LENGTH, is_subject
from chalicelib.model import Principal
from chalicelib.settings import Tokens

TOKEN_BYTES: Final = 8_192  # API Gateway takes headers of 10,240 bytes in all
TYPES: Final = frozenset({"jwt", "at+jwt"})  # values of `typ`; other tokens of an issuer are not for an API
LEAST, GREATEST = 0, 221_845_392_000  # seconds: from 1970 to the year 9000


def authenticate(token: Secret, tokens: Tokens, keys: Keys, now: datetime) -> Principal:
    """The principal of this token at `now`.

    Raises Unauthenticated, which tells only what is wrong with the token, and Unavailable without the issuer's keys.
    """
    text = token.reveal()
    if len(text) > TOKEN_BYTES:
        raise Unauthenticated(f"The token is longer than {TOKEN_BYTES} bytes.")
    try:
        header = jwt.get_unverified_header(text)
        if header.get("alg") not in tokens.algorithms:
            raise Unauthenticated("The token is signed with an algorithm that is not accepted.")
        if not _is_of_a_type(header):
            raise Unauthenticated("The token is of a type that is not accepted.")
        claims = _verified(text, tokens, keys.keys_for(header.get("kid"), header["alg"], now))
    except (jwt.PyJWTError, ArithmeticError, RecursionError, TypeError, ValueError) as exc:
        raise Unauthenticated(_reason(exc)) from exc
    expires_at = _moment(claims, "exp")
    if expires_at + LEEWAY <= now:
        raise Unauthenticated("The token has expired.")
    if any(_moment(claims, name) - LEEWAY > now for name in ("iat", "nbf") if name in claims):
        raise Unauthenticated("The token is not valid yet.")
    if expires_at - _moment(claims, "iat") > tokens.max_lifetime:
        raise Unauthenticated("The token is valid for longer than is accepted.")
    return Principal(_subject(claims["sub"]), expires_at)


def _is_of_a_type(header: Mapping[str, Any]) -> bool:
    """Whether `typ` (RFC 8725, 3.11) is missing or accepted: without case, with or without `application/`."""
    kind = header.get("typ", "JWT")
    return isinstance(kind, str) and kind.lower().removeprefix("application/") in TYPES


def _verified(token: str, tokens: Tokens, candidates: Iterable[Any]) -> dict[str, Any]:
    """The claims, if one of the keys signed them."""
    refusal: Exception | None = None
    for key in candidates:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=list(tokens.algorithms),
                issuer=tokens.issuer,
                audience=tokens.audience,
                options={
                    "require": ["exp", "iat", "iss", "aud", "sub"],
                    "strict_aud": True,
                    # the caller checks these three by the clock that it was given
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError, TypeError) as exc:  # the last: a key of another kind
            refusal = exc
    raise refusal or jwt.InvalidSignatureError("none of the keys can have signed it")


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
    return datetime.fromtimestamp(value, UTC)


def _subject(value: Any) -> str:
    if not is_subject(value):
        raise Unauthenticated(f"The subject of the token is not text of 1 to {SUBJECT_LENGTH} printable characters.")
    if value.startswith(GUEST):
        raise Unauthenticated(f"The subject of the token begins with {GUEST}, which only a guest's does.")
    return value
