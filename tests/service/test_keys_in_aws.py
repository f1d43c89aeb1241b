"""Keys in SSM and Secrets Manager: fetched by the service itself, and rotated while it runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from chalicelib.errors import SettingsError
from chalicelib.keys import RECOVERY, StoredText
from chalicelib.settings import Reference
from pytest_sessionplugin import Clock, Faults, Gateway, HandshakeRefused, Tokens
from pytest_sessionplugin.aws.calls import Calls

pytestmark = pytest.mark.emulator

OLD, NEW = "the-old-key-" + "o" * 32, "the-new-key-" + "n" * 32
NAME = "/sessions/dev/jwt"
IN_SSM = pytest.mark.chalice(env={"JWT_SECRET": f"ssm:{NAME}"})
IN_SECRETS_MANAGER = pytest.mark.chalice(env={"JWT_SECRET": "secretsmanager:sessions/jwt"})

Keep = Callable[..., None]
Sign = Callable[..., str]


def client(service: str) -> Any:
    import boto3  # late: a unit run collects this file

    return boto3.client(service)  # type: ignore[call-overload]


@pytest.fixture
def parameter(aws_calls: Calls) -> Keep:
    """Puts a text into the parameter."""

    def keep(value: str, kind: str = "SecureString") -> None:
        client("ssm").put_parameter(Name=NAME, Value=value, Type=kind, Overwrite=True)

    return keep


@pytest.fixture
def secret(aws_calls: Calls) -> Keep:
    """Puts a text, or bytes, into the secret."""
    client("secretsmanager").create_secret(Name="sessions/jwt")

    def keep(value: str | bytes) -> None:
        held = {"SecretString": value} if isinstance(value, str) else {"SecretBinary": value}
        client("secretsmanager").put_secret_value(SecretId="sessions/jwt", **held)

    return keep


@pytest.fixture
def sign(jwt_tokens: Tokens) -> Sign:
    """A token of alice, signed by any key."""
    return lambda key: jwt.encode(jwt_tokens.claims("alice", expires_in=7200), key, "HS256")


class TestStoredText:
    def test_a_parameter_comes_decrypted(self, parameter: Keep) -> None:
        parameter(OLD)
        kept = StoredText(Reference("JWT_SECRET", "ssm", NAME), "us-east-1")
        assert kept().reveal() == OLD
        parameter(NEW)
        assert kept().reveal() == NEW

    def test_a_secret_comes_as_it_is_current_by_name_and_by_arn(self, secret: Keep) -> None:
        secret(OLD)
        arn = client("secretsmanager").describe_secret(SecretId="sessions/jwt")["ARN"]
        secret(NEW)
        for name in ("sessions/jwt", arn):
            assert StoredText(Reference("JWT_SECRET", "secretsmanager", name), "us-east-1")().reveal() == NEW

    def test_a_public_key_needs_no_encryption_and_a_secret_does(self, parameter: Keep) -> None:
        parameter(OLD, "String")
        assert StoredText(Reference("JWT_PUBLIC_KEY", "ssm", NAME), "us-east-1")().reveal() == OLD
        with pytest.raises(SettingsError, match="which is a String: make it a SecureString"):
            StoredText(Reference("JWT_SECRET", "ssm", NAME), "us-east-1")()

    def test_bytes_are_not_a_key(self, secret: Keep) -> None:
        secret(b"k" * 32)
        with pytest.raises(SettingsError, match="which holds bytes"):
            StoredText(Reference("JWT_SECRET", "secretsmanager", "sessions/jwt"), "us-east-1")()

    @pytest.mark.parametrize("store", ["ssm", "secretsmanager"])
    def test_a_store_that_hangs_is_waited_for_half_as_long_as_it_is_left_alone(self, store: str) -> None:
        """Its timeouts, and a second at most between two attempts."""
        config = StoredText(Reference("JWT_SECRET", store, "anything"), "us-east-1")._connected().meta.config
        attempts = config.retries["total_max_attempts"]
        longest = attempts * (config.connect_timeout + config.read_timeout) + attempts - 1
        assert longest <= RECOVERY.total_seconds() / 2

    @pytest.mark.parametrize("store", ["ssm", "secretsmanager"])
    def test_what_is_not_there_is_named(self, store: str, aws_calls: Calls) -> None:
        sentence = f"JWT_SECRET names {store}:nowhere, which us-east-1 does not have .*: create it there"
        with pytest.raises(SettingsError, match=sentence):
            StoredText(Reference("JWT_SECRET", store, "nowhere"), "us-east-1")()


@IN_SSM
class TestTheService:
    def test_a_hundred_requests_ask_the_store_once(
        self, chalice_gateway: Gateway, parameter: Keep, sign: Sign, aws_calls: Calls
    ) -> None:
        parameter(OLD)
        alice = chalice_gateway.http(token=sign(OLD))
        assert {alice.get("/sessions").status_code for _ in range(100)} == {200}
        assert aws_calls.count("ssm:GetParameter") == 1

    def test_what_needs_no_token_asks_nothing(
        self, chalice_gateway: Gateway, parameter: Keep, aws_calls: Calls
    ) -> None:
        assert chalice_gateway.http().get("/health/ready").status_code == 200
        assert chalice_gateway.http().get("/sessions").status_code == 401
        assert aws_calls.count("ssm:GetParameter") == 0

    def test_a_flood_of_bad_tokens_asks_once_a_minute(
        self, chalice_gateway: Gateway, chalice_clock: Clock, parameter: Keep, sign: Sign, aws_calls: Calls
    ) -> None:
        parameter(OLD)
        mallory = chalice_gateway.http(token=sign("somebody's own key, of the right length"))
        for minute in (1, 2, 3):
            assert {mallory.get("/sessions").status_code for _ in range(20)} == {401}
            assert aws_calls.count("ssm:GetParameter") == minute
            chalice_clock.advance(seconds=60)

    def test_a_key_is_rotated_without_a_gap(
        self, chalice_gateway: Gateway, chalice_clock: Clock, parameter: Keep, sign: Sign
    ) -> None:
        parameter(OLD)
        before, after = chalice_gateway.http(token=sign(OLD)), chalice_gateway.http(token=sign(NEW))
        assert [client.get("/sessions").status_code for client in (before, after)] == [200, 401]
        parameter(f"{NEW}\n{OLD}")
        chalice_clock.advance(seconds=60)
        assert [client.get("/sessions").status_code for client in (before, after)] == [200, 200]
        parameter(NEW)
        chalice_clock.advance(minutes=5)
        assert [client.get("/sessions").status_code for client in (before, after)] == [401, 200]

    @pytest.mark.chalice(targets=["inprocess", "sockets"])
    def test_a_handshake_takes_the_rotated_key_and_refuses_the_old_one(
        self, chalice_gateway: Gateway, chalice_clock: Clock, parameter: Keep, sign: Sign
    ) -> None:
        parameter(OLD)
        session = chalice_gateway.http(token=sign(OLD)).post("/sessions", json={}).json()

        def join(key: str) -> Any:
            return chalice_gateway.websocket("/", params={"sessionId": session["sessionId"]}, token=sign(key))

        def assert_refused(key: str) -> None:
            with pytest.raises(HandshakeRefused) as refused:
                join(key)
            assert refused.value.status_code == 401

        join(OLD).close()
        assert_refused(NEW)
        parameter(NEW)
        chalice_clock.advance(seconds=60)
        with join(NEW) as bob:
            bob.send_json({"action": "ping"})
            bob.expect(type="pong")
        assert_refused(OLD)

    def test_known_keys_stay_in_use_while_the_store_does_not_answer(
        self, chalice_gateway: Gateway, chalice_clock: Clock, parameter: Keep, sign: Sign, aws_faults: Faults
    ) -> None:
        parameter(OLD)
        alice = chalice_gateway.http(token=sign(OLD))
        assert alice.get("/sessions").status_code == 200
        with aws_faults.unreachable("ssm:GetParameter"):
            chalice_clock.advance(minutes=10)
            assert alice.get("/sessions").status_code == 200

    def test_without_any_key_the_service_is_unavailable_and_tries_again(
        self, chalice_gateway: Gateway, chalice_clock: Clock, parameter: Keep, sign: Sign, aws_faults: Faults
    ) -> None:
        parameter(OLD)
        alice = chalice_gateway.http(token=sign(OLD))
        with aws_faults.unreachable("ssm:GetParameter"):
            answer = alice.get("/sessions")
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert alice.get("/sessions").status_code == 503, "it is left alone for a while"
        chalice_clock.advance(seconds=15)
        assert alice.get("/sessions").status_code == 200

    @pytest.mark.parametrize(
        ("code", "sentence"),
        [
            ("AccessDeniedException", f"JWT_SECRET names ssm:{NAME}, which this function may not read"),
            ("ThrottlingException", "ThrottlingException"),
        ],
    )
    def test_why_it_is_unavailable_is_in_the_log_and_not_in_the_answer(
        self,
        chalice_gateway: Gateway,
        sign: Sign,
        aws_faults: Faults,
        caplog: pytest.LogCaptureFixture,
        code: str,
        sentence: str,
    ) -> None:
        with aws_faults.failing("ssm:GetParameter", code=code):
            answer = chalice_gateway.http(token=sign(OLD)).get("/sessions")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert sentence in caplog.text
        assert NAME not in answer.text
        assert "ssm" not in answer.text.lower()

    @pytest.mark.parametrize("value", ["too-short-a-key", f"local-{'k' * 40}", f'{{"key": "{OLD}"}}'])
    def test_a_weak_key_is_named_in_the_log_and_shown_nowhere(
        self, chalice_gateway: Gateway, parameter: Keep, sign: Sign, caplog: pytest.LogCaptureFixture, value: str
    ) -> None:
        parameter(value)
        answer = chalice_gateway.http(token=sign(value.ljust(32))).get("/sessions")
        assert answer.status_code == 503
        assert f"JWT_SECRET names ssm:{NAME}, which holds" in caplog.text
        assert value not in caplog.text + answer.text

    def test_the_one_action_on_the_one_parameter_is_all_that_a_policy_needs(
        self, chalice_gateway: Gateway, parameter: Keep, sign: Sign, aws_calls: Calls, tmp_path: Path
    ) -> None:
        parameter(OLD)
        assert chalice_gateway.http(token=sign(OLD)).get("/sessions").status_code == 200
        statement = {"Effect": "Allow", "Action": ["dynamodb:*"], "Resource": "*"}
        policy = tmp_path / "policy.json"

        def denied() -> list[str]:
            policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement, *more]}))
            return [denial.action for denial in aws_calls.denied_by(policy, function="api_handler")]

        more: list[dict[str, str]] = []
        assert denied() == ["ssm:GetParameter"]
        more = [
            {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": f"arn:aws:ssm:*:*:parameter{NAME}"},
        ]
        assert denied() == []


@IN_SECRETS_MANAGER
def test_a_secret_of_secrets_manager_is_rotated_too(
    chalice_gateway: Gateway, chalice_clock: Clock, secret: Keep, sign: Sign, aws_calls: Calls
) -> None:
    secret(f"{OLD}\n{NEW}")
    for key in (OLD, NEW):
        assert chalice_gateway.http(token=sign(key)).get("/sessions").status_code == 200
    secret(NEW)
    chalice_clock.advance(minutes=5)
    assert chalice_gateway.http(token=sign(OLD)).get("/sessions").status_code == 401
    assert aws_calls.count("secretsmanager:GetSecretValue") == 2
