"""Functions run at their rates, whatever became of the run before."""

from __future__ import annotations

import queue
from datetime import datetime, timezone

from pytest_sessionplugin.gateway.values import Invoke
from pytest_sessionplugin.schedules import Schedule, Timer, scheduled_event

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


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


def test_the_event_is_that_of_eventbridge() -> None:
    event = scheduled_event("sweep", "eu-west-1", NOW)
    assert event["detail-type"] == "Scheduled Event"
    assert event["source"] == "aws.events"
    assert event["resources"] == ["arn:aws:events:eu-west-1:123456789012:rule/sweep-event"]
    assert event["detail"] == {}
