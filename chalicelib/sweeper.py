"""What falls due: sessions that expire, and sockets that are still open in sessions that have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from chalicelib import frames
from chalicelib.model import Written
from chalicelib.sessions import Deliver

BUDGET: Final = timedelta(seconds=20)  # what one sweep may take; the rest falls due in the next


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
    """How many sessions a sweep ended, and how many it found ended with nobody left."""

    expired: int
    settled: int


def sweep(*, store: DueStore, deliver: Deliver, clock: Callable[[], datetime]) -> Sweep:
    """End what has expired, close what is left in what has ended. Twice is harmless.

    A session stays due until its roster is found empty after every handshake that it could not see has
    either opened, and was closed here, or failed.
    """
    began = clock()
    expired = settled = 0
    for session_id in store.due_sessions(began):
        if clock() - began > BUDGET:
            break
        written = store.expire_session(session_id, began)
        if written is None:
            continue
        report = deliver.broadcast(session_id, frames.session_ended(written.session), began=began, close=True)
        if written.changed:
            expired += 1
        elif report.recipients == 0:
            store.settle_session(session_id, began)
            settled += 1
    return Sweep(expired, settled)
