"""Keys that verify tokens: from the settings, from an issuer's key set, or stored in AWS; and the key of a checkout."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Protocol

import jwt

from chalicelib import settings
from chalicelib.credentials import Secret
from chalicelib.errors import SettingsError, Unauthenticated, Unavailable
from chalicelib.logs import log
from chalicelib.settings import FAMILIES, LOCAL_KEY_PREFIX, Reference, Tokens, looks_like_a_reference

LIFESPAN: Final = timedelta(hours=1)  # how long an issuer's key set is used without asking again
FRESH: Final = timedelta(minutes=5)  # the same for keys stored in AWS: a removed key is refused after that
REFRESH: Final = timedelta(minutes=1)  # the least time between two requests for a key that is not known
RECOVERY: Final = timedelta(seconds=15)
"""How long a source that did not answer is left alone, counted from when it was asked, which may have taken half of it.
If this were shorter than a request waits, each request of a function would wait in its turn."""
DISORDER: Final = timedelta(minutes=1)  # the furthest that the clocks of requests handled at once can be apart


class Keys(Protocol):
    def keys_for(self, kid: str | None, algorithm: str, now: datetime) -> Iterator[Any]:
        """The keys that may have signed a token with this key id and algorithm, likeliest first.

        Asking for the next key means that the earlier ones did not sign it. Raises Unauthenticated or Unavailable.
        """


def keys_of(tokens: Tokens, stored: Callable[[Reference], Callable[[], Secret]]) -> Keys:
    """The keys that the settings name; `stored` makes the function that fetches the text behind a reference.

    Raises SettingsError for an unusable PEM. Fetches nothing yet.
    """
    if tokens.kept is not None:
        fetch, where = stored(tokens.kept), f"{tokens.kept.variable} names {tokens.kept}, which"
        return StoredKeys(lambda: judged(fetch().reveal(), tokens.algorithms, where))
    if tokens.jwks_url:
        return KeySet(lambda: _downloaded(tokens.jwks_url))
    if tokens.secret:
        return FixedKeys(*settings.secrets_in(tokens.secret.reveal()))
    return FixedKeys(*_public_keys(tokens.public_key, tokens.algorithms, "JWT_PUBLIC_KEY"))


class FixedKeys:
    """Secrets or public keys: the same whatever the token says."""

    def __init__(self, *keys: Any) -> None:
        self._keys = keys

    def keys_for(self, kid: str | None, algorithm: str, now: datetime) -> Iterator[Any]:
        yield from self._keys


class Freshness:
    """When to ask again for something that is used for `lifespan`. For one thread at a time."""

    def __init__(self, lifespan: timedelta) -> None:
        self._lifespan = lifespan
        self._asked_at = self._stale_at = self._ask_at = datetime.min.replace(tzinfo=UTC)

    def is_stale(self, now: datetime) -> bool:
        return now >= self._stale_at

    def may_ask(self, now: datetime) -> bool:
        """Whether the source may be asked. After the clock was put back, everything counts as stale."""
        if now + DISORDER < self._asked_at:
            self._asked_at = self._stale_at = self._ask_at = now
        return now >= self._ask_at

    def answered(self, now: datetime) -> None:
        self._asked_at, self._ask_at, self._stale_at = now, now + REFRESH, now + self._lifespan

    def unanswered(self, now: datetime) -> None:
        self._asked_at, self._ask_at = now, now + RECOVERY


# --- published by an issuer


@dataclass(frozen=True)
class Published:
    """A key of a key set; `algorithm` is the only one that it is for, if its issuer says so."""

    key: Any
    algorithm: str | None


class KeySet:
    """The keys that an issuer publishes (RFC 7517), cached; an unknown id asks again, once a minute at most."""

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]) -> None:
        self._fetch = fetch
        self._keys: dict[str | None, Published] = {}
        self._freshness = Freshness(LIFESPAN)
        self._lock = threading.Lock()

    def keys_for(self, kid: str | None, algorithm: str, now: datetime) -> Iterator[Any]:
        yield self._key_for(kid, algorithm, now)

    def _key_for(self, kid: str | None, algorithm: str, now: datetime) -> Any:
        with self._lock:
            if self._freshness.may_ask(now) and (kid not in self._keys or self._freshness.is_stale(now)):
                self._refresh(now)
            found = self._keys.get(kid)  # valid as well while its issuer does not answer
            if found is None and self._freshness.is_stale(now):
                raise Unavailable("The issuer's key set")
            if found is None or found.algorithm not in (None, algorithm):
                raise Unauthenticated("The token names a key that its issuer does not publish for it.")
            return found.key

    def _refresh(self, now: datetime) -> None:
        try:
            published = list(self._fetch()["keys"])
        except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
            self._freshness.unanswered(now)
        else:
            self._keys = {jwk.get("kid"): key for jwk in published if (key := _published(jwk)) is not None}
            self._freshness.answered(now)


def _published(jwk: Any) -> Published | None:
    """A key that verifies signatures. None for one that is not understood, which RFC 7517, 5 tells us to ignore,
    and for a symmetric one, which does not belong in a public set."""
    try:
        if jwk.get("kty") == "oct" or jwk.get("use", "sig") != "sig" or not isinstance(jwk.get("kid", ""), str):
            return None
        return Published(jwt.PyJWK(jwk).key, jwk.get("alg"))
    except (jwt.PyJWTError, AttributeError, LookupError, TypeError, ValueError):
        return None


def _downloaded(url: str) -> Mapping[str, Any]:
    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  settings take only https and loopback
        document: Mapping[str, Any] = json.load(answer)
        return document


# --- stored in AWS


class StoredKeys:
    """Keys stored in AWS, cached.

    They are read again every five minutes, and, once a minute at most, when a token was signed by none of them. So a
    new key is accepted within a minute of its first token, a removed one for five minutes at most, and a flood of bad
    tokens does not reach the store. While the store does not answer, the known keys stay in use; an answer without a
    usable key leaves none.
    """

    def __init__(self, read: Callable[[], tuple[Any, ...]]) -> None:
        """`read` gives at least one key, and raises SettingsError or Unavailable."""
        self._read = read
        self._keys: tuple[Any, ...] = ()
        self._why: BaseException | None = None  # the cause, while the keys are missing
        self._freshness = Freshness(FRESH)
        self._lock = threading.Lock()

    def keys_for(self, kid: str | None, algorithm: str, now: datetime) -> Iterator[Any]:
        known = self._known(now)
        yield from known
        newer = self._known(now, but=known)
        if newer is not known:
            yield from newer

    def _known(self, now: datetime, *, but: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
        """The known keys; others than `but`, if the store has them and may be asked."""
        with self._lock:
            if self._freshness.may_ask(now) and (self._freshness.is_stale(now) or self._keys is but):
                self._refresh(now)
            if not self._keys:
                raise Unavailable("The store of the keys") from self._why
            return self._keys

    def _refresh(self, now: datetime) -> None:
        self._freshness.unanswered(now)  # also where `read` raises something unforeseen
        try:
            self._keys = self._read()
        except Unavailable as exc:
            if self._keys:
                log.warning("the store of the keys did not answer; the known ones stay in use", because=exc)
            else:
                self._why = exc.__cause__
        except SettingsError as exc:
            self._keys, self._why = (), exc.with_traceback(None)  # its frames hold the stored text
        else:
            self._freshness.answered(now)


NOT_THERE: Final = frozenset(
    {
        "InvalidParameterException",
        "InvalidRequestException",  # also for a secret that is marked for deletion
        "ParameterNotFound",
        "ParameterVersionNotFound",
        "ResourceNotFoundException",
        "ValidationException",
    }
)
DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "DecryptionFailure", "InvalidKeyId"})
ACTIONS: Final = {"ssm": "ssm:GetParameter", "secretsmanager": "secretsmanager:GetSecretValue"}


class StoredText:
    """Fetches the text behind a reference. Makes its client at the first call. For one thread at a time."""

    def __init__(self, reference: Reference, region: str) -> None:
        self._reference = reference
        self._region = reference.region(region)
        self._client: Any = None

    def __call__(self) -> Secret:
        """The text that is stored there now.

        Raises SettingsError where AWS has no usable text, Unavailable where it does not answer or denies access.
        """
        # imported late: unit tests of tokens, and the doctor, need no client
        from botocore.exceptions import BotoCoreError, ClientError

        named = f"{self._reference.variable} names {self._reference}"
        try:
            return Secret(self._text(named))
        except BotoCoreError as exc:
            raise Unavailable("The store of the keys") from exc
        except ClientError as exc:
            code = exc.response["Error"]["Code"]
            if code in NOT_THERE:
                sentence = f"{named}, which {self._region} does not have ({code}): create it there, or name another."
                raise SettingsError((sentence,)) from exc
            if code in DENIED:
                raise Unavailable("The store of the keys") from SettingsError(
                    (
                        f"{named}, which this function may not read ({code}): allow its role"
                        f" {ACTIONS[self._reference.store]} on it, and kms:Decrypt if a key of your own encrypts it.",
                    )
                )
            raise Unavailable("The store of the keys") from exc

    def _text(self, named: str) -> str:
        if self._client is None:
            self._client = self._connected()
        if self._reference.store == "ssm":
            parameter = self._client.get_parameter(Name=self._reference.name, WithDecryption=True)["Parameter"]
            if self._reference.variable == "JWT_SECRET" and parameter["Type"] != "SecureString":
                raise SettingsError((f"{named}, which is a {parameter['Type']}: make it a SecureString.",))
            return str(parameter["Value"])
        answer = self._client.get_secret_value(SecretId=self._reference.name)  # of the stage AWSCURRENT
        if "SecretString" not in answer:
            raise SettingsError((f"{named}, which holds bytes: keep the key there as text.",))
        return str(answer["SecretString"])

    def _connected(self) -> Any:
        """A client whose timeouts leave time for a request to DynamoDB within API Gateway's 29 s."""
        from botocore.config import Config
        from botocore.session import get_session

        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
        return get_session().create_client(self._reference.store, region_name=self._region, config=config)


