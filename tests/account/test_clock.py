"""Time stands still, and goes from deadline to deadline."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from time import monotonic
from typing import Any

import pytest
import time_machine

from pytest_sessionplugin.account.clock import Agenda, Clock, MovedTime
from pytest_sessionplugin.errors import SessionPluginError


class Deadlines:
    """An agenda that notes what time it was when each of its deadlines was met; `then` may make new ones."""

    def __init__(self, *deadlines: float) -> None:
        self.pending = list(deadlines)
        self.met: list[float] = []
        self.then: Callable[[float], Any] = lambda now: None

    def due(self) -> float | None:
        return min(self.pending, default=None)

    def tick(self) -> None:
        now = time.time()
        for deadline in [deadline for deadline in self.pending if deadline <= now]:
            self.pending.remove(deadline)
            self.met.append(now)
            self.then(now)


def clock_of(*agendas: Agenda, settle: Callable[[], None] = lambda: None) -> Clock:
    return Clock(lambda schedules: agendas, settle)


def test_time_stands_still_on_a_whole_second_and_is_put_back() -> None:
    before = time.time()
    with clock_of() as clock:
        start = time.time()
        assert start.is_integer()
        assert before <= start <= before + 60
        assert {time.time(), time.time(), time.time_ns() / 1e9, datetime.now(UTC).timestamp()} == {start}
        assert clock.now == datetime.fromtimestamp(start, UTC)
        clock.advance(days=1, hours=1)
        clock.advance(timedelta(microseconds=3))
        assert time.time() == clock.now.timestamp() == start + 90_000.000003
    assert before <= time.time() < start + 80_000


def test_monotonic_time_goes_on_and_the_time_zone_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    before = monotonic()
    with clock_of() as clock:
        clock.advance(days=1)
        assert before < monotonic() < before + 3600
        assert os.environ["TZ"] == "Asia/Kolkata"


def test_each_deadline_is_met_at_its_own_time_and_in_order() -> None:
    with clock_of(early := Deadlines(), late := Deadlines()) as clock:
        start = time.time()
        early.pending, late.pending = [start + 30, start + 10], [start + 20, start + 60.5]
        order: list[float] = []
        early.then = late.then = order.append
        clock.advance(minutes=1)
        assert order == [start + 10, start + 20, start + 30]
        assert (late.pending, time.time()) == ([start + 60.5], start + 60)
        clock.advance(seconds=0.5)
        assert late.met == [start + 20, start + 60.5]


def test_a_deadline_that_a_deadline_makes_is_met_on_the_way() -> None:
    with clock_of(agenda := Deadlines()) as clock:
        start = time.time()
        agenda.pending = [start + 10]
        agenda.then = lambda now: agenda.pending.append(now + 10)
        clock.advance(seconds=35)
        assert agenda.met == [start + 10, start + 20, start + 30]


def test_what_was_due_before_is_done_without_going_back() -> None:
    with clock_of(agenda := Deadlines()) as clock:
        start = time.time()
        agenda.pending = [start - 100]
        clock.advance(seconds=1)
        assert agenda.met == [start]


@pytest.mark.parametrize("fraction", [0.1, 1 / 3, 0.000_000_3, 0.999_999_9, 2**-21])
def test_a_deadline_between_two_microseconds_is_met_too(fraction: float) -> None:
    with clock_of(agenda := Deadlines()) as clock:
        deadline = time.time() + 10 + fraction
        agenda.pending = [deadline]
        clock.advance(minutes=1)
        assert [0 <= met - deadline < 2e-6 for met in agenda.met] == [True]


def test_what_takes_long_moves_time_itself_and_it_never_goes_back() -> None:
    with clock_of(agenda := Deadlines()) as clock:
        start = time.time()
        agenda.pending = [start + 10, start + 20, start + 110]
        agenda.then = lambda now: clock.advance(seconds=50) if now == start + 10 else None
        clock.advance(seconds=30)
        assert agenda.met == [start + 10, start + 20]
        assert time.time() == start + 60


def test_everything_is_settled_before_time_moves_and_after_each_deadline() -> None:
    settled: list[float] = []
    agenda = Deadlines()
    with clock_of(agenda, settle=lambda: settled.append(time.time())) as clock:
        start = time.time()
        agenda.pending = [start + 10, start + 20]
        clock.advance(minutes=1)
        assert settled == [start, start + 10, start + 20]


def test_it_can_be_moved_to_a_moment() -> None:
    with clock_of() as clock:
        there = datetime(2101, 2, 3, 4, 5, 6, 700_000, timezone(timedelta(hours=2)))
        clock.move_to(there)
        assert datetime.now(UTC) == clock.now == there
        assert clock.now.utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("move", "sentence"),
    [
        (lambda clock: clock.advance(minutes=-1), "time only moves forwards, so it must be more than 0"),
        (lambda clock: clock.advance(), "more than 0"),
        (lambda clock: clock.advance(timedelta()), "more than 0"),
        (lambda clock: clock.advance(minute=1), r"advance\(minute=1\): it takes what timedelta takes"),
        (lambda clock: clock.advance(10), r"advance\(10\): it takes what timedelta takes"),
        (lambda clock: clock.move_to(10), r"move_to\(10\): it must be a datetime"),
        (lambda clock: clock.move_to(datetime(2101, 1, 1)), "has no time zone"),  # noqa: DTZ001 - that is the point
        (lambda clock: clock.move_to(clock.now), "time only moves forwards, and it is 20"),
        (lambda clock: setattr(clock, "ttl_lag", timedelta(-1)), "ttl_lag .* must be a timedelta that is not negative"),
        (lambda clock: setattr(clock, "ttl_lag", 60), "ttl_lag = 60: it must be a timedelta"),
    ],
)
def test_what_it_cannot_do_is_a_sentence(move: Callable[[Clock], Any], sentence: str) -> None:
    with clock_of() as clock:
        start = time.time()
        with pytest.raises(SessionPluginError, match=sentence):
            move(clock)
        assert time.time() == start


def test_two_that_move_time_are_told_of_each_other() -> None:
    with (
        clock_of(Deadlines(time.time() + 10)) as clock,
        time_machine.travel(0),
        pytest.raises(SessionPluginError, match="something else holds it"),
    ):
        clock.advance(minutes=1)


HOUR = 3600.0


def test_it_is_moved_for_all_and_goes_on_and_is_put_back() -> None:
    before = time.time()
    with MovedTime() as moved:
        assert moved.for_all
        assert before <= moved() <= before + 60
        moved.move(HOUR)
        moved.move(HOUR)
        now = time.time()
        assert now <= moved() <= now + 60
        assert before + 2 * HOUR <= now < before + 2 * HOUR + 60
        assert moved.ahead == 2 * HOUR
    assert before <= time.time() < before + HOUR


def test_without_time_machine_only_who_asks_it_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_sessionplugin.account.clock.find_spec", lambda name: None)
    before = time.time()
    with MovedTime() as moved:
        assert not moved.for_all
        moved.move(HOUR)
        assert before + HOUR <= moved() < before + HOUR + 60
        assert time.time() < before + 60


def test_it_never_goes_back() -> None:
    with MovedTime() as moved:
        moved.move(-HOUR)
        assert moved.ahead == 0.0
