"""The store in memory, for `chalice local` and for unit tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.errors import IdempotencyMismatch, SessionEnded, SessionNotFound, SessionPaused
from chalicelib.model import (
    IDEMPOTENCY_PURGE,
    PENDING,
    Change,
    Connection,
    Once,
    Page,
    Position,
    Recipient,
    Session,
    Status,
    Write,
    Written,
    judge,
    whole_milliseconds,
)


class MemoryStore:
    """Sessions and connections of one process. May be used by several threads at once."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._connections: dict[str, Connection] = {}
        self._once: dict[tuple[str, str], tuple[Once, Session]] = {}
        self._due: dict[str, datetime] = {}
        self._lock = threading.RLock()

    def answers(self) -> None:
        """Memory always answers."""

    # --- sessions

    def create_session(self, session: Session, once: Once | None) -> Written:
        with self._lock:
            if once is not None:
                used, first = self._once.get((session.owner_id, once.key), (once, session))
                if session.created_at >= first.created_at + IDEMPOTENCY_PURGE:
                    used, first = once, session
                if used != once:
                    raise IdempotencyMismatch(once.key)
                if first is not session:
                    return Written(self._sessions[first.session_id], changed=False)
                self._once[session.owner_id, once.key] = used, first
            self._sessions[session.session_id] = session
            self._due[session.session_id] = session.expires_at
            return Written(session, changed=True)

    def find_session(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id)

    def list_sessions(self, owner_id: str, after: Position | None, limit: int) -> Page:
        with self._lock:
            own = [session for session in self._sessions.values() if session.owner_id == owner_id]
        own.sort(key=lambda session: (session.created_at, session.session_id), reverse=True)
        if after is not None:
            place = (after.created_at, after.session_id)
            own = [session for session in own if (session.created_at, session.session_id) < place]
        shown = tuple(replace(session, metadata=None, seq=0, written_by="") for session in own[:limit])
        more = len(own) > limit
        return Page(shown, Position(shown[-1].created_at, shown[-1].session_id) if more else None)

    def change_session(self, session_id: str, change: Change, write: Write) -> Written:
        with self._lock:
            session = judge(self._sessions.get(session_id), session_id, write)
            if not change.alters(session):
                return Written(session, changed=False)
            return self._write(change.applied_to(session), write)

    def end_session(self, session_id: str, write: Write) -> Written:
        with self._lock:
            try:
                session = judge(self._sessions.get(session_id), session_id, write)
            except SessionEnded:
                return Written(self._sessions[session_id], changed=False)
            return self._write(replace(session, status=session.status.to(Status.ENDED)), write)

    def expire_session(self, session_id: str, now: datetime) -> Written | None:
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                return None
            if session.status is Status.ENDED:
                return Written(session, changed=False)
            if now < session.expires_at:
                return None
            return self._end(session, session.expires_at, now, session.written_by)

    # --- what is due

    def due_sessions(self, now: datetime) -> Iterator[str]:
        with self._lock:
            due = sorted((at, session_id) for session_id, at in self._due.items() if at <= now)
        yield from (session_id for _, session_id in due)

    def settle_session(self, session_id: str, now: datetime) -> None:
        with self._lock:
            session = self._sessions.get(session_id)
            ended = session is not None and session.status is Status.ENDED
            if ended and session_id in self._due and self._due[session_id] <= now:
                del self._due[session_id]

    # --- connections

    def connect(self, connection: Connection) -> None:
        with self._lock:
            self._connections[connection.connection_id] = connection

    def disconnect(self, *recipients: Recipient) -> None:
        with self._lock:
            for recipient in recipients:
                self._connections.pop(recipient.connection_id, None)

    def find_connection(self, connection_id: str) -> Connection | None:
        return self._connections.get(connection_id)

    def take_seq(self, session_id: str, now: datetime) -> int:
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                raise SessionNotFound(session_id)
            if session.at(now).status is Status.ENDED:
                raise SessionEnded(session_id)
            if session.status is Status.PAUSED:
                raise SessionPaused(session_id)
            self._sessions[session_id] = replace(session, seq=session.seq + 1)
            return session.seq + 1

    def roster(self, session_id: str) -> Iterator[Sequence[Recipient]]:
        with self._lock:
            page = [c for c in self._connections.values() if c.session_id == session_id]
        yield page

    # --- how changes are made

    def _write(self, session: Session, write: Write) -> Written:
        now = whole_milliseconds(write.now)
        if session.status is Status.ENDED:
            return self._end(session, now, now, write.request_id)
        return self._store(session, now, write.request_id)

    def _end(self, session: Session, ended_at: datetime, now: datetime, request_id: str) -> Written:
        self._due[session.session_id] = whole_milliseconds(now) + PENDING
        ended = replace(session, status=Status.ENDED, ended_at=ended_at)
        return self._store(ended, whole_milliseconds(now), request_id)

    def _store(self, session: Session, now: datetime, request_id: str) -> Written:
        version, seq = session.version + 1, session.seq + 1
        stored = replace(session, version=version, seq=seq, updated_at=now, written_by=request_id)
        self._sessions[session.session_id] = stored
        return Written(stored, changed=True)
