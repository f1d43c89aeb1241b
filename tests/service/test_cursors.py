from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from chalicelib import cursors, errors
from chalicelib.members import subject_key
from chalicelib.model import Position
from tests.service.fakes import NOON

SESSION, OTHER = "a" * 26, "b" * 26
KEY = subject_key("bob")


def test_a_cursor_comes_back_as_its_position() -> None:
    position = Position(NOON + timedelta(milliseconds=7), SESSION)
    assert cursors.read_session_cursor(cursors.write_session_cursor(position, "alice"), "alice") == position
    assert cursors.read_participant_cursor(cursors.write_participant_cursor(KEY, SESSION), SESSION) == KEY


def changed(cursor: str) -> list[str]:
    """Texts that differ from a cursor in one place."""
    one_off = [cursor[:i] + ("A" if cursor[i] != "A" else "B") + cursor[i + 1 :] for i in range(len(cursor))]
    return [*one_off, cursor[:-1], cursor[1:], cursor + "A", cursor + "=", cursor + "\n", " " + cursor, cursor * 5]


def forged(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_cursor_of_another_list_or_by_another_hand_is_refused() -> None:
    of_alice = cursors.write_session_cursor(Position(NOON, SESSION), "alice")
    of_session = cursors.write_participant_cursor(KEY, SESSION)
    for cursor in ("", "é", "x", "AAAA", forged(KEY), forged(f"{KEY} "), of_session, *changed(of_alice)):
        with pytest.raises(errors.InvalidRequest):
            cursors.read_session_cursor(cursor, "alice")
    for cursor in ("", "é", "x", "AAAA", forged(KEY), forged(f"{KEY} "), of_alice, *changed(of_session)):
        with pytest.raises(errors.InvalidRequest):
            cursors.read_participant_cursor(cursor, SESSION)
    with pytest.raises(errors.InvalidRequest):
        cursors.read_session_cursor(of_alice, "bob")
    with pytest.raises(errors.InvalidRequest):
        cursors.read_participant_cursor(of_session, OTHER)


def test_an_owner_called_like_a_list_of_participants_gets_no_other_list() -> None:
    """The texts of the two kinds differ, whatever a subject is called."""
    cursor = cursors.write_session_cursor(Position(NOON, SESSION), f"participants of {SESSION}")
    with pytest.raises(errors.InvalidRequest):
        cursors.read_participant_cursor(cursor, SESSION)
