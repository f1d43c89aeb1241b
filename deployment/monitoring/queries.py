"""Saved queries of CloudWatch Logs Insights over the log groups of a stage. Pure values.

Function groups hold the service's lines, the lines of its metrics and Lambda's own reports; access logs have the fields
of `gateway_settings`. Where a query needs an id, its first line is a comment that says so.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-logs-querydefinition.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from chalicelib import metrics
from deployment.stage import Stage

KIND: Final = "AWS::Logs::QueryDefinition"


@dataclass(frozen=True)
class Query:
    name: str  # in the folder of the stage
    groups: tuple[str, ...]
    steps: tuple[str, ...]
    note: str = ""

    @property
    def logical_id(self) -> str:
        return "".join(word.capitalize() for word in self.name.split("-")) + "Query"

    @property
    def text(self) -> str:
        return "\n".join([*([f"# {self.note}"] if self.note else []), "\n| ".join(self.steps)])

    def resource(self, stage: Stage) -> dict[str, Any]:
        """The AWS::Logs::QueryDefinition. A slash in the name makes a folder."""
        return {
            "Type": KIND,
            "Properties": {
                "Name": f"{stage.full_name}/{self.name}",
                "LogGroupNames": list(self.groups),
                "QueryString": self.text,
            },
        }


def queries(stage: Stage) -> Iterator[Query]:
    """All saved queries of a stage."""
    functions = tuple(function.log_group for function in stage.functions)
    told = "@timestamp, operation, outcome, code, milliseconds, session_id, connection_id, subject, message"
    yield Query(
        "correlation",
        functions,
        (f"fields {told}", 'filter correlation_id = "ID"', "sort @timestamp asc"),
        "Follows one request to the frames that it caused. Replace ID by the X-Correlation-Id of an answer.",
    )
    yield Query(
        "connection",
        (*functions, stage.websocket_log_group),
        (
            f"fields {told}, event, route, status, error",
            'filter connection_id = "ID" or connectionId = "ID"',
            "sort @timestamp asc",
        ),
        "Follows one WebSocket connection. Replace both ID by its connection id.",
    )
    yield Query(
        "faults",
        functions,
        (
            "fields @timestamp, operation, code, exception_name, correlation_id, exception, @message",
            # a bug that the service caught; out of time, out of memory, not to be imported
            'filter level = "ERROR" or @message like /Task timed out|Runtime\\.[A-Z]|Status: (error|timeout)/',
            "sort @timestamp desc",
            "limit 100",
        ),
    )
    yield Query(
        "refused-handshakes",
        functions,
        (
            'filter operation = "connect" and outcome = "refused"',
            "stats count(*) as handshakes by code, subject",
            "sort handshakes desc",
        ),
    )
    yield Query(
        "refused-handshakes-by-address",
        (stage.websocket_log_group,),
        (
            'filter event = "CONNECT" and status not like /^[123]/',
            "stats count(*) as handshakes by ip, status, error",
            "sort handshakes desc",
        ),
    )
    took, by = f"{metrics.REQUEST_LATENCY.name}.0", metrics.REQUEST_LATENCY.by  # a metric's line has a list of values
    yield Query(
        "slow-operations",
        functions,
        (
            f"filter ispresent({took})",
            f"stats count(*) as runs, pct({took}, 50) as p50, pct({took}, 99) as p99, max({took}) as worst by {by}",
            "sort p99 desc",
        ),
        "Milliseconds, from the lines of the metrics: successful reads and frames have no other line.",
    )
    yield Query(
        "slow-requests",
        (stage.http_log_group,),
        (
            "fields @timestamp, method, route, status, latency, integrationLatency, error, requestId, trace",
            "sort latency desc",
            "limit 50",
        ),
    )
