"""CloudWatch metrics of a stage, AWS's and the service's own, for alarms and dashboard.

The value of a dimension is a text or a reference such as `{"Ref": "WebsocketAPI"}`. AWS's names and dimensions:

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib import metrics
from chalicelib.metrics import Metric
from deployment.stage import Function, Stage


@dataclass(frozen=True)
class Measure:
    """One metric of CloudWatch."""

    namespace: str
    name: str
    dimensions: Mapping[str, Any]


@dataclass(frozen=True)
class Search:
    """All metrics of a name that have these dimensions, with any value for those that are not `fixed`."""

    namespace: str
    name: str
    dimensions: tuple[str, ...]
    fixed: Mapping[str, tuple[str, ...]]  # any of these values

    def expression(self, statistic: str, period: int) -> str:
        """The search expression, `period` in seconds:

        https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
        """
        schema = ",".join((self.namespace, *self.dimensions))
        terms = [f'MetricName="{self.name}"']
        for dimension, values in self.fixed.items():
            any_of = " OR ".join(f'"{value}"' for value in values)
            terms.append(f"{dimension}=({any_of})")
        return f"SEARCH('{{{schema}}} {' '.join(terms)}', '{statistic}', {period})"


def of_service(stage: Stage, metric: Metric, by: str = "") -> Measure:
    """A metric of the service; `by` is the value of its second dimension."""
    second = {metric.by: by} if metric.by and by else {}
    return Measure(metrics.NAMESPACE, metric.name, {metrics.STAGE: stage.name, **second})


def of_service_apart(stage: Stage, metric: Metric) -> Search:
    """A metric of the service, split by its second dimension."""
    assert metric.by is not None  # noqa: S101  a metric with one dimension cannot be split
    return Search(metrics.NAMESPACE, metric.name, (metrics.STAGE, metric.by), {metrics.STAGE: (stage.name,)})


def of_function(function: Function, name: str) -> Measure:
    return Measure("AWS/Lambda", name, {"FunctionName": function.full_name})


def of_http(stage: Stage, name: str) -> Measure:
    """A metric of the REST API, which CloudWatch knows by its name alone."""
    return Measure("AWS/ApiGateway", name, {"ApiName": stage.http_api, "Stage": stage.api_stage})


def of_websocket(stage: Stage, api: Any, name: str) -> Measure:
    return Measure("AWS/ApiGateway", name, {"ApiId": api, "Stage": stage.api_stage})


def of_table(table: str, name: str) -> Measure:
    return Measure("AWS/DynamoDB", name, {"TableName": table})


def of_table_operations(tables: tuple[str, ...], name: str) -> Search:
    """DynamoDB reports some metrics only for each operation of a table."""
    return Search("AWS/DynamoDB", name, ("TableName", "Operation"), {"TableName": tables})


def of_account(namespace: str, name: str) -> Measure:
    """A metric of the whole account in the region."""
    return Measure(namespace, name, {})


def of_schedule(stage: Stage, name: str) -> Measure:
    """A metric of the rule that starts the sweep."""
    return Measure("AWS/Events", name, {"RuleName": stage.sweep_rule})
