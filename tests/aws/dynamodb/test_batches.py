"""Batches and transactions: all or nothing, a reason for each item in its place, and tokens for ten minutes.

Words: nubo-db/dynamodb-conformance, the tests of mhart/dynalite and facts of nubo-db/dynoxide, recorded from DynamoDB.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb import batches
from pytest_sessionplugin.aws.dynamodb.batches import REMEMBERED, Transactions, first_apart
from pytest_sessionplugin.aws.dynamodb.capacity import Outcome
from pytest_sessionplugin.aws.dynamodb.operations import DataPlane
from pytest_sessionplugin.aws.dynamodb.values import Item, Refusal
from tests.aws.dynamodb.memory import Memory, answered, filled, item, on_global, on_local, one_key, stored, two_keys

INVALID = "One or more parameter values were invalid: "
MISMATCH = "The provided key element does not match the schema"
EMPTY = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty"
TWICE = "Provided list of item keys contains duplicates"
MISSING = ("ResourceNotFoundException", "Requested resource not found")
VALIDATION = "ValidationException"
LARGE = "x" * 390 * 1024

INDEXES = {"byKind": on_global("byKind", "kind"), "byTime": on_local("byTime", "time")}
DEFINITION = two_keys("T", INDEXES, kind="S", time="N")
A, B, C = (item(pk="a", sk=sk) for sk in "123")


def tables(*rows: Item) -> Memory:
    return filled(DEFINITION, rows)


def put(value: Item) -> dict[str, Any]:
    return {"PutRequest": {"Item": value}}


def delete(key: Item) -> dict[str, Any]:
    return {"DeleteRequest": {"Key": key}}


def write(there: Memory, *writes: dict[str, Any], **members: Any) -> dict[str, Any]:
    return answered(there, "BatchWriteItem", RequestItems={"T": list(writes)}, **members)


def read(there: Memory, *keys: Item, **members: Any) -> dict[str, Any]:
    return answered(there, "BatchGetItem", RequestItems={"T": {"Keys": list(keys), **members}})


# --- batches of writes


def test_a_batch_writes_all_its_items() -> None:
    there = tables(A, B)
    answer = write(there, put({**A, **item(a=1)}), delete(B), put(C), delete(item(pk="none", sk="1")))
    assert (answer, stored(there, "T")) == ({"UnprocessedItems": {}}, [{**A, **item(a=1)}, C])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (put({}), MISMATCH),
        (put(item(pk="a")), MISMATCH),
        (put(item(pk=1, sk="1")), MISMATCH),
        (put(item(pk="a", sk=["1"])), MISMATCH),
        (put(item(pk="", sk="1")), f"{EMPTY} string value. Key: pk"),
        (
            put({**B, "kind": {"N": "1"}}),
            f"{INVALID}Type mismatch for Index Key kind Expected: S Actual: N IndexName: byKind",
        ),
        (put({**B, "text": {"S": "x" * 410_000}}), "Item size has exceeded the maximum allowed size"),
        (
            put(item(pk="a", sk="1" * 1025)),
            f"{INVALID}Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        ),
        (delete(item(pk="a")), MISMATCH),
        (delete(item(pk="a", sk=1)), MISMATCH),
        (delete(item(pk="a", sk="1", more="1")), MISMATCH),
        (delete(item(pk="a", sk="")), f"{EMPTY} string value. Key: sk"),
        (put(C), TWICE),
        (delete(C), TWICE),
    ],
)
def test_a_bad_write_leaves_nothing_of_its_batch(bad: dict[str, Any], message: str) -> None:
    there = tables(A)
    answer = write(there, put(C), delete(A), bad)
    assert (answer["refused"], stored(there, "T"), there.changes) == ((VALIDATION, message), [A], [])


def test_one_number_in_two_spellings_is_the_same_key() -> None:
    there = Memory(one_key("T", kind="N"))
    assert write(there, put({"pk": {"N": "1"}}), put({"pk": {"N": "1.0"}}))["refused"] == (VALIDATION, TWICE)


def test_a_table_that_is_not_there_leaves_nothing_in_the_others() -> None:
    there = tables()
    answer = answered(there, "BatchWriteItem", RequestItems={"T": [put(A)], "None": [put(A)]})
    assert (answer["refused"], stored(there, "T")) == (MISSING, [])


# --- batches of reads


def test_a_batch_gives_the_items_that_are_there() -> None:
    there = tables({**A, **item(a=1, b=[1, 2])}, B)
    assert read(there, B, C, A)["Responses"] == {"T": [B, {**A, **item(a=1, b=[1, 2])}]}
    assert read(there, A, ProjectionExpression="b[1], sk")["Responses"] == {"T": [item(b=[2], sk="1")]}
    assert read(there, A, AttributesToGet=["a"])["Responses"] == {"T": [item(a=1)]}


@pytest.mark.parametrize(
    ("keys", "members", "message"),
    [
        ([A, B, A], {}, TWICE),
        ([A, item(pk="a")], {}, MISMATCH),
        ([item(pk=1, sk="1")], {}, MISMATCH),
        ([item(pk="", sk="1")], {}, f"{EMPTY} string value. Key: pk"),
        ([A], {"ProjectionExpression": ""}, "Invalid ProjectionExpression: The expression can not be empty;"),
        (
            [A],
            {"ProjectionExpression": "pk.a"},
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk",
        ),
        (
            [A],
            {"ProjectionExpression": "a", "ExpressionAttributeNames": {"#a": "a"}},
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}",
        ),
    ],
)
def test_a_batch_of_reads_is_refused(keys: list[Item], members: dict[str, Any], message: str) -> None:
    assert read(tables(A), *keys, **members)["refused"] == (VALIDATION, message)


def test_an_expression_is_read_before_its_table_is_looked_for() -> None:
    asked = {"None": {"Keys": [A], "ProjectionExpression": "!"}}
    assert answered(tables(), "BatchGetItem", RequestItems=asked)["refused"][0] == VALIDATION
    assert answered(tables(), "BatchGetItem", RequestItems={"None": {"Keys": [A]}})["refused"] == MISSING


def test_16_mb_are_given_and_the_other_keys_given_back() -> None:
    rows = [item(pk="a", sk=f"{at:02}", text=LARGE) for at in range(50)]
    keys = [{name: row[name] for name in ("pk", "sk")} for row in rows]
    answer = read(tables(*rows), *keys, ConsistentRead=True)
    assert [row["sk"]["S"] for row in answer["Responses"]["T"]] == [f"{at:02}" for at in range(42)]
    assert answer["UnprocessedKeys"] == {"T": {"Keys": keys[42:], "ConsistentRead": True}}


# --- faults


@pytest.mark.parametrize(
    ("requests", "first", "rest"),
    [
        ({"a": [1, 2], "b": [3]}, {"a": [1]}, {"a": [2], "b": [3]}),
        ({"a": [1], "b": [3]}, {"a": [1]}, {"b": [3]}),
        ({"a": [1]}, {"a": [1]}, {}),
        (
            {"a": {"Keys": [1, 2], "ConsistentRead": True}},
            {"a": {"Keys": [1], "ConsistentRead": True}},
            {"a": {"Keys": [2], "ConsistentRead": True}},
        ),
        ({"a": {"Keys": [1]}, "b": {"Keys": [2]}}, {"a": {"Keys": [1]}}, {"b": {"Keys": [2]}}),
    ],
)
def test_the_first_item_of_a_batch_is_taken_from_its_first_table(
    requests: dict[str, Any], first: dict[str, Any], rest: dict[str, Any]
) -> None:
    assert first_apart(requests) == (first, rest)


def test_a_conflict_has_a_reason_for_each_item() -> None:
    refusal = batches.conflicting(3)
    reasons: list[Any] = refusal.members["CancellationReasons"]
    assert refusal.code == "TransactionCanceledException"
    assert [reason["Code"] for reason in reasons] == ["TransactionConflict", "None", "None"]
    assert refusal.message.endswith("[TransactionConflict, None, None]")


# --- metrics


@pytest.mark.parametrize("mode", ["SIZE", "NONE"])
def test_metrics_of_collections_are_given_by_table_and_partition_if_they_are_asked_for(mode: str) -> None:
    there = Memory(DEFINITION, one_key("One"))
    of_tables = {"T": [put(A), put(B), put(item(pk="b", sk="1"))], "One": [put(item(pk="a"))]}
    answer = answered(there, "BatchWriteItem", RequestItems=of_tables, ReturnItemCollectionMetrics=mode)
    metrics = [
        {"ItemCollectionKey": item(pk=pk), "SizeEstimateRangeGB": [0.0, 1.0]} for pk in ("a", "b")
    ]  # a table without a local index has none
    assert answer.get("ItemCollectionMetrics") == ({"T": metrics} if mode == "SIZE" else None)
    transaction = [{"Delete": {"TableName": "T", "Key": A}}]
    answer = answered(there, "TransactWriteItems", TransactItems=transaction, ReturnItemCollectionMetrics=mode)
    assert answer.get("ItemCollectionMetrics") == ({"T": metrics[:1]} if mode == "SIZE" else None)


# --- tokens


class Table:
    """Counts its writes, and answers with the count."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails, self.writes = fails, 0

    def write(self) -> Outcome:
        self.writes += 1
        if self.fails:
            raise Refusal("no")
        return Outcome({"Count": self.writes})


