"""Functions run at their rates, even after a run that failed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from pytest_sessionplugin.gateway.values import Invoke
from pytest_sessionplugin.lambdas.schedules import Rota, Schedule, Timer, scheduled_event

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_function_runs_again_after_it_failed() -> None:
    ran: queue.Queue[Invoke] = queue.Queue()

    def functions(invoke: Invoke) -> None:
        ran.put(invoke)
        raise ZeroDivisionError

    with Timer([Schedule("sweep", 0.001)], functions, "eu-west-1", now=lambda: NOW):
        first, second = ran.get(timeout=10), ran.get(timeout=10)
    assert first.function == second.function == "sweep"
    assert first.invocation_id != second.invocation_id
    assert first.event["time"] == "2026-01-02T03:04:05Z"


def test_after_another_deployment_those_that_stay_run_what_is_new_and_those_that_went_do_not_run() -> None:
    ran: queue.Queue[tuple[str, str]] = queue.Queue()

    def old(invoke: Invoke) -> None:
        ran.put(("old", invoke.function))

    def new(invoke: Invoke) -> None:
        ran.put(("new", invoke.function))

    stays, comes, waits = Schedule("stays", 0.001), Schedule("comes", 0.001), Schedule("waits", 3600)
    with Timer([stays, Schedule("goes", 0.001), waits], old, "eu-west-1") as timer:
        assert {ran.get(timeout=10)[1] for _ in range(100)} == {"stays", "goes"}
        (waiting,) = [thread for thread in threading.enumerate() if thread.name == "waits"]
        timer.redeploy([stays, comes, waits], new)
        seen = {ran.get(timeout=10) for _ in range(300)}
        assert {name for age, name in seen if age == "new"} == {"stays", "comes"}
        assert waiting.is_alive()  # and goes on counting
        assert len([thread for thread in threading.enumerate() if thread.name == "waits"]) == 1
    assert not [thread for thread in threading.enumerate() if thread.name in ("stays", "goes", "comes", "waits")]


def test_the_event_is_that_of_eventbridge() -> None:
    event = scheduled_event("sweep", "eu-west-1", NOW)
    assert event["detail-type"] == "Scheduled Event"
    assert event["source"] == "aws.events"
    assert event["resources"] == ["arn:aws:events:eu-west-1:123456789012:rule/sweep-event"]
    assert event["detail"] == {}


BEGAN = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
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
