"""Metrics as the lines that CloudWatch reads from a log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib import metrics
from chalicelib.metrics import Value, lines
from chalicelib.model import Outcome


def documents(*values: Value) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(values, "dev", 1_772_366_400_000)]


def test_one_event_is_one_line_whatever_the_dimensions_of_its_metrics() -> None:
    (document,) = documents(
        Value(metrics.SESSIONS_ENDED, 1, "ended"),
        Value(metrics.SESSION_DURATION, 61.5),
        Value(metrics.REQUEST_LATENCY, 12.5, "end_session"),
    )
    told = document.pop("_aws")
    assert document == {
        "Stage": "dev",
        "Reason": "ended",
        "Operation": "end_session",
        "SessionsEnded": [1.0],
        "SessionDuration": [61.5],
        "RequestLatency": [12.5],
    }
    assert told["Timestamp"] == 1_772_366_400_000
    assert {
        metric["Name"]: (directive["Dimensions"], metric["Unit"], directive["Namespace"])
        for directive in told["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    } == {
        "SessionsEnded": ([["Stage"], ["Stage", "Reason"]], "Count", "Sessions"),
        "SessionDuration": ([["Stage"]], "Seconds", "Sessions"),
        "RequestLatency": ([["Stage"], ["Stage", "Operation"]], "Milliseconds", "Sessions"),
    }


def test_counts_are_added_up_and_times_are_kept() -> None:
    sent = metrics.DELIVERIES[Outcome.SENT]
    (document,) = documents(*[Value(sent, 2), Value(sent, 3)], *[Value(metrics.DELIVERY_LATENCY, n) for n in (5, 7)])
    assert (document["DeliveriesSent"], document["DeliveryLatency"]) == ([5.0], [5.0, 7.0])


def test_no_line_has_more_values_than_cloudwatch_takes(capsys: pytest.CaptureFixture[str]) -> None:
    found = documents(*[Value(metrics.DELIVERY_LATENCY, n) for n in range(250)])
    assert [len(document["DeliveryLatency"]) for document in found] == [99, 99, 52]
    assert [value for document in found for value in document["DeliveryLatency"]] == list(range(250))
    assert capsys.readouterr().out == "", "the library prints by itself at a hundred"


def test_two_reasons_are_two_lines() -> None:
    found = documents(Value(metrics.SESSIONS_ENDED, 1, "ended"), Value(metrics.SESSIONS_ENDED, 1, "expired"))
    assert [document["Reason"] for document in found] == ["ended", "expired"]


def test_without_values_there_are_no_lines() -> None:
    assert documents() == []


def test_the_environment_adds_no_dimension(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "x")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "y")
    (document,) = documents(Value(metrics.FAULTS, 1))
    assert set(document) == {"_aws", "Stage", "Faults"}
    assert document["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Sessions"


def test_every_outcome_of_a_delivery_has_its_metric() -> None:
    assert [metric.name for metric in metrics.DELIVERIES.values()] == [
        "DeliveriesSent",
        "DeliveriesPending",
        "DeliveriesGone",
        "DeliveriesExpired",
        "DeliveriesThrottled",
        "DeliveriesFailed",
        "DeliveriesUnsent",
    ]
    assert set(metrics.DELIVERIES) == set(Outcome)


def test_no_two_metrics_have_one_name_and_all_can_be_written() -> None:
    assert len({metric.name for metric in metrics.ALL}) == len(metrics.ALL)
    written = {name for document in documents(*[Value(each, 1, "x") for each in metrics.ALL]) for name in document}
    assert {metric.name for metric in metrics.ALL} <= written
