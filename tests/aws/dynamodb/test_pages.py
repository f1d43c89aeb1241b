"""Query and Scan: the rows that a condition asks for, in order, page by page.

Words: nubo-db/dynamodb-conformance and the tests of mhart/dynalite, both recorded from DynamoDB.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.store import Definition, Index, Row
from pytest_sessionplugin.aws.dynamodb.values import Item
from tests.aws.dynamodb.memory import Memory, answered, filled, item, on_global, two_keys

P = item(**{":p": "a"})


def binary(held: bytes) -> dict[str, str]:
    return {"B": base64.b64encode(held).decode()}


def of_keys(kind: str, *held: Any) -> Memory:
    definition = Definition("T", {"pk": "S", "sk": kind}, Index("", ("pk",), ("sk",)), {})
    rows = [{"pk": {"S": "a"}, "sk": each} for each in held]
    return filled(definition, [*rows, *({**row, "pk": {"S": "b"}} for row in rows)])


TABLES = {
    "S": of_keys("S", *({"S": each} for each in ("1", "10", "2", "a", "aa", "b"))),
    "N": of_keys("N", *({"N": each} for each in ("-10", "-2", "0", "2", "10", "100"))),
    "B": of_keys("B", *map(binary, (b"\x01", b"\x01\xff", b"\x7f", b"\x80", b"\x80\x01", b"\xff"))),
}
"""Partitions of six rows each, in the order of their keys."""


def queried(tables: Memory, condition: str, **members: Any) -> dict[str, Any]:
    return answered(tables, "Query", TableName="T", KeyConditionExpression=condition, **members)


def pages(tables: Memory, operation: str, **members: Any) -> Iterator[dict[str, Any]]:
    """All pages, each from the key that the one before ends with."""
    page = answered(tables, operation, **members)
    yield page
    for _ in range(100):  # a fault may turn pages in a circle
        if "LastEvaluatedKey" not in page:
            return
        page = answered(tables, operation, **members, ExclusiveStartKey=page["LastEvaluatedKey"])
        yield page


# --- ranges of a sort key


@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
@pytest.mark.parametrize("kind", ["S", "N", "B"])
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("sk = :two", [2]),
        ("sk < :two", [0, 1]),
        ("sk <= :two", [0, 1, 2]),
        ("sk > :two", [3, 4, 5]),
        ("sk >= :two", [2, 3, 4, 5]),
        (":two < sk", [3, 4, 5]),
        (":two >= sk", [0, 1, 2]),
        ("sk BETWEEN :two AND :four", [2, 3, 4]),
        ("sk BETWEEN :two AND :two", [2]),
    ],
)
def test_a_query_finds_the_rows_of_a_range(kind: str, condition: str, expected: list[int], forward: bool) -> None:
    held = [row.item["sk"] for row in TABLES[kind].store("T").rows][:6]
    values = {name: held[at] for name, at in ((":two", 2), (":four", 4)) if name in condition}
    found = queried(
        TABLES[kind],
        f"pk = :p AND {condition}",
        ExpressionAttributeValues={**P, **values},
        ScanIndexForward=forward,
    )
    assert [each["sk"] for each in found["Items"]] == [held[at] for at in (expected if forward else expected[::-1])]


@pytest.mark.parametrize(
    ("kind", "beginning", "expected"),
    [
        ("S", {"S": "1"}, [0, 1]),
        ("S", {"S": "a"}, [3, 4]),
        ("S", {"S": "c"}, []),
        ("B", binary(b"\x01"), [0, 1]),
        ("B", binary(b"\x80"), [3, 4]),
        ("B", binary(b"\xff"), [5]),
    ],
)
def test_begins_with_finds_texts_and_binary(kind: str, beginning: dict[str, str], expected: list[int]) -> None:
    held = [row.item["sk"] for row in TABLES[kind].store("T").rows][:6]
    found = queried(TABLES[kind], "pk = :p AND begins_with(sk, :b)", ExpressionAttributeValues={**P, ":b": beginning})
    assert [each["sk"] for each in found["Items"]] == [held[at] for at in expected]


@pytest.mark.parametrize(
    "condition", ["pk = :p\n AND sk > :s", "(pk = :p) and (sk > :s)", "sk > :s AND pk = :p", ":p=pk AND :s<sk"]
)
def test_a_key_condition_may_be_written_in_any_way(condition: str) -> None:
    found = queried(TABLES["N"], condition, ExpressionAttributeValues={**P, ":s": {"N": "2.0"}})
    assert [each["sk"]["N"] for each in found["Items"]] == ["10", "100"]


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("EQ", [2], ["2"]),
        ("LT", [0], ["-10", "-2"]),
        ("LE", [-10], ["-10"]),
        ("GT", [10], ["100"]),
        ("GE", [10], ["10", "100"]),
        ("BETWEEN", [-2, 2], ["-2", "0", "2"]),
    ],
)
def test_key_conditions_of_the_old_api_find_the_same_rows(
    operator: str, values: list[int], expected: list[str]
) -> None:
    conditions = {
        "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]},
        "sk": {"ComparisonOperator": operator, "AttributeValueList": [{"N": str(each)} for each in values]},
    }
    found = answered(TABLES["N"], "Query", TableName="T", KeyConditions=conditions)
    assert [each["sk"]["N"] for each in found["Items"]] == expected


# --- refused conditions

UNSUPPORTED = "Query key condition not supported"
MISSED = "Query condition missed key schema element: "
INVALID = "Invalid condition in KeyConditionExpression: "
OPERATOR = "Invalid operator used in KeyConditionExpression: "
TYPE = "One or more parameter values were invalid: Condition parameter type does not match schema type"
EMPTY = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty "
BOUNDS = "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to"


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("pk > :s", UNSUPPORTED),
        ("begins_with(pk, :s)", UNSUPPORTED),
        ("pk BETWEEN :s AND :s", UNSUPPORTED),
        ("sk = :s", f"{MISSED}pk"),
        ("elsewhere = :s", f"{MISSED}pk"),
        ("pk = :s AND elsewhere = :s", f"{MISSED}sk"),
        ("pk = :s AND sk = :s AND elsewhere = :s", UNSUPPORTED),
        ("pk = :s AND pk = :s", "KeyConditionExpressions must only contain one condition per key"),
        ("pk = :s AND sk > :s AND sk < :s", "KeyConditionExpressions must only contain one condition per key"),
        ("pk = :s OR sk = :s", f"{OPERATOR}OR"),
        ("pk = :s AND NOT sk = :s", f"{OPERATOR}NOT"),
        ("pk = :s AND sk IN (:s)", f"{OPERATOR}IN"),
        ("pk = :s AND sk <> :s", f"{OPERATOR}<>"),
        ("pk = :s AND contains(sk, :s)", f"{OPERATOR}contains"),
        ("pk = :s AND attribute_exists(sk)", f"{OPERATOR}attribute_exists"),
        ("pk = :s AND size(sk) = :s", "KeyConditionExpressions cannot contain nested operations"),
        ("pk = :s AND sk.a = :s", "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("pk = :s AND sk[0] = :s", "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("pk = :s AND sk > pk", f"{INVALID}Multiple attribute names used in one condition"),
        ("pk = :s AND begins_with(sk, pk)", f"{INVALID}Multiple attribute names used in one condition"),
        ("pk = :s AND :s = :s", f"{INVALID}No key attribute specified"),
        (
            "pk = :s AND begins_with(:s, sk)",
            f"{INVALID}begins_with operator must have the key attribute as its first operand",
        ),
        (
            "pk = :s AND :s BETWEEN sk AND sk",
            f"{INVALID}BETWEEN operator must have the key attribute as its first operand",
        ),
        ("pk = :n", TYPE),
        ("pk = :s AND sk = :n", TYPE),
        (
            "pk = :s AND sk BETWEEN :s AND :x",
            f"{BOUNDS} lower bound; lower bound operand: AttributeValue: {{S:s}}, "
            "upper bound operand: AttributeValue: {S:a}",
        ),
        ("pk = :e", f"{EMPTY}string value. Key: pk"),
        ("pk = :s AND sk = :e", f"{EMPTY}string value. Key: sk"),
        (
            "pk = :s AND begins_with(sk, :n)",
            "Invalid KeyConditionExpression: Incorrect operand type for operator or function; "
            "operator or function: begins_with, operand type: N",
        ),
        ("pk = :s AND", 'Invalid KeyConditionExpression: Syntax error; token: "<EOF>", near: "AND"'),
        ("", "Invalid KeyConditionExpression: The expression can not be empty;"),
    ],
)
def test_a_condition_is_equality_on_the_partition_and_one_range(condition: str, message: str) -> None:
    held = {":s": {"S": "s"}, ":n": {"N": "1"}, ":e": {"S": ""}, ":x": {"S": "a"}}
    values = {name: value for name, value in held.items() if name in condition}
    members = {"ExpressionAttributeValues": values} if values else {}
    assert queried(TABLES["S"], condition, **members)["refused"] == ("ValidationException", message)


@pytest.mark.parametrize(
    ("operator", "values", "message"),
    [
        ("NE", [1], "Attempted conditional constraint is not an indexable operation"),
        ("NULL", [], "Attempted conditional constraint is not an indexable operation"),
        ("IN", [1, 2], "Attempted conditional constraint is not an indexable operation"),
        ("CONTAINS", [1], "Attempted conditional constraint is not an indexable operation"),
        ("NOT_CONTAINS", [1], "Attempted conditional constraint is not an indexable operation"),
        ("EQ", ["a"], TYPE),
    ],
)
def test_key_conditions_of_the_old_api_are_refused_in_words_of_their_own(
    operator: str, values: list[Any], message: str
) -> None:
    conditions = {
        "pk": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]},
        "sk": {
            "ComparisonOperator": operator,
            "AttributeValueList": [*item(**{str(i): v for i, v in enumerate(values)}).values()],
        },
    }
    assert answered(TABLES["N"], "Query", TableName="T", KeyConditions=conditions)["refused"][1] == message


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
        (
            {"FilterExpression": "sk = :p", "KeyConditionExpression": "pk = :p"},
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
        ),
        (
            {"FilterExpression": "a = :p OR pk > :p", "KeyConditionExpression": "pk = :p"},
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: pk",
        ),
        (
            {"FilterExpression": "pk.a = :p", "KeyConditionExpression": "pk = :p"},
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk",
        ),
        (
            {"ProjectionExpression": "sk[1]", "KeyConditionExpression": "pk = :p"},
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: sk",
        ),
        (
            {"IndexName": "nowhere", "KeyConditionExpression": "pk = :p"},
            "The table does not have the specified index: nowhere",
        ),
    ],
)
def test_a_query_is_refused(members: dict[str, Any], message: str) -> None:
    values = {"ExpressionAttributeValues": P} if members else {}
    assert answered(TABLES["S"], "Query", TableName="T", **members, **values)["refused"][1] == message


def test_a_query_filter_has_no_key_either() -> None:
    equal = {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "a"}]}
    members = {"KeyConditions": {"pk": equal}, "QueryFilter": {"sk": equal}}
    assert answered(TABLES["S"], "Query", TableName="T", **members)["refused"][1] == (
        "QueryFilter can only contain non-primary key attributes: Primary key attribute: sk"
    )


# --- pages


@pytest.mark.parametrize(
    ("limit", "counts"),
    [(1, [1, 1, 1, 1, 1, 1, 0]), (4, [4, 2]), (5, [5, 1]), (6, [6, 0]), (7, [6])],
    ids=["one", "four", "all but one", "as many as there are", "more than there are"],
)
@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
def test_a_page_that_its_limit_ends_has_a_last_key(limit: int, counts: list[int], forward: bool) -> None:
    query = {"TableName": "T", "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": P}
    found = list(pages(TABLES["N"], "Query", **query, Limit=limit, ScanIndexForward=forward))
    assert [page["Count"] for page in found] == counts
    rows = [each["sk"]["N"] for page in found for each in page["Items"]]
    assert rows == ["-10", "-2", "0", "2", "10", "100"][:: 1 if forward else -1]


def test_a_limit_counts_rows_before_they_are_filtered() -> None:
    members = {"FilterExpression": "attribute_exists(nowhere)", "Limit": 4, "ExpressionAttributeValues": P}
    page = queried(TABLES["N"], "pk = :p", **members)
    assert (page["Count"], page["ScannedCount"], page["LastEvaluatedKey"]["sk"]) == (0, 4, {"N": "2"})


@pytest.mark.parametrize("operation", ["Query", "Scan"])
def test_a_page_ends_at_1_mb(operation: str) -> None:
    rows = [{"pk": {"S": "a"}, "sk": {"S": str(at)}, "text": {"S": "x" * 300 * 1024}} for at in range(7)]
    condition = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": P} if operation == "Query" else {}
    found = list(pages(filled(two_keys("T"), rows), operation, TableName="T", **condition))
    assert [page["Count"] for page in found] == [3, 3, 1]
    assert [each for page in found for each in page["Items"]] == rows


def test_a_page_of_an_index_ends_at_1_mb_of_what_the_index_holds() -> None:
    index = on_global("byRoom", "room", projected=frozenset())
    rows = [{"pk": {"S": "a"}, "sk": {"S": str(at)}, **item(room="r", text="x" * 300 * 1024)} for at in range(7)]
    (page,) = pages(filled(two_keys("T", {"byRoom": index}, room="S"), rows), "Scan", TableName="T", IndexName="byRoom")
    assert page["Count"] == 7


# --- start keys

INVALID_START = "The provided starting key is invalid"
MISMATCH = "The provided key element does not match the schema"
OUTSIDE = "The provided starting key is outside query boundaries based on provided conditions"


@pytest.mark.parametrize(
    ("condition", "start", "message"),
    [
        ("pk = :p", {}, INVALID_START),
        ("pk = :p", item(pk="a"), INVALID_START),
        ("pk = :p", item(pk="a", sk="1", more="1"), INVALID_START),
        ("pk = :p", item(pk="a", other="1"), INVALID_START),
        ("pk = :p", item(pk=1, sk="1"), MISMATCH),
        ("pk = :p", item(pk="a", sk=1), MISMATCH),
        ("pk = :p", item(pk="b", sk="1"), OUTSIDE),
        (
            "pk = :p AND sk > :p",
            item(pk="a", sk="a"),
            "The provided starting key does not match the range key predicate",
        ),
        ("pk = :p AND sk < :p", item(pk="b", sk="1"), "The query can return at most one row and cannot be restarted"),
        (
            "pk = :p AND begins_with(sk, :p)",
            item(pk="a", sk="b"),
            "The provided starting key does not match the range key predicate",
        ),
        (
            "pk = :p AND sk BETWEEN :p AND :p",
            item(pk="a", sk="b"),
            "The provided starting key does not match the range key predicate",
        ),
        (
            "pk = :p AND sk = :p",
            item(pk="a", sk="b"),
            "The provided starting key does not match the range key predicate",
        ),
    ],
)
def test_a_query_starts_inside_of_its_range(condition: str, start: Item, message: str) -> None:
    answer = queried(TABLES["S"], condition, ExpressionAttributeValues=P, ExclusiveStartKey=start)
    assert answer["refused"] == ("ValidationException", message)


@pytest.mark.parametrize("start", [{}, item(pk="a"), item(pk="a", other="1"), item(pk=1, sk="1"), item(pk="a", sk=1)])
def test_a_scan_starts_at_a_key_of_the_table(start: Item) -> None:
    answer = answered(TABLES["S"], "Scan", TableName="T", ExclusiveStartKey=start)
    assert answer["refused"] == ("ValidationException", f"{INVALID_START}: {MISMATCH}")


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (item(pk="a", sk="1"), INVALID_START),
        (item(pk="a", sk="1", time=1, other=1), INVALID_START),
        (item(pk="a", sk="1", time="1", room="r"), MISMATCH),
        (item(pk="a", sk=1, time=1, room="r"), f"{INVALID_START}: {MISMATCH}"),
        (item(pk="a", no="1", time=1, room="r"), f"{INVALID_START}: {MISMATCH}"),
    ],
)
@pytest.mark.parametrize("operation", ["Query", "Scan"])
def test_a_page_of_an_index_starts_at_a_key_of_both(operation: str, start: Item, message: str) -> None:
    tables = Memory(two_keys("T", {"byTime": on_global("byTime", "room", "time")}, room="S", time="N"))
    members = {"KeyConditionExpression": "room = :p", "ExpressionAttributeValues": P} if operation == "Query" else {}
    answer = answered(tables, operation, TableName="T", IndexName="byTime", ExclusiveStartKey=start, **members)
    assert answer["refused"][1] == message


@pytest.mark.parametrize("forward", [True, False])
def test_a_query_goes_on_behind_a_row_that_has_been_deleted(forward: bool) -> None:
    tables = filled(two_keys("T"), [item(pk="a", sk=str(at)) for at in range(6)])
    query = {"ExpressionAttributeValues": P, "ScanIndexForward": forward}
    last = queried(tables, "pk = :p", Limit=3, **query)["LastEvaluatedKey"]
    answered(tables, "DeleteItem", TableName="T", Key=last)
    found = queried(tables, "pk = :p", ExclusiveStartKey=last, **query)["Items"]
    assert [each["sk"]["S"] for each in found] == (["3", "4", "5"] if forward else ["2", "1", "0"])


@pytest.mark.parametrize("left", [True, False], ids=["with other rows in its partition", "with its whole partition"])
def test_a_scan_goes_on_behind_a_row_that_has_been_deleted(left: bool) -> None:
    tables = filled(two_keys("T"), [item(pk=str(at), sk=sk) for at in range(9) for sk in "123"])
    whole = answered(tables, "Scan", TableName="T")["Items"]
    last = answered(tables, "Scan", TableName="T", Limit=10)["LastEvaluatedKey"]
    assert last == whole[9]
    gone = [last] if left else [row for row in whole if row["pk"] == last["pk"]]
    for key in gone:
        answered(tables, "DeleteItem", TableName="T", Key=key)
    rest = answered(tables, "Scan", TableName="T", ExclusiveStartKey=last)["Items"]
    assert rest == [row for row in whole[10:] if row not in gone]


# --- scans

MANY = [item(pk=str(at), sk=sk) for at in range(40) for sk in "12"]


def test_a_scan_gives_each_row_once_page_by_page_whatever_the_order_of_writes() -> None:
    orders = []
    for rows in (MANY, MANY[::-1]):
        found = list(pages(filled(two_keys("T"), rows), "Scan", TableName="T", Limit=7))
        orders.append([each for page in found for each in page["Items"]])
    assert orders[0] == orders[1] != MANY
    assert sorted(map(repr, orders[0])) == sorted(map(repr, MANY))


@pytest.mark.parametrize("total", [1, 2, 3, 7])
def test_segments_share_a_table_and_keep_partitions_together(total: int) -> None:
    tables = filled(two_keys("T"), MANY)
    segments = []
    for segment in range(total):
        found = pages(tables, "Scan", TableName="T", Segment=segment, TotalSegments=total, Limit=5)
        segments.append([each for page in found for each in page["Items"]])
    assert sorted(repr(row) for rows in segments for row in rows) == sorted(map(repr, MANY))
    partitions = [{row["pk"]["S"] for row in rows} for rows in segments]
    assert all(partitions)
    assert sum(map(len, partitions)) == 40


def test_a_segment_starts_at_a_key_of_its_own() -> None:
    tables = filled(two_keys("T"), MANY)
    last = answered(tables, "Scan", TableName="T", Segment=0, TotalSegments=2, Limit=1)["LastEvaluatedKey"]
    other = answered(tables, "Scan", TableName="T", Segment=1, TotalSegments=2, ExclusiveStartKey=last)
    assert other["refused"][1] == (
        f"{INVALID_START}: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. "
        "TotalSegments: 2 Segment: 1"
    )


def test_a_page_shows_rows_as_they_are_when_it_is_read() -> None:
    tables = filled(two_keys("T"), [item(pk="a", sk="1", a=1)])
    page = answered(tables, "Scan", TableName="T")
    (row,) = tables.store("T").rows
    tables.store("T").write(row, Row(item(pk="a", sk="1", a=2)))
    assert page["Items"] == [item(pk="a", sk="1", a=1)]
