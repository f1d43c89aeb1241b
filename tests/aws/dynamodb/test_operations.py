"""The data plane as a whole: one item at a time, its ReturnValues, and nothing but refusals for any request."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sessionplugin.aws.dynamodb.operations import OPERATIONS, DataPlane
from pytest_sessionplugin.aws.dynamodb.store import Store
from pytest_sessionplugin.aws.dynamodb.values import Refusal
from tests.aws.dynamodb.memory import Memory, answered, filled, item, on_local, one_key, stored, two_keys

KEY = item(pk="a")
OLD = {**KEY, **item(a=1, b={"c": 2, "d": 3}, e=[4, 5, 6])}
ROOMS = {"TableName": "Rooms"}
SET = {"UpdateExpression": "SET a = :n, b.c = :n", "ExpressionAttributeValues": item(**{":n": 9})}
NEW = {**OLD, **item(a=9, b={"c": 9, "d": 3})}


def rooms() -> Memory:
    return filled(one_key(), [OLD])


# --- reads


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, OLD),
        ({"ProjectionExpression": "b.c, e[1], e[0], nowhere"}, item(b={"c": 2}, e=[4, 5])),
        ({"ProjectionExpression": "#k", "ExpressionAttributeNames": {"#k": "pk"}}, KEY),
        ({"ProjectionExpression": "nowhere"}, {}),
        ({"AttributesToGet": ["a", "nowhere"]}, item(a=1)),
        ({"ConsistentRead": True}, OLD),
    ],
)
def test_an_item_is_read_whole_or_in_parts(members: dict[str, Any], expected: Any) -> None:
    assert answered(rooms(), "GetItem", **ROOMS, Key=KEY, **members) == {"Item": expected}


def test_an_item_that_is_not_there_is_an_empty_answer() -> None:
    assert answered(rooms(), "GetItem", **ROOMS, Key=item(pk="b")) == {}


# --- ReturnValues


@pytest.mark.parametrize(
    ("operation", "members", "mode", "expected"),
    [
        ("PutItem", {"Item": KEY}, "ALL_OLD", OLD),
        ("PutItem", {"Item": KEY}, "NONE", None),
        ("PutItem", {"Item": KEY}, None, None),
        ("PutItem", {"Item": item(pk="b")}, "ALL_OLD", None),
        ("DeleteItem", {"Key": KEY}, "ALL_OLD", OLD),
        ("DeleteItem", {"Key": KEY}, None, None),
        ("DeleteItem", {"Key": item(pk="b")}, "ALL_OLD", None),
        ("UpdateItem", {"Key": KEY, **SET}, "ALL_OLD", OLD),
        ("UpdateItem", {"Key": KEY, **SET}, "ALL_NEW", NEW),
        ("UpdateItem", {"Key": KEY, **SET}, "UPDATED_OLD", item(a=1, b={"c": 2})),
        ("UpdateItem", {"Key": KEY, **SET}, "UPDATED_NEW", item(a=9, b={"c": 9})),
        ("UpdateItem", {"Key": KEY, **SET}, "NONE", None),
        ("UpdateItem", {"Key": KEY, "UpdateExpression": "REMOVE a"}, "UPDATED_OLD", item(a=1)),
        ("UpdateItem", {"Key": KEY, "UpdateExpression": "REMOVE a"}, "UPDATED_NEW", None),
        ("UpdateItem", {"Key": KEY, "AttributeUpdates": {"a": {"Value": {"N": "9"}}}}, "UPDATED_NEW", item(a=9)),
        ("UpdateItem", {"Key": item(pk="b")}, "ALL_NEW", item(pk="b")),
        ("UpdateItem", {"Key": item(pk="b")}, "ALL_OLD", None),
    ],
)
def test_a_write_gives_back_what_it_is_asked_for(
    operation: str, members: dict[str, Any], mode: str | None, expected: Any
) -> None:
    answer = answered(rooms(), operation, **ROOMS, **members, ReturnValues=mode)
    assert answer == ({"Attributes": expected} if expected is not None else {})


@pytest.mark.parametrize("operation", ["PutItem", "DeleteItem"])
@pytest.mark.parametrize("mode", ["ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"])
def test_only_an_update_gives_back_parts_and_the_new_item(operation: str, mode: str) -> None:
    members = {"Item": KEY} if operation == "PutItem" else {"Key": KEY}
    tables = rooms()
    answer = answered(tables, operation, **ROOMS, **members, ReturnValues=mode)
    assert answer["refused"] == ("ValidationException", "ReturnValues can only be ALL_OLD or NONE")
    assert stored(tables, "Rooms") == [OLD]


# --- metrics


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("PutItem", {"Item": item(pk="a", sk="1", b=1)}),
        ("DeleteItem", {"Key": item(pk="a", sk="1")}),
        ("UpdateItem", {"Key": item(pk="a", sk="1")}),
    ],
)
@pytest.mark.parametrize(("is_local", "mode"), [(True, "SIZE"), (True, "NONE"), (False, "SIZE")])
def test_metrics_are_those_of_a_table_with_a_local_index(
    operation: str, members: dict[str, Any], is_local: bool, mode: str
) -> None:
    indexes = {"byTime": on_local("byTime", "time")} if is_local else {}
    tables = filled(two_keys("T", indexes, time="N"), [item(pk="a", sk="1")])
    answer = answered(tables, operation, TableName="T", ReturnItemCollectionMetrics=mode, **members)
    metrics = {"ItemCollectionKey": KEY, "SizeEstimateRangeGB": [0.0, 1.0]}
    assert answer == ({"ItemCollectionMetrics": metrics} if is_local and mode == "SIZE" else {})


# --- the plane


def test_a_read_may_see_other_tables_than_a_write() -> None:
    tables, past = rooms(), Memory(one_key())
    plane = DataPlane(tables, lambda: 0.0)
    assert plane.answer("GetItem", {**ROOMS, "Key": KEY}, past).members == {}
    assert plane.answer("GetItem", {**ROOMS, "Key": KEY}).members == {"Item": OLD}


def test_a_stored_item_is_never_changed_by_a_later_write() -> None:
    tables = rooms()
    before: Store = tables.store("Rooms").copy()
    answered(tables, "UpdateItem", **ROOMS, Key=KEY, **SET)
    assert [row.item for row in before.rows] == [OLD]
    assert stored(tables, "Rooms") == [NEW]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "a", "1", "Rooms", "pk", ":a", "pk = :a"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["S", "N", "SS", "M", "pk", ":a", "#a", "Rooms", "Keys", "Key", "Item", "TableName", "Put"])
            | st.sampled_from(["Get", "Update", "PutRequest", "DeleteRequest", "Value", "Action", "ComparisonOperator"])
            | st.sampled_from(["AttributeValueList", "Exists", "ConditionExpression", "UpdateExpression"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
MEMBERS = st.dictionaries(
    st.sampled_from(
        [
            *("Key", "Item", "ExclusiveStartKey", "Limit", "Segment", "TotalSegments", "Select", "ReturnValues"),
            *("KeyConditionExpression", "FilterExpression", "UpdateExpression", "ProjectionExpression"),
            *("ExpressionAttributeNames", "ExpressionAttributeValues", "ConditionExpression", "AttributesToGet"),
            *("KeyConditions", "QueryFilter", "ScanFilter", "Expected", "AttributeUpdates", "RequestItems"),
            *("TransactItems", "ClientRequestToken", "ConsistentRead", "IndexName", "ConditionalOperator"),
        ]
    ),
    JSON,
    max_size=4,
)


@pytest.mark.slow
@pytest.mark.parametrize("operation", [each for each in OPERATIONS if "Execute" not in each])
@settings(max_examples=150, deadline=None)
@given(members=MEMBERS)
def test_any_json_is_answered_or_refused(operation: str, members: dict[str, Any]) -> None:
    with suppress(Refusal):
        DataPlane(rooms(), lambda: 0.0).answer(operation, {**ROOMS, **members})
