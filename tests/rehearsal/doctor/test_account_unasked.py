"""Calls that the doctor may not or cannot make become notes that name the cause, never tracebacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from deployment.doctor.account.account import permission
from deployment.doctor.account.registry import CHECKS
from tests.rehearsal.doctor.drift_breakages import frames_are_throttled
from tests.rehearsal.doctor.standing_stage import Place
from tests.rehearsal.moto.command import Command
from tests.rehearsal.moto.environment import ACCESS_KEY, REGION, SECRET_KEY, without_aws

pytestmark = pytest.mark.xdist_group("account")
IDS = [one.id for one in CHECKS]
RIGHTS = {
    "account-key": {"ssm:GetParameter"},
    "account-tables": {"dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"},
    "account-quotas": {"servicequotas:GetServiceQuota", "servicequotas:GetAWSDefaultServiceQuota"},
    "account-logs": {"apigateway:GET", "iam:GetRole", "logs:DescribeLogGroups"},
    "account-drift": {
        "apigateway:GET",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListRolePolicies",
        "lambda:GetFunctionConfiguration",
    },
}
"""Permissions of the doctor, by check; a kept stage also needs dynamodb:DescribeContinuousBackups."""


@pytest.fixture
def refusing(place: Place) -> Iterator[Callable[[str], None]]:
    def refuse(right: str) -> None:
        place.commands.refuse = lambda operation: permission(*operation.split(".")) == right

    yield refuse
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
        assert f"allow the caller {right}" in sentence


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
    known = {"AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    if missing == "AWS_ACCESS_KEY_ID":
        del known["AWS_SECRET_ACCESS_KEY"]
    environ = {**without_aws(), **{name: value for name, value in known.items() if name != missing}}
    commands = Command(environ)
    ran = commands.run(place.root, "doctor", "--stage", "dev", "--account", "--json")
    notes = {one["id"]: one["sentences"] for one in json.loads(ran.out)["checks"] if one["id"] in IDS}
    assert (ran.status, ran.err, notes.pop("account-identity")) == (0, "", [said])
    assert notes == {one: ["Not asked, since account-identity is not known."] for one in IDS[1:]}
    assert {one.operation for one in commands.calls} <= {"sts.GetCallerIdentity"}
