"""The environment, read once into one frozen value; says by name what is missing or weak. Reads no file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from chalicelib.credentials import Secret
from chalicelib.errors import SettingsError

FAMILIES: Mapping[str, frozenset[str]] = {
    "secret": frozenset({"HS256", "HS384", "HS512"}),
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "elliptic curve": frozenset({"ES256", "ES384", "ES512"}),
    "Edwards curve": frozenset({"EdDSA"}),
}
"""Algorithms that one kind of key serves. An allow-list over two kinds invites key confusion."""

NONE = Secret("")


@dataclass(frozen=True)
class Tokens:
    """What a token must say, and one source of keys: a JWKS URL, PEMs, secrets, or where in AWS they are kept."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    jwks_url: str = ""
    public_key: str = ""
    secret: Secret = NONE
    kept: Reference | None = None


@dataclass(frozen=True)
class Tables:
    sessions: str
    connections: str
    events: str


@dataclass(frozen=True)
class Settings:
    tokens: Tokens
    tables: Tables | None  # None: the store is in memory
    region: str
    allowed_origins: frozenset[str]


def is_local(environment: Mapping[str, str]) -> bool:
    """Whether this is `chalice local` and has been given no AWS: then the store is in memory."""
    return (
        bool(environment.get("AWS_CHALICE_CLI_MODE"))
        and not environment.get("AWS_LAMBDA_FUNCTION_NAME")
        and not environment.get("AWS_ENDPOINT_URL_DYNAMODB")
        and environment.get("SESSIONS_LOCAL") != "aws"
    )


def from_environment(environment: Mapping[str, str], local_key: Callable[[], str]) -> Settings:
    """The settings of this process.

    `local_key` gives the key of this checkout, asked for only by `chalice local` when no key is named.
    Raises SettingsError with a sentence for each thing that is missing or weak.
    """
    problems: list[str] = []

    def required(name: str) -> str:
        value = environment.get(name, "").strip()
        if not value:
            problems.append(f"{name} is not set.")
        return value

    local = is_local(environment)
    tokens = _tokens(environment, required, local_key if local else None, problems)
    tables = (
        None if local else Tables(required("SESSIONS_TABLE"), required("CONNECTIONS_TABLE"), required("EVENTS_TABLE"))
    )
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
    if not region and not local:
        problems.append("AWS_REGION is not set.")
    if environment.get("LOG_LEVEL", "INFO").upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
        problems.append("LOG_LEVEL is none of DEBUG, INFO, WARNING, ERROR, CRITICAL.")
    if problems:
        raise SettingsError(tuple(problems))
    return Settings(tokens, tables, region, _words(environment.get("ALLOWED_ORIGINS", "")))


def _tokens(
    environment: Mapping[str, str],
    required: Callable[[str], str],
    local_key: Callable[[], str] | None,
    problems: list[str],
) -> Tokens:
    jwks_url = environment.get("JWT_JWKS_URL", "").strip()
    public_key = environment.get("JWT_PUBLIC_KEY", "").strip()
    secret = environment.get("JWT_SECRET", "")
    kept = reference("JWT_PUBLIC_KEY", public_key) or reference("JWT_SECRET", secret)
    named = [bool(jwks_url), bool(public_key), bool(secret)].count(True)
    if local_key is not None and (named == 0 or (named == 1 and kept is not None)):
        secret, public_key, kept = local_key(), "", None  # where there is no AWS, nothing is kept there
    elif named != 1:
        problems.append("Set exactly one of JWT_JWKS_URL, JWT_PUBLIC_KEY and JWT_SECRET.")
    algorithms = tuple(sorted(_words(required("JWT_ALGORITHMS"))))
    family = next((name for name, members in FAMILIES.items() if members.issuperset(algorithms)), None)
    if algorithms and family is None:
        problems.append(
            "JWT_ALGORITHMS must name algorithms of one family: "
            + "; ".join(", ".join(sorted(members)) for members in FAMILIES.values())
            + "."
        )
    elif algorithms and (named == 1 or secret) and (family == "secret") != bool(secret):
        problems.append(
            "JWT_ALGORITHMS and the key do not fit: HS… goes with JWT_SECRET, the others with a public key."
        )
    if kept is None:
        of_a_checkout = not environment.get("AWS_LAMBDA_FUNCTION_NAME")
        if secret and family == "secret":
            problems += weaknesses_of_secrets(secret, algorithms, "JWT_SECRET", of_a_checkout=of_a_checkout)
        problems += weaknesses_of_pems(public_key, "JWT_PUBLIC_KEY")
        problems += [
            f"{name} looks like a reference and is none: write ssm:NAME, secretsmanager:ARN, or the key itself."
            for name, value in (("JWT_PUBLIC_KEY", public_key), ("JWT_SECRET", secret))
            if is_meant_as_one(value)
        ]
    if jwks_url and not _is_safe(jwks_url):
        problems.append("JWT_JWKS_URL must be https, or http on loopback.")
    issuer, audience = required("JWT_ISSUER"), required("JWT_AUDIENCE")
    if kept is not None:
        return Tokens(issuer, audience, algorithms, kept=kept)
    return Tokens(issuer, audience, algorithms, jwks_url, public_key, Secret(secret))


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # half an address of IPv6
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"})


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


