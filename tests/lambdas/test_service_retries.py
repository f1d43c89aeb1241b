"""Events that a function failed on are retried twice, a minute and two minutes later."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_sessionplugin.lambdas.service import Retries, Retry


@dataclass
class At:
    """A clock that is set."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_second_attempt_is_a_minute_later_and_the_third_two_minutes_after_that() -> None:
    clock, run = At(), list[Retry]()
    retries = Retries(run.append, clock)
    assert (retries.due(), retries.waiting) == (None, ())
    second = retries.after("mail", {"a": 1}, "id", 1)
    assert second is not None
    assert (second.attempt, retries.due(), retries.waiting) == (2, 60.0, (second,))
    clock.now = 59.9
    retries.tick()
    assert run == []
    clock.now = 60.0
    retries.tick()
    assert (run, retries.waiting) == ([second], ())
    third = retries.after("mail", {"a": 1}, "id", 2)
    assert third is not None
    assert (third.attempt, third.due, third.request_id) == (3, 180.0, "id")
    assert retries.after("mail", {"a": 1}, "id", 3) is None


def test_those_that_are_due_are_run_in_their_order() -> None:
    clock, run = At(), list[Retry]()
    retries = Retries(run.append, clock)
    late, early = retries.after("a", {}, "1", 2), retries.after("b", {}, "2", 1)
    assert retries.waiting == (early, late)
    clock.now = 500.0
    retries.tick()
    assert run == [early, late]
