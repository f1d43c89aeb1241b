"""Frozen values and pure rules of live sessions. Reads no clock, makes no id, calls nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from chalicelib.errors import IllegalTransition, NotOwner, SessionEnded, SessionNotFound, VersionMismatch

SESSION_ID: Final = re.compile(r"[a-z2-7]{26}")
SESSION_ID_BYTES: Final = 17  # 130 of these 136 random bits make the 26 base32 characters of an id

LEEWAY: Final = timedelta(seconds=10)  # for clocks that differ, wherever a token's times are judged
PENDING: Final = timedelta(seconds=35)  # a younger connection that is "gone" may still be opening
CONNECTION_LIMIT: Final = timedelta(hours=2)  # API Gateway cuts every WebSocket then
CONNECTION_PURGE: Final = CONNECTION_LIMIT + timedelta(minutes=5)
SESSION_PURGE: Final = timedelta(days=7)  # after expiresAt
IDEMPOTENCY_PURGE: Final = timedelta(days=1)

MESSAGE_BYTES: Final = 131_072  # API Gateway's limits for a message and for one frame
FRAME_BYTES: Final = 32_768
IDLE_LIMIT: Final = timedelta(minutes=10)


class Status(Enum):
    ACTIVE = "active"  # joined and published in
    PAUSED = "paused"  # joined, nothing is published
    ENDED = "ended"  # final: no way leads out

    def to(self, after: Status) -> Status:
        """The status after a transition; a bug in the caller if there is no such way."""
        if self is Status.ENDED and after is not Status.ENDED:
            raise IllegalTransition(self.value, after.value)
        return after


class Keep(Enum):
    """Stands for a field that a change leaves as it is."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True)
class Principal:
    """Who a verified token says is calling."""

    subject: str
    expires_at: datetime


@dataclass(frozen=True)
class Session:
    """`version` counts the changes, `seq` the events; `written_by` is the request of the last change."""

    session_id: str
    owner_id: str
    status: Status
    title: str | None
    metadata: Mapping[str, Any] | None  # None where a list leaves it out
    durable: bool
    presence: bool
    version: int
    seq: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    written_by: str = ""

    @property
    def end_reason(self) -> str:
        """Why it ended: what is stored as the end is the expiry itself when nobody ended it before."""
        return "expired" if self.ended_at == self.expires_at else "ended"

    def at(self, now: datetime) -> Session:
        """The session as it is at `now`: past its expiry it has ended, swept or not."""
        if self.status is Status.ENDED or now < self.expires_at:
            return self
        return replace(self, status=Status.ENDED, ended_at=self.expires_at)


@dataclass(frozen=True)
class Draft:
    """What an owner asks for when creating a session."""

    title: str | None = None
    metadata: Mapping[str, Any] | None = None
    expires_in: timedelta = timedelta(days=1)
    durable: bool = False
    presence: bool = False


@dataclass(frozen=True)
class Patch:
    """A merge patch as it was sent: `metadata` is still to be merged, None removes."""

    status: Status | Keep = KEEP
    title: str | Keep | None = KEEP
    metadata: Mapping[str, Any] | Keep | None = KEEP


@dataclass(frozen=True)
class Change:
    """A patch resolved: the values that the session has afterwards."""

    status: Status | Keep = KEEP
    title: str | Keep | None = KEEP
    metadata: Mapping[str, Any] | Keep = KEEP

    def alters(self, session: Session) -> bool:
        """Whether JSON would show a difference: to Python, true is 1 and 1 is 1.0."""
        after = self.applied_to(session)
        return replace(after, metadata=None) != replace(session, metadata=None) or (
            json.dumps(after.metadata, sort_keys=True) != json.dumps(session.metadata, sort_keys=True)
        )

    def applied_to(self, session: Session) -> Session:
        return replace(
            session,
            status=session.status if self.status is KEEP else session.status.to(self.status),
            title=session.title if self.title is KEEP else self.title,
            metadata=session.metadata if self.metadata is KEEP else self.metadata,
        )


@dataclass(frozen=True)
class Write:
    """Who writes, when, for which request, and which versions may be written over (None: any)."""

    subject: str
    now: datetime
    request_id: str
    versions: frozenset[int] | None = None
    correlation_id: str = ""  # of the frames that it causes


