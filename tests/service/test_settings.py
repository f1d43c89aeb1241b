from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chalicelib.errors import SettingsError
from chalicelib.rates import Limits, Rate
from chalicelib.settings import (
    Reference,
    Settings,
    Tables,
    from_environment,
    is_local,
    looks_like_a_reference,
    reference,
)

COMPLETE = {
    "SESSIONS_TABLE": "s",
    "CONNECTIONS_TABLE": "c",
    "EVENTS_TABLE": "e",
    "JWT_ISSUER": "https://issuer.example",
    "JWT_AUDIENCE": "sessions",
    "JWT_ALGORITHMS": "HS256",
    "JWT_SECRET": "k" * 32,
    "AWS_REGION": "eu-west-1",
}


def no_key() -> str:
    raise AssertionError("the local key was asked for")


def settings(**changes: Any) -> Settings:
    environment = {name: value for name, value in {**COMPLETE, **changes}.items() if value is not None}
    return from_environment(environment, no_key)


def problem(**changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(**changes)
    return " ".join(caught.value.problems)


@pytest.mark.parametrize(
    "url", ["wss://abc.execute-api.eu-west-1.amazonaws.com/api", "ws://127.0.0.1:8001", "wss://x/"]
)
def test_the_url_of_the_websocket_api_is_taken_as_it_is(url: str) -> None:
    assert settings(WEBSOCKET_URL=f" {url} ").websocket_url == url
    assert settings().websocket_url is settings(WEBSOCKET_URL="").websocket_url is None


@pytest.mark.parametrize("url", ["https://x/api", "x/api", "wss://", "wss://x/api?a=1", "wss://x/api#a", "wss://x/a b"])
def test_a_url_that_no_socket_is_opened_at_is_told(url: str) -> None:
    assert "WEBSOCKET_URL" in problem(WEBSOCKET_URL=url)


def test_a_complete_environment_is_taken_as_it_is() -> None:
    found = settings(ALLOWED_ORIGINS="https://a.example, https://b.example")
    assert found.tables == Tables("s", "c", "e")
    assert found.allowed_origins.listed == {"https://a.example", "https://b.example"}
    assert (found.region, found.tokens.algorithms) == ("eu-west-1", ("HS256",))


LOCAL = "local-" + "k" * 40
LOOPBACK = ("http://localhost:3000", "https://127.0.0.1", "http://[::1]:65535", "http://app.localhost:5173")


@pytest.mark.parametrize("origin", LOOPBACK)
def test_a_page_of_this_machine_may_connect_where_tokens_have_the_key_of_a_checkout(origin: str) -> None:
    assert origin in settings(JWT_SECRET=LOCAL).allowed_origins
    assert origin in settings(JWT_SECRET=f"{LOCAL}\n{LOCAL}x", ALLOWED_ORIGINS="https://a.example").allowed_origins
    assert "https://a.example" not in settings(JWT_SECRET=LOCAL).allowed_origins


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"JWT_SECRET": f"{LOCAL}\n{'k' * 32}"},
        {"JWT_SECRET": "ssm:local-key"},
        {"JWT_SECRET": None, "JWT_PUBLIC_KEY": LOCAL, "JWT_ALGORITHMS": "ES256"},
        {"JWT_SECRET": None, "JWT_JWKS_URL": "http://127.0.0.1:8000/local-key", "JWT_ALGORITHMS": "ES256"},
    ],
)
@pytest.mark.parametrize("origin", LOOPBACK)
def test_a_page_of_this_machine_is_listed_everywhere_else(changes: dict[str, str | None], origin: str) -> None:
    assert origin not in settings(**changes).allowed_origins
    assert origin in settings(**changes, ALLOWED_ORIGINS=origin).allowed_origins


