"""Sources of keys: stored in AWS or published by an issuer, rotated without a gap; and the key of a checkout."""

from __future__ import annotations

import functools
import json
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chalicelib import logs
from chalicelib.credentials import Secret
from chalicelib.errors import SettingsError, Unauthenticated, Unavailable
from chalicelib.keys import Keys, KeySet, keys_of, local_key
from chalicelib.settings import Reference, Tokens
from pytest_sessionplugin.tokens.keys import Key
from tests.service.fakes import NOON
from tests.service.jwts import CURVE, CURVE_TOKENS, PEM, authenticate, pem, token

OLD, NEW, THIRD = "o" * 32, "n" * 32, "t" * 32
REFERENCE = Reference("JWT_SECRET", "ssm", "/sessions/dev/jwt")
TOKENS = Tokens("https://issuer.example", "sessions", ("HS256",), kept=REFERENCE)
PEM_REFERENCE = Reference("JWT_PUBLIC_KEY", "secretsmanager", "jwt")
PEM_TOKENS = Tokens("https://issuer.example", "sessions", ("ES256",), kept=PEM_REFERENCE)


@dataclass
class Store:
    """Stores one text, and counts how often it is asked; raises `refuses` instead, if it is set."""

    text: str = OLD
    refuses: Exception | None = None
    asked: int = 0

    def __call__(self) -> Secret:
        self.asked += 1
        if self.refuses is not None:
            raise self.refuses
        return Secret(self.text)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def keys(store: Store) -> Keys:
    return keys_of(TOKENS, lambda reference: store)


def subject(keys: Keys, key: str, after: float = 0) -> str:
    """The subject of a token of this key, so many seconds after noon."""
    return authenticate(signed_by(key), TOKENS, keys, at(after)).subject


@functools.cache
def signed_by(key: str) -> str:
    return token(key, exp=(NOON + timedelta(days=1)).timestamp())


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def assert_refused(keys: Keys, key: str, after: float = 0) -> None:
    with pytest.raises(Unauthenticated, match="signature of the token does not hold"):
        subject(keys, key, after)


def no_answer() -> Unavailable:
    return Unavailable("The store of the keys")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """The service's log, even if Chalice has switched off propagation of its logger."""
    monkeypatch.setattr(logging.getLogger("sessions"), "propagate", True)
    caplog.set_level("WARNING", "sessions")
    return caplog


def test_the_store_is_asked_when_the_first_token_comes_and_then_every_five_minutes(store: Store, keys: Keys) -> None:
    assert store.asked == 0
    for after, asked in ((0, 1), (1, 1), (299, 1), (300, 2), (599, 2), (600, 3)):
        assert subject(keys, OLD, after) == "alice"
        assert store.asked == asked, after


def test_two_keys_are_good_side_by_side_and_a_removed_one_is_refused_when_they_are_asked_for_again(
    store: Store, keys: Keys
) -> None:
    subject(keys, OLD)
    store.text = f"{NEW}\n{OLD}\n"
    for after in (60, 61):
        assert subject(keys, NEW, after) == subject(keys, OLD, after) == "alice"
    store.text = NEW
    assert subject(keys, OLD, 359) == "alice"
    assert_refused(keys, OLD, 360)
    assert subject(keys, NEW, 360) == "alice"


def test_a_rotated_key_is_good_at_its_first_token_a_minute_after_the_store_was_last_asked(
    store: Store, keys: Keys
) -> None:
    subject(keys, OLD)
    store.text = NEW
    assert_refused(keys, NEW, 59)
    assert subject(keys, NEW, 60) == "alice"
    assert_refused(keys, OLD, 60)
    assert store.asked == 2


def test_a_flood_of_bad_tokens_asks_the_store_once_a_minute(store: Store, keys: Keys) -> None:
    for after in range(180):
        for _ in range(3):
            assert_refused(keys, THIRD, after)
    assert store.asked == 3