@dataclass(frozen=True)
class Endpoint:
    """Where the management API reaches a connection."""

    api_id: str
    stage: str
    region: str


@dataclass(frozen=True)
class Recipient:
    """What a delivery needs to know of a connection."""

    connection_id: str
    session_id: str
    connected_at: datetime
    token_expires_at: datetime
    endpoint: Endpoint

    def expired_at(self, now: datetime) -> bool:
        """Whether its token is no longer good, by the leeway that the token had when it was verified."""
        return self.token_expires_at + LEEWAY <= now

    def pending_at(self, now: datetime) -> bool:
        """Whether its handshake may still be under way, so that "gone" does not mean gone."""
        return now - self.connected_at < PENDING


@dataclass(frozen=True)
class Connection(Recipient):
    """One open WebSocket of one principal in one session."""

    subject: str


@dataclass(frozen=True)
class Written:
    """A session after a write, and whether this write changed it."""

    session: Session
    changed: bool


@dataclass(frozen=True)
class Position:
    """A place in an owner's list, newest first: right after this session."""

    created_at: datetime
    session_id: str


@dataclass(frozen=True)
class Page:
    """Some sessions of a list; `after` is where the rest begins, None at the end of the list."""

    sessions: tuple[Session, ...]
    after: Position | None


@dataclass(frozen=True)
class Once:
    """A create that is to happen once: the caller's key, and what it was first used for."""

    key: str
    fingerprint: str


class Outcome(Enum):
    """What became of one recipient of a delivery."""

    SENT = "sent"
    PENDING = "pending"  # 410, but so young that its handshake may still be under way: its row stays
    GONE = "gone"  # 410: the socket is closed, its row goes
    EXPIRED = "expired"  # its token had run out: closed in place of being sent to
    THROTTLED = "throttled"  # 429, again and again
    FAILED = "failed"  # anything else
    UNSENT = "unsent"  # the deadline came first


@dataclass(frozen=True)
class Report:
    """How many recipients of a delivery had which outcome."""

    counts: Mapping[Outcome, int]

    def __getitem__(self, outcome: Outcome) -> int:
        return self.counts.get(outcome, 0)

    @property
    def recipients(self) -> int:
        return sum(self.counts.values())


def check_session_id(session_id: str) -> None:
    """Raises SessionNotFound for what cannot be the id of a session, so that no table is asked for it."""
    if not SESSION_ID.fullmatch(session_id):
        raise SessionNotFound(session_id)


def judge(session: Session | None, session_id: str, write: Write) -> Session:
    """The session as it is, if `write` may change it; the refusals come in the documented order.

    Raises SessionNotFound, NotOwner, SessionEnded, VersionMismatch.
    """
    if session is None:
        raise SessionNotFound(session_id)
    if session.owner_id != write.subject:
        raise NotOwner(session_id, write.subject)
    if session.at(write.now).status is Status.ENDED:
        raise SessionEnded(session_id)
    if write.versions is not None and session.version not in write.versions:
        raise VersionMismatch(session_id, session.version)
    return session


def document(session: Session) -> dict[str, Any]:
    """The session as JSON shows it, over HTTP and in frames alike."""
    shown: dict[str, Any] = {
        "sessionId": session.session_id,
        "ownerId": session.owner_id,
        "status": session.status.value,
        "title": session.title,
        "metadata": session.metadata,
        "durable": session.durable,
        "presence": session.presence,
        "version": session.version,
        "createdAt": rfc3339(session.created_at),
        "updatedAt": rfc3339(session.updated_at),
        "endedAt": None if session.ended_at is None else rfc3339(session.ended_at),
        "expiresAt": rfc3339(session.expires_at),
    }
    if session.metadata is None:
        del shown["metadata"]
    return shown


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396: null removes, an object merges, anything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def whole_milliseconds(moment: datetime) -> datetime:
    """Time as the service keeps it: UTC, to the millisecond."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def rfc3339(moment: datetime) -> str:
    """`2026-11-22T14:29:55.123Z`: of fixed width, so that text order is time order."""
    return whole_milliseconds(moment).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def from_rfc3339(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
