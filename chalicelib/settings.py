"""Settings: the environment as one frozen value. An error lists everything that is missing or weak."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from chalicelib.credentials import Secret
from chalicelib.errors import SettingsError
from chalicelib.rates import Limits, Rate

FAMILIES: Final[Mapping[str, frozenset[str]]] = {
    "secret": frozenset({"HS256", "HS384", "HS512"}),
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "elliptic curve": frozenset({"ES256", "ES384", "ES512"}),
    "Edwards curve": frozenset({"EdDSA"}),
}
"""The algorithms of each kind of key. An allow-list with two kinds invites key confusion."""

MOST_KEYS: Final = 3  # a rotation needs two; more lines are a file that was pasted by mistake
LOCAL_KEY_PREFIX: Final = "local-"
NONE: Final = Secret("")
MAX_LIFETIME: Final = 86_400  # seconds of a token, unless the settings say otherwise
MOST: Final = 1_000  # that a rate or a cap may be: a meter counts milliseconds
LONGEST: Final = 31_536_000  # seconds that the settings may say: a year

WEBSOCKET_URL: Final = re.compile(r"wss?://[^\s/?#]+(/[^\s?#]*)?")
STORES: Final = ("ssm", "secretsmanager")
_LOOPBACK: Final = re.compile(r"https?://(?:(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@:-]+")  # of a parameter, with a version or label, a secret, or an ARN
_MEANT: Final = re.compile(r"(ssm|secrets?[-_ ]?manager|arn|\{\{ *resolve) *:", re.IGNORECASE)
_BLOCK: Final = re.compile(r"-----BEGIN ([^-\n]+)-----.*?-----END \1-----", re.DOTALL)


@dataclass(frozen=True)
class Tokens:
    """Claims that a token must have, how long it may be valid in all, and one source of keys: a JWKS URL, PEMs,
    secrets, or a reference to AWS."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    jwks_url: str = ""
    public_key: str = ""
    secret: Secret = NONE
    kept: Reference | None = None
    max_lifetime: timedelta = timedelta(seconds=MAX_LIFETIME)


@dataclass(frozen=True)
class Tables:
    sessions: str
    connections: str
    events: str


@dataclass(frozen=True)
class Origins:
    """Pages and native apps that may open sockets: those that are listed, and, with `loopback`, pages of this machine,
    from any port. Browsers resolve the names below localhost to this machine (RFC 6761, 6.3)."""

    listed: frozenset[str]
    loopback: bool

    def __contains__(self, origin: object) -> bool:
        return origin in self.listed or (self.loopback and _LOOPBACK.fullmatch(str(origin)) is not None)


@dataclass(frozen=True)
class Settings:
    tokens: Tokens
    tables: Tables | None  # None: the store is in memory
    region: str
    allowed_origins: Origins
    limits: Limits
    websocket_url: str | None = None  # that of a ticket's answer; None: not known


def is_local(environment: Mapping[str, str]) -> bool:
    """Whether this is `chalice local` without AWS, where the store is in memory."""
    return (
        bool(environment.get("AWS_CHALICE_CLI_MODE"))
        and not environment.get("AWS_LAMBDA_FUNCTION_NAME")
        and not environment.get("AWS_ENDPOINT_URL_DYNAMODB")
        and environment.get("SESSIONS_LOCAL") != "aws"
    )


def version(environment: Mapping[str, str]) -> str | None:
    """The commit that is deployed, as a package names it; None elsewhere."""
    return environment.get("VERSION") or None


