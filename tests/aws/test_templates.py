"""Templates as teams write them, in JSON and YAML, with several kinds of tables and several mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.aws.table_specs import checked
from pytest_sessionplugin.aws.templates import PseudoParameters, tables
from pytest_sessionplugin.errors import TemplateError
from tests.sources import ROOT

STACK = PseudoParameters("chat-dev", "eu-west-1")


def write_table(folder: Path, properties: dict[str, Any], **more: Any) -> Path:
    path = folder / "resources.json"
    table = {"Type": "AWS::DynamoDB::Table", "Properties": properties}
    path.write_text(json.dumps({"Resources": {"Rooms": table}, **more}))
    return path


def named(path: Path) -> str:
    return str(tables(path, STACK)["Rooms"]["TableName"])


def test_no_template_means_no_tables(tmp_path: Path) -> None:
    assert tables(tmp_path / "resources.json", STACK) == {}


def test_other_resources_are_left_alone(tmp_path: Path) -> None:
    path = write_table(tmp_path, {})
    path.write_text('{"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"Fn::If": []}}}}')
    assert tables(path, STACK) == {}


def test_a_table_without_a_name_is_named_after_its_stack(tmp_path: Path) -> None:
    assert named(write_table(tmp_path, {})) == "chat-dev-Rooms"


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
    assert named(write_table(tmp_path, {"TableName": name}, Parameters={"Stage": {"Default": "dev"}})) == value


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ({"Fn::Join": ["-", ["a"]]}, "The table Rooms of .*: Fn::Join is not understood here; Ref and Fn::Sub are"),
        ({"Ref": "Stage"}, "the parameter Stage has no default"),
        ({"Fn::Sub": "${Other}"}, "it refers to Other, which is neither a parameter nor"),
    ],
)
def test_what_is_not_understood_is_a_sentence(tmp_path: Path, name: object, sentence: str) -> None:
    path = write_table(tmp_path, {"TableName": name}, Parameters={"Stage": {"Type": "String"}})
    with pytest.raises(TemplateError, match=sentence):
        tables(path, STACK)


def test_what_a_table_in_memory_does_not_need_is_not_read(tmp_path: Path) -> None:
    path = write_table(tmp_path, {"Tags": {"Fn::If": []}, "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]})
    assert set(tables(path, STACK)["Rooms"]) == {"TableName", "KeySchema"}


@pytest.mark.parametrize("text", ["Resources:", "[]"])
def test_a_template_that_is_not_json_is_a_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "resources.json"
    path.write_text(text)
    with pytest.raises(TemplateError, match=r"resources.json is not a CloudFormation template in JSON"):
        tables(path, STACK)


# --- YAML, SAM and global tables

YAML = """
AWSTemplateFormatVersion: 2010-09-09
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
  Units: {Type: Number, Default: "5"}
Globals: {Function: {Runtime: python3.12}}
Resources:
  Rooms:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    DependsOn: Key
    Condition: !Not [IsProd]
    Metadata: {Why: !GetAtt Key.Arn}
    Properties:
      TableName: !Sub "rooms-${Stage}"
      AttributeDefinitions:
        - &place {AttributeName: place, AttributeType: S}
        - AttributeName: at
          AttributeType: N
      KeySchema:
        - {AttributeName: place, KeyType: HASH}
        - {AttributeName: at, KeyType: RANGE}
      ProvisionedThroughput: {ReadCapacityUnits: !Ref Units, WriteCapacityUnits: !Ref Units}
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: purgeAt, Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !If [IsProd, true, false]}
      SSESpecification: {KMSMasterKeyId: !GetAtt Key.Arn, SSEEnabled: true}
  Everywhere:
    Type: AWS::DynamoDB::GlobalTable
    Properties:
      TableName: !Sub ["${What}-${AWS::Region}", {What: !Ref Stage}]
      AttributeDefinitions: [*place]
      KeySchema: [{AttributeName: place, KeyType: HASH}]
      WriteProvisionedThroughputSettings: {WriteCapacityAutoScalingSettings: {MaxCapacity: 9}}
      Replicas: [{Region: !Ref AWS::Region}]
  Simple:
    Type: AWS::Serverless::SimpleTable
  Scores:
    Type: AWS::Serverless::SimpleTable
    Properties:
      TableName: scores
      PrimaryKey: {Name: score, Type: Number}
      ProvisionedThroughput: {ReadCapacityUnits: 5, WriteCapacityUnits: 5}
  Key:
    Type: AWS::KMS::Key
    Properties: {KeyPolicy: !Transform {Name: Include}}
