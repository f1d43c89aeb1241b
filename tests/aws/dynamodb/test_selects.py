"""SELECT: rows that conditions choose, order, pages, indexes and capacity.

Recorded from DynamoDB: nubo-db/dynamodb-conformance, tests/tier2/partiql; nubo-db/dynoxide, index qualifiers;
floci-io/floci, PartiQL's documented syntax.
"""

# ruff: noqa: S608 - statements are put together from the parts that a case is about

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.dynamodb.memory import answered, filled, item, on_global, on_local, one_key, two_keys

ROOMS = [
    item(pk="a", n=1, tags={"x", "y"}, text="hello", nul=None, deep={"list": [1, 2]}),
    item(pk="b", n=2.5, flag=True, text="help"),
    item(pk="c", n=30, list=["x", 7]),
    item(pk="d", size={"w": 1}),
]
INDEXES = {
    "byAuthor": on_global("byAuthor", "author", "rank", projected=frozenset({"text"})),
    "byRank": on_local("byRank", "rank", projected=frozenset()),
}
MESSAGES = [
    item(pk=pk, sk=f"m{at}", rank=10 - at, author=author, text=f"{pk}{at}", secret=at)
    for pk in ("p", "q")
    for at, author in enumerate(("ann", "bob", "ann"), 1)
]


def selected(statement: str, *parameters: Any, table: Any = None, **members: Any) -> Any:
    """The whole answer about two tables, or its refusal."""
    tables = table or filled(two_keys(indexes=INDEXES, author="S", rank="N"), MESSAGES)
    given = {"Parameters": list(parameters)} if parameters else {}
    return answered(tables, "ExecuteStatement", Statement=statement, **given, **members)


def texts(answer: Any) -> Any:
    """The texts of all items, or the message of the refusal."""
    if "refused" in answer:
        return answer["refused"][1]
    return " ".join(row["text"]["S"] for row in answer["Items"])


@pytest.mark.parametrize(
    ("condition", "keys"),
    [
        ("pk = 'a'", "a"),
        ("'a' = pk", "a"),
        ("pk = 'nobody'", ""),
        ("pk = 'a' AND n > 20", ""),
        ("n > 1", "bc"),
        ("n >= 2.50", "bc"),
        ("1 < n", "bc"),
        ("n < 2", "a"),
        ("n = 1", "a"),
        ("n <> 1", "bcd"),
        ("n != 1", "bcd"),
        ("n = '1'", ""),
        ("n BETWEEN 1 AND 2.5", "ab"),
        ("n NOT BETWEEN 1 AND 2.5", "cd"),
        ("n IN (1, 30)", "ac"),
        ("n IN [1]", "a"),
        ("NOT n IN [1, 30]", "bd"),
        ("n NOT IN [1, 30]", "bd"),
        ("pk IN ['b', 'a', 'z']", "ab"),
        ("pk = 'a' OR pk = 'c'", "ac"),
        ("pk = 'a' OR n = 30", "ac"),
        ("(n = 1 OR n = 30) AND pk IN ['a', 'b']", "a"),
        ("NOT (n = 1 OR n = 30)", "bd"),
        ("n IS MISSING", "d"),
        ("n IS NOT MISSING", "abc"),
        ("nul IS NULL", "a"),
        ("nul IS NOT NULL", "bcd"),
        ("nul = NULL", "a"),
        ("flag IS BOOLEAN", "b"),
        ("flag = true", "b"),
        ("begins_with(text, 'hel')", "ab"),
        ("BEGINS_WITH(\"text\", 'hell')", "a"),
        ("contains(text, 'lp')", "b"),
        ("contains(tags, 'x')", "a"),
        ('contains("list", 7)', "c"),
        ("attribute_type(n, 'N')", "abc"),
        ("size(text) > 4", "a"),
        ("size(tags) = 2", "a"),
        ("tags = <<'y', 'x'>>", "a"),
        ("deep = {'list': [1, 2]}", "a"),
        ('deep."list"[1] = 2', "a"),
        ("deep['list'] = [1, 2]", "a"),
        ('"size".w = 1', "d"),
        ("absent IS NULL", ""),
    ],
)
def test_a_condition_chooses_rows(condition: str, keys: str) -> None:
    answer = selected("SELECT * FROM Rooms WHERE " + condition, table=filled(one_key(), ROOMS))
    assert "".join(sorted(row["pk"]["S"] for row in answer["Items"])) == keys


