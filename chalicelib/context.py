"""One run of a handler: what it is asked, by whom, and what is measured and logged of it. Knows no Chalice."""

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
from chalicelib.delivery import MeasuredDelivery
from chalicelib.errors import Unavailable, code_of, is_refusal
from chalicelib.logs import Place, log, place
from chalicelib.metrics import Metric
from chalicelib.model import SESSION_ID, Draft, Once, Principal, Write
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


QUIET: Final = frozenset({"list_sessions", "find_session", "health", "ready", "message", "disconnect"})
"""Operations that are logged at DEBUG where all went well; what an owner does and who comes in is INFO."""

metric_lines = logs.Log(f"{logs.NAME}.metrics")


@contextmanager
def observed(operation: str, where: Place, **fields: Any) -> Iterator[Observation]:
    """The event that is handled in the block; every line that is logged there has its fields.

    An exception that leaves the block is what it ended with; one that is answered there is told to `ends_with`. From
    Lambda, which logs the text of what leaves a handler, it is Failed that leaves.
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
    """In place of an exception whose text may hold what somebody sent."""

    def __init__(self, operation: str, code: str) -> None:
        super().__init__(f"{operation} ended as {code}; the line before says why.")


class Observation:
    """What is to be said of one event when it is over. Used by the one thread that handles it."""

    def __init__(self, operation: str, where: Place) -> None:
        self.operation = operation
        self.error: Exception | None = None
        self._where = where
        self._values: list[metrics.Value] = []

    def measure(self, metric: Metric, value: float = 1.0, by: str = "") -> None:
        self._values.append(metrics.Value(metric, value, by))

    def ends_with(self, error: Exception) -> None:
        """It was refused, or, if the error is no refusal, it met a bug."""
        self.error = error

    def over(self, seconds: float) -> None:
        """Say it, once; `seconds` is how long it took."""
        self._log(round(seconds * 1000, 1))
        self.measure(metrics.REQUEST_LATENCY, seconds * 1000, by=self.operation)
        if isinstance(self.error, Unavailable):
            self.measure(metrics.UNAVAILABLES)
        elif self.error is not None and not is_refusal(self.error):
            self.measure(metrics.FAULTS)
        if self._where.function is not None:
            for line in self._lines():
                sys.stdout.write(f"{line}\n")  # from where CloudWatch takes metrics
        elif metric_lines.listens(logging.DEBUG):
            for line in self._lines():
                metric_lines.debug(line)

    def _log(self, milliseconds: float) -> None:
        error, took = self.error, milliseconds
        if error is None:
            level = logging.DEBUG if self.operation in QUIET else logging.INFO
            log.log(level, f"{self.operation} done", outcome="done", milliseconds=took)
        elif is_refusal(error):
            waits = isinstance(error, Unavailable)  # a part of ours did not answer: why, too
            level, because = (logging.WARNING, error) if waits else (logging.INFO, None)
            message, outcome = f"{self.operation} refused as {code_of(error)}", "unavailable" if waits else "refused"
            log.log(level, message, because, outcome=outcome, code=code_of(error), milliseconds=took)
        else:
            log.log(
                logging.ERROR,
                f"{self.operation} failed",
                error,
                outcome="failed",
                code=code_of(error),
                milliseconds=took,
            )

    def _lines(self) -> Iterator[str]:
        return metrics.lines(self._values, self._where.stage, time.time_ns() // 1_000_000)
