"""Writes of statements, batches and transactions: items before, what is asked, items after, and answers.

Recorded from DynamoDB: nubo-db/dynamodb-conformance, tests/tier2/partiql; nubo-db/dynoxide; floci-io/floci, PartiQL's
documented syntax. Documented: "PartiQL update statements for DynamoDB" and its neighbours.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.operations import DataPlane
from tests.aws.dynamodb.memory import Memory, answered, filled, item, on_global, one_key, stored, two_keys

A = item(pk="a", n=5, text="old", list=[1, 2, 3], tags={"x", "y"}, deep={"in": "old", "side": 1}, lone={"x"})
INVALID, FAILED = "ValidationException", ("ConditionalCheckFailedException", "The conditional request failed")
NO_KEY = "Where clause does not contain a mandatory equality on all key attributes"
SCHEMA = "Key attribute's data type should match its data type in table's schema: Key pk"


def executed(statement: str, *parameters: Any, **members: Any) -> tuple[Any, Memory]:
    """The answer about a table with one item, and the tables afterwards."""
    tables = filled(one_key(), [A])
    given = {"Parameters": list(parameters)} if parameters else {}
    return answered(tables, "ExecuteStatement", Statement=statement, **given, **members), tables


def changed(**attributes: Any) -> dict[str, Any]:
    """The item with attributes set, or without those that are None."""
    return {
        **{name: each for name, each in A.items() if name not in attributes},
        **item(**{name: each for name, each in attributes.items() if each is not None}),
    }


@pytest.mark.parametrize(
    ("actions", "after"),
    [
        ("SET text = 'new'", changed(text="new")),
        ("SET text = 'new', n = 6", changed(text="new", n=6)),
        ("SET text = 'new' SET n = 6", changed(text="new", n=6)),
        ("SET fresh = {'b': [1]}", changed(fresh={"b": [1]})),
        ("SET n = n + 100", changed(n=105)),
        ("SET n = n - 1.5", changed(n=3.5)),
        ("SET n = 10 - n", changed(n=5)),
        ("SET n = -1", changed(n=-1)),
        ("SET copy = n SET n = 1", changed(copy=5, n=1)),
        ("SET deep.fresh = 1", changed(deep={"in": "old", "side": 1, "fresh": 1})),
        ('SET "list"[0] = 9', changed(list=[9, 2, 3])),
        ('SET "list"[9] = 4', changed(list=[1, 2, 3, 4])),
        ('SET "list" = list_append("list", [4])', changed(list=[1, 2, 3, 4])),
        ('SET "list" = LIST_APPEND([0], "list")', changed(list=[0, 1, 2, 3])),
        ('SET "list" = list_append(list_append([0], "list"), [4])', changed(list=[0, 1, 2, 3, 4])),
        ("SET tags = set_add(tags, <<'z'>>)", changed(tags={"x", "y", "z"})),
        ("SET tags = SET_DELETE(tags, <<'y', 'q'>>)", changed(tags={"x"})),
        ("SET fresh = set_add(fresh, <<1>>)", changed(fresh={1})),
        ("SET lone = set_delete(lone, <<'x'>>)", changed(lone=None)),
        ("REMOVE text", changed(text=None)),
        ("REMOVE text REMOVE n", changed(text=None, n=None)),
        ('REMOVE "list"[0] REMOVE "list"[1]', changed(list=[3])),
        ("REMOVE deep.side SET n = 6", changed(deep={"in": "old"}, n=6)),
        ("REMOVE absent", changed()),
    ],
)
def test_an_item_is_updated(actions: str, after: dict[str, Any]) -> None:
    answer, tables = executed("UPDATE Rooms " + actions + " WHERE pk = 'a'")
    assert (answer, stored(tables, "Rooms"), len(tables.changes)) == ({"Items": []}, [after], 1)


OLD, NEW = {"in": "old"}, {"in": "new"}


@pytest.mark.parametrize(
    ("statement", "items"),
    [
        ("UPDATE Rooms SET n = 6 WHERE pk = 'a'", []),
        ("UPDATE Rooms SET n = 6 WHERE pk = 'a' RETURNING ALL OLD *", [A]),
        ("UPDATE Rooms SET n = 6 WHERE pk = 'a' RETURNING ALL NEW *", [changed(n=6)]),
        ("UPDATE Rooms SET n = 6 WHERE pk = 'a' RETURNING MODIFIED OLD *", [item(n=5)]),
        ("UPDATE Rooms SET n = 6 WHERE pk = 'a' RETURNING modified new *", [item(n=6)]),
        ("UPDATE Rooms SET deep['in'] = 'new' WHERE pk = 'a' RETURNING MODIFIED OLD *", [item(deep=OLD)]),
        ("UPDATE Rooms SET deep['in'] = 'new' WHERE pk = 'a' RETURNING MODIFIED NEW *", [item(deep=NEW)]),
        ("UPDATE Rooms REMOVE n WHERE pk = 'a' RETURNING MODIFIED NEW *", []),
        ("UPDATE Rooms SET fresh = 1 WHERE pk = 'a' RETURNING MODIFIED OLD *", []),
        ("DELETE FROM Rooms WHERE pk = 'a'", []),
        ("DELETE FROM Rooms WHERE pk = 'a' RETURNING ALL OLD *", [A]),
        ("DELETE FROM Rooms WHERE pk = 'none' RETURNING ALL OLD *", []),
        ("INSERT INTO Rooms VALUE {'pk': 'b'}", []),
    ],
)
def test_a_write_returns_what_it_names(statement: str, items: list[Any]) -> None:
    assert executed(statement)[0] == {"Items": items}


@pytest.mark.parametrize(
    ("statement", "after"),
    [
        ("INSERT INTO Rooms VALUE {'pk': 'b', 'n': 1}", [A, item(pk="b", n=1)]),
        ("INSERT INTO \"Rooms\" value {'n': 1, 'pk': 'b'}", [A, item(pk="b", n=1)]),
        ("DELETE FROM Rooms WHERE pk = 'a'", []),
        ("DELETE FROM Rooms WHERE pk = 'a' AND n = 5 AND NOT text = 'x'", []),
        ("DELETE FROM Rooms WHERE (pk = 'a') AND (n = 1 OR n = 5)", []),
        ("DELETE FROM Rooms WHERE pk = 'none'", [A]),
        ("DELETE FROM Rooms WHERE pk = 'none' AND n = 1", [A]),
        ("UPDATE Rooms REMOVE n WHERE n BETWEEN 1 AND 5 AND 'a' = pk", [changed(n=None)]),
    ],
)
def test_items_are_written(statement: str, after: list[Any]) -> None:
    answer, tables = executed(statement)
    assert (answer, stored(tables, "Rooms")) == ({"Items": []}, after)


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        (
            "INSERT INTO Rooms VALUE {'pk': 'a'}",
            ("DuplicateItemException", "Duplicate primary key exists in table"),
        ),
        ("INSERT INTO Rooms VALUE {'n': 1}", (INVALID, "Key attribute should be present in the item: Key pk")),
        ("INSERT INTO Rooms VALUE {'pk': 1}", (INVALID, SCHEMA)),
        (
            "INSERT INTO Rooms VALUE {'pk': ''}",
            (
                INVALID,
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
                "empty string value. Key: pk",
            ),
        ),
        ("INSERT INTO Nowhere VALUE {'pk': 'a'}", ("ResourceNotFoundException", "Requested resource not found")),
        ("UPDATE Rooms SET n = 1 WHERE pk = 'none'", FAILED),
        ("UPDATE Rooms SET n = 1 WHERE pk = 'a' AND n = 6", FAILED),
        ("UPDATE Rooms SET n = 1 WHERE pk = 'none' AND n IS MISSING", FAILED),
        ("DELETE FROM Rooms WHERE pk = 'a' AND n IS MISSING", FAILED),
        ("UPDATE Rooms SET n = 1", (INVALID, NO_KEY)),
        ("UPDATE Rooms SET n = 1 WHERE n = 5", (INVALID, NO_KEY)),
        ("DELETE FROM Rooms", (INVALID, NO_KEY)),
        ("DELETE FROM Rooms WHERE pk = 'a' OR pk = 'b'", (INVALID, NO_KEY)),
        ("DELETE FROM Rooms WHERE pk IN ['a']", (INVALID, NO_KEY)),
        (
            "DELETE FROM Rooms WHERE pk = 'a' AND pk = 'b'",
            (INVALID, "Multiple conditions on same key pk. Only single item Update/Insert/Delete are supported"),
        ),
        ("DELETE FROM Rooms WHERE pk = 1", (INVALID, SCHEMA)),
        (
            "UPDATE Rooms SET pk = 'b' WHERE pk = 'a'",
            (
                INVALID,
                "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the "
                "key",
            ),
        ),
        (
            "UPDATE Rooms SET tags = set_add(tags, <<1>>) WHERE pk = 'a'",
            (INVALID, "An operand in the update expression has an incorrect data type"),
        ),
        (
            "UPDATE Rooms SET text = text + 1 WHERE pk = 'a'",
            (INVALID, "An operand in the update expression has an incorrect data type"),
        ),
        (
            "UPDATE Rooms SET none = list_append(none, [1]) WHERE pk = 'a'",
            (INVALID, "The provided expression refers to an attribute that does not exist in the item"),
        ),
        (
            "UPDATE Rooms SET none[0] = 1 WHERE pk = 'a'",
            (INVALID, "The document path provided in the update expression is invalid for update"),
        ),
        (
            "EXISTS(SELECT * FROM Rooms WHERE pk = 'a' AND n = 5)",
            (INVALID, "EXISTS can only be used in ExecuteTransaction write requests."),
        ),
    ],
)
def test_a_refused_write_changes_nothing(statement: str, refused: tuple[str, str]) -> None:
    answer, tables = executed(statement)
    assert (answer, stored(tables, "Rooms"), tables.changes) == ({"refused": refused}, [A], [])


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"Statement": ""},
            "Value '' at 'statement' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        ({"Statement": None}, "Value null at 'statement' failed to satisfy constraint: Member must not be null"),
        (
            {"Statement": "SELECT * FROM Rooms", "Limit": 0},
            "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
    ],
)
def test_members_are_checked_before_the_statement(members: dict[str, Any], message: str) -> None:
    answer = answered(filled(one_key(), [A]), "ExecuteStatement", **members)
    assert answer["refused"] == (INVALID, f"1 validation error detected: {message}")


def test_an_item_over_the_limit_is_refused() -> None:
    large = {"S": "x" * 409_600}
    inserted, _ = executed("INSERT INTO Rooms VALUE {'pk': 'b', 'text': ?}", large)
    updated, _ = executed("UPDATE Rooms SET text = ? WHERE pk = 'a'", large)
    assert inserted["refused"][1] == "Item size has exceeded the maximum allowed size"
    assert updated["refused"][1] == "Item size to update has exceeded the maximum allowed size"


def test_a_failed_condition_gives_the_item_if_it_is_asked_for() -> None:
    tables = filled(one_key(), [A])
    members = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    batch = [{"Statement": "DELETE FROM Rooms WHERE pk = 'a' AND n = 6", **members}]
    answer = answered(tables, "BatchExecuteStatement", Statements=batch)
    assert answer["Responses"][0]["Error"]["Item"] == A


@pytest.mark.parametrize(
    ("statement", "capacity"),
    [
        ("INSERT INTO Messages VALUE {'pk': 'a', 'sk': '1', 'text': 't'}", (1.0, 1.0)),
        ("INSERT INTO Messages VALUE {'pk': 'a', 'sk': '1'}", (1.0, None)),
        ("UPDATE Messages SET text = 'new' WHERE pk = 'p' AND sk = '1'", (1.0, 2.0)),
        ("DELETE FROM Messages WHERE pk = 'p' AND sk = '1'", (1.0, 1.0)),
        ("DELETE FROM Messages WHERE pk = 'p' AND sk = 'none'", (1.0, None)),
    ],
)
def test_a_write_is_charged_for_the_table_and_its_index(statement: str, capacity: tuple[float, float | None]) -> None:
    definition = two_keys(indexes={"byText": on_global("byText", "text")}, text="S")
    tables = filled(definition, [item(pk="p", sk="1", text="old")])
    found = answered(tables, "ExecuteStatement", Statement=statement, ReturnConsumedCapacity="INDEXES")
    consumed = found["ConsumedCapacity"]
    index = consumed.get("GlobalSecondaryIndexes", {}).get("byText", {}).get("CapacityUnits")
    assert (consumed["Table"]["CapacityUnits"], index) == capacity


# --- batches


def several(operation: str, *statements: str, **members: Any) -> tuple[Any, Memory]:
    tables = filled(one_key(), [A, item(pk="b")])
    name = "Statements" if operation.startswith("Batch") else "TransactStatements"
    return answered(tables, operation, **{name: [{"Statement": each} for each in statements]}, **members), tables


def batch(*statements: str) -> tuple[Any, Memory]:
    return several("BatchExecuteStatement", *statements)


def test_each_statement_of_a_batch_has_its_response() -> None:
    answer, tables = batch(
        "UPDATE Rooms SET n = 9 WHERE pk = 'b' RETURNING MODIFIED NEW *",
        "INSERT INTO Rooms VALUE {'pk': 'a'}",
        "DELETE FROM Rooms WHERE pk = 'c' AND n = 1",
        "UPDATE Rooms SET n = 9 WHERE pk = 'd'",
        "INSERT INTO Nowhere VALUE {'pk': 'a'}",
        "THIS IS NOT SQL",
        "UPDATE Rooms SET pk = 'x' WHERE pk = 'e'",
    )
    codes = [response.get("Error", {}).get("Code") for response in answer["Responses"]]
    named = [response.get("TableName") for response in answer["Responses"]]
    assert codes == [
        *(None, "DuplicateItem", None, "ConditionalCheckFailed", "ResourceNotFound"),
        *("ValidationError", "ValidationError"),
    ]
    assert named == [*("Rooms", "Rooms", "Rooms", "Rooms", "Nowhere"), None, None]
    assert answer["Responses"][0]["Item"] == item(n=9)
    assert stored(tables, "Rooms") == [A, item(pk="b", n=9)]


def test_a_batch_reads_one_item_for_each_statement() -> None:
    message = "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
    answer, _ = batch(
        "SELECT n FROM Rooms WHERE pk = 'a'",
        "SELECT * FROM Rooms WHERE pk = 'none'",
        "SELECT * FROM Rooms WHERE n = 5",
        "SELECT * FROM Nowhere WHERE pk = 'a'",
    )
    assert answer["Responses"] == [
        {"TableName": "Rooms", "Item": item(n=5)},
        {"TableName": "Rooms"},
        {"Error": {"Code": "ValidationError", "Message": message}},
        {"TableName": "Nowhere", "Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found"}},
    ]


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (
            [],
            "1 validation error detected: Value '[]' at 'statements' failed to satisfy constraint: Member must have "
            "length greater than or equal to 1",
        ),
        (
            ["SELECT * FROM Rooms WHERE pk = 'a'", "DELETE FROM Rooms WHERE pk = 'b'", "NOT SQL"],
            "Read and write requests together in the same batch is not supported.",
        ),
        (
            ["INSERT INTO Rooms VALUE {'pk': 'c'}", "DELETE FROM Rooms WHERE pk = 'c'"],
            "Provided list of item keys contains duplicates",
        ),
        (
            ["SELECT * FROM Rooms WHERE pk = 'a'", "SELECT n FROM Rooms WHERE pk = 'a'"],
            "Provided list of item keys contains duplicates",
        ),
    ],
)
def test_a_batch_is_refused_as_a_whole(statements: list[str], message: str) -> None:
    answer, tables = batch(*statements)
    assert (answer, tables.changes) == ({"refused": (INVALID, message)}, [])


def test_a_batch_is_charged_by_table() -> None:
    writes = ["INSERT INTO Rooms VALUE {'pk': 'c'}", "INSERT INTO Rooms VALUE {'pk': 'd'}"]
    answer, _ = several("BatchExecuteStatement", *writes, ReturnConsumedCapacity="TOTAL")
    failed, _ = several("BatchExecuteStatement", "NOT SQL", ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == [{"TableName": "Rooms", "CapacityUnits": 2.0}]
    assert "ConsumedCapacity" not in failed


# --- transactions


def transaction(*statements: str, **members: Any) -> tuple[Any, Memory]:
    return several("ExecuteTransaction", *statements, **members)


def test_a_transaction_writes_all() -> None:
    answer, tables = transaction(
        "EXISTS(SELECT * FROM Rooms WHERE pk = 'a' AND n = 5)",
        "INSERT INTO Rooms VALUE {'pk': 'c'}",
        "UPDATE Rooms SET n = 1 WHERE pk = 'b'",
        "DELETE FROM Rooms WHERE pk = 'none'",
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["Responses"] == [{}, {}, {}, {}]
    assert answer["ConsumedCapacity"] == [{"TableName": "Rooms", "CapacityUnits": 8.0, "WriteCapacityUnits": 8.0}]
    assert stored(tables, "Rooms") == [A, item(pk="b", n=1), item(pk="c")]
    assert len(tables.changes) == 2


def test_a_transaction_reads_all() -> None:
    answer, _ = transaction(
        "SELECT n FROM Rooms WHERE pk = 'a'", "SELECT * FROM Rooms WHERE pk = 'none'", ReturnConsumedCapacity="TOTAL"
    )
    assert answer["Responses"] == [{"Item": item(n=5)}, {}]
    assert answer["ConsumedCapacity"] == [{"TableName": "Rooms", "CapacityUnits": 4.0, "ReadCapacityUnits": 4.0}]


@pytest.mark.parametrize(
    ("statements", "codes"),
    [
        (["INSERT INTO Rooms VALUE {'pk': 'c'}", "INSERT INTO Rooms VALUE {'pk': 'a'}"], "None, DuplicateItem"),
        (
            ["UPDATE Rooms SET n = 1 WHERE pk = 'b' AND n = 2", "INSERT INTO Rooms VALUE {'pk': 'c'}"],
            "ConditionalCheckFailed, None",
        ),
        (
            ["EXISTS(SELECT * FROM Rooms WHERE pk = 'a' AND n IS MISSING)", "DELETE FROM Rooms WHERE pk = 'b'"],
            "ConditionalCheckFailed, None",
        ),
        (["EXISTS(SELECT * FROM Rooms WHERE pk = 'none' AND n IS MISSING)"], "ConditionalCheckFailed"),
        (
            ["UPDATE Rooms SET pk = 'x' WHERE pk = 'a'", "UPDATE Rooms SET n = 1 WHERE pk = 'none'"],
            "ValidationError, ConditionalCheckFailed",
        ),
    ],
)
def test_a_transaction_is_cancelled_as_a_whole(statements: list[str], codes: str) -> None:
    answer, tables = transaction(*statements)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    assert (answer, tables.changes) == ({"refused": ("TransactionCanceledException", message)}, [])


FIRST = "Validation failed in TransactStatements[0]: "


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["SELECT * FROM Rooms WHERE"], f"{FIRST}Statement wasn't well formed, can't be processed: Unexpected term"),
        (
            ["SELECT * FROM Rooms WHERE pk = 'a'", "DELETE FROM Rooms WHERE pk = 'b'"],
            "ExecuteTransaction API does not support both read and write operations in the same request.",
        ),
        (
            ["DELETE FROM Rooms WHERE pk = 'a'", "EXISTS(SELECT * FROM Rooms WHERE pk = 'a' AND n = 5)"],
            "Transaction request cannot include multiple operations on one item",
        ),
        (
            ["UPDATE Rooms SET n = 1 WHERE pk = 'a' RETURNING ALL NEW *"],
            f"{FIRST}RETURNING clause is not supported in ExecuteTransaction.",
        ),
        (
            ['SELECT * FROM "Rooms"."i" WHERE pk = \'a\''],
            f"{FIRST}Reads on indices are not supported within transactions.",
        ),
        (
            ["EXISTS(SELECT * FROM Rooms WHERE pk = 'a')"],
            f"{FIRST}EXISTS() must contain a single item read with additional condition",
        ),
        (
            ['EXISTS(SELECT * FROM "Rooms"."i" WHERE pk = \'a\' AND n = 5)'],
            f"{FIRST}Operations on indices are not supported in transactions",
        ),
        (
            ["SELECT * FROM Rooms WHERE pk = 'a' AND n = 5"],
            f"{FIRST}Select statements within ExecuteTransaction must specify the primary key in the where clause.",
        ),
        (
            [],
            "1 validation error detected: Value '[]' at 'transactStatements' failed to satisfy constraint: Member "
            "must have length greater than or equal to 1",
        ),
    ],
)
def test_a_transaction_is_refused_before_it_is_tried(statements: list[str], message: str) -> None:
    answer, tables = transaction(*statements)
    assert (answer, tables.changes) == ({"refused": (INVALID, message)}, [])


def test_a_token_makes_a_transaction_once() -> None:
    tables = filled(one_key(), [A])
    plane = DataPlane(tables, lambda: 0.0)
    members = {
        "ClientRequestToken": "t",
        "TransactStatements": [{"Statement": "UPDATE Rooms SET n = n + ? WHERE pk = 'a'", "Parameters": [{"N": "1"}]}],
    }
    for _ in range(2):
        plane.answer("ExecuteTransaction", members)
    assert stored(tables, "Rooms") == [changed(n=6)]
