"""API Gateway gets a role for access logs where it has none that works, and keeps one that does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from deployment import logs
from deployment.aws import Aws
from deployment.errors import DeploymentError
from tests.deployment.accounts import ACCOUNT, REGION, Answers, emulated

pytestmark = pytest.mark.emulator

NAME = f"api-gateway-access-logs-{REGION}"
ARN = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
THEIRS = f"arn:aws:iam::{ACCOUNT}:role/service-role/theirs"


@pytest.fixture
def aws() -> Iterator[Aws]:
    with emulated(managed_policies=True) as account:
        yield account


def set_role(aws: Aws, arn: str) -> None:
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}]
    aws.client("apigateway").update_account(patchOperations=patch)


def make_role(aws: Aws, name: str) -> None:
    aws.client("iam").create_role(RoleName=name, Path="/service-role/", AssumeRolePolicyDocument="{}")


def test_an_account_without_a_role_gets_one_that_may_write_logs(aws: Aws) -> None:
    assert logs.role(aws) is None
    assert logs.ensure(aws) is True
    assert logs.role(aws) == ARN
    (policy,) = aws.client("iam").list_attached_role_policies(RoleName=NAME)["AttachedPolicies"]
    assert policy["PolicyArn"] == "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
    trust = aws.client("iam").get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"Service": "apigateway.amazonaws.com"}


def test_a_role_that_works_is_kept(aws: Aws) -> None:
    make_role(aws, "theirs")
    set_role(aws, THEIRS)
    assert logs.ensure(aws) is False
    assert logs.role(aws) == THEIRS


def test_a_role_that_was_deleted_is_replaced(aws: Aws) -> None:
    make_role(aws, "theirs")
    set_role(aws, THEIRS)
    aws.client("iam").delete_role(RoleName="theirs")
    assert logs.role(aws) is None
    assert logs.ensure(aws) is True
    assert logs.role(aws) == ARN


def test_a_role_that_an_interrupted_deploy_made_is_used(aws: Aws) -> None:
    make_role(aws, NAME)
    assert logs.ensure(aws) is True
    assert logs.role(aws) == f"arn:aws:iam::{ACCOUNT}:role/service-role/{NAME}"


def waits(refusals: int, code: str = "BadRequestException") -> Answers:
    """An account whose API Gateway refuses the new role so many times."""
    answers = Answers("apigateway", "iam")
    role = {"Arn": ARN, "RoleName": NAME, "RoleId": "AROAEXAMPLEEXAMPLE", "Path": "/", "CreateDate": "2026-11-29"}
    answers.stubs["apigateway"].add_response("get_account", {})
    answers.stubs["iam"].add_response("create_role", {"Role": role})
    answers.stubs["iam"].add_response("attach_role_policy", {})
    for _ in range(refusals):
        answers.stubs["apigateway"].add_client_error("update_account", code)
    return answers


def test_a_role_that_iam_has_not_made_known_yet_is_given_again() -> None:
    answers = waits(logs.ATTEMPTS - 1)
    answers.stubs["apigateway"].add_response("update_account", {"cloudwatchRoleArn": ARN})
    with answers.given() as aws:
        assert logs.ensure(aws, pause=0) is True


def test_a_role_that_is_never_taken_is_told() -> None:
    with waits(logs.ATTEMPTS).given() as aws, pytest.raises(DeploymentError, match=f"does not accept {ARN}"):
        logs.ensure(aws, pause=0)


def test_another_refusal_is_told_at_once() -> None:
    with waits(1, "AccessDeniedException").given() as aws, pytest.raises(ClientError, match="AccessDenied"):
        logs.ensure(aws, pause=0)


@pytest.mark.parametrize("call", ["get_role", "create_role"])
def test_a_refused_question_is_not_taken_for_a_missing_role(call: str) -> None:
    answers = Answers("apigateway", "iam")
    account = {"cloudwatchRoleArn": THEIRS} if call == "get_role" else {}
    answers.stubs["apigateway"].add_response("get_account", account)
    answers.stubs["iam"].add_client_error(call, "AccessDenied")
    with answers.given() as aws, pytest.raises(ClientError, match="AccessDenied"):
        logs.ensure(aws, pause=0)
