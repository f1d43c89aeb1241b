"""The role of a pipeline suffices for its stage and reaches no other, with IAM enforced.

MiniStack makes the resources of a stack without asking for the rights of CloudFormation's role.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError
from botocore.session import Session

from deployment import commands, guards, logs, stage
from deployment.artifacts import Artifacts
from deployment.aws import Aws, code_of
from deployment.commands import Target
from deployment.errors import DeploymentError
from deployment.progress import Progress
from deployment.stacks import Stacks
from tests.deployment.test_pipeline import statements
from tests.emulators.ministack.process import ACCESS_KEY, REGION, SECRET_KEY, Process
from tests.processes import ROOT

ACCOUNT: Final = "000000000000"
DEV: Final = dataclasses.replace(stage.read(ROOT, "dev"), account=ACCOUNT, region=REGION)
KNOWN: Final = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "App": "sessions",
    "Stage": "dev",
}
BLIND: Final = {
    "events:ListTagsForResource": "MiniStack takes every rule for *",
    "cloudformation:DescribeChangeSet": "MiniStack takes every change set for *",
    "iam:AttachRolePolicy": "MiniStack does not know the condition iam:PolicyARN",
}
"""Actions that are allowed on everything here, and why."""
ELSEWHERE: Final[dict[str, Callable[[Aws], object]]] = {
    "the key of another stage": lambda aws: aws.client("ssm").get_parameter(Name="/sessions/prod/jwt-secret"),
    "a table of another stage": lambda aws: aws.client("dynamodb").delete_table(TableName="sessions-prod"),
    "rows of its own tables": lambda aws: aws.client("dynamodb").scan(TableName="sessions-dev"),
    "a stack of another stage": lambda aws: aws.client("cloudformation").delete_stack(StackName="sessions-prod"),
    "another bucket": lambda aws: aws.client("s3").create_bucket(Bucket="theirs"),
    "a role of another name": lambda aws: aws.client("iam").create_role(
        RoleName="sessions-dev", AssumeRolePolicyDocument=json.dumps(logs.TRUST)
    ),
}


def filled(value: Any) -> Any:
    """A part of the template with the values that CloudFormation would fill in for dev."""
    if isinstance(value, list):
        return [filled(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::GetAtt" in value:
        return f"arn:aws:iam::{ACCOUNT}:role/cloudformation-sessions-dev"
    if "Fn::Sub" in value:
        text: str = value["Fn::Sub"]
        for name, known in KNOWN.items():
            text = text.replace(f"${{{name}}}", known)
        return text
    return {name: filled(one) for name, one in value.items()}


def caller(key: str, secret: str) -> Aws:
    """The account as the owner of these keys sees it, by the endpoint in the environment."""
    session = Session()
    session.set_config_variable("region", REGION)
    session.set_credentials(key, secret)
    aws = Aws(session)
    # the policy refuses calls without TLS, which MiniStack does not have
    aws.client("s3").meta.events.register(
        "before-call.s3.PutBucketPolicy", lambda **_: (SimpleNamespace(status_code=200), {})
    )
    return aws


@pytest.fixture(scope="module")
def deployer() -> Iterator[Aws]:
    """An empty account, as the deployer of dev sees it."""
    with contextlib.closing(Process(mended=True)) as emulator, pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", emulator.url)
        iam = caller(ACCESS_KEY, SECRET_KEY).client("iam")
        iam.create_user(UserName="deployer")
        blind = {"Effect": "Allow", "Action": list(BLIND), "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [*filled(list(statements("Deployer"))), blind]}
        iam.put_user_policy(UserName="deployer", PolicyName="deploy", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName="deployer")["AccessKey"]
        yield caller(made["AccessKeyId"], made["SecretAccessKey"])


def test_it_makes_what_its_stage_needs_and_takes_it_away(deployer: Aws) -> None:
    target = Target(
        aws=deployer,
        stage=DEV,
        stacks=Stacks(deployer, seconds=0.01),
        progress=Progress(io.StringIO()),
        show=lambda line: None,
        coloured=False,
        visit=lambda http, websocket: None,
    )
    guards.refuse(deployer, DEV, target.stacks)
    artifacts = Artifacts(deployer, DEV.app)
    assert artifacts.ensure()
    artifacts.put_template(DEV.name, "one", {"Resources": {}})
    with pytest.raises(DeploymentError, match="Kept are: one"):
        artifacts.template_url(DEV.name, "two")
    assert logs.ensure(deployer)
    commands.ensure_tables(target)
    assert len(target.stacks.resources(DEV.tables_stack)) == len(DEV.tables)
    commands.destroy(target, with_data=True)
    assert target.stacks.state(DEV.tables_stack) is None


@pytest.mark.parametrize("act", ELSEWHERE.values(), ids=list(ELSEWHERE))
def test_it_does_not_reach(deployer: Aws, act: Callable[[Aws], object]) -> None:
    with pytest.raises(ClientError) as refused:
        act(deployer)
    assert code_of(refused.value) in {"AccessDenied", "AccessDeniedException"}
