"""A delivery that is measured: what became of its recipients, and how long it took. Sends nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib import frames, metrics
from chalicelib.metrics import Measure
from chalicelib.model import Report
from chalicelib.sessions import Deliver


@dataclass(frozen=True)
class MeasuredDelivery:
    """A `Deliver`; `monotonic` gives seconds that never jump."""

    deliver: Deliver
    measure: Measure
    monotonic: Callable[[], float]

    def broadcast(
        self,
        session_id: str,
        frame: frames.Frame,
        *,
        began: datetime,
        but: str | None = None,
        close: bool = False,
    ) -> Report:
        at = self.monotonic()
        report = self.deliver.broadcast(session_id, frame, began=began, but=but, close=close)
        self.measure(metrics.DELIVERY_LATENCY, (self.monotonic() - at) * 1000)
        for outcome, count in report.counts.items():
            self.measure(metrics.DELIVERIES[outcome], count)
        return report
