"""Alarms watch existing metrics, explain themselves, and say what to do."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from chalicelib import metrics
from chalicelib.delivery import DEADLINE
from deployment import stage
from deployment.monitoring import dashboard
from deployment.monitoring.alarm import Alarm, Severity
from deployment.monitoring.alarms import ROLLBACK, alarms, rollback_alarms
from deployment.monitoring.measures import Measure, Search
from deployment.monitoring.queries import queries
from deployment.stage import AlarmTopics
from tests.sources import ROOT

DEV = stage.read(ROOT, "dev")
ALARMS = {alarm.name: alarm for alarm in alarms(DEV, {"Ref": "WebsocketAPI"})}
OF_AWS = {  # as AWS documents them: namespace and dimensions, and the metrics that have exactly these
    ("AWS/Lambda", "FunctionName"): {"Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions"},
    ("AWS/Lambda",): {"ConcurrentExecutions"},
    ("AWS/ApiGateway", "ApiName", "Stage"): {"Count", "4XXError", "5XXError", "Latency", "IntegrationLatency"},
    ("AWS/ApiGateway", "ApiId", "Stage"): {
        "ConnectCount", "MessageCount", "IntegrationError", "ClientError", "ExecutionError", "IntegrationLatency",
    },
    ("AWS/DynamoDB", "TableName"): {"ReadThrottleEvents", "WriteThrottleEvents", "TransactionConflict"},
    ("AWS/DynamoDB", "TableName", "Operation"): {"ThrottledRequests", "SystemErrors"},
    ("AWS/DynamoDB",): {"UserErrors"},
    ("AWS/Events", "RuleName"): {"Invocations", "FailedInvocations"},
}  # fmt: skip

of_each_alarm = pytest.mark.parametrize("alarm", ALARMS.values(), ids=list(ALARMS))


def watched() -> Iterator[Measure | Search]:
    """All metrics that an alarm or a graph names."""
    yield from (alarm.measure for alarm in ALARMS.values())
    yield from (line.measure for row in dashboard.rows(DEV) for graph in row.graphs for line in graph.lines)


def measured() -> Iterator[tuple[str, ...]]:
    """Namespace, name and dimensions of every metric of the service and of AWS."""
    for metric in metrics.ALL:
        yield metrics.NAMESPACE, metric.name, metrics.STAGE
        if metric.by is not None:
            yield metrics.NAMESPACE, metric.name, metrics.STAGE, metric.by
    for (namespace, *dimensions), names in OF_AWS.items():
        yield from ((namespace, name, *dimensions) for name in names)


def test_what_is_watched_is_measured() -> None:
    named = {(one.namespace, one.name, *one.dimensions) for one in watched()}
    assert named <= set(measured())


def test_the_service_measures_under_the_name_of_its_stage() -> None:
    own = [one for one in watched() if isinstance(one, Measure) and one.namespace == metrics.NAMESPACE]
    assert {one.dimensions[metrics.STAGE] for one in own} == {"dev"}
    assert {function.environment["STAGE"] for function in DEV.functions} == {"dev"}


def test_every_metric_of_the_service_is_to_be_seen() -> None:
    shown = [line.measure for row in dashboard.rows(DEV) for graph in row.graphs for line in graph.lines]
    assert {metric.name for metric in metrics.ALL} <= {one.name for one in shown}


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


def test_an_alarm_notifies_the_topics_of_its_severity_when_it_begins_and_when_it_ends() -> None:
    notified = dataclasses.replace(DEV, alarm_topics=AlarmTopics(page=("arn:page",), ticket=("arn:ticket",)))
    for alarm in ALARMS.values():
        properties = alarm.resource(notified)["Properties"]
        assert properties["AlarmActions"] == properties["OKActions"] == [f"arn:{alarm.severity.value}"]


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
