"""The account of a stage, as the checks read it. Judges nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from deployment.aws import Aws, Place, code_of
from deployment.doctor.check import Unknown
from deployment.doctor.findings import Findings
from deployment.errors import DeploymentError
from deployment.stacks import Stacks

NOT_THERE: Final = frozenset(
    {"NoSuchEntity", "NoSuchResourceException", "NotFound", "NotFoundException", "ResourceNotFoundException"}
)
ACTION: Final = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
"""The missing permission, as AWS names it in the message of a denied call."""


class NotAsked(Unknown):
    """AWS did not answer or denied the call; the message says what to do."""


class Account:
    """One stage's account and region."""

    def __init__(self, aws: Aws, findings: Findings) -> None:
        self.aws = aws
        self.findings = findings
        self.answered = False  # whether AWS answered any call but that of the identity

    @cached_property
    def identity(self) -> Place | DeploymentError:
        """Account and region, or why they are unknown."""
        try:
            return self.aws.place
        except DeploymentError as error:
            return error

    @cached_property
    def stands(self) -> bool:
        """Whether the stage's stack exists. Raises NotAsked."""
        with self.asking() as aws:
            return Stacks(aws).state(self.findings.stage.stack) is not None

    @contextmanager
    def asking(self) -> Iterator[Aws]:
        """The account. Errors of its calls are raised as NotAsked, without their frames, which may hold secrets."""
        if isinstance(self.identity, DeploymentError):
            raise NotAsked("Not asked, since identity failed.")
        try:
            yield self.aws
        except ClientError as error:
            raise NotAsked(_refused(error)) from None
        except BotoCoreError as error:
            raise NotAsked(f"Not known, since AWS cannot be reached ({type(error).__name__}): ask again.") from None
        self.answered = True

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
        with self.asking() as aws:
            elsewhere = region not in (None, aws.place.region)
            client = aws.session.create_client(service, region_name=region) if elsewhere else aws.client(service)
            try:
                return getattr(client, operation)(**arguments)
            except ClientError as error:
                if code_of(error) not in absent:
                    raise
                return None


def _refused(error: ClientError) -> str:
    code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status != 403 and not code.startswith(("AccessDenied", "AuthorizationError", "Unauthorized", "NotAuthorized")):
        return f"Not known, since {error.operation_name} fails with {code}: ask again later."
    named = ACTION.search(error.response["Error"].get("Message", ""))
    return f"Not known, since {error.operation_name} is denied: allow the caller {named[1] if named else 'that call'}."