# --- read from text


def judged(text: str, algorithms: tuple[str, ...], where: str) -> tuple[Any, ...]:
    """The keys in a stored text, checked like those in the environment. Raises SettingsError."""
    if FAMILIES["secret"].issuperset(algorithms):
        weak = settings.weaknesses_of_secrets(text, algorithms, where, of_a_checkout=False)
        if looks_like_a_reference(text):
            weak = [f"{where} holds a reference in turn; keep the key itself there."]
        keys: tuple[Any, ...] = settings.secrets_in(text)
    else:
        weak = settings.weaknesses_of_pems(text, where)
        keys = () if weak else _public_keys(text, algorithms, where)
    if weak:
        raise SettingsError(tuple(weak))
    return keys


def _public_keys(text: str, algorithms: tuple[str, ...], where: str) -> tuple[Any, ...]:
    return tuple(_public_key(pem, algorithms, where) for pem in settings.pems_in(text) or [text])


def _public_key(pem: str, algorithms: tuple[str, ...], where: str) -> Any:
    refusal: Exception | None = None
    for algorithm in algorithms:  # all of one family, but each curve has an algorithm of its own
        try:
            return jwt.get_algorithm_by_name(algorithm).prepare_key(pem)
        except (jwt.PyJWTError, ValueError, TypeError) as exc:
            refusal = exc
    raise SettingsError((f"{where} holds no public key in PEM that JWT_ALGORITHMS could use.",)) from refusal


# --- made for a checkout


def local_key(path: Path) -> str:
    """The random key of this checkout: made at the first call, readable by its owner only.

    Processes that call it at the same time get the same key, since the complete file is linked to its name at once.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as file:  # of mode 0600
            file.write(LOCAL_KEY_PREFIX + secrets.token_urlsafe(48) + "\n")
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text(encoding="ascii").strip()
