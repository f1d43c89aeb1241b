"""The committed policies, and what a stage's template makes of them."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from deployment import policies, stage
from tests.sources import ROOT

STAGES = {name: stage.read(ROOT, name) for name in ("dev", "prod")}
EACH = [pytest.param(of, function, id=function.role) for of in STAGES.values() for function in of.functions]
PLACES = {"${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}", "${WebsocketAPI}"}
each = pytest.mark.parametrize(("of", "function"), EACH)


def narrowed_of(folder: Path, **statement: Any) -> dict[str, Any]:
    """A single statement as the template has it; it allows s3:GetObject unless it says otherwise."""
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["s3:GetObject"], **statement}}
    (folder / ".chalice").mkdir()
    (folder / ".chalice" / "policy.json").write_text(json.dumps(document))
    of = dataclasses.replace(STAGES["dev"], root=folder)
    function = dataclasses.replace(of.functions[0], policy_file="policy.json")
    [found] = policies.narrowed(of, function)["Statement"]
    return dict(found)


@pytest.fixture
def narrow(tmp_path: Path) -> Any:
    return lambda **statement: narrowed_of(tmp_path, **statement)


def by_sid(document: dict[str, Any]) -> dict[str, Any]:
    return {statement["Sid"]: statement for statement in document["Statement"]}


@each
def test_a_policy_is_committed_where_chalice_reads_it(of: stage.Stage, function: stage.Function) -> None:
    assert function.policy_file == f"policies/{of.name}/{function.name}.json"
    assert policies.committed(of, function)["Version"] == "2012-10-17"


def test_the_policies_of_all_stages_differ_in_nothing_but_names() -> None:
    """The sandbox's right to make log groups goes on the way to the template."""
    for function, other in zip(STAGES["dev"].functions, STAGES["prod"].functions, strict=True):
        dev = json.dumps(policies.narrowed(STAGES["dev"], function))
        prod = json.dumps(policies.narrowed(STAGES["prod"], other))
        assert re.sub(r"(?<=[-/])dev\b", "prod", dev) == prod


@each
def test_a_template_has_no_wildcard_but_for_connections_log_streams_and_traces(
    of: stage.Stage, function: stage.Function
) -> None:
    resources = [one for statement in policies.narrowed(of, function)["Statement"] for one in statement["Resource"]]
    texts = [one if isinstance(one, str) else one["Fn::Sub"] for one in resources]
    wild = {re.sub(r"^.*:(?=log-group)|^.*(?=/@)", "", text) for text in texts if "*" in text or "?" in text}
    assert wild <= {"*", "/@connections/*", f"log-group:{function.log_group}:*"}
    assert {found for text in texts for found in re.findall(r"\$\{.+?\}", text)} <= PLACES


@each
def test_names_are_those_of_the_stage(of: stage.Stage, function: stage.Function) -> None:
    text = json.dumps(policies.committed(of, function))
    assert set(re.findall(r":table/([\w-]+)", text)) <= set(of.tables.values())
    assert set(re.findall(r":\*/(\w+)/\w+/@connections", text)) <= {of.api_stage}
    assert {f"ssm:{name}" for name in re.findall(r":parameter([\w/-]+)", text)} <= {of.key_reference}
    assert "secretsmanager" not in text, "both stages keep their key in Parameter Store"