def test_no_function_on_aws_takes_the_key_of_a_checkout_and_so_no_page_of_somebodys_machine() -> None:
    assert "somebody's checkout" in problem(JWT_SECRET=LOCAL, AWS_LAMBDA_FUNCTION_NAME="f")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://localhost.example",
        "http://localhost.",
        "http://127.0.0.1.example:80",
        "http://127.0.0.2",
        "http://[::1",
        "http://localhost:3000/",
        "http://localhost:123456",
        "http://LOCALHOST",
        "http://a@localhost",
        "http://localhost\n",
        "ws://localhost",
        "capacitor://localhost",
        "https://a.example",
    ],
)
def test_nothing_that_only_looks_like_a_page_of_this_machine_may_connect(origin: str) -> None:
    assert origin not in settings(JWT_SECRET=LOCAL).allowed_origins


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, 86_400), ("", 86_400), ("3600", 3600), (" 31536000 ", 31_536_000)]
)
def test_a_token_is_valid_for_a_day_at_most_unless_the_settings_say_otherwise(text: str | None, seconds: int) -> None:
    for key in ("k" * 32, "ssm:/sessions/jwt"):
        assert settings(JWT_MAX_LIFETIME=text, JWT_SECRET=key).tokens.max_lifetime == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("changes", "limits"),
    [
        ({}, Limits(Rate(10), Rate(50), 20)),
        ({"FRAME_RATE": "", "SESSION_RATE": " ", "MAX_PER_SUBJECT": None}, Limits(Rate(10), Rate(50), 20)),
        ({"FRAME_RATE": "0", "SESSION_RATE": "0", "MAX_PER_SUBJECT": "0"}, Limits(Rate(0), Rate(0), 0)),
        ({"FRAME_RATE": " 1 ", "SESSION_RATE": "1000", "MAX_PER_SUBJECT": "007"}, Limits(Rate(1), Rate(1000), 7)),
    ],
)
def test_rates_and_the_connections_of_a_subject_have_limits(changes: dict[str, str | None], limits: Limits) -> None:
    assert settings(**changes).limits == limits


def test_each_limit_that_is_no_number_is_told() -> None:
    said = problem(FRAME_RATE="fast", SESSION_RATE="-1", MAX_PER_SUBJECT="1e2")
    for name in ("FRAME_RATE", "SESSION_RATE", "MAX_PER_SUBJECT"):
        assert f"{name} must be a whole number, 0 (no limit) to 1000." in said


@pytest.mark.parametrize("name", [name for name in COMPLETE if name != "JWT_SECRET"])
def test_what_is_missing_is_named(name: str) -> None:
    assert f"{name} is not set." in problem(**{name: None})


def test_everything_that_is_wrong_is_said_at_once() -> None:
    said = problem(JWT_ISSUER=None, SESSIONS_TABLE=None, LOG_LEVEL="LOUD")
    assert all(word in said for word in ("JWT_ISSUER", "SESSIONS_TABLE", "LOG_LEVEL"))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        *(({"JWT_MAX_LIFETIME": text}, "JWT_MAX_LIFETIME") for text in ("0", "-1", "1h", "1.5", "31536001", "9" * 99)),
        *(({"FRAME_RATE": text}, "FRAME_RATE") for text in ("-1", "1.5", "1001", "٣", "1_0", "ten", "9" * 99)),
        ({"JWT_SECRET": None}, "exactly one"),
        ({"JWT_PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----"}, "exactly one"),
        ({"JWT_SECRET": "k" * 31}, "at least 32 bytes"),
        ({"JWT_ALGORITHMS": "HS512", "JWT_SECRET": "k" * 63}, "at least 64 bytes"),
        ({"JWT_SECRET": "-----BEGIN PUBLIC KEY-----" + "k" * 40}, "not a secret"),
        ({"JWT_SECRET": "SSM:/sessions/a-secret-of-the-right-length"}, "looks like a reference"),
        ({"JWT_SECRET": "ssm:/sessions/jwt", "JWT_PUBLIC_KEY": "ssm:/sessions/pem"}, "exactly one"),
        ({"JWT_SECRET": "ssm:/sessions/jwt", "JWT_ALGORITHMS": "RS256"}, "do not fit"),
        ({"JWT_SECRET": None, "JWT_PUBLIC_KEY": "ssm:/sessions/pem"}, "do not fit"),
        ({"JWT_SECRET": f"{'k' * 32}\n{'k' * 31}"}, "at least 32 bytes"),
        ({"JWT_SECRET": "\n".join(["k" * 32] * 4)}, "holds 4 keys"),
        ({"JWT_ALGORITHMS": "HS256,RS256"}, "one family"),
        ({"JWT_ALGORITHMS": "none"}, "one family"),
        ({"JWT_ALGORITHMS": "RS256"}, "do not fit"),
        ({"JWT_SECRET": None, "JWT_PUBLIC_KEY": "-----BEGIN PUBLIC KEY-----"}, "do not fit"),
        (
            {"JWT_SECRET": None, "JWT_ALGORITHMS": "RS256", "JWT_PUBLIC_KEY": "-----BEGIN PRIVATE KEY-----"},
            "private key",
        ),
        ({"JWT_SECRET": None, "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": "http://keys.example/jwks"}, "https"),
        ({"JWT_SECRET": None, "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": "http://notlocalhost/jwks"}, "https"),
        ({"JWT_SECRET": None, "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": "http://localhost.evil/jwks"}, "https"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "f", "JWT_SECRET": "local-" + "k" * 40}, "somebody's checkout"),
    ],
)
def test_what_is_weak_is_refused_with_the_reason(changes: dict[str, str | None], sentence: str) -> None:
    assert sentence in problem(**changes)


