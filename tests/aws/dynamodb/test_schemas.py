"""Tables are created or refused as DynamoDB does, by their keys, indexes, projections and settings."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.control import TableState
from tests.aws.dynamodb.definitions import (
    BASE,
    EIGHT,
    INVALID,
    MODE,
    ONE,
    PAIR,
    PATTERN,
    UNITS,
    broken,
    definitions,
    included,
    index,
    keys,
    refused,
    undefined,
)


def with_global(*attributes: str, defined: tuple[str, ...] | None = None, **more: Any) -> dict[str, Any]:
    """Changes of BASE that add one global index."""
    names = [name.lstrip("-") for name in attributes] if defined is None else defined
    return {
        "AttributeDefinitions": definitions("pk", *dict.fromkeys(names)),
        "GlobalSecondaryIndexes": [index("by-owner", *attributes, **more)],
    }


@pytest.mark.parametrize(
    "members",
    [
        BASE,
        PAIR,
        {**BASE, "BillingMode": None, "ProvisionedThroughput": UNITS},
        {**BASE, **with_global("owner", "-pk", defined=("owner",))},
        {**BASE, **with_global("pk", defined=())},
        {**BASE, **with_global(*EIGHT)},
        {**BASE, **with_global("a", "b")},
        {**BASE, **with_global("a", Projection=included("title", "pk"))},
        {**PAIR, "LocalSecondaryIndexes": [index("by-time", "pk", "-sk")]},
        {**BASE, "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}},
        {**BASE, "StreamSpecification": {"StreamEnabled": False}},
        {**BASE, "Tags": []},
        {**BASE, "Tags": [{"Key": "Tëam 1", "Value": "a+b-c=d.e_f:g/h@i"}]},
        {**BASE, "TableClass": "STANDARD"},
        {**BASE, "GlobalSecondaryIndexes": [index(f"by-{number}", "pk") for number in range(20)]},
        {**PAIR, "LocalSecondaryIndexes": [index(f"by-{number}", "pk", "-sk") for number in range(5)]},
    ],
)
def test_a_table_that_aws_creates_is_accepted(members: dict[str, Any]) -> None:
    assert refused("CreateTable", members) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"TableName": None}, "The parameter 'TableName' is required but was not present in the request"),
        ({"TableName": "ab"}, broken("tableName", "'ab'", "have length greater than or equal to 3")),
        ({"TableName": "a" * 256}, broken("tableName", f"'{'a' * 256}'", "have length less than or equal to 255")),
        ({"TableName": "my rooms"}, f"{ONE}Value 'my rooms' at 'tableName' failed to satisfy constraint: {PATTERN}"),
        (
            {"TableName": "x!", "KeySchema": []},
            "2 validation errors detected: Value 'x!' at 'tableName' failed to satisfy constraint: "
            "Member must have length greater than or equal to 3; "
            f"Value 'x!' at 'tableName' failed to satisfy constraint: {PATTERN}",
        ),
        ({"KeySchema": None}, broken("keySchema", "null", "not be null")),
        ({"KeySchema": []}, broken("keySchema", "'[]'", "have length greater than or equal to 1")),
        ({"AttributeDefinitions": None}, broken("attributeDefinitions", "null", "not be null")),
        (
            {"KeySchema": keys("pk", "-sk", "-extra")},
            broken(
                "keySchema",
                "'[KeySchemaElement(attributeName=pk, keyType=HASH), "
                "KeySchemaElement(attributeName=sk, keyType=RANGE), "
                "KeySchemaElement(attributeName=extra, keyType=RANGE)]'",
                "have length less than or equal to 2",
            ),
        ),
        (
            {"KeySchema": [{"AttributeName": "pk", "KeyType": "hash"}]},
            broken("keySchema.1.member.keyType", "'hash'", "satisfy enum value set: [HASH, RANGE]"),
        ),
        (
            {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "BOOL"}]},
            broken("attributeDefinitions.1.member.attributeType", "'BOOL'", "satisfy enum value set: [B, N, S]"),
        ),
        (
            {"AttributeDefinitions": [{}]},
            "2 validation errors detected: Value null at 'attributeDefinitions.1.member.attributeType' failed to "
            "satisfy constraint: Member must not be null; Value null at 'attributeDefinitions.1.member.attributeName' "
            "failed to satisfy constraint: Member must not be null",
        ),
        (
            {"BillingMode": "FREE"},
            broken("billingMode", "'FREE'", "satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]"),
        ),
        (
            {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": ""}},
            broken(
                "streamSpecification.streamViewType",
                "''",
                "satisfy enum value set: [OLD_IMAGE, KEYS_ONLY, NEW_AND_OLD_IMAGES, NEW_IMAGE]",
            ),
        ),
        (
            {"BillingMode": None, "ProvisionedThroughput": {**UNITS, "ReadCapacityUnits": 0}},
            broken("provisionedThroughput.readCapacityUnits", "'0'", "have value greater than or equal to 1"),
        ),
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 5}},
            broken("provisionedThroughput.writeCapacityUnits", "null", "not be null"),
        ),
        (
            {"TableClass": "CHEAP"},
            "Invalid table-class parameter provided. Please try again with a valid table-class value: "
            "[STANDARD, STANDARD_INFREQUENT_ACCESS].",
        ),
        ({"ProvisionedThroughput": UNITS}, f"{INVALID}Neither ReadCapacityUnits nor WriteCapacityUnits can be {MODE}"),
        (
            {"BillingMode": "PROVISIONED"},
            f"{INVALID}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            {"BillingMode": None},
            f"{INVALID}ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        ({"AttributeDefinitions": definitions("pk", "pk")}, "Attribute Name is duplicated: pk"),
        ({"KeySchema": keys("pk", "-pk")}, "Invalid KeySchema: Some index key attribute have no definition"),
        ({"KeySchema": keys("pk", "-sk")}, "Invalid KeySchema: Some index key attribute have no definition"),
        ({"KeySchema": keys("id")}, undefined("id", "pk")),
        ({"KeySchema": keys("-pk")}, "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
        (
            {**PAIR, "KeySchema": keys("pk", "sk")},
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ),
        (
            {**PAIR, "KeySchema": keys("pk", "-pk")},
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
        (
            {"AttributeDefinitions": definitions("pk", "extra")},
            f"{INVALID}Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions",
        ),
        (
            with_global("owner", defined=("owner", "extra")),
            f"{INVALID}Some AttributeDefinitions are not used. AttributeDefinitions: [pk, owner, extra], "
            "keys used: [pk, owner]",
        ),
        (with_global("owner", defined=()), undefined("owner", "pk")),
        (with_global("-owner"), "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
        (with_global("owner", "-owner"), "The KeySchema contains multiple key attributes with the same name"),
        (
            with_global("a", "-b", "c"),
            f"{INVALID}All HASH key attributes must precede RANGE key attributes in the KeySchema",
        ),
        (
            with_global("a", "b", "c", "d", "e"),
            f"{INVALID}The KeySchema exceeds the maximum allowed number of HASH key attributes",
        ),
        (
            with_global("a", "-b", "-c", "-d", "-e", "-f"),
            f"{INVALID}The KeySchema exceeds the maximum allowed number of RANGE key attributes",
        ),
        (with_global("a", Projection={}), f"{INVALID}Unknown ProjectionType: null"),
        (
            with_global("a", Projection=None),
            broken("globalSecondaryIndexes.1.member.projection", "null", "not be null"),
        ),
        (
            with_global("a", Projection={"ProjectionType": "all"}),
            broken(
                "globalSecondaryIndexes.1.member.projection.projectionType",
                "'all'",
                "satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]",
            ),
        ),
        (
            with_global("a", Projection={"ProjectionType": "INCLUDE"}),
            f"{INVALID}ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            with_global("a", Projection={**included("x"), "ProjectionType": "KEYS_ONLY"}),
            f"{INVALID}ProjectionType is KEYS_ONLY, but NonKeyAttributes is specified",
        ),
        (
            with_global("a", Projection=included()),
            broken(
                "globalSecondaryIndexes.1.member.projection.nonKeyAttributes",
                "'[]'",
                "have length greater than or equal to 1",
            ),
        ),
        (
            with_global("a", Projection=included(*["x"] * 21)),
            broken(
                "globalSecondaryIndexes.1.member.projection.nonKeyAttributes",
                f"'[{', '.join(['x'] * 21)}]'",
                "have length less than or equal to 20",
            ),
        ),
        (with_global("a", Projection=included("x", "x")), f"{INVALID}Duplicate element in NonKeyAttributes: x"),
        (
            {
                "GlobalSecondaryIndexes": [
                    index(f"by-{number}", "pk", Projection=included(*(f"x{place}" for place in range(17))))
                    for number in range(6)
                ]
            },
            f"{INVALID}Number of NonKeyAttributes in all indexes exceeds per-table limit of 100",
        ),
        (
            with_global("a", ProvisionedThroughput=UNITS),
            f"{INVALID}ProvisionedThroughput should not be specified for index: by-owner when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        (
            {"BillingMode": None, "ProvisionedThroughput": UNITS, **with_global("a")},
            f"{INVALID}ProvisionedThroughput is not specified for index: by-owner",
        ),
        (
            {"GlobalSecondaryIndexes": [index("ab", "pk")]},
            broken("globalSecondaryIndexes.1.member.indexName", "'ab'", "have length greater than or equal to 3"),
        ),
        ({"GlobalSecondaryIndexes": []}, f"{INVALID}List of GlobalSecondaryIndexes is empty"),
        ({"LocalSecondaryIndexes": []}, f"{INVALID}List of LocalSecondaryIndexes is empty"),
        (
            {"GlobalSecondaryIndexes": [index(f"by-{number}", "pk") for number in range(21)]},
            f"{INVALID}GlobalSecondaryIndex count exceeds the per-table limit of 20",
        ),
        (
            {**PAIR, "LocalSecondaryIndexes": [index(f"by-{number}", "pk", "-sk") for number in range(6)]},
            f"{INVALID}Number of LocalSecondaryIndexes exceeds per-table limit of 5",
        ),
        (
            {"LocalSecondaryIndexes": [index("by-time", "pk", "-sk")]},
            f"{INVALID}Table KeySchema does not have a range key, which is required when specifying a "
            "LocalSecondaryIndex",
        ),
        (
            {**PAIR, "LocalSecondaryIndexes": [index("by-time", "pk")]},
            f"{INVALID}Index KeySchema does not have a range key for index: by-time",
        ),
        (
            {**PAIR, "LocalSecondaryIndexes": [index("by-time", "sk", "-pk")]},
            f"{INVALID}Index KeySchema does not have the same leading hash key as table KeySchema for index: by-time. "
            "index hash key: sk, table hash key: pk",
        ),
        (
            {
                **PAIR,
                "LocalSecondaryIndexes": [index("by-time", "pk", "-sk")],
                "GlobalSecondaryIndexes": [index("by-time", "sk")],
            },
            f"{INVALID}Duplicate index name: by-time",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": True}},
            f"{INVALID}Table is being created with a stream enabled, UpdateViewType is required",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}},
            f"{INVALID}Table is being created with a stream disabled, UpdateViewType should not be specified",
        ),
        ({"Tags": [{"Key": "aws:foo", "Value": ""}]}, "Tag Key cannot be prefixed with aws:, Key: aws:foo"),
        ({"Tags": [{}]}, "The Tag Key provided is invalid, Key: null"),
        (
            {"Tags": [{"Key": f"k{number}", "Value": ""} for number in range(51)]},
            "Number of Tags exceed the current limit for the provided ResourceArn",
        ),
    ],
)
def test_a_table_that_aws_does_not_create_is_refused(change: dict[str, Any], message: str) -> None:
    members = {name: value for name, value in {**BASE, **change}.items() if value is not None}
    assert refused("CreateTable", members, TableState()) == ("ValidationException", message)  # also if there is one