def test_a_good_signature_never_asks_again(store: Store, keys: Keys) -> None:
    store.text = f"{NEW}\n{OLD}"
    for after in range(0, 299, 13):
        subject(keys, OLD, after)
        with pytest.raises(Unauthenticated, match="expired"):
            authenticate(token(OLD, exp=1), TOKENS, keys, at(after))
    assert store.asked == 1


def test_known_keys_stay_in_use_while_the_store_does_not_answer_which_is_logged(
    store: Store, keys: Keys, logged: pytest.LogCaptureFixture
) -> None:
    subject(keys, OLD)
    store.refuses = no_answer()
    assert subject(keys, OLD, 7200) == "alice"
    assert "the known keys stay in use" in logged.text
    assert_refused(keys, NEW, 7200)
    assert store.asked == 2


def test_a_clock_that_is_put_back_does_not_keep_a_removed_key(store: Store, keys: Keys) -> None:
    subject(keys, OLD, 86_400)
    store.text = NEW
    assert_refused(keys, OLD)
    for after in (1, 59):
        assert_refused(keys, OLD, after)
    assert store.asked == 2


def test_requests_that_overtake_each_other_ask_once(store: Store, keys: Keys) -> None:
    for after in (29, 0, 28, 1):
        assert_refused(keys, NEW, after)
    assert store.asked == 1


def test_a_store_that_hangs_is_not_waited_for_by_the_next_request_too(store: Store, keys: Keys) -> None:
    """Two attempts of three seconds and the pause between them are seven; the next request comes after that."""
    subject(keys, OLD)
    store.refuses = no_answer()
    for after in (300, 307, 314):
        assert subject(keys, OLD, after) == "alice"
    assert store.asked == 2


def test_a_store_that_was_never_reached_is_unavailable_and_left_alone_for_fifteen_seconds(
    store: Store, keys: Keys
) -> None:
    store.refuses = no_answer()
    for after in (0, 14):
        with pytest.raises(Unavailable):
            subject(keys, OLD, after)
    assert store.asked == 1
    store.refuses = None
    assert subject(keys, OLD, 15) == "alice"


def test_known_keys_stay_in_use_whatever_a_store_raises(
    store: Store, keys: Keys, logged: pytest.LogCaptureFixture
) -> None:
    subject(keys, OLD)
    store.refuses = NotImplementedError("a text of the store")
    for after in range(300, 420, 10):
        assert subject(keys, OLD, after) == "alice"
    assert store.asked == 1 + 2, "once a minute"
    assert "NotImplementedError" in logged.text
    assert "a text of the store" not in logged.text


def test_an_answer_that_there_is_no_key_leaves_none_in_use(store: Store, keys: Keys) -> None:
    subject(keys, OLD)
    store.refuses = SettingsError(("JWT_SECRET names ssm:/sessions/dev/jwt, which does not exist.",))
    for after in (300, 304):
        with pytest.raises(Unavailable) as refused:
            subject(keys, OLD, after)
        assert refused.value.__cause__ is store.refuses
    assert store.asked == 2


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("s" * 31, "shorter than its hash"),
        (f"{OLD}\n{'s' * 31}", "shorter than its hash"),
        pytest.param(PEM, "holds a PEM", id="a PEM"),
        (f'{{"key": "{OLD}"}}', "holds JSON"),
        ("local-" + OLD, "somebody's checkout"),
        ("secretsmanager:/sessions/dev/the-real-one", "a reference in turn"),
        (f"{OLD}\nssm:/sessions/dev/another-of-32-characters", "a reference in turn"),
        ("", "holds 0 keys"),
        (" \n ", "holds 0 keys"),
        ("\n".join([OLD, NEW, THIRD, "f" * 32]), "holds 4 keys"),
    ],
)
def test_a_weak_key_is_refused_with_the_reason_and_never_shown(
    store: Store, keys: Keys, text: str, sentence: str
) -> None:
    store.text = text
    with pytest.raises(Unavailable) as refused:
        subject(keys, OLD)
    said = logs.written(refused.value)  # as it is logged
    assert "JWT_SECRET names ssm:/sessions/dev/jwt, which holds" in said
    assert sentence in said
    lines = [line for line in text.splitlines() if line.strip()]
    assert not any(line in said for line in lines)
    assert refused.value.__cause__ is not None
    assert refused.value.__cause__.__traceback__ is None, "the error is kept, and its frames hold the fetched text"


