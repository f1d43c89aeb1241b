"""Query and Scan of an index: what it holds, which attributes may be asked for, and keys of several attributes.

Words: nubo-db/dynamodb-conformance and the tests of mhart/dynalite, both recorded from DynamoDB. Sources of keys of
several attributes: "Multi-attribute keys pattern" in the developer guide.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.store import Definition, Index
from tests.aws.dynamodb.memory import Memory, answered, filled, item, on_global, on_local, two_keys

INVALID = "One or more parameter values were invalid: "
KEYS_ONLY: frozenset[str] = frozenset()
INDEXES = {
    "byRoom": on_global("byRoom", "room", "time"),
    "keysByRoom": on_global("keysByRoom", "room", "time", projected=KEYS_ONLY),
    "someByRoom": on_global("someByRoom", "room", "time", projected=frozenset({"note"})),
    "byTime": on_local("byTime", "time"),
    "keysByTime": on_local("keysByTime", "time", projected=KEYS_ONLY),
    "someByTime": on_local("someByTime", "time", projected=frozenset({"note"})),
}
ROW = item(pk="a", sk="1", room="r", time=2, note="n", text="t")
ROWS = [
    ROW,
    item(pk="a", sk="2", room="r", time=1),
    item(pk="a", sk="3", time=3),
    item(pk="a", sk="4", room="r"),
    item(pk="b", sk="1", room="r", time=1),
    item(pk="b", sk="2", room="q", time=9),
]
TABLES = filled(two_keys("T", INDEXES, room="S", time="N"), ROWS)


def queried(index: str, tables: Memory = TABLES, **members: Any) -> dict[str, Any]:
    key, value = ("pk", "a") if index.lower().endswith("time") else ("room", "r")
    condition = {"KeyConditionExpression": f"{key} = :k", "ExpressionAttributeValues": item(**{":k": value})}
    return answered(tables, "Query", **{"TableName": "T", "IndexName": index, **condition, **members})


def keys(page: dict[str, Any]) -> list[str]:
    return [each["pk"]["S"] + each["sk"]["S"] for each in page["Items"]]


# --- rows


@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
@pytest.mark.parametrize(("index", "expected"), [("byRoom", ["a2", "b1", "a1"]), ("byTime", ["a2", "a1", "a3"])])
def test_an_index_is_sparse_and_sorted_by_its_own_key_and_ties_by_the_tables(
    index: str, expected: list[str], forward: bool
) -> None:
    assert keys(queried(index, ScanIndexForward=forward)) == expected[:: 1 if forward else -1]


@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
@pytest.mark.parametrize("index", ["byRoom", "byTime"])
def test_a_page_of_an_index_goes_on_inside_of_a_tie(index: str, forward: bool) -> None:
    found: list[str] = []
    page = queried(index, Limit=1, ScanIndexForward=forward)
    while "LastEvaluatedKey" in page:
        assert page["LastEvaluatedKey"].keys() == {"pk", "sk", "time", *(["room"] if index == "byRoom" else [])}
        found += keys(page)
        page = queried(index, Limit=1, ScanIndexForward=forward, ExclusiveStartKey=page["LastEvaluatedKey"])
    assert found == keys(queried(index, ScanIndexForward=forward))


def test_a_scan_of_an_index_has_the_rows_that_are_in_it() -> None:
    assert sorted(keys(answered(TABLES, "Scan", TableName="T", IndexName="byRoom"))) == ["a1", "a2", "b1", "b2"]
    assert sorted(keys(answered(TABLES, "Scan", TableName="T", IndexName="byTime"))) == ["a1", "a2", "a3", "b1", "b2"]


@pytest.mark.parametrize("operation", ["Query", "Scan"])
@pytest.mark.parametrize(("index", "is_refused"), [("byRoom", True), ("byTime", False)])
def test_a_global_index_has_no_consistent_reads(operation: str, index: str, is_refused: bool) -> None:
    if operation == "Query":
        answer = queried(index, ConsistentRead=True)
    else:
        answer = answered(TABLES, "Scan", TableName="T", IndexName=index, ConsistentRead=True)
    message = "Consistent reads are not supported on global secondary indexes"
    assert answer.get("refused") == (("ValidationException", message) if is_refused else None)


# --- attributes

OF_KEYS = {"pk", "sk", "room", "time"}
ALL = set(ROW)


@pytest.mark.parametrize(
    ("index", "members", "expected"),
    [
        ("byRoom", {}, ALL),
        ("keysByRoom", {}, OF_KEYS),
        ("someByRoom", {}, {*OF_KEYS, "note"}),
        ("byTime", {}, ALL),
        ("keysByTime", {}, OF_KEYS - {"room"}),
        ("someByTime", {}, {*OF_KEYS, "note"} - {"room"}),
        ("byRoom", {"Select": "ALL_ATTRIBUTES"}, ALL),
        ("keysByTime", {"Select": "ALL_ATTRIBUTES"}, ALL),
        ("someByTime", {"Select": "ALL_PROJECTED_ATTRIBUTES"}, {*OF_KEYS, "note"} - {"room"}),
        ("someByRoom", {"Select": "ALL_PROJECTED_ATTRIBUTES"}, {*OF_KEYS, "note"}),
        ("someByRoom", {"ProjectionExpression": "pk, note"}, {"pk", "note"}),
        ("someByRoom", {"ProjectionExpression": "note", "Select": "SPECIFIC_ATTRIBUTES"}, {"note"}),
        ("keysByTime", {"ProjectionExpression": "sk, #t", "ExpressionAttributeNames": {"#t": "text"}}, {"sk", "text"}),
    ],
)
def test_an_index_gives_what_it_holds_and_a_local_one_fetches_the_rest(
    index: str, members: dict[str, Any], expected: set[str]
) -> None:
    page = queried(index, **members)
    assert {name: ROW[name] for name in expected} in page["Items"]
    assert {name for row in page["Items"] for name in row} == expected


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"Select": "SPECIFIC_ATTRIBUTES"},
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            {"Select": "ALL_ATTRIBUTES", "ProjectionExpression": "note"},
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        ),
        (
            {"Select": "COUNT", "ProjectionExpression": "note"},
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            {"Select": "ALL_PROJECTED_ATTRIBUTES", "ProjectionExpression": "note"},
            "Cannot specify the ProjectionExpression when choosing to get ALL_PROJECTED_ATTRIBUTES",
        ),
        (
            {"Select": "ALL_ATTRIBUTES"},
            f"{INVALID}Select type ALL_ATTRIBUTES is not supported for global secondary index someByRoom "
            "because its projection type is not ALL",
        ),
        ({"ProjectionExpression": "pk, more"}, f"{INVALID}Global secondary index someByRoom does not project [more]"),
    ],
)
@pytest.mark.parametrize("operation", ["Query", "Scan"])
def test_a_select_goes_with_its_members_and_with_what_the_index_holds(
    operation: str, members: dict[str, Any], message: str
) -> None:
    if operation == "Query":
        answer = queried("someByRoom", **members)
    else:
        answer = answered(TABLES, "Scan", TableName="T", IndexName="someByRoom", **members)
    assert answer["refused"] == ("ValidationException", message)


def test_all_projected_attributes_are_those_of_an_index() -> None:
    answer = answered(TABLES, "Scan", TableName="T", Select="ALL_PROJECTED_ATTRIBUTES")
    assert answer["refused"][1] == "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName"


def test_a_count_has_no_items() -> None:
    page = queried("byRoom", Select="COUNT")
    assert page == {"Count": 3, "ScannedCount": 3}


def test_a_filter_sees_what_the_index_holds_alone() -> None:
    exists = "attribute_exists(note)"
    assert [queried(index, FilterExpression=exists)["Count"] for index in ("keysByRoom", "someByRoom", "byRoom")] == [
        0,
        1,
        1,
    ]


@pytest.mark.parametrize(("index", "count"), [("byRoom", None), ("byTime", 1)])
def test_a_filter_may_name_keys_of_the_table_but_none_of_the_index(index: str, count: int | None) -> None:
    condition = {"byRoom": "room = :k", "byTime": "room = :r AND sk = :one"}[index]
    of_condition = {"byRoom": item(**{":k": "r"}), "byTime": item(**{":k": "a", ":r": "r", ":one": "1"})}[index]
    page = queried(index, FilterExpression=condition, ExpressionAttributeValues=of_condition)
    refusal = "Filter Expression can only contain non-primary key attributes: Primary key attribute: room"
    assert page.get("Count") == count
    assert page.get("refused", (None, None))[1] == (None if count else refusal)


# --- keys of several attributes

NAMES = tuple("abcdefgh")
EIGHT = Index("byEight", NAMES[:4], NAMES[4:], is_global=True)
WIDE = Definition("T", {"pk": "S", **dict.fromkeys(NAMES, "S"), "f": "N"}, Index("", ("pk",), ()), {"byEight": EIGHT})


def wide(pk: str, e: str, f: int, g: str = "g", h: str = "h", **more: str) -> dict[str, Any]:
    return item(**{"pk": pk, "a": "a", "b": "b", "c": "c", "d": "d", "e": e, "f": f, "g": g, "h": h, **more})


WIDE_ROWS = [
    wide("1", "x", 10),
    wide("2", "x", 9),
    wide("3", "x", 9, g="f"),
    wide("4", "y", 1),
    wide("5", "x", 9, a="other"),
    {name: value for name, value in wide("6", "x", 1).items() if name != "h"},
]
PARTITION = "a = :a AND b = :b AND c = :c AND d = :d"


def found(condition: str, **values: Any) -> Any:
    held = {f":{name}": values.get(name, name) for name in (*NAMES, "n") if f":{name}" in condition}
    answer = answered(
        filled(WIDE, WIDE_ROWS),
        "Query",
        TableName="T",
        IndexName="byEight",
        KeyConditionExpression=condition,
        ExpressionAttributeValues=item(**held),
    )
    return [each["pk"]["S"] for each in answer["Items"]] if "Items" in answer else answer["refused"][1]


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        (PARTITION, {}, ["3", "2", "1", "4"]),
        (f"{PARTITION} AND e = :e", {"e": "x"}, ["3", "2", "1"]),
        (f"{PARTITION} AND e >= :e", {"e": "y"}, ["4"]),
        (f"{PARTITION} AND begins_with(e, :e)", {"e": "x"}, ["3", "2", "1"]),
        (f"{PARTITION} AND e = :e AND f > :f", {"e": "x", "f": 9}, ["1"]),
        (f"{PARTITION} AND e = :e AND f BETWEEN :f AND :n", {"e": "x", "f": 9, "n": 10}, ["3", "2", "1"]),
        (f"{PARTITION} AND e = :e AND f = :f AND g = :g AND h <= :h", {"e": "x", "f": 9}, ["2"]),
        (f"f = :f AND e = :e AND {PARTITION}", {"e": "x", "f": 9}, ["3", "2"]),
        (PARTITION, {"a": "other"}, ["5"]),
        (PARTITION, {"a": "nobody"}, []),
        ("a = :a AND b = :b AND c = :c", {}, "Query condition missed key schema element: d"),
        (PARTITION.replace("b = :b", "b > :b"), {}, "Query key condition not supported"),
        (f"{PARTITION} AND f = :f", {"f": 9}, "Query condition missed key schema element: e"),
        (f"{PARTITION} AND e = :e AND g = :g", {"e": "x"}, "Query condition missed key schema element: f"),
        (f"{PARTITION} AND e > :e AND f = :f", {"e": "x", "f": 9}, "Query key condition not supported"),
        (
            f"{PARTITION} AND e = :e AND f = :f",
            {"e": "x", "f": "9"},
            f"{INVALID}Condition parameter type does not match schema type",
        ),
    ],
)
def test_a_key_of_several_attributes_is_asked_for_from_left_to_right(
    condition: str, values: dict[str, Any], expected: Any
) -> None:
    assert found(condition, **values) == expected


def test_a_page_ends_with_all_attributes_of_such_a_key() -> None:
    tables = filled(WIDE, WIDE_ROWS)
    rows: list[Any] = []
    start: dict[str, Any] = {}
    while True:
        page = answered(tables, "Scan", TableName="T", IndexName="byEight", Limit=1, **start)
        rows += page["Items"]
        if "LastEvaluatedKey" not in page:
            break
        assert page["LastEvaluatedKey"].keys() == {"pk", *NAMES}
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    assert sorted(row["pk"]["S"] for row in rows) == ["1", "2", "3", "4", "5"]
