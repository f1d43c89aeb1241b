"""Values are checked, spelt, measured and compared as DynamoDB does."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb.values import (
    Refusal,
    Value,
    checked,
    checked_item,
    contains,
    equal,
    equal_items,
    item_size,
    kind_of,
    number,
    size,
    sortable,
)
from tests.aws.dynamodb.cases import claims

INVALID = "One or more parameter values were invalid: "
EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
SEVERAL = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
NESTED = "Nesting Levels have exceeded supported limits: Attributes are nested over 32 levels"
NOT_A_NUMBER = "The parameter cannot be converted to a numeric value"
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
IMPRECISE = "Attempting to store more than 38 significant digits in a Number"
NULL = f"{INVALID}Null attribute value types must have the value of true"


def refused(value: Any) -> tuple[str, str]:
    with pytest.raises(Refusal) as caught:
        checked(value)
    return caught.value.code, caught.value.message


def nested(levels: int, kind: str) -> Value:
    value: Value = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]} if kind == "L" else {"M": {"m": value}}
    return value


# --- numbers


SPELLINGS: list[tuple[str, str]] = [
    ("1.50", "1.5"),
    ("1.0", "1"),
    ("3.1400", "3.14"),
    ("1E+3", "1000"),
    ("1.5E2", "150"),
    ("1e+5", "100000"),
    ("-17.4E37", "-174" + "0" * 36),
    ("007", "7"),
    ("0001.23", "1.23"),
    ("-0", "0"),
    ("-0.00", "0"),
    ("0e1000", "0"),
    ("0E99999999999999999999", "0"),
    ("+5", "5"),
    ("+.5", "0.5"),
    ("1e-3", "0.001"),
    ("+1e-2", "0.01"),
    (".5", "0.5"),
    ("-.5", "-0.5"),
    ("5.", "5"),
    ("100", "100"),
    ("10.50", "10.5"),
    ("0000012345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ("-00001.23456789012345678901234567890123456780000", "-1.2345678901234567890123456789012345678"),
    ("0009.99999999999999999999999999999999999990000e125", "9" * 38 + "0" * 88),
    ("-0009.99999999999999999999999999999999999990000e125", "-" + "9" * 38 + "0" * 88),
    ("0001.000e-130", "0." + "0" * 129 + "1"),
    ("-1E-130", "-0." + "0" * 129 + "1"),
]


def test_a_number_has_one_spelling() -> None:
    for text, stored in SPELLINGS:
        assert number(text) == stored
        assert checked({"N": text}) == {"N": stored}
        assert checked({"NS": [text]}) == {"NS": [stored]}
        assert number(stored) == stored


OTHERWISE: list[str] = [
    "\uff11",
    "\u0663",
    "1_0",
    " 1",
    "1 ",
    "1 0",
    "NaN",
    "-NaN",
    "Infinity",
    "-Infinity",
    "dog",
    "e2",
    "1e",
    "1e+",
    ".",
    "-",
    "+",
    "++5",
    "+-5",
    "1+2",
    "1.2.3",
    "1.2e3.4",
    "0x5",
    "1,5",
    "1\n",
]


@pytest.mark.process
def test_a_long_text_that_is_not_a_number_is_read_once() -> None:
    """Read again from each of its digits, it would take an hour."""
    script = (
        "from pytest_sessionplugin.aws.dynamodb.values import NUMBER; assert not NUMBER.fullmatch('1' * 400_000 + 'x')"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_anything_else_is_not_a_number() -> None:
    for text in OTHERWISE:
        assert refused({"N": text}) == ("ValidationException", f"{NOT_A_NUMBER}: {text}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", NOT_A_NUMBER),
        ("1E126", OVERFLOW),
        ("11e125", OVERFLOW),
        ("-1E+126", OVERFLOW),
        ("1.0e100000000", OVERFLOW),
        ("1E99999999999999999999", OVERFLOW),
        ("1E-131", UNDERFLOW),
        ("0.9e-130", UNDERFLOW),
        ("1E-99999999999999999999", UNDERFLOW),
        ("1" * 39, IMPRECISE),
        ("3.14159265358979323846264338327950288419", IMPRECISE),
        ("314159265358979323846264338327950288419e30", IMPRECISE),
    ],
)
def test_a_number_outside_the_range_is_refused(text: str, message: str) -> None:
    assert refused({"N": text}) == ("ValidationException", message)
    assert refused({"NS": ["1", text]}) == ("ValidationException", message)


# --- checks


KEPT: list[Value] = [
    {"S": ""},
    {"B": ""},
    {"BOOL": False},
    {"NULL": True},
    {"L": []},
    {"M": {}},
    {"SS": [""]},
    {"BS": [""]},
    {"L": [{"S": ""}, {"M": {"": {"N": "1"}}}]},
    nested(32, "L"),
    nested(32, "M"),
]


def test_a_value_that_aws_stores_is_kept() -> None:
    assert list(map(checked, KEPT)) == KEPT


@claims(
    ("value", "message"),
    {
        "without a type": ({}, EMPTY),
        "of an unknown type": ({"a": ""}, EMPTY),
        "not an object": ("text", EMPTY),
        "of two types": ({"S": "a", "N": "1"}, SEVERAL),
        "of two types, and first a wrong number": ({"S": "a", "N": "b"}, f"{NOT_A_NUMBER}: b"),
        "of two types, and first a wrong number of a set": ({"S": "a", "NS": ["1", ""]}, NOT_A_NUMBER),
        "without a type, in a map": ({"M": {"a": {}}}, EMPTY),
        "without a type, in a list": ({"L": [{}]}, EMPTY),
        "an empty set of texts": ({"SS": []}, f"{INVALID}An string set  may not be empty"),
        "an empty set of numbers": ({"NS": []}, f"{INVALID}An number set  may not be empty"),
        "an empty set of binaries": ({"BS": []}, f"{INVALID}Binary sets should not be empty"),
        "an empty set, in a map in a list": (
            {"L": [{"M": {"a": {"SS": []}}}]},
            f"{INVALID}An string set  may not be empty",
        ),
        "a set with a text twice": ({"SS": ["a", "a"]}, f"{INVALID}Input collection [a, a] contains duplicates."),
        "a set with a number twice": ({"NS": ["1", "1"]}, "Input collection contains duplicates"),
        "a set with a number in two spellings": ({"NS": ["1", "1.0"]}, "Input collection contains duplicates"),
        "a set with a binary twice": (
            {"BS": ["Yg==", "Yg=="]},
            f"{INVALID}Input collection [Yg==, Yg==]of type BS contains duplicates.",
        ),
        "NULL that is false": ({"NULL": False}, NULL),
        "NULL that is a text": ({"NULL": "no"}, NULL),
        "33 lists deep": (nested(33, "L"), NESTED),
        "33 maps deep": (nested(33, "M"), NESTED),
        "a wrong number in a list": ({"L": [{"N": "x"}]}, f"{NOT_A_NUMBER}: x"),
    },
)
def test_a_value_that_aws_refuses(value: Any, message: str) -> None:
    assert refused(value) == ("ValidationException", message)


UNREADABLE: list[dict[str, Any]] = [
    {"S": 1},
    {"S": None},
    {"N": 1},
    {"N": 1.5},
    {"BOOL": "x"},
    {"BOOL": 1},
    {"L": {}},
    {"M": []},
    {"SS": "a"},
    {"SS": [1]},
    {"NS": [1]},
    {"B": "not base64"},
    {"B": 1},
    {"BS": ["%"]},
]


def test_json_of_another_type_cannot_be_read() -> None:
    assert {refused(value)[0] for value in UNREADABLE} == {"SerializationException"}


def test_an_item_is_checked_member_by_member() -> None:
    assert checked_item({"a": {"N": "1.0"}, "b": {"L": [{"NS": ["2.50"]}]}}) == {
        "a": {"N": "1"},
        "b": {"L": [{"NS": ["2.5"]}]},
    }
    with pytest.raises(Refusal):
        checked_item([])


def test_a_checked_value_is_a_value_of_its_own() -> None:
    given = {"M": {"a": {"L": [{"N": "1"}]}}}
    kept = checked(given)
    given["M"]["a"]["L"].append({"N": "2"})
    assert kept == {"M": {"a": {"L": [{"N": "1"}]}}}


# --- sizes


NUMBER_SIZES: list[tuple[str, int]] = [
    ("0", 1),
    ("-0", 1),
    ("1", 2),
    ("12", 2),
    ("123", 3),
    ("12345", 4),
    ("1234567890123456789", 11),
    ("12345678901234567890123456789012345678", 20),
    ("0042", 2),
    ("100", 2),
    ("1010", 3),
    ("0.0000001", 2),
    ("0.15", 2),
    ("1.5", 3),
    ("1.05", 3),
    ("1.200", 3),
    ("1.234", 4),
    ("3.14159", 5),
    ("100.5", 4),
    ("1E125", 2),
    ("1E-100", 2),
    ("-42", 3),
    ("-0.15", 3),
    ("-1E125", 3),
]


def test_a_number_counts_a_byte_for_two_digits_on_each_side_of_the_point() -> None:
    """Figures that the authors of Dynoxide measured at DynamoDB's limit of 400 KB."""
    assert [(text, size(checked({"N": text}))) for text, _ in NUMBER_SIZES] == NUMBER_SIZES


