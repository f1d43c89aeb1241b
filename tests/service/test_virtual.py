from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from tests.service.fakes import NOON
from tests.service.virtual import Time


def test_processes_sleep_beside_each_other() -> None:
    time, told = Time(), list[tuple[str, float]]()

    def count(name: str, seconds: float) -> None:
        for _ in range(2):
            time.sleep(seconds)
            told.append((name, (time.now - NOON).total_seconds()))

    time.start(lambda: count("a", 2))
    time.start(lambda: count("b", 3))
    time.after(2.5, lambda: told.append(("act", 2.5)))
    time.run(5.5)
    assert told == [("a", 2), ("act", 2.5), ("b", 3), ("a", 4)]
    assert time.now == NOON + timedelta(seconds=5.5)
    time.run(1)
    assert told[-1] == ("b", 6)


def test_an_error_of_a_process_is_raised() -> None:
    time = Time()
    time.start(lambda: [][1], after=2)
    time.run(1)
    with pytest.raises(IndexError):
        time.run(1)


def test_processes_that_still_sleep_are_ended() -> None:
    before, time, ends = threading.active_count(), Time(), list[str]()

    def sleep() -> None:
        try:
            time.sleep(10)
        finally:
            ends.append("over")

    for _ in range(3):
        time.start(sleep)
    time.run(1)
    time.start(sleep)
    assert threading.active_count() == before + 4
    time.close()
    assert (threading.active_count(), ends) == (before, ["over"] * 3)
