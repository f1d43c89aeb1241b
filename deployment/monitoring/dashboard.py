"""The dashboard of a stage, with its health in the top row. Pure values.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chalicelib import metrics
from chalicelib.model import Outcome
from deployment.monitoring import measures
from deployment.monitoring.alarm import Alarm, Severity
from deployment.monitoring.measures import Measure, Search
from deployment.stage import Stage

COLUMNS: Final = 24
ALARMS_HEIGHT: Final = 5
TITLE_HEIGHT: Final = 1
HEIGHT: Final = 6
PERIOD: Final = 60  # seconds
ALARM: Final = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:"
WEBSOCKET_API: Final = "${WebsocketApi}"
"""Placeholder that CloudFormation replaces with the id of an API."""


@dataclass(frozen=True)
class Line:
    """One line of a graph, or all lines that a search finds."""

    measure: Measure | Search
    statistic: str
    label: str = ""

    def metric(self) -> list[Any]:
        """The metric in the dashboard's JSON."""
        if isinstance(self.measure, Search):
            return [{"expression": self.measure.expression(self.statistic, PERIOD)}]  # CloudWatch needs distinct ids
        dimensions = [part for pair in self.measure.dimensions.items() for part in pair]
        label = self.label or self.measure.name
        return [self.measure.namespace, self.measure.name, *dimensions, {"stat": self.statistic, "label": label}]


@dataclass(frozen=True)
class Graph:
    title: str
    lines: tuple[Line, ...]

    def properties(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "view": "timeSeries",
            "region": "${AWS::Region}",
            "period": PERIOD,
            "metrics": [line.metric() for line in self.lines],
            "yAxis": {"left": {"min": 0}},
        }


@dataclass(frozen=True)
class Row:
    """Graphs side by side under a title."""

    title: str
    graphs: tuple[Graph, ...]


def resource(stage: Stage, alarms: Sequence[Alarm], websocket_api: Mapping[str, Any]) -> dict[str, Any]:
    """The AWS::CloudWatch::Dashboard."""
    text = json.dumps(body(stage, alarms), separators=(",", ":"))
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {
            "DashboardName": stage.full_name,
            "DashboardBody": {"Fn::Sub": [text, {"WebsocketApi": websocket_api}]},
        },
    }


def body(stage: Stage, alarms: Sequence[Alarm]) -> dict[str, Any]:
    """Widgets from top to bottom, with placeholders for values that only CloudFormation knows."""
    widgets = []
    for place, (severity, title) in enumerate(((Severity.PAGE, "Act now"), (Severity.TICKET, "In working hours"))):
        names = [ALARM + alarm.full_name(stage) for alarm in alarms if alarm.severity is severity]
        width = COLUMNS // len(Severity)
        properties = {"title": title, "alarms": names}
        widgets.append(_widget("alarm", place * width, 0, width, ALARMS_HEIGHT, properties))
    top = ALARMS_HEIGHT
    for row in rows(stage):
        widgets.append(_widget("text", 0, top, COLUMNS, TITLE_HEIGHT, {"markdown": f"## {row.title}"}))
        top += TITLE_HEIGHT
        width = COLUMNS // len(row.graphs)
        for place, graph in enumerate(row.graphs):
            widgets.append(_widget("metric", place * width, top, width, HEIGHT, graph.properties()))
        top += HEIGHT
    return {"widgets": widgets}


def rows(stage: Stage) -> Iterator[Row]:
    yield Row("Sessions", (*_sessions(stage),))
    yield Row("Connections", (*_connections(stage),))
    yield Row("Deliveries", (*_deliveries(stage),))
    yield Row("Latencies", (*_latencies(stage),))
    yield Row("Functions", (*_functions(stage),))
    yield Row("Tables", (*_tables(stage),))


def _sessions(stage: Stage) -> Iterator[Graph]:
    yield Graph("Created and ended", _of_service(stage, "Sum", metrics.SESSIONS_CREATED, metrics.SESSIONS_ENDED))
    yield Graph("How long they lasted (s)", _percentiles(measures.of_service(stage, metrics.SESSION_DURATION)))
    [sweep] = (function for function in stage.functions if function.name == "sweep")
    ran = Line(measures.of_function(sweep, "Invocations"), "Sum", "ran")
    not_started = Line(measures.of_schedule(stage, "FailedInvocations"), "Sum", "could not be started")
    left = Line(measures.of_service(stage, metrics.SWEEP_BACKLOG), "Maximum", "sessions left for the next")
    yield Graph("Sweep", (ran, not_started, left))
    yield Graph("Bugs and 503", _of_service(stage, "Sum", metrics.FAULTS, metrics.UNAVAILABLES))


