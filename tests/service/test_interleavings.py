"""Walks of interleavings: every order is followed, equal steps are taken once, unlike states are kept apart."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.service.interleavings import Actor, Raised, walk


class Refused(Exception):
    """Shows a value that is not part of its text."""

    def __init__(self, shown: int) -> None:
        super().__init__("refused")
        self.shown = shown


class Shelf:
    """A place for numbers, which refuses a second one and shows the first."""

    def __init__(self, asked: Counter[str]) -> None:
        self.number: int | None = None
        self.asked = asked  # by all copies

    def __deepcopy__(self, memo: object) -> Shelf:
        twin = Shelf(self.asked)
        twin.number = self.number
        return twin

    def put(self, number: int) -> None:
        self.asked["put"] += 1
        if self.number is not None:
            raise Refused(self.number)
        self.number = number

    def look(self) -> int | None:
        self.asked["look"] += 1
        return self.number


class World:
    def __init__(self) -> None:
        self.shelf = Shelf(Counter())
        self.told: tuple[str, ...] = ()

    @property
    def log(self) -> World:
        return self

    def tell(self, text: str) -> None:
        self.told = (*self.told, text)

    def state(self) -> str:
        return f"{self.shelf.number} {sorted(self.told)}"

    def check(self) -> None:
        assert len(self.told) < 4


def put(number: int) -> Actor:
    """Tells what it was shown, where it was refused."""

    def run(view: Any) -> None:
        try:
            view.shelf.put(number)
        except Refused as refused:
            view.log.tell(f"{refused.shown}")

    return Actor(f"put {number}", run)


def looks(name: str) -> Actor:
    def run(view: Any) -> None:
        view.shelf.look()
        view.shelf.look()

    return Actor(name, run)


def test_each_order_of_calls_comes_to_its_end() -> None:
    ends: set[str] = set()
    walk(World(), [put(1), put(2), put(3)], lambda end: ends.add(end.state()))
    assert ends == {f"{first} ['{first}', '{first}']" for first in (1, 2, 3)}


def test_errors_of_one_text_that_show_different_things_are_different_results() -> None:
    one, other = (put(3).having(Raised(Refused(shown))) for shown in (1, 2))
    assert one.next_call() != other.next_call()
    assert one.told != other.told


def test_a_step_is_taken_once_in_a_world_whatever_others_have_read() -> None:
    world = World()
    walked = walk(world, [looks("one"), looks("other")], lambda end: None)
    assert walked.states == 9
    assert world.shelf.asked["look"] == 4


def test_a_fault_is_told_with_the_calls_that_led_to_it() -> None:
    world = World()
    world.told = ("once", "twice")
    steps = ["put 3: shelf.put", "put 2: shelf.put", "put 2: log.tell 3", "put 1: shelf.put", "put 1: log.tell 3"]
    with pytest.raises(AssertionError, match="\n  ".join(["after", *steps])):
        walk(world, [put(1), put(2), put(3)], lambda end: None)
