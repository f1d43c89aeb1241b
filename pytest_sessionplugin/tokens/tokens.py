"""JWTs that the app under test accepts, and a JWKS with the keys to verify them."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_sessionplugin.errors import SessionPluginError, UnknownArgument
from pytest_sessionplugin.gateway.redaction import RedactedText
from pytest_sessionplugin.tokens import cooldown
from pytest_sessionplugin.tokens.keys import ALGORITHMS, Key

HOUR = 3600
EXPIRES_IN = "expires_in"


@dataclass(frozen=True)
class TokenSettings:
    """The claims of every token, and its algorithm; [tool.sessionplugin.tokens]."""

    algorithm: str = "HS256"
    issuer: str = "https://tokens.test"
    audience: str = "test"

    @classmethod
    def of(cls, section: Mapping[str, str]) -> TokenSettings:
        unknown = sorted(set(section) - {"algorithm", "issuer", "audience"})
        if unknown:
            raise SessionPluginError(
                f"[tool.sessionplugin.tokens] has {', '.join(unknown)}; its keys are algorithm, issuer and audience."
            )
        settings = cls(**section)
        if settings.algorithm not in ALGORITHMS:
            raise SessionPluginError(
                f"[tool.sessionplugin.tokens] algorithm = {settings.algorithm!r}: "
                f"it must be one of {', '.join(ALGORITHMS)}."
            )
        return settings

    @property
    def are_of_cognito(self) -> bool:
        return self.issuer.startswith("https://cognito-idp.")


class Tokens:
    """Makes tokens: `tokens("alice", expires_in=60, scope="write")`. A claim of None is left out.

    Those of a Cognito user pool say their use: with a `scope` they are access tokens, else identity tokens.
    `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        settings: TokenSettings | None = None,
        key: Key | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings or TokenSettings()
        self._first = key or Key.of_this_process(self.settings.algorithm, self.settings.issuer)
        self._keys = [self._first]
        self._clock = clock
        self._server: JwksServer | None = None
        self._find: FindTokens | None = None

    @contextmanager
    def in_test(self, find: FindTokens) -> Iterator[Tokens]:
        """Lends these tokens to a test: `of` works within the block, and rotations are undone at its end."""
        self._find = find
        try:
            yield self
        finally:
            self._find = None
            self.start_over()

    def __call__(self, subject: str, *, expires_in: float = HOUR, **claims: Any) -> str:
        return self.sign(self.claims(subject, expires_in=expires_in, **claims))

    def claims(self, subject: str, *, expires_in: float = HOUR, **claims: Any) -> dict[str, Any]:
        """The claims of such a token. Raises UnknownArgument for a claim that is perhaps a misspelt `expires_in`."""
        for name in claims:
            UnknownArgument.check("jwt_tokens", name, EXPIRES_IN, "jwt_tokens.sign() takes claims of any name.")
        if not isinstance(subject, str | None):
            raise TypeError(f"the subject of a token is text, not {type(subject).__name__}: JWT takes no other")
        now = self._clock()
        said = {
            "sub": subject,
            "iss": self.settings.issuer,
            "aud": self.settings.audience,
            "iat": int(now),
            "exp": int(now + expires_in),
            "jti": uuid.uuid4().hex,
            **({"token_use": "access" if "scope" in claims else "id"} if self.settings.are_of_cognito else {}),
            **claims,
        }
        return {name: value for name, value in said.items() if value is not None}

    def sign(self, claims: Mapping[str, Any], key: Key | None = None) -> str:
        """A token with these claims only, signed with the newest key or another one.

        Its repr is redacted, so that a failing test does not show it; `print` does.
        """
        import jwt

        key = key or self.key
        headers = {"kid": key.id} if key.id else None
        return RedactedText(jwt.encode(dict(claims), key.signer, algorithm=key.algorithm, headers=headers))

    @property
    def key(self) -> Key:
        """The newest key."""
        return self._keys[-1]

    def of(self, path: str | os.PathLike[str]) -> Tokens:
        """The tokens of another Chalice project, as its own [tool.sessionplugin.tokens] describes them.

        `path` is its folder, absolute or from the rootdir.
        """
        if self._find is None:
            raise SessionPluginError(f"jwt_tokens.of({os.fspath(path)!r}) was used outside of its test.")
        return self._find(path)

    @property
    def secret(self) -> str:
        """The shared secret of HS256."""
        if self.settings.algorithm != "HS256":
            raise SessionPluginError(
                f"{self.settings.algorithm} has no shared secret: apps verify with {{token:public_key}} or "
                "{token:jwks_url}, or set algorithm to HS256 in [tool.sessionplugin.tokens]."
            )
        return self._keys[-1].private

    @property
    def public_key_pem(self) -> str:
        return self._keys[-1].public_pem

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys, newest last; older ones are in it during an overlap."""
        return {"keys": [key.jwk for key in self._keys]}

    @property
    def jwks_url(self) -> str:
        """The URL of the JWKS, served on loopback from the first use until `close`. It never changes."""
        if self._server is None:
            self._keys[-1].require_public()
            self._server = JwksServer(lambda: self.jwks)
        return self._server.url

    def rotate(self, *, overlap: bool = False) -> None:
        """Switches to a new key with a new `kid`, and publishes it alone: old tokens are valid until the app refetches.

        With an `overlap` the older keys stay published until `end_overlap`.
        """
        if self.settings.algorithm == "HS256":
            raise SessionPluginError(
                "HS256 has one shared secret: to rotate keys, set algorithm to RS256 or ES256 in "
                "[tool.sessionplugin.tokens]."
            )
        new = Key.new(self.settings.algorithm)
        self._keys = [*self._keys, new] if overlap else [new]

    def end_overlap(self) -> None:
        """Publishes the newest key alone."""
        self._keys = [self.key]

    def start_over(self) -> None:
        """Undoes the rotations. A client that has seen them may look for the first key again at once."""
        if self._keys != [self._first]:
            cooldown.pass_by(cooldown.ENOUGH)
        self._keys = [self._first]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> Tokens:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lookup(self, name: str) -> str:
        """The value of {token:name} in [tool.sessionplugin.env]."""
        if name == "secret":
            return self.secret
        if name == "public_key":
            return self.public_key_pem
        if name == "jwks_url":
            return self.jwks_url
        raise KeyError(f"there is no {{token:{name}}}; there are secret, public_key and jwks_url.")


FindTokens = Callable[[str | os.PathLike[str]], Tokens]
"""Finds the tokens of another project by its folder."""


class JwksServer:
    """Serves the current result of `jwks` until it is closed."""

    def __init__(self, jwks: Callable[[], dict[str, Any]]) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(jwks()).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Logs nothing, since stderr belongs to the test."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/.well-known/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="jwks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
