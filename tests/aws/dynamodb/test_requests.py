"""Requests are checked before any table is looked at: required members, names, modes and limits.

Words: nubo-db/dynamodb-conformance and the tests of mhart/dynalite, both recorded from DynamoDB.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.dynamodb.requested import (
    INVALID,
    KEY,
    ONE,
    PUT,
    QUERY,
    READ,
    SCAN,
    WRITE,
    batch,
    broken,
    refused,
    transact,
)

MISSED = "is required but was not present in the request when"

# --- required members


@pytest.mark.parametrize(
    ("operation", "members", "place"),
    [
        ("GetItem", {}, "tableName"),
        ("GetItem", SCAN, "key"),
        ("PutItem", SCAN, "item"),
        ("PutItem", {"Item": {}}, "tableName"),
        ("DeleteItem", SCAN, "key"),
        ("UpdateItem", SCAN, "key"),
        ("UpdateItem", {**SCAN, "Key": None}, "key"),
        ("Query", {}, "tableName"),
        ("Scan", {"TableName": None}, "tableName"),
        ("Query", {**SCAN, "KeyConditions": {"pk": {}}}, "keyConditions.pk.member.comparisonOperator"),
        ("Query", {**SCAN, "QueryFilter": {"a": {}}}, "queryFilter.a.member.comparisonOperator"),
        ("Scan", {**SCAN, "ScanFilter": {"a": {}}}, "scanFilter.a.member.comparisonOperator"),
        ("BatchGetItem", {"RequestItems": {"Rooms": {}}}, "requestItems.Rooms.member.keys"),
        ("BatchWriteItem", batch(WRITE, {"PutRequest": {}}), "requestItems.Rooms.member.2.member.putRequest.item"),
        ("BatchWriteItem", batch({"DeleteRequest": {}}), "requestItems.Rooms.member.1.member.deleteRequest.key"),
        ("TransactGetItems", {"TransactItems": [{}]}, "transactItems.1.member.get"),
        ("TransactGetItems", transact(Get={"Key": {}}), "transactItems.1.member.get.tableName"),
        ("TransactGetItems", transact(Get=SCAN), "transactItems.1.member.get.key"),
        ("TransactWriteItems", transact(Put=PUT, Update=KEY), "transactItems.2.member.update.updateExpression"),
        ("TransactWriteItems", transact(Put=SCAN), "transactItems.1.member.put.item"),
        ("TransactWriteItems", transact(Delete=SCAN), "transactItems.1.member.delete.key"),
        (
            "TransactWriteItems",
            transact(ConditionCheck=KEY),
            "transactItems.1.member.conditionCheck.conditionExpression",
        ),
        ("TransactWriteItems", transact(Delete={"Key": {}}), "transactItems.1.member.delete.tableName"),
        ("ExecuteStatement", {}, "statement"),
    ],
)
def test_a_required_member_is_reported_by_its_place(operation: str, members: dict[str, Any], place: str) -> None:
    assert refused(operation, members) == broken(place, "null", "not be null")


@pytest.mark.parametrize("operation", ["BatchGetItem", "BatchWriteItem"])
@pytest.mark.parametrize("members", [{}, {"RequestItems": {}}, {"RequestItems": None}])
def test_a_batch_needs_items(operation: str, members: dict[str, Any]) -> None:
    assert refused(operation, members) == f"The requestItems parameter is required for {operation}"


@pytest.mark.parametrize(
    "writes", [[{}], [{**WRITE, "DeleteRequest": {"Key": {}}}], [{"UpdateRequest": {}}], [WRITE, {}]]
)
def test_a_write_request_is_one_put_or_one_delete(writes: list[dict[str, Any]]) -> None:
    sentence = "Supplied WriteRequest must contain exactly one of PutRequest or DeleteRequest"
    assert refused("BatchWriteItem", batch(*writes)) == sentence


@pytest.mark.parametrize("entry", [{}, {"Put": PUT, "Delete": KEY}, {"Get": KEY}])
def test_an_action_of_a_transaction_is_one_of_four(entry: dict[str, Any]) -> None:
    sentence = "TransactItems can only contain one of Check, Put, Update or Delete"
    assert refused("TransactWriteItems", {"TransactItems": [entry]}) == sentence


# --- names, enums and limits


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "DeleteItem", "UpdateItem", "Query", "Scan"])
@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "have length greater than or equal to 1"),
        ("a" * 256, "have length less than or equal to 255"),
        ("bad table!@#", "satisfy regular expression pattern: [a-zA-Z0-9_.-]+"),
    ],
    ids=["empty", "too long", "other letters"],
)
def test_the_name_of_a_table_is_reported_alone(operation: str, name: str, rule: str) -> None:
    members = {"TableName": name, "ReturnConsumedCapacity": "INVALID"}
    assert refused(operation, members) == broken("tableName", f"'{name}'", rule)


@pytest.mark.parametrize(
    ("name", "rule"),
    [("ab", "have length greater than or equal to 3"), ("a" * 256, "have length less than or equal to 255")],
)
def test_the_name_of_an_index_has_three_letters_at_least(name: str, rule: str) -> None:
    assert refused("Query", {**QUERY, "IndexName": name}) == broken("indexName", f"'{name}'", rule)


def test_a_table_may_be_given_by_its_arn() -> None:
    assert refused("Scan", {"TableName": "arn:aws:dynamodb:us-east-1:123456789012:table/Rooms"}) is None


@pytest.mark.parametrize(
    ("operation", "members", "place", "values"),
    [
        ("GetItem", KEY, "ReturnConsumedCapacity", "INDEXES, TOTAL, NONE"),
        ("PutItem", PUT, "ReturnValues", "ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW"),
        ("DeleteItem", KEY, "ReturnItemCollectionMetrics", "SIZE, NONE"),
        ("UpdateItem", KEY, "ReturnValuesOnConditionCheckFailure", "ALL_OLD, NONE"),
        ("Query", QUERY, "Select", "SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES"),
        ("Scan", SCAN, "ConditionalOperator", "OR, AND"),
        ("BatchGetItem", {"RequestItems": {"Rooms": READ}}, "ReturnConsumedCapacity", "INDEXES, TOTAL, NONE"),
        ("TransactWriteItems", transact(Put=PUT), "ReturnItemCollectionMetrics", "SIZE, NONE"),
    ],
)
def test_a_mode_is_one_of_its_values(operation: str, members: dict[str, Any], place: str, values: str) -> None:
    message = broken(f"{place[0].lower()}{place[1:]}", "'all'", f"satisfy enum value set: [{values}]")
    assert refused(operation, {**members, place: "all"}) == message


def test_a_mode_of_an_action_is_reported_by_its_place() -> None:
    place = "transactItems.2.member.put.returnValuesOnConditionCheckFailure"
    wrong = {**PUT, "ReturnValuesOnConditionCheckFailure": "ALL_NEW"}
    entries = {"TransactItems": [{"Put": PUT}, {"Put": wrong}]}
    expected = broken(place, "'ALL_NEW'", "satisfy enum value set: [ALL_OLD, NONE]")
    assert refused("TransactWriteItems", entries) == expected


@pytest.mark.parametrize(
    ("operation", "members", "message"),
    [
        (
            "Query",
            {**QUERY, "Limit": 0},
            f"{ONE}Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        ("Scan", {**SCAN, "Limit": 0}, broken("limit", "'0'", "have value greater than or equal to 1")),
        ("Scan", {**SCAN, "Limit": -1}, broken("limit", "'-1'", "have value greater than or equal to 1")),
        (
            "Scan",
            {**SCAN, "Segment": -1, "TotalSegments": 1},
            broken("segment", "'-1'", "have value greater than or equal to 0"),
        ),
        (
            "Scan",
            {**SCAN, "Segment": 0, "TotalSegments": 0},
            broken("totalSegments", "'0'", "have value greater than or equal to 1"),
        ),
        (
            "Scan",
            {**SCAN, "Segment": 0, "TotalSegments": 1_000_001},
            broken("totalSegments", "'1000001'", "have value less than or equal to 1000000"),
        ),
        (
            "Scan",
            {**SCAN, "Segment": 1},
            f"The TotalSegments parameter {MISSED} Segment parameter is present",
        ),
        (
            "Scan",
            {**SCAN, "TotalSegments": 4},
            f"The Segment parameter {MISSED} parameter TotalSegments is present",
        ),
        (
            "Scan",
            {**SCAN, "Segment": 5, "TotalSegments": 5},
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            "Segment: 5 is not less than TotalSegments: 5",
        ),
        (
            "GetItem",
            {**KEY, "AttributesToGet": []},
            broken("attributesToGet", "'[]'", "have length greater than or equal to 1"),
        ),
        ("Scan", {**SCAN, "AttributesToGet": ["a", "b", "a"]}, f"{INVALID}Duplicate value in attribute name: a"),
        (
            "BatchGetItem",
            {"RequestItems": {"Rooms": {**READ, "AttributesToGet": ["b", "b"]}}},
            f"{INVALID}Duplicate value in attribute name: b",
        ),
        (
            "BatchGetItem",
            {"RequestItems": {"Rooms": {"Keys": []}}},
            broken("requestItems.Rooms.member.keys", "'[]'", "have length greater than or equal to 1"),
        ),
        (
            "BatchGetItem",
            {"RequestItems": {"Rooms": {"Keys": READ["Keys"] * 101}}},
            f"{ONE}Value at 'RequestItems.Rooms.member.Keys' failed to satisfy constraint: "
            "Member must have length less than or equal to 100",
        ),
        (
            "BatchGetItem",
            {"RequestItems": {"One": {"Keys": READ["Keys"] * 60}, "Two": {"Keys": READ["Keys"] * 41}}},
            "Too many items requested for the BatchGetItem call",
        ),
        (
            "TransactGetItems",
            {"TransactItems": []},
            broken("transactItems", "'[]'", "have length greater than or equal to 1"),
        ),
        ("TransactWriteItems", {}, broken("transactItems", "'[]'", "have length greater than or equal to 1")),
        (
            "TransactWriteItems",
            {**transact(Put=PUT), "ClientRequestToken": "t" * 37},
            broken("clientRequestToken", f"'{'t' * 37}'", "have length less than or equal to 36"),
        ),
    ],
)
def test_a_number_or_a_length_has_limits(operation: str, members: dict[str, Any], message: str) -> None:
    assert refused(operation, members) == message


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("Query", {**QUERY, "Limit": 1}),
        ("Scan", {**SCAN, "Segment": 0, "TotalSegments": 1}),
        ("Scan", {**SCAN, "Segment": 999_999, "TotalSegments": 1_000_000}),
        ("BatchGetItem", {"RequestItems": {"Rooms": {"Keys": READ["Keys"] * 100}}}),
        ("BatchWriteItem", batch(*[WRITE] * 25)),
        ("TransactWriteItems", {"TransactItems": [{"Put": PUT}] * 100, "ClientRequestToken": "t" * 36}),
        ("TransactGetItems", {"TransactItems": [{"Get": KEY}] * 100}),
        ("UpdateItem", KEY),
        ("PutItem", {**PUT, "ConditionExpression": None, "Expected": None}),
    ],
)
def test_a_request_at_a_limit_is_accepted(operation: str, members: dict[str, Any]) -> None:
    assert refused(operation, members) is None


@pytest.mark.parametrize("writes", [[WRITE] * 26, []], ids=["26", "none"])
def test_a_batch_has_one_to_25_writes(writes: list[dict[str, Any]]) -> None:
    message = str(refused("BatchWriteItem", batch(*writes)))
    assert message.startswith(f"{ONE}Value '{{Rooms=[")
    assert message.endswith(
        "at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length "
        "less than or equal to 25, Member must have length greater than or equal to 1]"
    )


@pytest.mark.parametrize("operation", ["TransactWriteItems", "TransactGetItems"])
def test_a_transaction_has_100_items_at_most(operation: str) -> None:
    message = str(refused(operation, {"TransactItems": [{"Put": PUT}] * 101}))
    assert message.startswith(f"{ONE}Value '[com.amazonaws.dynamodb.v20120810.Transact")
    assert message.endswith(
        "at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100"
    )
