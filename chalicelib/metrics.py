"""What is measured: names, units, dimensions, for whoever measures, for alarms and the dashboard. Measures nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from chalicelib.model import Outcome

NAMESPACE: Final = "Sessions"
STAGE: Final = "Stage"
"""The dimension that every metric has."""


@dataclass(frozen=True)
class Metric:
    """A metric of CloudWatch. With `by` it is also counted by that dimension, whose values are few and never ids."""

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
DELIVERY_LATENCY: Final = Metric("DeliveryLatency", "Milliseconds")  # one value a delivery, to however many
REQUEST_LATENCY: Final = Metric("RequestLatency", "Milliseconds", by="Operation")  # the handler's verb
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
    FAULTS,
    UNAVAILABLES,
)


class Measure(Protocol):
    def __call__(self, metric: Metric, value: float = 1.0, by: str = "") -> None:
        """Take a value of the metric; `by` is the value of its second dimension, if it has one. Never raises."""


def unmeasured(metric: Metric, value: float = 1.0, by: str = "") -> None:
    """For whoever does not measure."""
