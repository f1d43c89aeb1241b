from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib import jsontext
from chalicelib.errors import InvalidRequest

VALUES: list[Any] = [1, [], {"a": 1}, [[{"a": []}]]]


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}',
        b'[{"a":1,"\\u0061":2}]',
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"1e400",
        b"1e126",
        b"1e-131",
        b"1" * 39,
        b"0." + b"1" * 39,
        b"3.14159265358979323846",
        b"9007199254740993.0",
        b"9007199254740993",
        b"-9007199254740993",
        b"1" * 38,
        b"1" + b"0" * 126,
        b"1e-400",
        b"0e9999999999999999999",
        b"1e-9999999999999999999",
        b"[-0.0E-" + b"9" * 40 + b"]",
        b"1" + b"0" * 200,
        b"9" * 5000,
        b'"\\ud800"',
        b'{"\\udc00":1}',
        b"\xff",
        b'\xef\xbb\xbf{"bom":1}',
        b"{'a':1}",
        b"",
        b" ",
        b"{",
        b"[1,]",
        b"1 2",
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b'{"a":' * 900 + b"1" + b"}" * 900,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_what_readers_could_disagree_on_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidRequest):
        jsontext.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[]",
        "null",
        '"é\u2028😀"',
        "0",
        "-0.5",
        "1e125",
        "1e5",
        "1.10",
        "0.30000000000000004",
        "5e-100",
        "9007199254740992",
        "-1152921504606846976",
        "1" + "0" * 23,
        "1" + "0" * 125,
        '{"a":{"b":[1,2.5,true]}}',
    ],
)
def test_what_it_takes_it_gives_back(text: str) -> None:
    value = jsontext.parse(text)
    assert jsontext.parse(jsontext.compact(value)) == value


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(st.integers(-(10**130), 10**130) | st.integers(-(2**60), 2**60))
def test_a_whole_number_is_taken_if_a_reader_with_doubles_writes_it_again(number: int) -> None:
    kept = float(number) == number or Decimal(repr(float(number))) == number
    try:
        assert jsontext.parse(str(number)) == number
    except InvalidRequest:
        kept_here = False
    else:
        kept_here = True
    assert kept_here == (kept and abs(number) < 10**126)


def test_a_whole_number_may_be_written_as_a_fraction() -> None:
    values: tuple[Any, ...] = (1, 1.0, -0.0, 1e15, 1.5, True, "1", None, [])
    assert [jsontext.whole(value) for value in values] == [1, 1, 0, 10**15, None, None, None, None, None]
    assert {type(jsontext.whole(value)) for value in (1, 1.0, -0.0)} == {int}


def test_compact_text_has_neither_white_space_nor_ascii_escapes() -> None:
    assert jsontext.compact({"a": ["é", 1]}) == '{"a":["é",1]}'
    assert jsontext.size("é") == 4


def test_depth_counts_objects_and_arrays_within_each_other() -> None:
    assert [jsontext.depth(value) for value in VALUES] == [0, 1, 1, 4]


DIGITS = st.text("0123456789", min_size=1, max_size=40)
NUMBERS = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    st.one_of(st.just("0"), st.builds("{}{}".format, st.sampled_from("123456789"), st.just("") | DIGITS)),
    st.one_of(st.just(""), DIGITS.map(".{}".format)),
    st.sampled_from(["e", "E"]),
    st.sampled_from(["", "+", "-"]),
    DIGITS,
)
"""Numbers of JSON whose exponent has 1 to 40 digits."""


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(NUMBERS)
def test_a_number_of_any_length_is_kept_exactly_or_refused(text: str) -> None:
    try:
        value = jsontext.parse(f'{{"n":{text}}}')
    except InvalidRequest:
        return
    assert Decimal(repr(value["n"])) == Decimal(text)
