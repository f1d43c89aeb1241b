"""The environment, read once into one frozen value; says by name what is missing or weak. Reads no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from chalicelib.errors import SettingsError
from chalicelib.secret import Secret

FAMILIES: Mapping[str, frozenset[str]] = {
    "secret": frozenset({"HS256", "HS384", "HS512"}),
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "elliptic curve": frozenset({"ES256", "ES384", "ES512"}),
    "Edwards curve": frozenset({"EdDSA"}),
}
"""Algorithms that one kind of key serves. An allow-list over two kinds invites key confusion."""

LOCAL_KEY_PREFIX = "local-"
REFERENCES = ("ssm:", "secretsmanager:")
NONE = Secret("")


@dataclass(frozen=True)
class Tokens:
    """What a token must say, and one source of keys: a JWKS URL, a PEM, or a secret."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    jwks_url: str = ""
    public_key: str = ""
    secret: Secret = NONE


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
    named = [bool(jwks_url), bool(public_key), bool(secret)].count(True)
    if named == 0 and local_key is not None:
        secret = local_key()
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
    elif algorithms and named == 1 and (family == "secret") != bool(secret):
        problems.append(
            "JWT_ALGORITHMS and the key do not fit: HS… goes with JWT_SECRET, the others with a public key."
        )
    if secret and family == "secret":
        problems.extend(_weaknesses(secret, algorithms, bool(environment.get("AWS_LAMBDA_FUNCTION_NAME"))))
    if public_key and "PRIVATE KEY" in public_key:
        problems.append("JWT_PUBLIC_KEY holds a private key; the service needs, and should know, only the public one.")
    if jwks_url and not _is_safe(jwks_url):
        problems.append("JWT_JWKS_URL must be https, or http on loopback.")
    return Tokens(required("JWT_ISSUER"), required("JWT_AUDIENCE"), algorithms, jwks_url, public_key, Secret(secret))


def _weaknesses(secret: str, algorithms: tuple[str, ...], in_lambda: bool) -> list[str]:
    needed = max((int(name[2:]) // 8 for name in algorithms), default=32)
    if secret.startswith(REFERENCES):
        return ["JWT_SECRET names a secret kept elsewhere, which this version cannot fetch; give its value."]
    if "-----BEGIN" in secret:
        return ["JWT_SECRET holds a PEM; a public key is no secret. Use JWT_PUBLIC_KEY."]
    if len(secret.encode()) < needed:
        return [f"JWT_SECRET is shorter than its hash: it needs at least {needed} bytes (RFC 7518, 3.2)."]
    if in_lambda and secret.startswith(LOCAL_KEY_PREFIX):
        return ["JWT_SECRET is the key of somebody's checkout; make one for this stage."]
    return []


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"})


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
