"""The doctor on projects other than the deployed one, and on an account without a stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.doctor.standing_stage import Place
from tests.rehearsal.moto import moto_server, project

pytestmark = pytest.mark.xdist_group("account")


@pytest.fixture
def changed(place: Place, tmp_path: Path) -> Path:
    """Another checkout of the project, which a test may change."""
    return project.copied(tmp_path / "project")


def with_variables(root: Path, **variables: str) -> None:
    def change(config: dict[str, Any]) -> None:
        config["stages"]["dev"]["environment_variables"].update(variables)

    project.change(root / ".chalice" / "config.json", change)


def with_kept_data(root: Path) -> None:
    project.change(root / ".chalice" / "operations.json", lambda operations: operations["dev"].update(kept=True))


def test_tables_of_a_stage_that_is_kept_are_protected_and_restorable(place: Place, changed: Path) -> None:
    with_kept_data(changed)
    found = place.doctor(changed).failed["account-tables"]
    for table in ("sessions-dev", "connections-dev", "events-dev"):
        assert [one.partition(":")[0] for one in found if f" {table} " in one] == [
            f"The table {table} may be deleted",
            f"The table {table} could not be restored",
        ]


@contextmanager
def secret(place: Place, name: str, value: str | bytes) -> Iterator[None]:
    client, kind = place.client("secretsmanager"), "SecretString" if isinstance(value, str) else "SecretBinary"
    client.create_secret(Name=name, **{kind: value})
    yield
    client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("k" * 64, None),
        ("nobody-may-see-me", "shorter than its hash"),
        ('{"key":"nobody-may-see-me"}', "holds JSON"),
        (b"nobody-may-see-me", "which holds bytes"),
    ],
)
def test_a_secret_is_judged_as_a_parameter_is(
    place: Place, changed: Path, value: str | bytes, said: str | None
) -> None:
    with_variables(changed, JWT_SECRET="secretsmanager:key")
    with secret(place, "key", value):
        told = place.doctor(changed)
    if said is None:
        assert "account-key" in told.ok
    else:
        [sentence] = told.failed["account-key"]
        assert sentence.startswith("JWT_SECRET names secretsmanager:key, which ")
        assert said in sentence
    assert "nobody-may-see-me" not in told.ran.out + told.ran.err


def test_a_secret_that_is_not_there_is_nothing_that_a_deploy_makes(place: Place, changed: Path) -> None:
    with_variables(changed, JWT_SECRET="secretsmanager:key")
    [sentence] = place.doctor(changed).failed["account-key"]
    assert "which is not there" in sentence


@pytest.mark.parametrize(
    ("value", "said"),
    [("nobody-may-see-me", "no public key in PEM"), ("-----BEGIN PRIVATE KEY-----", "holds a private key")],
)
def test_a_public_key_has_to_be_one(place: Place, changed: Path, value: str, said: str) -> None:
    with_variables(changed, JWT_PUBLIC_KEY="ssm:/public", JWT_SECRET="", JWT_ALGORITHMS="ES256")
    client = place.client("ssm")
    client.put_parameter(Name="/public", Value=value, Type="String")
    told = place.doctor(changed)
    client.delete_parameter(Name="/public")
    [sentence] = told.failed["account-key"]
    assert sentence.startswith("JWT_PUBLIC_KEY names ssm:/public, which ")
    assert said in sentence
    assert "nobody-may-see-me" not in told.ran.out


def test_a_key_set_is_kept_by_its_issuer(place: Place, changed: Path) -> None:
    with_variables(changed, JWT_JWKS_URL="https://issuer.example/keys", JWT_SECRET="", JWT_ALGORITHMS="ES256")
    assert "account-key" in place.doctor(changed).ok


# --- nothing is deployed


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Place]:
    with moto_server.running() as server:
        yield Place(server, tmp_path / "project")


def test_an_account_that_is_empty_is_told_what_the_first_deploy_makes(empty: Place) -> None:
    told = empty.doctor()
    assert (told.ran.status, told.failed) == (0, {})
    assert told.notes == {
        "account-key": [
            "JWT_SECRET names ssm:/sessions/dev/jwt-secret, which is not there yet: the first deploy makes it."
        ],
        "account-tables": [
            f"The table {name} is not there yet: the first deploy makes it."
            for name in ("sessions-dev", "connections-dev", "events-dev")
        ],
        "account-logs": [
            "API Gateway has no role to write access logs by yet: the first deploy makes it.",
            "The log groups are not there yet: the first deploy makes them.",
        ],
        "account-drift": ["The stage dev is not deployed here."],
    }


def test_a_deploy_that_broke_off_is_begun_again(empty: Place) -> None:
    empty.client("apigatewayv2").create_api(
        Name="sessions-dev-websocket-api", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    assert empty.doctor().failed["account-drift"] == [
        "A deploy of the stage dev broke off, for it stands in part: deploy again."
    ]
