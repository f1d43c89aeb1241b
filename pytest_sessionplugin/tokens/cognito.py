"""Verifies the signatures of tokens for Cognito user pools that the plugin signs for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.gateway.core.cognito import issuer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_sessionplugin.gateway.values import Verified
    from pytest_sessionplugin.tokens.tokens import Tokens


def verifier(pools: Iterable[str], tokens: Tokens | None) -> Verified | None:
    """A verifier for the tokens of these pools, given as ARNs; None if the plugin signs for none of them.

    It accepts tokens of the other pools, whose keys are not known here.
    """
    if tokens is None or tokens.settings.issuer not in {issuer(pool) for pool in pools}:
        return None
    return _Verifier(tokens)


def signs_for_all(pools: Iterable[str], tokens: Tokens | None) -> bool:
    """Whether every token of these pools can be verified."""
    return tokens is not None and {issuer(pool) for pool in pools} == {tokens.settings.issuer}


class _Verifier:
    """Reads the keys for each token, since they may have been rotated."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def __call__(self, token: str) -> bool:
        import jwt

        try:
            said: Any = jwt.decode(token, options={"verify_signature": False})
            if said.get("iss") != self._tokens.settings.issuer:
                return True
            return any(_signed(token, key) for key in self._keys(jwt.get_unverified_header(token).get("kid")))
        except jwt.PyJWTError:
            return False

    def _keys(self, kid: object) -> list[dict[str, Any]]:
        if self._tokens.settings.algorithm == "HS256":  # a pool has no shared secret
            return []
        return [key for key in self._tokens.jwks["keys"] if key["kid"] == kid]


def _signed(token: str, key: dict[str, Any]) -> bool:
    import jwt

    unasked: Any = {f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
    try:
        jwt.decode(token, jwt.PyJWK(key).key, [key["alg"]], unasked)
    except jwt.PyJWTError:
        return False
    return True
