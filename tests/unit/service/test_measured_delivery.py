from __future__ import annotations

import pytest

from chalicelib.errors import Unavailable
from chalicelib.measured_delivery import MeasuredDelivery
from chalicelib.metrics import Metric
from chalicelib.model import Outcome, Report
from tests.unit.service.fakes import NOON, Deliveries


class Measured:
    def __init__(self) -> None:
        self.values: list[tuple[str, float, str]] = []

    def __call__(self, metric: Metric, value: float = 1.0, by: str = "") -> None:
        self.values.append((metric.name, value, by))


def test_a_delivery_is_measured_by_what_became_of_its_recipients_and_by_its_time() -> None:
    deliver, measured, times = Deliveries(report=Report({Outcome.SENT: 3, Outcome.GONE: 1})), Measured(), iter([10, 12])
    report = MeasuredDelivery(deliver, measured, lambda: next(times)).broadcast(
        "s", {"type": "message"}, began=NOON, but="one=", close=True
    )
    assert report is deliver.report
    assert (deliver.frames, deliver.but, deliver.closed) == ([{"type": "message"}], ["one="], ["s"])
    assert measured.values == [("DeliveryLatency", 2000, ""), ("DeliveriesSent", 3, ""), ("DeliveriesGone", 1, "")]


def test_a_delivery_that_reached_nobody_because_of_its_roster_is_none() -> None:
    class Broken(Deliveries):
        def broadcast(self, *args: object, **kwargs: object) -> Report:
            raise Unavailable("A table")

    measured = Measured()
    with pytest.raises(Unavailable):
        MeasuredDelivery(Broken(), measured, lambda: 0).broadcast("s", {}, began=NOON)
    assert measured.values == []
