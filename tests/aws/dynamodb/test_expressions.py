"""Expressions are read by AWS's grammar, and refused in its words and order."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.aws.dynamodb.expressions import (
    CONDITION,
    FILTER,
    KEY_CONDITION,
    PROJECTION,
    UPDATE,
    Expressions,
)
from pytest_sessionplugin.aws.dynamodb.values import Item, Value
from tests.aws.dynamodb.cases import claims, refusal

NAMES = {"#a": "a", "#b": "b c.d[0]", "#3": "[3]", "#_": "_"}
VALUES: dict[str, Value] = {":v": {"S": "x"}, ":n": {"N": "1"}, ":_1": {"S": "y"}, ":l": {"L": []}}
ITEM: Item = {"a": {"S": "x"}, "b c.d[0]": {"S": "x"}, "_": {"S": "x"}, "m": {"M": {"a": {"L": [{"S": "x"}]}}}}

REDUNDANT = "The expression has redundant parentheses;"


def refused(kind: str, text: str) -> str | None:
    """Why the expression is refused, without its name."""
    expressions = Expressions(NAMES, VALUES)
    read = {UPDATE: expressions.update, PROJECTION: expressions.projection}
    message = refusal(lambda: read.get(kind, lambda text: expressions.condition(kind, text))(text))
    if message is None:
        return None
    assert message.startswith(f"Invalid {kind}: ")
    return message.removeprefix(f"Invalid {kind}: ")


def holds(text: str) -> bool:
    condition = Expressions(NAMES, VALUES).condition(CONDITION, text)
    assert condition is not None
    return condition.holds(ITEM, VALUES)


def syntax(token: str, near: str) -> str:
    return f'Syntax error; token: "{token}", near: "{near}"'


def overlap(one: str, other: str, fault: str = "overlap") -> str:
    return (
        f"Two document paths {fault} with each other; must remove or rewrite one of these paths; "
        f"path one: [{one}], path two: [{other}]"
    )


# --- white space, names and placeholders


@claims(
    "text",
    {
        "one line": "a = :v AND m.a[0] = :v",
        "several lines": "a = :v\n AND\n  m.a[0] = :v\n",
        "Windows lines": "a = :v\r\nAND m.a[0] = :v",
        "tabs": "\ta\t=\t:v\tAND\tm.a[0]\t=\t:v\t",
        "no space": "a=:v AND m.a[0]=:v",
        "space in a path": "a = :v AND m . a [ 0 ] = :v",
        "keywords in small letters": "a = :v and m.a[0] = :v or a <> :v",
        "NOT beside a parenthesis": "NOT(a <> :v)",
        "NOT in small letters": "not(a <> :v)",
        "NOT on its own line": "NOT\n(a <> :v)",
        "space before the operands of a function": "attribute_exists (a) AND begins_with\n( a , :v )",
        "IN beside a parenthesis": "a IN(:v,:n)",
        "between in small letters": "a between :v and :v",
        "names by placeholders": "#a = :v AND m.#a[0] = :v",
        "a name with dots and brackets by a placeholder": "#b = :v",
        "a placeholder that begins with an underscore": "#_ = :v AND a <> :_1",
        "a placeholder that begins with a digit": "attribute_not_exists(#3)",
        "parentheses around operands": "(a) = (:v) AND (m.a[0]) IN ((:v)) AND contains((a), (:v))",
        "parentheses around conditions": "((a = :v) AND (m.a[0] = :v OR (a <> :v)))",
        "parentheses around functions": "(contains(a, :v)) AND (size(a)) > (size(#3)) OR NOT (a <> :v)",
    },
)
def test_a_condition_may_be_written_in_many_ways(text: str) -> None:
    assert refused(CONDITION, text) is None
    assert holds(text)
    assert refused(FILTER, text) is None


@claims(
    ("text", "message"),
    {
        "an undefined name": (
            "#x = :v",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        "an undefined name in a path": (
            "a.#x[0] = :v",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        "an undefined value": (
            "a = :x",
            "An expression attribute value used in expression is not defined; attribute value: :x",
        ),
        "placeholders have cases": (
            "a = :V",
            "An expression attribute value used in expression is not defined; attribute value: :V",
        ),
        "the first of two undefined ones, a name": (
            "#x = :x",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        "the first of two undefined ones, a value": (
            ":x = #x",
            "An expression attribute value used in expression is not defined; attribute value: :x",
        ),
    },
)
def test_a_placeholder_must_be_defined(text: str, message: str) -> None:
    assert refused(CONDITION, text) == message


def test_each_placeholder_must_be_used() -> None:
    expressions = Expressions({"#a": "a", "#b": "b", "#c": "c"}, {":a": {"N": "1"}, ":b": {"N": "1"}})
    expressions.condition(CONDITION, "a = :a AND #c = :b")
    message = "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}"
    assert refusal(expressions.check_used) == message
    expressions.update("SET #a = if_not_exists(b.#b, :a)")
    assert refusal(expressions.check_used) is None


def test_an_unused_value_is_named() -> None:
    expressions = Expressions(None, {":a": {"N": "1"}, ":unused": {"N": "1"}})
    expressions.update("ADD n :a")
    message = "Value provided in ExpressionAttributeValues unused in expressions: keys: {:unused}"
    assert refusal(expressions.check_used) == message


def test_no_expression_is_no_condition() -> None:
    expressions = Expressions(None, None)
    assert expressions.condition(CONDITION, None) is None
    assert expressions.update(None) is None
    assert expressions.projection(None) is None
    assert refusal(expressions.check_used) is None


def test_the_same_text_is_read_anew_for_other_names() -> None:
    for name in ("a", "b"):
        condition = Expressions({"#n": name}, None).condition(CONDITION, "attribute_exists(#n)")
        assert condition is not None
        assert list(condition.paths()) == [(name,)]


# --- syntax


@claims(
    ("kind", "text", "message"),
    {
        "nothing": (CONDITION, "", "The expression can not be empty;"),
        "white space": (FILTER, " \n\t", "The expression can not be empty;"),
        "an empty update": (UPDATE, "", "The expression can not be empty;"),
        "an empty projection": (PROJECTION, "", "The expression can not be empty;"),
        "an empty key condition": (KEY_CONDITION, "", "The expression can not be empty;"),
        "a single value": (CONDITION, "a", syntax("<EOF>", "a")),
        "a single value in parentheses": (FILTER, "NOT (a)", syntax("<EOF>", ")")),
        "words": (FILTER, "things are not ok", syntax("are", "things are not")),
        "an unclosed function": (CONDITION, "attribute_not_exists(", syntax("<EOF>", "(")),
        "an unclosed parenthesis": (FILTER, "contains (a, :v", syntax("<EOF>", ":v")),
        "a parenthesis too many": (CONDITION, "a = :v)", syntax(")", ":v)")),
        "a function without operands": (CONDITION, "attribute_type()", syntax(")", "()")),
        "IN without choices": (CONDITION, "a IN ()", syntax(")", "()")),
        "IN without parentheses": (FILTER, "a IN :v", syntax(":v", "IN :v")),
        "IN with a comma at the end": (FILTER, "a IN (b,c,)", syntax(")", ",)")),
        "BETWEEN without AND": (FILTER, "a BETWEEN :n, :n", syntax(",", ":n, :n")),
        "AND at the end": (KEY_CONDITION, "a = :v AND ", syntax("<EOF>", "AND")),
        "OR at the beginning": (CONDITION, "OR a = :v", syntax("OR", "OR a")),
        "a comparison of three": (CONDITION, "a < b < c", syntax("<", "b < c")),
        "an operator of another language": (CONDITION, "a == :v", syntax("=", "== :v")),
        "another operator of another language": (CONDITION, "a != :v", syntax("!", "a !=")),
        "a number": (KEY_CONDITION, "a > 4", syntax("4", "> 4")),
        "a text": (CONDITION, 'attribute_exists("a.b")', syntax('"', '("a')),
        "a name with a dash": (CONDITION, "attribute_exists(Pictures-RearView)", syntax("-", "Pictures-RearView")),
        "a name with an underscore before it": (CONDITION, "_a = :v", syntax("_", "_a")),
        "a name with a digit before it": (CONDITION, "1a = :v", syntax("1", "1a")),
        "a name with an accent": (CONDITION, "\u00fc > a", syntax("\u00fc", "\u00fc >")),
        "a keyword as a name": (CONDITION, "set = :v", syntax("set", "set =")),
        "a keyword as an operand": (CONDITION, "a > between", syntax("between", "> between")),
        "a number sign alone": (CONDITION, "#$.b > a", syntax("#", "#$")),
        "a colon alone": (CONDITION, "a = :", syntax(":", "= :")),
        "two dots": (CONDITION, "a..b = :v", syntax(".", "..b")),
        "a dot behind a placeholder of a value": (FILTER, "a > :v.b", syntax(".", ":v.b")),
        "an index that is a name": (CONDITION, "#a[abc].#b = :v", syntax("abc", "[abc]")),
        "an index that is a placeholder": (CONDITION, "a[#b] = :v", syntax("#b", "[#b]")),
        "an index that is a value": (CONDITION, "a[:n] = :v", syntax(":n", "[:n]")),
        "an index below zero": (CONDITION, "a[-1] = :v", syntax("-", "[-1")),
        "an index with a fraction": (CONDITION, "a[4.5] = :v", syntax(".", "4.5")),
        "an index with a zero before it": (CONDITION, "a[01] = :v", syntax("1", "01]")),
        "an index that is nothing": (PROJECTION, "#a[].b", syntax("]", "[].")),
        "an index that is not closed": (UPDATE, "SET #a[0.#b = :v", syntax(".", "0.#b")),
        "an element of a size": (CONDITION, "size(a)[0] > a", syntax("[", ")[0")),
        "an element of a size in parentheses": (CONDITION, "(size(a))[0] > a", syntax("[", ")[0")),
        "a member of a path in parentheses": (FILTER, "(a.b).c > d", syntax(".", ").c")),
        "white space that is none": (CONDITION, "a\u00a0= :v", syntax("\u00a0", "a\u00a0=")),
        "a form feed": (CONDITION, "a = :v\f", syntax("\f", ":v\f")),
        "a sign behind the condition": (CONDITION, "a = :v !", syntax("!", ":v !")),
        "no section": (UPDATE, "INVALID SYNTAX HERE", syntax("INVALID", "INVALID SYNTAX")),
        "a section without actions": (UPDATE, "SET", syntax("<EOF>", "SET")),
        "SET of two with a comma at the end": (UPDATE, "SET a = :v,", syntax("<EOF>", ",")),
        "SET without a value": (UPDATE, "SET a", syntax("<EOF>", "a")),
        "SET without an equals sign": (UPDATE, "SET a :v", syntax(":v", "a :v")),
        "SET of a value": (UPDATE, "SET :v = a", syntax(":v", "SET :v =")),
        "SET of a keyword": (UPDATE, "set a=set", syntax("set", "=set")),
        "SET of a name with an underscore before it": (UPDATE, "SET _123 = :v", syntax("_", "SET _123")),
        "SET of a function": (UPDATE, "SET if_not_exists(a, b) = a", syntax("(", "if_not_exists(a")),
        "SET of a text": (UPDATE, 'SET a = "eight"', syntax('"', '= "eight')),
        "SET of a number": (UPDATE, "SET a = 1", syntax("1", "= 1")),
        "SET of a sum that ends": (UPDATE, "SET a = :n +", syntax("<EOF>", "+")),
        "SET of a sum of three": (UPDATE, "SET a = b + c + d", syntax("+", "c + d")),
        "SET of a sum of sums": (UPDATE, "SET a = b - (c - d)", syntax("-", "c - d")),
        "SET of a product": (UPDATE, "SET a = a * :n", syntax("*", "a * :n")),
        "SET of a comparison": (UPDATE, "SET a = b = c", syntax("=", "b = c")),
        "SET of a member of a path in parentheses": (UPDATE, "SET a = (b.c).d + e", syntax(".", ").d")),
        "a sum in a function": (UPDATE, "SET c = if_not_exists(c, :n+:n)", syntax("+", ":n+:n")),
        "ADD without a value": (UPDATE, "ADD a", syntax("<EOF>", "a")),
        "ADD of a number": (UPDATE, "ADD a 1", syntax("1", "a 1")),
        "ADD of an attribute": (UPDATE, "ADD abort b", syntax("b", "abort b")),
        "DELETE with an equals sign": (UPDATE, "DELETE a = :v", syntax("=", "a = :v")),
        "REMOVE of a value": (UPDATE, "REMOVE :v", syntax(":v", "REMOVE :v")),
        "REMOVE without a comma": (UPDATE, "REMOVE a b", syntax("b", "a b")),
        "exclamation marks": (PROJECTION, "!!! INVALID !!!", syntax("!", "!!")),
        "a projection with a dash": (PROJECTION, "a-b", syntax("-", "a-b")),
        "a projection in parentheses": (PROJECTION, "(a)", syntax("(", "(a")),
        "a projection of a value": (PROJECTION, ":v", syntax(":v", ":v")),
        "a projection of a function": (PROJECTION, "size(a)", syntax("(", "size(a")),
        "a projection with two commas": (PROJECTION, "a,,b", syntax(",", ",,b")),
        "a projection with a comma at the end": (PROJECTION, "abort,", syntax("<EOF>", ",")),
    },
)
def test_a_syntax_error_names_the_token_and_its_neighbours(kind: str, text: str, message: str) -> None:
    assert refused(kind, text) == message


@claims(
    ("kind", "text"),
    {
        "around a condition": (CONDITION, "((a = :v))"),
        "around conditions in AND": (KEY_CONDITION, "((a = :v)) AND ((b = :v))"),
        "around a condition with others": (FILTER, "a=b AND ((a=b OR (a=b OR a=b)))"),
        "around an operand": (FILTER, "a=b and a > ((views))"),
        "around a part of a path": (FILTER, "(a)between(((b.c)).d)and(c)"),
        "around operands of a function": (FILTER, "a > whatever((:things), ((a)))"),
        "around a function": (FILTER, "((contains(a, :v)))"),
        "around a sum": (UPDATE, "SET a = ((b + c))"),
        "around an operand of a sum": (UPDATE, "SET a = b + ((c))"),
        "around a right side": (UPDATE, "SET a = ((b))"),
        "more than there can be operators": (CONDITION, "(" * 2000),
        "of a right side more than there can be operators": (UPDATE, "SET a = " + "(" * 2000),
    },
)
def test_redundant_parentheses_are_refused(kind: str, text: str) -> None:
    assert refused(kind, text) == REDUNDANT


@claims(
    ("kind", "text"),
    {
        "an operand": (UPDATE, "SET a = (b)"),
        "a sum": (UPDATE, "SET a = (b + c)"),
        "operands of a sum": (UPDATE, "SET a = ((b.c.d)+(e))"),
        "operands of a comparison": (CONDITION, "((a) = (b))"),
        "conditions": (CONDITION, "((a = b) OR (b = c)) AND (NOT (c = d))"),
    },
)
def test_parentheses_that_hold_something_are_accepted(kind: str, text: str) -> None:
    assert refused(kind, text) is None


# --- functions


@claims(
    ("kind", "text", "message"),
    {
        "an unknown function": (CONDITION, "dog(a) = :v", "Invalid function name; function: dog"),
        "a function in other letters": (
            FILTER,
            "attRIbute_exIsts((views), #x)",
            "Invalid function name; function: attRIbute_exIsts",
        ),
        "an unknown function of an update": (
            UPDATE,
            "SET a = f123_hi(b,c)",
            "Invalid function name; function: f123_hi",
        ),
        "a function of updates in capitals": (
            UPDATE,
            "SET a = LIST_APPEND(b, c)",
            "Invalid function name; function: LIST_APPEND",
        ),
        "a function of updates in a condition": (
            CONDITION,
            "if_not_exists(a, b) = :v",
            "The function is not allowed in a condition expression; function: if_not_exists",
        ),
        "a function of updates as a condition": (
            FILTER,
            "list_append(a, b)",
            "The function is not allowed in a condition expression; function: list_append",
        ),
        "a function of conditions in an update": (
            UPDATE,
            "SET a = contains(b, :v)",
            "The function is not allowed in an update expression; function: contains",
        ),
        "size in an update, deep": (
            UPDATE,
            "SET a = if_not_exists(b, if_not_exists(c, size(d)))",
            "The function is not allowed in an update expression; function: size",
        ),
        "a condition in a comparison": (FILTER, "attribute_exists((a), (#b)) > b", "attribute_exists"),
        "a condition in BETWEEN": (FILTER, "a between b and attribute_exists(c)", "attribute_exists"),
        "a condition in IN": (FILTER, "a in (b, attribute_not_exists(c))", "attribute_not_exists"),
        "a condition in a function": (FILTER, "size(contains(a, b)) > a", "contains"),
        "size alone": (FILTER, "size(a)", "size"),
        "size in a conjunction": (FILTER, "a = b AND (size(a))", "size"),
        "list_append in list_append": (UPDATE, "SET a = list_append(list_append(:l, :l), :l)", "list_append"),
        "list_append in if_not_exists": (UPDATE, "SET a = if_not_exists(a, list_append(:l, :l))", "list_append"),
        "list_append in a sum": (UPDATE, "SET a = list_append(:l, :l) + :n", "list_append"),
    },
)
def test_a_function_out_of_its_place(kind: str, text: str, message: str) -> None:
    if " " not in message:
        message = f"The function is not allowed to be used this way in an expression; function: {message}"
    assert refused(kind, text) == message


@claims(
    ("text", "function", "count"),
    {
        "attribute_exists of two": ("attribute_exists(a, b) and a=b", "attribute_exists", 2),
        "attribute_not_exists of two": ("attribute_not_exists(a, b)", "attribute_not_exists", 2),
        "attribute_type of one": ("attribute_type(a)", "attribute_type", 1),
        "begins_with of one": ("begins_with(a)", "begins_with", 1),
        "begins_with of three": ("begins_with(a, size(b), c)", "begins_with", 3),
        "contains of one": ("contains(a)", "contains", 1),
        "size of two": ("size(a, b) > c", "size", 2),
    },
)
def test_a_function_with_a_wrong_number_of_operands(text: str, function: str, count: int) -> None:
    assert refused(FILTER, text) == (
        f"Incorrect number of operands for operator or function; operator or function: {function}, "
        f"number of operands: {count}"
    )


# --- sections and paths


@claims(
    ("text", "section"),
    {
        "SET": ("SET a = b SET c = :v", "SET"),
        "REMOVE": ("remove d set a = b remove e", "REMOVE"),
        "ADD": ("add d :n set a = b ADD e :n", "ADD"),
        "DELETE": ("delete d :n set a = b Delete e :n", "DELETE"),
    },
)
def test_a_section_can_only_be_used_once(text: str, section: str) -> None:
    assert refused(UPDATE, text) == f'The "{section}" section can only be used once in an update expression;'


@claims(
    ("kind", "text", "message"),
    {
        "SET twice": (UPDATE, "SET a = :v, a = :n", overlap("a", "a")),
        "SET twice by a placeholder": (UPDATE, "SET #a = :v, a = :n", overlap("a", "a")),
        "SET and REMOVE": (UPDATE, "SET a = :v REMOVE a", overlap("a", "a")),
        "SET below SET": (UPDATE, "SET m = :v, m.num = :n", overlap("m", "m, num")),
        "SET above SET": (UPDATE, "SET a.b.c = :v, a.b = :n", overlap("a, b, c", "a, b")),
        "ADD below SET": (UPDATE, "ADD a[1].b :n SET a[1] = :v", overlap("a, [1], b", "a, [1]")),
        "REMOVE below DELETE": (UPDATE, "REMOVE a.b DELETE a :n", overlap("a, b", "a")),
        "REMOVE of an element and below it": (UPDATE, "REMOVE l[0], l[0].ok", overlap("l, [0]", "l, [0], ok")),
        "a name that looks like an index": (UPDATE, "set a[3].#3 = b, a[3] = b", overlap("a, [3], [3]", "a, [3]")),
        "a member and an element": (UPDATE, "SET a.b = :v, a[1] = :n", overlap("a, b", "a, [1]", "conflict")),
        "an element and a member": (
            UPDATE,
            "SET a.b.c = :v REMOVE a.b[2]",
            overlap("a, b, c", "a, b, [2]", "conflict"),
        ),
        "a path and its namesake": (
            UPDATE,
            "set a[3].#3 = b, a.#3[3] = b",
            overlap("a, [3], [3]", "a, [3], [3]", "conflict"),
        ),
        "a projection twice": (PROJECTION, "a, b, a", overlap("a", "a")),
        "a projection twice by a placeholder": (PROJECTION, "a, #a", overlap("a", "a")),
        "a projection below another": (PROJECTION, "a, #a[1]", overlap("a", "a, [1]")),
        "an overlap before a conflict": (PROJECTION, "b[1], b.a, #a.b, a", overlap("a, b", "a")),
        "a projection of a member and an element": (
            PROJECTION,
            "a.b[1], #a[1]",
            overlap("a, b, [1]", "a, [1]", "conflict"),
        ),
    },
)
def test_paths_that_cannot_both_be_meant(kind: str, text: str, message: str) -> None:
    assert refused(kind, text) == message


def test_paths_that_only_begin_alike_do_not_overlap() -> None:
    assert refused(UPDATE, "SET a.b = :v, a.c = a.b, ab = a REMOVE b.a ADD c.a :n") is None
    assert Expressions(NAMES, None).projection("a.b, a.c[0], a.c[1].d, #b.a, ab") == (
        ("a", "b"),
        ("a", "c", 0),
        ("a", "c", 1, "d"),
        ("b c.d[0]", "a"),
        ("ab",),
    )


# --- limits


@pytest.mark.parametrize("kind", [CONDITION, FILTER, KEY_CONDITION, UPDATE, PROJECTION])
def test_an_expression_has_4_kb_at_most(kind: str) -> None:
    text = {UPDATE: "REMOVE {}", PROJECTION: "{}"}.get(kind, "{} = :v")
    longest = text.format("n" * (4096 - len(text.format(""))))
    assert refused(kind, longest) is None
    message = "Expression size has exceeded the maximum allowed size; expression size: 4097"
    assert refused(kind, f"{longest} ") == message
    assert refused(kind, f"{longest}!") == message  # also where it has other faults


@claims(
    ("kind", "text", "more"),
    {
        "comparisons with OR": (CONDITION, "a=:v", " OR a=:v"),
        "functions with AND": (FILTER, "size(a)>:n AND size(a)>:n", " AND size(a)>:n AND a IN (:v)"),
        "denials": (FILTER, "attribute_exists(a)" + " AND NOT a=:v" * 99, " AND NOT a=:v"),
    },
)
def test_an_expression_has_300_operators_at_most(kind: str, text: str, more: str) -> None:
    for repeated in range(200):
        message = refused(kind, text + more * repeated)
        if message is not None:
            assert message.startswith("The expression contains too many operators")
            assert refused(kind, text + more * (repeated - 1)) is None
            return
    pytest.fail("more than 300 operators were accepted")


def test_assignments_are_not_operators() -> None:
    assert refused(UPDATE, "SET " + ",".join(f"a{at}=:v" for at in range(400))) is None


@claims(
    "text",
    {
        "alternatives as boto3 joins them": "(" * 149 + "a=:v" + " OR a=:v)" * 149,
        "alternatives in alternation": "(a=:v AND (a<>:v OR " * 74 + "a=:v" + "))" * 74,
        "denials of denials": "NOT (" * 298 + "a=:v" + ")" * 298,
        "denials in a row": "NOT " * 298 + "a=:v",
    },
)
def test_conditions_may_be_nested_as_deep_as_operators_allow(text: str) -> None:
    assert refused(CONDITION, text) is None
    assert holds(text)


def test_in_has_100_choices_at_most() -> None:
    for count, message in (
        (100, None),
        (101, "The IN operator is provided with too many operands; number of operands: 101"),
    ):
        assert refused(FILTER, f"a IN ({','.join([':v'] * count)})") == message


def test_a_path_has_32_levels_at_most() -> None:
    assert refused(PROJECTION, ".".join(["x"] * 32)) is None
    message = "The document path has too many nesting levels; nesting levels: 33"
    assert refused(PROJECTION, "x" + "[0]" * 32) == refused(CONDITION, "x" + ".x" * 32 + " = :v") == message


# --- the order of refusals


@claims(
    ("kind", "text", "start"),
    {
        "a syntax error before a reserved word": (CONDITION, "name = :v AND", "Syntax error"),
        "a syntax error before an unknown function": (CONDITION, "f(a) = = :v", "Syntax error"),
        "parentheses before an unknown function": (CONDITION, "f(a) = :v AND ((a = :v))", REDUNDANT),
        "an unknown function before a function out of its place": (
            CONDITION,
            "size(a) AND f(a) = :v",
            "Invalid function",
        ),
        "a function out of its place before a reserved word": (CONDITION, "name = :v AND size(a)", "The function is"),
        "a reserved word before a placeholder": (CONDITION, "#x = :x AND name = :v", "Attribute name is a reserved"),
        "a placeholder before a number of operands": (CONDITION, "contains(a) AND #x = :v", "An expression attribute"),
        "a number of operands before the same path": (CONDITION, "a = a AND contains(a)", "Incorrect number"),
        "the same path before a type": (CONDITION, "begins_with(a, a) OR begins_with(a, :n)", "The first operand"),
        "the first of two types": (CONDITION, "begins_with(a, :n) OR a = a", "Incorrect operand type"),
        "a reserved word of an update before an unknown function": (
            UPDATE,
            "SET a = f(b), name = :v",
            "Attribute name",
        ),
        "an unknown function before a section": (UPDATE, "SET a = :v SET b = f(c)", "Invalid function name"),
        "a section before a placeholder": (UPDATE, "SET a = :x SET #x = :v", 'The "SET" section'),
        "a name before a value": (UPDATE, "SET a = :x, #x = :v", "An expression attribute name"),
        "a placeholder before an overlap": (UPDATE, "SET a = :v, a = :x", "An expression attribute value"),
        "an overlap before a type": (UPDATE, "ADD a :v, a :v", "Two document paths overlap"),
        "a conflict before a type": (UPDATE, "ADD a.b :v, a[0] :v", "Two document paths conflict"),
        "a reserved word before an overlap": (PROJECTION, "a, a, name", "Attribute name is a reserved"),
        "a name before an overlap": (PROJECTION, "a, b, a, #x", "An expression attribute name"),
    },
)
def test_of_two_faults_the_first_in_aws_s_order_is_named(kind: str, text: str, start: str) -> None:
    message = refused(kind, text)
    assert message is not None
    assert message.startswith(start)
