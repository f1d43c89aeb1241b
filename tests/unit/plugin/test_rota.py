"""Functions run at their rates on a clock that somebody moves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import pytest

from pytest_sessionplugin.schedules import Rota, Schedule

BEGAN = datetime(2027, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
START = BEGAN.timestamp()


def test_each_function_runs_once_a_period_counted_from_the_beginning() -> None:
    ran: list[tuple[str, str]] = []
    now = START + 61
    rota = Rota(
        [Schedule("sweep", 60), Schedule("report", 3600)],
        lambda function, event: ran.append((function, event["time"])),
        "eu-west-1",
        BEGAN,
        lambda: now,
    )
    assert rota.due() == START + 120, "the moment that has passed is not made up for"
    rota.tick()
    assert ran == []
    while (due := rota.due()) is not None and due <= START + 180:
        now = due
        rota.tick()
    assert ran == [("sweep", "2027-01-02T03:06:05Z"), ("sweep", "2027-01-02T03:07:05Z")]
    now = START + 3600
    rota.tick()
    assert [function for function, _ in ran[2:]] == ["sweep", "report"]


def test_what_a_function_raises_is_raised_and_its_moment_is_over() -> None:
    def fail(function: str, event: Mapping[str, Any]) -> None:
        raise ZeroDivisionError

    now = START
    rota = Rota([Schedule("sweep", 60)], fail, "eu-west-1", BEGAN, lambda: now)
    now = START + 60
    with pytest.raises(ZeroDivisionError):
        rota.tick()
    assert rota.due() == START + 120


def test_a_moment_that_is_met_late_does_not_move_those_after_it() -> None:
    """A function that takes long, and so moves time, delays one run and no other."""
    ran: list[str] = []
    now = START
    rota = Rota([Schedule("sweep", 60)], lambda function, event: ran.append(event["time"]), "x", BEGAN, lambda: now)
    now = START + 90
    rota.tick()
    assert (ran, rota.due()) == (["2027-01-02T03:05:05Z"], START + 120)


def test_without_schedules_nothing_is_ever_due() -> None:
    assert Rota([], lambda function, event: None, "eu-west-1", BEGAN, lambda: START).due() is None