SIZES: list[tuple[Value, int]] = [
    ({"S": ""}, 0),
    ({"S": "abc"}, 3),
    ({"S": "né"}, 3),
    ({"S": "😀"}, 4),
    ({"B": ""}, 0),
    ({"B": "YQ=="}, 1),
    ({"B": "YWI="}, 2),
    ({"B": "YWJj"}, 3),
    ({"BOOL": True}, 1),
    ({"NULL": True}, 1),
    ({"SS": ["a", "né"]}, 4),
    ({"NS": ["1", "-42"]}, 5),
    ({"BS": ["YQ==", "YWI="]}, 3),
    ({"L": []}, 3),
    ({"M": {}}, 3),
    ({"L": [{"S": "ab"}, {"BOOL": True}]}, 3 + 1 + 2 + 1 + 1),
    ({"M": {"né": {"S": "ab"}}}, 3 + 1 + 3 + 2),
    ({"L": [{"L": []}]}, 3 + 1 + 3),
]


def test_a_value_counts_the_bytes_that_aws_charges() -> None:
    assert [(value, size(value)) for value, _ in SIZES] == SIZES
    assert [item_size({"né": value}) for value, _ in SIZES] == [3 + each for _, each in SIZES]


# --- comparison

SAMPLES: dict[str, Value] = {
    "S": {"S": "1"},
    "N": {"N": "1"},
    "B": {"B": "MQ=="},
    "BOOL": {"BOOL": True},
    "NULL": {"NULL": True},
    "SS": {"SS": ["1", "2"]},
    "NS": {"NS": ["1", "2"]},
    "BS": {"BS": ["MQ==", "Mg=="]},
    "L": {"L": [{"N": "1"}]},
    "M": {"M": {"a": {"N": "1"}}},
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_value_equals_itself_and_none_of_another_type(kind: str) -> None:
    assert kind_of(SAMPLES[kind]) == kind
    assert [other for other in SAMPLES if equal(SAMPLES[kind], SAMPLES[other])] == [kind]


@claims(
    ("one", "other"),
    {
        "sets in any order": ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}),
        "sets of binaries in any order": ({"BS": ["YQ==", "Yg=="]}, {"BS": ["Yg==", "YQ=="]}),
        "numbers of sets in two spellings": ({"NS": ["1.0", "2"]}, {"NS": ["2", "1"]}),
        "maps in any order": (
            {"M": {"a": {"N": "1"}, "b": {"S": "x"}}},
            {"M": {"b": {"S": "x"}, "a": {"N": "1.00"}}},
        ),
        "sets in maps in lists": ({"L": [{"M": {"a": {"NS": ["1", "2"]}}}]}, {"L": [{"M": {"a": {"NS": ["2", "1"]}}}]}),
        "numbers in two spellings": ({"N": "1E+3"}, {"N": "1000"}),
        "binaries": ({"B": "YWI="}, {"B": "YWI="}),
    },
)
def test_equal_values(one: Value, other: Value) -> None:
    assert equal(checked(one), checked(other))
    assert equal_items({"a": checked(one)}, {"a": checked(other)})


