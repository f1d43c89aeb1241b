"""The use cases of messages: published to everybody in a session, or sent to one subject."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol

from chalicelib import frames
from chalicelib.errors import SessionNotFound
from chalicelib.members import Connection
from chalicelib.model import (
    LARGEST_SEQ,
    NewMessage,
    Report,
    Session,
    check_active,
    check_session_id,
)
from chalicelib.rates import UNLIMITED, Rate
from chalicelib.sessions import Deliver


class MessageStore(Protocol):
    """Stored sessions and connections. Each method raises Unavailable when the tables do not answer in time."""

    def find_session(self, session_id: str) -> Session | None:
        """The stored session, by a strongly consistent read."""

    def take_seq(self, session_id: str, now: datetime, rate: Rate = UNLIMITED, owner_id: str | None = None) -> Session:
        """The session, after it took its next `seq`, for its owner if named.

        Raises SessionNotFound, NotOwner, SessionEnded, SessionPaused, RateLimited.
        """

    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        """The connections of a subject in a session, by strongly consistent reads."""


@dataclass(frozen=True)
class Sender:
    """A message's sender and the request that it sends by, whose id becomes that of a direct message. The owner's
    server speaks `as_owner`, and without a connection."""

    subject: str
    now: datetime
    request_id: str
    correlation_id: str
    connection_id: str | None = None
    as_owner: bool = False

    @property
    def owner_id(self) -> str | None:
        """The owner that the session must have."""
        return self.subject if self.as_owner else None


def send_message(
    session_id: str, message: NewMessage, sender: Sender, *, store: MessageStore, deliver: Deliver, rate: Rate
) -> tuple[int | None, Report]:
    """The `seq` of a message, if it is to everybody, and its delivery."""
    check_session_id(session_id)
    if message.to is not None:
        return None, send(session_id, message.to, message.data, sender, store=store, deliver=deliver)
    session, report = publish(session_id, message.data, sender, store=store, deliver=deliver, rate=rate)
    return session.seq, report


def publish(
    session_id: str, data: Any, sender: Sender, *, store: MessageStore, deliver: Deliver, rate: Rate
) -> tuple[Session, Report]:
    """Sends data to everybody in the session but its sender; returns the session after it took the message's `seq`."""
    frame = partial(
        frames.message, sender=sender.subject, data=data, at=sender.now, correlation_id=sender.correlation_id
    )
    frames.text(frame(LARGEST_SEQ))  # raises TooLarge before it takes a seq
    session = store.take_seq(session_id, sender.now, rate, sender.owner_id)
    return session, deliver.broadcast(session_id, frame(session.seq), began=sender.now, but=sender.connection_id)


def send(session_id: str, to: str, data: Any, sender: Sender, *, store: MessageStore, deliver: Deliver) -> Report:
    """Sends data to each connection of a subject, the sending one too if it is among them."""
    frame = frames.direct(sender.request_id, sender.subject, data, sender.now, sender.correlation_id)
    frames.text(frame)  # raises TooLarge
    session = store.find_session(session_id)
    if session is None:
        raise SessionNotFound(session_id)
    check_active(session, sender.now, sender.owner_id)
    return deliver.tell(store.connections_of(session_id, to), frame, began=sender.now)
