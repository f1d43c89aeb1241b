"""Policy templates rendered for a stage: unknown resources are never allowed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from deployment import policies, stage
from tests.sources import ROOT

DEV = stage.read(ROOT, "dev")
FUNCTIONS = {function.name: function for function in DEV.functions}


def filled(name: str, of: stage.Stage = DEV, *, websocket_api: str | None = "ws1") -> Mapping[str, Mapping[str, Any]]:
    function = FUNCTIONS[name]
    known = policies.variables(
        of, function, partition="aws", region="eu-north-1", account="111122223333", websocket_api=websocket_api
    )
    document = policies.fill(policies.template(of, function), known)
    return {statement["Sid"]: statement for statement in document["Statement"]}


def with_key(reference: str) -> stage.Stage:
    return dataclasses.replace(DEV, environment={**DEV.environment, "JWT_SECRET": reference})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_placeholder_is_left(name: str) -> None:
    assert "${" not in str(filled(name))


def test_a_resource_is_one_table_of_one_account_and_region() -> None:
    [table] = filled("websocket_connect")["Sessions"]["Resource"]
    assert table == "arn:aws:dynamodb:eu-north-1:111122223333:table/sessions-dev"


def test_connections_are_reached_through_one_api_and_stage_only() -> None:
    assert filled("api_handler")["ReachConnections"]["Resource"] == [
        "arn:aws:execute-api:eu-north-1:111122223333:ws1/api/POST/@connections/*",
        "arn:aws:execute-api:eu-north-1:111122223333:ws1/api/DELETE/@connections/*",
    ]


def test_before_there_is_a_websocket_api_none_may_be_reached() -> None:
    before, after = filled("sweep", websocket_api=None), filled("sweep")
    assert after.keys() - before.keys() == {"ReachConnections"}


@pytest.mark.parametrize(
    ("reference", "statement", "resource"),
    [
        ("ssm:/a/b", "ReadKeyParameter", "arn:aws:ssm:eu-north-1:111122223333:parameter/a/b"),
        ("ssm:plain", "ReadKeyParameter", "arn:aws:ssm:eu-north-1:111122223333:parameter/plain"),
        (
            "ssm:arn:aws:ssm:eu-north-1:9:parameter/a/b",
            "ReadKeyParameter",
            "arn:aws:ssm:eu-north-1:9:parameter/a/b",
        ),
        (
            "secretsmanager:jwt",
            "ReadKeySecret",
            "arn:aws:secretsmanager:eu-north-1:111122223333:secret:jwt-??????",
        ),
        (
            "secretsmanager:arn:aws:secretsmanager:eu-north-1:9:secret:jwt-AbCdEf",
            "ReadKeySecret",
            "arn:aws:secretsmanager:eu-north-1:9:secret:jwt-AbCdEf",
        ),
    ],
)
def test_the_one_place_of_the_key_may_be_read(reference: str, statement: str, resource: str) -> None:
    kept = [sid for sid in filled("websocket_connect", with_key(reference)) if sid.startswith("ReadKey")]
    assert kept == [statement]
    assert filled("websocket_connect", with_key(reference))[statement]["Resource"] == [resource]


def test_a_key_set_needs_no_permission() -> None:
    environment = {**DEV.environment, "JWT_SECRET": "", "JWT_JWKS_URL": "https://issuer.example/keys"}
    allowed = filled("websocket_connect", dataclasses.replace(DEV, environment=environment))
    assert not [sid for sid in allowed if sid.startswith("ReadKey")]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_writes_its_own_logs_and_its_traces(name: str) -> None:
    """No emulator checks these permissions, so this test alone would notice a missing one."""
    allowed = filled(name)
    group = f"arn:aws:logs:eu-north-1:111122223333:log-group:/aws/lambda/{FUNCTIONS[name].full_name}:*"
    assert allowed["WriteLogs"]["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert allowed["WriteLogs"]["Resource"] == [group]
    assert allowed["WriteTraces"]["Action"] == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
