"""Runs functions at their rates, each in a thread of its own. Knows neither Chalice nor a gateway."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pytest_sessionplugin.gateway.values import Functions, Invoke

FAREWELL = 1.0  # seconds


@dataclass(frozen=True)
class Schedule:
    """A function that runs by itself."""

    function: str
    seconds: float


class Timer:
    """Runs each function for the first time after one period, as long as it is in its block.

    What a handler raises ends nothing; showing it is for `functions`. At the end of the block runs under way
    have a second to finish.
    """

    def __init__(
        self,
        schedules: Sequence[Schedule],
        functions: Functions,
        region: str,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._functions = functions
        self._region = region
        self._now = now
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(schedule,), name=schedule.function, daemon=True)
            for schedule in schedules
        ]

    def __enter__(self) -> Timer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(FAREWELL)

    def _repeat(self, schedule: Schedule) -> None:
        while not self._over.wait(schedule.seconds):
            event = scheduled_event(schedule.function, self._region, self._now())
            try:
                self._functions(Invoke(str(uuid.uuid4()), schedule.function, event))
            except Exception:  # noqa: BLE001, S112 - the next run is another one
                continue


def scheduled_event(function: str, region: str, now: datetime) -> dict[str, Any]:
    """What EventBridge sends a rule's target (EventBridge user guide, "Scheduled events")."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": region,
        "resources": [f"arn:aws:events:{region}:123456789012:rule/{function}-event"],
        "detail": {},
    }