def _connections(stage: Stage) -> Iterator[Graph]:
    yield Graph("Handshakes", _of_service(stage, "Sum", metrics.CONNECTS_ACCEPTED, metrics.CONNECTS_REFUSED))
    refused = measures.of_service_apart(stage, metrics.CONNECTS_REFUSED)
    yield Graph("Refused, by reason", (Line(refused, "Sum"),))
    yield Graph("Messages, in and out", _of_websocket(stage, "MessageCount", "ConnectCount"))
    yield Graph("WebSocket errors", _of_websocket(stage, "ClientError", "ExecutionError", "IntegrationError"))


def _deliveries(stage: Stage) -> Iterator[Graph]:
    well = (Outcome.SENT, Outcome.PENDING, Outcome.GONE, Outcome.EXPIRED)
    ill = tuple(outcome for outcome in Outcome if outcome not in well)
    yield Graph("Successful", _of_service(stage, "Sum", *(metrics.DELIVERIES[outcome] for outcome in well)))
    yield Graph("Missed", _of_service(stage, "Sum", *(metrics.DELIVERIES[outcome] for outcome in ill)))
    yield Graph("Time to last recipient (ms)", _percentiles(measures.of_service(stage, metrics.DELIVERY_LATENCY)))


def _latencies(stage: Stage) -> Iterator[Graph]:
    counts = ("Count", "4XXError", "5XXError")
    yield Graph("HTTP requests", tuple(Line(measures.of_http(stage, name), "Sum") for name in counts))
    yield Graph("HTTP (ms)", _percentiles(measures.of_http(stage, "Latency")))
    yield Graph("By operation, p99 (ms)", (Line(measures.of_service_apart(stage, metrics.REQUEST_LATENCY), "p99"),))
    yield Graph("WebSocket (ms)", _percentiles(measures.of_websocket(stage, WEBSOCKET_API, "IntegrationLatency")))


def _functions(stage: Stage) -> Iterator[Graph]:
    yield Graph("Errors", _of_functions(stage, "Errors", "Sum"))
    yield Graph("Throttles", _of_functions(stage, "Throttles", "Sum"))
    yield Graph("Duration, p99 (ms)", _of_functions(stage, "Duration", "p99"))
    whole = Line(measures.of_account("AWS/Lambda", "ConcurrentExecutions"), "Maximum", "whole account")
    yield Graph("Concurrent executions", (whole, *_of_functions(stage, "ConcurrentExecutions", "Maximum")))


def _tables(stage: Stage) -> Iterator[Graph]:
    tables = tuple(stage.tables.values())
    yield Graph("Throttled reads and writes", _of_tables(tables, "ReadThrottleEvents", "WriteThrottleEvents"))
    yield Graph("Throttled requests", (Line(measures.of_table_operations(tables, "ThrottledRequests"), "Sum"),))
    yield Graph("Errors of DynamoDB", (Line(measures.of_table_operations(tables, "SystemErrors"), "Sum"),))
    users = Line(measures.of_account("AWS/DynamoDB", "UserErrors"), "Sum", "invalid requests, whole account")
    yield Graph("Conflicts", (*_of_tables(tables, "TransactionConflict"), users))


def _of_service(stage: Stage, statistic: str, *measured: metrics.Metric) -> tuple[Line, ...]:
    return tuple(Line(measures.of_service(stage, metric), statistic) for metric in measured)


def _of_websocket(stage: Stage, *names: str) -> tuple[Line, ...]:
    return tuple(Line(measures.of_websocket(stage, WEBSOCKET_API, name), "Sum") for name in names)


def _of_functions(stage: Stage, name: str, statistic: str) -> tuple[Line, ...]:
    return tuple(Line(measures.of_function(one, name), statistic, one.name) for one in stage.functions)


def _of_tables(tables: Iterable[str], *names: str) -> tuple[Line, ...]:
    return tuple(Line(measures.of_table(table, name), "Sum", f"{table} {name}") for table in tables for name in names)


def _percentiles(measure: Measure) -> tuple[Line, ...]:
    return tuple(Line(measure, statistic, statistic) for statistic in ("p50", "p90", "p99"))


def _widget(kind: str, x: int, y: int, width: int, height: int, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "x": x, "y": y, "width": width, "height": height, "properties": properties}
