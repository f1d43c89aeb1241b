"""Values and rules of live sessions: frozen dataclasses and pure functions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from chalicelib.errors import (
    Banned,
    IllegalTransition,
    NotDurable,
    NotOwner,
    SessionEnded,
    SessionNotFound,
    SessionPaused,
    VersionMismatch,
)
from chalicelib.members import Duplicates, Recipient, Role, Standing

SESSION_ID: Final = re.compile(r"[a-z2-7]{26}")
SESSION_ID_BYTES: Final = 17  # 130 of these 136 random bits make the 26 base32 characters of an id

SESSION_PURGE: Final = timedelta(days=7)  # after expiresAt
IDEMPOTENCY_PURGE: Final = timedelta(days=1)

MESSAGE_BYTES: Final = 131_072  # API Gateway's limits for a message and for one frame
FRAME_BYTES: Final = 32_768
IDLE_LIMIT: Final = timedelta(minutes=10)
NEVER: Final = 10**15  # beyond all numbers that presence takes

LARGEST_SEQ: Final = 10**15  # that a client may name; it measures a frame before its number is taken


class Status(Enum):
    ACTIVE = "active"  # can be joined and published in
    PAUSED = "paused"  # can be joined
    ENDED = "ended"  # final

    def to(self, after: Status) -> Status:
        """The status after a transition. Raises IllegalTransition, which is a bug of the caller."""
        if self is Status.ENDED and after is not Status.ENDED:
            raise IllegalTransition(self.value, after.value)
        return after


class Keep(Enum):
    """Stands for a field that a change does not touch."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True)
class Principal:
    """The caller, by a verified token, or by a ticket, which may name a role."""

    subject: str
    expires_at: datetime
    role: Role | None = None


@dataclass(frozen=True)
class Session:
    """`version` counts changes, `seq` counts events, of which the last was at `seq_at`; `change_seq` is the seq of the
    last change, `written_by` the id of its request. `presence_seq` counts changes of who is in, all of which are told
    from `presence_since` on. `due_at` is when the sweep looks at it: None in a list, and when nothing is left to
    do."""

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
    change_seq: int = 0
    due_at: datetime | None = None
    seq_at: datetime | None = None
    presence_seq: int = 0
    presence_since: int = 0
    join_as: Role = Role.PARTICIPANT  # the role of those of whom the owner has said nothing
    duplicates: Duplicates = Duplicates.ALLOW
    max_connections: int | None = None

    @property
    def crowded(self) -> bool:
        """Whether too many are in for each change to be told."""
        return self.presence_since > self.presence_seq

    @property
    def untold(self) -> bool:
        """Whether somebody may not have heard of the last change: its delivery is not known to be over, or the session
        has ended and is not settled. A change that is due at the very expiry passes for told: that tells the end."""
        return self.due_at is not None and (self.status is Status.ENDED or self.due_at != self.expires_at)

    def overdue_at(self, now: datetime) -> bool:
        """Whether it is untold although the delivery of its last change must be over."""
        return self.untold and self.due_at is not None and self.due_at <= now

    def ended_by(self, request_id: str, now: datetime) -> bool:
        """Whether this request of a sweep has just ended it. Lambda may run a sweep again under the same id: by then it
        is due again."""
        return self.status is Status.ENDED and self.written_by == request_id and not self.overdue_at(now)

    @property
    def end_reason(self) -> str:
        """Why it ended: an end at the very expiry was not requested."""
        return "expired" if self.ended_at == self.expires_at else "ended"

    def at(self, now: datetime) -> Session:
        """The session at `now`: past its expiry it has ended, swept or not."""
        if self.status is Status.ENDED or now < self.expires_at:
            return self
        return replace(self, status=Status.ENDED, ended_at=self.expires_at)

    def purged_at(self, now: datetime) -> bool:
        """Whether it counts as removed: TTL deletes its row at that time or, at times, days later."""
        return self.expires_at + SESSION_PURGE <= now


@dataclass(frozen=True)
class Draft:
    """An owner's input for a new session."""

    title: str | None = None
    metadata: Mapping[str, Any] | None = None
    expires_in: timedelta = timedelta(days=1)
    durable: bool = False
    presence: bool = False
    join_as: Role = Role.PARTICIPANT
    duplicates: Duplicates = Duplicates.ALLOW
    max_connections: int | None = None


@dataclass(frozen=True)
class Patch:
    """A merge patch as it was sent: `metadata` is not merged yet, None removes."""

    status: Status | Keep = KEEP
    title: str | Keep | None = KEEP
    metadata: Mapping[str, Any] | Keep | None = KEEP
    join_as: Role | Keep = KEEP


@dataclass(frozen=True)
class Change:
    """A resolved patch: the values that the session has afterwards."""

    status: Status | Keep = KEEP
    title: str | Keep | None = KEEP
    metadata: Mapping[str, Any] | Keep = KEEP
    join_as: Role | Keep = KEEP

    def alters(self, session: Session) -> bool:
        """Whether JSON would show a difference; in Python, True equals 1 and 1 equals 1.0."""
        if session.status is Status.ENDED and self.status not in (KEEP, Status.ENDED):
            return True
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
            join_as=session.join_as if self.join_as is KEEP else self.join_as,
        )


