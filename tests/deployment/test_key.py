"""The signing key is made once, at random, and only one that a deploy made is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from deployment import key, stage
from deployment.aws import Aws
from deployment.stage import Stage
from tests.deployment.accounts import Answers, emulated
from tests.sources import ROOT

pytestmark = pytest.mark.emulator

NAME = "/sessions/dev/jwt-secret"
STAGE = stage.read(ROOT, "dev")


@pytest.fixture
def aws() -> Iterator[Aws]:
    with emulated() as account:
        yield account


def kept(aws: Aws) -> str:
    secret: str = aws.client("ssm").get_parameter(Name=NAME, WithDecryption=True)["Parameter"]["Value"]
    return secret


def names(aws: Aws) -> list[str]:
    return [one["Name"] for one in aws.client("ssm").describe_parameters()["Parameters"]]


def keeping(**secret: str) -> Stage:
    """The stage with its key elsewhere."""
    return replace(STAGE, environment={**secret, "JWT_ISSUER": "https://sessions.local"})


def test_a_missing_key_is_made_encrypted_and_as_long_as_the_longest_hash(aws: Aws) -> None:
    assert key.ensure(aws, STAGE) is True
    (described,) = aws.client("ssm").describe_parameters()["Parameters"]
    assert (described["Name"], described["Type"]) == (NAME, "SecureString")
    assert len(kept(aws)) >= 64 * 4 / 3


def test_a_key_that_is_there_stays(aws: Aws) -> None:
    key.ensure(aws, STAGE)
    before = kept(aws)
    assert key.ensure(aws, STAGE) is False
    assert kept(aws) == before


def test_two_keys_differ(aws: Aws) -> None:
    key.ensure(aws, STAGE)
    before = kept(aws)
    key.remove(aws, STAGE)
    key.ensure(aws, STAGE)
    assert kept(aws) != before


def test_a_key_of_ours_is_deleted_and_the_deletion_can_be_repeated(aws: Aws) -> None:
    key.ensure(aws, STAGE)
    for _ in range(2):
        key.remove(aws, STAGE)
        assert names(aws) == []


def test_a_key_of_somebody_else_stays(aws: Aws) -> None:
    aws.client("ssm").put_parameter(Name=NAME, Value="theirs", Type="SecureString")
    key.remove(aws, STAGE)
    assert names(aws) == [NAME]


@pytest.mark.parametrize(
    "elsewhere", [keeping(), keeping(JWT_SECRET="secretsmanager:sessions"), keeping(JWT_PUBLIC_KEY=f"ssm:{NAME}")]
)
def test_a_key_that_is_not_a_secret_in_ssm_is_neither_made_nor_deleted(elsewhere: Stage) -> None:
    with Answers().given() as aws:
        assert key.ensure(aws, elsewhere) is False
        key.remove(aws, elsewhere)


def test_a_refused_question_is_not_taken_for_a_missing_key() -> None:
    answers = Answers("ssm")
    answers.stubs["ssm"].add_client_error("get_parameter", "AccessDeniedException")
    answers.stubs["ssm"].add_client_error("list_tags_for_resource", "AccessDeniedException")
    with answers.given() as aws:
        for act in (key.ensure, key.remove):
            with pytest.raises(ClientError, match="AccessDenied"):
                act(aws, STAGE)
