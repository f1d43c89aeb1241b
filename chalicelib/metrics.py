"""The service's metrics: names, units and dimensions, and their lines in CloudWatch's embedded metric format."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from chalicelib.model import Outcome

NAMESPACE: Final = "Sessions"
STAGE: Final = "Stage"  # the dimension of all metrics
VALUES: Final = 99  # of one metric in one line: CloudWatch takes a hundred, at which powertools prints by itself


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch. `by` is its second dimension, if it has one: few values, and never ids."""

    name: str
    unit: str
    by: str | None = None


SESSIONS_CREATED: Final = Metric("SessionsCreated", "Count")
SESSIONS_ENDED: Final = Metric("SessionsEnded", "Count", by="Reason")  # ended, expired
SESSION_DURATION: Final = Metric("SessionDuration", "Seconds")
CONNECTS_ACCEPTED: Final = Metric("ConnectsAccepted", "Count")
CONNECTS_REFUSED: Final = Metric("ConnectsRefused", "Count", by="Reason")  # the code of the refusal
DELIVERIES: Final[Mapping[Outcome, Metric]] = {
    outcome: Metric(f"Deliveries{outcome.value.capitalize()}", "Count") for outcome in Outcome
}
"""Recipients of deliveries: DeliveriesSent, Pending, Gone, Expired, Throttled, Failed, Unsent."""
DELIVERY_LATENCY: Final = Metric("DeliveryLatency", "Milliseconds")  # one value for each delivery
REQUEST_LATENCY: Final = Metric("RequestLatency", "Milliseconds", by="Operation")  # the name of the handler
SWEEP_BACKLOG: Final = Metric("SweepBacklog", "Count")  # due sessions that a sweep did not see to, one value for each
FAULTS: Final = Metric("Faults", "Count")  # bugs: 500 and internal_error
UNAVAILABLES: Final = Metric("Unavailables", "Count")  # 503: a part that the service needs did not answer

ALL: Final = (
    SESSIONS_CREATED,
    SESSIONS_ENDED,
    SESSION_DURATION,
    CONNECTS_ACCEPTED,
    CONNECTS_REFUSED,
    *DELIVERIES.values(),
    DELIVERY_LATENCY,
    REQUEST_LATENCY,
    SWEEP_BACKLOG,
    FAULTS,
    UNAVAILABLES,
)


class Measure(Protocol):
    def __call__(self, metric: Metric, value: float = 1.0, by: str = "") -> None:
        """Records a value; `by` is the value of the metric's second dimension, if it has one. Never raises."""


def unmeasured(metric: Metric, value: float = 1.0, by: str = "") -> None:
    """A `Measure` that drops its values."""


# --- the lines that CloudWatch reads


@dataclass(frozen=True)
class Value:
    metric: Metric
    value: float
    by: str = ""


def lines(values: Sequence[Value], stage: str, timestamp: int) -> Iterator[str]:
    """The values in one line if no metric has more than VALUES, with counts added up. `timestamp` is in milliseconds.

    A line holds one value of each dimension: a second reason begins another line.
    """
    left = _added_up(values)
    while left:
        groups: dict[str | None, dict[Metric, list[float]]] = {}
        dimensions: dict[str, str] = {STAGE: stage}
        later: list[Value] = []
        for one in left:
            taken = groups.setdefault(one.metric.by, {}).setdefault(one.metric, [])
            if len(taken) == VALUES or (one.metric.by and dimensions.setdefault(one.metric.by, one.by) != one.by):
                later.append(one)
            else:
                taken.append(one.value)
        yield json.dumps(_document(groups, dimensions, timestamp), separators=(",", ":"))
        left = later


def _added_up(values: Sequence[Value]) -> list[Value]:
    counts: dict[tuple[Metric, str], float] = {}
    for one in values:
        if one.metric.unit == "Count":
            counts[one.metric, one.by] = counts.get((one.metric, one.by), 0) + one.value
    measured = [one for one in values if one.metric.unit != "Count"]
    return [Value(metric, count, by) for (metric, by), count in counts.items()] + measured


def _document(
    groups: dict[str | None, dict[Metric, list[float]]], dimensions: dict[str, str], timestamp: int
) -> dict[str, Any]:
    """One line with a directive for each set of dimensions; the library writes only one set at a time."""
    document: dict[str, Any] = {"_aws": {"Timestamp": timestamp, "CloudWatchMetrics": []}}
    for by, metrics in groups.items():
        part = _part(by, metrics, dimensions, timestamp)
        document["_aws"]["CloudWatchMetrics"] += part.pop("_aws")["CloudWatchMetrics"]
        document |= part
    return document


def _part(
    by: str | None, metrics: dict[Metric, list[float]], dimensions: dict[str, str], timestamp: int
) -> dict[str, Any]:
    from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

    stage = {STAGE: dimensions[STAGE]}
    provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, default_dimensions=stage)
    provider.timestamp = timestamp
    provider.service = ""  # or POWERTOOLS_SERVICE_NAME would add a dimension
    if by:
        provider.add_dimensions(**{by: dimensions[by]})
    for metric, values in metrics.items():
        for value in values:
            provider.add_metric(metric.name, metric.unit, value)
    return dict(provider.serialize_metric_set())
