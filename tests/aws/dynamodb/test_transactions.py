"""Transactions: which faults refuse the whole, and which have a reason in their place.

Words: nubo-db/dynamodb-conformance and facts of nubo-db/dynoxide, recorded from DynamoDB.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.operations import DataPlane
from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal
from tests.aws.dynamodb.memory import Memory, answered, filled, item, on_global, stored, two_keys

INVALID = "One or more parameter values were invalid: "
MISMATCH = "The provided key element does not match the schema"
NOT_VALID = "One or more parameter values are not valid. "
EMPTY = "The AttributeValue for a key attribute cannot contain an empty string value."
FAILED = "The conditional request failed"
TWICE = "Transaction request cannot include multiple operations on one item"
TOO_LARGE = "Item size has exceeded the maximum allowed size"
LARGE = "x" * 390 * 1024

DEFINITION = two_keys("T", {"byKind": on_global("byKind", "kind")}, kind="S")
A, B, C = (item(pk="a", sk=sk) for sk in "123")
THERE = {**A, **item(a="text")}


def tables() -> Memory:
    return filled(DEFINITION, [THERE, B])


def entry(action: str, **asked: Any) -> dict[str, Any]:
    return {action: {"TableName": "T", **asked}}


def put(value: Item, **asked: Any) -> dict[str, Any]:
    return entry("Put", Item=value, **asked)


def update(key: Item, expression: str, **values: Any) -> dict[str, Any]:
    held = item(**{f":{name}": value for name, value in values.items()})
    return entry(
        "Update", Key=key, UpdateExpression=expression, **({"ExpressionAttributeValues": held} if held else {})
    )


def check(key: Item, condition: str, **asked: Any) -> dict[str, Any]:
    return entry("ConditionCheck", Key=key, ConditionExpression=condition, **asked)


EXISTS, MISSING = "attribute_exists(pk)", "attribute_not_exists(pk)"
FINE = put(C)


def refusal(there: Memory, operation: str, *entries: dict[str, Any]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        DataPlane(there, lambda: 0.0).answer(operation, {"TransactItems": list(entries)})
    return refused.value


# --- what is done


def test_all_actions_of_a_transaction_are_done() -> None:
    checked = item(pk="b", sk="1")
    there = filled(DEFINITION, [THERE, B, checked])
    answer = answered(
        there,
        "TransactWriteItems",
        TransactItems=[
            put(C),
            entry("Delete", Key=B),
            update(A, "SET a = :a", a=1),
            check(checked, EXISTS),
            check(item(pk="c", sk="1"), MISSING),
        ],
    )
    assert (answer, stored(there, "T")) == ({}, [{**A, **item(a=1)}, C, checked])
    assert len(there.changes) == 3, "a check writes nothing"


def test_reads_of_a_transaction_are_in_their_places() -> None:
    entries = [entry("Get", Key=key, ProjectionExpression="a, sk") for key in (B, C, A)]
    answer = answered(tables(), "TransactGetItems", TransactItems=entries)
    assert answer == {"Responses": [{"Item": item(sk="2")}, {}, {"Item": item(a="text", sk="1")}]}


def test_a_read_whose_projection_finds_nothing_has_no_item() -> None:
    entries = [entry("Get", Key=A, ProjectionExpression="nowhere")]
    assert answered(tables(), "TransactGetItems", TransactItems=entries) == {"Responses": [{}]}


# --- reasons


@pytest.mark.parametrize(
    ("bad", "code", "message"),
    [
        (check(A, MISSING), "ConditionalCheckFailed", FAILED),
        (check(item(pk="b", sk="1"), EXISTS), "ConditionalCheckFailed", FAILED),
        (put(A, ConditionExpression=MISSING), "ConditionalCheckFailed", FAILED),
        (entry("Delete", Key=A, ConditionExpression=MISSING), "ConditionalCheckFailed", FAILED),
        (
            update(A, "SET a = a + :one", one=1),
            "ValidationError",
            "An operand in the update expression has an incorrect data type",
        ),
        (
            update(A, "SET b = nowhere"),
            "ValidationError",
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        (
            update(A, "SET a.b = :one", one=1),
            "ValidationError",
            "The document path provided in the update expression is invalid for update",
        ),
        (
            update(A, "SET pk = :one", one=1),
            "ValidationError",
            f"{INVALID}Cannot update attribute pk. This attribute is part of the key",
        ),
        (
            update(A, "SET b = :large", large="x" * 410_000),
            "ValidationError",
            "Item size to update has exceeded the maximum allowed size",
        ),
        (
            update(A, "SET kind = :one", one=1),
            "ValidationError",
            f"{INVALID}Type mismatch for Index Key kind Expected: S Actual: N IndexName: byKind",
        ),
        (update(item(pk="a"), "SET b = :one", one=1), "ValidationError", MISMATCH),
        (put(item(pk="a")), "ValidationError", f"{INVALID}Missing the key sk in the item"),
        (put(item(pk="a", sk=1)), "ValidationError", f"{INVALID}Type mismatch for key sk expected: S actual: N"),
        (
            put({**A, "kind": {"N": "1"}}),
            "ValidationError",
            f"{INVALID}Type mismatch for Index Key kind Expected: S Actual: N IndexName: byKind",
        ),
        (entry("Delete", Key=item(pk=1, sk="1")), "ValidationError", MISMATCH),
        (check(item(pk="a", sk="1", more=1), EXISTS), "ValidationError", MISMATCH),
        (
            entry("Delete", Key=item(pk="a" * 2049, sk="1")),
            "ValidationError",
            f"{INVALID}Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_fault_of_an_item_is_a_reason_in_its_place(bad: dict[str, Any], code: str, message: str, place: int) -> None:
    there = tables()
    found = refusal(there, "TransactWriteItems", *[[bad, FINE], [FINE, bad]][place])
    reasons: list[dict[str, Any]] = [{"Code": "None"}]
    reasons.insert(place, {"Code": code, "Message": message})
    codes = ", ".join(reason["Code"] for reason in reasons)
    assert (found.code, found.members) == ("TransactionCanceledException", {"CancellationReasons": reasons})
    assert found.message == f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    assert (stored(there, "T"), there.changes) == ([THERE, B], [])


def test_all_faults_are_reported_together() -> None:
    found = refusal(tables(), "TransactWriteItems", check(A, MISSING), FINE, check(B, MISSING))
    assert [reason["Code"] for reason in found.members["CancellationReasons"]] == [
        "ConditionalCheckFailed",
        "None",
        "ConditionalCheckFailed",
    ]


@pytest.mark.parametrize(
    ("key", "condition", "mode", "shown"),
    [
        (A, MISSING, "ALL_OLD", THERE),
        (A, MISSING, "NONE", None),
        (A, MISSING, None, None),
        (C, EXISTS, "ALL_OLD", None),
    ],
    ids=["the item", "nothing for NONE", "nothing unless asked", "nothing if nothing is there"],
)
@pytest.mark.parametrize("action", ["ConditionCheck", "Delete", "Update", "Put"])
def test_a_reason_shows_the_item_if_it_is_asked_for(
    action: str, key: Item, condition: str, mode: str | None, shown: Item | None
) -> None:
    asked = {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": mode}
    of_action: dict[str, dict[str, Any]] = {
        "Put": {"Item": key},
        "Update": {"Key": key, "UpdateExpression": "REMOVE a"},
    }
    found = refusal(tables(), "TransactWriteItems", entry(action, **of_action.get(action, {"Key": key}), **asked))
    assert found.members["CancellationReasons"][0].get("Item") == shown


@pytest.mark.parametrize("key", [{}, item(pk="a"), item(pk=1, sk="1"), item(pk="", sk="1")])
def test_a_wrong_key_of_a_read_is_a_reason_even_if_it_is_empty(key: Item) -> None:
    found = refusal(tables(), "TransactGetItems", entry("Get", Key=A), entry("Get", Key=key))
    assert [reason["Code"] for reason in found.members["CancellationReasons"]] == ["None", "ValidationError"]


# --- refusals of the whole


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (put(C, ConditionExpression=MISSING), TWICE),
        (check(C, MISSING), TWICE),
        (update({"pk": {"S": "a"}, "sk": {"S": "3"}}, "REMOVE a"), TWICE),
        (put({**A, "text": {"S": "x" * 410_000}}), TOO_LARGE),
        (
            put(item(pk="", sk="1")),
            f"{NOT_VALID}{EMPTY} Key: pk",
        ),
        (
            entry("Delete", Key=item(pk="a", sk="")),
            f"{NOT_VALID}{EMPTY} Key: sk",
        ),
        (
            put({**A, "kind": {"S": ""}}),
            f"{NOT_VALID}A value specified for a secondary index key is not supported. {EMPTY} "
            "IndexName: byKind, IndexKey: kind",
        ),
        (
            update(A, "SET kind = :no", no=""),
            f"{NOT_VALID}The update expression attempted to update a secondary index key to a value that is not "
            f"supported. {EMPTY}",
        ),
        (check(A, ""), "Invalid ConditionExpression: The expression can not be empty;"),
        (
            update(A, "SET b = :b"),
            "Invalid UpdateExpression: An expression attribute value used in expression is not defined; "
            "attribute value: :b",
        ),
        (
            update(A, "SET b = :b", b=1, c=2),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:c}",
        ),
        (
            put(A, ConditionExpression=MISSING, ExpressionAttributeNames={"#a": "a"}),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}",
        ),
    ],
)
def test_a_fault_of_the_request_refuses_the_whole(bad: dict[str, Any], message: str) -> None:
    there = tables()
    found = refusal(there, "TransactWriteItems", FINE, bad)
    assert (found.code, found.message, found.members) == ("ValidationException", message, {})
    assert (stored(there, "T"), there.changes) == ([THERE, B], [])


@pytest.mark.parametrize("operation", ["TransactWriteItems", "TransactGetItems"])
def test_a_table_that_is_not_there_refuses_the_whole(operation: str) -> None:
    action = "Get" if operation == "TransactGetItems" else "Delete"
    found = refusal(tables(), operation, entry(action, Key=A), {action: {"TableName": "None", "Key": A}})
    assert (found.code, found.message) == ("ResourceNotFoundException", "Requested resource not found")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("Get", Key=A), entry("Get", Key=A)], TWICE),
        (
            [entry("Get", Key=A, ProjectionExpression="!!")],
            'Invalid ProjectionExpression: Syntax error; token: "!", near: "!!"',
        ),
    ],
)
def test_reads_are_refused_as_a_whole(entries: list[dict[str, Any]], message: str) -> None:
    found = refusal(tables(), "TransactGetItems", *entries)
    assert (found.code, found.message) == ("ValidationException", message)


# --- 4 MB


@pytest.mark.parametrize(("count", "is_refused"), [(10, False), (11, True)])
def test_a_transaction_has_4_mb_at_most(count: int, is_refused: bool) -> None:
    rows = [item(pk="b", sk=f"{at:02}", text=LARGE) for at in range(count)]
    keys = [{name: row[name] for name in ("pk", "sk")} for row in rows]
    writes = answered(Memory(DEFINITION), "TransactWriteItems", TransactItems=[put(row) for row in rows])
    reads = answered(
        filled(DEFINITION, rows), "TransactGetItems", TransactItems=[entry("Get", Key=key) for key in keys]
    )
    assert ["refused" in each for each in (writes, reads)] == [is_refused, is_refused]
