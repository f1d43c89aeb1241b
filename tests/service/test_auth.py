from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from chalicelib.credentials import Secret
from chalicelib.errors import SettingsError, Unauthenticated
from chalicelib.keys import FixedKeys, KeySet, keys_of
from chalicelib.settings import Tokens
from tests.service.fakes import NOON
from tests.service.jwts import (
    CURVE,
    CURVE_TOKENS,
    PEM,
    SECRET,
    TOKENS,
    authenticate,
    claims,
    nothing_kept,
    pem,
    token,
)


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
    principal = authenticate(token(), TOKENS, FixedKeys(SECRET), NOON)
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
        (lambda: token(sub="guest:carol"), "guest"),
        (lambda: token(exp=(NOON + timedelta(seconds=86_401)).timestamp()), "longer than is accepted"),
        (lambda: token(iat=(NOON - timedelta(hours=24)).timestamp()), "longer than is accepted"),
        (lambda: token(exp=(NOON + timedelta(days=3652)).timestamp()), "longer than is accepted"),
        (lambda: token(iat=0), "longer than is accepted"),
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
        authenticate(bad(), TOKENS, FixedKeys(SECRET), NOON)


@pytest.mark.filterwarnings("ignore:The HMAC key")
def test_a_public_key_is_no_secret() -> None:
    header = {"alg": "HS256", "typ": "JWT"}
    signing_input = by_hand(header, claims()).rpartition(".")[0]
    forged = jwt.get_algorithm_by_name("HS256").sign(signing_input.encode(), PEM.encode())
    with pytest.raises(Unauthenticated, match="algorithm"):
        authenticate(by_hand(header, claims(), forged), CURVE_TOKENS, keys_of(CURVE_TOKENS, nothing_kept), NOON)


@pytest.mark.parametrize(
    "kind",
    [None, "JWT", "jwt", "Jwt", "at+jwt", "AT+JWT", "application/jwt", "application/at+jwt", "Application/AT+Jwt"],
)
def test_a_token_of_an_api_is_good_however_its_type_is_written(kind: str | None) -> None:
    assert authenticate(token(headers={"typ": kind}), TOKENS, FixedKeys(SECRET), NOON).subject == "alice"


@pytest.mark.parametrize(
    "kind",
    [
        *(
            "logout+jwt",
            "ticket",
            "dpop+jwt",
            "id_token",
            "",
            " jwt",
            "JWT ",
            "text/jwt",
            "application/application/jwt",
        ),
        *(5, True, ["JWT"], {"typ": "JWT"}),
    ],
    ids=str,
)
def test_a_token_of_another_type_is_refused(kind: Any) -> None:
    header = by_hand({"alg": "HS256", "typ": kind}, claims()).rpartition(".")[0]
    signature = jwt.get_algorithm_by_name("HS256").sign(header.encode(), SECRET.encode())
    with pytest.raises(Unauthenticated, match="type that is not accepted"):
        authenticate(by_hand({"alg": "HS256", "typ": kind}, claims(), signature), TOKENS, FixedKeys(SECRET), NOON)


def test_the_longest_lifetime_is_a_setting() -> None:
    month = replace(TOKENS, max_lifetime=timedelta(days=30))
    long = token(exp=(NOON + timedelta(days=30)).timestamp())
    assert authenticate(long, month, FixedKeys(SECRET), NOON).subject == "alice"
    with pytest.raises(Unauthenticated, match="longer than is accepted"):
        authenticate(long, replace(TOKENS, max_lifetime=timedelta(days=29)), FixedKeys(SECRET), NOON)


def test_a_token_may_be_valid_for_a_day() -> None:
    day = token(exp=(NOON + timedelta(days=1)).timestamp())
    assert authenticate(day, TOKENS, FixedKeys(SECRET), NOON).subject == "alice"


STRANGERS = ec.generate_private_key(ec.SECP256R1())
STRANGERS_JWK = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(STRANGERS.public_key()))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": STRANGERS_JWK},
        {"jku": "http://127.0.0.1:9/jwks"},
        {"x5u": "http://127.0.0.1:9/certificate"},
        {"x5c": ["MIIB"]},
        {"jwk": STRANGERS_JWK, "kid": "one"},
    ],
    ids=lambda header: " ".join(header),
)
def test_a_key_that_a_token_brings_along_is_not_used(header: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither as the key, though the signature is the stranger's, nor as a place to look: nothing is fetched."""
    fetched: list[str] = []
    monkeypatch.setattr("urllib.request.OpenerDirector.open", lambda opener, url, *args: fetched.append(url))
    published = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(CURVE.public_key())), "kid": "one"}
    for keys in (keys_of(CURVE_TOKENS, nothing_kept), KeySet(lambda: {"keys": [published]})):
        with pytest.raises(Unauthenticated, match="signature"):
            authenticate(token(STRANGERS, "ES256", headers=header), CURVE_TOKENS, keys, NOON)
        good = token(CURVE, "ES256", headers=header)
        assert authenticate(good, CURVE_TOKENS, keys, NOON).subject == "alice", "beside a good key it is ignored"
    assert fetched == []


def test_a_token_of_the_pem_is_good() -> None:
    assert (
        authenticate(token(CURVE, "ES256"), CURVE_TOKENS, keys_of(CURVE_TOKENS, nothing_kept), NOON).subject == "alice"
    )


def test_clocks_may_differ_by_ten_seconds() -> None:
    barely = token(exp=(NOON - timedelta(seconds=9)).timestamp(), iat=(NOON + timedelta(seconds=9)).timestamp())
    assert authenticate(barely, TOKENS, FixedKeys(SECRET), NOON).subject == "alice"


def test_an_unusable_pem_is_named_when_the_service_starts() -> None:
    for broken in ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "not a PEM"):
        with pytest.raises(SettingsError, match="JWT_PUBLIC_KEY"):
            keys_of(Tokens("i", "a", ("ES256",), public_key=broken), nothing_kept)


def test_each_of_several_keys_is_good_and_no_other() -> None:
    secrets = keys_of(Tokens("i", "a", ("HS256",), secret=Secret(f"{'a' * 32}\n  {'b' * 32}  \n\n")), nothing_kept)
    for secret in ("a" * 32, "b" * 32):
        assert authenticate(token(secret), TOKENS, secrets, NOON).subject == "alice"
    with pytest.raises(Unauthenticated, match="signature"):
        authenticate(token("c" * 32), TOKENS, secrets, NOON)


def test_each_of_several_pems_is_good_whatever_its_curve() -> None:
    wide = ec.generate_private_key(ec.SECP384R1())
    tokens = Tokens("https://issuer.example", "sessions", ("ES256", "ES384"), public_key=f"{pem(wide)}\n{PEM}")
    keys = keys_of(tokens, nothing_kept)
    assert authenticate(token(CURVE, "ES256"), tokens, keys, NOON).subject == "alice"
    assert authenticate(token(wide, "ES384"), tokens, keys, NOON).subject == "alice"
    with pytest.raises(Unauthenticated, match="signature"):
        authenticate(token(ec.generate_private_key(ec.SECP256R1()), "ES256"), tokens, keys, NOON)
