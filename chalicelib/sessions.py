"""The use cases of a session: create, find, list, change, end."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

from chalicelib import events, frames, jsontext, metrics
from chalicelib.errors import InvalidRequest, Unavailable
from chalicelib.events import Event
from chalicelib.members import Recipient, Standing
from chalicelib.metrics import Measure
from chalicelib.model import (
    KEEP,
    SESSION_ID_BYTES,
    Change,
    Draft,
    Once,
    Page,
    Patch,
    Position,
    Principal,
    Report,
    Session,
    Status,
    Write,
    Written,
    applies,
    check_ban,
    check_kept,
    check_owner,
    check_session_id,
    judge,
    kept,
    merged,
    whole_milliseconds,
)

METADATA_BYTES: Final = 4_096
METADATA_DEPTH: Final = 16
MERGE_ATTEMPTS: Final = 5
END: Final = Change(status=Status.ENDED)
FILTERED_PAGE: Final = 100  # sessions that one request searches for those with a status


class EventStore(Protocol):
    def put_event(self, event: Event) -> Event:
        """Keeps an event under its number; returns the one that stands there, which may be an earlier void."""


class SessionStore(EventStore, Protocol):
    """Stored sessions. Each method raises Unavailable when the tables do not answer in time."""

    def create_session(self, session: Session, once: Once | None) -> Written:
        """Stores a new session, or finds the one that `once` made before. Raises IdempotencyMismatch."""

    def find_session(self, session_id: str) -> Session | None:
        """The stored session, by a strongly consistent read."""

    def find_with_standing(self, session_id: str, subject: str) -> tuple[Session | None, Standing]:
        """The stored session, and the owner's word on a subject, by one strongly consistent read."""

    def list_sessions(self, owner_id: str, after: Position | None, limit: int) -> Page:
        """The owner's sessions, newest first, without their metadata."""

    def change_session(self, session_id: str, change: Change, write: Write) -> Written:
        """Changes it in one request, if that `applies`. It is due again when its delivery must be over.

        Raises SessionNotFound.
        """

    def told_session(self, session: Session) -> None:
        """Notes that everybody was told of this version: unless it has changed or ended, it is due at its expiry."""


class Deliver(Protocol):
    def broadcast(
        self, session_id: str, frame: frames.Frame, *, began: datetime, but: str | None = None, close: bool = False
    ) -> Report:
        """Sends the frame to all connections of the session `but` one, and closes them after it with `close`.

        The deadline counts from `began`, when the request began. The report has the outcomes. Raises Unavailable if
        the roster cannot be read.
        """

    def tell(
        self, recipients: Sequence[Recipient], frame: frames.Frame, *, began: datetime, close: bool = False
    ) -> Report:
        """Like `broadcast`, to these recipients."""


def create_session(
    draft: Draft,
    owner: Principal,
    *,
    store: SessionStore,
    now: datetime,
    random: Callable[[int], bytes],
    request_id: str,
    once: Once | None = None,
    measure: Measure = metrics.unmeasured,
) -> Written:
    """Creates a session of `owner`; with `once`, returns the session that the same request made before."""
    _check_metadata(draft.metadata or {})
    created_at = whole_milliseconds(now)
    session = Session(
        session_id=base64.b32encode(random(SESSION_ID_BYTES)).decode().lower()[:26],
        owner_id=owner.subject,
        status=Status.ACTIVE,
        title=draft.title,
        metadata=draft.metadata or {},
        durable=draft.durable,
        presence=draft.presence,
        version=1,
        seq=0,
        created_at=created_at,
        updated_at=created_at,
        expires_at=created_at + draft.expires_in,
        written_by=request_id,
        due_at=created_at + draft.expires_in,
        join_as=draft.join_as,
        duplicates=draft.duplicates,
        max_connections=draft.max_connections,
    )
    written = store.create_session(session, once)
    if written.changed:
        measure(metrics.SESSIONS_CREATED)
    return written


def find_session(session_id: str, reader: Principal, *, store: SessionStore, now: datetime) -> Session:
    """The stored session, which may have expired (see `Session.at`). Raises SessionNotFound, Banned."""
    check_session_id(session_id)
    found, standing = store.find_with_standing(session_id, reader.subject)
    session = kept(session_id, found, now)
    check_ban(session, standing, now)
    return session


def list_sessions(
    owner: Principal, *, store: SessionStore, now: datetime, status: Status | None, limit: int, after: Position | None
) -> Page:
    """A page of the owner's sessions, newest first. It may be short, or empty, before the end."""
    page = store.list_sessions(owner.subject, after, limit if status is None else FILTERED_PAGE)
    kept = (session for session in page.sessions if not session.purged_at(now))
    wanted = tuple(session for session in kept if status in (None, session.at(now).status))
    if len(wanted) <= limit:
        return replace(page, sessions=wanted)
    last = wanted[limit - 1]
    return Page(wanted[:limit], Position(last.created_at, last.session_id))


