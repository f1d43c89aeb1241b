from __future__ import annotations

import pytest

from chalicelib.references import Reference, is_meant_as_one, reference

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
def test_anything_else_is_none(value: str) -> None:
    assert reference("JWT_SECRET", value) is None


@pytest.mark.parametrize(
    "value",
    ["ssm:", "SSM:/x", "secretmanager:x", "secrets-manager:x", ARN, "{{resolve:ssm-secure:/x:1}}", "key\nssm:/x"],
)
def test_what_was_to_be_a_reference_is_told_from_a_key(value: str) -> None:
    assert is_meant_as_one(value)
    assert not is_meant_as_one("k" * 32)


def test_an_arn_is_asked_for_where_it_is() -> None:
    assert Reference("JWT_SECRET", "secretsmanager", ARN).region("us-east-1") == "eu-central-1"
    assert Reference("JWT_SECRET", "secretsmanager", "sessions/jwt").region("us-east-1") == "us-east-1"
