"""Fakes for unit tests: a clock, a recorder of deliveries, a management API."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chalicelib.credentials import Secret
from chalicelib.delivery import Answer
from chalicelib.events import Resumed
from chalicelib.frames import Frame
from chalicelib.members import Connection, Endpoint, Recipient
from chalicelib.model import Draft, Principal, Report, Session, Write
from chalicelib.rates import Limits, Rate
from chalicelib.sessions import SessionStore, create_session

UNLIMITED = Limits(Rate(0), Rate(0), 0)
FRESH = Resumed(0, (), recovered=False)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENDPOINT = Endpoint("abc123", "api", "us-east-1")
ALICE = Principal("alice", NOON + timedelta(hours=1))
_numbers = itertools.count(1)


@dataclass
class Clock:
    """A clock that a test advances."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now

    def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)


@dataclass
class Deliveries:
    """A `Deliver` that records its deliveries."""

    frames: list[Frame] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    but: list[str | None] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # ids of connections
    report: Report = field(default_factory=lambda: Report({}))

    def broadcast(
        self, session_id: str, frame: Frame, *, began: datetime, but: str | None = None, close: bool = False
    ) -> Report:
        self.frames.append(frame)
        self.but.append(but)
        if close:
            self.closed.append(session_id)
        return self.report

    def tell(self, recipients: Sequence[Recipient], frame: Frame, *, began: datetime, close: bool = False) -> Report:
        self.frames.append(frame)
        self.told += [one.connection_id for one in recipients]
        if close:
            self.closed += [one.connection_id for one in recipients]
        return self.report


@dataclass
class Management:
    """A management API that records its calls and answers with `answer`."""

    answer: Callable[[str], Answer] = lambda connection_id: Answer.DONE
    posts: list[tuple[str, str]] = field(default_factory=list)
    closes: list[str] = field(default_factory=list)
    patience: list[float] = field(default_factory=list)  # of the posts

    def post(self, endpoint: Endpoint, connection_id: str, text: str, within: float) -> Answer:
        self.posts.append((connection_id, text))
        self.patience.append(within)
        return self.answer(connection_id)

    def close(self, endpoint: Endpoint, connection_id: str, within: float) -> Answer:
        self.closes.append(connection_id)
        return self.answer(connection_id)


def unverified(token: Secret) -> Principal:
    """Authenticates a token that is its subject, with an expiry in seconds after noon if it has one: `bob+3600`."""
    subject, _, seconds = token.reveal().partition("+")
    return Principal(subject, NOON + timedelta(seconds=float(seconds or 0)))


def write(subject: str = "alice", now: datetime = NOON, versions: frozenset[int] | None = None) -> Write:
    return Write(subject, now, f"request-{next(_numbers)}", versions)


def new_session(store: SessionStore, draft: Draft | None = None, now: datetime = NOON) -> Session:
    """A session of alice, as create makes it."""
    number = next(_numbers)
    return create_session(
        draft or Draft(title="Standup"),
        ALICE,
        store=store,
        now=now,
        random=lambda size: number.to_bytes(size, "big")[::-1],
        request_id=f"request-{number}",
    ).session


def connection(
    session_id: str,
    connection_id: str = "one=",
    subject: str = "bob",
    connected_at: datetime = NOON,
    token_expires_at: datetime = NOON + timedelta(hours=1),
) -> Connection:
    return Connection(connection_id, session_id, connected_at, token_expires_at, ENDPOINT, subject)
