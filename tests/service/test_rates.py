"""The arithmetic of rates, which both stores use."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from chalicelib.rates import BURST, FAR, UNLIMITED, Rate, Verdict
from chalicelib.settings import MOST
from tests.service.fakes import NOON

FRAMES = Rate(10)
MICROSECOND = timedelta(microseconds=1)


def at_once(rate: Rate, count: int, tat: datetime | None = None, now: datetime = NOON) -> datetime:
    for _ in range(count):
        tat = rate.moved(tat, now)
    assert tat is not None
    return tat


def test_two_seconds_of_any_rate_pass_at_once_and_hardly_more() -> None:
    """A cost of whole microseconds lets two more through at the highest rates."""
    for rate in map(Rate, range(1, MOST + 1)):
        passing = BURST // rate.cost
        assert 0 <= passing - 2 * rate.per_second <= 2
        assert rate.verdict(NOON + passing * rate.cost, NOON) is Verdict.DONE
        assert rate.verdict(NOON + (passing + 1) * rate.cost, NOON) is Verdict.REFUSED


@pytest.mark.parametrize("per_second", [1, 3, 7, 10, 50, 600])
def test_a_minute_holds_as_many_as_the_rate_says_and_the_burst(per_second: int) -> None:
    rate, done, tat = Rate(per_second), 0, None
    for millisecond in range(60_000):
        now = NOON + timedelta(milliseconds=millisecond)
        while rate.verdict(rate.moved(tat, now), now) is Verdict.DONE:
            tat, done = rate.moved(tat, now), done + 1
    assert done == pytest.approx(62 * per_second, rel=0.001, abs=1)


def test_verdicts_change_at_two_and_six_seconds() -> None:
    assert FRAMES.verdict(NOON + BURST, NOON) is Verdict.DONE
    assert FRAMES.verdict(NOON + BURST + MICROSECOND, NOON) is Verdict.REFUSED
    assert FRAMES.verdict(NOON + FAR, NOON) is Verdict.REFUSED
    assert FRAMES.verdict(NOON + FAR + MICROSECOND, NOON) is Verdict.CLOSED


def test_sixty_at_once_are_refused_and_well_again_and_the_next_is_closed() -> None:
    tat = at_once(FRAMES, 60)
    assert FRAMES.verdict(tat, NOON) is Verdict.REFUSED
    assert FRAMES.verdict(FRAMES.moved(tat, NOON), NOON) is Verdict.CLOSED


@pytest.mark.parametrize("per_second", [1, 7, 10, 600])
@pytest.mark.parametrize("more", [1, 2, 9])
def test_another_passes_after_its_wait_and_not_a_moment_before(per_second: int, more: int) -> None:
    rate = Rate(per_second)
    tat = at_once(rate, 2 * per_second + more)
    again = NOON + rate.wait(tat, NOON)
    assert rate.verdict(rate.moved(tat, again), again) is Verdict.DONE
    before = again - MICROSECOND
    assert rate.verdict(rate.moved(tat, before), before) is Verdict.REFUSED


def test_who_has_room_left_does_not_wait() -> None:
    assert FRAMES.wait(NOON, NOON) == timedelta()
    assert FRAMES.wait(at_once(FRAMES, 19), NOON) == timedelta()
    assert FRAMES.wait(at_once(FRAMES, 20), NOON) == FRAMES.cost


def test_no_rate_refuses_nothing_whatever_the_time() -> None:
    """Also where an earlier version, which had a rate, or a clock that was wrong has left its time."""
    assert UNLIMITED.moved(None, NOON) == NOON
    assert UNLIMITED.moved(NOON + FAR, NOON) == NOON + FAR
    assert UNLIMITED.verdict(NOON + timedelta(days=1), NOON) is Verdict.DONE


def test_clocks_that_differ_by_50_milliseconds_refuse_nobody_who_keeps_to_the_rate() -> None:
    """An hour of ten frames a second, each on a function with a clock of its own."""
    clocks = random.Random(1)  # noqa: S311  not a secret
    tat, farthest = None, timedelta()
    for i in range(36_000):
        now = NOON + i * FRAMES.cost + timedelta(milliseconds=clocks.uniform(-50, 50))
        tat = FRAMES.moved(tat, now)
        farthest = max(farthest, tat - now)
    assert farthest <= FRAMES.cost + timedelta(milliseconds=100)


@pytest.mark.parametrize(("late", "verdict"), [(1.7, Verdict.DONE), (2.3, Verdict.REFUSED)])
def test_a_frame_that_is_metered_late_is_done_within_two_seconds(late: float, verdict: Verdict) -> None:
    """Three frames a second, of which one is held up on its way to the table while the others pass it."""
    others = [NOON + timedelta(seconds=i / 3) for i in range(1, 10) if i / 3 <= late]
    tat = None
    for now in others:
        tat = FRAMES.moved(tat, now)
    assert FRAMES.verdict(FRAMES.moved(tat, NOON), NOON) is verdict
