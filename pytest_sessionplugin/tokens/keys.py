"""Signing keys: shared secrets and private keys, one for each process or one for each checkout."""

from __future__ import annotations

import json
import os
import secrets
import time
import uuid
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pytest_sessionplugin.errors import ProjectError, SessionPluginError

ALGORITHMS = ("HS256", "RS256", "ES256")

PREFIX = "local-"
"""Marks the secret of a checkout, so that a deployed service can refuse it."""

READ_SECONDS = 2.0
"""Time for another process to write a key file that it has just created."""


@dataclass(frozen=True)
class Key:
    """A signing key: a shared secret, or a private key in PEM."""

    algorithm: str
    private: str = field(repr=False)
    id: str | None = None  # `kid`; None for a shared secret

    @classmethod
    def new(cls, algorithm: str) -> Key:
        if algorithm == "HS256":
            return cls(algorithm, secrets.token_urlsafe(48))
        return cls(algorithm, _new_pem(algorithm), uuid.uuid4().hex)

    @classmethod
    @cache
    def of_this_process(cls, algorithm: str, issuer: str) -> Key:
        """The key of an issuer, cached: an RSA key takes a tenth of a second to make."""
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
            raise SessionPluginError(
                "HS256 has a shared secret and no public key; set algorithm to RS256 or ES256 in "
                "[tool.sessionplugin.tokens]."
            )

    @property
    def signer(self) -> Any:
        """The key as PyJWT takes it."""
        return self.private if self.algorithm == "HS256" else self._loaded()

    def _loaded(self) -> Any:
        self.require_public()
        return _private_key(self.private)


@cache
def _private_key(pem: str) -> Any:
    """Cached: loading an RSA key checks it, which takes 50 ms."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(pem.encode(), None)


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


def local_key_path(root: Path) -> Path:
    """The file of a checkout's key, in a folder that git ignores."""
    return root / ".chalice" / "local" / "key"


def find_local_key(root: Path, algorithm: str) -> Key | None:
    """The key of a checkout, if it has been made."""
    return local_key(root, algorithm) if local_key_path(root).is_file() else None


def local_key(root: Path, algorithm: str) -> Key:
    """The key of a checkout, made on first use, for its owner only. Processes that race for it get the same one."""
    path = local_key_path(root)
    try:
        _make_ignored(path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _close_to_others(path)
        text = _read(path)
    except OSError as error:
        raise ProjectError(root, f"{path} cannot be made: {error.strerror}.") from error
    else:
        made = Key.new(algorithm).private
        text = PREFIX + made if algorithm == "HS256" else made
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text.strip() + "\n")
    if ("PRIVATE KEY" in text) != (algorithm != "HS256"):
        raise ProjectError(root, f"{path} holds no key for {algorithm}; delete it, and a new one is made.")
    return Key(algorithm, text.strip(), None if algorithm == "HS256" else "local")


def _make_ignored(folder: Path) -> None:
    """Makes a folder that git ignores by itself, as virtual environments are."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text("*\n", encoding="ascii")


def _close_to_others(path: Path) -> None:
    """Takes away what other users may do with the file: a copy of a checkout may have other rights."""
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise ProjectError(
            _root(path), f"{path} can be read by other users, which cannot be changed: {error.strerror}."
        ) from error


def _root(path: Path) -> Path:
    return path.parents[2]


def _read(path: Path) -> str:
    """The text of the file. Waits if another process has created but not written it."""
    give_up = time.monotonic() + READ_SECONDS
    while not (text := _text(path)):
        if time.monotonic() > give_up:
            raise ProjectError(_root(path), f"{path} is empty; delete it, and a new one is made.")
        time.sleep(0.01)
    return text


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise ProjectError(_root(path), f"{path} holds no key; delete it, and a new one is made.") from error
    except OSError as error:
        raise ProjectError(_root(path), f"{path} cannot be read: {error.strerror}.") from error