def test_parameters_stand_for_values() -> None:
    answer = selected(
        "SELECT pk FROM Rooms WHERE pk = ? AND n IN [?, ?]",
        *({"S": "a"}, {"N": "9"}, {"N": "1.0"}),
        table=filled(one_key(), ROOMS),
    )
    assert answer == {"Items": [item(pk="a")]}


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("WHERE pk = 'p'", "p1 p2 p3"),
        ("WHERE pk = 'p' AND sk > 'm1'", "p2 p3"),
        ("WHERE pk = 'p' AND sk >= 'm2' AND sk < 'm3'", "p2"),
        ("WHERE pk = 'p' AND sk <= 'm2'", "p1 p2"),
        ("WHERE pk = 'p' AND sk BETWEEN 'm2' AND 'm3'", "p2 p3"),
        ("WHERE pk = 'p' AND begins_with(sk, 'm')", "p1 p2 p3"),
        ("WHERE pk = 'p' AND sk = 'm2'", "p2"),
        ("WHERE pk = 'p' AND sk <> 'm2'", "p1 p3"),
        ("WHERE pk = 'p' AND sk IN ['m3', 'm1']", "p1 p3"),
        ("WHERE pk = 'p' AND (sk = 'm1' OR sk = 'm3')", "p1 p3"),
        ("WHERE pk = 'p' AND pk = 'q'", ""),
        ("WHERE pk = 'p' ORDER BY sk", "p1 p2 p3"),
        ("WHERE pk = 'p' ORDER BY sk DESC", "p3 p2 p1"),
        ("WHERE pk = 'p' ORDER BY pk ASC", "p3 p2 p1"),
        ("WHERE pk IN ['q', 'p'] ORDER BY pk DESC, sk ASC", "q1 q2 q3 p1 p2 p3"),
        ("WHERE pk IN ['q', 'p'] ORDER BY pk, sk", "p1 p2 p3 q1 q2 q3"),
        ("ORDER BY sk", "Must have WHERE clause in the statement when using ORDER BY clause."),
        ("WHERE pk = 'p' ORDER BY text", "Attribute text in ORDER BY clause must be part of the primary key"),
        (
            "WHERE pk > 'a' ORDER BY sk",
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ),
        (
            "WHERE pk IN ['p', 'q'] ORDER BY sk DESC",
            "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.",
        ),
        ("WHERE pk = 1", "Key attribute's data type should match its data type in table's schema: Key pk"),
        ("WHERE pk IN [<<1>>]", "Key attribute's data type should match its data type in table's schema: Key pk"),
        ("WHERE pk = 'x' AND sk > 1", "Key attribute's data type should match its data type in table's schema: Key sk"),
        (
            f"WHERE pk IN [{', '.join(map(repr, map(str, range(51))))}]",
            "Too many decomposed read operations for a given query.",
        ),
    ],
)
def test_rows_of_a_partition_come_in_order(rest: str, expected: str) -> None:
    assert texts(selected("SELECT * FROM Messages " + rest)) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('SELECT text FROM "Messages"."byAuthor" WHERE author = \'bob\'', "p2 q2"),
        ('SELECT * FROM "Messages"."byAuthor" WHERE author = \'ann\' AND rank > 7', "p1 q1"),
        ('SELECT text FROM "Messages"."byRank" WHERE pk = \'p\' ORDER BY rank', "p3 p2 p1"),
        ('SELECT * FROM "Messages"."none"', "The table does not have the specified index"),
        (
            'SELECT pk, secret FROM "Messages"."byAuthor" WHERE author = \'bob\'',
            "One or more parameter values were invalid: Global secondary index byAuthor does not project [secret]",
        ),
        (
            'SELECT pk FROM "Messages"."byAuthor" WHERE author = \'bob\' AND NOT secret = 1',
            "One or more parameter values were invalid: Secondary index byAuthor does not project one or more filter "
            "attributes: [secret]",
        ),
        (
            'SELECT pk FROM "Messages"."byRank" WHERE pk IN [\'p\'] AND secret = 1',
            "One or more parameter values were invalid: Secondary index byRank does not project one or more filter "
            "attributes: [secret]",
        ),
        ('SELECT text FROM "Messages"."byAuthor" WHERE secret = 1', ""),
    ],
)
def test_an_index_answers_for_what_it_holds(statement: str, expected: str) -> None:
    assert texts(selected(statement)) == expected


