"""The roles of a pipeline may do what a deploy asks of AWS, and CloudFormation what the template's resources need."""

from __future__ import annotations

import ast
import functools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]
from botocore import xform_name
from botocore.session import Session

from deployment import stage
from deployment.monitoring.resources import resources
from tests.sources import ROOT, tree

TEMPLATE = ROOT / "deployment" / "pipeline.json"
WORKFLOW = ROOT / "deployment" / "pipeline.yml"
RESOURCES = json.loads(TEMPLATE.read_text(encoding="utf-8"))["Resources"]
DEV = stage.read(ROOT, "dev")
BY_HAND: Final = {"sockets.py": "closes sockets after a key leaked: a person's act, who reads the table of connections"}
ACTIONS: Final = {
    "s3:HeadBucket": {"s3:ListBucket"},
    "s3:HeadObject": {"s3:GetObject", "s3:ListBucket"},  # without ListBucket, a missing object is a 403
    "s3:ListObjectsV2": {"s3:ListBucket"},
    "s3:PutBucketEncryption": {"s3:PutEncryptionConfiguration"},
    "s3:PutPublicAccessBlock": {"s3:PutBucketPublicAccessBlock"},
    "cloudformation:CreateChangeSet": {
        *("cloudformation:CreateChangeSet", "cloudformation:TagResource", "cloudformation:UntagResource"),
        *("s3:GetObject", "s3:GetObjectVersion", "iam:PassRole"),  # the template, by the caller's rights; its role
    },
    "ssm:PutParameter": {"ssm:PutParameter", "ssm:AddTagsToResource"},
    "apigateway:UpdateAccount": {"apigateway:PATCH", "iam:PassRole"},
    "sts:GetCallerIdentity": set[str](),  # allowed to everybody
}
"""Actions of operations that are not named like them:

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""
PREFIXES: Final = {"apigatewayv2": "apigateway", "service-quotas": "servicequotas"}
KINDS: Final = {
    *("AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig", "AWS::IAM::Role"),
    *("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Deployment", "AWS::ApiGateway::Stage", "AWS::Events::Rule"),
    *("AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Route", "AWS::ApiGatewayV2::Integration"),
    *("AWS::ApiGatewayV2::Deployment", "AWS::ApiGatewayV2::Stage", "AWS::Logs::LogGroup"),
    *("AWS::Logs::QueryDefinition", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::DynamoDB::Table"),
}
"""Kinds of resources of both stacks, once SAM's transform has made its own into CloudFormation's."""
UNUSED: Final = {
    "VPCs and file systems": ("ec2:", "elasticfilesystem:", "s3files:"),
    "keys of one's own": ("kms:", "logs:AssociateKmsKey", "logs:DisassociateKmsKey"),
    "streams and deliveries": (
        *("kinesis:", "firehose:", "logs:CreateLogDelivery", "dynamodb:EnableKinesis", "dynamodb:DisableKinesis"),
        *("dynamodb:UpdateKinesis", "s3:REST"),
    ),
    "replicas and imports of tables": (
        *("dynamodb:AssociateTableReplica", "dynamodb:CreateTableReplica", "dynamodb:ImportTable"),
        *("dynamodb:DescribeImport", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:GetItem"),
        *("dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem", "s3:ListBucket"),
        *("s3:GetObjectMetadata", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
    ),
    "policies of resources": (
        *("dynamodb:PutResourcePolicy", "dynamodb:DeleteResourcePolicy", "logs:PutResourcePolicy"),
        *("logs:DeleteResourcePolicy", "apigateway:UpdateRestApiPolicy"),
    ),
    "layers, code signing, recursion, capacity and versions of functions": (
        *("lambda:GetLayerVersion", "lambda:GetCodeSigningConfig", "lambda:PutFunctionCodeSigningConfig"),
        *("lambda:DeleteFunctionCodeSigningConfig", "lambda:PutFunctionRecursionConfig", "lambda:PublishVersion"),
        *("lambda:PassCapacityProvider", "lambda:PutFunctionScalingConfig", "lambda:AssociateRuntimeAlias"),
    ),
    "managed policies of roles, and taking their boundary away": (
        *("iam:AttachRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePermissionsBoundary"),
        *("iam:DeleteRolePermissionsBoundary",),
    ),
    "more than retention of log groups": (
        *("logs:PutDataProtectionPolicy", "logs:DeleteDataProtectionPolicy", "logs:PutIndexPolicy"),
        *("logs:DeleteIndexPolicy", "logs:PutBearerTokenAuthentication", "logs:PutLogGroupDeletionProtection"),
    ),
    "insights into tables": ("dynamodb:UpdateContributorInsights",),
    "tags of API Gateway, which go by PUT and DELETE": ("apigateway:TagResource", "apigateway:UntagResource"),
}
"""Actions of the kinds' handlers for settings that our templates do not have, by their first letters."""


