"""JWTs that the app in test accepts, and the keys to check them with. Signs; never verifies."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.tokens.keys import ALGORITHMS, Key

if TYPE_CHECKING:
    from types import TracebackType


HOUR = 3600


@dataclass(frozen=True)
class TokenSettings:
    """What every token says; [tool.sessionplugin.tokens]."""

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


class Tokens:
    """Makes tokens: `tokens("alice", expires_in=60, scope="write")`.

    A claim that is None is left out. `clock` gives seconds since the epoch.
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
        self.neighbours: Callable[[str | os.PathLike[str]], Tokens] | None = None
        """What `of` asks, for as long as a test runs."""

    def __call__(self, subject: str, *, expires_in: float = HOUR, **claims: Any) -> str:
        return self.sign(self.claims(subject, expires_in=expires_in, **claims))

    def claims(self, subject: str, *, expires_in: float = HOUR, **claims: Any) -> dict[str, Any]:
        """What such a token says."""
        now = self._clock()
        said = {
            "sub": subject,
            "iss": self.settings.issuer,
            "aud": self.settings.audience,
            "iat": int(now),
            "exp": int(now + expires_in),
            "jti": uuid.uuid4().hex,
            **claims,
        }
        return {name: value for name, value in said.items() if value is not None}

    def sign(self, claims: Mapping[str, Any], key: Key | None = None) -> str:
        """A token that says just this, signed with the newest key or another one."""
        import jwt

        key = key or self.key
        headers = {"kid": key.id} if key.id else None
        return jwt.encode(dict(claims), key.signer, algorithm=key.algorithm, headers=headers)

    @property
    def key(self) -> Key:
        """The newest."""
        return self._keys[-1]

    def of(self, path: str | os.PathLike[str]) -> Tokens:
        """Those that another Chalice project of the repository accepts; [tool.sessionplugin.tokens] of its own.

        `path` is its folder, absolute or from the rootdir.
        """
        if self.neighbours is None:
            raise SessionPluginError(f"jwt_tokens.of({os.fspath(path)!r}) was used outside of its test.")
        return self.neighbours(path)

    @property
    def secret(self) -> str:
        """The shared secret of HS256."""
        if self.settings.algorithm != "HS256":
            raise SessionPluginError(f"{self.settings.algorithm} has no shared secret; HS256 has.")
        return self._keys[-1].private

    @property
    def public_key_pem(self) -> str:
        return self._keys[-1].public_pem

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys, the newest last; there are older ones only while an overlap lasts."""
        return {"keys": [key.jwk for key in self._keys]}

    @property
    def jwks_url(self) -> str:
        """Where the JWKS is served, on loopback, from now until `close`. It never changes."""
        if self._server is None:
            self._keys[-1].require_public()
            self._server = JwksServer(lambda: self.jwks)
        return self._server.url

    def rotate(self, *, overlap: bool = False) -> None:
        """From now on signs with a new key, of a new `kid`, and publishes it alone: older tokens are good until the app
        asks again. With an `overlap` the keys before it are published too, until `end_overlap`.
        """
        if self.settings.algorithm == "HS256":
            raise SessionPluginError("HS256 has one shared secret; rotation is for RS256 and ES256.")
        new = Key.new(self.settings.algorithm)
        self._keys = [*self._keys, new] if overlap else [new]

    def end_overlap(self) -> None:
        """From now on publishes the newest key alone."""
        self._keys = [self.key]

    def start_over(self) -> None:
        """Undoes the rotations."""
        self._keys = [self._first]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def __enter__(self) -> Tokens:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def lookup(self, name: str) -> str:
        """What {token:name} stands for in [tool.sessionplugin.env]."""
        if name == "secret":
            return self.secret
        if name == "public_key":
            return self.public_key_pem
        if name == "jwks_url":
            return self.jwks_url
        raise KeyError(f"there is no {{token:{name}}}; there are secret, public_key and jwks_url.")


class JwksServer:
    """Serves what `jwks` gives at that moment, until it is closed."""

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
                """Says nothing: stderr is the test's."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/.well-known/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="jwks", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
