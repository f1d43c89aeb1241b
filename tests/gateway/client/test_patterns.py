"""Patterns of frames: what fits, how a difference reads, and which of several frames is which."""

from __future__ import annotations

from itertools import permutations
from typing import Any
from unittest.mock import ANY

import pytest

from pytest_sessionplugin.gateway.client.patterns import Matching, Pattern, differences, fits, parsed

SESSION = {"type": "session", "session": {"id": "a", "people": [{"name": "bob", "age": 5}]}, "tags": [], "ok": True}


@pytest.mark.parametrize(
    "pattern",
    [
        {"type": "session"},
        {"session": {"id": "a"}},
        {"session": {"people": [{"name": "bob"}]}},
        {"tags": [], "ok": True},
        {"session": ANY, "type": ANY},
        {"session": {"people": [ANY]}},
        {"session": {"people": ({"age": 5.0},)}},
    ],
)
def test_an_object_fits_that_has_more_at_any_depth(pattern: Pattern) -> None:
    assert fits(pattern, SESSION)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ({"type": "ack"}, ["type is 'session', not 'ack'"]),
        ({"session": {"id": "b"}, "tags": ["x"]}, ["session.id is 'a', not 'b'", "tags is [], not ['x']"]),
        ({"session": {"people": [{"name": "eve"}]}}, ["session.people[0].name is 'bob', not 'eve'"]),
        ({"session": {"people": []}}, ["session.people is [{'name': 'bob', 'age': 5}], not []"]),
        ({"session": {"ids": "a"}}, ["session has no ids (did you mean id?)"]),
        ({"seq": 1}, ["it has no seq"]),
        ({"skp": True}, ["it has no skp (did you mean skip?)"]),
        ({"session": {"skp": 1}}, ["session has no skp"]),
        ({"ok": 1}, ["ok is True, not 1"]),
        ({"session": {"people": [{"age": True}]}}, ["session.people[0].age is 5, not True"]),
        ({"session": {}}, ["session is {'id': 'a', 'people': [{'name': 'bob', 'age': 5}]}, not {}"]),
        ({"tags": {}}, ["tags is [], not {}"]),
    ],
)
def test_a_difference_says_where_it_is(pattern: Pattern, said: list[str]) -> None:
    assert differences(pattern, SESSION, ["skip"]) == said


def test_a_frame_that_is_not_json_is_its_own_value() -> None:
    assert differences({"type": "a"}, parsed("<html>")) == ["it is '<html>', not {'type': 'a'}"]
    assert parsed("[1]") == [1]


WIDE: dict[str, Any] = {"type": "a"}
NARROW: dict[str, Any] = {"type": "a", "seq": 1}


@pytest.mark.parametrize("order", list(permutations([{"type": "a", "seq": 1}, {"type": "a", "seq": 2}, {"type": "b"}])))
def test_overlapping_patterns_share_out_the_frames_in_any_order(order: tuple[dict[str, Any], ...]) -> None:
    matching = Matching([WIDE, NARROW, {"type": "b"}])
    assert all(matching.add(frame) for frame in order)
    assert matching.missing == []
    assert matching.frames == [{"type": "a", "seq": 2}, {"type": "a", "seq": 1}, {"type": "b"}]


def test_a_frame_for_which_no_pattern_is_left_is_not_taken() -> None:
    matching = Matching([NARROW, WIDE])
    assert [matching.add({"type": "a", "seq": seq}) for seq in (2, 3, 1)] == [True, False, True]
    assert matching.frames == [{"type": "a", "seq": 1}, {"type": "a", "seq": 2}]


def test_the_missing_ones_are_named() -> None:
    matching = Matching([NARROW, WIDE])
    matching.add({"type": "a", "seq": 7})
    assert matching.missing == [NARROW]
