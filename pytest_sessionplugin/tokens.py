"""JWTs that the app in test accepts, and the keys to check them with. Signs; never verifies."""

from __future__ import annotations

import json
import os
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.errors import SessionPluginError

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_sessionplugin.jwks import JwksServer

ALGORITHMS = ("HS256", "RS256", "ES256")
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


@dataclass(frozen=True)
class Key:
    """One signing key: a secret, or a private key as PEM."""

    algorithm: str
    private: str = field(repr=False)
    id: str | None = None  # `kid`; a shared secret has none

    @classmethod
    def new(cls, algorithm: str) -> Key:
        if algorithm == "HS256":
            return cls(algorithm, secrets.token_urlsafe(48))
        return cls(algorithm, _new_pem(algorithm), uuid.uuid4().hex)

    @classmethod
    @cache
    def of_this_process(cls, algorithm: str, issuer: str = "") -> Key:
        """The issuer's, the same one every time: an RSA key costs a tenth of a second."""
        return cls.new(algorithm)

    @property
    def public_pem(self) -> str:
        from cryptography.hazmat.primitives import serialization

        pem = (
            self._loaded()
            .public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        return str(pem.decode())

    @property
    def jwk(self) -> dict[str, Any]:
        """The public half as a JSON Web Key (RFC 7517)."""
        from jwt.algorithms import get_default_algorithms

        algorithm: Any = get_default_algorithms()[self.algorithm]
        public = json.loads(algorithm.to_jwk(self._loaded().public_key()))
        return {**public, "kid": self.id, "alg": self.algorithm, "use": "sig"}

    def require_public(self) -> None:
        if self.algorithm == "HS256":
            raise SessionPluginError("HS256 has a shared secret and no public key; use RS256 or ES256.")

    def _loaded(self) -> Any:
        self.require_public()
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        return load_pem_private_key(self.private.encode(), None)


def _new_pem(algorithm: str) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    key: Any = (
        rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return str(pem.decode())


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
        import jwt

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
        key = self._keys[-1]
        return jwt.encode(
            {name: value for name, value in said.items() if value is not None},
            key.private,
            algorithm=key.algorithm,
            headers={"kid": key.id} if key.id else None,
        )

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
        """The public keys, the newest last. Those before a rotation stay: their tokens are still good."""
        return {"keys": [key.jwk for key in self._keys]}

    @property
    def jwks_url(self) -> str:
        """Where the JWKS is served, on loopback, from now until `close`. It never changes."""
        if self._server is None:
            from pytest_sessionplugin.jwks import JwksServer

            self._keys[-1].require_public()
            self._server = JwksServer(lambda: self.jwks)
        return self._server.url

    def rotate(self) -> None:
        """From now on signs with a new key, of a new `kid`."""
        if self.settings.algorithm == "HS256":
            raise SessionPluginError("HS256 has one shared secret; rotation is for RS256 and ES256.")
        self._keys.append(Key.new(self.settings.algorithm))

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