def statements(role: str) -> Iterator[dict[str, Any]]:
    for policy in RESOURCES[role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            yield statement["Fn::If"][1] if "Fn::If" in statement else statement


def allowed(role: str) -> set[str]:
    return {action for statement in statements(role) for action in statement["Action"]}


def words(path: Path) -> tuple[set[str], set[str]]:
    """Names of the methods that a file calls, and its texts, which may name services and operations."""
    nodes = list(ast.walk(tree(path)))
    calls = {node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return calls, texts


@functools.cache
def asked() -> frozenset[str]:
    """Operations that `deployment/` calls, such as `s3:PutObject`.

    A method belongs to the services that its file names and that have it, or else to any that some file names.
    """
    session = Session()
    files = {path: words(path) for path in (ROOT / "deployment").rglob("*.py") if path.name not in BY_HAND}
    known = set(session.get_available_services()) - {"account", "xray"}  # words of configuration as well
    services = {path: texts & known for path, (_, texts) in files.items()}
    every = set().union(*services.values())
    named = {
        service: {xform_name(name): name for name in session.get_service_model(service).operation_names}
        for service in every
    }
    found = set()
    for path, (calls, texts) in files.items():
        for word in calls | texts:
            near = [one for one in services[path] if word in named[one]]
            found |= {f"{one}:{named[one][word]}" for one in near or every if word in named[one]}
    return frozenset(found)


def action(operation: str) -> set[str]:
    service, _, name = operation.partition(":")
    if operation in ACTIONS:
        return ACTIONS[operation]
    prefix = PREFIXES.get(service, service)
    return {"apigateway:GET" if prefix == "apigateway" and name.startswith("Get") else f"{prefix}:{name}"}


def handled(kinds: set[str]) -> set[str]:
    """Actions that AWS's handlers of these kinds may use, but for what lists them all."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]

    found = set()
    for kind in kinds:
        handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
        for name, handler in handlers.items():
            found |= set(handler["permissions"] if name != "list" else ())
    return {one.replace("s3:getObject", "s3:GetObject") for one in found}


def test_a_deployer_may_do_what_the_commands_ask() -> None:
    """A new call needs its action in deployment/pipeline.json."""
    assert {one for operation in asked() for one in action(operation)} == allowed("Deployer")


def test_the_calls_of_the_commands_are_found() -> None:
    assert asked() >= {"s3:PutObject", "cloudformation:ExecuteChangeSet", "logs:ListTagsForResource", "iam:GetRole"}
    assert "dynamodb:Scan" not in asked()


def test_cloudformation_may_do_what_the_kinds_of_resources_need_and_nothing_else() -> None:
    """API Gateway makes a role of its own for an account's first API, by the caller's right to."""
    unused = tuple(prefix for prefixes in UNUSED.values() for prefix in prefixes)
    assert {one for one in handled(KINDS) if not one.startswith(unused)} == allowed("ServiceRole")


def test_what_is_unused_is_in_a_handler() -> None:
    every = handled(KINDS)
    for prefix in (prefix for prefixes in UNUSED.values() for prefix in prefixes):
        assert any(one.startswith(prefix) for one in every), prefix


def test_the_kinds_are_those_of_the_stage() -> None:
    made = {one["Type"] for one in resources(DEV, websocket_api={"Ref": "WebsocketAPI"}).values()}
    tables = json.loads((ROOT / ".chalice" / "resources.json").read_text(encoding="utf-8"))["Resources"]
    assert made | {one["Type"] for one in tables.values()} <= KINDS


@pytest.mark.parametrize("role", ["Deployer", "ServiceRole"])
def test_tables_are_the_stages_own(role: str) -> None:
    named = {
        resource["Fn::Sub"].partition(":table/")[2].replace("${Stage}", "dev")
        for statement in statements(role)
        for resource in statement["Resource"]
        if ":table/" in str(resource)
    }
    assert named == set(DEV.tables.values())


@pytest.mark.parametrize("role", ["Deployer", "ServiceRole"])
def test_a_stage_whose_name_goes_on_with_a_digit_or_a_letter_is_not_reached(role: str) -> None:
    """Stage `dev2` beside `dev`."""
    resources = [str(one) for statement in statements(role) for one in statement["Resource"]]
    assert [one for one in resources if "${Stage}*" in one] == []


def test_the_roles_of_a_stage_are_not_those_that_make_them() -> None:
    """Else a deploy could widen its own rights."""
    for role in ("Deployer", "ServiceRole"):
        assert not RESOURCES[role]["Properties"]["RoleName"]["Fn::Sub"].startswith("${App}")


def test_only_the_environments_of_a_stage_deploy_it() -> None:
    [statement] = RESOURCES["Deployer"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    subjects = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    expected = [f"repo:${{Repository}}:environment:${{Stage}}{plan}" for plan in ("", "-plan")]
    assert [one["Fn::Sub"] for one in subjects] == expected


def test_the_workflow_takes_the_deployer_from_environments_that_it_trusts() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"].values()
    [statement] = RESOURCES["Deployer"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    subjects = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    trusted = {one["Fn::Sub"].rpartition(":")[2].replace("${Stage}", "prod") for one in subjects}
    assert {job["environment"] for job in jobs} == trusted
    taken = [step["with"]["role-to-assume"] for job in jobs for step in job["steps"] if "aws-actions" in str(step)]
    role = RESOURCES["Deployer"]["Properties"]["RoleName"]["Fn::Sub"]
    name = role.replace("${App}", DEV.app).replace("${Stage}", "prod")
    assert [arn.rpartition("/")[2] for arn in taken] == [name] * len(jobs)


def test_roles_are_made_with_the_boundary_if_there_is_one() -> None:
    bounded = [one for one in statements("ServiceRole") if "Fn::If" in one.get("Condition", {})]
    assert [one["Action"] for one in bounded] == [["iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePolicy"]]
    assert bounded[0]["Condition"]["Fn::If"][1] == {"StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}}


@pytest.mark.process
def test_cfn_lint_knows_each_action_and_finds_one_that_is_misspelt(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(TEMPLATE.read_text(encoding="utf-8").replace("iam:CreateRole", "iam:MakeRole"), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--template"]
    found = [
        subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=60).stdout
        for path in (wrong, TEMPLATE)
    ]
    assert "'makerole' is not one of" in found[0]
    assert found[1] == ""
