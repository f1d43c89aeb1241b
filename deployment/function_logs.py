"""The log groups of the functions: there before a line is written, so that none is lost or kept for ever.

Chalice names one after the function of the routes as `config.json` calls it, which Lambda does not: its own would be
missing, and Chalice's stay empty.
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from deployment.aws import Aws, code_of
from deployment.stage import Stage


def ensure(aws: Aws, stage: Stage) -> None:
    """Make those that are not there, and have all forget after the days of the stage."""
    client = aws.client("logs")
    for function in stage.functions:
        try:
            client.create_log_group(logGroupName=function.log_group)
        except ClientError as error:
            if code_of(error) != "ResourceAlreadyExistsException":
                raise
        client.put_retention_policy(logGroupName=function.log_group, retentionInDays=stage.log_days)


def remove_misnamed(aws: Aws, stage: Stage) -> None:
    """The one that Chalice makes and no function writes to."""
    _remove(aws, _misnamed(stage))


def remove(aws: Aws, stage: Stage) -> None:
    """Those of the functions, which Chalice leaves behind, with what they hold.

    And those of the access logs, if they are there again: API Gateway may make one for a request that came after their
    stack was removed, and the next deploy could not.
    """
    access = {stage.http_log_group, stage.websocket_log_group}
    _remove(aws, {function.log_group for function in stage.functions} | access | _misnamed(stage))


def _misnamed(stage: Stage) -> set[str]:
    """Where Chalice would have the functions write."""
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
