"""Creates the log groups of the functions before they log, so that no line is lost or kept for ever.

Chalice names the group of the routes' function as `config.json` does, unlike Lambda: Lambda's group would be missing
and Chalice's would stay empty.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from deployment.aws import Aws, code_of
from deployment.stage import Stage


def ensure(aws: Aws, stage: Stage) -> None:
    """Creates missing groups and sets the stage's retention on all of them."""
    client = aws.client("logs")
    for function in stage.functions:
        try:
            client.create_log_group(logGroupName=function.log_group)
        except ClientError as error:
            if code_of(error) != "ResourceAlreadyExistsException":
                raise
        client.put_retention_policy(logGroupName=function.log_group, retentionInDays=stage.log_days)


def remove_misnamed(aws: Aws, stage: Stage) -> None:
    """Deletes the group that Chalice creates and no function writes to."""
    _remove(aws, _misnamed(stage))


def remove(aws: Aws, stage: Stage) -> None:
    """Deletes the functions' log groups, which Chalice leaves behind, and recreated groups of the access logs.

    API Gateway may recreate one for a request after the stack was deleted; the next deploy could not create it then.
    """
    access = {stage.http_log_group, stage.websocket_log_group}
    _remove(aws, {function.log_group for function in stage.functions} | access | _misnamed(stage))


def _misnamed(stage: Stage) -> set[str]:
    """Names that Chalice gives to log groups and Lambda does not use."""
    named = {f"/aws/lambda/{stage.full_name}-{function.name}" for function in stage.functions}
    return named - {function.log_group for function in stage.functions}


def _remove(aws: Aws, names: set[str]) -> None:
    client = aws.client("logs")
    for name in sorted(names):
        try:
            client.delete_log_group(logGroupName=name)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
