"""The store in memory, for `chalice local` and for unit tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.errors import (
    IdempotencyMismatch,
    RateLimited,
    SessionNotFound,
)
from chalicelib.events import PUBLISH_PURGE, Event, Published
from chalicelib.members import PENDING, Connection, Metered, Recipient, Role, Standing, Ticket
from chalicelib.model import (
    IDEMPOTENCY_PURGE,
    NEVER,
    Change,
    Once,
    Page,
    Position,
    Session,
    Status,
    Write,
    Written,
    applies,
    check_active,
    check_durable,
    whole_milliseconds,
)
from chalicelib.rates import UNLIMITED, Rate, Verdict


class MemoryStore:
    """Sessions, events and connections of one process. May be used by several threads at once."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._connections: dict[str, Connection] = {}
        self._tats: dict[str, datetime] = {}  # of connections and sessions, by their ids
        self._revisions: dict[str, int] = {}  # of the roles of connections
        self._standings: dict[tuple[str, str], Standing] = {}
        self._tickets: dict[str, Ticket] = {}
        self._events: dict[str, dict[int, Event]] = {}  # by the ids of their sessions, and their numbers
        self._published: dict[tuple[str, str, str], tuple[Published, datetime]] = {}  # with the time of the record
        self._once: dict[tuple[str, str], tuple[Once, Session]] = {}
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
        shown = tuple(_listed(session) for session in own[:limit])
        more = len(own) > limit
        return Page(shown, Position(shown[-1].created_at, shown[-1].session_id) if more else None)

    def change_session(self, session_id: str, change: Change, write: Write) -> Written:
        with self._lock:
            session = self._found(session_id)
            if not applies(change, session, write):
                return Written(session, changed=False)
            now = whole_milliseconds(write.now)
            changed = replace(change.applied_to(session), written_by=write.request_id)
            ended_at = now if changed.status is Status.ENDED else None
            return self._store(replace(changed, ended_at=ended_at), now)

    def expire_session(self, session_id: str, now: datetime, request_id: str) -> Written | None:
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None or session.purged_at(now):
                return None
            if session.status is Status.ENDED or now < session.expires_at:
                return Written(session, changed=session.ended_by(request_id, now))
            return self._store(replace(session.at(now), written_by=request_id), whole_milliseconds(now))

    def told_session(self, session: Session) -> None:
        with self._lock:
            stored = self._sessions.get(session.session_id)
            if stored is not None and stored.version == session.version and stored.status is not Status.ENDED:
                self._sessions[session.session_id] = replace(stored, due_at=stored.expires_at)

    # --- what is due

    def due_sessions(self, now: datetime) -> Iterator[str]:
        with self._lock:
            due = [(one.due_at, one.session_id) for one in self._sessions.values() if one.due_at is not None]
        yield from (session_id for at, session_id in sorted(due) if at <= now)

    def settle_session(self, session_id: str, now: datetime) -> None:
        with self._lock:
            session = self._sessions.get(session_id)
            ended = session is not None and session.status is Status.ENDED
            if session is not None and ended and session.due_at is not None and session.due_at <= now:
                self._sessions[session_id] = replace(session, due_at=None)

    # --- connections

    def connect(self, connection: Connection) -> None:
        with self._lock:
            self._connections[connection.connection_id] = connection
            if connection.role is not None:
                self._revisions[connection.connection_id] = 0

    def disconnect(self, *recipients: Recipient) -> None:
        with self._lock:
            for recipient in recipients:
                self._connections.pop(recipient.connection_id, None)
                self._revisions.pop(recipient.connection_id, None)
                self._tats.pop(recipient.connection_id, None)

    def expel(self, *recipients: Recipient) -> None:
        self.disconnect(*recipients)

    def find_connection(self, connection_id: str) -> Connection | None:
        return self._connections.get(connection_id)

    def meter(self, connection_id: str, now: datetime, rate: Rate) -> Metered | None:
        with self._lock:
            connection = self._connections.get(connection_id)
            if connection is None:
                return None
            self._tats[connection_id] = tat = rate.moved(self._tats.get(connection_id), now)
            return Metered(connection, tat)

    def refresh(self, connection: Connection, token_expires_at: datetime) -> datetime | None:
        with self._lock:
            stored = self._connections.get(connection.connection_id)
            if stored is None:
                return None
            expires_at = max(stored.token_expires_at, token_expires_at)
            self._connections[stored.connection_id] = replace(stored, token_expires_at=expires_at)
            return expires_at

    def set_role(self, connection: Connection, role: Role, revision: int) -> None:
        with self._lock:
            stored = self._connections.get(connection.connection_id)
            if stored is not None and self._revisions.get(stored.connection_id, -1) < revision:
                self._connections[stored.connection_id] = replace(stored, role=role)
                self._revisions[stored.connection_id] = revision

    def end_hand_over(self, connection: Connection) -> None:
        with self._lock:
            stored = self._connections.get(connection.connection_id)
            if stored is not None and stored.replaces == connection.replaces:
                self._connections[stored.connection_id] = replace(stored, replaces=None)

    def note_presence(self, connection: Connection) -> None:
        self._mark(connection, presence=True)

    def mark_ready(self, connection: Connection) -> bool:
        return self._mark(connection, ready=True)

    def set_state(self, connection: Connection, state: str, at: datetime) -> bool:
        return self._mark(connection, state=state, state_at=whole_milliseconds(at))

    def _mark(self, connection: Connection, **values: Any) -> bool:
        with self._lock:
            stored = self._connections.get(connection.connection_id)
            if stored is not None:
                self._connections[stored.connection_id] = replace(stored, **values)
            return stored is not None

    # --- presence

    def look(self, session_id: str, subject: str, at_most: int) -> tuple[Standing, Sequence[Connection]]:
        _, standing = self.find_with_standing(session_id, subject)
        return standing, [one for one in self._of_roster(session_id) if one.ready][:at_most]

    def take_presence_seq(self, session_id: str) -> Session | None:
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None or not session.presence:
                return None
            self._sessions[session_id] = taken = replace(session, presence_seq=session.presence_seq + 1)
            return taken

    def end_telling(self, session: Session) -> None:
        with self._lock:
            stored = self._found(session.session_id)
            if stored.presence_seq == session.presence_seq:
                since = NEVER
            else:
                since = max(stored.presence_since, session.presence_seq + 1)
            self._sessions[session.session_id] = replace(stored, presence_since=since)

    def begin_telling(self, session: Session) -> None:
        with self._lock:
            stored = self._found(session.session_id)
            if stored.presence_seq == session.presence_seq:
                self._sessions[session.session_id] = replace(stored, presence_since=session.presence_seq)

    # --- the roster of a session

    def roster(self, session_id: str) -> Iterator[Sequence[Connection]]:
        yield self._of_roster(session_id)

    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        return [one for one in self._of_roster(session_id) if one.subject == subject]

    def roster_page(self, session_id: str, after: str | None, limit: int) -> tuple[Sequence[Connection], str | None]:
        rest = [one for one in self._of_roster(session_id) if after is None or one.member > after]
        return rest[:limit], rest[limit - 1].member if len(rest) > limit else None

    def _of_roster(self, session_id: str) -> list[Connection]:
        with self._lock:
            found = [one for one in self._connections.values() if one.session_id == session_id]
        return sorted(found, key=lambda one: one.member)

    # --- the owner's word on a subject

    def find_with_standing(self, session_id: str, subject: str) -> tuple[Session | None, Standing]:
        with self._lock:
            return self._sessions.get(session_id), self._standings.get((session_id, subject), Standing())

    def set_standing_role(self, session: Session, subject: str, role: Role) -> Standing:
        with self._lock:
            _, before = self.find_with_standing(session.session_id, subject)
            after = replace(before, role=role, revision=before.revision + 1)
            self._standings[session.session_id, subject] = after
            return after

    def ban(self, session: Session, subject: str, until: datetime | None) -> None:
        with self._lock:
            _, before = self.find_with_standing(session.session_id, subject)
            self._standings[session.session_id, subject] = replace(before, banned_until=until)

    # --- tickets

    def put_ticket(self, ticket: Ticket) -> None:
        with self._lock:
            self._tickets[ticket.digest] = ticket

    def use_ticket(
        self, digest: str, session_id: str, origin: str | None, connection_id: str, now: datetime
    ) -> Ticket | None:
        with self._lock:
            ticket = self._tickets.get(digest)
            if ticket is not None and ticket.admits(session_id, origin, connection_id, now):
                self._tickets[digest] = ticket = replace(ticket, used_by=connection_id)
            return ticket

    # --- numbers

    def take_seq(
        self,
        session_id: str,
        now: datetime,
        rate: Rate = UNLIMITED,
        owner_id: str | None = None,
        *,
        durable: bool = False,
    ) -> Session:
        with self._lock:
            session = self._found(session_id)
            check_active(session, now, owner_id)
            if durable:
                check_durable(session)
            tat = self._tats.get(session_id)
            if tat is not None and rate.verdict(rate.moved(tat, now), now) is not Verdict.DONE:
                raise RateLimited(rate.wait(tat, now))
            if rate.cost:
                self._tats[session_id] = rate.moved(tat, now)
            self._sessions[session_id] = taken = replace(session, seq=session.seq + 1, seq_at=whole_milliseconds(now))
            return taken

    # --- events

    def put_event(self, event: Event) -> Event:
        with self._lock:
            return self._events.setdefault(event.session_id, {}).setdefault(event.seq, event)

    def list_events(self, session_id: str, after: int, limit: int) -> tuple[Sequence[Event], bool]:
        with self._lock:
            kept = self._events.get(session_id, {})
            numbers = sorted(seq for seq in kept if seq > after)[:limit]
            return [kept[seq] for seq in numbers], len(numbers) == limit

    def find_publish(self, session_id: str, subject: str, key: str, now: datetime) -> Published | None:
        with self._lock:
            published, at = self._published.get((session_id, subject, key), (None, now))
            return published if now < at + PUBLISH_PURGE else None

    def put_keyed(self, event: Event, subject: str, once: Once, now: datetime) -> Event | Published:
        with self._lock:
            earlier = self.find_publish(event.session_id, subject, once.key, now)
            if earlier is not None and earlier.seq != event.seq:
                return earlier
            standing = self.put_event(event)
            if standing == event:
                self._published[event.session_id, subject, once.key] = Published(event.seq, once.fingerprint), now
            return standing

    # --- how changes are made

    def _found(self, session_id: str) -> Session:
        session = self._sessions.get(session_id)
        if session is None:
            raise SessionNotFound(session_id)
        return session

    def _store(self, session: Session, now: datetime) -> Written:
        version, seq = session.version + 1, session.seq + 1
        stored = replace(
            session, version=version, seq=seq, change_seq=seq, updated_at=now, seq_at=now, due_at=now + PENDING
        )
        self._sessions[session.session_id] = stored
        return Written(stored, changed=True)


def _listed(session: Session) -> Session:
    """The part of a session that a list has."""
    unread = replace(session, metadata=None, due_at=None, written_by="")
    return replace(unread, seq=0, change_seq=0, seq_at=None, presence_seq=0, presence_since=0)
