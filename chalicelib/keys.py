"""Keys that verify tokens: from the settings, from an issuer's key set, or stored in AWS; and the key of a checkout."""

from __future__ import annotations

import http.client
import os
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import jwt

from chalicelib import issuer, settings
from chalicelib.credentials import Secret
from chalicelib.errors import SettingsError, Unauthenticated, Unavailable
from chalicelib.logs import log
from chalicelib.settings import FAMILIES, LOCAL_KEY_PREFIX, Reference, Tokens, looks_like_a_reference

LIFESPAN: Final = timedelta(hours=1)  # how long an issuer's key set is used without asking again
FRESH: Final = timedelta(minutes=5)  # the same for keys stored in AWS: a removed key is refused after that
REFRESH: Final = timedelta(minutes=1)
"""The least time between two requests to a source that answers: for an unknown key, or what could not be read."""
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
        return KeySet(lambda: issuer.downloaded(tokens.jwks_url))
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
    """When to ask again for something that is used for `lifespan`. The caller holds a lock."""

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

    def unanswered(self, now: datetime, pause: timedelta = RECOVERY) -> None:
        self._asked_at, self._ask_at = now, now + pause


K = TypeVar("K")


class Source(Generic[K]):
    """Keys that are fetched from elsewhere, and used for `lifespan`.

    They are asked for again when they are stale, and, once a minute at most, when a token was signed by none of them.
    Without an answer the known keys stay in use. One thread asks at a time; others wait for it only if they
    have no key, or none that fits.
    """

    def __init__(self, read: Callable[[], tuple[K, ...]], lifespan: timedelta, name: str) -> None:
        """`read` raises SettingsError for an answer without a usable key, which leaves none in use; any other error
        means that there was no answer, or none that can be read."""
        self._read = read
        self._name = name
        self._keys: tuple[K, ...] = ()
        self._why: BaseException | None = None  # the cause, while the keys are missing
        self._freshness = Freshness(lifespan)
        self._lock = threading.Lock()  # held for a moment
        self._turn = threading.Lock()  # held by the thread that asks

    def known(self, now: datetime, but: tuple[K, ...] | None = None) -> tuple[K, ...]:
        """The known keys; others than `but`, if the source has them and may be asked. Raises Unavailable."""
        patient = not self._keys or self._keys is but
        if self._is_due(now, but) and self._turn.acquire(timeout=RECOVERY.total_seconds() if patient else 0):
            try:
                if self._is_due(now, but):  # unless another thread has asked meanwhile
                    self._ask(now)
            finally:
                self._turn.release()
        with self._lock:
            if self._why is not None:
                raise Unavailable(self._name) from self._why
            return self._keys

    def is_stale(self, now: datetime) -> bool:
        with self._lock:
            return self._freshness.is_stale(now)

    def _is_due(self, now: datetime, but: tuple[K, ...] | None) -> bool:
        with self._lock:
            return self._freshness.may_ask(now) and (self._freshness.is_stale(now) or self._keys is but)

    def _ask(self, now: datetime) -> None:
        try:
            keys = self._read()
        except SettingsError as exc:
            with self._lock:
                self._keys, self._why = (), exc.with_traceback(None)  # its frames hold the stored text
                self._freshness.unanswered(now)
        except Exception as exc:  # noqa: BLE001  whatever it is, the known keys are good
            unreachable = isinstance(exc, (OSError, Unavailable, http.client.HTTPException))
            if self._keys:
                log.warning(f"{self._name} could not be read; the known keys stay in use", because=exc)
            elif not unreachable:
                log.warning(f"{self._name} could not be read", because=exc)
            with self._lock:
                if not self._keys:
                    cause = exc.__cause__ if isinstance(exc, Unavailable) else None
                    self._why = cause or exc.with_traceback(None)
                self._freshness.unanswered(now, RECOVERY if unreachable else REFRESH)
        else:
            with self._lock:
                self._keys, self._why = keys, None
                self._freshness.answered(now)


# --- published by an issuer


@dataclass(frozen=True)
class Published:
    """A key of a key set; `algorithm` is the only one that it is for, if its issuer says so."""

    key: Any
    kid: str | None
    algorithm: str | None


class KeySet:
    """The keys that an issuer publishes (RFC 7517).

    A token that names a key is verified by the keys of that name, and one that names none by those without a name, or
    by the only key of the set.
    """

    def __init__(self, fetch: Callable[[], Any]) -> None:
        """`fetch` gives the document."""
        self._source = Source(lambda: _published_in(fetch()), LIFESPAN, "The issuer's key set")

    def keys_for(self, kid: str | None, algorithm: str, now: datetime) -> Iterator[Any]:
        known = self._source.known(now)
        found = _fitting(known, kid, algorithm)
        yield from found
        newer = self._source.known(now, but=known)
        if newer is not known:
            found = _fitting(newer, kid, algorithm)
            yield from found
        if not found and self._source.is_stale(now):
            raise Unavailable("The issuer's key set")
        if not found:
            raise Unauthenticated("The token names a key that its issuer does not publish for it.")


def _fitting(keys: tuple[Published, ...], kid: str | None, algorithm: str) -> list[Any]:
    named = [one for one in keys if one.kid == kid]
    if kid is None and len(keys) == 1:
        named = [*keys]
    return [one.key for one in named if one.algorithm in (None, algorithm)]


def _published_in(document: Any) -> tuple[Published, ...]:
    published = document["keys"]
    if not isinstance(published, list):
        raise TypeError("keys is not an array")
    return tuple(key for jwk in published if (key := _published(jwk)) is not None)


def _published(jwk: Any) -> Published | None:
    """A key that verifies signatures. None for one that is not understood, which RFC 7517, 5 tells us to ignore,
    and for a symmetric one, which does not belong in a public set."""
    try:
        kid = jwk.get("kid")
        verifies = jwk.get("use", "sig") == "sig" and "verify" in jwk.get("key_ops", ["verify"])
        if jwk.get("kty") == "oct" or not verifies or not isinstance(kid, (str, type(None))):
            return None
        return Published(jwt.PyJWK(jwk).key, kid, jwk.get("alg"))
    except Exception:  # noqa: BLE001  PyJWT and cryptography raise errors of many kinds, NotImplementedError among them
        return None


# --- stored in AWS


class StoredKeys:
    """Keys stored in AWS, read again every five minutes.

    So a new key is accepted within a minute of its first token, a removed one for five minutes at most, and a flood of
    bad tokens does not reach the store. An answer without a usable key leaves none.
    """

    def __init__(self, read: Callable[[], tuple[Any, ...]]) -> None:
        """`read` gives at least one key, and raises SettingsError or Unavailable."""
        self._source = Source(read, FRESH, "The store of the keys")

    def keys_for(self, kid: str | None, algorithm: str, now: datetime) -> Iterator[Any]:
        known = self._source.known(now)
        yield from known
        newer = self._source.known(now, but=known)
        if newer is not known:
            yield from newer


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
