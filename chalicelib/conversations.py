"""The use cases of an open connection: what its frames ask for."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from chalicelib import connections, frames, history, logs, messages, presence
from chalicelib.connections import ConnectionStore
from chalicelib.credentials import Secret
from chalicelib.errors import (
    ConnectionNotFound,
    Kicked,
    NotAllowed,
    RateLimited,
    TokenExpired,
    TooFast,
    Unauthenticated,
)
from chalicelib.events import Published, Resumed
from chalicelib.history import HistoryStore
from chalicelib.members import GUEST, Connection, Role
from chalicelib.messages import MessageStore, Sender
from chalicelib.model import Principal, kept, whole_milliseconds
from chalicelib.presence import PresenceStore
from chalicelib.rates import Limits, Verdict
from chalicelib.sessions import Deliver

OF_VIEWERS: Final = (frames.Hello, frames.SetState, frames.Refresh, frames.Ping)


class ConversationStore(ConnectionStore, MessageStore, HistoryStore, PresenceStore, Protocol):
    """All that is stored of a session. Each method raises Unavailable when the tables do not answer in time."""


def receive(
    envelope: frames.Envelope,
    connection_id: str,
    *,
    store: ConversationStore,
    deliver: Deliver,
    authenticate: Callable[[Secret], Principal],
    now: datetime,
    limits: Limits,
    correlation_id: str,
    pause: Callable[[float], None] = time.sleep,
) -> frames.Frame:
    """Meters a frame, performs its action, and returns the answer to its sender. `correlation_id` is the frame's own.

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
    if connection.replaces is not None:  # its first frame, whatever that says
        connections.hand_over(connection, store=store, deliver=deliver, now=now, correlation_id=correlation_id)
    action = frames.action(envelope)
    if connection.role is Role.VIEWER and not isinstance(action, OF_VIEWERS):
        raise NotAllowed(type(action).__name__.lower(), connection.role.value)
    sender = Sender(connection.subject, now, correlation_id, correlation_id, connection_id)
    match action:
        case frames.Hello():
            return hello(
                connection,
                action.resume_seq,
                store=store,
                deliver=deliver,
                now=now,
                limits=limits,
                correlation_id=correlation_id,
                pause=pause,
            )
        case frames.Publish():
            outcome = messages.publish(
                connection.session_id,
                action.data,
                sender,
                store=store,
                deliver=deliver,
                rate=limits.publishes,
                key=action.key,
            )
            return frames.repeated(outcome) if isinstance(outcome, Published) else frames.ack(*outcome)
        case frames.Send():
            report = messages.send(connection.session_id, action.to, action.data, sender, store=store, deliver=deliver)
            return frames.sent(report)
        case frames.SetState():
            report = presence.set_state(
                connection, action.data, store=store, deliver=deliver, now=now, correlation_id=correlation_id
            )
            return frames.sent(report)
        case frames.Refresh():
            return refresh(connection, action.token, store=store, authenticate=authenticate)
        case frames.Ping():
            return ping(connection, store=store, now=now)


def ping(connection: Connection, *, store: ConversationStore, now: datetime) -> frames.Frame:
    """The current `seq` and version: a client that missed the last event sees it here."""
    session = kept(connection.session_id, store.find_session(connection.session_id), now)
    return frames.pong(connection, session, now)


def hello(
    connection: Connection,
    resume_seq: int | None,
    *,
    store: ConversationStore,
    deliver: Deliver,
    now: datetime,
    limits: Limits,
    correlation_id: str,
    pause: Callable[[float], None],
) -> frames.Frame:
    """The current session, read after the connection was opened, so that its client misses no later change; if it is
    durable, with what the client missed since it saw `resume_seq`; with presence, with those who are in.

    Raises Kicked if the owner keeps the subject out.
    """
    people: frames.Frame = {}
    if connection.presence:
        session, participants = presence.join(
            connection, store=store, deliver=deliver, now=now, correlation_id=correlation_id
        )
        people = frames.picture(session, participants)
    else:
        found, standing = store.find_with_standing(connection.session_id, connection.subject)
        session = kept(connection.session_id, found, now)
        if standing.banned_at(now):
            raise Kicked(connection.connection_id)
    resumed = Resumed(session.seq, (), recovered=resume_seq == session.seq)
    if session.durable and resume_seq is not None:
        resumed = history.resume(session, resume_seq, store=store, now=now, pause=pause)
    return {**frames.welcome(connection, session.at(now), resumed, limits), **people}


def refresh(
    connection: Connection,
    token: Secret,
    *,
    store: ConversationStore,
    authenticate: Callable[[Secret], Principal],
) -> frames.Frame:
    """Lets a connection last as long as a new token of its subject; never shorter than before.

    Raises NotAllowed for a guest, Unauthenticated, and ConnectionNotFound if its rows have gone in the meantime.
    """
    if connection.subject.startswith(GUEST):
        raise NotAllowed("refresh", "guest")
    principal = authenticate(token)
    if principal.subject != connection.subject:
        raise Unauthenticated("The token is of another subject than the connection.")
    expires_at = store.refresh(connection, whole_milliseconds(principal.expires_at))
    if expires_at is None:
        raise ConnectionNotFound(connection.connection_id)
    return frames.refreshed(expires_at)