"""


def write(folder: Path, text: str, name: str = "template.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["template.yaml", "template.yml"])
def test_a_template_in_yaml_is_read_as_one_in_json(tmp_path: Path, name: str) -> None:
    found = checked(tables(write(tmp_path, YAML, name), STACK))
    assert found["Rooms"] == {
        "TableName": "rooms-dev",
        "KeySchema": [
            {"AttributeName": "place", "KeyType": "HASH"},
            {"AttributeName": "at", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "place", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
        ],
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
        "TimeToLiveSpecification": {"AttributeName": "purgeAt", "Enabled": True},
    }


def test_a_global_table_is_one_of_its_replicas(tmp_path: Path) -> None:
    assert checked(tables(write(tmp_path, YAML), STACK))["Everywhere"] == {
        "TableName": "dev-eu-west-1",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "place", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "place", "KeyType": "HASH"}],
    }


def test_a_simple_table_of_sam_has_one_key_and_its_defaults(tmp_path: Path) -> None:
    found = checked(tables(write(tmp_path, YAML), STACK))
    assert found["Simple"] == {
        "TableName": "chat-dev-Simple",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    }
    assert found["Scores"] == {
        "TableName": "scores",
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        "AttributeDefinitions": [{"AttributeName": "score", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "score", "KeyType": "HASH"}],
    }


TABLE = "Resources: {Rooms: {Type: AWS::DynamoDB::Table, Properties: {TableName: %s}}}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            TABLE % "!GetAtt Other.Name",
            "The table Rooms of *: Fn::GetAtt is not understood here; Ref and Fn::Sub are. *",
        ),
        (TABLE % "!Join ['-', [a, b]]", "The table Rooms of *: Fn::Join is not understood here; *"),
        (TABLE % "{'Fn::If': [a, b, c]}", "The table Rooms of *: Fn::If is not understood here; *"),
        (TABLE % "!Ref {a: b}", "The table Rooms of *: Ref takes a name, not {'a': 'b'}."),
        (TABLE % "!Sub [a, b, c]", "The table Rooms of *: Fn::Sub takes a text, or a text and a mapping, not *"),
        (TABLE % "!Ref Stage", "The table Rooms of *: it refers to Stage, which is neither a parameter nor *"),
        ("Parameters: {Stage: {Type: String}}\n" + TABLE % "!Ref Stage", "*: the parameter Stage has no default. *"),
        ("Parameters: [Stage]\n" + TABLE % "!Ref Stage", "The table Rooms of *: it refers to Stage, which is *"),
        (
            "Resources: {Rooms: {Type: AWS::DynamoDB::Table, Properties: [a]}}",
            "The table Rooms of *: its Properties must be a mapping.",
        ),
        ("Resources: {Rooms: [a]}", "* is not a CloudFormation template: Rooms is not a resource."),
        ("Resources:", "* is not a CloudFormation template in YAML: it has no Resources."),
        ("just a text", "* is not a CloudFormation template in YAML: it has no Resources."),
        ("", "* is not a CloudFormation template in YAML: it has no Resources."),
        ("Resources:\n  a: [", "* is not a CloudFormation template in YAML: line *"),
        ("Resources:\n\ta: 1", "* is not a CloudFormation template in YAML: line 2, column *"),
        (
            "Resources: {a: !!python/name:os.system x}",
            "* in YAML: line 1, column 16: could not determine a constructor *",
        ),
        ("Resources: {a: \x00}", "* is not a CloudFormation template in YAML: unacceptable character *"),
        ("Resources:\n  Rooms: {}\n  Rooms: {}", "* in YAML: line 3, column 3: the key Rooms stands in line 2, too."),
    ],
)
def test_what_is_not_understood_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(TemplateError) as raised:
        tables(write(tmp_path, text), STACK)
    said = str(raised.value)
    assert "\n" not in said
    start, _, end = sentence.removesuffix("*").partition("*")
    assert said.startswith(start)
    assert end in said
    assert "template.yaml" in said


def test_a_name_that_is_twice_in_json_is_a_sentence_too(tmp_path: Path) -> None:
    path = write(tmp_path, '{"Resources": {"Rooms": {}, "Rooms": {}}}', "resources.json")
    with pytest.raises(TemplateError, match=r"resources.json is not .* in JSON: an object has the key Rooms twice\."):
        tables(path, STACK)


@pytest.mark.process
def test_only_a_template_in_yaml_loads_its_parser() -> None:
    program = (
        "import sys; from pathlib import Path; from pytest_sessionplugin.aws.templates import PseudoParameters, tables;"
        "print(len(tables(Path('.chalice/resources.json'), PseudoParameters('x'))), 'yaml' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["3", "False"]
