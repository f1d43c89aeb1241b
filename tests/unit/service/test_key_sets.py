"""The keys that an issuer publishes: cached, rotated, and what of them verifies tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chalicelib.errors import Unauthenticated, Unavailable
from chalicelib.keys import KeySet
from chalicelib.settings import Tokens
from pytest_sessionplugin.tokens import Key
from tests.unit.service.fakes import NOON
from tests.unit.service.jwts import CURVE, CURVE_TOKENS, authenticate, token


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


def subject(keys: KeySet, text: str, now: datetime = NOON) -> str:
    return authenticate(text, CURVE_TOKENS, keys, now).subject


def test_published_keys_are_asked_for_once(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    assert [subject(keys, issuer.token("one")) for _ in range(3)] == ["alice"] * 3
    assert issuer.asked == 1


def test_an_unknown_key_id_asks_again_once_a_minute_at_most(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    subject(keys, issuer.token("one"))
    for seconds, asked in ((1, 1), (59, 1), (60, 2), (61, 2)):
        with pytest.raises(Unauthenticated, match="does not publish"):
            subject(keys, issuer.token("two"), NOON + timedelta(seconds=seconds))
        assert issuer.asked == asked, seconds


def test_a_rotated_key_is_found_and_the_old_one_refused(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    old = issuer.token("one")
    subject(keys, old)
    issuer.private = {"two": ec.generate_private_key(ec.SECP256R1())}
    later = NOON + timedelta(minutes=2)
    assert subject(keys, issuer.token("two"), later) == "alice"
    with pytest.raises(Unauthenticated):
        subject(keys, old, later)


def test_known_keys_stay_good_while_their_issuer_is_down(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    subject(keys, issuer.token("one"))
    issuer.down = True
    assert subject(keys, issuer.token("one"), NOON + timedelta(hours=2)) == "alice"


def test_an_issuer_that_was_never_reached_is_unavailable_and_left_alone_for_a_moment(issuer: Issuer) -> None:
    issuer.down = True
    keys = KeySet(issuer)
    for seconds in (0, 14):
        with pytest.raises(Unavailable):
            subject(keys, issuer.token("one"), NOON + timedelta(seconds=seconds))
    assert issuer.asked == 1
    issuer.down = False
    assert subject(keys, issuer.token("one"), NOON + timedelta(seconds=15)) == "alice"


def test_keys_that_do_not_verify_signatures_are_passed_over(issuer: Issuer) -> None:
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"}
    keys = KeySet(issuer)
    issuer.others = [
        secret,
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key())), "use": "enc", "kid": "e"},
    ]
    assert subject(keys, issuer.token("one")) == "alice"
    for kid in ("secret", "e"):
        with pytest.raises(Unauthenticated, match="does not publish"):
            subject(keys, issuer.token(kid))


def test_a_key_that_is_not_understood_is_ignored_and_the_others_are_good(issuer: Issuer) -> None:
    issuer.others = [
        {"kty": "AKP", "kid": "new", "alg": "ML-DSA-44", "pub": "AA"},
        {"kty": "EC", "crv": "P-999", "kid": "curve", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256", "kid": "broken", "x": "AA"},
        {"kid": "nothing"},
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key())), "kid": ["one"]},
    ]
    assert subject(KeySet(issuer), issuer.token("one")) == "alice"


def test_a_withdrawn_key_is_good_for_an_hour_at_most(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    withdrawn = issuer.token("one")
    subject(keys, withdrawn)
    issuer.private = {"two": ec.generate_private_key(ec.SECP256R1())}
    assert subject(keys, withdrawn, NOON + timedelta(minutes=59)) == "alice"
    with pytest.raises(Unauthenticated):
        subject(keys, withdrawn, NOON + timedelta(hours=1))


def test_a_clock_that_is_put_back_does_not_keep_a_withdrawn_key(issuer: Issuer) -> None:
    keys = KeySet(issuer)
    withdrawn = issuer.token("one")
    subject(keys, withdrawn, NOON + timedelta(hours=12))
    issuer.private = {"two": ec.generate_private_key(ec.SECP256R1())}
    with pytest.raises(Unauthenticated):
        subject(keys, withdrawn)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    """One for the process: it costs a tenth of a second."""
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
        subject(KeySet(lambda: {"keys": [rsa_jwk(rsa_key)]}), token(CURVE, "ES256", headers={"kid": "one"}))