@claims(
    ("one", "other"),
    {
        "true and 1": ({"BOOL": True}, {"N": "1"}),
        "true and 1 in lists": ({"L": [{"BOOL": True}]}, {"L": [{"N": "1"}]}),
        "true and 1 in maps": ({"M": {"a": {"BOOL": True}}}, {"M": {"a": {"N": "1"}}}),
        "false and 0": ({"BOOL": False}, {"N": "0"}),
        "true and false": ({"BOOL": True}, {"BOOL": False}),
        "a number and its text": ({"N": "1"}, {"S": "1"}),
        "lists in another order": ({"L": [{"N": "1"}, {"N": "2"}]}, {"L": [{"N": "2"}, {"N": "1"}]}),
        "a list and a longer one": ({"L": [{"N": "1"}]}, {"L": [{"N": "1"}, {"N": "1"}]}),
        "a set and a larger one": ({"SS": ["a"]}, {"SS": ["a", "b"]}),
        "sets of two types": ({"SS": ["1"]}, {"NS": ["1"]}),
        "maps with other names": ({"M": {"a": {"N": "1"}}}, {"M": {"b": {"N": "1"}}}),
        "a map and a larger one": ({"M": {}}, {"M": {"a": {"N": "1"}}}),
        "38 digits that differ in the last": ({"N": "1" * 38}, {"N": "1" * 37 + "2"}),
        "texts in two cases": ({"S": "a"}, {"S": "A"}),
    },
)
def test_different_values(one: Value, other: Value) -> None:
    assert not equal(one, other)
    assert not equal(other, one)
    assert not equal_items({"a": one}, {"a": other})


