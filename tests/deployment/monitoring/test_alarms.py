"""Alarms explain themselves, say what to do, and whom they call."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from chalicelib.delivery import DEADLINE
from deployment import stage
from deployment.monitoring.alarm import Alarm, Severity
from deployment.monitoring.alarms import ROLLBACK, alarms, rollback_alarms
from deployment.monitoring.queries import queries
from tests.sources import ROOT

DEV = stage.read(ROOT, "dev")
ALARMS = {alarm.name: alarm for alarm in alarms(DEV, {"Ref": "WebsocketAPI"})}
of_each_alarm = pytest.mark.parametrize("alarm", ALARMS.values(), ids=list(ALARMS))


@of_each_alarm
def test_an_alarm_says_what_it_means_and_what_to_do_first(alarm: Alarm) -> None:
    described = alarm.resource(DEV)["Properties"]["AlarmDescription"]
    assert described == f"{alarm.means} First: {alarm.first}"
    assert alarm.means.endswith(".")
    assert alarm.first.endswith(".")
    assert len(described) <= 1024  # characters, CloudWatch's limit


def test_no_value_is_good_news_of_all_but_what_has_to_run() -> None:
    assert {alarm.name for alarm in ALARMS.values() if alarm.missing != "notBreaching"} == {"sweep-silent"}


def test_a_sweep_that_does_not_run_is_noticed() -> None:
    properties = ALARMS["sweep-silent"].resource(DEV)["Properties"]
    assert properties["MetricName"] == "Invocations"
    assert properties["Dimensions"] == [{"Name": "FunctionName", "Value": "sessions-dev-sweep"}]
    assert (properties["ComparisonOperator"], properties["Threshold"]) == ("LessThanThreshold", 1)
    assert properties["TreatMissingData"] == "breaching"
    assert properties["Period"] * properties["EvaluationPeriods"] == 300


@pytest.mark.parametrize("function", DEV.functions, ids=lambda function: function.name)
def test_a_function_is_reported_before_it_is_ended_and_not_while_it_may_deliver(function: stage.Function) -> None:
    """A disconnect delivers nothing, and has less time."""
    threshold = timedelta(milliseconds=ALARMS[f"{function.name}-duration"].threshold)
    timeout = timedelta(seconds=function.timeout)
    assert min(DEADLINE, timeout / 2) < threshold < timeout


def test_only_failures_that_clients_feel_now_page() -> None:
    pages = {alarm.name for alarm in ALARMS.values() if alarm.severity is Severity.PAGE}
    of_each_function = {f"{function.name}-errors" for function in DEV.functions}
    gateway = {"http-5xx", "websocket-execution-errors", "deliveries-failed", "deliveries-throttled"}
    assert pages == {"faults", "unavailables", "sweep-silent"} | gateway | of_each_function


def test_an_update_is_undone_by_at_most_five_alarms_which_exist_and_need_no_traffic_to_be_off() -> None:
    """CloudFormation refuses a sixth, and fails an update whose alarm is missing."""
    names = rollback_alarms(DEV)
    assert len(names) == len(ROLLBACK) <= 5
    assert set(names) == {ALARMS[name].full_name(DEV) for name in ROLLBACK}
    assert {ALARMS[name].missing for name in ROLLBACK} == {"notBreaching"}


def test_each_alarm_has_its_own_name_and_logical_id() -> None:
    every = alarms(DEV, {"Ref": "WebsocketAPI"})
    assert len({alarm.name for alarm in every}) == len({alarm.logical_id for alarm in every}) == len(every)


@of_each_alarm
def test_a_saved_query_that_is_named_exists(alarm: Alarm) -> None:
    named = re.findall(r"saved quer(?:y|ies) ([a-z-]+)(?: and ([a-z-]+))?", alarm.first)
    assert {name for found in named for name in found if name} <= {query.name for query in queries(DEV)}
    assert bool(named) == ("saved quer" in alarm.first)
