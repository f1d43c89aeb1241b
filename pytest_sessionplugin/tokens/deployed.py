"""Tokens for a deployed stage, taken from the environment or signed with a key from there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.gateway.redaction import RedactedText
from pytest_sessionplugin.tokens.keys import Key, find_local_key, local_key_path
from pytest_sessionplugin.tokens.tokens import HOUR, Tokens, TokenSettings

READY = "SESSIONPLUGIN_TOKEN_"
KEY = "SESSIONPLUGIN_TOKENS_KEY"
KEY_ID = "SESSIONPLUGIN_TOKENS_KID"


class DeployedTokens(Tokens):
    """SESSIONPLUGIN_TOKEN_ALICE is the token of "alice"; other tokens are signed with the key.

    `served`: the project, if `sessionplugin serve` runs its app; then the key is by default the one that it signs with.
    Without token and key, raises `lacking(what)`.
    """

    def __init__(
        self,
        settings: TokenSettings,
        environment: Mapping[str, str],
        lacking: Callable[[str], Exception],
        clock: Callable[[], float] = time.time,
        *,
        served: Path | None = None,
    ) -> None:
        key = key_of(environment, settings.algorithm)
        if key is None and served is not None:
            key = _of_served(served, settings.algorithm)
        super().__init__(settings, key or Key(settings.algorithm, ""), clock)
        self._has_key = key is not None
        self._environment, self._lacking, self._served = environment, lacking, served

    def __call__(self, subject: str, *, expires_in: float = HOUR, **claims: Any) -> str:
        usual = expires_in == HOUR and not claims
        variable = READY + re.sub(r"[^A-Z0-9]", "_", subject.upper())
        if usual and (ready := self._environment.get(variable, "").strip()):
            return RedactedText(ready)
        self._require_key(f"token of {subject}: set {variable if usual else KEY}{f', or {KEY}' if usual else ''}")
        return super().__call__(subject, expires_in=expires_in, **claims)

    @property
    def secret(self) -> str:
        self._require_key(f"secret of its tokens: set {KEY}")
        return RedactedText(super().secret)

    @property
    def public_key_pem(self) -> str:
        self._require_key(f"key of its tokens: set {KEY}")
        return super().public_key_pem

    @property
    def jwks(self) -> dict[str, Any]:
        self._require_key(f"key of its tokens: set {KEY}")
        return super().jwks

    @property
    def jwks_url(self) -> NoReturn:
        raise self._lacking("JWKS of this process")

    def sign(self, claims: Mapping[str, Any], key: Key | None = None) -> str:
        if key is None:
            self._require_key(f"key to sign tokens with: set {KEY}")
        return super().sign(claims, key)

    def rotate(self, *, overlap: bool = False) -> NoReturn:
        raise self._lacking("key that a test could rotate")

    def end_overlap(self) -> NoReturn:
        raise self._lacking("key that a test could rotate")

    def of(self, path: str | os.PathLike[str]) -> NoReturn:
        raise self._lacking("other app beside it")

    def _require_key(self, what: str) -> None:
        if self._has_key:
            return
        made = "" if self._served is None else f"; {local_key_path(self._served)}, which serve makes, is not there"
        raise self._lacking(what + made)


def key_of(environment: Mapping[str, str], algorithm: str) -> Key | None:
    """The key in the environment, or in a file named there. Raises SessionPluginError, which does not show the key."""
    text = environment.get(KEY, "").strip()
    if not text:
        return None
    if "PRIVATE KEY" not in text and os.path.isfile(text):
        text = _read(Path(text))
    if ("PRIVATE KEY" in text) != (algorithm != "HS256"):
        wanted = "a secret" if algorithm == "HS256" else "a private key in PEM, or a file with one"
        raise SessionPluginError(f"{KEY} is not {wanted}, which {algorithm} signs with.")
    key = Key(algorithm, RedactedText(text), environment.get(KEY_ID) or None)
    _try(key)
    return key


def _of_served(project: Path, algorithm: str) -> Key | None:
    key = find_local_key(project, algorithm)
    return key and replace(key, private=RedactedText(key.private))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SessionPluginError(f"{path}, which {KEY} names, cannot be read as text.") from error


def _try(key: Key) -> None:
    import jwt

    try:
        jwt.encode({}, key.private, key.algorithm)
    except (ValueError, TypeError, Warning, jwt.PyJWTError) as error:
        reason = f"{KEY} is not a key that {key.algorithm} can sign with: {type(error).__name__}."
        raise SessionPluginError(reason) from None  # a traceback of the cause would show the key
