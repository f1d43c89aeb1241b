"""The account to deploy to: its clients, number and region, as botocore's configuration names it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from deployment.errors import DeploymentError

PATIENT: Final = {
    service: Config(retries={"mode": "standard", "total_max_attempts": 12})
    for service in ("apigateway", "apigatewayv2", "cloudformation")
}
"""API Gateway's own quotas are slow: one deletion of a REST API in 30 s, one change of the account's role in 20 s.
CloudFormation's are shared by all deploys of the account, and one that is throttled must not lose sight of its stack.

botocore's usual retries end after some seconds, these after a minute or more: each pause is random, up to 20 s.

https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html#api-gateway-control-service-limits-table
"""


@dataclass(frozen=True)
class Place:
    """Partition, region and account of a stage."""

    partition: str
    region: str
    account: str

    @property
    def suffix(self) -> str:
        """The domain of the partition's endpoints."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"


class Aws:
    """Clients of one account and region, each created once. The constructor does not use `session`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self.session.create_client(service, config=PATIENT.get(service))
        return self._clients[service]

    @cached_property
    def place(self) -> Place:
        """Raises DeploymentError without a region or credentials."""
        region = self.session.get_config_variable("region")
        if not region:
            raise DeploymentError("No region is chosen: set AWS_DEFAULT_REGION, or AWS_PROFILE to a profile with one.")
        try:
            identity = self.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            raise DeploymentError(f"AWS does not say who we are, check the credentials: {error}") from error
        return Place(self.session.get_partition_for_region(region), region, identity["Account"])


def code_of(error: ClientError) -> str:
    """The error code of a refused call."""
    code: str = error.response["Error"]["Code"]
    return code
