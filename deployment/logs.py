"""The role with which API Gateway writes access logs: one per account and region, for all APIs there.

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


def ensure(aws: Aws) -> bool:
    """Sets such a role if the account has none; returns whether it did. Raises DeploymentError."""
    client = aws.client("apigateway")
    if client.get_account().get("cloudwatchRoleArn"):
        return False
    iam, name = aws.client("iam"), _name(aws)
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
    iam.attach_role_policy(RoleName=name, PolicyArn=_policy(aws))
    _tell(client, arn)
    return True


def remove(aws: Aws) -> bool:
    """Removes the role that a deploy created, unless an API of the region logs with it; returns whether it did."""
    client, name = aws.client("apigateway"), _name(aws)
    role = client.get_account().get("cloudwatchRoleArn") or ""
    if role.rpartition("/")[2] == name:
        if _anyone_logs(aws):
            return False
        client.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}])
    iam = aws.client("iam")
    try:
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=name)
    except ClientError as error:
        if code_of(error) != "NoSuchEntity":
            raise
        return False
    return True


def _tell(client: Any, arn: str) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            client.update_account(patchOperations=[{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}])
        except ClientError as error:
            if code_of(error) != "BadRequestException":
                raise
            if attempt == ATTEMPTS:
                raise DeploymentError(f"API Gateway does not accept {arn} as the role for access logs.") from error
            time.sleep(PAUSE)
        else:
            return


def _anyone_logs(aws: Aws) -> bool:
    rest, websocket = aws.client("apigateway"), aws.client("apigatewayv2")
    for page in rest.get_paginator("get_rest_apis").paginate():
        for api in page["items"]:
            if any("accessLogSettings" in one for one in rest.get_stages(restApiId=api["id"])["item"]):
                return True
    for page in websocket.get_paginator("get_apis").paginate():
        for api in page["Items"]:
            if any("AccessLogSettings" in one for one in websocket.get_stages(ApiId=api["ApiId"])["Items"]):
                return True
    return False


def _name(aws: Aws) -> str:
    return f"api-gateway-access-logs-{aws.place.region}"


def _policy(aws: Aws) -> str:
    return f"arn:{aws.place.partition}:iam::aws:policy/{PUSHES}"
