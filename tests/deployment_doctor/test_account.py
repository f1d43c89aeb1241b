"""What the doctor finds in an account: nothing in a stage as it was deployed, and each thing that was changed since."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployment.doctor.account.account import permission
from deployment.doctor.account.registry import CHECKS
from deployment.doctor.check import Check, Outcome
from tests.deployment import moto_server, project
from tests.deployment.command import Command
from tests.deployment.environment import REGION, without_aws
from tests.deployment.moto_server import MotoServer
from tests.deployment_doctor.account_breakages import SPOILT, Break, frames_are_throttled
from tests.deployment_doctor.standing_stage import Place

pytestmark = pytest.mark.xdist_group("account")
IDS = [one.id for one in CHECKS]
NEVER_WRONG = {"account-identity"}
"""It says whom we ask, or why nobody is asked."""


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoServer]:
    with moto_server.running() as server:
        yield server


@pytest.fixture(scope="module")
def place(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(moto, tmp_path_factory.mktemp("place") / "project")
    ran = made.run("deploy", "--stage", "dev")
    assert ran.status == 0, ran.err
    return made


def test_a_stage_as_it_was_deployed_passes(place: Place) -> None:
    told = place.doctor()
    assert (told.ran.status, told.ran.err, told.failed, told.notes) == (0, "", {}, {})
    assert told.ok == set(IDS)


def test_nothing_is_changed_by_asking(place: Place) -> None:
    place.doctor()
    asked = {one.operation.partition(".")[2] for one in place.commands.calls}
    assert asked
    assert {one for one in asked if not one.startswith(("Get", "Describe", "List"))} == set()


@pytest.mark.parametrize(("which", "outcome", "how", "said"), SPOILT)
def test_what_is_broken_is_told_by_its_check_and_no_other(
    place: Place, which: str, outcome: Outcome, how: Break, said: str
) -> None:
    with how(place):
        told = place.doctor()
    found, others = (told.failed, told.notes) if outcome is Outcome.FAILED else (told.notes, told.failed)
    assert (found.keys(), others) == ({which}, {}), told.ran.out
    assert said in " ".join(found[which])
    assert told.ran.status == (1 if outcome is Outcome.FAILED else 0)
    assert "nobody-may-see-me" not in told.ran.out + told.ran.err


def test_what_was_broken_is_mended(place: Place) -> None:
    """Or a test would have seen what another one broke."""
    told = place.doctor()
    assert (told.failed, told.notes) == ({}, {})


def test_each_check_is_broken_by_some_test() -> None:
    failing = {one.values[0] for one in SPOILT if one.values[1] is Outcome.FAILED}
    assert failing | NEVER_WRONG == set(IDS)
    assert len(set(IDS)) == len(IDS)


@pytest.mark.parametrize("one", CHECKS, ids=IDS)
def test_each_check_says_what_it_is_for_and_where_one_reads_of_it(one: Check[Any]) -> None:
    assert one.source.startswith("https://")
    assert one.title
    assert not one.title.endswith(".")


# --- what cannot be asked


RIGHTS = {
    "account-key": {"ssm:GetParameter"},
    "account-tables": {"dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"},
    "account-quotas": {"servicequotas:GetServiceQuota"},
    "account-logs": {"apigateway:GET", "iam:GetRole", "logs:DescribeLogGroups"},
    "account-drift": {
        "apigateway:GET",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListRolePolicies",
        "lambda:GetFunctionConfiguration",
    },
}
"""What the doctor has to be allowed, by check; of a stage that is kept dynamodb:DescribeContinuousBackups, too."""


@pytest.fixture
def refusing(place: Place) -> Iterator[Callable[[str], None]]:
    def refuse(right: str) -> None:
        place.quotas.refused = right.startswith("servicequotas:")
        place.commands.refuse = lambda operation: permission(*operation.split(".")) == right

    yield refuse
    place.quotas.refused = False
    place.commands.refuse = lambda operation: False


@pytest.mark.parametrize("right", sorted(set().union(*RIGHTS.values())))
def test_a_right_that_is_missing_is_named_by_the_checks_that_need_it(
    place: Place, refusing: Callable[[str], None], right: str
) -> None:
    refusing(right)
    told = place.doctor()
    assert (told.ran.status, told.ran.err, told.failed) == (0, "", {})
    assert told.notes.keys() == {check for check, rights in RIGHTS.items() if right in rights}
    for said in told.notes.values():
        [sentence] = said
        assert f"allow whoever asks {right}" in sentence


def test_what_is_not_known_hides_nothing_that_is_wrong(place: Place, refusing: Callable[[str], None]) -> None:
    refusing("lambda:GetFunctionConfiguration")
    with frames_are_throttled(place):
        told = place.doctor()
    assert told.failed.keys() == {"account-drift"}
    wrong, unknown = told.failed["account-drift"]
    assert "ThrottlingRateLimit" in wrong
    assert "lambda:GetFunctionConfiguration" in unknown


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("AWS_DEFAULT_REGION", "No region is chosen: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one."),
        ("AWS_ACCESS_KEY_ID", "AWS does not say who we are, check the credentials: Unable to locate credentials."),
    ],
)
def test_without_a_region_or_credentials_nothing_is_asked(place: Place, missing: str, said: str) -> None:
    environ = {**without_aws(), "AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}
    environ = {name: value for name, value in environ.items() if name != missing}
    if "AWS_ACCESS_KEY_ID" in environ:
        environ["AWS_SECRET_ACCESS_KEY"] = "made-up-and-never-checked"
    commands = Command(environ)
    ran = commands.run(place.root, "doctor", "--stage", "dev", "--account", "--json")
    notes = {one["id"]: one["sentences"] for one in json.loads(ran.out)["checks"] if one["id"] in IDS}
    assert (ran.status, ran.err, notes.pop("account-identity")) == (0, "", [said])
    assert notes == {one: ["Not asked, since account-identity is not known."] for one in IDS[1:]}
    assert {one.operation for one in commands.calls} <= {"sts.GetCallerIdentity"}


# --- other projects, and none deployed


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


def test_an_account_that_is_empty_is_told_what_the_first_deploy_makes(moto: MotoServer, tmp_path: Path) -> None:
    """The last test: the account is emptied for it."""
    place = Place(moto, tmp_path / "project")
    told = place.doctor()
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


def test_a_deploy_that_broke_off_is_begun_again(moto: MotoServer, tmp_path: Path) -> None:
    place = Place(moto, tmp_path / "project")
    place.client("apigatewayv2").create_api(
        Name="sessions-dev-websocket-api", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    assert place.doctor().failed["account-drift"] == [
        "A deploy of the stage dev broke off, for it stands in part: deploy again."
    ]
