"""The use cases of a connection's life: connect, hand over, disconnect."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from chalicelib import frames, presence
from chalicelib.errors import (
    Duplicate,
    NotConnected,
    Replaced,
    SessionFull,
    SessionOver,
    Unavailable,
)
from chalicelib.members import Connection, Duplicates, Metered, Recipient, Role, Standing, role_of, seated
from chalicelib.model import (
    Principal,
    Report,
    Session,
    Status,
    check_ban,
    check_session_id,
    kept,
    whole_milliseconds,
)
from chalicelib.presence import PresenceStore
from chalicelib.rates import Limits, Rate
from chalicelib.sessions import Deliver


class ConnectionStore(Protocol):
    """Stored connections. Each method raises Unavailable when the tables do not answer in time."""

    def connect(self, connection: Connection) -> None:
        """Stores both rows of a new connection, the roster's last: whoever finds it there can remove it whole."""

    def disconnect(self, *recipients: Recipient) -> None:
        """Removes both rows of each, if they are there."""

    def expel(self, *recipients: Recipient) -> None:
        """The same for open sockets, the roster's rows last: of a removal that failed, they are found again."""

    def find_connection(self, connection_id: str) -> Connection | None:
        """The connection, by a strongly consistent read."""

    def meter(self, connection_id: str, now: datetime, rate: Rate) -> Metered | None:
        """The connection, after a frame of it was metered; None if it is not there."""

    def refresh(self, connection: Connection, token_expires_at: datetime) -> datetime | None:
        """Lets it last until then, or later if it does; None if it is not there."""

    def set_role(self, connection: Connection, role: Role, revision: int) -> None:
        """Sets its role, if it is there, and unless it has one of this revision or a later one."""

    def note_presence(self, connection: Connection) -> None:
        """Notes that its session tells who is in, if it is there."""

    def end_hand_over(self, connection: Connection) -> None:
        """Notes that it has taken the place of the connection that it replaces."""

    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        """The connections of a subject in a session, by strongly consistent reads."""

    def roster(self, session_id: str) -> Iterator[Sequence[Connection]]:
        """The connections of a session without their roles, page by page, by strongly consistent reads."""

    def find_with_standing(self, session_id: str, subject: str) -> tuple[Session | None, Standing]:
        """The stored session, and the owner's word on a subject, by one strongly consistent read."""


class LeavingStore(ConnectionStore, PresenceStore, Protocol):
    """Stored connections, and who is in. Each method raises Unavailable when the tables do not answer in time."""


def connect(
    handshake: frames.Handshake,
    principal: Principal,
    *,
    store: ConnectionStore,
    deliver: Deliver,
    now: datetime,
    limits: Limits,
    correlation_id: str,
) -> Connection:
    """Admits a connection. Writes it before reading the session, the owner's word on the subject and its other
    connections, so that whatever happens at the same time sees it or is seen by it.

    Raises SessionNotFound, Banned, SessionOver, Duplicate, SessionFull, Unavailable, and removes the connection again.
    If the tables do not answer, rows may stay that the next delivery or their expiry removes.
    """
    connection = Connection(
        connection_id=handshake.connection_id,
        session_id=handshake.session_id,
        connected_at=whole_milliseconds(now),
        token_expires_at=whole_milliseconds(principal.expires_at),
        endpoint=handshake.endpoint,
        subject=principal.subject,
        role=principal.role,
        replaces=handshake.replaces,
    )
    check_session_id(connection.session_id)
    try:
        store.connect(connection)
        session = _admit(connection, store, now)
        if session.presence:
            store.note_presence(connection)
        surplus = _surplus(connection, session, store, limits, now)
        close(surplus, Replaced, store=store, deliver=deliver, now=now, correlation_id=correlation_id)
    except Exception:
        with contextlib.suppress(Unavailable):  # the refusal stands
            store.disconnect(connection)
        raise
    return connection


def _admit(connection: Connection, store: ConnectionStore, now: datetime) -> Session:
    """The session, if the subject may come in; its role is noted.

    The owner's word is noted whatever it is: an earlier one may be on its way to the connection.
    """
    found, standing = store.find_with_standing(connection.session_id, connection.subject)
    session = kept(connection.session_id, found, now)
    check_ban(session, standing, now)
    if session.at(now).status is Status.ENDED:
        raise SessionOver(connection.session_id)
    role = role_of(connection.subject, session.owner_id, standing.role, connection.role, session.join_as)
    said = standing.role is not None or role is not (connection.role or Role.PARTICIPANT)
    if said and role is not Role.OWNER:
        store.set_role(connection, role, standing.revision)
    return session


def _surplus(
    connection: Connection, session: Session, store: ConnectionStore, limits: Limits, now: datetime
) -> Sequence[Connection]:
    """Connections of the subject that this one leaves without room. Raises Duplicate, SessionFull if there is none
    for this one. A connection that finds more than may be leaves: of two at one seat, both may."""
    own = store.connections_of(connection.session_id, connection.subject)
    staying = [one for one in own if not one.purged_at(now)]
    others = [one for one in staying if one.connection_id not in (connection.connection_id, connection.replaces)]
    newer = [one for one in others if one.age > connection.age]
    if (session.duplicates is Duplicates.OLDEST and others) or (session.duplicates is Duplicates.NEWEST and newer):
        raise Duplicate(session.session_id)
    leaving = others if session.duplicates is Duplicates.NEWEST else []
    if session.max_connections is not None:
        there = (one for page in store.roster(session.session_id) for one in page)
        if len(seated(there, now) - {one.connection_id for one in leaving}) > session.max_connections:
            raise SessionFull(session.session_id, session.max_connections)
    if leaving or not limits.per_subject:
        return leaving
    if len(newer) >= limits.per_subject:
        raise SessionFull(session.session_id, limits.per_subject)
    excess = len(others) + 1 - limits.per_subject
    return sorted(others, key=lambda one: one.age)[:excess] if excess > 0 else []


def close(
    connections: Sequence[Recipient],
    reason: Callable[[str], NotConnected],
    *,
    store: ConnectionStore,
    deliver: Deliver,
    now: datetime,
    correlation_id: str,
) -> Report:
    """Removes connections, then tells them why and closes them. A connection that is pending, or hangs, hears nothing
    more: its next frame is answered by the close."""
    if not connections:
        return Report({})
    store.expel(*connections)
    frame = frames.closing(reason(""), correlation_id)
    return deliver.tell(connections, frame, began=now, close=True)


def hand_over(
    connection: Connection, *, store: ConnectionStore, deliver: Deliver, now: datetime, correlation_id: str
) -> None:
    """Closes the connection whose place this one takes, if it is of the same subject in the same session. Looks for it
    in the roster, where it is found again if this has failed halfway. No leave is told."""
    own = store.connections_of(connection.session_id, connection.subject)
    old = [one for one in own if one.connection_id == connection.replaces]
    close(old, Replaced, store=store, deliver=deliver, now=now, correlation_id=correlation_id)
    store.end_hand_over(connection)


def disconnect(
    connection_id: str, *, store: LeavingStore, deliver: Deliver, now: datetime, correlation_id: str
) -> None:
    """Removes a connection whose socket is closed, and tells that it left."""
    connection = store.find_connection(connection_id)
    if connection is not None:
        store.disconnect(connection)
        if connection.presence:
            presence.tell_of(
                connection.session_id,
                [connection.subject],
                store=store,
                deliver=deliver,
                now=now,
                correlation_id=correlation_id,
            )
