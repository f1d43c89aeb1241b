"""Alarms watch existing metrics, explain themselves, and say what to do."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from chalicelib import metrics
from chalicelib.delivery import DEADLINE
from deployment import dashboard, operations, stacks, stage
from deployment.alarm import Alarm
from deployment.alarms import alarms
from deployment.measures import Measure, Search
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


def test_whoever_is_named_is_told_of_each_beginning_and_end() -> None:
    topic = "arn:aws:sns:eu-north-1:111122223333:on-call"
    template = operations.template(dataclasses.replace(DEV, alarm_topics=AlarmTopics((topic,), ())))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            told = [resource["Properties"][which] for which in ("AlarmActions", "OKActions")]
            assert [found_in_map(template, one) for one in told] == [[topic], [topic]]


def test_where_nobody_is_named_nothing_is_mapped() -> None:
    """CloudFormation refuses an empty mapping."""
    template = operations.template(dataclasses.replace(DEV, alarm_topics=AlarmTopics((), ())))
    assert "Mappings" not in template
    assert all(alarm.resource(DEV)["Properties"]["AlarmActions"] == [] for alarm in ALARMS.values())


def test_the_stack_stays_within_what_cloudformation_takes_whatever_names_are_given() -> None:
    """The longest case: five topics, an alarm's maximum, with the longest names, and the longest name of a stage."""
    topics = tuple(f"arn:aws-us-gov:sns:us-gov-west-1:111122223333:{number}{'t' * 255}" for number in range(5))
    longest = "s" * 32
    stage = dataclasses.replace(
        DEV,
        name=longest,
        alarm_topics=AlarmTopics(topics, ()),
        functions=tuple(
            dataclasses.replace(one, full_name=one.full_name.replace("dev", longest)) for one in DEV.functions
        ),
        environment={name: value.replace("-dev", f"-{longest}") for name, value in DEV.environment.items()},
    )
    assert len(stacks.body(operations.template(stage)).encode()) < stacks.LARGEST


def found_in_map(template: dict[str, Any], function: dict[str, list[str]]) -> list[str]:
    [section, entry, key] = function["Fn::FindInMap"]
    found: list[str] = template["Mappings"][section][entry][key]
    return found


def test_each_alarm_has_its_own_name_and_is_in_the_stack() -> None:
    resources: dict[str, Any] = operations.template(DEV)["Resources"]
    names = [one["Properties"]["AlarmName"] for one in resources.values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    assert sorted(names) == sorted(f"sessions-dev-{name}" for name in ALARMS)
