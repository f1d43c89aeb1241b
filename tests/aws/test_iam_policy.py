"""A policy file allows and denies as AWS would, as far as a test can know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.aws.iam import Need, read
from pytest_sessionplugin.errors import PolicyError

ROOMS = "arn:aws:dynamodb:us-east-1:123456789012:table/rooms"
POST = "arn:aws:execute-api:us-east-1:123456789012:abc/api/POST/@connections/VNR="
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key-??????"


def allow(action: Any = "dynamodb:*", resource: Any = "*", **other: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **other}


def deny(action: Any, resource: Any = "*", **other: Any) -> dict[str, Any]:
    return allow(action, resource, **{**other, "Effect": "Deny"})


def why_not(
    tmp_path: Path, statements: Any, action: str, resource: str | None, variables: dict[str, str] | None = None
) -> str | None:
    path = tmp_path / "policy.json"
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return read(path, variables).why_not(Need(action, resource))


@pytest.mark.parametrize(
    ("pattern", "action", "allowed"),
    [
        ("*", "dynamodb:GetItem", True),
        ("dynamodb:*", "dynamodb:GetItem", True),
        ("DynamoDB:getitem", "dynamodb:GetItem", True),
        ("dynamodb:Get?tem", "dynamodb:GetItem", True),
        (["s3:*", "dynamodb:*Item"], "dynamodb:GetItem", True),
        ("dynamodb:Get", "dynamodb:GetItem", False),
        ("dynamodb:[G]etItem", "dynamodb:GetItem", False),
        ([], "dynamodb:GetItem", False),
    ],
)
def test_actions_have_wildcards_and_no_case(tmp_path: Path, pattern: Any, action: str, allowed: bool) -> None:
    assert (why_not(tmp_path, [allow(pattern)], action, ROOMS) is None) == allowed


@pytest.mark.parametrize(
    ("pattern", "resource", "allowed"),
    [
        ("*", ROOMS, True),
        (ROOMS, ROOMS, True),
        ("arn:aws:dynamodb:eu-west-1:999999999999:table/rooms", ROOMS, True),  # a test makes up account and region
        ("arn:aws:dynamodb:*:*:table/room?", ROOMS, True),
        ("arn:*:dynamodb:*:*:table/*", ROOMS, True),
        ("arn:aws:dynamodb:*", ROOMS, True),
        ("arn:aws:*", ROOMS, True),
        ("arn:aws:sqs:*", ROOMS, False),
        ("arn:aws:dynamodb:*:*:table/Rooms", ROOMS, False),
        ("arn:aws:dynamodb:*:*:table/rooms/index/*", ROOMS, False),
        ("arn:aws:dynamodb:*:*:table/rooms", f"{ROOMS}/index/by-owner", False),
        ("arn:aws:dynamodb:::table/rooms", ROOMS, False),
        ("table/rooms", ROOMS, False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k/1", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:us-east-1::b", "arn:aws:s3:::b", False),
        ("arn:*:execute-api:*:*:*/@connections/*", POST, True),  # as Chalice injects it
        ("arn:aws:execute-api:us-east-1:1:another0id/api/POST/@connections/*", POST, True),
        ("arn:aws:execute-api:us-east-1:1:another0id/api/*", POST, True),
        ("arn:aws:execute-api:us-east-1:1:another0id/prod/POST/@connections/*", POST, False),
        ("arn:aws:execute-api:us-east-1:1:another0id/api/DELETE/@connections/*", POST, False),
        ("arn:aws:secretsmanager:us-east-1:1:secret:key-AbC123", SECRET, True),
        ("arn:aws:secretsmanager:us-east-1:1:secret:key-*", SECRET, True),
        ("arn:aws:secretsmanager:us-east-1:1:secret:key-??????", SECRET, True),
        ("arn:aws:secretsmanager:us-east-1:1:secret:key", SECRET, False),
        ("arn:aws:dynamodb:*:*:table/none", None, True),  # the action alone is judged if the resource is unknown
    ],
)
def test_a_resource_is_compared_but_for_what_a_test_makes_up(
    tmp_path: Path, pattern: str, resource: str | None, allowed: bool
) -> None:
    assert (why_not(tmp_path, [allow("*", pattern)], "any:Action", resource) is None) == allowed


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([allow()], None),
        (allow(), None),
        ([allow("s3:*")], "no statement allows it"),
        ([allow(), deny("dynamodb:GetItem")], "statement 2 denies it"),
        ([deny("*", Sid="Closed"), allow()], "the statement Closed denies it"),
        ([allow(), deny("dynamodb:PutItem")], None),
        ([allow(Condition={"Bool": {"aws:SecureTransport": "true"}})], None),
        ([allow(), deny("*", Condition={"Bool": {"aws:SecureTransport": "false"}})], None),
        ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], None),
        ([{"Effect": "Allow", "NotAction": "dynamodb:Get*", "Resource": "*"}], "no statement allows it"),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:dynamodb:*:*:table/x"}], None),
        ([{"Effect": "Allow", "Action": "*", "NotResource": ROOMS}], "no statement allows it"),
        ([allow(), {"Effect": "Deny", "Action": "*", "NotResource": ROOMS}], None),
        ([allow(), {"Effect": "Deny", "Action": "*", "NotResource": f"{ROOMS}2"}], "statement 2 denies it"),
    ],
)
def test_a_deny_is_stronger_and_what_nothing_allows_is_denied(
    tmp_path: Path, statements: Any, reason: str | None
) -> None:
    assert why_not(tmp_path, statements, "dynamodb:GetItem", ROOMS) == reason


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ([allow(), deny("*", ROOMS)], None),
        ([allow(), deny("*", "*")], "statement 2 denies it"),
        ([allow(), {"Effect": "Deny", "Action": "*", "NotResource": "*"}], None),
        ([{"Effect": "Allow", "Action": "*", "NotResource": ROOMS}], None),
    ],
)
def test_where_the_resource_is_not_known_only_a_deny_of_all_denies(
    tmp_path: Path, statements: Any, reason: str | None
) -> None:
    assert why_not(tmp_path, statements, "dynamodb:GetItem", None) == reason


@pytest.mark.parametrize(
    ("variables", "reason"),
    [({}, None), ({"Table": "rooms"}, None), ({"Table": "other"}, "no statement allows it")],
)
def test_a_placeholder_is_what_the_variables_say_or_anything(
    tmp_path: Path, variables: dict[str, str], reason: str | None
) -> None:
    resource = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${Table}"
    assert why_not(tmp_path, [allow("*", resource)], "dynamodb:GetItem", ROOMS, variables) == reason
    assert why_not(tmp_path, [allow("*", "${Table.Arn}")], "dynamodb:GetItem", ROOMS) is None
    assert why_not(tmp_path, [allow("*", "${Table.Arn}/index/*")], "dynamodb:GetItem", ROOMS) is not None


def test_a_deny_with_a_placeholder_denies_only_if_it_is_known(tmp_path: Path) -> None:
    statements = [allow(), deny("*", "arn:aws:dynamodb:*:*:table/${Closed}")]
    assert why_not(tmp_path, statements, "dynamodb:GetItem", ROOMS) is None
    assert why_not(tmp_path, statements, "dynamodb:GetItem", ROOMS, {"Closed": "rooms"}) == "statement 2 denies it"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "it is not JSON: "),
        ("[]", 'it has no "Statement"'),
        ("{}", 'it has no "Statement"'),
        ('{"Statement": []}', 'it has no "Statement"'),
        ('{"Statement": [1]}', 'statement 1 has no "Effect" that is "Allow" or "Deny"'),
        ('{"Statement": [{"Effect": "allow"}]}', 'statement 1 has no "Effect" that is "Allow" or "Deny"'),
        ('{"Statement": {"Effect": "Deny", "Resource": "*"}}', 'statement 1 must have either "Action" or "NotAction"'),
        (json.dumps({"Statement": allow(NotAction="*")}), 'statement 1 must have either "Action" or "NotAction"'),
        ('{"Statement": {"Effect": "Deny", "Action": "*"}}', 'must have either "Resource" or "NotResource"'),
        (json.dumps({"Statement": [allow(), allow(1)]}), '"Action" of statement 2 must be a text or a list of texts'),
        (json.dumps({"Statement": allow("*", {"Ref": "x"})}), '"Resource" of statement 1 must be a text or a list'),
    ],
)
def test_a_file_that_is_no_policy_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(PolicyError) as raised:
        read(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert sentence in str(raised.value)


def test_a_file_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="there is no such file; name one from the project's folder on"):
        read(tmp_path / "missing.json")
