"""Functions run at their rates, whatever became of the run before."""

from __future__ import annotations

import queue
import threading
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