def test_pems_are_kept_one_after_the_other() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    keys = keys_of(PEM_TOKENS, lambda reference: Store(f"the new one\n{pem(other)}\nthe old one\n{PEM}"))
    for key in (CURVE, other):
        assert authenticate(token(key, "ES256"), PEM_TOKENS, keys, NOON).subject == "alice"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "a private key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "no public key in PEM"),
        (OLD, "no public key in PEM"),
        ("", "no public key in PEM"),
        pytest.param(pem(ec.generate_private_key(ec.SECP384R1())), "no public key in PEM", id="another curve"),
        pytest.param(PEM * 4, "4 keys", id="four keys"),
    ],
)
def test_a_text_without_usable_pems_is_refused_with_the_reason(text: str, sentence: str) -> None:
    keys = keys_of(PEM_TOKENS, lambda reference: Store(text))
    with pytest.raises(Unavailable) as refused:
        authenticate(token(CURVE, "ES256"), PEM_TOKENS, keys, NOON)
    assert f"JWT_PUBLIC_KEY names secretsmanager:jwt, which holds {sentence}" in str(refused.value.__cause__)


class Issuer:
    """Publishes keys, and counts how often it is asked."""

    def __init__(self) -> None:
        self.private = {"one": CURVE}
        self.others: list[Mapping[str, Any]] = []
        self.asked = 0
        self.down = False

    def __call__(self) -> Mapping[str, Any]:
        self.asked += 1
        if self.down:
            raise OSError("connection refused")
        ours = [
            {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), "kid": kid}
            for kid, key in self.private.items()
        ]
        return {"keys": [*ours, *self.others]}

    def token(self, kid: str | None) -> str:
        key = self.private.get(kid or "", CURVE)
        return token(key, "ES256", headers={"kid": kid} if kid else None, exp=(NOON + timedelta(days=1)).timestamp())


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


def key_set_subject(keys: KeySet, text: str, now: datetime = NOON) -> str:
    return authenticate(text, CURVE_TOKENS, keys, now).subject


def test_published_keys_are_asked_for_once(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    assert [key_set_subject(keys, issuer.token("one")) for _ in range(3)] == ["alice"] * 3
    assert issuer.asked == 1


def test_an_unknown_key_id_asks_again_once_a_minute_at_most(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    key_set_subject(keys, issuer.token("one"))
    for seconds, asked in ((1, 1), (59, 1), (60, 2), (61, 2)):
        with pytest.raises(Unauthenticated, match="does not publish"):
            key_set_subject(keys, issuer.token("two"), NOON + timedelta(seconds=seconds))
        assert issuer.asked == asked, seconds


def test_a_rotated_key_is_found_and_the_old_one_refused(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    old = issuer.token("one")
    key_set_subject(keys, old)
    issuer.private = {"two": ec.generate_private_key(ec.SECP256R1())}
    later = NOON + timedelta(minutes=2)
    assert key_set_subject(keys, issuer.token("two"), later) == "alice"
    with pytest.raises(Unauthenticated):
        key_set_subject(keys, old, later)


def test_known_keys_stay_good_while_their_issuer_is_down(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    key_set_subject(keys, issuer.token("one"))
    issuer.down = True
    assert key_set_subject(keys, issuer.token("one"), NOON + timedelta(hours=2)) == "alice"


def test_an_issuer_that_was_never_reached_is_unavailable_and_left_alone_for_a_moment(issuer: Issuer) -> None:
    issuer.down = True
    keys = KeySet(issuer)
    for seconds in (0, 14):
        with pytest.raises(Unavailable):
            key_set_subject(keys, issuer.token("one"), NOON + timedelta(seconds=seconds))
    assert issuer.asked == 1
    issuer.down = False
    assert key_set_subject(keys, issuer.token("one"), NOON + timedelta(seconds=15)) == "alice"


def test_keys_that_do_not_verify_signatures_are_passed_over(issuer: Issuer) -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}
    keys = KeySet(issuer)
    issuer.others = [
        secret,
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key())), "use": "enc", "kid": "e"},
    ]
    assert key_set_subject(keys, issuer.token("one")) == "alice"
    for kid in ("secret", "e"):
        with pytest.raises(Unauthenticated, match="does not publish"):
            key_set_subject(keys, issuer.token(kid))


