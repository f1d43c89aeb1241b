"""Handshakes and hand-overs in every order of their requests: never more are in than there are seats.

A connection is in while its socket is open and it has a row: it hears, or is heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.members import Connection, Duplicates
from chalicelib.model import Draft
from chalicelib.storage import Store
from tests.service.fakes import NOON, UNLIMITED, connection
from tests.service.interleavings import Actor, Walk, walk
from tests.service.walked import CODE, Code, World, check_rows, check_seats, connect, disconnect, new_world, say

OLD = connection("", "old=", "bob", connected_at=NOON - timedelta(minutes=1))
SKEWS = [-50, 0, 50]  # milliseconds by which one clock is ahead of the other
ORDERS = [pytest.param(CODE, id="batches"), pytest.param(replace(CODE, backwards=True), id="batches backwards")]


def explore(
    world: World, actors: Sequence[Actor], seats: int, at_the_end: Callable[[World], None] = check_rows
) -> Walk:
    """Follows every order of requests; more than the seats are never taken, at no time."""
    world.always = lambda now: check_seats(now, seats)
    return walk(world, list(actors), at_the_end)


@pytest.mark.parametrize("code", ORDERS)
@pytest.mark.parametrize("ahead", SKEWS)
def test_of_two_at_one_seat_never_both_get_in(ahead: float, code: Code) -> None:
    world = new_world(Draft(max_connections=1))
    found = explore(world, two(world, "bob", "carol", ahead, code), seats=1)
    assert found.states > 100


def two(world: World, first: str, second: str, ahead: float = 0, code: Code = CODE) -> list[Actor]:
    return [
        connect(world.session, "a=", first, code=code),
        connect(world.session, "b=", second, ahead=ahead, code=code),
    ]


@pytest.mark.parametrize("code", ORDERS)
@pytest.mark.parametrize("ahead", SKEWS)
def test_of_two_of_one_subject_one_stays_where_the_newest_does(ahead: float, code: Code) -> None:
    world = new_world(Draft(duplicates=Duplicates.NEWEST))
    explore(world, two(world, "bob", "bob", ahead, code), 1, one_is_in)


def one_is_in(world: World) -> None:
    check_rows(world)
    assert len(world.in_it()) == 1, "each has closed the other, or left"


@pytest.mark.parametrize("code", ORDERS)
@pytest.mark.parametrize("ahead", SKEWS)
def test_of_two_of_one_subject_at_most_one_stays_where_the_oldest_does(ahead: float, code: Code) -> None:
    world = new_world(Draft(duplicates=Duplicates.OLDEST))
    explore(world, two(world, "bob", "bob", ahead, code), seats=1)


@pytest.mark.parametrize("ahead", SKEWS)
def test_the_newest_take_the_seat_of_the_oldest_and_no_other(ahead: float) -> None:
    draft = Draft(duplicates=Duplicates.NEWEST, max_connections=1)
    carols = replace(OLD, subject="carol")
    for old, first, second in (
        (OLD, "bob", "bob"),
        (OLD, "bob", "carol"),
        (OLD, "carol", "bob"),
        (carols, "bob", "bob"),
    ):
        world = new_world(draft, old)
        explore(world, two(world, first, second, ahead), seats=1)


@pytest.mark.slow
@pytest.mark.parametrize("ahead", SKEWS)
def test_of_three_at_two_seats_never_all_get_in(ahead: float) -> None:
    world = new_world(Draft(max_connections=2))
    third = connect(world.session, "c=", "dave", ahead=2 * ahead)
    assert explore(world, [*two(world, "bob", "carol", ahead), third], seats=2).states > 1000


LIMITED = replace(CODE, limits=replace(UNLIMITED, per_subject=1))


@pytest.mark.parametrize("ahead", SKEWS)
def test_a_subject_never_has_more_connections_than_it_may(ahead: float) -> None:
    for there in ([], [OLD]):
        world = new_world(None, *there)
        explore(world, two(world, "bob", "bob", ahead, LIMITED), 1, one_is_in)


# --- hand-overs


def hand_over(world: World, code: Code = CODE) -> list[Actor]:
    """Bob comes again, in the place of his old connection, and says hello."""
    new = connect(world.session, "new=", "bob", replaces="old=", code=code)
    return [new, say("new=", {"action": "hello"}, code=code)]


@pytest.mark.parametrize("code", ORDERS)
def test_a_hand_over_takes_one_seat_more_until_it_is_over(code: Code) -> None:
    world = new_world(Draft(max_connections=1), OLD)
    carol = connect(world.session, "carol=", "carol", code=code)

    def handed_over(end: World) -> None:
        check_rows(end)
        if "new=" in end.open():
            assert end.in_it() == {"new="}
            assert end.sockets.states["old="] == "closed"
            assert end.sockets.heard["old="] == ("replaced",)

    assert explore(world, [*hand_over(world, code), carol], 2, handed_over).states > 100


@pytest.mark.parametrize("code", ORDERS)
def test_the_end_of_an_old_socket_never_ends_the_one_that_replaces_it(code: Code) -> None:
    world = new_world(Draft(duplicates=Duplicates.OLDEST, max_connections=1), OLD)
    bye = disconnect("old=", code=code)

    def new_is_in(end: World) -> None:
        check_rows(end)
        assert end.in_it() == {"new="}

    assert explore(world, [*hand_over(world, code), bye], 2, new_is_in).states > 50


def test_hand_overs_of_several_subjects_need_no_seat() -> None:
    carols = replace(OLD, connection_id="carol-old=", subject="carol")
    world = new_world(Draft(max_connections=2), OLD, carols)
    new = connect(world.session, "carol=", "carol", replaces="carol-old=")

    def both_are_in(end: World) -> None:
        check_rows(end)
        assert {"new=", "carol="} <= end.in_it()

    assert explore(world, [hand_over(world)[0], new], 4, both_are_in).states > 50


def test_a_hand_over_of_a_hand_over_takes_a_seat() -> None:
    world = new_world(Draft(max_connections=1), OLD, replace(OLD, connection_id="new=", replaces="old="))

    def third_is_refused(end: World) -> None:
        assert end.sockets.states["third="] == "session_full"

    explore(world, [connect(world.session, "third=", "bob", replaces="new=")], 2, third_is_refused)


def test_two_that_replace_one_connection_take_one_seat_together() -> None:
    world = new_world(Draft(max_connections=1), OLD)
    other = [connect(world.session, "other=", "bob", replaces="old="), say("other=", {"action": "ping"})]
    assert explore(world, [*hand_over(world), *other], 2, one_at_most).states > 100


def one_at_most(end: World) -> None:
    check_rows(end)
    check_seats(end, 1)


# --- what fails


@pytest.mark.parametrize("code", ORDERS)
def test_a_hand_over_that_failed_anywhere_is_complete_with_the_next_frame(code: Code) -> None:
    world = new_world(Draft(max_connections=1), OLD)
    connect(world.session, "new=", "bob", replaces="old=").run(world)
    hello, ping = (say("new=", {"action": action}, code=code) for action in ("hello", "ping"))

    def speaks(view: Any) -> None:
        hello.run(view)
        ping.run(view)

    def ended(end: World) -> None:
        check_rows(end)
        assert end.in_it() == {"new="}

    assert explore(world, [Actor("new=", speaks, failures=2)], 2, ended).states > 30


@pytest.mark.slow
def test_a_handshake_that_fails_anywhere_leaves_no_row_and_takes_no_seat() -> None:
    """Two time-outs in a row are one failure, since the client asks a second time. A refusal that fails leaves rows."""
    world = new_world(Draft(max_connections=1))
    first, second = two(world, "bob", "carol")

    def ended(end: World) -> None:
        if end.sockets.states["a="] != "session_full":
            check_rows(end)

    assert explore(world, [replace(first, failures=2), second], 1, ended).states > 500


def test_a_handshake_that_is_killed_anywhere_takes_no_seat_twice() -> None:
    world = new_world(Draft(max_connections=1))
    first, second = two(world, "bob", "carol")
    explore(world, [replace(first, mortal=True), second], seats=1, at_the_end=lambda end: None)


# --- each walk finds the fault that its rule prevents


class CountsFirst(Store):
    """Reads the session's connections before it writes its own."""

    def connect(self, connection: Connection) -> None:
        self._own = [*self.connections_of(connection.session_id, connection.subject), connection]
        self._there = [*(one for page in Store.roster(self, connection.session_id) for one in page), connection]
        super().connect(connection)
        self.connections_of = lambda session_id, subject: self._own  # type: ignore[method-assign]

    def roster(self, session_id: str) -> Iterator[Sequence[Connection]]:
        yield self._there


