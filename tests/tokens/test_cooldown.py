"""A rotated key, for an app that keeps its PyJWKClient: found after the cooldown, which a test may move past."""

from __future__ import annotations

import inspect
import time
from contextlib import AbstractContextManager

import jwt
import pytest

from pytest_sessionplugin.tokens import cooldown
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings
from tests.strangers import Stranger

COOLS_DOWN = "cooldown_duration" in inspect.signature(jwt.PyJWKClient).parameters
older = pytest.mark.skipif(not COOLS_DOWN, reason="this PyJWT looks for an unknown key at once")


def unknown() -> AbstractContextManager[object]:
    return pytest.raises(jwt.PyJWKClientError, match="Unable to find a signing key")


@older
def test_the_cooldown_passes_with_the_time_that_is_moved() -> None:
    with Tokens(TokenSettings("ES256")) as tokens:
        client = jwt.PyJWKClient(tokens.jwks_url)
        assert client.get_signing_key_from_jwt(tokens("alice"))
        tokens.rotate()
        with unknown():
            client.get_signing_key_from_jwt(tokens("alice"))
        cooldown.pass_by(29)
        with unknown():
            client.get_signing_key_from_jwt(tokens("alice"))
        cooldown.pass_by(1)
        assert client.get_signing_key_from_jwt(tokens("alice"))


def test_a_client_that_saw_a_rotation_finds_the_first_key_in_the_next_test() -> None:
    with Tokens(TokenSettings("ES256")) as tokens:
        client = jwt.PyJWKClient(tokens.jwks_url)
        tokens.rotate()
        assert client.get_signing_key_from_jwt(tokens("alice"))
        tokens.start_over()
        assert client.get_signing_key_from_jwt(tokens("alice"))


def test_without_a_rotation_no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[float] = []
    monkeypatch.setattr(cooldown, "pass_by", passed.append)
    with Tokens(TokenSettings("ES256")) as tokens:
        tokens.start_over()
        assert passed == []
        tokens.rotate()
        tokens.start_over()
    assert passed == [cooldown.ENOUGH]


def test_the_rest_of_the_module_is_as_it_was() -> None:
    import jwt.jwk_set_cache

    cooldown.pass_by(0)
    seen = vars(jwt.jwk_set_cache)["time"]
    assert seen.monotonic() >= time.monotonic() - 1
    assert abs(seen.time() - time.time()) < 60


APP = """
import os
import jwt
from chalice import Chalice

app = Chalice("chat")
keys = jwt.PyJWKClient(os.environ["KEYS"])


@app.route("/")
def index():
    token = app.current_request.headers["authorization"].removeprefix("Bearer ")
    try:
        key = keys.get_signing_key_from_jwt(token)
    except jwt.PyJWKClientError:
        return {"sub": None}
    return {"sub": jwt.decode(token, key, ["ES256"], audience="test")["sub"]}
"""

PYPROJECT = """
[tool.sessionplugin.tokens]
algorithm = "ES256"
[tool.sessionplugin.env]
KEYS = "{token:jwks_url}"
"""


@older
def test_an_app_takes_the_new_key_after_half_a_minute(stranger: Stranger) -> None:
    body = """
        import pytest

        def who(gateway, token):
            return gateway.http(token=token).get("/").json()["sub"]

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        def test_rotated(chalice_clock, chalice_gateway, jwt_tokens):
            assert who(chalice_gateway, jwt_tokens("alice")) == "alice"
            jwt_tokens.rotate()
            assert who(chalice_gateway, jwt_tokens("alice")) is None
            chalice_clock.advance(seconds=30)
            assert who(chalice_gateway, jwt_tokens("alice")) == "alice"

        def test_after_it(chalice_gateway, jwt_tokens):
            assert who(chalice_gateway, jwt_tokens("alice")) == "alice"
    """
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / "pyproject.toml").write_text(PYPROJECT)
    stranger.test(test_it=body).assert_outcomes(passed=3)
