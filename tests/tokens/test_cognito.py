"""Tokens pass as those of a user pool if the plugin signs for the pool and signed them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_sessionplugin.tokens.cognito import signs_for_all, verifier
from pytest_sessionplugin.tokens.keys import Key
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings

POOL = "arn:aws:cognito-idp:us-east-1:1:userpool/us-east-1_x"
OTHER = "arn:aws:cognito-idp:us-east-1:1:userpool/us-east-1_y"
ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x"


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens(TokenSettings("RS256", ISSUER), Key.of_this_process("RS256", "https://issuer.test"))


def passes(token: str, tokens: Tokens, *pools: str) -> bool:
    verified = verifier(pools or (POOL,), tokens)
    assert verified is not None
    return verified(token)


def test_what_the_kit_signed_passes_whatever_it_says(tokens: Tokens) -> None:
    """API Gateway's rules on what a token says are the gateway's; here only its signature counts."""
    assert passes(tokens("alice"), tokens)
    assert passes(tokens("alice", expires_in=-60, aud=None, iat="x", nbf=9_999_999_999, jti=7), tokens)


def test_a_signature_that_was_changed_or_left_out_does_not(tokens: Tokens) -> None:
    head, said, signature = tokens("alice").split(".")
    _, others, _ = tokens("bob").split(".")
    assert not passes(f"{head}.{others}.{signature}", tokens)
    assert not passes(f"{head}.{said}.", tokens)
    assert not passes(f"{head}.{said}.{'A' * len(signature)}", tokens)


@pytest.mark.parametrize("token", ["", "a.b.c", "..", "é.é.é", "eyJhbGciOiJSUzI1NiJ9.W10.c2ln"])
def test_what_is_no_token_does_not(tokens: Tokens, token: str) -> None:
    assert not passes(token, tokens)


def test_another_key_does_not_nor_one_of_the_same_name(tokens: Tokens) -> None:
    another = Key.of_this_process("RS256", "https://another.test")
    for key in (another, replace(another, id=tokens.key.id)):
        assert not passes(tokens.sign(tokens.claims("alice"), key), tokens)


def test_a_key_of_ours_under_another_name_does_not(tokens: Tokens) -> None:
    for name in ("x", None):
        assert not passes(tokens.sign(tokens.claims("alice"), replace(tokens.key, id=name)), tokens)


def test_the_public_key_is_no_secret_to_sign_with(tokens: Tokens) -> None:
    public = str(tokens.jwks["keys"][0]["n"])
    assert not passes(tokens.sign(tokens.claims("alice"), Key("HS256", public, tokens.key.id)), tokens)


def test_a_secret_that_is_shared_signs_for_no_pool() -> None:
    shared = Tokens(TokenSettings("HS256", ISSUER))
    assert not passes(shared("alice"), shared)


def test_a_token_of_another_pool_passes_where_that_is_one_of_them(tokens: Tokens) -> None:
    """Its keys are not known here; the plugin warns of that."""
    said = tokens.claims("alice") | {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_y"}
    assert passes(tokens.sign(said, Key("HS256", "x" * 32)), tokens, POOL, OTHER)


def test_nothing_is_verified_for_pools_that_the_kit_does_not_sign_for(tokens: Tokens) -> None:
    assert verifier((OTHER,), tokens) is None
    assert verifier((POOL,), None) is None


def test_only_where_it_signs_for_each_of_them_does_none_pass_unverified(tokens: Tokens) -> None:
    assert signs_for_all((POOL,), tokens)
    assert not signs_for_all((POOL, OTHER), tokens)
    assert not signs_for_all((POOL, "no ARN"), tokens)
    assert not signs_for_all((POOL,), None)
