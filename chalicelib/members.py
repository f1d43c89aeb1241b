"""Values of the people in a session: roles, connections, standings and tickets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final, TypeGuard

from chalicelib.errors import InvalidRequest

LEEWAY: Final = timedelta(seconds=10)  # for clocks that differ, wherever a token's times are checked
PENDING: Final = timedelta(seconds=35)  # a younger connection that is "gone" may still be opening
CONNECTION_LIMIT: Final = timedelta(hours=2)  # after which API Gateway cuts a WebSocket
CONNECTION_PURGE: Final = CONNECTION_LIMIT + timedelta(minutes=5)
GUEST: Final = "guest:"  # begins the subjects that only a ticket of an owner gives
SUBJECT_LENGTH: Final = 255
TICKET_LASTS: Final = timedelta(seconds=60)
CONNECTION_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")  # whatever API Gateway may choose


class Role(Enum):
    OWNER = "owner"  # created the session, and alone changes it
    PARTICIPANT = "participant"  # publishes and hears
    VIEWER = "viewer"  # hears


class Duplicates(Enum):
    """The rule for several connections of one subject in a session."""

    ALLOW = "allow"  # all stay
    NEWEST = "newest"  # the newest stays
    OLDEST = "oldest"  # the oldest stays


@dataclass(frozen=True)
class Endpoint:
    """The API through which a connection is reached."""

    api_id: str
    stage: str
    region: str


@dataclass(frozen=True)
class Recipient:
    """A connection as a delivery needs it."""

    connection_id: str
    session_id: str
    connected_at: datetime
    token_expires_at: datetime
    endpoint: Endpoint
    subject: str

    @property
    def member(self) -> str:
        """Its key in the session's roster, where the connections of a subject are neighbours."""
        return f"{subject_key(self.subject)}#{self.connection_id}"

    @property
    def age(self) -> tuple[datetime, str]:
        """Sorts the connections of a session, the oldest first, in one way for everybody."""
        return self.connected_at, self.member

    def expired_at(self, now: datetime) -> bool:
        """Whether its token has expired, with the same leeway as when it was verified."""
        return self.token_expires_at + LEEWAY <= now

    def pending_at(self, now: datetime) -> bool:
        """Whether its handshake may still be under way, so that a 410 does not mean that it is gone."""
        return now - self.connected_at < PENDING

    def purged_at(self, now: datetime) -> bool:
        """Whether it counts as removed: API Gateway has cut it, and TTL deletes its rows now or days later."""
        return self.connected_at + CONNECTION_PURGE <= now


@dataclass(frozen=True)
class Connection(Recipient):
    """One open WebSocket of one principal in one session. It takes the place of the connection that it `replaces`."""

    role: Role | None = None  # None: not said, which is a participant
    replaces: str | None = None
    presence: bool = False  # whether its session tells who is in
    ready: bool = False  # has said hello, and is told who is in
    state: str | None = None  # as JSON text
    state_at: datetime | None = None


@dataclass(frozen=True)
class Metered:
    """A connection after it was metered: `tat` is when the bucket of its frames is full again."""

    connection: Connection
    tat: datetime


@dataclass(frozen=True)
class Standing:
    """The owner's word on a subject in a session; `revision` counts the roles that it was given."""

    role: Role | None = None
    banned_until: datetime | None = None
    revision: int = 0

    def banned_at(self, now: datetime) -> bool:
        return self.banned_until is not None and now < self.banned_until


@dataclass(frozen=True)
class Guest:
    """Somebody without a token whom an owner lets in by a ticket, for a connection that `lasts` so long."""

    subject: str
    role: Role | None = None  # None: as the session says
    lasts: timedelta = timedelta(hours=1)


@dataclass(frozen=True)
class Participant:
    """A subject in a session with all its connections, the oldest of which was opened at `since`. `state` is the last
    that one of them set, as JSON text."""

    subject: str
    role: Role
    connections: int
    since: datetime
    state: str | None = None


@dataclass(frozen=True)
class ParticipantPage:
    """One page of a session's participants; the rest begins after the subject with the key `after`, None at the end."""

    participants: tuple[Participant, ...]
    after: str | None


@dataclass(frozen=True)
class Removal:
    """Outcomes for the connections of a subject that was put out: `pending` ones are closed at their next frame."""

    closed: int
    pending: int
    banned_until: datetime | None


@dataclass(frozen=True)
class Ticket:
    """A handshake's credential, good once. Its connection ends with the token that asked for it, or a guest's `lasts`
    so long."""

    digest: str  # SHA-256 of the ticket, in hexadecimal digits: the ticket itself is not stored
    session_id: str
    subject: str
    expires_at: datetime
    role: Role | None = None
    origin: str | None = None  # the only one that may use it
    replaces: str | None = None
    token_expires_at: datetime | None = None
    lasts: timedelta | None = None
    used_by: str | None = None  # the id of a connection

    def admits(self, session_id: str, origin: str | None, connection_id: str, now: datetime) -> bool:
        """Whether this connection may use it. The connection that used it may again: its answer was lost."""
        return (
            self.session_id == session_id
            and self.origin in (None, origin)
            and now < self.expires_at
            and self.used_by in (None, connection_id)
        )


def is_subject(value: object) -> TypeGuard[str]:
    """Whether it may be the subject of a token or ticket: printable text of 1 to 255 characters."""
    return isinstance(value, str) and 0 < len(value) <= SUBJECT_LENGTH and value.isprintable()


def subject_of(value: object, name: str) -> str:
    """The subject that a field of this name holds. Raises InvalidRequest."""
    if not is_subject(value):
        raise InvalidRequest(f"{name} is a subject: text of 1 to {SUBJECT_LENGTH} printable characters.")
    return value


def is_connection_id(value: object) -> TypeGuard[str]:
    """Whether it may be the id of a connection."""
    return isinstance(value, str) and CONNECTION_ID.fullmatch(value) is not None


def subject_key(subject: str) -> str:
    """Stands for a subject in keys of the table of connections: 32 hexadecimal digits."""
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def participant(own: Sequence[Connection], owner_id: str) -> Participant:
    """A subject with its connections, and the role that lets it do the most."""
    heard = Role.VIEWER if all(one.role is Role.VIEWER for one in own) else Role.PARTICIPANT
    subject = own[0].subject
    states = [(one.state_at, one.member, one.state) for one in own if one.state_at is not None]
    state = max(states)[-1] if states else None
    since = min(one.connected_at for one in own)
    return Participant(subject, role_of(subject, owner_id, heard), len(own), since, state)


def person(one: Participant) -> dict[str, Any]:
    """A participant as others see it, as a JSON object, over HTTP and in frames alike."""
    shown: dict[str, Any] = {"subject": one.subject, "role": one.role.value}
    state = None if one.state is None else json.loads(one.state)
    return shown if state is None else {**shown, "state": state}


def seated(connections: Iterable[Connection], now: datetime) -> set[str]:
    """The ids of those that take a seat: of two in a hand-over the new one alone, but what is to take a place itself
    keeps its seat, or many in a row would take one."""
    there = {(one.subject, one.connection_id): one for one in connections if not one.purged_at(now)}
    old = {(one.subject, one.replaces) for one in there.values()}
    new = {key for key, one in there.items() if (one.subject, one.replaces) in there}
    return {one.connection_id for key, one in there.items() if key not in old - new}


def role_of(subject: str, owner_id: str, *said: Role | None) -> Role:
    """The role of a subject: the owner's own, or the first that was said of it."""
    if subject == owner_id:
        return Role.OWNER
    return next((role for role in said if role is not None), Role.PARTICIPANT)