def test_a_key_that_is_not_understood_is_ignored_and_the_others_are_good(issuer: Issuer) -> None:
    issuer.others = [
        {"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AA"},
        {"kty": "EC", "crv": "P-999", "kid": "curve", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "kid": "broken", "x": "AA"},
        {"kid": "nothing"},
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key())), "kid": ["one"]},
    ]
    assert key_set_subject(KeySet(issuer), issuer.token("one")) == "alice"


RSA = {"kty": "RSA", "n": "AQAB", "e": "AQAB"}
ODD_KEYS: list[Any] = [
    {**RSA, "kid": "z", "alg": "none"},
    {**RSA, "kid": "z", "alg": ["RS256"]},
    {**RSA, "kid": {"z": 1}},
    {**RSA, "kid": "z", "n": ""},
    {**RSA, "kid": "z", "e": 7},
    {**RSA, "kid": "z", "key_ops": 1},
    {**RSA, "kid": "z", "d": "AQAB", "oth": []},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "one"},
    {"kty": ["EC"], "kid": "z"},
    {"kty": "OKP", "crv": "X25519", "x": "AA", "kid": "z"},
    "text",
    None,
    7,
    [],
    {"kty": "EC", "crv": json.loads("[" * 500 + "]" * 500), "kid": "z"},
]


@pytest.mark.parametrize("odd", ODD_KEYS, ids=lambda odd: str(odd)[:40])
@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_good_key_is_good_whatever_is_published_beside_it(issuer: Issuer, odd: Any, first: bool) -> None:
    document = issuer()
    keys = KeySet(lambda: issuer() and {"keys": [odd, *document["keys"]] if first else [*document["keys"], odd]})
    issuer.asked = 0
    for seconds in range(0, 60, 7):
        assert key_set_subject(keys, issuer.token("one"), at(seconds)) == "alice"
        with pytest.raises(Unauthenticated, match="does not publish"):
            key_set_subject(keys, issuer.token("z"), at(seconds))
    assert issuer.asked == 1


