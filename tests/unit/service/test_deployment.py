"""What the stages say of functions and schedules; the tables are tested where they are used."""

from __future__ import annotations

import json
from pathlib import Path

from chalice.app import ScheduledEventConfig, ScheduleExpression

import app

CONFIG = json.loads((Path(__file__).parents[3] / ".chalice" / "config.json").read_text())


def test_no_function_outlives_what_api_gateway_waits() -> None:
    assert CONFIG["lambda_timeout"] == 29
    assert CONFIG["lambda_memory_size"] >= 512


def test_no_secret_stands_in_the_configuration() -> None:
    assert "SECRET" not in json.dumps(CONFIG)


def test_the_sweep_runs_each_minute() -> None:
    [schedule] = [source for source in app.app.event_sources if isinstance(source, ScheduledEventConfig)]
    assert isinstance(schedule.schedule_expression, ScheduleExpression)
    assert schedule.schedule_expression.to_string() == "rate(1 minute)"