@each
def test_a_function_writes_its_own_logs_and_its_traces(of: stage.Stage, function: stage.Function) -> None:
    """No emulator checks these permissions, so this test alone would notice a missing one."""
    allowed = by_sid(policies.narrowed(of, function))
    place = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group"
    assert allowed["WriteLogs"]["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert allowed["WriteLogs"]["Resource"] == [{"Fn::Sub": f"{place}:{function.log_group}:*"}]
    assert allowed["WriteTraces"]["Action"] == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    assert allowed["WriteTraces"]["Resource"] == ["*"]


def test_in_the_sandbox_the_routes_make_the_log_group_that_chalice_misnames() -> None:
    """Chalice makes `/aws/lambda/<app>-<stage>-api_handler`, and names the function `<app>-<stage>`.

    https://github.com/aws/chalice/blob/1.34.0/chalice/deploy/appgraph.py
    """
    makers = {
        function.role: by_sid(policies.committed(of, function))["MakeLogs"]
        for of in STAGES.values()
        for function in of.functions
        if "logs:CreateLogGroup" in json.dumps(policies.committed(of, function))
    }
    assert makers.keys() == {"sessions-dev-api_handler"}
    [makes] = makers.values()
    assert makes["Resource"] == ["arn:*:logs:*:*:log-group:/aws/lambda/sessions-dev:*"]


@each
def test_a_stage_s_stack_makes_the_log_groups(of: stage.Stage, function: stage.Function) -> None:
    assert "CreateLogGroup" not in json.dumps(policies.narrowed(of, function))


@pytest.mark.parametrize(
    ("written", "sub"),
    [
        (
            "arn:*:dynamodb:*:*:table/t/index/i",
            "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/t/index/i",
        ),
        ("arn:*:s3:::bucket/*", "arn:${AWS::Partition}:s3:::bucket/*"),
        ("arn:*:kms:eu-north-1:111122223333:key/k", "arn:${AWS::Partition}:kms:eu-north-1:111122223333:key/k"),
        ("arn:aws:kms:*:111122223333:key/k", "arn:aws:kms:${AWS::Region}:111122223333:key/k"),
        ("arn:*:ec2:*:*:*/*", "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:*/*"),
        ("arn:*:s3:::b/${aws:username}/*", "arn:${AWS::Partition}:s3:::b/${!aws:username}/*"),
        (
            "arn:*:execute-api:*:*:*/api/POST/@connections/*",
            "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${WebsocketAPI}/api/POST/@connections/*",
        ),
        (
            "arn:*:execute-api:*:*:*/api/GET/sessions",
            "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:*/api/GET/sessions",
        ),
        (
            "arn:*:execute-api:*:*:a1b2c3/api/POST/@connections/*",
            "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:a1b2c3/api/POST/@connections/*",
        ),
    ],
)
def test_partition_region_account_and_api_become_the_stages_own(narrow: Any, written: str, sub: str) -> None:
    assert narrow(Resource=[written])["Resource"] == [{"Fn::Sub": sub}]


@pytest.mark.parametrize("written", ["*", "arn:aws:ssm:eu-north-1:9:parameter/a/b", "arn:aws:s3:::b/${aws:username}/*"])
def test_a_resource_that_leaves_none_of_them_open_stays(narrow: Any, written: str) -> None:
    assert narrow(Resource=[written])["Resource"] == [written]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param(
            {
                "Sid": "Interfaces",
                "Action": ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"],
                "Resource": ["*"],
            },
            id="of a VPC",
        ),
        pytest.param(
            {
                "Action": ["kms:Decrypt"],
                "Resource": ["arn:aws:kms:eu-north-1:111122223333:key/k"],
                "Condition": {"StringEquals": {"kms:ViaService": "ssm.eu-north-1.amazonaws.com"}},
            },
            id="of a KMS key, with a condition",
        ),
        pytest.param({"Effect": "Deny", "Resource": ["arn:*:s3:*:*:b/*"]}, id="a Deny"),
        pytest.param({"Effect": "Deny", "NotResource": ["arn:*:s3:::b/*"]}, id="a Deny of all others"),
        pytest.param(
            {
                "Action": ["iam:CreateRole"],
                "Resource": ["*"],
                "Condition": {"ArnLike": {"iam:PermissionsBoundary": "*"}},
            },
            id="with a permissions boundary",
        ),
        pytest.param(
            {"Action": ["logs:CreateLogGroup", "logs:PutLogEvents"], "Resource": ["*"]}, id="with more rights"
        ),
    ],
)
def test_everything_else_stays(narrow: Any, statement: dict[str, Any]) -> None:
    assert narrow(**statement) == {"Effect": "Allow", "Action": ["s3:GetObject"], **statement}


def test_a_condition_stays_on_a_narrowed_statement(narrow: Any) -> None:
    condition = {"ArnLike": {"aws:SourceArn": "arn:*:sns:*:*:t"}}
    assert narrow(Resource=["arn:*:s3:::b/*"], Condition=condition)["Condition"] == condition


def test_a_single_value_is_a_list_of_one(narrow: Any) -> None:
    found = narrow(Action="s3:GetObject", Resource="arn:*:s3:::b/*")
    assert found["Resource"] == [{"Fn::Sub": "arn:${AWS::Partition}:s3:::b/*"}]
