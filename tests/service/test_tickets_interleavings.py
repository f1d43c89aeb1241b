"""Uses of one ticket in every order of their requests: one opens a socket, and lost answers refuse no good ticket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from chalicelib import tickets
from chalicelib.credentials import Secret
from chalicelib.model import Draft
from tests.service.fakes import ALICE, NOON
from tests.service.interleavings import Actor, walk
from tests.service.walked import CODE, Careless, Code, World, check_rows, connect, new_world


def ticket_of(world: World) -> Secret:
    return tickets.issue(
        world.session.session_id,
        ALICE,
        guest=None,
        replaces=None,
        origin=None,
        store=world.store,
        now=NOON,
        random=bytes,
    )


def uses(world: World, count: int, code: Code = CODE, failures: int = 0) -> list[Actor]:
    """Handshakes by one ticket, of whose requests so many time out."""
    ticket = ticket_of(world)
    names = ("a=", "b=", "c=")[:count]
    return [replace(connect(world.session, one, ticket=ticket, code=code), failures=failures) for one in names]


def one_got_in(end: World) -> None:
    check_rows(end)
    assert len(end.open()) == 1, f"{end.sockets.states}: one ticket opens one socket"
    assert sorted(end.sockets.states.values())[1:] == ["unauthenticated"] * (len(end.sockets.states) - 1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_of_those_who_use_a_ticket_at_once_one_gets_in(count: int) -> None:
    world = new_world()
    assert walk(world, uses(world, count), one_got_in).ends >= count


def test_a_lost_answer_refuses_no_good_ticket() -> None:
    """Each may lose one answer, or not be heard once, at any of its requests: it asks once more."""
    world = new_world()
    assert walk(world, uses(world, 2, failures=1), one_got_in).states > 100


@pytest.mark.slow
def test_what_fails_for_good_spends_a_ticket_at_most_and_takes_no_seat() -> None:
    world = new_world(Draft(max_connections=1))

    def ended(end: World) -> None:
        assert len(end.in_it()) <= 1
        if "session_full" not in end.sockets.states.values():  # else the failure may have been in cleaning up
            check_rows(end)

    assert walk(world, uses(world, 2, failures=2), ended).states > 1000


# --- the walks find the faults that the rules prevent


class Forgetful(Careless):
    without = " AND (attribute_not_exists(#usedBy) OR #usedBy = :me)"


class Suspicious(Careless):
    without = " OR #usedBy = :me"

    def update(self, *args: Any) -> tuple[bool, Any]:
        done, item = super().update(*args)
        return done, item if done else {}


def test_a_ticket_is_used_on_condition_that_no_other_has_used_it() -> None:
    world = new_world()
    with pytest.raises(AssertionError, match="one ticket opens one socket"):
        walk(world, uses(world, 2, replace(CODE, store=Forgetful)), one_got_in)


def test_a_ticket_may_be_used_again_by_the_connection_that_used_it() -> None:
    world = new_world()
    code = replace(CODE, store=Suspicious)
    walk(world, uses(world, 2, code), one_got_in)
    with pytest.raises(AssertionError, match="one ticket opens one socket"):
        walk(world, uses(world, 1, code, failures=1), one_got_in)
