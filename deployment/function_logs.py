"""The log groups of a stage's functions: made with their retention, removed with the stage.

Chalice makes them too, but the one of the routes under a name that no function has: the group into which that function
writes would be made by Lambda, and kept for ever. https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

from __future__ import annotations

from botocore.exceptions import ClientError

from deployment.aws import Aws, code_of
from deployment.stage import Stage


def ensure(aws: Aws, stage: Stage) -> None:
    """Each function's group is there and keeps its lines for the stage's days."""
    client = aws.client("logs")
    for function in stage.functions:
        try:
            client.create_log_group(logGroupName=function.log_group)
        except ClientError as error:
            if code_of(error) != "ResourceAlreadyExistsException":
                raise
        client.put_retention_policy(logGroupName=function.log_group, retentionInDays=stage.log_days)


def remove(aws: Aws, stage: Stage) -> None:
    """All of them, and the one that Chalice made for nobody; what is not there is no error."""
    client = aws.client("logs")
    for name in sorted({name for one in stage.functions for name in (one.log_group, f"/aws/lambda/{one.role}")}):
        try:
            client.delete_log_group(logGroupName=name)
        except ClientError as error:
            if code_of(error) != "ResourceNotFoundException":
                raise
