"""Handshakes, kicks, bans and role changes in every order of their requests.

Wrong is a banned subject that hears or is heard, a connection with one row of two, a row that came back, and a role on
a connection that is not the owner's last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import items, tickets
from chalicelib.credentials import Secret
from chalicelib.members import Connection, Duplicates, Guest, Role, Standing
from chalicelib.model import Draft, Principal, Session
from chalicelib.storage import Store
from tests.service.fakes import ALICE, NOON, connection
from tests.service.interleavings import Actor, Walk, walk
from tests.service.walked import (
    CODE,
    Careless,
    Code,
    World,
    check_rows,
    connect,
    disconnect,
    give,
    kick,
    new_world,
    say,
)

BAN, LIFT = timedelta(hours=1), timedelta(0)
BOB = connection("", "bob=", "bob")
ORDERS = [pytest.param(CODE, id="batches"), pytest.param(replace(CODE, backwards=True), id="batches backwards")]


def word_on_bob(end: World) -> Standing:
    return end.store.find_with_standing(end.session.session_id, "bob")[1]


def obeyed(end: World) -> None:
    """The end of a kick or role change: what the owner said of bob is so, and what is left without rows is closed by
    its next frame."""
    check_rows(end)
    standing = word_on_bob(end)
    if standing.banned_at(NOON):
        assert end.in_it() == set(), f"{end.in_it()} is in, though its subject is banned"
    for rows in end.rows():
        for one in (items.to_connection(item) for item in rows.values()):
            role, said = one.role or Role.PARTICIPANT, standing.role or end.session.join_as
            assert role is said, f"{one.connection_id} is a {role.value}, and is to be a {said.value}"
    deaf = end.open() - end.in_it()
    for name in sorted(end.open()):
        say(name, {"action": "publish", "data": 1}).run(end)
    assert {one for one in deaf if end.sockets.states[one] != "closed"} == set()
    connect(end.session, "later=").run(end)
    assert end.sockets.states["later="] == ("banned" if standing.banned_at(NOON) else "open")


def explore(world: World, *actors: Actor) -> Walk:
    return walk(world, list(actors), obeyed)


# --- kicks and bans


@pytest.mark.parametrize("code", ORDERS)
@pytest.mark.parametrize("ban", [BAN, LIFT])
def test_a_handshake_and_a_kick(ban: timedelta, code: Code) -> None:
    world = new_world()
    assert explore(world, connect(world.session, "new=", code=code), kick(world, ban, code=code)).ends > 3


@pytest.mark.parametrize("code", ORDERS)
def test_a_kick_of_an_open_connection_that_speaks_and_of_a_pending_one(code: Code) -> None:
    world = new_world(None, BOB)
    hello = say("bob=", {"action": "hello"}, code=code)
    found = explore(world, connect(world.session, "new=", code=code), hello, kick(world, BAN, code=code))
    assert found.states > 1000


@pytest.mark.slow
def test_a_handshake_a_ban_and_its_end() -> None:
    world = new_world()
    assert explore(world, connect(world.session, "new="), kick(world, BAN), kick(world, LIFT)).states > 1000


def test_a_ticket_of_a_subject_that_is_banned_before_or_while_it_is_used() -> None:
    world = new_world()
    ticket = issued(world, None, replace(ALICE, subject="bob"))
    assert explore(world, connect(world.session, "new=", ticket=ticket), kick(world, BAN)).ends > 3


def issued(world: World, guest: Guest | None, caller: Principal = ALICE) -> Secret:
    return tickets.issue(
        world.session.session_id,
        caller,
        guest=guest,
        replaces=None,
        origin=None,
        store=world.store,
        now=NOON,
        random=bytes,
    )


@pytest.mark.parametrize("code", ORDERS)
def test_a_kick_that_failed_anywhere_is_complete_when_it_is_made_again(code: Code) -> None:
    world = new_world(None, BOB)
    failing = replace(kick(world, BAN, code=code), failures=2)
    again = replace(kick(world, BAN, code=code), name="again", may_begin=lambda world, busy: not busy[failing.name])

    def ended(end: World) -> None:
        assert word_on_bob(end).banned_at(NOON)
        obeyed(end)

    assert walk(world, [failing, again], ended).states > 100


# --- roles


@pytest.mark.parametrize("code", ORDERS)
@pytest.mark.parametrize(("join_as", "role"), [(Role.PARTICIPANT, Role.VIEWER), (Role.VIEWER, Role.PARTICIPANT)])
def test_a_handshake_and_a_role(join_as: Role, role: Role, code: Code) -> None:
    world = new_world(Draft(join_as=join_as))
    assert explore(world, connect(world.session, "new=", code=code), give(world, role, code=code)).ends > 3


@pytest.mark.slow
def test_a_handshake_and_two_roles() -> None:
    world = new_world()
    roles = [give(world, role) for role in (Role.VIEWER, Role.PARTICIPANT)]
    assert explore(world, connect(world.session, "new="), *roles).states > 1000


def test_two_roles_of_an_open_connection_that_speaks() -> None:
    world = new_world(None, BOB)
    roles = [give(world, role) for role in (Role.VIEWER, Role.PARTICIPANT)]
    assert explore(world, *roles, say("bob=", {"action": "publish", "data": 1})).states > 500


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PARTICIPANT])
def test_the_owners_word_wins_over_the_role_of_a_ticket(role: Role) -> None:
    world = new_world()
    guest = Guest("bob", Role.VIEWER if role is Role.PARTICIPANT else Role.PARTICIPANT)
    give(world, role).run(world)
    other = replace(give(world, role), name="again")
    assert explore(world, connect(world.session, "new=", ticket=issued(world, guest)), other).ends > 3


@pytest.mark.parametrize("code", ORDERS)
def test_nothing_comes_back_when_a_role_meets_an_end(code: Code) -> None:
    world = new_world(None, BOB)
    bye = disconnect("bob=", code=code)
    assert explore(world, give(world, Role.VIEWER, code=code), bye, kick(world, LIFT, code=code)).states > 500


@pytest.mark.slow
@pytest.mark.parametrize("ban", [BAN, LIFT])
def test_a_handshake_a_kick_and_a_role(ban: timedelta) -> None:
    world = new_world()
    new = connect(world.session, "new=")
    assert explore(world, new, kick(world, ban), give(world, Role.VIEWER)).states > 1000


@pytest.mark.slow
def test_a_hand_over_and_a_kick() -> None:
    world = new_world(Draft(duplicates=Duplicates.OLDEST), BOB)
    new = connect(world.session, "new=", replaces="bob=")
    assert explore(world, new, say("new=", {"action": "hello"}), kick(world, BAN)).states > 500


# --- each walk finds the fault that its rule prevents


class LooksFirst(Store):
    """Reads the session and the owner's word before it writes the connection."""

    def connect(self, connection: Connection) -> None:
        self._found = super().find_with_standing(connection.session_id, connection.subject)
        super().connect(connection)

    def find_with_standing(self, session_id: str, subject: str) -> tuple[Session | None, Standing]:
        return self._found


