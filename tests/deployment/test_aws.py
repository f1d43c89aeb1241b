"""Calls to slow control planes, API Gateway's and CloudFormation's, are retried for longer than others."""

from __future__ import annotations

import pytest
from botocore.config import Config
from botocore.session import Session

from deployment.aws import Aws

DELETES = 30
"""AWS's minimum time between two deletions of a REST API, in seconds."""


@pytest.fixture(scope="module")
def aws() -> Aws:
    session = Session()
    session.set_config_variable("region", "eu-north-1")
    session.set_credentials("AKIDEXAMPLE", "never used")
    session.set_default_client_config(Config(connect_timeout=10, retries={"max_attempts": 3}))
    return Aws(session)


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
