"""Tokens for a deployed stage come from the environment, and stay out of what is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest

from pytest_sessionplugin.errors import NotOnThisTarget, SessionPluginError
from pytest_sessionplugin.gateway.redaction import redacted
from pytest_sessionplugin.tokens.deployed import DeployedTokens, key_of
from pytest_sessionplugin.tokens.keys import Key, local_key
from pytest_sessionplugin.tokens.tokens import TokenSettings

ISSUER = "https://issuer.test"  # shares its RSA key with other tests: one takes a tenth of a second to make
SECRET = "a shared secret, long enough to be one"


def tokens(algorithm: str = "HS256", **environment: str) -> DeployedTokens:
    variables = {f"SESSIONPLUGIN_{name}": value for name, value in environment.items()}
    return DeployedTokens(TokenSettings(algorithm), variables, lambda what: NotOnThisTarget("https://a", what))


def read(token: str, key: str = SECRET, algorithm: str = "HS256") -> dict[str, Any]:
    return dict(jwt.decode(token, key, [algorithm], audience="test", issuer="https://tokens.test"))


def test_a_token_that_is_ready_is_taken_as_it_is() -> None:
    ready = tokens(TOKEN_ALICE="eyJ.a.b\n", TOKEN_BOB_SMITH_EXAMPLE="eyJ.c.d")
    assert str(ready("alice")) == "eyJ.a.b"
    assert str(ready("bob.smith@example")) == "eyJ.c.d"


def test_others_are_signed_with_the_secret() -> None:
    both = tokens(TOKEN_ALICE="eyJ.a.b", TOKENS_KEY=SECRET)
    assert str(both("alice")) == "eyJ.a.b"
    assert read(both("bob"))["sub"] == "bob"
    assert read(both("alice", scope="write"))["scope"] == "write"
    said = read(both("alice", expires_in=60))
    assert said["exp"] - said["iat"] == 60


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_private_key_is_a_text_or_a_file(tmp_path: Path, algorithm: str) -> None:
    key = Key.of_this_process(algorithm, ISSUER)
    path = tmp_path / "key.pem"
    path.write_text(key.private)
    for given in (key.private, str(path)):
        made = tokens(algorithm, TOKENS_KEY=given, TOKENS_KID="k1")
        token = made("bob")
        assert read(token, key.public_pem, algorithm)["sub"] == "bob"
        assert jwt.get_unverified_header(token)["kid"] == "k1"
        assert made.public_key_pem == key.public_pem
        assert made.jwks["keys"][0]["kid"] == "k1"


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    made = tokens(TOKENS_KEY=str(tmp_path / "key"))
    assert read(made("bob"))["sub"] == "bob"
    assert str(made.secret) == SECRET


def test_a_served_app_takes_tokens_of_its_checkouts_key_unless_another_one_is_named(tmp_path: Path) -> None:
    (tmp_path / ".chalice").mkdir()

    def made(**environment: str) -> DeployedTokens:
        lacking = lambda what: NotOnThisTarget("http://127.0.0.1", what)  # noqa: E731
        return DeployedTokens(TokenSettings(), environment, lacking, served=tmp_path)

    with pytest.raises(NotOnThisTarget, match=r"token of bob: set .*key, which serve makes, is not there"):
        made()("bob")
    assert not (tmp_path / ".chalice" / "local").exists()
    key = local_key(tmp_path, "HS256").private
    assert read(made()("bob", scope="write"), key)["scope"] == "write"
    assert read(made(SESSIONPLUGIN_TOKENS_KEY=SECRET)("bob"))["sub"] == "bob"
    assert key not in redacted(f"the key is {key}")


def test_without_either_it_says_which_variables_to_set() -> None:
    with pytest.raises(NotOnThisTarget, match="set SESSIONPLUGIN_TOKEN_BOB_1, or SESSIONPLUGIN_TOKENS_KEY"):
        tokens()("bob-1")
    with pytest.raises(NotOnThisTarget, match="token of alice: set SESSIONPLUGIN_TOKENS_KEY;"):
        tokens(TOKEN_ALICE="eyJ.a.b")("alice", expires_in=1)


def test_what_only_an_issuer_here_could_do_is_lacking() -> None:
    made = tokens(TOKENS_KEY=SECRET)
    with pytest.raises(NotOnThisTarget, match="no key that a test could rotate"):
        made.rotate()
    with pytest.raises(NotOnThisTarget, match="no JWKS of this process"):
        _ = made.jwks_url
    for name in ("secret", "public_key_pem", "jwks"):
        with pytest.raises(NotOnThisTarget, match="set SESSIONPLUGIN_TOKENS_KEY"):
            getattr(tokens(), name)


def test_no_repr_shows_a_token_or_the_key() -> None:
    made = tokens(TOKEN_ALICE="eyJ.a.b", TOKENS_KEY=SECRET)
    for shown in (repr(made("alice")), repr(made("bob")), repr(made.secret), repr(made)):
        assert len(shown) < 10 or "object at" in shown
        assert SECRET not in shown


@pytest.mark.parametrize(
    ("algorithm", "key", "sentence"),
    [
        ("RS256", "s3cret", "is not a private key in PEM, or a file with one, which RS256 signs with"),
        ("RS256", "-----BEGIN PRIVATE KEY-----\ns3cret", "is not a key that RS256 can sign with"),
        ("HS256", "-----BEGIN PRIVATE KEY-----\ns3cret", "is not a secret, which HS256 signs with"),
        ("HS256", "short", "is not a key that HS256 can sign with: InsecureKeyLengthWarning"),
        ("ES256", Key.of_this_process("RS256", ISSUER).private, "is not a key that ES256 can sign with"),
    ],
    ids=["no PEM", "no key", "a private key", "too short", "of another algorithm"],
)
def test_a_key_of_another_kind_is_a_sentence_without_the_key(algorithm: str, key: str, sentence: str) -> None:
    with pytest.raises(SessionPluginError, match=f"^SESSIONPLUGIN_TOKENS_KEY {sentence}") as refused:
        key_of({"SESSIONPLUGIN_TOKENS_KEY": key}, algorithm)
    assert key.splitlines()[-1] not in str(refused.value)


def test_a_file_that_is_no_text_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    with pytest.raises(SessionPluginError, match="which SESSIONPLUGIN_TOKENS_KEY names, cannot be read as text"):
        key_of({"SESSIONPLUGIN_TOKENS_KEY": str(tmp_path / "key")}, "HS256")
