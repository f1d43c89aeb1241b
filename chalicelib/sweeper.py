"""The sweep: ends expired sessions, closes the sockets that are left in ended ones, tells changes that are untold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Protocol

from chalicelib import frames, logs, metrics
from chalicelib.logs import log
from chalicelib.metrics import Measure
from chalicelib.model import Session, Status, Written
from chalicelib.sessions import Deliver, EventStore, keep_event, measure_end

BUDGET: Final = timedelta(seconds=30)
"""How long a sweep takes up further sessions; the next gets the rest. Its last delivery may take 24 s more, and the
function has 60 s."""


class DueStore(EventStore, Protocol):
    """Stored sessions that are due. Each method raises Unavailable when the tables do not answer in time."""

    def due_sessions(self, now: datetime) -> Iterator[str]:
        """Ids of due sessions, from an index that may lag behind. Raises after them if it did not answer in part."""

    def expire_session(self, session_id: str, now: datetime, request_id: str) -> Written | None:
        """Ends it if it has expired, else finds it unchanged; None if it does not exist, or no longer."""

    def settle_session(self, session_id: str, now: datetime) -> None:
        """Removes an ended session from those that are due at `now`."""

    def told_session(self, session: Session) -> None:
        """Notes that everybody was told of this version: unless it has changed or ended, it is due at its expiry."""


@dataclass(frozen=True)
class Sweep:
    """How many sessions a sweep ended, how many ended ones it found empty, of how many it told a change, at how many it
    failed, and how many were left when its time was over."""

    expired: int
    settled: int
    told: int
    failed: int
    left: int


def sweep(
    *,
    store: DueStore,
    deliver: Deliver,
    clock: Callable[[], datetime],
    correlation_id: str,
    measure: Measure = metrics.unmeasured,
) -> Sweep:
    """Sees to all sessions that are due. Harmless if done twice.

    An ended session stays due until its roster is found empty after each handshake that its end did not see has failed,
    or has opened and been closed here. A session that fails is logged, and stays due.
    """
    began = clock()
    done: Counter[Done] = Counter()
    try:
        for session_id in store.due_sessions(began):
            now = clock()
            if now - began > BUDGET:
                done[Done.LEFT] += 1
                continue
            with logs.about(session_id=session_id):
                try:
                    done[_see_to(session_id, store, deliver, now, correlation_id, measure)] += 1
                except Exception:  # noqa: BLE001  one broken session must not keep the others open
                    log.exception("a session that is due could not be seen to")
                    done[Done.FAILED] += 1
    finally:  # also of a sweep that fails for sessions that it could not list
        measure(metrics.SWEEP_BACKLOG, done[Done.LEFT] + done[Done.FAILED])
    return Sweep(*(done[one] for one in (Done.EXPIRED, Done.SETTLED, Done.TOLD, Done.FAILED, Done.LEFT)))


class Done(Enum):
    EXPIRED = "ended now, past its expiry"
    SETTLED = "ended before, and empty"
    TOLD = "running, and its last change told"
    WAITING = "ended before, and not empty, or not due after all"
    FAILED = "could not be seen to"
    LEFT = "not looked at in this sweep"


def _see_to(
    session_id: str, store: DueStore, deliver: Deliver, now: datetime, correlation_id: str, measure: Measure
) -> Done:
    written = store.expire_session(session_id, now, correlation_id)  # which is the sweep's own
    if written is None:
        return Done.WAITING
    keep_event(written, store, correlation_id)
    measure_end(written, measure)
    session = written.session
    ended = session.status is Status.ENDED
    if not written.changed and not session.overdue_at(now):
        return Done.WAITING  # the index lags behind
    report = deliver.broadcast(session_id, frames.change(session, correlation_id), began=now, close=ended)
    if not ended:
        store.told_session(session)
        return Done.TOLD
    if written.changed:
        return Done.EXPIRED
    if report.recipients:
        return Done.WAITING
    store.settle_session(session_id, now)
    return Done.SETTLED
