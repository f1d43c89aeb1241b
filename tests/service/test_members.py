"""Values of the people in a session."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

from chalicelib.members import (
    CONNECTION_PURGE,
    Participant,
    Role,
    Standing,
    participant,
    person,
    role_of,
    seated,
    subject_key,
)
from tests.service.fakes import NOON, connection


def test_the_connections_of_a_subject_are_neighbours_in_a_roster() -> None:
    members = sorted(connection("s", f"{i}=", subject).member for i in range(3) for subject in ("alice", "bob"))
    assert [member.partition("#")[0] for member in members] in (
        [subject_key("alice")] * 3 + [subject_key("bob")] * 3,
        [subject_key("bob")] * 3 + [subject_key("alice")] * 3,
    )


def test_a_subject_of_any_text_has_a_key_that_sorts_behind_each_standing() -> None:
    for subject in ("alice", "é", "\ud800", "x" * 255):
        assert subject_key(subject) >= "0"
        assert len(subject_key(subject)) == 32


def test_a_ban_ends_at_its_moment() -> None:
    standing = Standing(banned_until=NOON)
    assert standing.banned_at(NOON - timedelta(milliseconds=1))
    assert not standing.banned_at(NOON)
    assert not Standing().banned_at(NOON)


def test_the_owner_is_the_owner_and_others_are_what_was_said_first() -> None:
    assert role_of("alice", "alice", Role.VIEWER) is Role.OWNER
    assert role_of("bob", "alice", None, Role.VIEWER, Role.PARTICIPANT) is Role.VIEWER
    assert role_of("bob", "alice", None, None) is Role.PARTICIPANT


def test_a_participant_shows_the_state_that_was_set_last() -> None:
    """Of two of one moment everybody chooses the same."""
    own = [
        replace(connection("s", f"{i}="), state=f'"{i}"', state_at=NOON + timedelta(seconds=seconds))
        for i, seconds in enumerate((1, 3, 3, 2))
    ]
    assert {participant([*own[i:], *own[:i]], "alice").state for i in range(4)} == {'"2"'}
    assert participant([connection("s")], "alice").state is None


def test_a_person_is_shown_without_a_state_that_is_null() -> None:
    bob = Participant("bob", Role.VIEWER, 1, NOON)
    assert person(bob) == person(replace(bob, state="null")) == {"subject": "bob", "role": "viewer"}
    assert person(replace(bob, state="0")) == {"subject": "bob", "role": "viewer", "state": 0}


def test_of_a_hand_over_the_new_one_takes_the_seat() -> None:
    old, new, newer = (
        replace(connection("s", f"{i}=", connected_at=NOON + timedelta(seconds=i)), replaces=replaces)
        for i, replaces in enumerate((None, "0=", "1="))
    )
    assert seated([old], NOON) == {"0="}
    assert seated([old, new], NOON) == {"1="}
    assert seated([old, new, newer], NOON) == {"1=", "2="}, "or many in a row would take one seat"
    assert seated([old, new, replace(newer, replaces="0=")], NOON) == {"1=", "2="}, "or many at once would"
    assert seated([new, newer], NOON) == {"2="}, "the first is over"
    assert seated([replace(old, subject="carol"), new], NOON) == {"0=", "1="}, "it is somebody else's"
    assert seated([replace(old, replaces="1="), new], NOON) == {"0=", "1="}, "two that name each other"


def test_no_leave_takes_a_seat() -> None:
    """A session that was not too full never becomes so, and two connections at most have one seat."""
    names = ("0=", "1=", "2=", "3=")
    for replaced in itertools.product((None, *names), repeat=len(names)):
        room = [replace(connection("s", name), replaces=old) for name, old in zip(names, replaced, strict=True)]
        seats = seated(room, NOON)
        assert len(seats) <= len(room) <= 2 * len(seats)
        for one in room:
            assert len(seated([other for other in room if other != one], NOON)) <= len(seats), replaced


def test_a_row_past_its_purge_takes_no_seat() -> None:
    one = connection("s", "one=")
    assert seated([one], NOON + CONNECTION_PURGE - timedelta(milliseconds=1)) == {"one="}
    assert seated([one], NOON + CONNECTION_PURGE) == set()
