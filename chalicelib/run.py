"""One run of a handler: what it is asked, by whom, and what is measured and logged of it. Knows no Chalice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from chalicelib import frames, http, metrics, sessions
from chalicelib.measured_delivery import MeasuredDelivery
from chalicelib.model import SESSION_ID, Draft, Once, Principal, Write
from chalicelib.observation import Observation, observed
from chalicelib.place import place
from chalicelib.sessions import Deliver


@dataclass(frozen=True)
class Run:
    """What is measured of it, and what tells its frames from those of others; `delivery` is asked for when needed."""

    observation: Observation
    correlation_id: str
    delivery: Callable[[], Deliver]

    @property
    def measure(self) -> metrics.Measure:
        return self.observation.measure

    @property
    def deliver(self) -> MeasuredDelivery:
        return MeasuredDelivery(self.delivery(), self.measure, time.monotonic)


@contextmanager
def running(
    operation: str,
    environment: Mapping[str, str],
    delivery: Callable[[], Deliver],
    correlation_id: str,
    **known: str,
) -> Iterator[Run]:
    """The run that the block is; its lines have what is `known`, of ids of sessions only what looks like one."""
    if not SESSION_ID.fullmatch(known.get("session_id", "")):
        known.pop("session_id", None)
    with observed(operation, place(environment), **known, correlation_id=correlation_id) as observation:
        yield Run(observation, correlation_id, delivery)


@dataclass(frozen=True)
class Call:
    """A request of a principal."""

    request: http.Request
    principal: Principal
    now: datetime
    run: Run

    def write(self) -> Write:
        versions = http.versions(self.request)
        return Write(self.principal.subject, self.now, self.request.id, versions, self.run.correlation_id)

    def once(self, draft: Draft) -> Once | None:
        """What makes a repeat of this create one, if the client asked for that. Raises InvalidRequest."""
        key = http.idempotency_key(self.request)
        return None if key is None else Once(key, sessions.fingerprint(draft))


@dataclass(frozen=True)
class Said:
    """What a connection asks for in a frame."""

    action: frames.Action
    connection_id: str
    now: datetime
    run: Run
