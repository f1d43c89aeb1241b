"""JSON of another type cannot be read at all, wherever it stands.

Words: nubo-db/dynamodb-conformance and the tests of mhart/dynalite, both recorded from DynamoDB.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.requests import checked_request
from pytest_sessionplugin.aws.dynamodb.values import Refusal
from tests.aws.dynamodb.requested import SCAN, batch

STRUCTURE = "Start of structure or map found where not expected"


@pytest.mark.parametrize(
    ("operation", "members", "message"),
    [
        ("GetItem", {"TableName": 23}, "NUMBER_VALUE cannot be converted to String"),
        ("GetItem", {"TableName": 34.5}, "DECIMAL_VALUE cannot be converted to String"),
        ("GetItem", {"TableName": True}, "TRUE_VALUE cannot be converted to String"),
        ("GetItem", {"TableName": []}, "Unrecognized collection type class java.lang.String"),
        ("GetItem", {"TableName": {}}, STRUCTURE),
        ("GetItem", {"ConsistentRead": "true"}, "STRING_VALUE cannot be converted to Boolean"),
        ("GetItem", {"Key": "a"}, "Unexpected field type"),
        ("GetItem", {"AttributesToGet": "a"}, "Unexpected field type"),
        ("GetItem", {"AttributesToGet": {}}, STRUCTURE),
        ("GetItem", {"AttributesToGet": [1]}, "NUMBER_VALUE cannot be converted to String"),
        ("GetItem", {"ExpressionAttributeNames": {"#a": 1}}, "NUMBER_VALUE cannot be converted to String"),
        ("Query", {"ScanIndexForward": 1}, "NUMBER_VALUE cannot be converted to Boolean"),
        ("Query", {"Limit": "1"}, "STRING_VALUE cannot be converted to Integer"),
        ("Query", {"Limit": True}, "TRUE_VALUE cannot be converted to Integer"),
        ("Query", {"KeyConditions": {"a": "b"}}, "Unexpected value type in payload"),
        ("Query", {"KeyConditions": {"a": {"AttributeValueList": "b"}}}, "Unexpected field type"),
        ("Scan", {"ScanFilter": 1}, "Unexpected field type"),
        ("Scan", {"TotalSegments": {}}, STRUCTURE),
        ("PutItem", {"Expected": {"a": {"Exists": "no"}}}, "STRING_VALUE cannot be converted to Boolean"),
        ("UpdateItem", {"AttributeUpdates": {"a": {"Action": 1}}}, "NUMBER_VALUE cannot be converted to String"),
        ("BatchGetItem", {"RequestItems": "a"}, "Unexpected field type"),
        ("BatchGetItem", {"RequestItems": {"Rooms": [1]}}, "Unexpected value type in payload"),
        ("BatchGetItem", {"RequestItems": {"Rooms": {"Keys": {}}}}, STRUCTURE),
        ("BatchWriteItem", {"RequestItems": {"Rooms": {}}}, STRUCTURE),
        ("BatchWriteItem", batch({"PutRequest": {"Item": "a"}}), "Unexpected field type"),
        ("TransactWriteItems", {"TransactItems": {}}, STRUCTURE),
        ("TransactWriteItems", {"TransactItems": [{"Put": 1}]}, "Unexpected value type in payload"),
        ("TransactGetItems", {"TransactItems": [{"Get": {"Key": 1}}]}, "Unexpected field type"),
        ("ExecuteStatement", {"Statement": "SELECT", "Parameters": "a"}, "Unexpected field type"),
        ("PutItem", {**SCAN, "Item": {"a": {"S": 1}}}, "NUMBER_VALUE cannot be converted to String"),
    ],
)
def test_json_of_another_type_cannot_be_read(operation: str, members: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal) as refusal:
        checked_request(operation, members)
    assert (refusal.value.code, refusal.value.message) == ("SerializationException", message)


@pytest.mark.parametrize("operation", ["GetItem", "Scan", "Query"])
def test_a_list_is_not_a_map(operation: str) -> None:
    value = "com.amazonaws.dynamodb.v20120810.AttributeValue"
    with pytest.raises(Refusal, match=f"Unrecognized collection type java.util.Map<java.lang.String, {value}>"):
        checked_request(operation, {"ExclusiveStartKey": []})
