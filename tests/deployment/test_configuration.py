"""Functions and schedules in the stages' settings. Tests that use the tables cover them."""

from __future__ import annotations

import json

import pytest
from chalice.app import ScheduledEventConfig, ScheduleExpression

import app
from deployment import stage
from tests.sources import ROOT

CONFIG = json.loads((ROOT / ".chalice" / "config.json").read_text())
STAGES = [stage.read(ROOT, name) for name in CONFIG["stages"]]

of_each_stage = pytest.mark.parametrize("one", STAGES, ids=lambda one: one.name)


@of_each_stage
def test_no_function_outlives_what_api_gateway_waits_or_has_less_memory_than_it_needs(one: stage.Stage) -> None:
    assert all(function.timeout <= 29 and function.memory >= 512 for function in one.functions)


@of_each_stage
def test_what_is_secret_is_named_and_kept_elsewhere(one: stage.Stage) -> None:
    assert one.environment["JWT_SECRET"] == f"ssm:/sessions/{one.name}/jwt-secret"


def test_the_sweep_runs_each_minute() -> None:
    [schedule] = [source for source in app.app.event_sources if isinstance(source, ScheduledEventConfig)]
    assert isinstance(schedule.schedule_expression, ScheduleExpression)
    assert schedule.schedule_expression.to_string() == "rate(1 minute)"
