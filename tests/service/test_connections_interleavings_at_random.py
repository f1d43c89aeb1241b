"""Full rooms: handshakes, hand-overs, frames, kicks, roles and ends at once, in orders chosen at random.

The walks follow each order of three actors; here are up to ten, for faults that need a crowd.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random

import pytest

from chalicelib import items
from chalicelib.members import Connection, Duplicates, Role, Standing, seated
from chalicelib.model import Draft
from chalicelib.storage import Store
from tests.service.fakes import NOON, UNLIMITED, connection
from tests.service.interleavings import Actor, wander
from tests.service.walked import Code, World, check_rows, connect, disconnect, give, kick, new_world, say

ROOMS = 150
BAN, LIFT = timedelta(hours=1), timedelta(0)
OLD = connection("", "old=", "bob", connected_at=NOON - timedelta(minutes=2))


@dataclass(frozen=True)
class Room:
    world: World
    actors: list[Actor]
    draft: Draft
    per_subject: int


def room(random: Random, store: type[Store] = Store) -> Room:
    """A session of any rules, in which bob may be already, and what happens in it at once."""
    draft = Draft(
        duplicates=random.choice(list(Duplicates)),
        max_connections=random.choice((None, 1, 2, 3)),
        join_as=random.choice((Role.PARTICIPANT, Role.VIEWER)),
    )
    per_subject = random.choice((0, 1, 2))
    code = Code(store, limits=replace(UNLIMITED, per_subject=per_subject), backwards=random.random() < 0.5)
    world = new_world(draft, *[replace(OLD, role=draft.join_as)][: random.randrange(2)])
    actors = [disconnect("old=", code=code)][: random.randrange(2)]
    for name in ("a=", "b=", "c=", "d=")[: random.randint(1, 4)]:
        actors += comer(random, world, name, code)
    for number in range(random.randrange(3)):
        actors.append(replace(kick(world, random.choice((BAN, LIFT)), code=code), name=f"kick {number}"))
    actors += [give(world, role, code=code) for role in (Role.VIEWER, Role.PARTICIPANT) if random.random() < 0.5]
    return Room(world, actors, draft, per_subject)


def comer(random: Random, world: World, name: str, code: Code) -> list[Actor]:
    """A client that connects, perhaps in the place of another that is there, speaks, and may leave."""
    old = random.choice((None, "old=", "a=", "b="))
    subject, ahead = random.choice(("bob", "bob", "carol")), random.choice((-50, 0, 50))

    def is_known(world: World, busy: Mapping[str, bool]) -> bool:
        return old is None or world.sockets.states.get(old) in ("open", "closed", "left")

    new = replace(connect(world.session, name, subject, ahead=ahead, replaces=old, code=code), may_begin=is_known)
    hello, bye = say(name, {"action": random.choice(("hello", "ping"))}, code=code), disconnect(name, code=code)
    return [new, *[hello][: random.randrange(2)], *([bye] if random.random() < 0.2 else [])]


def word_on(end: World, subject: str) -> Standing:
    return end.store.find_with_standing(end.session.session_id, subject)[1]


def check_room(end: World, rules: Room) -> None:
    """No subject is in that the owner keeps out, and no more are in than there are seats."""
    there = [one for page in end.store.roster(end.session.session_id) for one in page]
    there = [one for one in there if one.connection_id in end.open()]
    bobs = [one for one in there if one.subject == "bob"]
    if word_on(end, "bob").banned_at(NOON):
        assert not bobs, "a banned subject is in"
    assert len(seated(there, NOON)) <= (rules.draft.max_connections or len(there)), "too many are in"
    if rules.draft.duplicates is not Duplicates.ALLOW:
        assert len(seated(bobs, NOON)) <= 1, "a subject is in twice"
    elif rules.per_subject:
        assert len(seated(bobs, NOON)) <= rules.per_subject + 1, "a subject is in too often"  # one is handed over


def check_roles(end: World, rules: Room) -> None:
    for rows in end.rows():
        for item in rows.values():
            one: Connection = items.to_connection(item)
            said = word_on(end, one.subject).role or rules.draft.join_as
            assert (one.role or Role.PARTICIPANT) is said, f"{one.connection_id} is no {said.value}"


def fill_rooms(seed: int, store: type[Store] = Store) -> None:
    random = Random(seed)  # noqa: S311  orders, no secrets
    for _ in range(ROOMS):
        rules = room(random, store)
        end = wander(rules.world, rules.actors, random)
        check_room(end, rules)
        check_roles(end, rules)
        check_rows(end)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_in_any_order_comes_to_no_wrong_end(seed: int) -> None:
    fill_rooms(seed)


@pytest.mark.slow
def test_a_crowd_whose_requests_fail_is_in_order_when_the_owner_says_it_again() -> None:
    random = Random(17)  # noqa: S311
    for _ in range(ROOMS):
        rules = room(random)
        end = wander(rules.world, rules.actors, random, failing=0.25)
        pointers, roster = end.rows()
        unseen = (pointers.keys() - roster.keys()) & end.open()
        assert not unseen, f"{unseen} is heard, and no kick finds it"
        give(end, Role.VIEWER).run(end)
        check_bobs_rows(end, Role.VIEWER)
        kick(end, BAN).run(end)
        check_bobs_rows(end, None)


def check_bobs_rows(end: World, role: Role | None) -> None:
    """Each row of bob's open connections has the role; None stands for no row."""
    pointers, roster = end.rows()
    bobs = [row for rows in (pointers, roster) for one, row in rows.items() if one in roster.keys() & end.open()]
    bobs = [row for row in bobs if row["subject"] == {"S": "bob"}]
    assert {row["role"]["S"] for row in bobs} <= ({role.value} if role else set())


class LooksFirst(Store):
    """Reads the session and the owner's word before it writes the connection."""

    def connect(self, connection: Connection) -> None:
        found = super().find_with_standing(connection.session_id, connection.subject)
        super().connect(connection)
        self.find_with_standing = lambda session_id, subject: found  # type: ignore[method-assign]


def test_a_broken_rule_comes_to_a_wrong_end() -> None:
    with pytest.raises(AssertionError, match=r"a banned subject is in|is no (viewer|participant)"):
        fill_rooms(17, LooksFirst)
