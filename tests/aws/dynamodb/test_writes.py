"""Writes of one item: keys against the schema, sizes, conditions, and the item that comes of it.

Words: nubo-db/dynamodb-conformance, the tests of mhart/dynalite and facts of nubo-db/dynoxide, recorded from DynamoDB.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.operations import DataPlane
from pytest_sessionplugin.aws.dynamodb.store import Definition, Index
from pytest_sessionplugin.aws.dynamodb.values import Refusal, item_size
from tests.aws.dynamodb.memory import Memory, answered, filled, item, on_global, on_local, stored, two_keys

INVALID = "One or more parameter values were invalid: "
NOT_VALID = "One or more parameter values are not valid. "
MISMATCH = "The provided key element does not match the schema"
EMPTY_INDEX = (
    f"{NOT_VALID}A value specified for a secondary index key is not supported. "
    "The AttributeValue for a key attribute cannot contain an empty"
)
SCALARS = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed:"
EMPTY = f"{NOT_VALID}The AttributeValue for a key attribute cannot contain an empty"
LONG_PARTITION = f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes"
LONG_SORT = f"{INVALID}Aggregated size of all range keys has exceeded the size limit of 1024 bytes"
TOO_LARGE = "Item size has exceeded the maximum allowed size"
FAILED = ("ConditionalCheckFailedException", "The conditional request failed")

INDEXES = {"byTime": on_global("byTime", "room", "time"), "byPhoto": on_local("byPhoto", "photo")}
DEFINITION = two_keys("T", INDEXES, room="S", time="N", photo="B")
OTHER = Definition("T", {"pk": "N", "sk": "B"}, Index("", ("pk",), ("sk",)), {})
KEY = item(pk="a", sk="1")
SET_A = {"UpdateExpression": "SET a = :a", "ExpressionAttributeValues": item(**{":a": 1})}
ITEM = {**KEY, **item(a=0, tags={"x"})}


def refused(operation: str, definition: Definition = DEFINITION, **members: Any) -> str | None:
    """The message of a ValidationException; None if the request is accepted."""
    answer = answered(Memory(definition), operation, TableName="T", **members)
    found: tuple[str | None, str | None] = answer.get("refused", (None, None))
    assert found[0] in (None, "ValidationException")
    return found[1]


# --- keys against the schema


@pytest.mark.parametrize("operation", ["GetItem", "DeleteItem", "UpdateItem"])
@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({}, MISMATCH),
        (item(pk="a"), MISMATCH),
        (item(sk="1"), MISMATCH),
        (item(pk="a", sk="1", more=1), MISMATCH),
        (item(pk="a", other="1"), MISMATCH),
        (item(pk=1, sk="1"), MISMATCH),
        (item(pk="a", sk=1), MISMATCH),
        (item(pk={"a"}, sk="1"), MISMATCH),
        (item(pk=True, sk="1"), MISMATCH),
        (item(pk=["a"], sk={}), MISMATCH),
        (item(pk="", sk="1"), f"{EMPTY} string value. Key: pk"),
        (item(pk="a", sk=""), f"{EMPTY} string value. Key: sk"),
        (item(pk="a" * 2048, sk="1" * 1024), None),
        (item(pk="a" * 2049, sk="1"), LONG_PARTITION),
        (item(pk="é" * 1025, sk="1"), LONG_PARTITION),
        (item(pk="a", sk="1" * 1025), LONG_SORT),
    ],
    ids=[
        "no key",
        "no sort key",
        "no partition key",
        "one more attribute",
        "another attribute",
        "a number for a text",
        "a number for a text of the sort key",
        "a set",
        "a boolean",
        "documents",
        "an empty partition key",
        "an empty sort key",
        "keys of 2,048 and 1,024 bytes are accepted",
        "a partition key of 2,049 bytes",
        "bytes of UTF-8 count",
        "a sort key of 1,025 bytes",
    ],
)
def test_a_key_has_the_attributes_and_types_of_the_schema(operation: str, key: Any, message: str | None) -> None:
    assert refused(operation, Key=key) == message


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, f"{INVALID}Missing the key pk in the item"),
        (item(pk="a"), f"{INVALID}Missing the key sk in the item"),
        (item(pk=1, sk="1"), f"{INVALID}Type mismatch for key pk expected: S actual: N"),
        (item(pk="a", sk=None), f"{INVALID}Type mismatch for key sk expected: S actual: NULL"),
        (item(pk="a", sk=["1"]), f"{INVALID}Type mismatch for key sk expected: S actual: L"),
        (item(pk="", sk="1"), f"{EMPTY} string value. Key: pk"),
        (item(pk="a", sk="1" * 1025), LONG_SORT),
        (item(pk="a" * 2049, sk="1"), LONG_PARTITION),
        (
            item(pk="a", sk="1", room=""),
            f"{EMPTY_INDEX} string value. IndexName: byTime, IndexKey: room",
        ),
        (
            {**KEY, "photo": {"B": ""}},
            f"{EMPTY_INDEX} binary value. IndexName: byPhoto, IndexKey: photo",
        ),
        (
            item(pk="a", sk="1", room=1),
            f"{INVALID}Type mismatch for Index Key room Expected: S Actual: N IndexName: byTime",
        ),
        (
            item(pk="a", sk="1", time="1"),
            f"{INVALID}Type mismatch for Index Key time Expected: N Actual: S IndexName: byTime",
        ),
        (
            item(pk="a", sk="1", time="1", photo="1"),
            f"{INVALID}Type mismatch for Index Key photo Expected: B Actual: S IndexName: byPhoto",
        ),
        (item(pk="a", sk="1", room="r"), None),
    ],
)
def test_an_item_has_the_keys_of_the_table_and_none_of_another_type_for_an_index(value: Any, message: str) -> None:
    assert refused("PutItem", Item=value) == message


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ({"pk": {"N": "1"}, "sk": {"B": "YQ=="}}, None),
        ({"pk": {"N": "1"}, "sk": {"B": ""}}, f"{EMPTY} binary value. Key: sk"),
        ({"pk": {"S": "1"}, "sk": {"B": "YQ=="}}, MISMATCH),
        ({"pk": {"N": "1"}, "sk": {"S": "YQ=="}}, MISMATCH),
    ],
)
def test_keys_may_be_numbers_and_binary(key: Any, message: str | None) -> None:
    assert refused("DeleteItem", OTHER, Key=key) == message


# --- sizes


def padded(size: int, **more: Any) -> dict[str, Any]:
    """An item of so many bytes."""
    start = {**KEY, **item(**more), "text": {"S": ""}}
    return {**start, "text": {"S": "x" * (size - item_size(start))}}


@pytest.mark.parametrize(("size", "message"), [(400 * 1024, None), (400 * 1024 + 1, TOO_LARGE)])
def test_an_item_has_400_kb_at_most(size: int, message: str | None) -> None:
    assert refused("PutItem", Item=padded(size)) == message


def test_the_size_of_an_item_is_checked_before_its_table_is_looked_for() -> None:
    assert answered(Memory(), "PutItem", TableName="None", Item=padded(500_000))["refused"][1] == TOO_LARGE


def test_an_update_makes_no_item_of_more_than_400_kb() -> None:
    tables = filled(DEFINITION, [padded(300 * 1024)])
    values = {":a": {"S": "x" * 200 * 1024}}
    update = {"UpdateExpression": "SET a = :a", "ExpressionAttributeValues": values}
    refusal = answered(tables, "UpdateItem", TableName="T", Key=KEY, **update)["refused"]
    assert refusal == ("ValidationException", "Item size to update has exceeded the maximum allowed size")
    assert stored(tables, "T") == [padded(300 * 1024)]


# --- updates


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"UpdateExpression": "SET pk = :a"},
            f"{INVALID}Cannot update attribute pk. This attribute is part of the key",
        ),
        (
            {"UpdateExpression": "SET sk = :a"},
            f"{INVALID}Cannot update attribute sk. This attribute is part of the key",
        ),
        (
            {"UpdateExpression": "SET room = :a"},
            f"{INVALID}Type mismatch for Index Key room Expected: S Actual: N IndexName: byTime",
        ),
        (
            {"UpdateExpression": "SET room.b = :a"},
            f"{SCALARS} IndexKey: room",
        ),
        (
            {"UpdateExpression": "SET b = :a", "ConditionExpression": "pk.a = :a"},
            f"{SCALARS} Key: pk",
        ),
    ],
)
def test_an_update_leaves_keys_as_they_are(members: dict[str, Any], message: str) -> None:
    assert refused("UpdateItem", Key=KEY, ExpressionAttributeValues=item(**{":a": 1}), **members) == message


@pytest.mark.parametrize(("value", "kind"), [({"S": ""}, "string"), ({"B": ""}, "binary")])
def test_an_update_to_an_empty_key_of_an_index_has_words_of_its_own(value: dict[str, str], kind: str) -> None:
    name = "room" if kind == "string" else "photo"
    found = refused("UpdateItem", Key=KEY, UpdateExpression=f"SET {name} = :a", ExpressionAttributeValues={":a": value})
    assert found == (
        f"{NOT_VALID}The update expression attempted to update a secondary index key to a value that is not "
        f"supported. The AttributeValue for a key attribute cannot contain an empty {kind} value."
    )


def test_an_update_does_not_check_a_key_of_an_index_that_it_leaves_as_it_was() -> None:
    tables = filled(DEFINITION, [{**KEY, "room": {"N": "1"}}])  # as if the index had come later
    assert "refused" not in answered(tables, "UpdateItem", TableName="T", Key=KEY, **SET_A)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, KEY),
        (SET_A, {**KEY, **item(a=1)}),
        ({"UpdateExpression": "REMOVE a"}, KEY),
        ({"AttributeUpdates": {"a": {"Value": {"N": "1"}}}}, {**KEY, **item(a=1)}),
        ({"AttributeUpdates": {"a": {"Action": "ADD", "Value": {"N": "1"}}}}, {**KEY, **item(a=1)}),
        ({"AttributeUpdates": {"a": {"Action": "DELETE"}}}, None),
        ({"AttributeUpdates": {}}, KEY),
    ],
    ids=[
        "without an expression",
        "with SET",
        "with REMOVE",
        "with a legacy PUT",
        "with a legacy ADD",
        "not with a legacy DELETE",
        "with empty AttributeUpdates",
    ],
)
def test_an_update_makes_an_item_that_is_not_there(members: dict[str, Any], expected: Any) -> None:
    tables = Memory(DEFINITION)
    assert answered(tables, "UpdateItem", TableName="T", Key=KEY, **members) == {}
    assert stored(tables, "T") == ([expected] if expected else [])


# --- conditions


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("PutItem", {"Item": {**KEY, **item(a=5)}}),
        ("DeleteItem", {"Key": KEY}),
        ("UpdateItem", {"Key": KEY, **SET_A}),
    ],
)
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_condition_decides_whether_anything_is_written(
    operation: str, members: dict[str, Any], there: bool, wanted: bool
) -> None:
    tables = filled(DEFINITION, [ITEM] if there else [])
    condition = "attribute_exists(pk)" if wanted else "attribute_not_exists(pk)"
    answer = answered(tables, operation, TableName="T", ConditionExpression=condition, **members)
    assert ("refused" not in answer) == (there == wanted)
    if there != wanted:
        assert answer["refused"] == FAILED
        assert (stored(tables, "T"), tables.changes) == ([ITEM] if there else [], [])


@pytest.mark.parametrize(
    ("there", "mode", "shown"),
    [(True, "ALL_OLD", {"Item": ITEM}), (True, "NONE", {}), (True, None, {}), (False, "ALL_OLD", {})],
    ids=["the item", "nothing for NONE", "nothing unless asked", "nothing if nothing is there"],
)
@pytest.mark.parametrize("operation", ["PutItem", "DeleteItem", "UpdateItem"])
def test_a_failed_condition_shows_the_item_if_it_is_asked_for(
    operation: str, there: bool, mode: str | None, shown: dict[str, Any]
) -> None:
    tables = filled(DEFINITION, [ITEM] if there else [])
    members = {"Item": ITEM} if operation == "PutItem" else {"Key": KEY}
    asked = {"TableName": "T", "ConditionExpression": "size(pk) = sk", "ReturnValuesOnConditionCheckFailure": mode}
    with pytest.raises(Refusal) as refusal:
        DataPlane(tables, lambda: 0.0).answer(operation, {**asked, **members})
    assert (refusal.value.code, refusal.value.members) == (FAILED[0], shown)


@pytest.mark.parametrize(
    ("operation", "members", "first"),
    [
        (
            "PutItem",
            {"Item": KEY, "ConditionExpression": ""},
            "Invalid ConditionExpression: The expression can not be empty;",
        ),
        ("DeleteItem", {"Key": KEY, "ConditionExpression": "a ="}, "Invalid ConditionExpression: Syntax error;"),
        (
            "UpdateItem",
            {"Key": KEY, "UpdateExpression": "SET a = :b"},
            "Invalid UpdateExpression: An expression attribute value",
        ),
        (
            "UpdateItem",
            {"Key": KEY, **SET_A, "ExpressionAttributeNames": {"#n": "n"}},
            "Value provided in ExpressionAttributeNames unused",
        ),
        (
            "GetItem",
            {"Key": KEY, "ProjectionExpression": "a, a"},
            "Invalid ProjectionExpression: Two document paths overlap",
        ),
        ("PutItem", {"Item": KEY, "ReturnValues": "ALL_NEW"}, "ReturnValues can only be ALL_OLD or NONE"),
        ("PutItem", {"Item": KEY}, "Requested resource not found"),
        ("GetItem", {"Key": {}}, "Requested resource not found"),
        ("DeleteItem", {"Key": item(pk=1)}, "Requested resource not found"),
        ("UpdateItem", {"Key": {}}, "Requested resource not found"),
    ],
)
def test_expressions_are_read_before_the_table_is_looked_for_and_keys_are_checked_after(
    operation: str, members: dict[str, Any], first: str
) -> None:
    assert answered(Memory(), operation, TableName="None", **members)["refused"][1].startswith(first)
