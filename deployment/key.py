"""The signing key of a stage's tokens in SSM Parameter Store.

The first deploy creates it at random; it is never shown.
"""

from __future__ import annotations

import secrets
from typing import Final

from botocore.exceptions import ClientError

from deployment.aws import Aws, code_of
from deployment.stage import MAKER, MARK, Stage

BYTES: Final = 64  # the length of the longest hash allowed, HS512


def ensure(aws: Aws, stage: Stage) -> bool:
    """Creates the secret that `JWT_SECRET` refers to, if it is a missing parameter; returns whether it did."""
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
    """Deletes the parameter if a deploy created it. One that somebody else put there stays."""
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
    """Name of the parameter that holds the secret; None if the key is kept elsewhere."""
    kind, _, name = stage.environment.get("JWT_SECRET", "").partition(":")
    return name if kind == "ssm" else None
