from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from chalicelib import auth
from chalicelib.auth import Keys, KeySet, OneKey, keys_of
from chalicelib.errors import SettingsError, Unauthenticated, Unavailable
from chalicelib.model import Principal
from chalicelib.secret import Secret
from chalicelib.settings import Tokens
from pytest_sessionplugin.tokens import Key
from tests.unit.service.fakes import NOON

SECRET = "s" * 32
TOKENS = Tokens("https://issuer.example", "sessions", ("HS256",), secret=Secret(SECRET))
CURVE = ec.generate_private_key(ec.SECP256R1())
PEM = CURVE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
CURVE_TOKENS = Tokens("https://issuer.example", "sessions", ("ES256",), public_key=PEM)


def authenticate(text: str, tokens: Tokens, keys: Keys, now: datetime) -> Principal:
    return auth.authenticate(Secret(text), tokens, keys, now)


def claims(**changes: Any) -> dict[str, Any]:
    usual = {
        "sub": "alice",
        "iss": "https://issuer.example",
        "aud": "sessions",
        "iat": NOON.timestamp(),
        "exp": (NOON + timedelta(minutes=5)).timestamp(),
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def token(key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm, headers=headers)


def by_hand(header: Mapping[str, Any], payload: Mapping[str, Any], signature: bytes = b"") -> str:
    """A token that no library would make."""
    parts = (json.dumps(header).encode(), json.dumps(payload).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def by_hand_signed(**changes: Any) -> str:
    """A token with claims that a library would not sign."""
    signing_input = by_hand({"alg": "HS256", "typ": "JWT"}, claims(**changes)).rpartition(".")[0]
    signature = jwt.get_algorithm_by_name("HS256").sign(signing_input.encode(), SECRET.encode())
    return f"{signing_input}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_a_good_token_gives_who_is_calling_and_until_when() -> None:
    principal = authenticate(token(), TOKENS, OneKey(SECRET), NOON)
    assert (principal.subject, principal.expires_at) == ("alice", NOON + timedelta(minutes=5))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (lambda: token(exp=(NOON - timedelta(seconds=10)).timestamp()), "expired"),
        (lambda: token(nbf=(NOON + timedelta(seconds=11)).timestamp()), "not valid yet"),
        (lambda: token(iat=(NOON + timedelta(seconds=11)).timestamp()), "not valid yet"),
        (lambda: token(iss="https://other.example"), "another issuer"),
        (lambda: token(iss="https://issuer.example/"), "another issuer"),
        (lambda: token(aud="other"), "another audience"),
        (lambda: token(aud=["sessions"]), "another audience"),
        (lambda: token(key="o" * 32), "signature"),
        (lambda: token(key="o" * 64, algorithm="HS512"), "algorithm"),
        (lambda: token()[:-4] + "AAAA", "signature"),
        (lambda: token(sub=None), "sub"),
        (lambda: token(exp=None), "exp"),
        (lambda: token(iss=None), "iss"),
        (lambda: token(aud=None), "aud"),
        (lambda: token(iat=None), "iat"),
        (lambda: token(sub=""), "subject"),
        (lambda: token(sub="a\nb"), "subject"),
        (lambda: token(sub="a" * 256), "subject"),
        (lambda: by_hand({"alg": "none"}, claims()), "algorithm"),
        (lambda: by_hand({"alg": "NONE"}, claims()), "algorithm"),
        (lambda: by_hand({}, claims()), "algorithm"),
        (lambda: token(exp=1e300), "not a time"),
        (lambda: token(exp=10**400), "not a time"),
        (lambda: token(exp=253402300799), "not a time"),
        (lambda: token(iat=-62135596800), "not a time"),
        (lambda: by_hand_signed(exp=True), "not a time"),
        (lambda: by_hand_signed(exp="tomorrow"), "not a"),
        (lambda: token(headers={"crit": ["strange"], "strange": 1}), "not a valid JWT"),
        (lambda: "garbage", "not a valid JWT"),
        (lambda: "", "not a valid JWT"),
        (lambda: "a.b.c", "not a valid JWT"),
        (lambda: "\u2603.\u2603.\u2603", "not a valid JWT"),
        (lambda: "a" * 9000, "longer"),
        (lambda: token(padding="p" * 9000), "longer"),
    ],
)
def test_a_bad_token_is_refused_with_the_reason(bad: Callable[[], str], reason: str) -> None:
    with pytest.raises(Unauthenticated, match=reason):
        authenticate(bad(), TOKENS, OneKey(SECRET), NOON)


@pytest.mark.filterwarnings("ignore:The HMAC key")
def test_a_public_key_is_no_secret() -> None:
    header = {"alg": "HS256", "typ": "JWT"}
    signing_input = by_hand(header, claims()).rpartition(".")[0]
    forged = jwt.get_algorithm_by_name("HS256").sign(signing_input.encode(), PEM.encode())
    with pytest.raises(Unauthenticated, match="algorithm"):
        authenticate(by_hand(header, claims(), forged), CURVE_TOKENS, keys_of(CURVE_TOKENS), NOON)


def test_a_token_of_the_pem_is_good() -> None:
    assert authenticate(token(CURVE, "ES256"), CURVE_TOKENS, keys_of(CURVE_TOKENS), NOON).subject == "alice"


def test_clocks_may_differ_by_ten_seconds() -> None:
    barely = token(exp=(NOON - timedelta(seconds=9)).timestamp(), iat=(NOON + timedelta(seconds=9)).timestamp())
    assert authenticate(barely, TOKENS, OneKey(SECRET), NOON).subject == "alice"


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
    for seconds in (0, 4):
        with pytest.raises(Unavailable):
            subject(keys, issuer.token("one"), NOON + timedelta(seconds=seconds))
    assert issuer.asked == 1
    issuer.down = False
    assert subject(keys, issuer.token("one"), NOON + timedelta(seconds=5)) == "alice"


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


def test_a_pem_that_is_none_is_named_when_the_service_starts() -> None:
    for broken in ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "not a PEM"):
        with pytest.raises(SettingsError, match="JWT_PUBLIC_KEY"):
            keys_of(Tokens("i", "a", ("ES256",), public_key=broken))
