"""Frames, refreshes and the end of one connection in every order of their requests.

Wrong is a row that came back, a connection with one row of two, two rows of unlike expiry, an expiry that came nearer,
and a frame that was not metered.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import items
from chalicelib.rates import Rate
from chalicelib.storage import Store
from tests.service.fakes import NOON, UNLIMITED, connection
from tests.service.interleavings import Actor, Walk, walk
from tests.service.walked import CODE, Careless, Code, World, check_rows, disconnect, kick, new_world, say

BOB = connection("", "bob=", "bob")
HOUR = timedelta(hours=1)
COST = timedelta(milliseconds=100)
METERED = replace(CODE, limits=replace(UNLIMITED, frames=Rate(10)))


def refresh(hours: int, code: Code = METERED) -> Actor:
    refreshed = say("bob=", {"action": "refresh", "token": str(hours)}, code=code)
    return replace(refreshed, name=f"refresh to {hours} hours")


def ping(number: int, code: Code = METERED) -> Actor:
    return replace(say("bob=", {"action": "ping"}, code=code), name=f"ping {number}")


@pytest.fixture
def world() -> World:
    return new_world(None, BOB)


def explore(world: World, *actors: Actor, hours: int = 1, frames: int = 0) -> Walk:
    """At each end a connection that is there is whole, lasts so long, and was metered for so many frames, but for
    those that came while it went."""

    def ended(end: World) -> None:
        check_rows(end)
        pointers, roster = end.rows()
        for item in (*pointers.values(), *roster.values()):
            lasts = items.to_connection(item).token_expires_at
            assert lasts == NOON + timedelta(hours=hours), f"it lasts until {lasts}"
        for item in pointers.values():
            full = items.to_moment(item["tat"])
            assert full == NOON + frames * COST, f"the meter of {frames} frames is at {full}"

    return walk(world, list(actors), ended)


def test_frames_at_once_are_each_metered(world: World) -> None:
    assert explore(world, ping(1), ping(2), ping(3), frames=3).ends > 1


def test_a_refresh_and_frames_at_once(world: World) -> None:
    assert explore(world, refresh(5), ping(1), ping(2), hours=5, frames=3).states > 50


def test_of_two_refreshes_at_once_the_longer_wins(world: World) -> None:
    assert explore(world, refresh(5), refresh(3), hours=5, frames=2).states > 20


def test_nothing_comes_back_after_a_disconnect(world: World) -> None:
    assert explore(world, refresh(5), ping(1), disconnect("bob=", code=METERED), hours=5, frames=2).states > 100


@pytest.mark.parametrize("backwards", [False, True])
def test_nothing_comes_back_after_a_kick(world: World, backwards: bool) -> None:
    code = replace(METERED, backwards=backwards)
    found = explore(world, refresh(5, code), ping(1, code), kick(world, HOUR, code=code), hours=5, frames=2)
    assert found.states > 100


def test_a_refresh_of_which_answers_are_lost(world: World) -> None:
    """One that was not answered is made again by the client of the tables; the meter may count a frame twice."""
    refreshed = replace(refresh(5, CODE), failures=1)
    found = explore(world, refreshed, disconnect("bob=", code=METERED), hours=5)
    assert found.states > 10


# --- the walks find the faults that the rules prevent


class Revives(Careless):
    without = "attribute_exists(#place)"


class Unmetered(Careless):
    without = " AND (attribute_not_exists(#tat) OR #tat <= :now)"


class Shortens(Careless):
    without = " AND #tokenExpiresAt < :expires"


def broken(store: type[Store]) -> Code:
    return replace(METERED, store=store)


def test_a_meter_is_written_on_condition_that_its_row_is_there(world: World) -> None:
    code = broken(Revives)
    with pytest.raises(AssertionError, match="a row came back"):
        explore(world, ping(1, code), disconnect("bob="), frames=1)


def test_a_meter_is_moved_on_from_where_it_is(world: World) -> None:
    code = broken(Unmetered)
    with pytest.raises(AssertionError, match="the meter of 2 frames"):
        explore(world, ping(1, code), ping(2, code), frames=2)


def test_a_refresh_is_written_on_condition_that_the_row_lasts_less(world: World) -> None:
    code = broken(Shortens)
    with pytest.raises(AssertionError, match="it lasts until"):
        explore(world, refresh(5, code), refresh(3, code), hours=5, frames=2)
