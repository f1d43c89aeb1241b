"""Tokens say what they should, can be checked with what is published, and rotate."""

from __future__ import annotations

import copy
import json
import pickle
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings

NOW = 1_800_000_000.0


@pytest.fixture(params=["HS256", "RS256", "ES256"])
def tokens(request: pytest.FixtureRequest) -> Iterator[Tokens]:
    with Tokens(TokenSettings(request.param, "https://issuer.test", "chat"), clock=lambda: NOW) as tokens:
        yield tokens


def read(tokens: Tokens, token: str) -> Any:
    import jwt

    algorithm = tokens.settings.algorithm
    key = tokens.secret if algorithm == "HS256" else tokens.public_key_pem
    checks: Any = {"verify_exp": False, "verify_iat": False}  # the clock of these tests stands still
    return jwt.decode(token, key, [algorithm], checks, audience="chat", issuer="https://issuer.test")


def test_a_token_says_who_for_whom_by_whom_and_how_long(tokens: Tokens) -> None:
    said = read(tokens, tokens("alice", expires_in=60, scope="write"))
    assert said.pop("jti") != read(tokens, tokens("alice"))["jti"]
    assert said == {
        "sub": "alice",
        "iss": "https://issuer.test",
        "aud": "chat",
        "iat": NOW,
        "exp": NOW + 60,
        "scope": "write",
    }


def test_the_repr_of_a_token_is_redacted_and_all_else_of_it_is_text(tokens: Tokens) -> None:
    token = tokens("alice")
    text = str(token)
    assert (repr(token), type(text)) == ("'eyJ…'", str)
    assert text.count(".") == 2
    assert token == text
    assert {token: 1} == {text: 1}
    assert json.loads(json.dumps({"token": token})) == {"token": text}
    assert f"Bearer {token}" == "Bearer " + text
    assert pickle.loads(pickle.dumps(token)) == copy.deepcopy(token) == text  # noqa: S301 - of its own
    assert read(tokens, token) == read(tokens, text)


def test_a_claim_can_be_replaced_or_left_out(tokens: Tokens) -> None:
    import jwt

    said = jwt.decode(tokens("alice", aud="other", jti=None), options={"verify_signature": False})
    assert said["aud"] == "other"
    assert "jti" not in said


def test_tokens_of_cognito_say_their_use() -> None:
    import jwt

    pool = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf"
    tokens = Tokens(TokenSettings("RS256", pool, "client"))
    made = [tokens("alice"), tokens("alice", scope="read"), tokens("alice", token_use="refresh")]
    said = [jwt.decode(token, options={"verify_signature": False})["token_use"] for token in made]
    assert said == ["id", "access", "refresh"]
    assert "token_use" not in tokens.claims("alice", token_use=None)


def test_each_process_has_one_key(tokens: Tokens) -> None:
    other = Tokens(tokens.settings, clock=lambda: NOW)
    assert read(other, tokens("alice"))["sub"] == "alice"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_the_jwks_on_loopback_has_the_key_of_each_token(algorithm: str) -> None:
    import jwt

    with Tokens(TokenSettings(algorithm, "https://issuer.test")) as tokens:
        url, before = tokens.jwks_url, tokens("alice")
        assert url.startswith("http://127.0.0.1:")
        tokens.rotate(overlap=True)
        after = tokens("alice")
        assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
        for token in (before, after):
            key = jwt.PyJWKClient(url).get_signing_key_from_jwt(token)
            assert jwt.decode(token, key.key, [algorithm], audience="test")["sub"] == "alice"
        assert tokens.jwks_url == url
        tokens.end_overlap()
        assert jwt.PyJWKClient(url).get_signing_key_from_jwt(after)
        with pytest.raises(jwt.PyJWKClientError, match="Unable to find a signing key"):
            jwt.PyJWKClient(url).get_signing_key_from_jwt(before)
        tokens.start_over()
        assert tokens("alice").partition(".")[0] == before.partition(".")[0]
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - loopback
            keys = json.load(response)["keys"]
        assert len(keys) == 1
        assert "d" not in keys[0]  # the private half stays here
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=10)  # noqa: S310 - loopback


def test_a_rotation_without_an_overlap_takes_the_old_key_away() -> None:
    tokens = Tokens(TokenSettings("ES256"))
    before = tokens.key
    tokens.rotate()
    assert [key["kid"] for key in tokens.jwks["keys"]] == [tokens.key.id] != [before.id]
    tokens.start_over()
    assert [key["kid"] for key in tokens.jwks["keys"]] == [before.id]


def test_a_shared_secret_has_no_public_half(tokens: Tokens) -> None:
    if tokens.settings.algorithm != "HS256":
        with pytest.raises(SessionPluginError, match="has no shared secret: apps verify with"):
            tokens.secret  # noqa: B018
        return
    assert len(tokens.secret) >= 64
    with pytest.raises(SessionPluginError, match="HS256 has a shared secret and no public key"):
        tokens.public_key_pem  # noqa: B018
    with pytest.raises(SessionPluginError, match="HS256 has a shared secret and no public key"):
        tokens.jwks_url  # noqa: B018
    with pytest.raises(SessionPluginError, match="set algorithm to RS256 or ES256"):
        tokens.rotate()


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"algorithm": "none"}, "algorithm = 'none': it must be one of HS256, RS256, ES256"),
        ({"algoritm": "HS256"}, "has algoritm; its keys are algorithm, issuer and audience"),
    ],
)
def test_settings_that_cannot_be_are_a_sentence(section: dict[str, str], sentence: str) -> None:
    with pytest.raises(SessionPluginError, match=sentence):
        TokenSettings.of(section)


def test_in_a_test_they_know_those_of_other_projects_and_afterwards_nothing_of_it() -> None:
    tokens, others = Tokens(TokenSettings("ES256")), {"orders": Tokens(TokenSettings(issuer="https://orders.test"))}
    first = tokens.key
    with tokens.in_test(lambda path: others[str(path)]) as lent:
        assert lent.of("orders") is others["orders"]
        lent.rotate()
        assert tokens.key != first
    assert tokens.key == first
    with pytest.raises(SessionPluginError, match=r"jwt_tokens.of\('orders'\) was used outside of its test"):
        tokens.of("orders")


@pytest.mark.parametrize("name", ["expire_in", "expires", "expires_at", "expiresIn", "epxires_in"])
def test_a_claim_that_is_a_misspelt_argument_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=rf"jwt_tokens\(\) has no argument '{name}'; did you mean expires_in\?"):
        Tokens()("alice", **{name: 5})


@pytest.mark.parametrize("name", ["scope", "exp", "email", "experience", "in"])
def test_a_claim_of_another_name_is_a_claim(name: str) -> None:
    assert Tokens().claims("alice", **{name: 5})[name] == 5
