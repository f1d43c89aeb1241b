"""The part of a `welcome` that shows who is in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from chalicelib import frames, jsontext
from chalicelib.members import Participant, Role, person
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft
from chalicelib.presence import STATE_BYTES
from tests.service.fakes import NOON, new_session
from tests.service.fuzz import thorough

SESSION = replace(new_session(MemoryStore(), Draft(presence=True)), presence_seq=7)
LETTERS = st.sampled_from(["x", '"', "é", "\u20ac", "\N{GRINNING FACE}"])


def people(count: int, letter: str = "x", length: int = 251, state: str | None = None) -> list[Participant]:
    return [Participant(f"{i:03d}" + letter * length, Role.VIEWER, 1, NOON, state) for i in range(count)]


def shown(found: list[Participant]) -> list[Any]:
    picture = frames.picture(SESSION, found)
    assert (picture["presence"], picture["presenceSeq"]) == ("on", 7)
    assert picture.get("more", False) == (len(picture["participants"]) < len(found))
    return list(picture["participants"])


def test_everybody_is_shown_with_a_state_while_there_is_room() -> None:
    found = people(50, length=10, state='{"hand":"up"}')
    assert shown(found) == [person(one) for one in found]


def test_states_give_way_to_participants() -> None:
    found = people(70, state=f'"{"s" * 200}"')
    assert [one["subject"] for one in shown(found)] == [one.subject for one in found]
    states = [one.get("state") for one in shown(found)]
    assert None in states
    assert states == [state or None for state in ["s" * 200] * (70 - states.count(None)) + [""] * states.count(None)]


def test_then_participants_are_left_out() -> None:
    found = people(100, "\N{GRINNING FACE}")
    assert 20 < len(shown(found)) < 25


def test_of_a_crowd_nobody_is_shown() -> None:
    assert frames.picture(SESSION, None) == {"presence": "off", "presenceSeq": 7}


@thorough()
@given(st.integers(0, 100), LETTERS, st.integers(0, 252), st.none() | st.integers(2, STATE_BYTES))
def test_no_picture_is_larger_than_24_kilobytes(count: int, letter: str, length: int, state: int | None) -> None:
    found = people(count, letter, length, None if state is None else f'"{"s" * (state - 2)}"')
    size = jsontext.size(shown(found))
    assert size <= frames.PICTURE_BYTES
    whole = jsontext.size([person(one) for one in found])
    assert size == whole or size > frames.PICTURE_BYTES - 1400, "the next one or its state has no room"
