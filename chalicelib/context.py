"""The context of one event: what its handler is given, and the log line and metrics that it ends with."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from chalicelib import frames, http, logs, metrics, sessions
from chalicelib.errors import Unavailable, code_of, is_refusal
from chalicelib.logs import Place, log, place
from chalicelib.messages import Sender
from chalicelib.metrics import Metric
from chalicelib.model import SESSION_ID, Draft, Once, Principal, Write
from chalicelib.presence import PresenceStore, TellingDelivery
from chalicelib.sessions import Deliver

QUIET: Final = frozenset(
    {
        *("list_sessions", "find_session", "list_events", "list_participants", "send_message"),
        *("health", "ready", "message", "disconnect"),
    }
)
"""Operations that are logged at DEBUG when they succeed. Changes and connects are logged at INFO."""

metric_lines = logs.Log(f"{logs.NAME}.metrics")


# --- what a handler is given


@dataclass(frozen=True)
class Run:
    """One run of a handler; `correlation_id` marks the frames that it causes. Delivery and store are made when they are
    needed."""

    observation: Observation
    correlation_id: str
    delivery: Callable[[], Deliver]
    store: Callable[[], PresenceStore]

    @property
    def measure(self) -> metrics.Measure:
        return self.observation.measure

    @property
    def deliver(self) -> Deliver:
        from chalicelib.delivery import MeasuredDelivery  # imports a thread pool, which few runs need

        return TellingDelivery(MeasuredDelivery(self.delivery(), self.measure, time.monotonic), self.store())


@dataclass(frozen=True)
class Call:
    """A request of a principal."""

    request: http.Request
    principal: Principal
    now: datetime
    run: Run

    def write(self) -> Write:
        return Write(self.principal.subject, self.now, self.request.id, http.versions(self.request))

    def sender(self) -> Sender:
        """The owner's server, as far as is known."""
        return Sender(self.principal.subject, self.now, self.request.id, self.run.correlation_id, as_owner=True)

    def once(self, draft: Draft) -> Once | None:
        """The caller's Idempotency-Key, if there is one, with the fingerprint of its draft. Raises InvalidRequest."""
        key = http.idempotency_key(self.request)
        return None if key is None else Once(key, sessions.fingerprint(draft))


@dataclass(frozen=True)
class Said:
    """A frame of a connection."""

    envelope: frames.Envelope
    connection_id: str
    now: datetime
    run: Run


# --- what is logged and measured


@contextmanager
def running(
    operation: str,
    environment: Mapping[str, str],
    delivery: Callable[[], Deliver],
    store: Callable[[], PresenceStore],
    correlation_id: str,
    **known: str,
) -> Iterator[Run]:
    """Observes the block as a run; its lines have the `known` fields, a session's id only if it is a possible one."""
    if not SESSION_ID.fullmatch(known.get("session_id", "")):
        known.pop("session_id", None)
    with observed(operation, place(environment), **known, correlation_id=correlation_id) as observation:
        yield Run(observation, correlation_id, delivery, store)


@contextmanager
def observed(operation: str, where: Place, **fields: Any) -> Iterator[Observation]:
    """Observes the event that is handled in the block; each line that is logged there has the fields.

    An exception that leaves the block is the event's outcome; a handler reports one that it answers by `ends_with`.
    In Lambda, which logs the text of an exception that leaves a handler, Failed takes its place.
    """
    event, began = Observation(operation, where), time.perf_counter()
    with logs.about(operation=operation, stage=where.stage, function_name=where.function, **fields):
        try:
            yield event
        except Exception as exc:
            event.ends_with(exc)
            event.over(time.perf_counter() - began)
            if where.function is not None:
                raise Failed(operation, code_of(exc)) from None
            raise
        event.over(time.perf_counter() - began)


class Failed(Exception):
    """Replaces an exception whose text may hold input from a client."""

    def __init__(self, operation: str, code: str) -> None:
        super().__init__(f"{operation} ended as {code}; the line before says why.")


class Observation:
    """Collects the outcome and metrics of one event. For the one thread that handles it."""

    def __init__(self, operation: str, where: Place) -> None:
        self.operation = operation
        self.error: Exception | None = None
        self._where = where
        self._values: list[metrics.Value] = []

    def measure(self, metric: Metric, value: float = 1.0, by: str = "") -> None:
        self._values.append(metrics.Value(metric, value, by))

    def ends_with(self, error: Exception) -> None:
        """The event was refused, or, by any other error, met a bug."""
        self.error = error

    def over(self, seconds: float) -> None:
        """Writes the log line and the metrics, once; `seconds` is how long the event took."""
        self._log(round(seconds * 1000, 1))
        self.measure(metrics.REQUEST_LATENCY, seconds * 1000, by=self.operation)
        if isinstance(self.error, Unavailable):
            self.measure(metrics.UNAVAILABLES)
        elif self.error is not None and not is_refusal(self.error):
            self.measure(metrics.FAULTS)
        if self._where.function is not None:
            for line in self._lines():
                sys.stdout.write(f"{line}\n")  # CloudWatch reads metrics from there
        elif metric_lines.listens(logging.DEBUG):
            for line in self._lines():
                metric_lines.debug(line)

    def _log(self, took: float) -> None:
        error, because = self.error, self.error
        if error is None:
            level = logging.DEBUG if self.operation in QUIET else logging.INFO
            log.log(level, f"{self.operation} done", outcome="done", milliseconds=took)
            return
        code, message = code_of(error), f"{self.operation} failed"
        if isinstance(error, Unavailable):
            level, outcome, message = logging.WARNING, "unavailable", f"{self.operation} refused as {code}"
        elif is_refusal(error):
            level, outcome, message, because = logging.INFO, "refused", f"{self.operation} refused as {code}", None
        else:
            level, outcome = logging.ERROR, "failed"
        log.log(level, message, because, outcome=outcome, code=code, milliseconds=took)

    def _lines(self) -> Iterator[str]:
        return metrics.lines(self._values, self._where.stage, time.time_ns() // 1_000_000)
