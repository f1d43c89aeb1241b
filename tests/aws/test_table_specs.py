"""Properties of tables are checked before the tables are created, and each mistake is a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.aws.table_specs import checked
from pytest_sessionplugin.aws.templates import USED
from pytest_sessionplugin.errors import TemplateError
from tests.sources import ROOT

CAPACITY = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
ROOMS: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "name", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
}
INDEX = {
    "IndexName": "by-name",
    "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "KEYS_ONLY"},
}


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in ROOMS.items() if name != key}


def test_a_table_without_a_name_has_its_logical_name() -> None:
    assert checked({"Rooms": ROOMS})["Rooms"] == {"TableName": "Rooms", **ROOMS}


def test_what_is_checked_once_is_the_same_when_it_is_checked_again() -> None:
    once = checked({"Rooms": {**ROOMS, "GlobalSecondaryIndexes": [INDEX], "Tags": []}})
    assert checked(once) == once


def test_what_changes_nothing_in_memory_is_left_out() -> None:
    more = {
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
        "Tags": [{"Key": "team", "Value": "chat"}],
        "DeletionProtectionEnabled": True,
        "TimeToLiveSpecification": {"Enabled": False, "AttributeName": "purgeAt"},
        "StreamSpecification": {"StreamEnabled": False},
        "GlobalSecondaryIndexes": [{**INDEX, "ContributorInsightsSpecification": {"Enabled": True}}],
    }
    assert checked({"Rooms": {**ROOMS, **more}}) == checked({"Rooms": {**ROOMS, "GlobalSecondaryIndexes": [INDEX]}})


def test_numbers_and_flags_in_quotes_are_taken_as_cloudformation_takes_them() -> None:
    quoted = {
        **without("BillingMode"),
        "ProvisionedThroughput": {"ReadCapacityUnits": "5", "WriteCapacityUnits": 6},
        "TimeToLiveSpecification": {"Enabled": "true", "AttributeName": "purgeAt"},
    }
    spec = checked({"Rooms": quoted})["Rooms"]
    assert spec["ProvisionedThroughput"] == CAPACITY
    assert spec["TimeToLiveSpecification"]["Enabled"] is True


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"TableName": ""}, "TableName must be a text that is not empty, not ''."),
        ({"TableName": "my rooms"}, "TableName is 'my rooms'; it has 3 to 255 of A-Z, a-z, 0-9, _, . and -."),
        ({"KeySchemas": []}, "it has KeySchemas, which it cannot have; KeySchema may be meant."),
        ({"Kind": 1}, f"it has Kind, which it cannot have; there are KeySchema, AttributeDefinitions, {USED[0]}, *"),
        ({"KeySchema": "name"}, "KeySchema must be a list, not a str."),
        ({"KeySchema": ["name"]}, "KeySchema[0] must be a mapping, not a str."),
        ({"KeySchema": [{"AttributeName": "name"}]}, "KeySchema[0] has no KeyType."),
        ({"KeySchema": []}, "KeySchema must be one HASH, or a HASH and then a RANGE that is another attribute."),
        (
            {"KeySchema": [*ROOMS["KeySchema"], {"AttributeName": "name", "KeyType": "RANGE"}]},
            "KeySchema must be one HASH, or a HASH and then a RANGE that is another attribute.",
        ),
        (
            {"AttributeDefinitions": ROOMS["AttributeDefinitions"] * 2},
            "AttributeDefinitions defines an attribute twice.",
        ),
        ({"GlobalSecondaryIndexes": [INDEX, INDEX]}, "GlobalSecondaryIndexes[1] is a second index named by-name."),
        (
            {"GlobalSecondaryIndexes": [{**INDEX, "Projection": {"ProjectionType": "INCLUDE"}}]},
            "GlobalSecondaryIndexes[0].Projection has NonKeyAttributes if its type is INCLUDE, and else none.",
        ),
        (
            {"LocalSecondaryIndexes": [INDEX]},
            "LocalSecondaryIndexes[0].KeySchema must be name, the HASH of the table, and a RANGE; *",
        ),
        (
            {"KeySchema": [{"AttributeName": "name", "KeyType": "hash"}]},
            "KeySchema[0].KeyType is 'hash'; it must be HASH or RANGE.",
        ),
        (
            {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]},
            "KeySchema names id, which AttributeDefinitions lacks; it defines name.",
        ),
        (
            {"AttributeDefinitions": [*ROOMS["AttributeDefinitions"], {"AttributeName": "n", "AttributeType": "N"}]},
            "AttributeDefinitions defines n, which no key has; only attributes of keys are defined.",
        ),
        (
            {"AttributeDefinitions": [{"AttributeName": True, "AttributeType": "S"}]},
            "AttributeDefinitions[0].AttributeName must be a text that is not empty, not True.",
        ),
        ({"BillingMode": "PROVISIONED"}, "it has no ProvisionedThroughput; give it one, or the table BillingMode *"),
        (
            {"ProvisionedThroughput": CAPACITY},
            "it has a ProvisionedThroughput, which BillingMode PAY_PER_REQUEST excludes.",
        ),
        (
            {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {**CAPACITY, "ReadCapacityUnits": 0}},
            "ProvisionedThroughput.ReadCapacityUnits must be a whole number, 1 or more, not 0.",
        ),
        (
            {
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": CAPACITY,
                "GlobalSecondaryIndexes": [INDEX],
            },
            "GlobalSecondaryIndexes[0] has no ProvisionedThroughput; *",
        ),
        (
            {"GlobalSecondaryIndexes": [{**INDEX, "KeySchema": [{"AttributeName": "at", "KeyType": "HASH"}]}]},
            "GlobalSecondaryIndexes[0].KeySchema names at, which AttributeDefinitions lacks; it defines name.",
        ),
        (
            {"LocalSecondaryIndexes": [{**INDEX, "Projection": "ALL"}]},
            "LocalSecondaryIndexes[0].Projection must be a mapping, not a str.",
        ),
        ({"StreamSpecification": {}}, "StreamSpecification has no StreamViewType."),
        ({"TimeToLiveSpecification": {"Enabled": True}}, "TimeToLiveSpecification has no AttributeName."),
        ({"TimeToLiveSpecification": {"Enabled": 1}}, "TimeToLiveSpecification.Enabled must be true or false, not 1."),
    ],
)
def test_a_mistake_names_table_and_property(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(TemplateError) as raised:
        checked({"Rooms": {**ROOMS, **change}})
    said, asked = str(raised.value), f"the table Rooms: {sentence}"
    assert said.startswith(asked.removesuffix("*")) if asked.endswith("*") else said == asked


@pytest.mark.parametrize(
    ("specs", "sentence"),
    [
        ([ROOMS], "dynamodb_specs must be a mapping of logical names to properties, not a list."),
        (None, "dynamodb_specs must be a mapping of logical names to properties, not None."),
        ({1: ROOMS}, "dynamodb_specs: the logical name of a table is a text, not 1."),
        ({"Rooms": None}, "the table Rooms: it must be a mapping, not None."),
        ({"Rooms": without("KeySchema")}, "the table Rooms: it has no KeySchema."),
        (
            {"Rooms": {"Type": "AWS::DynamoDB::Table", "Properties": ROOMS}},
            "the table Rooms: it is a resource of a template; give what stands under its Properties.",
        ),
        (
            {"Rooms": {**ROOMS, "TableName": "Halls"}, "Halls": ROOMS},
            "the tables Rooms and Halls are both named Halls; give each a TableName of its own.",
        ),
    ],
)
def test_tables_that_cannot_be_are_a_sentence(specs: Any, sentence: str) -> None:
    with pytest.raises(TemplateError) as raised:
        checked(specs)
    assert str(raised.value) == sentence


def test_the_tables_of_this_repository_are_taken_as_they_stand(tmp_path: Path) -> None:
    template = json.loads((ROOT / ".chalice" / "resources.json").read_text())
    specs = {
        name: {**resource["Properties"], "TableName": name.lower()} for name, resource in template["Resources"].items()
    }
    used = {name: {key: spec[key] for key in spec if key in USED} for name, spec in specs.items()}
    assert checked(specs) == used  # protection of tables makes no difference in memory