def from_environment(environment: Mapping[str, str], local_key: Callable[[], str]) -> Settings:
    """The settings of this process.

    `local_key` gives the key of this checkout; only `chalice local` calls it, when no key is named.
    Raises SettingsError with a sentence for each setting that is missing or weak.
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
        problems.append("LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    limits = _limits(environment, problems)
    websocket_url = environment.get("WEBSOCKET_URL", "").strip()
    if websocket_url and not WEBSOCKET_URL.fullmatch(websocket_url):
        problems.append("WEBSOCKET_URL must be wss:// or ws://, a host and a path, without a query.")
    if problems:
        raise SettingsError(tuple(problems))
    origins = Origins(_words(environment.get("ALLOWED_ORIGINS", "")), loopback=_are_of_a_checkout(tokens))
    return Settings(tokens, tables, region, origins, limits, websocket_url or None)


def _are_of_a_checkout(tokens: Tokens) -> bool:
    """Whether each token is signed with the key of a checkout, which no function on AWS takes."""
    keys = secrets_in(tokens.secret.reveal())
    return bool(keys) and all(key.startswith(LOCAL_KEY_PREFIX) for key in keys)


def _limits(environment: Mapping[str, str], problems: list[str]) -> Limits:
    def number(name: str, default: float) -> int:
        text = environment.get(name, "").strip() or str(default)
        if re.fullmatch(r"[0-9]{1,4}", text) and int(text) <= MOST:
            return int(text)
        problems.append(f"{name} must be a whole number, 0 (no limit) to {MOST}.")
        return 0

    usual = Limits()
    return Limits(
        Rate(number("FRAME_RATE", usual.frames.per_second)),
        Rate(number("SESSION_RATE", usual.publishes.per_second)),
        number("MAX_PER_SUBJECT", usual.per_subject),
    )


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
        secret, public_key, kept = local_key(), "", None  # without AWS, a reference leads nowhere
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
            f"{name} looks like a reference but is malformed: write ssm:NAME, secretsmanager:ARN, or the key itself."
            for name, value in (("JWT_PUBLIC_KEY", public_key), ("JWT_SECRET", secret))
            if looks_like_a_reference(value)
        ]
    if jwks_url and not _is_safe(jwks_url):
        problems.append("JWT_JWKS_URL must be https, or http on loopback.")
    tokens = Tokens(
        required("JWT_ISSUER"), required("JWT_AUDIENCE"), algorithms, max_lifetime=_max_lifetime(environment, problems)
    )
    if kept is not None:
        return replace(tokens, kept=kept)
    return replace(tokens, jwks_url=jwks_url, public_key=public_key, secret=Secret(secret))


def _max_lifetime(environment: Mapping[str, str], problems: list[str]) -> timedelta:
    text = environment.get("JWT_MAX_LIFETIME", "").strip() or str(MAX_LIFETIME)
    if re.fullmatch(r"[0-9]{1,8}", text) and 0 < int(text) <= LONGEST:
        return timedelta(seconds=int(text))
    problems.append(f"JWT_MAX_LIFETIME must be a whole number of seconds, 1 to {LONGEST}.")
    return timedelta(seconds=MAX_LIFETIME)


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # half of an IPv6 address
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"})


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())


# --- key texts, in the environment and stored in AWS


def secrets_in(text: str) -> tuple[str, ...]:
    """One per line, without the blanks around it."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def pems_in(text: str) -> tuple[str, ...]:
    """The PEM blocks (RFC 7468), in their order."""
    return tuple(found[0] for found in _BLOCK.finditer(text))


def weaknesses_of_secrets(text: str, algorithms: tuple[str, ...], where: str, *, of_a_checkout: bool) -> list[str]:
    """Sentences about what is wrong with the secrets in `text`; `where` is their subject.

    `of_a_checkout` says whether the key of a checkout is accepted.
    """
    needed = max((int(name[2:]) // 8 for name in algorithms), default=32)
    keys = secrets_in(text)
    if "-----BEGIN" in text:
        return [f"{where} holds a PEM; a public key is not a secret. Use JWT_PUBLIC_KEY."]
    if _is_json(text):
        return [f"{where} holds JSON; keep the key itself there, as plain text."]
    if not 0 < len(keys) <= MOST_KEYS:
        return [f"{where} holds {len(keys)} keys, one per line; it needs 1 to {MOST_KEYS}."]
    if any(len(key.encode()) < needed for key in keys):
        return [f"{where} holds a key that is shorter than its hash: it needs at least {needed} bytes (RFC 7518, 3.2)."]
    if not of_a_checkout and any(key.startswith(LOCAL_KEY_PREFIX) for key in keys):
        return [f"{where} holds the key of somebody's checkout; make one for this stage."]
    return []


def weaknesses_of_pems(text: str, where: str) -> list[str]:
    """Sentences about what is wrong with the PEMs in `text`, as far as can be seen without parsing them."""
    if "PRIVATE KEY" in text:
        return [f"{where} holds a private key; the service needs, and should know, only the public one."]
    if len(pems_in(text)) > MOST_KEYS:
        return [f"{where} holds {len(pems_in(text))} keys; at most {MOST_KEYS} are taken."]
    return []


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), (dict, list))
    except ValueError:
        return False


# --- references to texts stored in AWS


@dataclass(frozen=True)
class Reference:
    """A parameter of SSM's Parameter Store or a secret of Secrets Manager, named by `variable`."""

    variable: str
    store: str  # one of STORES
    name: str  # or its ARN

    def __str__(self) -> str:
        return f"{self.store}:{self.name}"

    def region(self, own: str) -> str:
        """The region of its ARN, or else the service's own."""
        return self.name.split(":")[3] if self.name.startswith("arn:") and self.name.count(":") >= 5 else own


def reference(variable: str, value: str) -> Reference | None:
    """`value` as a reference, or None. Two lines are never one: the second could be a key."""
    store, _, name = value.strip().partition(":")
    if store in STORES and _NAME.fullmatch(name.strip()):
        return Reference(variable, store, name.strip())
    return None


def looks_like_a_reference(value: str) -> bool:
    """Whether a line is a reference, or was meant as one: as a key it could be guessed."""
    return any(_MEANT.match(line.strip()) for line in value.splitlines())
