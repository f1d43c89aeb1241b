"""Events of durable sessions, which are kept under their numbers, and the rules of numbers that no event has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, TypeGuard

from chalicelib import jsontext
from chalicelib.model import SESSION_PURGE, Session, Status, document, whole_milliseconds

VOID_AGE: Final = timedelta(seconds=5)  # from which on a hole is closed: its writer has most probably died
RESUMED_EVENTS: Final = 300  # the most that a welcome brings
RESUMED_BYTES: Final = 98_304  # of them as JSON
KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")  # of a request that is to be done once
PUBLISH_PURGE: Final = timedelta(minutes=5)  # of the record of a publish with a key


class Kind(Enum):
    MESSAGE = "message"
    UPDATED = "updated"  # its data is the session
    ENDED = "ended"  # its data is the reason
    VOID = "void"  # nothing happened: the writer of the number was late, or died


@dataclass(frozen=True)
class Event:
    """An event of a session, under its number for good. `data` is JSON text."""

    session_id: str
    seq: int
    kind: Kind
    at: datetime
    purge_at: datetime
    data: str = "null"
    sender: str = ""
    correlation_id: str = ""


@dataclass(frozen=True)
class Published:
    """The first publish with a key: the `seq` of its message, and the fingerprint of its data."""

    seq: int
    fingerprint: str


@dataclass(frozen=True)
class Resumed:
    """The answer to a client that comes back: each event up to `seq` that it has not seen, or no event at all unless it
    is `recovered`."""

    seq: int
    events: Sequence[Event]
    recovered: bool


@dataclass(frozen=True)
class EventPage:
    """One page of a session's events; the rest begins after the number `next`, None at the head."""

    events: Sequence[Event]
    next: int | None


@dataclass(frozen=True)
class Hole:
    """A number without an event, which was taken at `taken_at` or before."""

    seq: int
    taken_at: datetime

    def lost_at(self, now: datetime) -> bool:
        """Whether no event is awaited any more."""
        return now - self.taken_at >= VOID_AGE


def is_key(value: Any) -> TypeGuard[str]:
    """Whether it may be the key of a request."""
    return isinstance(value, str) and KEY.fullmatch(value) is not None


def message(session: Session, sender: str, data: Any, at: datetime, correlation_id: str) -> Event:
    """A message under the number that the session has just taken for it."""
    return _event(session, session.seq, Kind.MESSAGE, at, jsontext.compact(data), sender, correlation_id)


def change(session: Session, correlation_id: str) -> Event:
    """The last change of a session, or its end."""
    ended = session.status is Status.ENDED
    kind, data = (Kind.ENDED, session.end_reason) if ended else (Kind.UPDATED, document(session))
    return _event(session, session.change_seq, kind, session.updated_at, jsontext.compact(data), "", correlation_id)


def void(session: Session, seq: int, at: datetime) -> Event:
    """Closes a hole, which was taken at `at` or before."""
    return _event(session, seq, Kind.VOID, at)


def holes(found: Sequence[Event], after: int, head: int, head_at: datetime) -> Iterator[Hole]:
    """The numbers above `after`, up to `head`, without an event among those found, in order. `head_at` is when the head
    was taken."""
    at = {event.seq: event.at for event in found}
    behind = sorted(seq for seq in at if after < seq)
    for end, taken_at in [(seq, at[seq]) for seq in behind] + [(head + 1, head_at)]:
        for seq in range(after + 1, min(end, head + 1)):
            yield Hole(seq, taken_at)
        after = max(after, end)


def _event(
    session: Session, seq: int, kind: Kind, at: datetime, data: str = "null", sender: str = "", correlation_id: str = ""
) -> Event:
    purge_at = (session.expires_at + SESSION_PURGE).replace(microsecond=0)  # as precise as TTL
    return Event(session.session_id, seq, kind, whole_milliseconds(at), purge_at, data, sender, correlation_id)