LOOKS_FIRST = replace(CODE, store=CountsFirst)


@pytest.mark.parametrize(
    ("draft", "second", "code"),
    [
        (Draft(max_connections=1), "carol", LOOKS_FIRST),
        (Draft(duplicates=Duplicates.NEWEST), "bob", LOOKS_FIRST),
        (Draft(duplicates=Duplicates.OLDEST), "bob", LOOKS_FIRST),
        (Draft(), "bob", replace(LOOKS_FIRST, limits=LIMITED.limits)),
    ],
)
def test_a_seat_is_looked_for_after_the_connection_was_written(draft: Draft, second: str, code: Code) -> None:
    world = new_world(draft)
    with pytest.raises(AssertionError, match="are in, for whom there are 1 seats"):
        explore(world, two(world, "bob", second, code=code), seats=1)


class IgnoresAge(Store):
    """Finds every other connection older than its own."""

    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        early = NOON - timedelta(hours=1)
        return [replace(one, connected_at=early) for one in super().connections_of(session_id, subject)]


def test_the_newest_leaves_if_it_finds_one_that_is_newer() -> None:
    world = new_world(Draft(duplicates=Duplicates.NEWEST))
    with pytest.raises(AssertionError, match="each has closed the other"):
        explore(world, two(world, "bob", "bob", code=replace(CODE, store=IgnoresAge)), 1, one_is_in)