@dataclass(frozen=True)
class Write:
    """The author, time and request of a write, and the versions that it may change (None: any)."""

    subject: str
    now: datetime
    request_id: str
    versions: frozenset[int] | None = None


@dataclass(frozen=True)
class Written:
    """A session after a write, and whether this write changed it."""

    session: Session
    changed: bool


@dataclass(frozen=True)
class Position:
    """A position in an owner's list, newest first: right after this session."""

    created_at: datetime
    session_id: str


@dataclass(frozen=True)
class Page:
    """One page of a list; the rest begins at `after`, None at the end of the list."""

    sessions: tuple[Session, ...]
    after: Position | None


@dataclass(frozen=True)
class NewMessage:
    """An owner's message to everybody in a session, once if it has a `key`, or to the connections of one subject."""

    data: Any
    to: str | None = None
    key: str | None = None


@dataclass(frozen=True)
class Once:
    """A request that must have its effect once: the caller's key, and the fingerprint of its first use."""

    key: str
    fingerprint: str


class Outcome(Enum):
    """The outcome of a delivery for one recipient."""

    SENT = "sent"
    PENDING = "pending"  # 410, but its handshake may still be under way: its row stays
    GONE = "gone"  # 410: the socket is closed, its row is removed
    EXPIRED = "expired"  # its token had expired: closed instead
    THROTTLED = "throttled"  # 429 at each attempt
    FAILED = "failed"  # anything else
    UNSENT = "unsent"  # the deadline came first


@dataclass(frozen=True)
class Report:
    """The number of recipients of a delivery for each outcome, and those that were found gone."""

    counts: Mapping[Outcome, int]
    gone: tuple[Recipient, ...] = ()  # whose rows the delivery has removed

    def __getitem__(self, outcome: Outcome) -> int:
        return self.counts.get(outcome, 0)

    @property
    def recipients(self) -> int:
        return sum(self.counts.values())

    @property
    def missed(self) -> int:
        """Recipients that are connected, as far as is known, and did not get the frame."""
        return self[Outcome.THROTTLED] + self[Outcome.FAILED] + self[Outcome.UNSENT]


def check_session_id(session_id: str) -> None:
    """Raises SessionNotFound for an impossible id, before a table is asked for it."""
    if not SESSION_ID.fullmatch(session_id):
        raise SessionNotFound(session_id)


def check_kept(session: Session, now: datetime) -> None:
    """Raises SessionNotFound for a session that counts as purged."""
    if session.purged_at(now):
        raise SessionNotFound(session.session_id)


def check_active(session: Session, now: datetime, owner_id: str | None = None) -> None:
    """Refuses a message in a session that is not active, or is not the owner's if one is named.

    Raises SessionNotFound, NotOwner, SessionEnded, SessionPaused.
    """
    check_kept(session, now)
    if owner_id not in (None, session.owner_id):
        raise NotOwner(session.session_id, str(owner_id))
    if session.at(now).status is Status.ENDED:
        raise SessionEnded(session.session_id)
    if session.status is not Status.ACTIVE:
        raise SessionPaused(session.session_id)


def check_durable(session: Session) -> None:
    """Raises NotDurable."""
    if not session.durable:
        raise NotDurable(session.session_id)


def kept(session_id: str, session: Session | None, now: datetime) -> Session:
    """The session that was found. Raises SessionNotFound if there is none, or it counts as purged."""
    if session is None:
        raise SessionNotFound(session_id)
    check_kept(session, now)
    return session


def judge(session: Session, change: Change, write: Write) -> None:
    """Refuses `change` in the documented order, after SessionNotFound. An ended session can be asked for what it is.

    Raises NotOwner, SessionEnded, VersionMismatch.
    """
    check_owner(session, write.subject)
    now = session.at(write.now)
    if now.status is not Status.ENDED:
        if write.versions is not None and session.version not in write.versions:
            raise VersionMismatch(session.session_id, session.version)
    elif change.alters(now):
        raise SessionEnded(session.session_id)


def applies(change: Change, session: Session, write: Write) -> bool:
    """Whether `change` is to be written: it is not refused, and makes a difference."""
    try:
        judge(session, change, write)
    except (NotOwner, SessionEnded, VersionMismatch):
        return False
    return change.alters(session.at(write.now))


def check_owner(session: Session, subject: str) -> None:
    """Raises NotOwner."""
    if session.owner_id != subject:
        raise NotOwner(session.session_id, subject)


def check_ban(session: Session, standing: Standing, now: datetime) -> None:
    """Raises Banned."""
    if standing.banned_until is not None and standing.banned_at(now):
        raise Banned(session.session_id, rfc3339(standing.banned_until))


def document(session: Session) -> dict[str, Any]:
    """The session as a JSON object, over HTTP and in frames alike."""
    shown: dict[str, Any] = {
        "sessionId": session.session_id,
        "ownerId": session.owner_id,
        "status": session.status.value,
        "title": session.title,
        "metadata": session.metadata,
        "durable": session.durable,
        "presence": session.presence,
        "joinAs": session.join_as.value,
        "duplicates": session.duplicates.value,
        "maxConnections": session.max_connections,
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
    """Time as the service stores it: UTC, to the millisecond."""
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def rfc3339(moment: datetime) -> str:
    """`2026-11-22T14:29:55.123Z`, of fixed width, so that texts sort by time."""
    return whole_milliseconds(moment).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def from_rfc3339(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
