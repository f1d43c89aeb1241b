"""What is read of a CloudFormation template, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.aws.templates import Stack, tables
from pytest_sessionplugin.errors import TemplateError

STACK = Stack("chat-dev", "eu-west-1")


def write(folder: Path, properties: dict[str, Any], **more: Any) -> Path:
    path = folder / "resources.json"
    table = {"Type": "AWS::DynamoDB::Table", "Properties": properties}
    path.write_text(json.dumps({"Resources": {"Rooms": table}, **more}))
    return path


def named(path: Path) -> str:
    return str(tables(path, STACK)["Rooms"]["TableName"])


def test_no_template_means_no_tables(tmp_path: Path) -> None:
    assert tables(tmp_path / "resources.json", STACK) == {}


def test_other_resources_are_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path, {})
    path.write_text('{"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"Fn::If": []}}}}')
    assert tables(path, STACK) == {}


def test_a_table_without_a_name_is_named_after_its_stack(tmp_path: Path) -> None:
    assert named(write(tmp_path, {})) == "chat-dev-Rooms"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rooms", "rooms"),
        ({"Ref": "Stage"}, "dev"),
        ({"Ref": "AWS::StackName"}, "chat-dev"),
        ({"Fn::Sub": "rooms-${Stage}-${AWS::Region}-${AWS::AccountId}"}, "rooms-dev-eu-west-1-123456789012"),
        ({"Fn::Sub": ["${What}-${Stage}", {"What": {"Ref": "AWS::Region"}}]}, "eu-west-1-dev"),
        ({"Fn::Sub": "${!Stage}"}, "${Stage}"),
    ],
)
def test_ref_and_sub_are_replaced(tmp_path: Path, name: object, value: str) -> None:
    assert named(write(tmp_path, {"TableName": name}, Parameters={"Stage": {"Default": "dev"}})) == value


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ({"Fn::Join": ["-", ["a"]]}, "The table Rooms of .*: Fn::Join is not understood here; Ref and Fn::Sub are"),
        ({"Ref": "Stage"}, "the parameter Stage has no default"),
        ({"Fn::Sub": "${Other}"}, "it refers to Other, which is neither a parameter nor"),
    ],
)
def test_what_is_not_understood_is_a_sentence(tmp_path: Path, name: object, sentence: str) -> None:
    path = write(tmp_path, {"TableName": name}, Parameters={"Stage": {"Type": "String"}})
    with pytest.raises(TemplateError, match=sentence):
        tables(path, STACK)


def test_what_a_table_in_memory_does_not_need_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path, {"Tags": {"Fn::If": []}, "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]})
    assert set(tables(path, STACK)["Rooms"]) == {"TableName", "KeySchema"}


@pytest.mark.parametrize("text", ["Resources:", "[]"])
def test_a_template_that_is_not_json_is_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "resources.json"
    path.write_text(text)
    with pytest.raises(TemplateError, match=r"resources.json is no CloudFormation template in JSON"):
        tables(path, STACK)
