"""Members that do not go together, values wherever they stand, and the order of the checks.

Words: nubo-db/dynamodb-conformance and the tests of mhart/dynalite, both recorded from DynamoDB.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.requests import checked_request
from tests.aws.dynamodb.memory import item
from tests.aws.dynamodb.requested import INVALID, KEY, PUT, QUERY, READ, SCAN, UPDATE, batch, refused, transact

NO_MORE = "can only be specified when using expressions"

# --- combinations of members


@pytest.mark.parametrize(
    ("operation", "members", "old", "new"),
    [
        ("PutItem", {**PUT, "Expected": {}, "ConditionExpression": "a = b"}, "Expected", "ConditionExpression"),
        (
            "DeleteItem",
            {**KEY, "ConditionalOperator": "OR", "ConditionExpression": "a = b"},
            "ConditionalOperator",
            "ConditionExpression",
        ),
        ("UpdateItem", {**UPDATE, "AttributeUpdates": {}}, "AttributeUpdates", "UpdateExpression"),
        (
            "UpdateItem",
            {**UPDATE, "Expected": {}, "ConditionExpression": "a = b"},
            "Expected",
            "UpdateExpression, ConditionExpression",
        ),
        (
            "GetItem",
            {**KEY, "AttributesToGet": ["a"], "ProjectionExpression": "a"},
            "AttributesToGet",
            "ProjectionExpression",
        ),
        ("Query", {**QUERY, "AttributesToGet": ["a"]}, "AttributesToGet", "KeyConditionExpression"),
        (
            "Query",
            {**QUERY, "KeyConditions": {}, "QueryFilter": {}},
            "QueryFilter, KeyConditions",
            "KeyConditionExpression",
        ),
        ("Scan", {**SCAN, "ScanFilter": {}, "FilterExpression": "a = b"}, "ScanFilter", "FilterExpression"),
        (
            "BatchGetItem",
            {"RequestItems": {"Rooms": {**READ, "AttributesToGet": ["a"], "ProjectionExpression": "a"}}},
            "AttributesToGet",
            "ProjectionExpression",
        ),
    ],
)
def test_members_of_both_apis_are_not_mixed(operation: str, members: dict[str, Any], old: str, new: str) -> None:
    assert refused(operation, members) == (
        "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: "
        f"{{{old}}} Expression parameters: {{{new}}}"
    )


def test_key_conditions_go_with_a_projection_of_either_api() -> None:
    legacy = {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}}
    members = {**SCAN, "KeyConditions": legacy, "FilterExpression": "a = b", "ProjectionExpression": "a"}
    assert refused("Query", members) is None


NAMES, VALUES = {"#a": "a"}, item(**{":a": "a"})


@pytest.mark.parametrize(
    ("operation", "members", "message"),
    [
        ("PutItem", {**PUT, "ExpressionAttributeNames": NAMES}, f"ExpressionAttributeNames {NO_MORE}"),
        (
            "PutItem",
            {**PUT, "ExpressionAttributeValues": VALUES},
            f"ExpressionAttributeValues {NO_MORE}: ConditionExpression is null",
        ),
        (
            "DeleteItem",
            {**KEY, "ExpressionAttributeValues": VALUES},
            f"ExpressionAttributeValues {NO_MORE}: ConditionExpression is null",
        ),
        (
            "UpdateItem",
            {**KEY, "ExpressionAttributeValues": VALUES},
            f"ExpressionAttributeValues {NO_MORE}: UpdateExpression and ConditionExpression are null",
        ),
        (
            "UpdateItem",
            {**KEY, "ExpressionAttributeNames": NAMES, "ExpressionAttributeValues": VALUES},
            f"ExpressionAttributeNames {NO_MORE}",
        ),
        (
            "Query",
            {**SCAN, "ExpressionAttributeValues": VALUES},
            f"ExpressionAttributeValues {NO_MORE}: FilterExpression and KeyConditionExpression are null",
        ),
        (
            "Scan",
            {**SCAN, "ProjectionExpression": "a", "ExpressionAttributeValues": VALUES},
            f"ExpressionAttributeValues {NO_MORE}: FilterExpression is null",
        ),
        ("GetItem", {**KEY, "ExpressionAttributeNames": NAMES}, f"ExpressionAttributeNames {NO_MORE}"),
        (
            "BatchGetItem",
            {"RequestItems": {"Rooms": {**READ, "ExpressionAttributeNames": NAMES}}},
            f"ExpressionAttributeNames {NO_MORE}",
        ),
        (
            "TransactGetItems",
            transact(Get={**KEY, "ExpressionAttributeNames": NAMES}),
            f"ExpressionAttributeNames {NO_MORE}",
        ),
        (
            "TransactWriteItems",
            transact(Put={**PUT, "ExpressionAttributeValues": VALUES}),
            f"ExpressionAttributeValues {NO_MORE}: ConditionExpression is null",
        ),
        ("Query", {**QUERY, "ExpressionAttributeNames": {}}, "ExpressionAttributeNames must not be empty"),
        ("Query", {**QUERY, "ExpressionAttributeValues": {}}, "ExpressionAttributeValues must not be empty"),
        (
            "Query",
            {**QUERY, "ExpressionAttributeNames": {"a": "a"}},
            'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"',
        ),
        (
            "Query",
            {**QUERY, "ExpressionAttributeNames": {":a": "a"}},
            'ExpressionAttributeNames contains invalid key: Syntax error; key: ":a"',
        ),
        (
            "Query",
            {**QUERY, "ExpressionAttributeNames": {"#a-b": "a"}},
            'ExpressionAttributeNames contains invalid key: Syntax error; key: "#a-b"',
        ),
        (
            "Query",
            {**QUERY, "ExpressionAttributeValues": {"#": {"S": "a"}}},
            'ExpressionAttributeValues contains invalid key: Syntax error; key: "#"',
        ),
    ],
)
def test_placeholders_need_an_expression_and_a_name(operation: str, members: dict[str, Any], message: str) -> None:
    assert refused(operation, members) == message


# --- values

EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
NUMBER = "The parameter cannot be converted to a numeric value: x"
TWO = EMPTY.replace("is empty", "has more than one datatypes set")


@pytest.mark.parametrize(
    ("operation", "members", "message"),
    [
        ("PutItem", {**SCAN, "Item": {"a": {}}}, EMPTY),
        ("PutItem", {**SCAN, "Item": {"a": {"S": "a", "N": "1"}}}, TWO),
        ("PutItem", {**SCAN, "Item": {"a": {"M": {"b": {"L": [{"N": "x"}]}}}}}, NUMBER),
        (
            "PutItem",
            {**SCAN, "Item": {"a": {"SS": ["b", "b"]}}},
            f"{INVALID}Input collection [b, b] contains duplicates.",
        ),
        ("PutItem", {**SCAN, "Item": {"a": {"SS": []}}}, f"{INVALID}An string set  may not be empty"),
        ("GetItem", {**SCAN, "Key": {"a": {}}}, EMPTY),
        ("Scan", {**SCAN, "ExclusiveStartKey": {"a": {}}}, f"The provided starting key is invalid: {EMPTY}"),
        ("Scan", {**SCAN, "ExclusiveStartKey": {"a": {"N": "x"}}}, NUMBER),
        (
            "Query",
            {**QUERY, "ExpressionAttributeValues": {":p": {}}},
            f"ExpressionAttributeValues contains invalid value: {EMPTY} for key :p",
        ),
        (
            "Query",
            {**QUERY, "ExpressionAttributeValues": {":p": {"N": "x"}}},
            f"ExpressionAttributeValues contains invalid value: {NUMBER} for key :p",
        ),
        ("UpdateItem", {**KEY, "AttributeUpdates": {"a": {"Value": {}}}}, EMPTY),
        ("UpdateItem", {**KEY, "Expected": {"a": {"Value": {"N": "x"}}}}, NUMBER),
        ("Scan", {**SCAN, "ScanFilter": {"a": {"ComparisonOperator": "EQ", "AttributeValueList": [{}]}}}, EMPTY),
        ("BatchWriteItem", batch({"PutRequest": {"Item": {"a": {}}}}), EMPTY),
        ("BatchWriteItem", batch({"DeleteRequest": {"Key": {"a": {"N": "x"}}}}), NUMBER),
        ("BatchGetItem", {"RequestItems": {"Rooms": {"Keys": [{"a": {}}]}}}, EMPTY),
        ("TransactWriteItems", transact(Put={**SCAN, "Item": {"a": {"N": "x"}}}), NUMBER),
        ("TransactGetItems", transact(Get={**SCAN, "Key": {"a": {}}}), EMPTY),
    ],
)
def test_a_value_is_checked_wherever_it_stands(operation: str, members: dict[str, Any], message: str) -> None:
    assert refused(operation, members) == message


@pytest.mark.parametrize(
    ("operation", "members", "path"),
    [
        ("PutItem", {**SCAN, "Item": {"a": {"N": "1.50"}}}, ("Item", "a")),
        ("GetItem", {**SCAN, "Key": {"a": {"N": "1.50"}}}, ("Key", "a")),
        ("Scan", {**SCAN, "ExclusiveStartKey": {"a": {"N": "1.50"}}}, ("ExclusiveStartKey", "a")),
        ("Query", {**QUERY, "ExpressionAttributeValues": {":p": {"N": "1.50"}}}, ("ExpressionAttributeValues", ":p")),
        (
            "UpdateItem",
            {**KEY, "AttributeUpdates": {"a": {"Value": {"N": "1.50"}}}},
            ("AttributeUpdates", "a", "Value"),
        ),
        (
            "BatchWriteItem",
            batch({"PutRequest": {"Item": {"a": {"N": "1.50"}}}}),
            ("RequestItems", "Rooms", 0, "PutRequest", "Item", "a"),
        ),
        (
            "BatchGetItem",
            {"RequestItems": {"Rooms": {"Keys": [{"a": {"N": "1.50"}}]}}},
            ("RequestItems", "Rooms", "Keys", 0, "a"),
        ),
        (
            "TransactWriteItems",
            transact(Put={**SCAN, "Item": {"a": {"N": "1.50"}}}),
            ("TransactItems", 0, "Put", "Item", "a"),
        ),
    ],
)
def test_a_number_has_one_spelling_wherever_it_stands(
    operation: str, members: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    found: Any = checked_request(operation, members)
    for step in path:
        found = found[step]
    assert found == {"N": "1.5"}


# --- order


@pytest.mark.parametrize(
    ("operation", "members", "places"),
    [
        (
            "PutItem",
            {**PUT, "ReturnConsumedCapacity": "a", "ReturnItemCollectionMetrics": "b", "ReturnValues": "c"},
            ["returnConsumedCapacity", "returnItemCollectionMetrics", "returnValues"],
        ),
        ("GetItem", {**SCAN, "ReturnConsumedCapacity": "a"}, ["returnConsumedCapacity", "key"]),
        ("Scan", {**SCAN, "Limit": 0, "Select": "a"}, ["select", "limit"]),
    ],
)
def test_broken_constraints_are_reported_together(operation: str, members: dict[str, Any], places: list[str]) -> None:
    message = str(refused(operation, members))
    assert message.startswith(f"{len(places)} validation errors detected: ")
    assert [part.partition("'")[0] for part in message.split(" at '")[1:]] == places


@pytest.mark.parametrize(
    ("operation", "members", "first"),
    [
        ("PutItem", {"TableName": "!", "Item": {"a": {}}}, "1 validation error detected: Value '!' at 'tableName'"),
        (
            "PutItem",
            {**SCAN, "Item": {"a": {}}, "ReturnValues": "x"},
            "1 validation error detected: Value 'x' at 'returnValues'",
        ),
        (
            "GetItem",
            {**SCAN, "Key": {"a": {}}, "AttributesToGet": ["a"], "ProjectionExpression": ""},
            "Can not use both",
        ),
        ("GetItem", {**SCAN, "Key": {"a": {}}, "AttributesToGet": ["a", "a"]}, f"{INVALID}Duplicate value"),
        ("PutItem", {**SCAN, "Item": {"a": {}}, "Expected": {}, "ConditionExpression": ""}, "Can not use both"),
        ("Scan", {**SCAN, "Segment": 1, "ScanFilter": {}, "FilterExpression": ""}, "Can not use both"),
        (
            "Query",
            {**QUERY, "ExclusiveStartKey": {"a": {}}, "ExpressionAttributeNames": {}},
            "ExpressionAttributeNames must",
        ),
    ],
)
def test_one_check_comes_before_another(operation: str, members: dict[str, Any], first: str) -> None:
    assert str(refused(operation, members)).startswith(first)
