"""Alarms and graphs name metrics that exist."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chalicelib import metrics
from deployment import stage
from deployment.monitoring import dashboard
from deployment.monitoring.alarms import alarms
from deployment.monitoring.measures import Measure, Search
from tests.sources import ROOT

DEV = stage.read(ROOT, "dev")
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


def watched() -> Iterator[Measure | Search]:
    """All metrics that an alarm or a graph names."""
    yield from (alarm.measure for alarm in alarms(DEV, {"Ref": "WebsocketAPI"}))
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


@pytest.mark.parametrize("statistic", ["Sum", "p99"])
def test_a_search_names_the_values_that_are_fixed(statistic: str) -> None:
    search = Search("AWS/DynamoDB", "SystemErrors", ("TableName", "Operation"), {"TableName": ("a", "b")})
    assert search.expression(statistic, 60) == (
        "SEARCH('{AWS/DynamoDB,TableName,Operation} "
        f'MetricName="SystemErrors" TableName=("a" OR "b")\', \'{statistic}\', 60)'
    )