MOST: Final = 3  # a rotation needs two; a file of lines that was pasted is no list of keys
LOCAL_KEY_PREFIX: Final = "local-"

_BLOCK: Final = re.compile(r"-----BEGIN ([^-\n]+)-----.*?-----END \1-----", re.DOTALL)


def secrets_in(text: str) -> tuple[str, ...]:
    """One a line; blanks around a key are not part of it."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def pems_in(text: str) -> tuple[str, ...]:
    """The PEM blocks (RFC 7468), which follow one another."""
    return tuple(found[0] for found in _BLOCK.finditer(text))


def weaknesses_of_secrets(text: str, algorithms: tuple[str, ...], where: str, *, of_a_checkout: bool) -> list[str]:
    """A sentence for what is wrong with the secrets in `text`; `where` is its subject.

    `of_a_checkout` says whether the key of a checkout will do here.
    """
    needed = max((int(name[2:]) // 8 for name in algorithms), default=32)
    keys = secrets_in(text)
    if "-----BEGIN" in text:
        return [f"{where} holds a PEM; a public key is no secret. Use JWT_PUBLIC_KEY."]
    if _is_json(text):
        return [f"{where} holds JSON; keep the key itself there, as plain text."]
    if not 0 < len(keys) <= MOST:
        return [f"{where} holds {len(keys)} keys, one a line; it needs 1 to {MOST}."]
    if any(len(key.encode()) < needed for key in keys):
        return [f"{where} holds a key that is shorter than its hash: it needs at least {needed} bytes (RFC 7518, 3.2)."]
    if not of_a_checkout and any(key.startswith(LOCAL_KEY_PREFIX) for key in keys):
        return [f"{where} holds the key of somebody's checkout; make one for this stage."]
    return []


def weaknesses_of_pems(text: str, where: str) -> list[str]:
    """A sentence for what is wrong with the PEMs in `text`, unless only a parser can tell."""
    if "PRIVATE KEY" in text:
        return [f"{where} holds a private key; the service needs, and should know, only the public one."]
    if len(pems_in(text)) > MOST:
        return [f"{where} holds {len(pems_in(text))} keys; at most {MOST} are taken."]
    return []


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


STORES: Final = ("ssm", "secretsmanager")
_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@:-]+")  # of a parameter, with a version or label, a secret, or an ARN
_MEANT: Final = re.compile(r"(ssm|secrets?[-_ ]?manager|arn|\{\{ *resolve) *:", re.IGNORECASE)


@dataclass(frozen=True)
class Reference:
    """What `variable` names: a parameter of SSM's Parameter Store, or a secret of Secrets Manager."""

    variable: str
    store: str  # one of STORES
    name: str  # or its ARN

    def __str__(self) -> str:
        return f"{self.store}:{self.name}"

    def region(self, own: str) -> str:
        """Where it is asked for: where its ARN says, or in the service's own region."""
        return self.name.split(":")[3] if self.name.startswith("arn:") and self.name.count(":") >= 5 else own


def reference(variable: str, value: str) -> Reference | None:
    """The reference that `value` is; None if it is none: a name with a second line could be one and a key below it."""
    store, _, name = value.strip().partition(":")
    if store in STORES and _NAME.fullmatch(name.strip()):
        return Reference(variable, store, name.strip())
    return None


def is_meant_as_one(value: str) -> bool:
    """Whether a line of it is a reference, or was to be one: as a key it could be guessed."""
    return any(_MEANT.match(line.strip()) for line in value.splitlines())
