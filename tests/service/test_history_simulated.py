"""A durable session of many clients in virtual time, while lines break, functions die and tables are slow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from chalicelib import events
from chalicelib.events import Event, Kind
from chalicelib.memory import MemoryStore
from tests.service.fuzz import EXAMPLES
from tests.service.simulated import Room, Weather

DROPS = 1_000
LONGEST = 7_200  # seconds until so many lines have been broken


@contextmanager
def room_of(people: int, seed: int) -> Iterator[Room]:
    room = Room(seed, people)
    try:
        yield room
    finally:
        room.time.close()


def live_through(room: Room, drops: int) -> None:
    """Breaks so many lines, while clients publish, and then lets all come to rest.

    Frames overtake each other, calls to tables end their functions, and puts come late, some when their number has been
    closed.
    """
    random = room.random
    room.weather = Weather(
        network=lambda: random.choice([0.01, 0.05, 0.2, 3]) * random.random(),
        table=lambda: random.uniform(0.002, 0.02),
        put=lambda: random.choice([0.01] * 40 + [2, 8, 20]),
        deaths=3,
    )
    for second in range(LONGEST):
        if room.counts["drops"] >= drops:
            break
        for person in room.people:
            if person.is_live() and random.random() < 0.05:
                key = {"key": f"{person.name}-{second}"} if random.random() < 0.3 else {}
                room.publish(person, f"{second} " + "x" * random.choice([0, 0, 0, 30_000]), **key)
            if random.random() < 1 / 15:
                room.drop(person)
        room.time.run(1)
    room.weather.deaths = 0
    room.time.run(300)


def voids(room: Room) -> int:
    return sum(event.kind is Kind.VOID for event in room.events().values())


@pytest.mark.parametrize("seed", range(EXAMPLES // 200))
def test_after_a_thousand_drops_each_client_has_each_event_once_or_knows_that_it_missed_it(seed: int) -> None:
    with room_of(10, seed) as room:
        live_through(room, DROPS)
        room.check()
        counts = room.counts
        assert counts["drops"] >= DROPS
        assert min(counts["deaths"], counts["not recovered"], voids(room)) > 0, "all has come to pass"


def test_slow_puts_close_no_numbers_and_make_nobody_ask_again() -> None:
    """Ten publish as fast as they are answered; for five seconds puts take 150 ms."""
    with room_of(10, 0) as room:
        random, slow_from, slow_to = room.random, 10, 15
        room.weather = Weather(
            network=lambda: random.uniform(0.005, 0.05),
            table=lambda: random.uniform(0.002, 0.01),
            put=lambda: 0.15 if slow_from <= room.seconds < slow_to else 0.006,
        )
        room.time.run(5)
        said = 0
        while room.seconds < 20:
            for person in room.people:
                if person.is_live() and not person.asked:
                    room.publish(person, said)
                    said += 1
            room.time.run(0.005)
        room.time.run(60)
        room.check()
        assert room.head == said > 1_000
        assert voids(room) < said / 100
        assert room.counts["hello"] <= 2 * len(room.people), "each said one when it came"


# --- the simulation finds the faults that the rules prevent


def test_a_number_that_is_passed_over_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "holes", lambda *given: iter(()))
    with room_of(5, 0) as room:
        live_through(room, DROPS // 5)
        with pytest.raises(AssertionError, match="does not know of"):
            room.check()


def test_a_late_event_that_is_put_over_a_void_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def put_event(store: MemoryStore, event: Event) -> Event:
        store._events.setdefault(event.session_id, {})[event.seq] = event
        return event

    monkeypatch.setattr(MemoryStore, "put_event", put_event)
    with room_of(10, 0) as room:
        live_through(room, DROPS // 2)
        with pytest.raises(AssertionError, match="does not know of"):
            room.check()
