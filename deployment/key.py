"""The key of a stage's tokens, kept in SSM Parameter Store: made at random on the first deploy. It is never shown."""

from __future__ import annotations

import secrets
from typing import Final

from botocore.exceptions import ClientError

from deployment.aws import Aws, code_of
from deployment.stage import Stage

BYTES: Final = 64  # as many as the longest hash that may be asked for, HS512
MARK: Final = "made-by"
MAKER: Final = "sessions-deployment"


def ensure(aws: Aws, stage: Stage) -> bool:
    """Make the secret that `JWT_SECRET` refers to, if it is a parameter that is not there; whether it was made."""
    name = parameter(stage)
    if name is None:
        return False
    client = aws.client("ssm")
    try:
        client.get_parameter(Name=name)
    except ClientError as error:
        if code_of(error) != "ParameterNotFound":
            raise
    else:
        return False
    client.put_parameter(
        Name=name,
        Value=secrets.token_urlsafe(BYTES),
        Type="SecureString",
        Description=f"Signs the tokens of the stage {stage.name} of {stage.app}.",
        Tags=[{"Key": MARK, "Value": MAKER}],
    )
    return True


def remove(aws: Aws, stage: Stage) -> None:
    """Remove the parameter if a deploy made it; one that somebody brought stays."""
    name = parameter(stage)
    if name is None:
        return
    client = aws.client("ssm")
    try:
        tags = client.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
    except ClientError as error:
        if code_of(error) not in {"InvalidResourceId", "ParameterNotFound"}:
            raise
        return
    if {"Key": MARK, "Value": MAKER} in tags:
        client.delete_parameter(Name=name)


def parameter(stage: Stage) -> str | None:
    """The parameter that holds the secret; None if the key is kept elsewhere."""
    kind, _, name = stage.environment.get("JWT_SECRET", "").partition(":")
    return name if kind == "ssm" else None
