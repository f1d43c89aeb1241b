"""Capacity units by AWS's sizing rules: 4 KB for a read and 1 KB for a write, each item rounded up.

Sources: "DynamoDB read and write operations" in the developer guide; charges of indexes and of transactions as
nubo-db/dynoxide measured them on AWS.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.capacity import Consumed
from pytest_sessionplugin.aws.dynamodb.operations import DataPlane
from pytest_sessionplugin.aws.dynamodb.store import Change, Row
from pytest_sessionplugin.aws.dynamodb.values import Item, item_size
from tests.aws.dynamodb.memory import Memory, answered, filled, item, on_global, on_local, one_key, two_keys

KB = 1024
KEY = item(pk="a", sk="1")
KEYS_ONLY: frozenset[str] = frozenset()
INDEXES = {
    "byRoom": on_global("byRoom", "room"),
    "byTime": on_local("byTime", "time", projected=KEYS_ONLY),
    "byKind": on_global("byKind", "kind", projected=frozenset({"note"})),
}
DEFINITION = two_keys("T", INDEXES, room="S", time="N", kind="S")


def sized(size: int, **more: Any) -> Item:
    """An item of so many bytes, without a key of any index."""
    start = {**KEY, **item(**more), "text": {"S": ""}}
    return {**start, "text": {"S": "x" * (size - item_size(start))}}


def consumed(tables: Memory, operation: str, **members: Any) -> Any:
    return answered(tables, operation, TableName="T", ReturnConsumedCapacity="INDEXES", **members)["ConsumedCapacity"]


# --- reads


@pytest.mark.parametrize(
    ("size", "strong", "eventual"),
    [(None, 1, 0.5), (100, 1, 0.5), (4 * KB, 1, 0.5), (4 * KB + 1, 2, 1), (8 * KB, 2, 1), (8 * KB + 1, 3, 1.5)],
)
def test_a_read_costs_a_unit_for_4_kb_and_half_of_it_if_it_is_eventual(
    size: int | None, strong: float, eventual: float
) -> None:
    tables = filled(DEFINITION, [sized(size)] if size else [])
    units = [consumed(tables, "GetItem", Key=KEY, ConsistentRead=each)["CapacityUnits"] for each in (True, False)]
    assert units == [strong, eventual]


@pytest.mark.parametrize(("rows", "units"), [(0, 0.5), (1, 0.5), (4, 0.5), (5, 1), (8, 1), (9, 1.5)])
def test_the_rows_of_a_page_are_added_before_they_are_rounded(rows: int, units: float) -> None:
    tables = filled(DEFINITION, [{**sized(KB), "sk": {"S": str(number)}} for number in range(rows)])
    query = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": item(**{":p": "a"})}
    assert consumed(tables, "Query", **query)["CapacityUnits"] == units
    assert consumed(tables, "Scan")["CapacityUnits"] == units
    assert consumed(tables, "Scan", ConsistentRead=True)["CapacityUnits"] == 2 * units


def test_rows_that_a_filter_drops_or_a_projection_cuts_are_read_all_the_same() -> None:
    tables = filled(DEFINITION, [sized(9 * KB)])
    assert consumed(tables, "Scan", FilterExpression="attribute_exists(nowhere)")["CapacityUnits"] == 1.5
    assert consumed(tables, "Scan", ProjectionExpression="pk")["CapacityUnits"] == 1.5
    assert consumed(tables, "Scan", Select="COUNT")["CapacityUnits"] == 1.5


def test_a_page_of_an_index_is_read_from_the_index_by_what_it_holds() -> None:
    tables = filled(DEFINITION, [sized(9 * KB, time=1)])
    answer = consumed(tables, "Scan", IndexName="byTime")
    assert answer == {
        "TableName": "T",
        "CapacityUnits": 0.5,
        "Table": {"CapacityUnits": 0.0},
        "LocalSecondaryIndexes": {"byTime": {"CapacityUnits": 0.5}},
    }


def test_a_local_index_reads_what_it_does_not_hold_from_the_table_row_by_row() -> None:
    tables = filled(DEFINITION, [{**sized(5 * KB, time=1), "sk": {"S": str(number)}} for number in range(3)])
    answer = consumed(tables, "Scan", IndexName="byTime", Select="ALL_ATTRIBUTES")
    assert (answer["Table"], answer["LocalSecondaryIndexes"]) == (
        {"CapacityUnits": 3.0},
        {"byTime": {"CapacityUnits": 0.5}},
    )


def test_a_batch_rounds_each_item() -> None:
    tables = filled(DEFINITION, [sized(100), {**sized(5 * KB), "sk": {"S": "2"}}])
    keys = [item(pk="a", sk=sk) for sk in ("1", "2", "3")]
    (answer,) = consumed(tables, "BatchGetItem", RequestItems={"T": {"Keys": keys}})
    assert answer["CapacityUnits"] == 0.5 + 1 + 0.5
    (answer,) = consumed(tables, "BatchGetItem", RequestItems={"T": {"Keys": keys, "ConsistentRead": True}})
    assert answer["CapacityUnits"] == 1 + 2 + 1


# --- writes


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, 100, 1),
        (None, KB, 1),
        (None, KB + 1, 2),
        (KB + 1, 100, 2),
        (100, 3 * KB, 3),
        (5 * KB, None, 5),
        (None, None, 1),
    ],
)
def test_a_write_costs_a_unit_for_1_kb_of_the_larger_item(before: int | None, after: int | None, units: float) -> None:
    tables = filled(DEFINITION, [sized(before)] if before else [])
    members = {"Item": sized(after)} if after else {"Key": KEY}
    answer = consumed(tables, "PutItem" if after else "DeleteItem", **members)
    assert answer == {"TableName": "T", "CapacityUnits": units, "Table": {"CapacityUnits": units}}


@pytest.mark.parametrize(
    ("index", "before", "after", "units"),
    [
        ("byRoom", None, sized(100), 0),
        ("byRoom", None, sized(100, room="r"), 1),
        ("byRoom", None, sized(3 * KB, room="r"), 3),
        ("byRoom", sized(3 * KB, room="r"), None, 3),
        ("byRoom", sized(3 * KB, room="r"), sized(100), 3),
        ("byRoom", sized(100), sized(2 * KB, room="r"), 2),
        ("byRoom", sized(100, room="r"), sized(100, room="r"), 0),
        ("byRoom", sized(3 * KB, room="r"), sized(100, room="r"), 3),
        ("byRoom", sized(3 * KB, room="r"), sized(2 * KB, room="q"), 5),
        ("byTime", sized(3 * KB, time=1), sized(2 * KB, time=1), 0),
        ("byTime", None, sized(3 * KB, time=1), 1),
        ("byTime", sized(100, time=1), sized(100, time=2), 2),
        ("byKind", sized(100, kind="k"), sized(3 * KB, kind="k"), 0),
        ("byKind", sized(100, kind="k", note="a"), sized(100, kind="k", note="b"), 1),
        ("byKind", sized(100, kind="k"), sized(100, kind="k", note="b" * 2000), 2),
    ],
    ids=[
        "an item that is in no index costs nothing there",
        "a new entry costs its size",
        "a new entry of 3 KB costs 3",
        "a removed entry costs its size",
        "an entry that leaves costs its old size",
        "an entry that comes costs its new size",
        "an entry that stays as it is costs nothing",
        "a changed entry costs the larger one",
        "a moved entry costs both",
        "attributes that are not projected cost nothing",
        "an entry of keys alone is small",
        "a moved entry of a local index costs both",
        "a change of what is not projected costs nothing",
        "a change of what is projected costs one write",
        "a change of what is projected costs its size",
    ],
)
def test_a_write_costs_an_index_what_its_entry_changes(
    index: str, before: Item | None, after: Item | None, units: float
) -> None:
    tables = filled(DEFINITION, [before] if before else [])
    operation, members = ("PutItem", {"Item": after}) if after else ("DeleteItem", {"Key": KEY})
    answer = consumed(tables, operation, **members)
    found = answer.get("GlobalSecondaryIndexes", answer.get("LocalSecondaryIndexes", {}))
    assert found == ({index: {"CapacityUnits": units}} if units else {})
    assert answer["CapacityUnits"] == answer["Table"]["CapacityUnits"] + units


# --- transactions


def transact(tables: Memory, **members: Any) -> Any:
    entry = {name: {"TableName": "T", **asked} for name, asked in members.items()}
    operation = "TransactGetItems" if "Get" in members else "TransactWriteItems"
    answer = answered(tables, operation, ReturnConsumedCapacity="INDEXES", TransactItems=[entry])
    return answer["ConsumedCapacity"][0]


def test_a_transaction_costs_the_table_twice_and_an_index_once() -> None:
    units = {"CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}
    assert transact(Memory(DEFINITION), Put={"Item": sized(100, room="r")}) == {
        "TableName": "T",
        "CapacityUnits": 3.0,
        "WriteCapacityUnits": 3.0,
        "Table": units,
        "GlobalSecondaryIndexes": {"byRoom": {"CapacityUnits": 1.0, "WriteCapacityUnits": 1.0}},
    }


@pytest.mark.parametrize(("size", "units"), [(100, 2), (KB + 1, 4)])
def test_the_check_of_a_condition_costs_as_much_as_a_write(size: int, units: float) -> None:
    tables = filled(DEFINITION, [sized(size)])
    answer = transact(tables, ConditionCheck={"Key": KEY, "ConditionExpression": "attribute_exists(pk)"})
    assert answer["CapacityUnits"] == units
    assert transact(tables, Delete={"Key": KEY})["CapacityUnits"] == units


@pytest.mark.parametrize(("size", "units"), [(None, 2), (100, 2), (4 * KB + 1, 4)])
def test_a_read_in_a_transaction_costs_twice(size: int | None, units: float) -> None:
    tables = filled(DEFINITION, [sized(size)] if size else [])
    of_all = {"CapacityUnits": units, "ReadCapacityUnits": units}
    assert transact(tables, Get={"Key": KEY}) == {"TableName": "T", **of_all, "Table": of_all}


@pytest.mark.parametrize(("size", "first", "again"), [(100, 2, 2), (3 * KB, 6, 2), (9 * KB, 18, 6)])
def test_a_token_that_comes_again_costs_the_reading_of_the_items(size: int, first: float, again: float) -> None:
    plane = DataPlane(Memory(DEFINITION), lambda: 0.0)
    entries = [{"Put": {"TableName": "T", "Item": sized(size, room="r")}}]
    asked = {"TransactItems": entries, "ClientRequestToken": "t", "ReturnConsumedCapacity": "TOTAL"}
    one, other = (plane.answer("TransactWriteItems", asked) for _ in range(2))
    assert one.members["ConsumedCapacity"][0]["WriteCapacityUnits"] == first + -(-size // KB)
    assert other.members == {
        "ConsumedCapacity": [{"TableName": "T", "CapacityUnits": again, "ReadCapacityUnits": again}]
    }
    assert (other.consumed.read_units, other.consumed.write_units) == (again, 0)


# --- how it is shown


@pytest.mark.parametrize("mode", ["TOTAL", "INDEXES", "NONE", None])
def test_capacity_is_shown_as_it_is_asked_for(mode: str | None) -> None:
    whole = {"TableName": "Rooms", "CapacityUnits": 1.0}
    shown = {"TOTAL": whole, "INDEXES": {**whole, "Table": {"CapacityUnits": 1.0}}}
    answer = answered(Memory(one_key()), "PutItem", TableName="Rooms", Item=item(pk="a"), ReturnConsumedCapacity=mode)
    assert answer == ({"ConsumedCapacity": shown[mode]} if mode in shown else {})


def test_units_are_counted_whether_they_are_asked_for_or_not() -> None:
    outcome = DataPlane(Memory(one_key()), lambda: 0.0).answer("PutItem", {"TableName": "Rooms", "Item": item(pk="a")})
    assert (outcome.members, outcome.consumed.write_units, outcome.consumed.read_units) == ({}, 1, 0)


def test_several_tables_are_listed_by_name() -> None:
    tables, found = Memory(one_key("Two"), one_key("One")), Consumed("TOTAL")
    for name in ("Two", "One", "Two"):
        found.write(Change(tables.store(name), None, Row(item(pk="a"))))
    units = [(each["TableName"], each["CapacityUnits"]) for each in found.of_each()["ConsumedCapacity"]]
    assert units == [("One", 1.0), ("Two", 2.0)]
