"""Each bad token has exactly the flaw that it is named after, and a test gets all that its app can detect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.tokens import bad
from pytest_sessionplugin.tokens.keys import ALGORITHMS
from pytest_sessionplugin.tokens.tokens import Tokens, TokenSettings
from tests.strangers import Stranger

ALL = bad.names({"issuer": "", "audience": ""})
REASONS = {
    "expired": jwt.ExpiredSignatureError,
    "not yet valid": jwt.ImmatureSignatureError,
    "wrong issuer": jwt.InvalidIssuerError,
    "wrong audience": jwt.InvalidAudienceError,
    "wrong key": jwt.InvalidSignatureError,
    "alg none": jwt.InvalidAlgorithmError,
    "key confusion": jwt.InvalidAlgorithmError,
    "tampered": jwt.InvalidSignatureError,
    "garbage": jwt.DecodeError,
}


@pytest.fixture(scope="module", params=ALGORITHMS)
def tokens(request: pytest.FixtureRequest) -> Tokens:
    return Tokens(TokenSettings(request.param, "https://issuer.test", "chat"))


@pytest.fixture
def read(tokens: Tokens) -> Callable[[str], Any]:
    """Verifies all claims, as a careful app does."""
    algorithm = tokens.settings.algorithm
    key = tokens.secret if algorithm == "HS256" else tokens.public_key_pem
    checks: Any = {"require": ["exp", "sub", "iss", "aud"]}
    return lambda token: jwt.decode(token, key, [algorithm], checks, audience="chat", issuer="https://issuer.test")


@pytest.mark.parametrize("flaw", ALL)
def test_each_is_refused_for_its_own_reason(tokens: Tokens, read: Callable[[str], Any], flaw: str) -> None:
    token = bad.make(flaw, tokens)
    assert (token.flaw, token.subject) == (flaw, "alice")
    assert read(tokens(token.subject))["sub"] == "alice", "a good one is accepted"
    reason = REASONS.get(flaw, jwt.MissingRequiredClaimError)
    with pytest.raises(reason) as raised:
        read(token)
    assert type(raised.value) is reason
    if flaw.startswith("without "):
        assert flaw == f"without {getattr(raised.value, 'claim', None)}"


@pytest.mark.parametrize("flaw", sorted(set(ALL) - {"without sub", "garbage"}))
def test_each_speaks_for_its_subject_and_names_the_key_that_the_app_knows(tokens: Tokens, flaw: str) -> None:
    token = bad.make(flaw, tokens, "carol")
    assert token.subject == "carol"
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == "carol"
    if tokens.key.id and flaw != "alg none":
        assert jwt.get_unverified_header(token)["kid"] == tokens.key.id


def test_key_confusion_works_on_an_app_that_believes_the_header() -> None:
    """Proof that the token is the attack that it claims to be."""
    tokens = Tokens(TokenSettings("RS256", "https://issuer.test"))
    token = bad.make("key confusion", tokens)
    hmac = jwt.get_algorithm_by_name("HS256")
    signed, _, signature = token.rpartition(".")
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    assert hmac.verify(signed.encode(), tokens.public_key_pem.encode(), jwt.utils.base64url_decode(signature))


def test_they_stay_bad_however_far_time_moves_on() -> None:
    now = 1_800_000_000.0
    tokens = Tokens(TokenSettings(), clock=lambda: now)
    made = {flaw: bad.make(flaw, tokens) for flaw in ("expired", "not yet valid")}
    for flaw, claim in (("expired", "exp"), ("not yet valid", "nbf")):
        said = jwt.decode(made[flaw], options={"verify_signature": False})
        assert (said[claim] < now) if claim == "exp" else (said[claim] > now + 9 * 365 * 86_400)
        assert said["iat"] < said["exp"]


def test_what_an_app_is_not_told_it_cannot_refuse() -> None:
    assert set(ALL) - set(bad.names({})) == {"wrong issuer", "without iss", "wrong audience", "without aud"}
    assert set(ALL) - set(bad.names({"issuer": "x"})) == {"wrong audience", "without aud"}


def test_one_that_there_is_not_is_a_sentence() -> None:
    with pytest.raises(SessionPluginError, match=r"there is no 'stale'; there are expired, not yet valid, .*, garbage"):
        bad.make("stale", Tokens())


APP = """
import os
import jwt
from chalice import Chalice, UnauthorizedError

app = Chalice("chat")
app.experimental_feature_flags.add("WEBSOCKETS")


def key_for(token):
    if "SECRET" in os.environ:
        return os.environ["SECRET"]
    return jwt.PyJWKClient(os.environ["KEYS"], cache_jwk_set=False).get_signing_key_from_jwt(token)


def subject(authorization):
    token = authorization.removeprefix("Bearer ")
    try:
        return jwt.decode(
            token, key_for(token), algorithms=[os.environ["ALGORITHM"]],
            audience=os.environ.get("AUDIENCE"), issuer=os.environ.get("ISSUER"),
            options={"require": ["exp", "sub"], "verify_aud": "AUDIENCE" in os.environ},
        )["sub"]
    except jwt.PyJWTError as error:
        raise UnauthorizedError(str(error))


@app.route("/me")
def me():
    return subject(app.current_request.headers["authorization"])


@app.on_ws_connect()
def connect(event):
    try:
        subject(event.to_dict()["headers"]["Authorization"])
    except UnauthorizedError:
        return {"statusCode": 401}
    return {"statusCode": 200}
