"""The use cases of an open connection: what its frames ask for."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final, Protocol

from chalicelib import connections, frames, logs
from chalicelib.connections import ConnectionStore
from chalicelib.errors import (
    ConnectionNotFound,
    Kicked,
    NotAllowed,
    RateLimited,
    SessionNotFound,
    TokenExpired,
    TooFast,
)
from chalicelib.members import Connection, Role
from chalicelib.model import Session, check_kept
from chalicelib.rates import UNLIMITED, Limits, Rate, Verdict
from chalicelib.sessions import Deliver

OF_VIEWERS: Final = (frames.Hello, frames.Ping)


class ConversationStore(ConnectionStore, Protocol):
    """Stored connections and sessions. Each method raises Unavailable when the tables do not answer in time."""

    def find_session(self, session_id: str) -> Session | None:
        """The stored session, by a strongly consistent read."""

    def take_seq(self, session_id: str, now: datetime, rate: Rate = UNLIMITED, owner_id: str | None = None) -> Session:
        """The session, after it took its next `seq`, for its owner if named.

        Raises SessionNotFound, NotOwner, SessionEnded, SessionPaused, RateLimited.
        """


def receive(
    envelope: frames.Envelope,
    connection_id: str,
    *,
    store: ConversationStore,
    deliver: Deliver,
    now: datetime,
    limits: Limits,
    correlation_id: str,
) -> frames.Frame:
    """Meters a frame, performs its action, and returns the answer to its sender.

    After ConnectionNotFound, TokenExpired, Kicked and TooFast the socket must be closed; after a refusal of the action
    it stays usable.
    """
    metered = store.meter(connection_id, now, limits.frames)
    if metered is None:
        raise ConnectionNotFound(connection_id)
    connection = metered.connection
    logs.learn(session_id=connection.session_id, subject=logs.subject_hash(connection.subject))
    if connection.expired_at(now):
        raise TokenExpired(connection_id)
    match limits.frames.verdict(metered.tat, now):
        case Verdict.CLOSED:
            raise TooFast(connection_id, limits.frames.wait(metered.tat, now))
        case Verdict.REFUSED:
            raise RateLimited(limits.frames.wait(metered.tat, now))
    action = frames.action(envelope)
    if connection.role is Role.VIEWER and not isinstance(action, OF_VIEWERS):
        raise NotAllowed(type(action).__name__.lower(), connection.role.value)
    if connection.replaces is not None:
        connections.hand_over(connection, store=store, deliver=deliver, now=now, correlation_id=correlation_id)
    match action:
        case frames.Hello():
            return hello(connection, action.resume_seq, store=store, now=now, limits=limits)
        case frames.Publish():
            return publish(
                connection,
                action,
                store=store,
                deliver=deliver,
                now=now,
                rate=limits.publishes,
                correlation_id=correlation_id,
            )
        case frames.Ping():
            return ping(connection, store=store, now=now)


def ping(connection: Connection, *, store: ConversationStore, now: datetime) -> frames.Frame:
    """The current `seq` and version: a client that missed the last event sees it here."""
    session = _kept(connection, store.find_session(connection.session_id), now)
    return frames.pong(connection, session, now)


def hello(
    connection: Connection, resume_seq: int | None, *, store: ConversationStore, now: datetime, limits: Limits
) -> frames.Frame:
    """The current session, read after the connection was opened, so that its client misses no later change.

    Raises Kicked if the owner keeps the subject out.
    """
    found, standing = store.find_with_standing(connection.session_id, connection.subject)
    session = _kept(connection, found, now)
    if standing.banned_at(now):
        raise Kicked(connection.connection_id)
    return frames.welcome(connection, session.at(now), resume_seq, limits)


def publish(
    connection: Connection,
    action: frames.Publish,
    *,
    store: ConversationStore,
    deliver: Deliver,
    now: datetime,
    rate: Rate,
    correlation_id: str,
) -> frames.Frame:
    """Sends data to all other connections of the session, and returns the answer after that delivery."""
    frame = partial(frames.message, sender=connection.subject, data=action.data, at=now, correlation_id=correlation_id)
    frames.text(frame(frames.LARGEST_SEQ))  # raises TooLarge before it takes a seq
    session = store.take_seq(connection.session_id, now, rate)
    report = deliver.broadcast(connection.session_id, frame(session.seq), began=now, but=connection.connection_id)
    return frames.ack(session, report)


def _kept(connection: Connection, session: Session | None, now: datetime) -> Session:
    if session is None:
        raise SessionNotFound(connection.session_id)
    check_kept(session, now)
    return session
