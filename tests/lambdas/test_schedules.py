"""Functions run at their rates and cron expressions, even after a run that failed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.lambdas.cron import Cron
from pytest_sessionplugin.lambdas.schedules import Rota, Schedule, Timer, scheduled_event

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_function_runs_again_after_it_failed() -> None:
    ran: queue.Queue[tuple[str, Mapping[str, Any]]] = queue.Queue()

    def run(function: str, event: Mapping[str, Any]) -> None:
        ran.put((function, event))
        raise ZeroDivisionError

    with Timer([Schedule("sweep", 0.001)], run, "eu-west-1", NOW.timestamp):
        (first, event), (second, other) = ran.get(timeout=10), ran.get(timeout=10)
    assert first == second == "sweep"
    assert event["id"] != other["id"]
    assert event["time"] == "2026-01-02T03:04:05Z"


def test_after_another_deployment_those_that_stay_go_on_and_those_that_went_do_not_run() -> None:
    ran: queue.Queue[str] = queue.Queue()
    stays, comes, waits = Schedule("stays", 0.001), Schedule("comes", 0.001), Schedule("waits", 3600)
    with Timer([stays, Schedule("goes", 0.001), waits], lambda name, event: ran.put(name), "eu-west-1") as timer:
        assert {ran.get(timeout=10) for _ in range(100)} == {"stays", "goes"}
        (waiting,) = [thread for thread in threading.enumerate() if thread.name == "waits"]
        (going,) = [thread for thread in threading.enumerate() if thread.name == "goes"]
        timer.redeploy([stays, comes, waits])
        going.join(10)
        while not ran.empty():
            ran.get()
        assert {ran.get(timeout=10) for _ in range(300)} == {"stays", "comes"}
        assert waiting.is_alive()  # and goes on counting
        assert len([thread for thread in threading.enumerate() if thread.name == "waits"]) == 1
    assert not [thread for thread in threading.enumerate() if thread.name in ("stays", "goes", "comes", "waits")]


def test_a_cron_expression_runs_in_its_minute_and_in_no_other() -> None:
    """A clock that is moved while it waits: the minutes between are not made up for."""
    ran: queue.Queue[str] = queue.Queue()
    times = iter(
        [
            datetime(2026, 1, 2, 3, 3, 59, 999_000, tzinfo=UTC),  # it waits for a minute that is not the expression's
            datetime(2026, 1, 2, 3, 9, 59, 999_000, tzinfo=UTC),  # and for one that is,
            datetime(2026, 1, 2, 3, 29, 59, 998_000, tzinfo=UTC),  # but is passed over
            datetime(2026, 1, 2, 3, 29, 59, 999_000, tzinfo=UTC),  # and for another one,
            datetime(2026, 1, 2, 3, 30, 0, 1, tzinfo=UTC),  # which comes
        ]
    )
    last = datetime(2026, 1, 2, 3, 30, 1, tzinfo=UTC)
    with Timer(
        [Schedule("sweep", Cron("cron(10,30 3 * * ? *)"))],
        lambda name, event: ran.put(event["time"]),
        "eu-west-1",
        lambda: next(times, last).timestamp(),
    ):
        assert ran.get(timeout=10) == "2026-01-02T03:30:01Z"
    assert ran.empty()


@pytest.mark.parametrize(
    ("expression", "when"),
    [
        ("rate(1 minute)", 60.0),
        ("rate(5 hours)", 18_000.0),
        ("rate(1 day)", 86_400.0),
        ("cron(0 3 * * ? *)", Cron("cron(0 3 * * ? *)")),
    ],
)
def test_an_expression_is_a_rate_or_a_cron_expression(expression: str, when: float | Cron) -> None:
    assert Schedule.of("sweep", expression) == Schedule("sweep", when)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("every day", "it begins with rate( or cron(: Chalice's Rate and Cron make both"),
        ("rate(1 minutes)", "it must be rate(1 minute)"),
        ("rate(5 minute)", "it must be rate(5 minutes)"),
        ("rate(0 minutes)", "it must be a number from 1"),
        ("rate(5 weeks)", "a rate is a number of minutes, hours or days"),
        ("rate(-5 minutes)", "a rate is a number of minutes, hours or days"),
        ("cron(0 25 * * ? *)", "hours '25' is not from 0 to 23"),
        (60, "it is a text, or Chalice's Rate or Cron"),
    ],
)
def test_an_expression_that_eventbridge_refuses_is_an_error_with_its_function(expression: Any, why: str) -> None:
    with pytest.raises(SessionPluginError) as refused:
        Schedule.of("sweep", expression)
    assert str(refused.value).startswith(f"the schedule of sweep, {expression!r}, cannot be deployed: {why}")


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


def test_a_cron_expression_is_met_at_each_of_its_moments_and_at_its_last_one() -> None:
    ran: list[str] = []
    now = START
    nights = Schedule("report", Cron("cron(0 3 2-4 1 ? 2027)"))
    rota = Rota([nights], lambda function, event: ran.append(event["time"]), "eu-west-1", BEGAN, lambda: now)
    while (due := rota.due()) is not None and due < START + 1e9:
        now = due
        rota.tick()
    assert ran == ["2027-01-03T03:00:00Z", "2027-01-04T03:00:00Z"], "that of the 2nd has passed"
