"""What falls due: sessions that expire, and sockets that are still open in sessions that have ended."""

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
"""How long one sweep begins with further sessions; the rest is due in the next. Its deliveries have one deadline, 20 s
after it began, and the last one needs some of that."""


class DueStore(Protocol):
    """What is due at rest. Every method raises Unavailable when the tables do not answer in time."""

    def due_sessions(self, now: datetime) -> Iterator[str]:
        """Ids of sessions that fell due, from an index that may lag behind."""

    def expire_session(self, session_id: str, now: datetime) -> Written | None:
        """End it if it is past its expiry; unchanged if it has ended, None if neither is so."""

    def settle_session(self, session_id: str, now: datetime) -> None:
        """Nothing of an ended session is due any more, if what was due has fallen due."""


@dataclass(frozen=True)
class Sweep:
    """How many sessions a sweep ended, how many it found ended with nobody left, and how many it failed at."""

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
    """End what has expired, close what is left in what has ended. Twice is harmless.

    A session stays due until its roster is found empty after every handshake that it could not see has
    either opened, and was closed here, or failed. What fails for one session is logged, and stays due.
    """
    began = clock()
    done: Counter[Done] = Counter()
    for session_id in store.due_sessions(began):
        if clock() - began > BUDGET:
            break
        with logs.about(session_id=session_id):
            try:
                done[_see_to(session_id, store, deliver, began, correlation_id, measure)] += 1
            except Exception:  # noqa: BLE001  one broken session must not keep the others open for ever
                log.exception("a session that is due could not be seen to")
                done[Done.FAILED] += 1
    return Sweep(done[Done.EXPIRED], done[Done.SETTLED], done[Done.FAILED])


class Done(Enum):
    EXPIRED = "ended now, past its expiry"
    SETTLED = "ended before, and nobody is left"
    WAITING = "ended before, and somebody was left, or not due after all"
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
