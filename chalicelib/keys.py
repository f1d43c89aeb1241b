"""Where the keys come from that verify tokens: the settings, an issuer's key set, a store of AWS. Reads no token."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol

import jwt
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from chalicelib import settings
from chalicelib.credentials import Secret
from chalicelib.errors import SettingsError, Unauthenticated, Unavailable
from chalicelib.logs import log
from chalicelib.settings import FAMILIES, Reference, Tokens, is_meant_as_one

LIFESPAN: Final = timedelta(hours=1)  # how long published keys are used without asking again
FRESH: Final = timedelta(minutes=5)  # and those that are kept in AWS: a key that was removed is good no longer


class Keys(Protocol):
    def keys_for(self, kid: str | None, algorithm: str, now: datetime) -> Iterator[Any]:
        """The keys that may have signed a token of this key id and algorithm, the likeliest first.

        Whoever takes another one says that those before did not sign it. Raises Unauthenticated or Unavailable.
        """


class FixedKeys:
    """Secrets or public keys: the same whatever the token says."""

    def __init__(self, *keys: Any) -> None:
        self._keys = keys

    def keys_for(self, kid: str | None, algorithm: str, now: datetime) -> Iterator[Any]:
        yield from self._keys


class KeptKeys:
    """Keys that are kept in a store of AWS, cached.

    They are asked for again every five minutes, and, once a minute at most, when a token was signed by none of them:
    a key that was added is good within a minute of its first token, one that was removed for five minutes at most,
    and no flood of bad tokens is felt by the store. While the store does not answer, the known keys stay in use; an
    answer without a key that could be used leaves none.
    """

    def __init__(self, read: Callable[[], tuple[Any, ...]]) -> None:
        """`read` gives at least one key, and raises SettingsError or Unavailable."""
        self._read = read
        self._keys: tuple[Any, ...] = ()
        self._why: BaseException | None = None  # there are none
        self._freshness = Freshness(FRESH)
        self._lock = threading.Lock()

    def keys_for(self, kid: str | None, algorithm: str, now: datetime) -> Iterator[Any]:
        known = self._known(now)
        yield from known
        newer = self._known(now, but=known)
        if newer is not known:
            yield from newer

    def _known(self, now: datetime, *, but: tuple[Any, ...] | None = None) -> tuple[Any, ...]:
        """The keys as they are known; others than `but`, if the store has them and may be asked."""
        with self._lock:
            if self._freshness.may_ask(now) and (self._freshness.is_stale(now) or self._keys is but):
                self._refresh(now)
            if not self._keys:
                raise Unavailable("The store of the keys") from self._why
            return self._keys

    def _refresh(self, now: datetime) -> None:
        self._freshness.unanswered(now)  # whatever comes of it
        try:
            self._keys = self._read()
        except Unavailable as exc:
            if self._keys:
                log.warning("the store of the keys did not answer; the known ones stay in use", because=exc)
            else:
                self._why = exc.__cause__
        except SettingsError as exc:
            self._keys, self._why = (), exc.with_traceback(None)  # its frames hold what is kept there
        else:
            self._freshness.answered(now)


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
            found = self._keys.get(kid)  # good while its issuer cannot be asked, too
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


def keys_of(tokens: Tokens, kept: Callable[[Reference], Callable[[], Secret]]) -> Keys:
    """The source of keys that the settings name; `kept` gives what fetches the text that a reference names.

    Raises SettingsError for a PEM that is none, and asks nobody yet.
    """
    if tokens.kept is not None:
        fetch, where = kept(tokens.kept), f"{tokens.kept.variable} names {tokens.kept}, which"
        return KeptKeys(lambda: judged(fetch().reveal(), tokens.algorithms, where))
    if tokens.jwks_url:
        return KeySet(lambda: _fetched(tokens.jwks_url))
    if tokens.secret:
        return FixedKeys(*settings.secrets_in(tokens.secret.reveal()))
    return FixedKeys(*_public_keys(tokens.public_key, tokens.algorithms, "JWT_PUBLIC_KEY"))


def judged(text: str, algorithms: tuple[str, ...], where: str) -> tuple[Any, ...]:
    """The keys in a text that was fetched, judged as those in the environment are. Raises SettingsError."""
    if FAMILIES["secret"].issuperset(algorithms):
        weak = settings.weaknesses_of_secrets(text, algorithms, where, of_a_checkout=False)
        if is_meant_as_one(text):
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
    for algorithm in algorithms:  # of one family, but a curve goes with one of them
        try:
            return jwt.get_algorithm_by_name(algorithm).prepare_key(pem)
        except (jwt.PyJWTError, ValueError, TypeError) as exc:
            refusal = exc
    raise SettingsError((f"{where} holds no public key in PEM that JWT_ALGORITHMS could use.",)) from refusal


def _published(jwk: Any) -> Published | None:
    """A key that may verify signatures; None for one that is not understood, which is to be ignored (RFC 7517, 5),
    and for a symmetric one, which has no business in a public set."""
    try:
        if jwk.get("kty") == "oct" or jwk.get("use", "sig") != "sig" or not isinstance(jwk.get("kid", ""), str):
            return None
        return Published(jwt.PyJWK(jwk).key, jwk.get("alg"))
    except (jwt.PyJWTError, AttributeError, LookupError, TypeError, ValueError):
        return None


def _fetched(url: str) -> Mapping[str, Any]:
    with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  settings take only https and loopback
        document: Mapping[str, Any] = json.load(answer)
        return document


NOT_THERE: Final = frozenset(
    {
        "InvalidParameterException",
        "InvalidRequestException",  # a secret that is marked for deletion, too
        "ParameterNotFound",
        "ParameterVersionNotFound",
        "ResourceNotFoundException",
        "ValidationException",
    }
)
DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "DecryptionFailure", "InvalidKeyId"})
ACTIONS: Final = {"ssm": "ssm:GetParameter", "secretsmanager": "secretsmanager:GetSecretValue"}


class Kept:
    """What a reference names; the client is made when it is first asked for. For one thread at a time."""

    def __init__(self, reference: Reference, region: str) -> None:
        self._reference = reference
        self._region = reference.region(region)
        self._client: Any = None

    def __call__(self) -> Secret:
        """The text that is kept there now.

        Raises SettingsError where AWS answers that there is none that could be used, Unavailable where it does not
        answer or does not let us ask.
        """
        named = f"{self._reference.variable} names {self._reference}"
        try:
            return Secret(self._text(named))
        except BotoCoreError as exc:
            raise Unavailable("The store of the keys") from exc
        except ClientError as exc:
            code = exc.response["Error"]["Code"]
            if code in NOT_THERE:
                sentence = f"{named}, and {self._region} has none to give ({code}): create it there, or name another."
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
        """A client whose time-outs fit API Gateway's 29 s, with a request to DynamoDB to come."""
        config = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2, "mode": "standard"})
        return get_session().create_client(self._reference.store, region_name=self._region, config=config)


