"""The use cases of a connection: connect, hello, publish, ping, disconnect."""

from __future__ import annotations

import contextlib
from datetime import datetime
from functools import partial
from typing import Protocol

from chalicelib import frames, logs
from chalicelib.errors import (
    ConnectionNotFound,
    SessionEnded,
    SessionNotFound,
    SessionsError,
    TokenExpired,
    Unavailable,
)
from chalicelib.model import (
    Connection,
    Principal,
    Recipient,
    Session,
    Status,
    check_kept,
    check_session_id,
    whole_milliseconds,
)
from chalicelib.sessions import Deliver


class ConnectionStore(Protocol):
    """Stored connections. Each method raises Unavailable when the tables do not answer in time."""

    def connect(self, connection: Connection) -> None:
        """Stores both copies of a new connection."""

    def disconnect(self, *recipients: Recipient) -> None:
        """Removes both copies of each, if they are there."""

    def find_connection(self, connection_id: str) -> Connection | None:
        """The connection, by a strongly consistent read."""

    def find_session(self, session_id: str) -> Session | None:
        """The stored session, by a strongly consistent read."""

    def take_seq(self, session_id: str, now: datetime) -> Session:
        """The session, after it took its next `seq`. Raises SessionNotFound, SessionEnded, SessionPaused."""


def connect(handshake: frames.Handshake, principal: Principal, *, store: ConnectionStore, now: datetime) -> Connection:
    """Admits a connection. Writes it before reading the session, so that a simultaneous end sees it or is seen by it.

    Raises SessionNotFound, SessionEnded, Unavailable, and removes the connection again. If the tables do not answer,
    rows may stay that the next delivery or their expiry removes.
    """
    connection = Connection(
        connection_id=handshake.connection_id,
        session_id=handshake.session_id,
        subject=principal.subject,
        connected_at=whole_milliseconds(now),
        token_expires_at=whole_milliseconds(principal.expires_at),
        endpoint=handshake.endpoint,
    )
    check_session_id(connection.session_id)
    try:
        store.connect(connection)
        if _session_of(connection, store, now).at(now).status is Status.ENDED:
            raise SessionEnded(connection.session_id)
    except SessionsError:
        with contextlib.suppress(Unavailable):  # the refusal stands
            store.disconnect(connection)
        raise
    return connection


def receive(
    action: frames.Action,
    connection_id: str,
    *,
    store: ConnectionStore,
    deliver: Deliver,
    now: datetime,
    correlation_id: str,
) -> frames.Frame:
    """Performs the action of a frame, and returns the answer to its sender.

    After ConnectionNotFound and TokenExpired the socket must be closed; after a refusal of the action it stays usable.
    """
    connection = store.find_connection(connection_id)
    if connection is None:
        raise ConnectionNotFound(connection_id)
    logs.learn(session_id=connection.session_id, subject=logs.subject_hash(connection.subject))
    if connection.expired_at(now):
        raise TokenExpired(connection_id)
    if isinstance(action, frames.Hello):
        return hello(connection, action.resume_seq, store=store, now=now)
    if isinstance(action, frames.Publish):
        return publish(connection, action, store=store, deliver=deliver, now=now, correlation_id=correlation_id)
    return ping(connection, store=store, now=now)


def ping(connection: Connection, *, store: ConnectionStore, now: datetime) -> frames.Frame:
    """The current `seq` and version: a client that missed the last event sees it here."""
    return frames.pong(connection, _session_of(connection, store, now), now)


def hello(connection: Connection, resume_seq: int | None, *, store: ConnectionStore, now: datetime) -> frames.Frame:
    """The current session, read after the connection was opened, so that its client misses no later change."""
    return frames.welcome(connection, _session_of(connection, store, now).at(now), resume_seq)


def publish(
    connection: Connection,
    action: frames.Publish,
    *,
    store: ConnectionStore,
    deliver: Deliver,
    now: datetime,
    correlation_id: str,
) -> frames.Frame:
    """Sends data to all other connections of the session, and returns the answer after that delivery."""
    frame = partial(frames.message, sender=connection.subject, data=action.data, at=now, correlation_id=correlation_id)
    frames.text(frame(frames.LARGEST_SEQ))  # raises TooLarge before it takes a seq
    session = store.take_seq(connection.session_id, now)
    report = deliver.broadcast(connection.session_id, frame(session.seq), began=now, but=connection.connection_id)
    return frames.ack(session, report)


def disconnect(connection_id: str, *, store: ConnectionStore) -> None:
    """Removes a connection whose socket is closed."""
    connection = store.find_connection(connection_id)
    if connection is not None:
        store.disconnect(connection)


def _session_of(connection: Connection, store: ConnectionStore, now: datetime) -> Session:
    session = store.find_session(connection.session_id)
    if session is None:
        raise SessionNotFound(connection.session_id)
    check_kept(session, now)
    return session