@pytest.mark.parametrize(
    ("variable", "algorithms", "other"),
    [("JWT_SECRET", "HS256", "JWT_PUBLIC_KEY"), ("JWT_PUBLIC_KEY", "ES256", "JWT_SECRET")],
)
def test_a_reference_stands_for_the_key_and_is_not_taken_for_one(variable: str, algorithms: str, other: str) -> None:
    found = settings(**{other: None, variable: "ssm:/sessions/dev/jwt", "JWT_ALGORITHMS": algorithms})
    assert found.tokens.kept == Reference(variable, "ssm", "/sessions/dev/jwt")
    assert (found.tokens.secret.reveal(), found.tokens.public_key) == ("", "")


def test_chalice_local_without_aws_uses_the_key_of_the_checkout_where_a_reference_stands() -> None:
    environment = {**COMPLETE, "AWS_CHALICE_CLI_MODE": "true", "JWT_SECRET": "ssm:/sessions/dev/jwt"}
    found = from_environment(environment, lambda: "local-" + "k" * 40)
    assert (found.tokens.kept, found.tokens.secret.reveal()) == (None, "local-" + "k" * 40)
    assert from_environment({**environment, "SESSIONS_LOCAL": "aws"}, no_key).tokens.kept is not None


def test_the_key_of_the_checkout_verifies_no_public_keys_tokens() -> None:
    environment = {**COMPLETE, "AWS_CHALICE_CLI_MODE": "true", "JWT_SECRET": "", "JWT_ALGORITHMS": "ES256"}
    with pytest.raises(SettingsError, match="do not fit"):
        from_environment(environment, lambda: "local-" + "k" * 40)


def test_the_secret_is_not_in_what_the_settings_look_like() -> None:
    assert "k" * 32 not in repr(settings())


def test_chalice_local_without_aws_keeps_its_store_in_memory_and_uses_the_key_of_the_checkout() -> None:
    environment = {
        "AWS_CHALICE_CLI_MODE": "true",
        "JWT_ISSUER": "i",
        "JWT_AUDIENCE": "a",
        "JWT_ALGORITHMS": "HS256",
    }
    found = from_environment(environment, lambda: "local-" + "k" * 40)
    assert found.tables is None
    assert found.tokens.secret.reveal() == "local-" + "k" * 40


@pytest.mark.parametrize(
    "given",
    [
        {"AWS_LAMBDA_FUNCTION_NAME": "f"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:8002"},
        {"SESSIONS_LOCAL": "aws"},
        {"AWS_CHALICE_CLI_MODE": ""},
    ],
)
def test_the_store_is_in_memory_only_where_nothing_says_otherwise(given: dict[str, str]) -> None:
    local = {"AWS_CHALICE_CLI_MODE": "true"}
    assert is_local(local)
    assert not is_local({**local, **given})


ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:sessions/jwt-a1b2c3"


@pytest.mark.parametrize(
    ("value", "store", "name"),
    [
        ("ssm:/sessions/dev/jwt", "ssm", "/sessions/dev/jwt"),
        ("  ssm:jwt\n", "ssm", "jwt"),
        ("secretsmanager:sessions/jwt", "secretsmanager", "sessions/jwt"),
        (f"secretsmanager:{ARN}", "secretsmanager", ARN),
    ],
)
def test_a_reference_names_a_store_and_what_is_in_it(value: str, store: str, name: str) -> None:
    assert reference("JWT_SECRET", value) == Reference("JWT_SECRET", store, name)


@pytest.mark.parametrize(
    "value",
    ["", "ssm:", "ssm: ", "SSM:/x", "secretmanager:x", "k" * 32, "/sessions/dev/jwt", "ssm:/x y", "ssm:/x\nkey"],
)
def test_any_other_text_is_not_a_reference(value: str) -> None:
    assert reference("JWT_SECRET", value) is None


@pytest.mark.parametrize(
    "value",
    ["ssm:", "SSM:/x", "secretmanager:x", "secrets-manager:x", ARN, "{{resolve:ssm-secure:/x:1}}", "key\nssm:/x"],
)
def test_what_was_to_be_a_reference_is_told_from_a_key(value: str) -> None:
    assert looks_like_a_reference(value)
    assert not looks_like_a_reference("k" * 32)


def test_an_arn_is_asked_for_where_it_is() -> None:
    assert Reference("JWT_SECRET", "secretsmanager", ARN).region("us-east-1") == "eu-central-1"
    assert Reference("JWT_SECRET", "secretsmanager", "sessions/jwt").region("us-east-1") == "us-east-1"