"""


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
def test_a_test_runs_once_for_each_that_matters_to_its_app(stranger: Stranger, algorithm: str) -> None:
    body = """
        import pytest
        from pytest_sessionplugin import HandshakeRefused

        def test_http(chalice_gateway, jwt_tokens, bad_jwt):
            assert chalice_gateway.http(token=jwt_tokens(bad_jwt.subject)).get("/me").text == bad_jwt.subject
            assert chalice_gateway.http(token=bad_jwt).get("/me").status_code == 401

        @pytest.mark.chalice(targets=["inprocess", "sockets"])
        def test_handshake(chalice_gateway, bad_jwt):
            with pytest.raises(HandshakeRefused) as refused:
                chalice_gateway.websocket(token=bad_jwt)
            assert refused.value.status_code == 401

        @pytest.fixture
        def intruder(chalice_gateway, bad_jwt):
            return chalice_gateway.http(token=bad_jwt)

        @pytest.mark.parametrize("bad_jwt", ["expired", "garbage"], indirect=True)
        @pytest.mark.parametrize("path", ["me", "api/me"])
        def test_chosen(intruder, path):
            assert intruder.get(f"/{path}").status_code == 401

        class TestMoved:
            @pytest.fixture
            def later(self, chalice_clock):
                chalice_clock.advance(days=1000)

            def test_moved(self, later, chalice_gateway, bad_jwt, jwt_tokens):
                assert chalice_gateway.http(token=jwt_tokens("bob")).get("/me").status_code == 200
                assert chalice_gateway.http(token=bad_jwt).get("/me").status_code == 401

        class TestOwn:
            @pytest.fixture
            def bad_jwt(self):
                return "mine"

            def test_own(self, bad_jwt, _sessionplugin):
                assert bad_jwt == "mine"
    """
    pyproject = f"""
[tool.pytest.ini_options]
filterwarnings = ["error"]
[tool.sessionplugin.tokens]
algorithm = "{algorithm}"
issuer = "https://issuer.test"
[tool.sessionplugin.env]
ALGORITHM = "{algorithm}"
ISSUER = "https://issuer.test"
{'SECRET = "{token:secret}"' if algorithm == "HS256" else 'KEYS = "{token:jwks_url}"'}
"""
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / "pyproject.toml").write_text(pyproject)
    result = stranger.test("-v", test_it=body)
    result.assert_outcomes(passed=11 + 2 * 11 + 4 + 11 + 1)
    result.stdout.fnmatch_lines(
        [
            "*::test_http[[]expired] PASSED*",
            "*::test_http[[]not yet valid] PASSED*",
            "*::test_handshake[[]*garbage*sockets*] PASSED*",
            "*::test_chosen[[]me-expired] PASSED*",
            "*::TestOwn::test_own PASSED*",
        ]
    )
    result.stdout.no_fnmatch_line("*audience*")


def test_keys_rotate_in_front_of_an_app(stranger: Stranger) -> None:
    body = """
        def test_rotation(chalice_gateway, jwt_tokens):
            def status(token):
                return chalice_gateway.http(token=token).get("/me").status_code

            first = jwt_tokens("alice")
            jwt_tokens.rotate(overlap=True)
            second = jwt_tokens("alice")
            assert (status(first), status(second)) == (200, 200)
            jwt_tokens.end_overlap()
            assert (status(first), status(second)) == (401, 200)
            jwt_tokens.rotate()
            assert (status(second), status(jwt_tokens("alice"))) == (401, 200)

        def test_each_test_begins_with_the_first_key(chalice_gateway, jwt_tokens):
            assert chalice_gateway.http(token=jwt_tokens("bob")).get("/me").text == "bob"

        def test_scope(jwt_tokens):
            import jwt
            assert jwt.decode(jwt_tokens("bob", scope="write"), options={"verify_signature": False})["scope"] == "write"
    """
    pyproject = """
[tool.pytest.ini_options]
filterwarnings = ["error"]
[tool.sessionplugin.tokens]
algorithm = "RS256"
[tool.sessionplugin.env]
ALGORITHM = "RS256"
KEYS = "{token:jwks_url}"
"""
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / "pyproject.toml").write_text(pyproject)
    stranger.test(test_it=body).assert_outcomes(passed=3)


def test_a_stage_whose_key_is_not_here_is_tried_with_those_that_need_none(stranger: Stranger) -> None:
    body = """
        def test_it(bad_jwt, chalice_gateway):
            print("tried", bad_jwt.flaw)
    """
    target = "--sessionplugin-target=https://x.test/api,wss://x.test/api"
    result = stranger.test("-s", target, test_it=body)
    tried = {line.partition("tried ")[2] for line in result.outlines if "tried " in line}
    assert tried == {"wrong key", "alg none", "key confusion", "garbage"}
    result.assert_outcomes(passed=4, skipped=5)


def test_settings_that_are_no_table_are_a_sentence(stranger: Stranger) -> None:
    (stranger.root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n[tool.sessionplugin]\ntokens = 5\n")
    result = stranger.test(test_it="def test_it(bad_jwt): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*tool.sessionplugin.tokens*must be a table of strings*"])


def test_a_name_that_there_is_not_is_a_sentence_that_lists_them(stranger: Stranger) -> None:
    body = """
        import pytest

        @pytest.mark.parametrize("bad_jwt", ["stale"], indirect=True)
        def test_it(bad_jwt):
            pass

        def test_late(request):
            request.getfixturevalue("bad_jwt")
    """
    result = stranger.test(test_it=body)
    result.assert_outcomes(errors=1, failed=1)
    result.stdout.fnmatch_lines(
        ["bad_jwt: there is no 'stale'; there are expired, not yet valid, *", "*name it among the test's arguments.*"]
    )
