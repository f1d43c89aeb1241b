"""Properties of tables are checked before the tables are created, and each mistake is a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.aws.table_specs import checked, creation
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

DETECTED, FAILED = "validation error", "failed to satisfy constraint"
SHORT = "Member must have length greater than or equal to 3"
PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
INVALID = "One or more parameter values were invalid: "
UNDEFINED = "Some index key attributes are not defined in AttributeDefinitions."


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


def test_a_global_index_has_keys_of_several_attributes() -> None:
    names = ("name", "city", "street", "at")
    keys = [
        {"AttributeName": name, "KeyType": kind}
        for name, kind in zip(names, ("HASH", "HASH", "RANGE", "RANGE"), strict=True)
    ]
    more = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
        "GlobalSecondaryIndexes": [{**INDEX, "KeySchema": keys}],
    }
    assert checked({"Rooms": {**ROOMS, **more}})["Rooms"]["GlobalSecondaryIndexes"][0]["KeySchema"] == keys


def test_a_table_is_created_with_its_stream_enabled_and_without_ttl() -> None:
    more = {
        "StreamSpecification": {"StreamViewType": "KEYS_ONLY"},
        "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "purgeAt"},
    }
    stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    spec = checked({"Rooms": {**ROOMS, **more}})["Rooms"]
    assert creation(spec) == {"TableName": "Rooms", **ROOMS, "StreamSpecification": stream}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"TableName": ""}, f"2 {DETECTED}s detected: Value '' at 'tableName' {FAILED}: {SHORT}; *"),
        ({"TableName": "my rooms"}, f"1 {DETECTED} detected: Value 'my rooms' at 'tableName' {FAILED}: {PATTERN}"),
        ({"KeySchemas": []}, "it has KeySchemas, which it cannot have; KeySchema may be meant."),
        ({"Kind": 1}, f"it has Kind, which it cannot have; there are KeySchema, AttributeDefinitions, {USED[0]}, *"),
        ({"KeySchema": "name"}, "KeySchema must be a list, not a str."),
        ({"KeySchema": ["name"]}, "KeySchema[0] must be a mapping, not a str."),
        ({"KeySchema": [{"AttributeName": "name"}]}, "KeySchema[0] has no KeyType."),
        (
            {"KeySchema": []},
            f"1 {DETECTED} detected: Value '[]' at 'keySchema' {FAILED}: "
            "Member must have length greater than or equal to 1",
        ),
        (
            {"KeySchema": [*ROOMS["KeySchema"], {"AttributeName": "name", "KeyType": "RANGE"}]},
            "Invalid KeySchema: Some index key attribute have no definition",
        ),
        ({"AttributeDefinitions": ROOMS["AttributeDefinitions"] * 2}, "Attribute Name is duplicated: name"),
        ({"GlobalSecondaryIndexes": [INDEX, INDEX]}, f"{INVALID}Duplicate index name: by-name"),
        (
            {"GlobalSecondaryIndexes": [{**INDEX, "Projection": {"ProjectionType": "INCLUDE"}}]},
            f"{INVALID}ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            {"LocalSecondaryIndexes": [INDEX]},
            f"{INVALID}Table KeySchema does not have a range key, which is required when specifying a "
            "LocalSecondaryIndex",
        ),
        (
            {"KeySchema": [{"AttributeName": "name", "KeyType": "hash"}]},
            f"1 {DETECTED} detected: Value 'hash' at 'keySchema.1.member.keyType' {FAILED}: "
            "Member must satisfy enum value set: [HASH, RANGE]",
        ),
        (
            {"KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}]},
            f"{INVALID}{UNDEFINED} Keys: [id], AttributeDefinitions: [name]",
        ),
        (
            {"AttributeDefinitions": [*ROOMS["AttributeDefinitions"], {"AttributeName": "n", "AttributeType": "N"}]},
            f"{INVALID}Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions",
        ),
        (
            {"AttributeDefinitions": [{"AttributeName": True, "AttributeType": "S"}]},
            "AttributeDefinitions[0].AttributeName must be a text, not True.",
        ),
        (
            {"BillingMode": "PROVISIONED"},
            f"{INVALID}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            {"ProvisionedThroughput": CAPACITY},
            f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        (
            {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {**CAPACITY, "ReadCapacityUnits": 0}},
            f"1 {DETECTED} detected: Value '0' at 'provisionedThroughput.readCapacityUnits' {FAILED}: "
            "Member must have value greater than or equal to 1",
        ),
        (
            {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {**CAPACITY, "ReadCapacityUnits": "many"}},
            "ProvisionedThroughput.ReadCapacityUnits must be a whole number, not 'many'.",
        ),
        (
            {
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": CAPACITY,
                "GlobalSecondaryIndexes": [INDEX],
            },
            f"{INVALID}ProvisionedThroughput is not specified for index: by-name",
        ),
        (
            {"GlobalSecondaryIndexes": [{**INDEX, "KeySchema": [{"AttributeName": "at", "KeyType": "HASH"}]}]},
            f"{INVALID}{UNDEFINED} Keys: [at], AttributeDefinitions: [name]",
        ),
        (
            {"LocalSecondaryIndexes": [{**INDEX, "Projection": "ALL"}]},
            "LocalSecondaryIndexes[0].Projection must be a mapping, not a str.",
        ),
        (
            {"StreamSpecification": {}},
            f"{INVALID}Table is being created with a stream enabled, UpdateViewType is required",
        ),
        ({"TimeToLiveSpecification": {"Enabled": True}}, "TimeToLiveSpecification has no AttributeName."),
        (
            {"TimeToLiveSpecification": {"Enabled": True, "AttributeName": ""}},
            "TimeToLiveSpecification has no AttributeName.",
        ),
        ({"TimeToLiveSpecification": {"Enabled": 1}}, "TimeToLiveSpecification.Enabled must be true or false, not 1."),
    ],
)
def test_a_mistake_names_the_table_and_what_is_wrong(change: dict[str, Any], sentence: str) -> None:
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