class CountsWhatWasThere(Store):
    """Counts the seats of connections of the subject that have left in the meantime as free."""

    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        self._own = super().connections_of(session_id, subject)
        return self._own

    def roster(self, session_id: str) -> Iterator[Sequence[Connection]]:
        there = [one for page in super().roster(session_id) for one in page]
        ids = [one.connection_id for one in there]
        left = [one for one in self._own if one.connection_id not in ids]
        yield there[len(left) :]


def test_only_a_seat_that_is_still_taken_is_given_on() -> None:
    code = replace(CODE, store=CountsWhatWasThere)
    replacing = new_world(Draft(max_connections=1), OLD)
    other = [
        connect(replacing.session, "other=", "bob", replaces="old=", code=code),
        say("other=", {"action": "ping"}, code=code),
    ]
    with pytest.raises(AssertionError, match="for whom there are 1 seats"):
        explore(replacing, [*hand_over(replacing, code), *other], 2, one_at_most)
    newest = new_world(Draft(duplicates=Duplicates.NEWEST, max_connections=1), replace(OLD, subject="carol"))
    with pytest.raises(AssertionError, match="for whom there are 1 seats"):
        explore(newest, two(newest, "bob", "bob", code=code), seats=1)


class FindsByPointers(Store):
    """Takes a connection without a pointer for one that is not there."""

    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        own = super().connections_of(session_id, subject)
        return [one for one in own if self.find_connection(one.connection_id) is not None]


def test_a_hand_over_looks_for_the_old_connection_where_it_is_removed_last() -> None:
    with pytest.raises(AssertionError, match="has one row of two"):
        test_a_hand_over_that_failed_anywhere_is_complete_with_the_next_frame(replace(CODE, store=FindsByPointers))


class Leaves(Store):
    """Does not remove rows."""

    def disconnect(self, *recipients: Connection) -> None:  # type: ignore[override]
        pass


def test_a_refused_handshake_removes_its_rows() -> None:
    world = new_world(Draft(max_connections=1))
    with pytest.raises(AssertionError, match="stay"):
        explore(world, two(world, "bob", "carol", code=replace(CODE, store=Leaves)), seats=1)
