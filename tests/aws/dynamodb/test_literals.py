"""Literals, parameters, names and comments of statements, each as it is stored or as it is refused.

Recorded from DynamoDB: nubo-db/dynamodb-conformance, tests/tier2/partiql, and floci-io/floci, PartiQL's documented
syntax. Words of DynamoDB Local: repeated keys, a parameter in a set, wildcards.
"""

# ruff: noqa: S608 - statements are put together from the parts that a case is about

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.dynamodb.memory import answered, filled, item, one_key, wire

MALFORMED = "Statement wasn't well formed, can't be processed: "
OVERFLOW = "Number overflow. Attempting to store a number with magnitude larger than supported range"
UNDERFLOW = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
BAG = "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags"


def inserted(literal: str, *parameters: Any) -> Any:
    """The value of the attribute `a` after an INSERT, or the message of its refusal."""
    tables = filled(one_key(), [])
    statement = f"INSERT INTO Rooms VALUE {{'pk': 'a', 'a': {literal}}}"
    given = {"Parameters": [wire(each) for each in parameters]} if parameters else {}
    answer = answered(tables, "ExecuteStatement", Statement=statement, **given)
    row = tables.store("Rooms").get(item(pk="a"))
    return answer["refused"][1] if row is None else row.item["a"]


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'text'", {"S": "text"}),
        ("'it''s here'", {"S": "it's here"}),
        ("''", {"S": ""}),
        ("'a ? -- /* b'", {"S": "a ? -- /* b"}),
        ("'two\nlines'", {"S": "two\nlines"}),
        ("1E3", {"N": "1000"}),
        ("-1.5e-3", {"N": "-0.0015"}),
        ("+7", {"N": "7"}),
        (".5", {"N": "0.5"}),
        ("2.50", {"N": "2.5"}),
        ("-0", {"N": "0"}),
        ("0e2147483647", {"N": "0"}),
        ("true", {"BOOL": True}),
        ("FALSE", {"BOOL": False}),
        ("null", {"NULL": True}),
        ("[]", {"L": []}),
        ("[1, 'two', [NULL]]", {"L": [{"N": "1"}, {"S": "two"}, {"L": [{"NULL": True}]}]}),
        ("{}", {"M": {}}),
        ("{'b': {'c': 1}, 'd': <<2>>}", {"M": {"b": {"M": {"c": {"N": "1"}}}, "d": {"NS": ["2"]}}}),
        ("<<'b', 'a'>>", {"SS": ["b", "a"]}),
        ("<<1, 34, 4.50>>", {"NS": ["1", "34", "4.5"]}),
        ("/* one */ 1 -- two\n", {"N": "1"}),
    ],
)
def test_a_literal_is_stored(literal: str, value: dict[str, Any]) -> None:
    assert inserted(literal) == value


@pytest.mark.parametrize(
    ("literal", "message"),
    [
        ("1e126", f"{OVERFLOW} under root"),
        ("1e-131", f"{UNDERFLOW} under root"),
        ("{'x': 1e126}", f"{OVERFLOW} under root.x"),
        ("[1, 1e126]", f"{OVERFLOW} under root[1]"),
        ("{'x': [{'y': 1e126}]}", f"{OVERFLOW} under root.x[0].y"),
        ("9" * 39, "Attempting to store more than 38 significant digits in a Number under root"),
        ("1e2147483648", MALFORMED),
        ("1e" + "9" * 5000, MALFORMED),
        ("1.5e-2147483647", MALFORMED),
        ("<<>>", "Empty bags are not supported"),
        ("<<1, 'a'>>", BAG),
        ("<<[1]>>", BAG),
        ("<<?>>", BAG),
        ("<<'a', 'a'>>", "One or more parameter values were invalid: Input collection [a, a] contains duplicates."),
        ("{'b': 1, 'b': 2}", "Duplicate keys in tuple. Key: b under root"),
        ("'open", MALFORMED),
        ("1 # note", MALFORMED),
        ("1 /* note", MALFORMED),
        ("`2020T`", MALFORMED),
        ("[1,]", f"{MALFORMED}Unexpected term"),
        ("word", f"{MALFORMED}Unexpected term"),
        (
            "[" * 32 + "[1]" + "]" * 32,
            "Nesting Levels have exceeded supported limits: Attributes are nested over 32 levels",
        ),
    ],
)
def test_a_literal_is_refused(literal: str, message: str) -> None:
    assert inserted(literal, *[1] * literal.count("?")) == message


def test_levels_without_end_are_refused() -> None:
    assert inserted("[" * 3000 + "]" * 3000).startswith(f"{MALFORMED}More than 100 levels in the statement: INSERT")


@pytest.mark.parametrize(
    ("literal", "parameters", "value"),
    [
        ("?", ["x"], {"S": "x"}),
        ("?", [{"b": [1]}], {"M": {"b": {"L": [{"N": "1"}]}}}),
        ("[?, {'b': ?}]", [1, True], {"L": [{"N": "1"}, {"M": {"b": {"BOOL": True}}}]}),
        ("?", [], "Number of parameters in request and statement don't match."),
        ("?", [1, 2], "Number of parameters in request and statement don't match."),
        ("'?'", [1], "Number of parameters in request and statement don't match."),
    ],
)
def test_parameters_take_their_places(literal: str, parameters: list[Any], value: Any) -> None:
    assert inserted(literal, *parameters) == value


ROOM = item(pk="a", a={"b": [1, {"c": 2}]}, count=3, **{"m.z": 4, 'q"q': 5})


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a", {"a": {"b": [1, {"c": 2}]}}),
        ("a.b", {"b": [1, {"c": 2}]}),
        ("a['b']", {"b": [1, {"c": 2}]}),
        ("a.b[0]", {"b[0]": 1}),
        ("a.b[1].c", {"c": 2}),
        ("a.b[9]", {}),
        ("a.x.y", {}),
        ('"count"', {"count": 3}),
        ('"m.z"', {"m.z": 4}),
        ('"q""q"', {'q"q': 5}),
    ],
)
def test_a_path_is_shown_by_its_last_name(path: str, shown: dict[str, Any]) -> None:
    answer = answered(filled(one_key(), [ROOM]), "ExecuteStatement", Statement=f"SELECT {path} FROM Rooms")
    assert answer == {"Items": [item(**shown)]}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("count", f"{MALFORMED}Unexpected keyword"),
        ("a.value", f"{MALFORMED}Unexpected keyword"),
        ("a[*]", "Wildcard path component like a[*].b are not supported"),
        ("a.*", "Unpivot path component like a.*.b are not supported"),
        ("a[2147483648]", "List index is not within the allowable range; index: [2147483648]"),
        (
            "a[b]",
            f"{MALFORMED}Expected the position of an element, found b in the statement: SELECT a[b] FROM Rooms",
        ),
    ],
)
def test_a_path_is_refused(path: str, message: str) -> None:
    answer = answered(filled(one_key(), [ROOM]), "ExecuteStatement", Statement=f"SELECT {path} FROM Rooms")
    assert answer["refused"] == ("ValidationException", message)
