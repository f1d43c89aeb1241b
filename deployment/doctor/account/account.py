"""The account of a stage, as the checks read it. Judges nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from deployment.aws import Aws, Place, code_of
from deployment.doctor.check import Unknown
from deployment.doctor.findings import Findings
from deployment.errors import DeploymentError
from deployment.plan import Plan
from deployment.stage import Stage

NOT_THERE: Final = frozenset(
    {"NoSuchEntity", "NoSuchResourceException", "NotFoundException", "ParameterNotFound", "ResourceNotFoundException"}
)
PREFIXES: Final = {"service-quotas": "servicequotas"}
"""Names of services in IAM actions, where they differ from the client's."""
DECRYPTS: Final = frozenset({"ssm:GetParameter", "secretsmanager:GetSecretValue"})


class NotAsked(Unknown):
    """AWS did not answer or denied the call; the message says what to do."""


class Account:
    """One stage's account and region. A service that could not be reached is not tried again."""

    def __init__(self, aws: Aws, findings: Findings) -> None:
        self.aws = aws
        self._findings = findings
        self._silent: dict[str, NotAsked] = {}

    @property
    def stage(self) -> Stage:
        """Raises NotRead."""
        return self._findings.stage

    @property
    def plan(self) -> Plan:
        """Raises NotRead."""
        return self._findings.plan

    @property
    def place(self) -> Place:
        """Raises NotAsked without a region or credentials."""
        if isinstance(self.identity, DeploymentError):
            raise NotAsked("Not asked, since account-identity is not known.")
        return self.identity

    @cached_property
    def identity(self) -> Place | DeploymentError:
        """Account and region; or why they are unknown."""
        try:
            return self.aws.place
        except DeploymentError as error:
            return error

    @cached_property
    def deployed(self) -> bool:
        """Whether the stage's stack stands. Raises NotAsked."""
        with self.asking("cloudformation") as client:
            pages = client.get_paginator("describe_stacks").paginate()
            return any(one["StackName"] == self.stage.stack for page in pages for one in page["Stacks"])

    @contextmanager
    def asking(self, service: str, region: str | None = None) -> Iterator[Any]:
        """A client whose errors are raised as NotAsked, without their frames, which may hold secrets."""
        here = self.place.region
        if service in self._silent:
            raise self._silent[service]
        try:
            if region in (None, here):
                yield self.aws.client(service)
            else:
                yield self.aws.session.create_client(service, region_name=region)
        except ClientError as error:
            raise _refused(service, error) from None
        except BotoCoreError as error:
            self._silent[service] = NotAsked(
                f"Not known, since {service} cannot be reached ({type(error).__name__}): check network and "
                "credentials, then ask again."
            )
            raise self._silent[service] from None

    def find(
        self,
        service: str,
        operation: str,
        *,
        region: str | None = None,
        absent: frozenset[str] = NOT_THERE,
        **arguments: Any,
    ) -> Any:
        """The answer to one call; None if AWS does not have the resource, which it says with a code in `absent`."""
        with self.asking(service, region) as client:
            try:
                return getattr(client, operation)(**arguments)
            except ClientError as error:
                if code_of(error) not in absent:
                    raise
                return None

    def every(self, service: str, operation: str, key: str, **arguments: Any) -> list[Any]:
        """Everything that `operation` lists under `key`, on all pages."""
        with self.asking(service) as client:
            return [one for page in client.get_paginator(operation).paginate(**arguments) for one in page[key]]


def _refused(service: str, error: ClientError) -> NotAsked:
    code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status != 403 and not code.startswith(("AccessDenied", "Unauthorized", "NotAuthorized")):
        return NotAsked(f"Not known, since {service} answers {error.operation_name} with {code}: ask again later.")
    action = permission(service, error.operation_name)
    besides = ", and kms:Decrypt if a key of your own encrypts it" if action in DECRYPTS else ""
    return NotAsked(f"Not known, since AWS refuses it with {code}: allow the caller {action}{besides}.")


def permission(service: str, operation: str) -> str:
    """The IAM action of an operation; all reads of API Gateway need the same one."""
    if service in ("apigateway", "apigatewayv2"):
        return "apigateway:GET"
    return f"{PREFIXES.get(service, service)}:{operation}"
