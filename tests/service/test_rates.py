"""Verdicts on frames by the time when their bucket is full again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.rates import Rate, Verdict, verdict, wait
from tests.service.fakes import NOON


@pytest.mark.parametrize(
    ("seconds", "expected"), [(-9, "DONE"), (2, "DONE"), (2.1, "REFUSED"), (6, "REFUSED"), (6.1, "CLOSED")]
)
def test_the_distance_from_now_is_the_verdict(seconds: float, expected: str) -> None:
    assert verdict(NOON + timedelta(seconds=seconds), NOON) is Verdict[expected]


def test_a_rate_of_zero_costs_nothing() -> None:
    assert Rate(0).cost == timedelta()
    assert Rate(10).cost == timedelta(milliseconds=100)


def test_the_wait_ends_when_another_would_be_taken() -> None:
    tat = NOON + timedelta(seconds=3)
    assert wait(tat, NOON) == timedelta(seconds=1)
    assert verdict(tat, NOON + wait(tat, NOON)) is Verdict.DONE
    assert wait(NOON, NOON) == timedelta()
