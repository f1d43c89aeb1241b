"""The use cases of messages: published to everybody in a session, or sent to one subject."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol

from chalicelib import events, frames
from chalicelib.errors import IdempotencyMismatch, SessionNotFound, Unavailable
from chalicelib.events import VOID_AGE, Event, Kind, Published
from chalicelib.members import Connection
from chalicelib.model import (
    LARGEST_SEQ,
    NewMessage,
    Once,
    Report,
    Session,
    check_active,
    check_owner,
    check_session_id,
    kept,
)
from chalicelib.rates import UNLIMITED, Rate
from chalicelib.sessions import Deliver

NUMBERS: Final = 4  # that a message takes at most, while others close its numbers as void


class MessageStore(Protocol):
    """Stored sessions and connections. Each method raises Unavailable when the tables do not answer in time."""

    def find_session(self, session_id: str) -> Session | None:
        """The stored session, by a strongly consistent read."""

    def take_seq(
        self,
        session_id: str,
        now: datetime,
        rate: Rate = UNLIMITED,
        owner_id: str | None = None,
        *,
        durable: bool = False,
    ) -> Session:
        """The session, after it took its next `seq`: for its owner if named, and with `durable` only if it is that.

        Raises SessionNotFound, NotOwner, SessionEnded, SessionPaused, NotDurable, RateLimited.
        """

    def put_event(self, event: Event) -> Event:
        """Keeps an event under its number; returns the one that stands there, which may be an earlier void."""

    def find_publish(self, session_id: str, subject: str, key: str, now: datetime) -> Published | None:
        """The publish of a subject with this key in the last five minutes, by a strongly consistent read."""

    def put_keyed(self, event: Event, subject: str, once: Once, now: datetime) -> Event | Published:
        """Keeps an event and the record of its key, or neither: then returns the earlier publish with this key, or the
        event that stands under the number."""

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
) -> tuple[int | None, Report] | Published:
    """The `seq` of a message, if it is to everybody, and its delivery; or the earlier publish that it repeats."""
    check_session_id(session_id)
    if message.to is not None:
        return None, send(session_id, message.to, message.data, sender, store=store, deliver=deliver)
    outcome = publish(session_id, message.data, sender, store=store, deliver=deliver, rate=rate, key=message.key)
    if isinstance(outcome, Published):
        return outcome
    session, report = outcome
    return session.seq, report


def publish(
    session_id: str,
    data: Any,
    sender: Sender,
    *,
    store: MessageStore,
    deliver: Deliver,
    rate: Rate,
    key: str | None = None,
) -> tuple[Session, Report] | Published:
    """Sends data to everybody in the session but its sender; returns the session after it took the message's `seq`.

    A durable session keeps the message first. With a `key`, which no other session takes, a repeat within five minutes
    sends nothing, and the earlier publish is returned. Raises IdempotencyMismatch for a repeat with other data.
    """
    frame = partial(frames.message, sender=sender.subject, data=data, correlation_id=sender.correlation_id)
    frames.text(frame(LARGEST_SEQ, at=sender.now))  # raises TooLarge before it takes a seq
    once = None if key is None else Once(key, _fingerprint(data))
    if once is not None:
        earlier = store.find_publish(session_id, sender.subject, once.key, sender.now)
        if earlier is not None:
            if sender.owner_id is not None:  # or a participant would get its own publish acknowledged as the server's
                check_owner(kept(session_id, store.find_session(session_id), sender.now), sender.owner_id)
            return _repeated(earlier, once)
    at, metered = sender.now, rate
    for _ in range(NUMBERS):
        session = store.take_seq(session_id, at, metered, sender.owner_id, durable=once is not None)
        event = events.message(session, sender.subject, data, at, sender.correlation_id)
        standing = _keep(event, sender, once, store) if session.durable else event
        if isinstance(standing, Published):
            return _repeated(standing, once)
        if standing == event:
            told = frame(session.seq, at=at)
            return session, deliver.broadcast(session_id, told, began=sender.now, but=sender.connection_id)
        metered = UNLIMITED
        if standing.kind is Kind.VOID:  # otherwise an event from before its session was restored to an earlier point
            at = max(at, standing.at + VOID_AGE)  # it is so late at least: or the next would look as old
    raise Unavailable("The table of events")


def _keep(event: Event, sender: Sender, once: Once | None, store: MessageStore) -> Event | Published:
    if once is None:
        return store.put_event(event)
    return store.put_keyed(event, sender.subject, once, sender.now)


def _repeated(earlier: Published, once: Once | None) -> Published:
    if once is not None and once.fingerprint != earlier.fingerprint:
        raise IdempotencyMismatch(once.key)
    return earlier


def _fingerprint(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def send(session_id: str, to: str, data: Any, sender: Sender, *, store: MessageStore, deliver: Deliver) -> Report:
    """Sends data to each connection of a subject, the sending one too if it is among them."""
    frame = frames.direct(sender.request_id, sender.subject, data, sender.now, sender.correlation_id)
    frames.text(frame)  # raises TooLarge
    session = store.find_session(session_id)
    if session is None:
        raise SessionNotFound(session_id)
    check_active(session, sender.now, sender.owner_id)
    return deliver.tell(store.connections_of(session_id, to), frame, began=sender.now)
