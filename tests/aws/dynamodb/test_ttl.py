"""Time to live: a row is removed two days after its end, and a time long ago is taken for a mistake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pytest_sessionplugin.aws.dynamodb.ttl import LAG, TimeToLive

NOW = 1_800_000_000.0
DAY = 24 * 3600.0


class Rows:
    def __init__(self, *ends: float) -> None:
        self._ends = list(ends)

    def ends(self) -> list[float]:
        return self._ends

    def remove(self, ended: Callable[[float], bool]) -> None:
        self._ends = [end for end in self._ends if not ended(end)]


def test_a_row_is_due_two_days_after_its_end() -> None:
    assert timedelta(days=2) == LAG
    assert TimeToLive(Rows(NOW + 60, NOW + 30), clock=lambda: NOW).due() == NOW + 30 + 2 * DAY
    assert TimeToLive(Rows(), clock=lambda: NOW).due() is None


def test_it_is_removed_then_and_no_other() -> None:
    rows = Rows(NOW - 2 * DAY - 1, NOW - 2 * DAY, NOW - 2 * DAY + 1, NOW)
    TimeToLive(rows, clock=lambda: NOW).tick()
    assert rows.ends() == [NOW - 2 * DAY + 1, NOW]


def test_another_lag_is_another_moment() -> None:
    rows = Rows(NOW, NOW + 1)
    agenda = TimeToLive(rows, timedelta(), lambda: NOW)
    assert agenda.due() == NOW
    agenda.tick()
    assert rows.ends() == [NOW + 1]


def test_a_time_more_than_five_years_ago_is_taken_for_a_mistake() -> None:
    rows = Rows(0, NOW - 5 * 365 * DAY - 1)
    agenda = TimeToLive(rows, clock=lambda: NOW)
    agenda.tick()
    assert agenda.due() is None
    assert len(rows.ends()) == 2


def test_milliseconds_are_a_time_that_does_not_come() -> None:
    rows = Rows(NOW * 1000)
    agenda = TimeToLive(rows, clock=lambda: NOW + 1000 * DAY)
    agenda.tick()
    assert len(rows.ends()) == 1


@pytest.mark.parametrize(("end", "lag"), [(NOW + 0.1, 0.2), (NOW + 1 / 3, 1 / 7), (NOW, 0.000_001)])
def test_a_row_that_is_due_is_gone_after_its_moment_whatever_the_fractions(end: float, lag: float) -> None:
    rows = Rows(end)
    due = TimeToLive(rows, timedelta(seconds=lag), lambda: NOW).due()
    assert due is not None
    TimeToLive(rows, timedelta(seconds=lag), lambda: due).tick()
    assert rows.ends() == []
