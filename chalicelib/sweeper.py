"""The sweep: ends expired sessions, and closes the sockets that are left in ended ones."""

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
from chalicelib.model import Written
from chalicelib.sessions import Deliver, measure_end

BUDGET: Final = timedelta(seconds=15)
"""How long a sweep takes up further sessions; the next gets the rest. Its deliveries end 20 s after it began, and the
last one needs some of that."""


class DueStore(Protocol):
    """Stored sessions that are due. Each method raises Unavailable when the tables do not answer in time."""

    def due_sessions(self, now: datetime) -> Iterator[str]:
        """Ids of due sessions, from an index that may lag behind."""

    def expire_session(self, session_id: str, now: datetime) -> Written | None:
        """Ends it if it has expired; unchanged if it has ended before, None otherwise."""

    def settle_session(self, session_id: str, now: datetime) -> None:
        """Removes an ended session from those that are due at `now`."""


@dataclass(frozen=True)
class Sweep:
    """How many sessions a sweep ended, how many ended ones it found empty, and at how many it failed."""

    expired: int
    settled: int
    failed: int


def sweep(
    *,
    store: DueStore,
    deliver: Deliver,
    clock: Callable[[], datetime],
    correlation_id: str,
    measure: Measure = metrics.unmeasured,
) -> Sweep:
    """Ends expired sessions and closes the connections left in ended ones. Harmless if done twice.

    A session stays due until its roster is found empty after each handshake that its end did not see has failed, or
    has opened and been closed here. A session that fails is logged, and stays due.
    """
    began = clock()
    done: Counter[Done] = Counter()
    for session_id in store.due_sessions(began):
        if clock() - began > BUDGET:
            break
        with logs.about(session_id=session_id):
            try:
                done[_see_to(session_id, store, deliver, began, correlation_id, measure)] += 1
            except Exception:  # noqa: BLE001  one broken session must not keep the others open
                log.exception("a session that is due could not be seen to")
                done[Done.FAILED] += 1
    return Sweep(done[Done.EXPIRED], done[Done.SETTLED], done[Done.FAILED])


class Done(Enum):
    EXPIRED = "ended now, past its expiry"
    SETTLED = "ended before, and empty"
    WAITING = "ended before, and not empty, or not due after all"
    FAILED = "could not be seen to"


def _see_to(
    session_id: str, store: DueStore, deliver: Deliver, now: datetime, correlation_id: str, measure: Measure
) -> Done:
    written = store.expire_session(session_id, now)
    if written is None:
        return Done.WAITING
    measure_end(written, measure)
    frame = frames.session_ended(written.session, correlation_id)
    report = deliver.broadcast(session_id, frame, began=now, close=True)
    if written.changed:
        return Done.EXPIRED
    if report.recipients:
        return Done.WAITING
    store.settle_session(session_id, now)
    return Done.SETTLED
