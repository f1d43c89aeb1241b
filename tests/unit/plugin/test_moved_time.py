"""Time that goes on, ahead of the machine's."""

from __future__ import annotations

import time

import pytest

from pytest_sessionplugin.moved_time import MovedTime

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
    monkeypatch.setattr("pytest_sessionplugin.moved_time.find_spec", lambda name: None)
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