class ReadsFirst(Store):
    """Reads the connections of a subject before it writes the owner's word."""

    def set_standing_role(self, session: Session, subject: str, role: Role) -> Standing:
        self._found = super().connections_of(session.session_id, subject)
        return super().set_standing_role(session, subject, role)

    def ban(self, session: Session, subject: str, *until: Any) -> None:
        self._found = super().connections_of(session.session_id, subject)
        super().ban(session, subject, *until)

    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        return self._found


def test_a_connection_is_written_before_the_owners_word_is_read() -> None:
    for ban in (True, False):
        world = new_world()
        said = kick(world, BAN) if ban else give(world, Role.VIEWER)
        with pytest.raises(
            AssertionError, match=r"though its subject is banned|is a participant, and is to be a viewer"
        ):
            explore(world, connect(world.session, "new=", code=replace(CODE, store=LooksFirst)), said)


def test_the_owners_word_is_written_before_connections_are_read() -> None:
    code = replace(CODE, store=ReadsFirst)
    for ban in (True, False):
        world = new_world()
        said = kick(world, BAN, code=code) if ban else give(world, Role.VIEWER, code=code)
        with pytest.raises(
            AssertionError, match=r"though its subject is banned|is a participant, and is to be a viewer"
        ):
            explore(world, connect(world.session, "new="), said)


class ClosesOnly(Store):
    def expel(self, *recipients: Any) -> None:
        """Leaves the rows to the $disconnect, which a pending connection does not have."""


def test_a_kick_removes_rows_before_it_closes_sockets() -> None:
    world = new_world()
    with pytest.raises(AssertionError, match="though its subject is banned"):
        explore(world, connect(world.session, "new="), kick(world, BAN, code=replace(CODE, store=ClosesOnly)))


class InOneBatch(Store):
    """Writes both rows of a connection in one request, whose order is not known."""

    def connect(self, connection: Connection) -> None:
        self.write_batches("connections", [{"PutRequest": {"Item": row}} for row in items.connection_items(connection)])


def test_the_roster_is_written_after_the_pointer() -> None:
    code = Code(store=InOneBatch, backwards=True)
    world = new_world()
    with pytest.raises(AssertionError, match="has one row of two"):
        explore(world, connect(world.session, "new=", code=code), kick(world, LIFT))


class RosterFirst(Store):
    def expel(self, *recipients: Any) -> None:
        for at in (1, 0):
            keys = [items.connection_keys(one)[at] for one in recipients]
            self.write_batches("connections", [{"DeleteRequest": {"Key": key}} for key in keys])


def test_the_roster_is_removed_after_the_pointer() -> None:
    """Else a kick that failed halfway, and is made again, finds nobody, and its subject goes on publishing."""
    with pytest.raises(AssertionError, match="has one row of two"):
        test_a_kick_that_failed_anywhere_is_complete_when_it_is_made_again(replace(CODE, store=RosterFirst))


class Revives(Careless):
    without = "attribute_exists(#place) AND "


def test_a_role_is_set_on_condition_that_the_row_is_there() -> None:
    world, code = new_world(None, BOB), replace(CODE, store=Revives)
    with pytest.raises(AssertionError, match="a row came back"):
        explore(world, give(world, Role.VIEWER, code=code), disconnect("bob="))


class Unnumbered(Careless):
    without = " AND (attribute_not_exists(#roleRevision) OR #roleRevision < :revision)"


def test_a_role_is_set_on_condition_that_no_later_one_is() -> None:
    world, code = new_world(None, BOB), replace(CODE, store=Unnumbered)
    with pytest.raises(AssertionError, match=r"is a \w+, and is to be a \w+"):
        explore(world, *(give(world, role, code=code) for role in (Role.VIEWER, Role.PARTICIPANT)))


class NotesWhatDiffers(Store):
    """Notes no role that is the default."""

    def set_role(self, connection: Connection, role: Role, revision: int) -> None:
        if role is not Role.PARTICIPANT:
            super().set_role(connection, role, revision)


@pytest.mark.slow
def test_a_handshake_notes_the_owners_word_even_if_it_is_the_default() -> None:
    world = new_world()
    new = connect(world.session, "new=", code=replace(CODE, store=NotesWhatDiffers))
    with pytest.raises(AssertionError, match="is a viewer, and is to be a participant"):
        explore(world, new, give(world, Role.VIEWER), give(world, Role.PARTICIPANT))
