"""Calls to slow control planes, API Gateway's and CloudFormation's, are retried for longer than others."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.config import Config
from botocore.session import Session
from botocore.stub import Stubber

from deployment.aws import Aws, Place
from deployment.errors import DeploymentError
from tests.deployment.accounts import session

DELETES = 30
"""AWS's minimum time between two deletions of a REST API, in seconds."""


@pytest.fixture(scope="module")
def aws() -> Aws:
    made = session()
    made.set_default_client_config(Config(connect_timeout=10, retries={"max_attempts": 3}))
    return Aws(made)


@pytest.mark.parametrize("service", ["apigateway", "apigatewayv2", "cloudformation"])
def test_a_throttled_call_is_repeated_for_longer_than_the_slowest_quota(aws: Aws, service: str) -> None:
    """A pause is random, up to twice the previous one and at most 20 s: its mean is half of that."""
    config = aws.client(service).meta.config
    pauses = [min(2**n, 20) / 2 for n in range(config.retries["total_max_attempts"] - 1)]
    assert config.retries["mode"] == "standard"
    assert sum(pauses) > 2 * DELETES
    assert config.connect_timeout == 10


@pytest.mark.parametrize("service", ["sts", "logs"])
def test_another_service_is_given_up_soon(aws: Aws, service: str) -> None:
    assert aws.client(service).meta.config.retries["total_max_attempts"] == 4


@pytest.mark.parametrize(("partition", "suffix"), [("aws", "amazonaws.com"), ("aws-cn", "amazonaws.com.cn")])
def test_china_has_a_domain_of_its_own(partition: str, suffix: str) -> None:
    assert Place(partition, "cn-north-1", "123456789012").suffix == suffix


def test_without_a_region_the_variable_that_sets_one_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(DeploymentError, match="set AWS_DEFAULT_REGION"):
        _ = Aws(Session()).place


def test_credentials_that_aws_refuses_are_told() -> None:
    account = Aws(session())
    with Stubber(account.client("sts")) as sts:
        sts.add_client_error("get_caller_identity", "ExpiredToken")
        with pytest.raises(DeploymentError, match="check the credentials"):
            _ = account.place
