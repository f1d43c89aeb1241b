"""Two clients at one seat, many times, as threads in environments whose clocks differ."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest

from chalicelib.members import Duplicates
from chalicelib.model import Draft
from tests.service.walked import Tables, World, check_rows, check_seats, connect, new_world

ROUNDS = 1000
SKEW = 50  # milliseconds


class Locked:
    """Tables that answer one request at a time."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._lock = threading.Lock()

    def ask(self, operation: str, request: Any) -> Any:
        with self._lock:
            return self._tables.ask(operation, request)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Two threads, of which each may be stopped at any time for the other."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    with ThreadPoolExecutor(2) as threads:
        yield threads
    sys.setswitchinterval(interval)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("draft", "subjects"),
    [
        (Draft(max_connections=1), ("bob", "carol")),
        (Draft(duplicates=Duplicates.OLDEST), ("bob", "bob")),
        (Draft(duplicates=Duplicates.NEWEST), ("bob", "bob")),
        (Draft(duplicates=Duplicates.NEWEST, max_connections=1), ("bob", "bob")),
    ],
    ids=["one seat", "oldest", "newest", "newest at one seat"],
)
def test_two_at_one_seat_are_never_both_in(
    threads: ThreadPoolExecutor, draft: Draft, subjects: tuple[str, str]
) -> None:
    random, ends = Random(17), Counter[int]()  # noqa: S311  an order of clocks, no secret
    for _ in range(ROUNDS):
        world = new_world(draft)
        locked: Any = Locked(world.tables)
        view = World(world.session, locked, world.sockets)
        begin = threading.Barrier(2)

        def join(name: str, subject: str, ahead: float, view: World = view, begin: threading.Barrier = begin) -> None:
            begin.wait(10)
            connect(view.session, name, subject, ahead=ahead).run(view)

        clocks = (0, random.choice((-SKEW, 0, SKEW)))
        list(threads.map(join, ("a=", "b="), subjects, clocks))
        check_rows(world)
        check_seats(world, 1)
        ends[len(world.in_it())] += 1
    assert ends.total() == ROUNDS
    assert ends[1] > 0, "each keeps the other out, always"
    if draft == Draft(duplicates=Duplicates.NEWEST):
        assert ends == {1: ROUNDS}, "the newest stays"