REFRESH: Final = timedelta(
    minutes=1
)  # how often what is not known, as the key of some token, may have the source asked
RECOVERY: Final = timedelta(seconds=15)
"""How long a source that did not answer is left alone. It counts from the request on that asked, which may have waited
for half of that: by less than it waits, each request of a function would wait in its turn."""
DISORDER: Final = timedelta(minutes=1)  # requests that are handled at once are never further apart

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Freshness:
    """Of what is used for `lifespan` without asking again. For one thread at a time."""

    def __init__(self, lifespan: timedelta) -> None:
        self._lifespan = lifespan
        self._asked_at = _NEVER
        self._stale_at = _NEVER
        self._ask_at = _NEVER  # not before, whatever happens

    def is_stale(self, now: datetime) -> bool:
        return now >= self._stale_at

    def may_ask(self, now: datetime) -> bool:
        """Whether the source may be asked. Where the clock was put back, what is known is of any age, and stale."""
        if now + DISORDER < self._asked_at:
            self._asked_at = self._stale_at = self._ask_at = now
        return now >= self._ask_at

    def answered(self, now: datetime) -> None:
        self._asked_at, self._ask_at, self._stale_at = now, now + REFRESH, now + self._lifespan

    def unanswered(self, now: datetime) -> None:
        self._asked_at, self._ask_at = now, now + RECOVERY
