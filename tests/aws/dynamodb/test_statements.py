"""Statements that the grammar refuses, in DynamoDB's words, and that the data plane never does by half.

Recorded from DynamoDB: nubo-db/dynamodb-conformance, tests/tier2/partiql and tests/tier3, nubo-db/dynoxide, and
floci-io/floci. Words of DynamoDB Local: clauses, operators, functions, projections and RETURNING.
"""

# ruff: noqa: S608 - statements are put together from the parts that a case is about

from __future__ import annotations

import pytest

from tests.aws.dynamodb.memory import answered, filled, item, on_global, stored, two_keys

MALFORMED = "Statement wasn't well formed, can't be processed: "
LEFTOVER = f"{MALFORMED}Unexpected token after expression"
ALIAS = "Aliasing is not supported"
STAR = "Other attributes should not be present in the projection when '*' is used."
SINGLE = "Only select from a single table or index is supported."
MISSING_RIGHT = f"{MALFORMED}Missing right-hand side expression of infix operator"
NO_TERM = f"{MALFORMED}Unexpected term"
OPERAND = "Incorrect operand type for operator or function; operator or function: "
NO_INDEX = "This operation is not supported on an index"
OVERLAP = "Two document paths overlap with each other; must remove or rewrite one of these paths; "

WHERE = "SELECT * FROM Messages WHERE "
SET = "UPDATE Messages SET "
KEY = " WHERE pk = 'a' AND sk = '1'"