ODD_DOCUMENTS: dict[str, Any] = {
    "nested deep": "[" * 100_000,
    "not JSON": "<html>",
    "an array": "[]",
    "no keys": "{}",
    "keys that are no array": '{"keys":{"one":1}}',
    "keys as text": '{"keys":"one"}',
    "a number that Python refuses": '{"keys":' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("text", ODD_DOCUMENTS.values(), ids=ODD_DOCUMENTS)
def test_a_document_that_cannot_be_read_leaves_the_known_keys_and_is_asked_for_once_a_minute(
    issuer: Issuer, text: str, logged: pytest.LogCaptureFixture
) -> None:
    answers: list[Any] = [issuer]
    asked: list[int] = []

    def fetch() -> Any:
        asked.append(1)
        return answers[-1]()

    keys = KeySet(fetch)
    good = issuer.token("one")
    key_set_subject(keys, good)
    answers.append(lambda: json.loads(text))
    for after in range(3600, 3780):
        assert key_set_subject(keys, good, at(after)) == "alice"
    assert len(asked) == 1 + 3
    assert "could not be read; the known keys stay in use" in logged.text
    answers.append(issuer)
    with pytest.raises(Unauthenticated, match="does not publish"):
        key_set_subject(keys, issuer.token("two"), at(3780))


@pytest.mark.parametrize("text", ODD_DOCUMENTS.values(), ids=ODD_DOCUMENTS)
def test_a_first_document_that_cannot_be_read_is_unavailable(issuer: Issuer, text: str) -> None:
    asked: list[int] = []

    def fetch() -> Any:
        asked.append(1)
        return json.loads(text)

    keys = KeySet(fetch)
    for after in (0, 59):
        with pytest.raises(Unavailable):
            key_set_subject(keys, issuer.token("one"), at(after))
    assert len(asked) == 1


def test_keys_without_an_id_do_not_shadow_each_other() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    keys = KeySet(lambda: {"keys": [ec_jwk(CURVE), ec_jwk(other), ec_jwk(CURVE, kid="named")]})
    for key in (CURVE, other):
        assert key_set_subject(keys, token(key, "ES256")) == "alice"
    with pytest.raises(Unauthenticated, match="signature"):
        key_set_subject(keys, token(ec.generate_private_key(ec.SECP256R1()), "ES256"))


def test_keys_of_one_id_do_not_shadow_each_other(rsa_key: rsa.RSAPrivateKey) -> None:
    keys = KeySet(lambda: {"keys": [rsa_jwk(rsa_key), ec_jwk(CURVE, kid="one")]})
    assert key_set_subject(keys, token(CURVE, "ES256", headers={"kid": "one"})) == "alice"


def test_a_token_without_an_id_is_verified_by_the_only_key_whatever_its_name() -> None:
    alone = KeySet(lambda: {"keys": [ec_jwk(CURVE, kid="one"), {"kty": "oct", "k": "c2VjcmV0"}]})
    assert key_set_subject(alone, token(CURVE, "ES256")) == "alice"
    with pytest.raises(Unauthenticated, match="does not publish"):
        key_set_subject(alone, token(CURVE, "ES256", headers={"kid": "two"}))
    two = KeySet(lambda: {"keys": [ec_jwk(CURVE, kid="one"), ec_jwk(CURVE, kid="two")]})
    with pytest.raises(Unauthenticated, match="does not publish"):
        key_set_subject(two, token(CURVE, "ES256"))


def test_a_new_key_under_the_old_id_is_found_within_a_minute(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    old = issuer.token("one")
    key_set_subject(keys, old)
    issuer.private = {"one": ec.generate_private_key(ec.SECP256R1())}
    new = issuer.token("one")
    with pytest.raises(Unauthenticated, match="signature"):
        key_set_subject(keys, new, at(59))
    assert key_set_subject(keys, new, at(60)) == "alice"
    with pytest.raises(Unauthenticated, match="signature"):
        key_set_subject(keys, old, at(61))
    assert issuer.asked == 2


@pytest.mark.parametrize("kept", ["published", "stored"])
def test_a_source_that_hangs_is_waited_for_only_by_requests_that_need_it(kept: str) -> None:
    """A good token passes while another request waits for the answer; a token of a new key waits, and passes."""
    new = ec.generate_private_key(ec.SECP256R1())
    answering, asked = threading.Event(), threading.Event()
    hangs = False

    def read(former: Any, later: Any) -> Any:
        if not hangs:
            return former
        asked.set()
        assert answering.wait(10)
        return later

    keys: Keys
    if kept == "published":
        jwks = ec_jwk(CURVE, kid="one"), ec_jwk(new, kid="two")
        keys = KeySet(lambda: read({"keys": [jwks[0]]}, {"keys": [*jwks]}))
    else:
        keys = keys_of(PEM_TOKENS, lambda reference: lambda: Secret(read(PEM, PEM + pem(new))))
    until = (NOON + timedelta(days=1)).timestamp()
    old_token = token(CURVE, "ES256", headers={"kid": "one"}, exp=until)
    new_token = token(new, "ES256", headers={"kid": "two"}, exp=until)
    authenticate(old_token, PEM_TOKENS, keys, NOON)
    hangs = True
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(authenticate, new_token, PEM_TOKENS, keys, at(7200)) for _ in range(2)]
        assert asked.wait(10)
        passing = pool.submit(authenticate, old_token, PEM_TOKENS, keys, at(7200))
        try:
            assert passing.result(10).subject == "alice"
            assert not any(one.done() for one in waiting)
        finally:
            answering.set()
        assert [one.result(10).subject for one in waiting] == ["alice", "alice"]


def ec_jwk(key: ec.EllipticCurvePrivateKey, **members: str) -> Mapping[str, Any]:
    return {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())), **members}


