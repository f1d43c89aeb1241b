"""The use cases of kept events: all that a client has missed, and a session's history page by page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from chalicelib import events, frames, jsontext
from chalicelib.events import RESUMED_BYTES, RESUMED_EVENTS, Event, EventPage, Kind, Resumed
from chalicelib.members import Standing
from chalicelib.model import Principal, Session, check_ban, check_durable, check_session_id, kept

PAUSE: Final = 0.1  # seconds that the writer of a young number is given before it is looked for once more
RESUMED_NUMBERS: Final = 2 * RESUMED_EVENTS  # voids among them: more are not read only to be too many
VOIDED_AT_ONCE: Final = 100  # holes that one request closes, each by a write


class HistoryStore(Protocol):
    """Stored sessions and events. Each method raises Unavailable when the tables do not answer in time."""

    def find_with_standing(self, session_id: str, subject: str) -> tuple[Session | None, Standing]:
        """The stored session, and the owner's word on a subject, by one strongly consistent read."""

    def list_events(self, session_id: str, after: int, limit: int) -> tuple[Sequence[Event], bool]:
        """The next events by their numbers, voids too, by one strongly consistent read, and whether there are more."""

    def put_event(self, event: Event) -> Event:
        """Stores an event unless its number is taken; returns the event that has the number then."""


def resume(
    session: Session, after: int, *, store: HistoryStore, now: datetime, pause: Callable[[float], None]
) -> Resumed:
    """All events after the last that a client saw, if they are not too many and it saw no other history than ours.

    They end early, at a number that is still being written: the client misses it there, and comes again.
    """
    lost = Resumed(session.seq, (), recovered=False)
    if not 0 <= session.seq - after <= RESUMED_NUMBERS:
        return lost
    found, until = _read(session, after, RESUMED_NUMBERS, store, now, pause)
    if len(found) > RESUMED_EVENTS or jsontext.size(frames.events(found)) > RESUMED_BYTES:
        return lost
    return Resumed(until, found, recovered=True)


def list_events(
    session_id: str,
    reader: Principal,
    *,
    store: HistoryStore,
    now: datetime,
    after: int,
    limit: int,
    pause: Callable[[float], None] = time.sleep,
) -> EventPage:
    """A page of a durable session's events in order, also after its end. It may be short, or empty, before the head.

    Raises SessionNotFound, Banned, NotDurable.
    """
    check_session_id(session_id)
    stored, standing = store.find_with_standing(session_id, reader.subject)
    session = kept(session_id, stored, now)
    check_ban(session, standing, now)
    check_durable(session)
    found, until = _read(session, after, limit, store, now, pause)
    return EventPage(found, until if until < session.seq else None)


def _read(
    session: Session, after: int, limit: int, store: HistoryStore, now: datetime, pause: Callable[[float], None]
) -> tuple[Sequence[Event], int]:
    """At most so many events above `after`, and the number up to which none is missing, at most the session's last.

    A number without an event is looked for once more if it is young; then the answer ends before it. An older one is
    closed by a void, unless its event has come: either is final.
    """
    if session.seq <= after:
        return (), after
    head_at = session.seq_at or session.updated_at
    found, until = _look(session, after, limit, store)
    holes = events.holes(found, after, until, head_at)
    young = next((hole.seq for hole in holes if not hole.lost_at(now)), None)
    if young is not None:
        pause(PAUSE)
        before = [event for event in found if event.seq < young]
        behind, until = _look(session, young - 1, limit - len(before), store)
        found = [*before, *behind]
    for number, hole in enumerate(events.holes(found, after, until, head_at)):
        if number == VOIDED_AT_ONCE or not hole.lost_at(now):
            until = hole.seq - 1
            break
        found.append(store.put_event(events.void(session, hole.seq, hole.taken_at)))
    told = sorted((one for one in found if one.kind is not Kind.VOID and one.seq <= until), key=lambda one: one.seq)
    if len(told) > limit:  # an event has come late among them
        told = told[:limit]
        until = told[-1].seq
    return told, until


def _look(session: Session, after: int, limit: int, store: HistoryStore) -> tuple[list[Event], int]:
    """The events that one read finds, later ones than the session's last among them, and the number up to which it
    looked, at most the session's last."""
    found, more = store.list_events(session.session_id, after, limit)
    return list(found), min(found[-1].seq, session.seq) if more else session.seq