REFUSED = [
    # --- the statement
    ('SELECTT * FROMM "Messages"', f"{MALFORMED}Expected data manipulation"),
    ("MERGE INTO Messages", f"{MALFORMED}Expected data manipulation"),
    ("UPSERT INTO Messages VALUE {'pk': 'a'}", f"{MALFORMED}Expected data manipulation"),
    ("CREATE TABLE Rooms", f"{MALFORMED}Expected data manipulation"),
    ("  -- nothing", f"{MALFORMED}Expected data manipulation"),
    ("SELECT * FROM Messages; SELECT * FROM Messages", LEFTOVER),
    ('SELECT * FROM "Messages', MALFORMED),
    # --- projections
    ("SELECT COUNT(*) FROM Messages", "Unexpected path component at 1:8:5"),
    ("SELECT\n pk, count(*) FROM Nowhere", "Unexpected path component at 2:6:5"),
    ("SELECT 1 FROM Messages", "Unexpected path component at 1:8:1"),
    ("SELECT pk, * FROM Messages", STAR),
    ("SELECT *, pk FROM Messages", STAR),
    ("SELECT pk, a.pk FROM Messages", "Duplicate identifiers in select clause: pk"),
    ("SELECT pk AS key FROM Messages", ALIAS),
    ("SELECT pk p FROM Messages", ALIAS),
    ("SELECT DISTINCT pk FROM Messages", "Unsupported token in expression: DISTINCT"),
    ("SELECT VALUE pk FROM Messages", "Select projection doesn't support value or pivot keywords"),
    # --- tables
    ("SELECT * FROM", NO_TERM),
    ("SELECT pk", f"{MALFORMED}Expected FROM, found the end in the statement: SELECT pk"),
    ('SELECT * FROM ""', "Path component cannot be an empty string"),
    ('SELECT * FROM "Messages".""', "Path component cannot be an empty string"),
    ('SELECT * FROM "Messages"."byText"."more"', "A path may contain at most 2 components in the FROM clause"),
    ("SELECT * FROM Messages m", ALIAS),
    ("SELECT * FROM Messages AS m", ALIAS),
    ("DELETE FROM Messages m" + KEY, ALIAS),
    ("UPDATE Messages m SET a = 3" + KEY, ALIAS),
    ("SELECT * FROM Messages, Rooms", SINGLE),
    ("SELECT * FROM Messages INNER JOIN Rooms ON a = b", SINGLE),
    ("SELECT * FROM (SELECT * FROM Messages)", NO_TERM),
    # --- clauses
    ("SELECT * FROM Messages LIMIT 5", "Unsupported clause: LIMIT at 1:30:1"),
    (WHERE + "pk = 'a' GROUP BY pk", "Unsupported clause: GROUP BY at 1:48:2"),
    (WHERE + "pk = 'a' ORDER BY sk LIMIT 1", "Unsupported clause: LIMIT at 1:57:1"),
    ("SELECT * FROM Messages ORDER BY pk WHERE pk = 'a'", LEFTOVER),
    (WHERE + "ORDER BY pk", f"{MALFORMED}Unexpected keyword"),
    (WHERE + "pk = 'a' ORDER sk", f"{MALFORMED}Expected BY, found sk in the statement: {WHERE}pk = 'a' ORDER sk"),
    (WHERE + "pk = 'a' UNION SELECT * FROM Messages", LEFTOVER),
    # --- conditions
    (WHERE, NO_TERM),
    (WHERE + ";", NO_TERM),
    (WHERE + "NOT", NO_TERM),
    (WHERE + "(", NO_TERM),
    (WHERE + "pk = 'a' AND", MISSING_RIGHT),
    (WHERE + "pk = 'a' OR", MISSING_RIGHT),
    (WHERE + "pk = 1)", LEFTOVER),
    (WHERE + "pk = 1 foo", LEFTOVER),
    (WHERE + "pk = 1 e5", LEFTOVER),
    (WHERE + "IS NULL", f"{MALFORMED}Unexpected operator"),
    (WHERE + "pk = LIKE", f"{MALFORMED}Unexpected operator"),
    (WHERE + "pk IS FOO", f"{MALFORMED}Expected type name"),
    (WHERE + "a = MISSING", "MISSING must be compared using IS operator"),
    (WHERE + "a", "WHERE clause must contain an expression that resolves to a boolean"),
    (WHERE + "a LIKE 'b%'", "Unsupported operator in Condition Expression. Operator: LIKE at 1:32:4"),
    (WHERE + "a + 1 = 2", "Unsupported operator in Condition Expression. Operator: + at 1:32:1"),
    (WHERE + "lower(a) = 'b'", "Unrecognized function: lower at 1:30:5"),
    (WHERE + "EXISTS(SELECT * FROM Messages)", "Unrecognized function: EXISTS at 1:30:6"),
    (WHERE + "CAST(a AS int) = 1", "Unrecognized function: CAST at 1:30:4"),
    (
        WHERE + "a IN ?",
        "IN operator must have a left hand argument of type Variable Reference and right hand "
        "argument of type Seq with at least one member",
    ),
    (
        WHERE + f"a IN [{', '.join('1' for _ in range(101))}]",
        "Too many operands for the IN operator; number of operands: 101",
    ),
    (WHERE + "a < true", f"{OPERAND}<, operand type: BOOL"),
    (WHERE + "a >= [1]", f"{OPERAND}>=, operand type: L"),
    (WHERE + "a BETWEEN 1 AND NULL", f"{OPERAND}BETWEEN, operand type: NULL"),
    (WHERE + "begins_with(a, 1)", f"{OPERAND}begins_with, operand type: N"),
    (
        WHERE + "contains(a)",
        "Incorrect number of operands for operator or function; operator or function: contains, number of operands: 1",
    ),
    (
        WHERE + "attribute_type(a, 'X')",
        "Invalid attribute type name found; type: X, valid types: {N,BS,L,B,NULL,M,S,SS,NS,BOOL}",
    ),
    (WHERE + "NOT " * 101 + "a = 1", f"{MALFORMED}More than 100 levels in the statement: {WHERE}{'NOT ' * 101}a = 1"),
    # --- INSERT
    ("INSERT INTO Messages m VALUE {'pk': 'x'}", LEFTOVER),
    ("INSERT INTO Messages VALUE {'pk': 'x', 'sk': 'y'} foo", LEFTOVER),
    ("INSERT INTO Messages VALUE {'pk': 'x', 'sk': 'y'} IF NOT EXISTS", LEFTOVER),
    ("INSERT INTO Messages VALUE {'pk': 'x', 'sk': 'y'} RETURNING ALL OLD *", "RETURNING is not supported in INSERT"),
    (
        "INSERT INTO \"Messages\".\"byText\" VALUE {'pk': 'x'}",
        "FROM clause may only contain a single table name in data manipulation statements at 1:13:10",
    ),
    (
        "INSERT INTO Messages << {'pk': 'x'} >>",
        "Unsupported operation: Inserting multiple items in a single statement "
        'is not supported, use "INSERT INTO tableName VALUE item" instead',
    ),
    (
        "INSERT INTO Messages VALUE 'x'",
        "Unsupported format in item expression. Please use struct format {...} to "
        "express item values for insert statement.",
    ),
    # --- UPDATE
    ("UPDATE Messages-old SET a = 1" + KEY, f"{MALFORMED}Expected data manipulation"),
    ("UPDATE Messages" + KEY, f"{MALFORMED}Expected data manipulation"),
    ('UPDATE "Nowhere"."byText" SET a = 1' + KEY, NO_INDEX),
    (SET + "a = 9" + KEY + " foo", LEFTOVER),
    (SET + "a = 9" + KEY + " ORDER BY pk", LEFTOVER),
    ("UPDATE Messages REMOVE a, b" + KEY, LEFTOVER),
    (SET + "a = 1 SET a.b = 2" + KEY, f"{OVERLAP}path one: [a], path two: [a, b]"),
    (SET + "a = if_not_exists(a, 1)" + KEY, "Unrecognized function: if_not_exists at 1:25:13"),
    (SET + "a = size(b)" + KEY, "Unsupported operator in Update Expression. Operator: size at 1:25:4"),
    (SET + "b = set_add(a, <<1>>)" + KEY, "The first argument to SET_ADD must equal the assignment value at 1:25:7"),
    (SET + "a = set_add(a, 1)" + KEY, "The second argument to SET_ADD must be a value with type SET at 1:25:7"),
    (SET + "a = set_delete(a)" + KEY, "SET_DELETE must have exactly two arguments at 1:25:10"),
    (SET + "a = a + 'x'" + KEY, f"{OPERAND}+, operand type: S"),
    (SET + "a = list_append(a, 1)" + KEY, f"{OPERAND}list_append, operand type: N"),
    (
        SET + "a = 1" + KEY + " RETURNING ALL NEW a",
        "Expected '*' after ( MODIFIED | ALL ) ( NEW | OLD ) in RETURNING clause",
    ),
    (
        SET + "a = 1" + KEY + " RETURNING NEW *",
        f"{MALFORMED}Expected ALL or MODIFIED, found NEW in the statement: {SET}a = 1{KEY} RETURNING NEW *",
    ),
    # --- DELETE
    ("DELETE FROM", f"{MALFORMED}Expected identifier for simple path"),
    ("DELETE FROM;", f"{MALFORMED}Expected identifier for simple path"),
    ("DELETE FROM WHERE pk = 'a'", f"{MALFORMED}Expected identifier for simple path"),
    ("DELETE FROM Messages" + KEY + " ORDER BY pk", LEFTOVER),
    ('DELETE FROM "Messages"."byText"' + KEY, NO_INDEX),
    (
        "DELETE FROM Messages" + KEY + " RETURNING MODIFIED OLD *",
        "Invalid returning clause: RETURNING MODIFIED OLD *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
    ),
]


@pytest.mark.parametrize(("statement", "message"), REFUSED)
def test_a_statement_is_refused_and_changes_nothing(statement: str, message: str) -> None:
    before = [item(pk="a", sk="1", a=[1], text="hi")]
    tables = filled(two_keys(indexes={"byText": on_global("byText", "text")}, text="S"), before)
    given = {"Parameters": [{"S": "x"}] * statement.count("?")} if "?" in statement else {}
    answer = answered(tables, "ExecuteStatement", Statement=statement, **given)
    assert answer == {"refused": ("ValidationException", message)}
    assert (stored(tables, "Messages"), tables.changes) == (before, [])
