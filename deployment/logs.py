"""The role with which API Gateway writes access logs: one per account and region, for all APIs there.

It belongs to no stage: other people's APIs may log with it too, so no command removes it.
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
"""

from __future__ import annotations

import json
import time
from typing import Any, Final

from botocore.exceptions import ClientError

from deployment.aws import Aws, code_of
from deployment.errors import DeploymentError

PUSHES: Final = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"
TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
ATTEMPTS: Final = 12
PAUSE: Final = 10.0  # seconds; IAM may take two minutes to make a new role known everywhere


def ensure(aws: Aws, pause: float = PAUSE) -> bool:
    """Makes a role if none works; returns whether it did. Raises DeploymentError."""
    if role(aws) is not None:
        return False
    iam, name = aws.client("iam"), f"api-gateway-access-logs-{aws.place.region}"
    try:
        arn = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(TRUST),
            Description="Lets API Gateway write access logs, for all APIs of this region.",
        )["Role"]["Arn"]
    except ClientError as error:
        if code_of(error) != "EntityAlreadyExists":
            raise
        arn = iam.get_role(RoleName=name)["Role"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=f"arn:{aws.place.partition}:iam::aws:policy/{PUSHES}")
    _tell(aws.client("apigateway"), arn, pause)
    return True


def role(aws: Aws) -> str | None:
    """ARN of the account's role; None if there is none, or only the name of a deleted one."""
    arn: str | None = aws.client("apigateway").get_account().get("cloudwatchRoleArn")
    if not arn:
        return None
    try:
        aws.client("iam").get_role(RoleName=arn.rpartition("/")[2])
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise
        return None
    return arn


def _tell(client: Any, arn: str, pause: float) -> None:
    """API Gateway refuses a role until IAM has made it known."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            client.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}])
        except ClientError as error:
            if code_of(error) != "BadRequestException":
                raise
            if attempt == ATTEMPTS:
                raise DeploymentError(f"API Gateway does not accept {arn} as the role for access logs.") from error
            time.sleep(pause)
        else:
            return