def test_the_same_again_gets_the_first_answer_for_ten_minutes() -> None:
    now, table = [0.0], Table()
    transactions = Transactions(lambda: now[0])
    asked = {"ClientRequestToken": "t", "TransactItems": [1]}
    answers = []
    for now[0] in (0.0, 599.0, 600.0):
        answers.append(transactions.once(asked, table.write).members["Count"])
    assert answers == [1, 1, 2]


def test_another_transaction_with_the_same_token_is_refused() -> None:
    transactions, table = Transactions(lambda: 0.0), Table()
    transactions.once({"ClientRequestToken": "t", "TransactItems": [1]}, table.write)
    with pytest.raises(Refusal) as refusal:
        transactions.once({"ClientRequestToken": "t", "TransactItems": [2]}, table.write)
    assert (refusal.value.code, table.writes) == ("IdempotentParameterMismatchException", 1)


def test_a_failed_transaction_and_one_without_a_token_are_done_each_time() -> None:
    transactions, table = Transactions(lambda: 0.0), Table(fails=True)
    for _ in range(2):
        with pytest.raises(Refusal):
            transactions.once({"ClientRequestToken": "t"}, table.write)
    table.fails = False
    for _ in range(2):
        transactions.once({}, table.write)
    assert table.writes == 4


def test_a_token_is_forgotten_after_ten_minutes() -> None:
    now = [0.0]
    transactions, table = Transactions(lambda: now[0]), Table()
    for moment in range(100):
        now[0] = moment * REMEMBERED
        transactions.once({"ClientRequestToken": str(moment)}, table.write)
    assert len(transactions._done) == 1, "a server that runs for days would keep them all"


def test_a_token_may_come_again_with_another_mode_of_its_answer() -> None:
    there = tables()
    plane = DataPlane(there, lambda: 0.0)
    entries = [{"Put": {"TableName": "T", "Item": A, "ConditionExpression": "attribute_not_exists(pk)"}}]
    for mode in ("NONE", "TOTAL"):
        asked = {"TransactItems": entries, "ClientRequestToken": "t", "ReturnConsumedCapacity": mode}
        plane.answer("TransactWriteItems", asked)
    assert len(there.changes) == 1