def change_session(
    session_id: str,
    patch: Patch,
    write: Write,
    *,
    store: SessionStore,
    deliver: Deliver,
    correlation_id: str,
    measure: Measure = metrics.unmeasured,
) -> Session:
    """Applies a merge patch, and tells everyone in the session if it changed anything, or if a change is untold."""
    check_session_id(session_id)
    change, written = _apply(session_id, patch, write, store)
    check_kept(written.session, write.now)
    keep_event(written, store, correlation_id)
    measure_end(written, measure)
    check_owner(written.session, write.subject)
    if written.changed or _is_untold(written.session, write.now):
        _tell(written.session, store, deliver, write.now, correlation_id)
    if not written.changed:
        judge(written.session, change, write)
    return written.session


def end_session(
    session_id: str,
    write: Write,
    *,
    store: SessionStore,
    deliver: Deliver,
    correlation_id: str,
    measure: Measure = metrics.unmeasured,
) -> Session:
    """Ends a session and closes its connections; those that are left, if it has ended before."""
    check_session_id(session_id)
    written = store.change_session(session_id, END, write)
    check_kept(written.session, write.now)
    keep_event(written, store, correlation_id)
    measure_end(written, measure)
    check_owner(written.session, write.subject)
    if written.session.status is Status.ENDED or _is_untold(written.session, write.now):
        _tell(written.session, store, deliver, write.now, correlation_id)
    if not written.changed:
        judge(written.session, END, write)
    return written.session


def keep_event(written: Written, store: EventStore, correlation_id: str) -> None:
    """Keeps the event of a change in a durable session.

    The change is written: if its event is lost, its number becomes void, and the session itself tells the change.
    """
    if written.changed and written.session.durable:
        with suppress(Unavailable):
            store.put_event(events.change(written.session, correlation_id))


def _is_untold(session: Session, now: datetime) -> bool:
    """Whether its last change is to be told now; the sweep ends what has expired, and tells that."""
    return session.untold and (session.status is Status.ENDED or now < session.expires_at)


def _tell(session: Session, store: SessionStore, deliver: Deliver, began: datetime, correlation_id: str) -> None:
    """Tells everyone in the session of its last change, and closes them if it has ended.

    The change is written: an unreadable roster must not make it look refused. The session stays untold, and the sweep
    tells it, which also settles what has ended.
    """
    ended = session.status is Status.ENDED
    with suppress(Unavailable):
        deliver.broadcast(session.session_id, frames.change(session, correlation_id), began=began, close=ended)
        if not ended:
            store.told_session(session)


def measure_end(written: Written, measure: Measure) -> None:
    """Measures why a session ended and how long it lived, if this write ended it."""
    session = written.session
    if written.changed and session.ended_at is not None:
        measure(metrics.SESSIONS_ENDED, by=session.end_reason)
        seconds = (session.ended_at - session.created_at).total_seconds()
        measure(metrics.SESSION_DURATION, max(seconds, 0.0))  # the clocks of two functions may differ


def fingerprint(draft: Draft) -> str:
    """Equal for drafts with the same meaning."""
    meaning = {
        **vars(draft),
        "expires_in": draft.expires_in.total_seconds(),
        "join_as": draft.join_as.value,
        "duplicates": draft.duplicates.value,
    }
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()


def _apply(session_id: str, patch: Patch, write: Write, store: SessionStore) -> tuple[Change, Written]:
    """The change that the patch is, and the session after it, or before it if nothing was written.

    Raises SessionNotFound, and InvalidRequest for what would become of the metadata.
    """
    if not isinstance(patch.metadata, Mapping):
        change = Change(patch.status, patch.title, {} if patch.metadata is None else KEEP, patch.join_as)
        if change != Change():
            return change, store.change_session(session_id, change, write)
        return change, Written(kept(session_id, store.find_session(session_id), write.now), changed=False)
    for _ in range(MERGE_ATTEMPTS):
        before = kept(session_id, store.find_session(session_id), write.now)
        metadata = merged(before.metadata, patch.metadata)
        change = Change(patch.status, patch.title, metadata, patch.join_as)
        if not applies(change, before, write):
            return change, Written(before, changed=False)
        _check_metadata(metadata)
        written = store.change_session(session_id, change, replace(write, versions=frozenset({before.version})))
        if written.changed or written.session.version == before.version:
            return change, written
    raise Unavailable("The session, which others are changing,")  # otherwise another wrote in between: merge into that


def _check_metadata(metadata: Mapping[str, Any]) -> None:
    if jsontext.depth(metadata) > METADATA_DEPTH:
        raise InvalidRequest(f"metadata is nested deeper than {METADATA_DEPTH} levels.")
    size = jsontext.size(metadata)
    if size > METADATA_BYTES:
        raise InvalidRequest(f"metadata has {size} bytes; at most {METADATA_BYTES} are kept.")