def test_items_are_equal_only_with_the_same_attributes() -> None:
    assert not equal_items({"a": {"N": "1"}}, {"a": {"N": "1"}, "b": {"N": "1"}})


@pytest.mark.parametrize(
    "values",
    [
        [{"N": text} for text in ("-100", "-1.5", "-1", "0", "0.1", "9", "10", "1" * 38)],
        [{"S": text} for text in ("", "A", "B", "a", "aa", "b", "é", "\ufe4f", "😀")],  # by UTF-8, not by UTF-16
        [{"B": text} for text in ("", "AA==", "AAA=", "fw==", "gA==", "/w==")],
    ],
    ids=["numbers by value", "texts by their bytes in UTF-8", "binaries by unsigned bytes"],
)
def test_values_are_sorted(values: list[Value]) -> None:
    shuffled = values[1::2] + values[::2]
    assert sorted(shuffled, key=sortable) == values


CONTAINED: list[tuple[Value, Value, bool]] = [
    ({"S": "hello"}, {"S": "ell"}, True),
    ({"S": "hello"}, {"S": ""}, True),
    ({"S": "hello"}, {"S": "dog"}, False),
    ({"S": "123"}, {"N": "2"}, False),
    ({"B": "aGkgdGhlcmU="}, {"B": "aGVyZQ=="}, True),  # "hi there", "here"
    ({"B": "aGkgdGhlcmU="}, {"B": "ZG9n"}, False),
    ({"B": "aGk="}, {"S": "h"}, False),
    ({"SS": ["a", "b"]}, {"S": "a"}, True),
    ({"SS": ["ab"]}, {"S": "a"}, False),
    ({"SS": ["1"]}, {"N": "1"}, False),
    ({"NS": ["2", "4"]}, {"N": "4"}, True),
    ({"NS": ["2", "4"]}, {"S": "4"}, False),
    ({"BS": ["YQ=="]}, {"B": "YQ=="}, True),
    ({"BS": ["YQ=="]}, {"S": "YQ=="}, False),
    ({"SS": ["a", "b"]}, {"SS": ["a"]}, False),
    ({"L": [{"N": "2"}, {"S": "x"}]}, {"N": "2"}, True),
    ({"L": [{"BOOL": True}]}, {"N": "1"}, False),
    ({"L": [{"NS": ["1", "2"]}]}, {"NS": ["2", "1"]}, True),
    ({"L": [{"L": [{"N": "3"}]}]}, {"L": [{"N": "3"}]}, True),
    ({"L": [{"L": [{"N": "3"}]}]}, {"N": "3"}, False),
    ({"M": {"a": {"S": "x"}}}, {"S": "a"}, False),
    ({"N": "123"}, {"N": "2"}, False),
    ({"BOOL": True}, {"BOOL": True}, False),
    ({"NULL": True}, {"NULL": True}, False),
]


def test_a_text_binary_set_or_list_contains_a_part() -> None:
    assert [(value, part, contains(value, part)) for value, part, _ in CONTAINED] == CONTAINED
