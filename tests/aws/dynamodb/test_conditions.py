"""Conditions compare types first; an absent attribute equals none; values that can never match are refused."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.aws.dynamodb import conditions
from pytest_sessionplugin.aws.dynamodb.conditions import (
    Attribute,
    Comparison,
    Condition,
    Constant,
    FunctionCall,
    Placeholder,
    compare,
    known,
    known_kind,
)
from pytest_sessionplugin.aws.dynamodb.expressions import CONDITION, Expressions
from pytest_sessionplugin.aws.dynamodb.values import Item, Value
from tests.aws.dynamodb.cases import claims, refusal

SAMPLES: dict[str, tuple[Value, Value]] = {
    "S": ({"S": "a"}, {"S": "b"}),
    "N": ({"N": "9"}, {"N": "10"}),
    "B": ({"B": "AA=="}, {"B": "/w=="}),
    "BOOL": ({"BOOL": False}, {"BOOL": True}),
    "NULL": ({"NULL": True}, {"NULL": True}),
    "SS": ({"SS": ["a"]}, {"SS": ["b"]}),
    "NS": ({"NS": ["1"]}, {"NS": ["2"]}),
    "BS": ({"BS": ["AA=="]}, {"BS": ["/w=="]}),
    "L": ({"L": []}, {"L": [{"N": "1"}]}),
    "M": ({"M": {}}, {"M": {"a": {"N": "1"}}}),
}
"""For each type a value and, where there is one, another: of ordered types, a larger one."""

ORDERED = ("S", "N", "B")
OPERATORS = ("=", "<>", "<", "<=", ">", ">=")


def condition(text: str, values: dict[str, Value]) -> Condition:
    found = Expressions(None, values).condition(CONDITION, text)
    assert found is not None
    return found


def holds(text: str, item: Item, **values: Value) -> bool:
    given = {f":{name}": value for name, value in values.items()}
    return condition(text, given).holds(item, given)


def refused(text: str, **values: Value) -> str | None:
    given = {f":{name}": value for name, value in values.items()}
    message = refusal(lambda: condition(text, given))
    return message and message.removeprefix(f"Invalid {CONDITION}: ")


def wrong_type(what: str, found: str) -> str:
    return f"Incorrect operand type for operator or function; {what}, operand type: {found}"


# --- operators and types


@pytest.mark.parametrize("kind", SAMPLES)
def test_each_operator_compares_values_of_one_type(kind: str) -> None:
    small, large = SAMPLES[kind]
    different, ordered = small != large, kind in ORDERED
    for operator, expected in {
        "=": [True, not different, not different],
        "<>": [False, different, different],
        "<": [False, ordered, False],
        "<=": [ordered, ordered, False],
        ">": [False, False, ordered],
        ">=": [ordered, False, ordered],
    }.items():
        pairs = ((small, small), (small, large), (large, small))
        assert [compare(operator, one, other) for one, other in pairs] == expected, operator


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_value_only_differs_from_one_of_another_type(kind: str) -> None:
    others = [SAMPLES[other][0] for other in SAMPLES if other != kind]
    for value in SAMPLES[kind]:
        assert [operator for operator in OPERATORS for other in others if compare(operator, value, other)] == ["<>"] * 9


@pytest.mark.parametrize("kind", SAMPLES)
def test_an_absent_attribute_only_differs_from_a_value(kind: str) -> None:
    value = SAMPLES[kind][0]
    assert [operator for operator in OPERATORS if compare(operator, None, value)] == ["<>"]
    assert [operator for operator in OPERATORS if compare(operator, value, None)] == ["<>"]


@pytest.mark.parametrize("operator", OPERATORS)
def test_two_absent_attributes_differ(operator: str) -> None:
    """Measured by ScyllaDB against DynamoDB: `q <> z` is true, `q = z` is not."""
    assert compare(operator, None, None) is (operator == "<>")
    assert holds(f"q {operator} z", {}) is (operator == "<>")


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind not in ORDERED])
def test_a_value_of_the_request_that_has_no_order_is_refused(kind: str) -> None:
    for operator in ("<", "<=", ">", ">="):
        message = wrong_type(f"operator: {operator}", kind)
        assert refused(f"a {operator} :v", v=SAMPLES[kind][0]) == message
        assert refused(f":v {operator} a", v=SAMPLES[kind][0]) == message
        assert not holds(f"a {operator} :v", {"a": SAMPLES[kind][0]}, v={"N": "1"})
        assert not holds(f"a {operator} b", {"a": SAMPLES[kind][0], "b": SAMPLES[kind][1]})


@pytest.mark.parametrize("kind", SAMPLES)
def test_equality_takes_values_of_each_type(kind: str) -> None:
    value = SAMPLES[kind][0]
    for operator in ("=", "<>"):
        assert refused(f"a {operator} :v", v=value) is None
        assert holds(f"a {operator} :v", {"a": value}, v=value) is (operator == "=")
        assert holds(f":v {operator} :v", {}, v=value) is (operator == "=")


@claims(
    ("text", "item"),
    {
        "true is not 1": ("a = :one", {"a": {"BOOL": True}}),
        "true is not less than 5": ("a < :five", {"a": {"BOOL": True}}),
        "true is not in a list with 1": ("a IN (:one, :five)", {"a": {"BOOL": True}}),
        "a list with true does not contain 1": ("contains(a, :one)", {"a": {"L": [{"BOOL": True}]}}),
        "a text is not less than a number": ("a < :five", {"a": {"S": "1"}}),
        "a text is not between numbers": ("a BETWEEN :one AND :five", {"a": {"S": "3"}}),
        "the size of a number is none": ("size(a) < :five", {"a": {"N": "3"}}),
        "the size of an absent attribute is none": ("size(a) < :five", {}),
        "an absent parent has no members": ("a.b[0].c < :five", {"a": {"S": "x"}}),
    },
)
def test_ordinary_data_of_another_type_does_not_match(text: str, item: Item) -> None:
    """Each of these is true, or an error of Python, where values are compared without their types."""
    assert not holds(f"{text} AND :one < :five", item, one={"N": "1"}, five={"N": "5"})


# --- logic


@claims(
    ("text", "expected"),
    {
        "AND binds closer than OR": ("a = :1 OR a = :2 AND a = :2", True),
        "parentheses bind closest": ("(a = :1 OR a = :2) AND a = :2", False),
        "NOT binds closer than AND": ("NOT a = :2 AND a = :1", True),
        "NOT binds closer than OR": ("NOT a = :1 OR a = :1 AND a <> :2", True),
        "NOT of parentheses": ("NOT (a = :2 OR a = :1)", False),
        "NOT of NOT": ("NOT NOT a = :1 AND NOT a = :2", True),
        "NOT of a comparison with an absent attribute is true": ("NOT z = :1 AND NOT z < :2", True),
        "an absent attribute or": ("attribute_not_exists(z) OR z < :1 OR z < :2", True),
        "another type or": ("attribute_not_exists(s) OR s < :1 OR s < :2", False),
        "many alternatives": ("a = :2 OR a = :2 OR a = :2 OR a = :1", True),
        "many conditions": ("a = :1 AND a <> :2 AND a < :2 AND NOT a > :2", True),
    },
)
def test_logic(text: str, expected: bool) -> None:
    item: Item = {"a": {"N": "1"}, "s": {"S": "x"}}
    values: dict[str, Value] = {":1": {"N": "1"}, ":2": {"N": "2"}}
    assert condition(text, values).holds(item, values) is expected


# --- BETWEEN and IN


@claims(
    ("text", "values", "expected"),
    {
        "within": ("a BETWEEN :x AND :y", ({"N": "0"}, {"N": "2"}), True),
        "at both bounds": ("a BETWEEN :x AND :y", ({"N": "1"}, {"N": "1"}), True),
        "outside": ("a BETWEEN :x AND :y", ({"N": "2"}, {"N": "7"}), False),
        "numbers by value": ("ten BETWEEN :x AND :y", ({"N": "9"}, {"N": "11"}), True),
        "texts": ("s BETWEEN :x AND :y", ({"S": "aardvark"}, {"S": "dog"}), True),
        "binaries": ("b BETWEEN :x AND :y", ({"B": "AQ=="}, {"B": "/w=="}), True),
        "bounds of another type": ("a BETWEEN :x AND :y", ({"S": "0"}, {"S": "2"}), False),
        "an absent attribute": ("z BETWEEN :x AND :y", ({"N": "0"}, {"N": "2"}), False),
        "an absent bound": ("a BETWEEN :x AND z OR a = :y", ({"N": "0"}, {"N": "2"}), False),
        "a value between attributes": (":x BETWEEN a AND ten AND :y = :y", ({"N": "5"}, {"N": "2"}), True),
        "bounds of attributes upside down": ("a BETWEEN ten AND :x OR a = :y", ({"N": "1"}, {"N": "2"}), False),
        "attributes without an order": ("a BETWEEN l AND l2 OR :x = :y", ({"N": "0"}, {"N": "2"}), False),
        "a size": ("size(s) BETWEEN :x AND :y", ({"N": "3"}, {"N": "4"}), True),
    },
)
def test_between(text: str, values: tuple[Value, Value], expected: bool) -> None:
    item: Item = {"a": {"N": "1"}, "ten": {"N": "10"}, "s": {"S": "cat"}, "b": {"B": "gA=="}, "l": {"L": []}}
    assert holds(text, {**item, "l2": {"L": []}}, x=values[0], y=values[1]) is expected


@claims(
    ("low", "high", "message"),
    {
        "numbers": ({"N": "5"}, {"N": "4"}, "{N:5}, {N:4}"),
        "numbers by value": ({"N": "10"}, {"N": "9"}, "{N:10}, {N:9}"),
        "texts": ({"S": "z"}, {"S": "a"}, "{S:z}, {S:a}"),
        "binaries": ({"B": "eg=="}, {"B": "YQ=="}, "{B:eg==}, {B:YQ==}"),
    },
)
def test_bounds_upside_down_are_refused(low: Value, high: Value, message: str) -> None:
    one, other = message.split(", ")
    assert refused("a BETWEEN :l AND :h", l=low, h=high) == (
        "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
        f"lower bound operand: AttributeValue: {one}, upper bound operand: AttributeValue: {other}"
    )


def test_bounds_of_two_types_are_refused() -> None:
    assert refused("a BETWEEN :l AND :h", l={"N": "1"}, h={"S": "a"}) == (
        "The BETWEEN operator requires same data type for lower and upper bounds; "
        "lower bound operand: AttributeValue: {N:1}, upper bound operand: AttributeValue: {S:a}"
    )


@pytest.mark.parametrize("text", ["a BETWEEN :v AND b", "a BETWEEN b AND :v", ":v BETWEEN a AND b"])
def test_between_takes_no_value_without_an_order(text: str) -> None:
    assert refused(text, v={"L": []}) == wrong_type("operator: BETWEEN", "L")


@pytest.mark.parametrize("kind", SAMPLES)
def test_in_finds_a_value_of_each_type(kind: str) -> None:
    value, other = SAMPLES[kind]
    item: Item = {"a": value, "b": value, "c": other}
    assert holds("a IN (:v)", item, v=value)
    assert holds("a IN (z, b)", item)
    assert holds(":v IN (z, b)", item, v=value)
    assert holds("a IN (c)", item) is (value == other)
    assert not holds("z IN (:v, z)", item, v=value)


def test_in_takes_values_of_several_types_and_sets_in_any_order() -> None:
    assert holds("a IN (:x, :y)", {"a": {"N": "1"}}, x={"S": "1"}, y={"N": "1"})
    assert holds("a IN (:x)", {"a": {"NS": ["1", "2"]}}, x={"NS": ["2", "1"]})


# --- functions


@pytest.mark.parametrize("kind", SAMPLES)
def test_existence_and_type_of_each_type(kind: str) -> None:
    item: Item = {"a": SAMPLES[kind][0], "m": {"M": {"a": SAMPLES[kind][0]}}}
    for path in ("a", "m.a"):
        assert holds(f"attribute_exists({path})", item)
        assert not holds(f"attribute_not_exists({path})", item)
        assert [other for other in SAMPLES if holds(f"attribute_type({path}, :t)", item, t={"S": other})] == [kind]
    assert not holds("attribute_exists(z)", item)
    assert holds("attribute_not_exists(m.z)", item)
    assert not holds("attribute_type(z, :t)", item, t={"S": kind})
    assert holds("attribute_type(:v, :t)", item, v=SAMPLES[kind][0], t={"S": kind})


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind not in ("S", "B")])
def test_begins_with_takes_texts_and_binaries_of_the_request(kind: str) -> None:
    message = wrong_type("operator or function: begins_with", kind)
    assert refused("begins_with(a, :v)", v=SAMPLES[kind][0]) == message
    assert refused("begins_with(:v, a)", v=SAMPLES[kind][0]) == message
    assert not holds("begins_with(a, :v)", {"a": SAMPLES[kind][0]}, v={"S": "1"})
    assert not holds("begins_with(:v, a)", {"a": SAMPLES[kind][0]}, v={"S": "1"})


@claims(
    ("text", "value", "expected"),
    {
        "a text with its beginning": ("begins_with(s, :v)", {"S": "hel"}, True),
        "a text with another": ("begins_with(s, :v)", {"S": "ell"}, False),
        "a text with itself and more": ("begins_with(s, :v)", {"S": "hello!"}, False),
        "a text with nothing": ("begins_with(s, :v)", {"S": ""}, True),
        "a text with a binary": ("begins_with(s, :v)", {"B": "aGVs"}, False),
        "a binary with its beginning": ("begins_with(b, :v)", {"B": "aGk="}, True),
        "a binary with another": ("begins_with(b, :v)", {"B": "aGg="}, False),
        "a value with an attribute": ("begins_with(:v, s)", {"S": "hello!"}, True),
        "an absent attribute": ("begins_with(z, :v)", {"S": ""}, False),
        "with an absent attribute": ("begins_with(:v, z)", {"S": ""}, False),
    },
)
def test_begins_with(text: str, value: Value, expected: bool) -> None:
    assert holds(text, {"s": {"S": "hello"}, "b": {"B": "aGkgdGhlcmU="}}, v=value) is expected


def test_contains_takes_each_type_and_is_false_where_nothing_is_contained() -> None:
    for value, other in SAMPLES.values():
        assert refused("contains(a, :v)", v=value) is None
        assert not holds("contains(z, :v)", {}, v=value)
        assert holds("contains(a, :v)", {"a": {"L": [other, value]}}, v=value)
        assert not holds("contains(a, z)", {"a": {"L": [value]}})


@claims(
    ("value", "expected"),
    {
        "a text": ({"S": "hello"}, "5"),
        "an empty text": ({"S": ""}, "0"),
        "a text with an accent": ({"S": "né"}, "2"),
        "a text with a character of two code units": ({"S": "a😀"}, "3"),
        "a binary": ({"B": "aGkgdGhlcmU="}, "8"),
        "a set of texts": ({"SS": ["a", "bc"]}, "2"),
        "a set of numbers": ({"NS": ["1", "20", "3"]}, "3"),
        "a set of binaries": ({"BS": ["AA=="]}, "1"),
        "a list": ({"L": [{"N": "2"}, {"L": [{"N": "1"}]}]}, "2"),
        "a map": ({"M": {"x": {"N": "2"}, "y": {"M": {"z": {"N": "1"}}}}}, "2"),
        "a number": ({"N": "12345"}, None),
        "a truth value": ({"BOOL": True}, None),
        "a null": ({"NULL": True}, None),
    },
)
def test_the_size_of(value: Value, expected: str | None) -> None:
    size = FunctionCall("size", (Attribute(("a",)),))
    assert size.value({"a": value}, {}) == (None if expected is None else {"N": expected})
    assert size.value({}, {}) is None
    if expected is not None:
        for operator in ("=", "<=", ">="):
            assert holds(f"size(a) {operator} :n", {"a": value}, n={"N": expected})
            assert not holds(f"size(a) {operator} :n", {"a": value}, n={"S": expected})


@pytest.mark.parametrize("kind", ["N", "BOOL", "NULL"])
@pytest.mark.parametrize(
    "text", ["size(:v) > a", "a = size(:v)", "a BETWEEN b AND size(:v)", "a IN (b, size(:v))", "contains(a, size(:v))"]
)
def test_the_size_of_a_value_that_has_none_is_refused(text: str, kind: str) -> None:
    assert refused(text, v=SAMPLES[kind][0]) == wrong_type("operator or function: size", kind)


@claims(
    ("text", "message"),
    {
        "size of a size": ("size(size(a)) > :v", wrong_type("operator or function: size", "N")),
        "begins_with a size": (
            "begins_with(a, size(b)) OR a = :v",
            wrong_type("operator or function: begins_with", "N"),
        ),
        "attribute_type of a size": (
            "attribute_type(a, size(b)) OR a = :v",
            wrong_type("operator or function: attribute_type", "N"),
        ),
        "attribute_type of an attribute": (
            "attribute_type(a, b) OR a = :v",
            wrong_type("operator or function: attribute_type", "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}"),
        ),
        "attribute_type of no type": (
            "attribute_type(a, :v)",
            "Invalid attribute type name found; type: dog, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        "attribute_exists of a value": (
            "attribute_exists(:v)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        "attribute_not_exists of a size": (
            "attribute_not_exists(size(:v))",
            "Operator or function requires a document path; operator or function: attribute_not_exists",
        ),
    },
)
def test_operands_that_a_function_does_not_take(text: str, message: str) -> None:
    assert refused(text, v={"S": "dog"}) == message


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind != "S"])
def test_attribute_type_takes_the_name_of_a_type(kind: str) -> None:
    message = wrong_type("operator or function: attribute_type", kind)
    assert refused("attribute_type(a, :v)", v=SAMPLES[kind][0]) == message


@pytest.mark.parametrize("text", ["contains({0}, {0})", "begins_with({0}, {0})", "attribute_type({0}, {0})"])
@pytest.mark.parametrize(("path", "words"), [("a", "a"), ("ab.bc[1].a", "ab, bc, [1], a")])
def test_the_same_path_twice_is_refused(text: str, path: str, words: str) -> None:
    function = text.split("(", 1)[0]
    assert refused(text.format(path)) == (
        "The first operand must be distinct from the remaining operands for this operator or function; "
        f"operator: {function}, first operand: [{words}]"
    )


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_path_is_not_compared_with_itself(operator: str) -> None:
    assert refused(f"(a) {operator} a") == (
        "The first operand must be distinct from the remaining operands for this operator or function; "
        f"operator: {operator}, first operand: [a]"
    )
    assert refused(f":v {operator} :v", v={"N": "1"}) is None


# --- trees


def test_a_tree_names_the_paths_that_it_reads() -> None:
    text = "a = :v AND (b.c BETWEEN d AND :v OR NOT contains(e, size(f[0]))) AND g IN (h, :v)"
    assert list(condition(text, {":v": {"N": "1"}}).paths()) == [
        ("a",),
        ("b", "c"),
        ("d",),
        ("e",),
        ("f", 0),
        ("g",),
        ("h",),
    ]


def test_constants_are_known_without_an_item() -> None:
    one: Value = {"N": "1"}
    assert known(Constant(one), {}) == known(Placeholder(":v"), {":v": one}) == one
    assert known(Attribute(("a",)), {}) is known(None, {}) is None
    assert known_kind(FunctionCall("list_append", ()), {}) is None
    assert Comparison("=", Constant(one), Constant(one)).holds({}, {})
    assert list(conditions.Test("contains", (Constant(one), Attribute(("a",)))).paths()) == [("a",)]