def test_a_global_index_is_not_read_consistently() -> None:
    answer = selected('SELECT * FROM "Messages"."byAuthor" WHERE author = \'bob\'', ConsistentRead=True)
    message = "Strongly consistent read is not supported on Global Secondary Indexes"
    assert answer["refused"] == ("ValidationException", message)


def test_an_index_shows_its_entry() -> None:
    answer = selected('SELECT * FROM "Messages"."byRank" WHERE pk = \'p\' AND rank = 9')
    assert answer == {"Items": [item(pk="p", sk="m1", rank=9)]}


def test_a_missing_table_is_reported_before_its_index() -> None:
    answer = selected('SELECT * FROM "Nowhere"."none"')
    assert answer["refused"] == ("ResourceNotFoundException", "Requested resource not found")


# --- pages


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT text FROM Messages",
        "SELECT text FROM Messages WHERE pk = 'p'",
        "SELECT text FROM Messages WHERE pk = 'p' ORDER BY sk DESC",
        "SELECT text FROM Messages WHERE pk IN ['p', 'q'] ORDER BY pk DESC",
        "SELECT text FROM Messages WHERE secret > 1",
        'SELECT text FROM "Messages"."byAuthor"',
        'SELECT text FROM "Messages"."byAuthor" WHERE author = \'ann\'',
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_join_to_the_whole(statement: str, limit: int) -> None:
    whole, found = texts(selected(statement)).split(), []
    token: dict[str, str] = {}
    for _ in range(10):
        page = selected(statement, Limit=limit, **token)
        assert len(page["Items"]) <= limit
        found += texts(page).split()
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert found == whole


def test_a_page_ends_at_a_megabyte() -> None:
    rows = [item(pk="p", sk=str(at), text="x" * 400_000) for at in range(3)]
    tables = filled(two_keys(), rows)
    first = answered(tables, "ExecuteStatement", Statement="SELECT sk FROM Messages WHERE pk = 'p'")
    assert [row["sk"]["S"] for row in first["Items"]] == ["0", "1"]
    assert first["LastEvaluatedKey"] == item(pk="p", sk="1")


def test_a_token_belongs_to_its_statement_and_parameters() -> None:
    statement = "SELECT text FROM Messages WHERE pk = ?"
    token = selected(statement, {"S": "p"}, Limit=1)["NextToken"]
    other = "SELECT text FROM Messages WHERE pk = ? AND secret = 1"
    mismatch = ("ValidationException", "NextToken does not match request")
    assert texts(selected(statement, {"S": "p"}, NextToken=token)) == "p2 p3"
    assert selected(statement, {"S": "q"}, NextToken=token)["refused"] == mismatch
    assert selected(other, {"S": "p"}, NextToken=token)["refused"] == mismatch
    assert selected(statement, {"S": "p"}, NextToken="?")["refused"] == ("ValidationException", "Invalid NextToken")


# --- capacity


@pytest.mark.parametrize(
    ("statement", "members", "capacity"),
    [
        ("SELECT * FROM Messages WHERE pk = 'p'", {}, {"CapacityUnits": 0.5, "Table": {"CapacityUnits": 0.5}}),
        (
            "SELECT sk FROM Messages WHERE pk = 'p' AND secret = 9",
            {"ConsistentRead": True},
            {"CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}},
        ),
        (
            'SELECT pk FROM "Messages"."byAuthor" WHERE author = \'bob\'',
            {},
            {
                "CapacityUnits": 0.5,
                "Table": {"CapacityUnits": 0.0},
                "GlobalSecondaryIndexes": {"byAuthor": {"CapacityUnits": 0.5}},
            },
        ),
        (
            'SELECT text FROM "Messages"."byRank" WHERE pk = \'p\'',
            {},
            {
                "CapacityUnits": 2.0,
                "Table": {"CapacityUnits": 1.5},
                "LocalSecondaryIndexes": {"byRank": {"CapacityUnits": 0.5}},
            },
        ),
    ],
)
def test_rows_that_are_read_are_charged(statement: str, members: dict[str, Any], capacity: dict[str, Any]) -> None:
    answer = selected(statement, ReturnConsumedCapacity="INDEXES", **members)
    assert answer["ConsumedCapacity"] == {"TableName": "Messages", **capacity}