def test_a_withdrawn_key_is_good_for_an_hour_at_most(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    withdrawn = issuer.token("one")
    key_set_subject(keys, withdrawn)
    issuer.private = {"two": ec.generate_private_key(ec.SECP256R1())}
    assert key_set_subject(keys, withdrawn, NOON + timedelta(minutes=59)) == "alice"
    with pytest.raises(Unauthenticated):
        key_set_subject(keys, withdrawn, NOON + timedelta(hours=1))


def test_a_clock_that_is_put_back_does_not_keep_a_withdrawn_key(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    withdrawn = issuer.token("one")
    key_set_subject(keys, withdrawn, NOON + timedelta(hours=12))
    issuer.private = {"two": ec.generate_private_key(ec.SECP256R1())}
    with pytest.raises(Unauthenticated):
        key_set_subject(keys, withdrawn)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    """One for all tests: it takes a tenth of a second."""
    pem = Key.of_this_process("RS256", "").private.encode()
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def rsa_jwk(key: rsa.RSAPrivateKey, **members: str) -> Mapping[str, Any]:
    return {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), "kid": "one", **members}


RSA_TOKENS = Tokens(
    "https://issuer.example", "sessions", ("PS256", "RS256", "RS512"), jwks_url="https://issuer.example"
)


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256"])
def test_a_published_key_that_names_no_algorithm_is_good_for_those_allowed(
    rsa_key: rsa.RSAPrivateKey, algorithm: str
) -> None:
    signed = token(rsa_key, algorithm, headers={"kid": "one"})
    keys = KeySet(lambda: {"keys": [rsa_jwk(rsa_key)]})
    assert authenticate(signed, RSA_TOKENS, keys, NOON).subject == "alice"


def test_a_published_key_that_names_an_algorithm_is_good_for_that_one(rsa_key: rsa.RSAPrivateKey) -> None:
    keys = KeySet(lambda: {"keys": [rsa_jwk(rsa_key, alg="PS256")]})
    assert authenticate(token(rsa_key, "PS256", headers={"kid": "one"}), RSA_TOKENS, keys, NOON).subject == "alice"
    with pytest.raises(Unauthenticated):
        authenticate(token(rsa_key, "RS256", headers={"kid": "one"}), RSA_TOKENS, keys, NOON)


def test_a_key_of_another_kind_than_the_algorithm_is_refused(rsa_key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(Unauthenticated):
        key_set_subject(KeySet(lambda: {"keys": [rsa_jwk(rsa_key)]}), token(CURVE, "ES256", headers={"kid": "one"}))


# --- the key of a checkout


def test_the_key_of_a_checkout_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "local" / "key"
    first = local_key(path)
    assert first.startswith("local-")
    assert len(first) >= 64
    assert local_key(path) == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["key"]


def test_those_who_ask_at_the_same_time_get_the_same_key(tmp_path: Path) -> None:
    keys: list[str] = []
    together = threading.Barrier(8)

    def ask() -> None:
        together.wait(5)
        keys.append(local_key(tmp_path / "local" / "key"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert (len(keys), len(set(keys))) == (8, 1)
