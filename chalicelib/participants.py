"""The use cases of the people in a session: list them, give one a role, put one out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, Protocol

from chalicelib import connections, frames, presence
from chalicelib.connections import LeavingStore
from chalicelib.errors import InvalidRequest, Kicked, Unavailable
from chalicelib.members import (
    Connection,
    ParticipantPage,
    Removal,
    Role,
    Standing,
    participant,
    subject_key,
)
from chalicelib.model import (
    Outcome,
    Principal,
    Session,
    check_ban,
    check_owner,
    check_session_id,
    kept,
    whole_milliseconds,
)
from chalicelib.sessions import Deliver

SPARE: Final = 20  # rows read beyond one a participant: the connections that a subject may have by default
AFTER_ALL: Final = "~"  # ends a key that sorts after each connection of a subject


class ParticipantStore(LeavingStore, Protocol):
    """Stored people of sessions. Each method raises Unavailable when the tables do not answer in time."""

    def find_session(self, session_id: str) -> Session | None:
        """The stored session, by a strongly consistent read."""

    def roster_page(self, session_id: str, after: str | None, limit: int) -> tuple[Sequence[Connection], str | None]:
        """The next connections of a session by their `member`, and where to go on, None at the end."""

    def set_standing_role(self, session: Session, subject: str, role: Role) -> Standing:
        """Notes the role that the owner gives a subject: the owner's word on it afterwards."""

    def ban(self, session: Session, subject: str, until: datetime | None) -> None:
        """Notes until when the owner keeps a subject out; None lets it in."""


def list_participants(
    session_id: str, reader: Principal, *, store: ParticipantStore, now: datetime, limit: int, after: str | None
) -> ParticipantPage:
    """A page of those who are in a session, by the keys of their subjects, `after` one of which it begins.

    A subject is whole in one page. The page may be short, or empty, before the end. Raises SessionNotFound, Banned, and
    NotOwner unless the session shows its presence to everybody.
    """
    check_session_id(session_id)
    found, standing = store.find_with_standing(session_id, reader.subject)
    session = kept(session_id, found, now)
    check_ban(session, standing, now)
    if not session.presence:
        check_owner(session, reader.subject)
    begin = None if after is None else after + AFTER_ALL
    rows, rest = store.roster_page(session_id, begin, limit + SPARE)
    subjects = [list(own) for _, own in groupby(rows, key=lambda one: one.subject)]
    if rest is not None and len(subjects) == 1:
        subjects = [list(store.connections_of(session_id, subjects[0][0].subject))]
    elif rest is not None:
        subjects = subjects[:-1]  # the next page has all of the last one
    shown = subjects[:limit]
    last = subject_key(shown[-1][0].subject) if shown else (rest or "").partition("#")[0]
    return ParticipantPage(
        tuple(
            participant(own, session.owner_id)
            for each in shown
            if (own := [one for one in each if not one.purged_at(now)])
        ),
        last if rest is not None or len(subjects) > limit else None,
    )


def set_role(
    session_id: str,
    owner: Principal,
    subject: str,
    role: Role,
    *,
    store: ParticipantStore,
    deliver: Deliver,
    now: datetime,
    correlation_id: str,
) -> None:
    """Gives a subject a role, for its open connections, which are told, and for later ones.

    Writes it before reading the connections, so that one that opens at the same time sees it or is seen. Raises
    SessionNotFound, NotOwner, and InvalidRequest for the owner itself.
    """
    session = _owned(session_id, owner, subject, store, now)
    standing = store.set_standing_role(session, subject, role)
    found = store.connections_of(session_id, subject)
    for one in found:
        store.set_role(one, role, standing.revision)
    if found:
        deliver.tell(found, frames.role(role, correlation_id), began=now)
        _tell_of(session, subject, store, deliver, now, correlation_id)


def kick_participant(
    session_id: str,
    owner: Principal,
    subject: str,
    ban: timedelta,
    *,
    store: ParticipantStore,
    deliver: Deliver,
    now: datetime,
    correlation_id: str,
) -> Removal:
    """Closes the connections of a subject and keeps it out for a while; no time at all lifts a ban.

    Writes the ban before reading the connections, so that one that opens at the same time sees it or is seen. Raises
    SessionNotFound, NotOwner, and InvalidRequest for the owner itself.
    """
    session = _owned(session_id, owner, subject, store, now)
    until = whole_milliseconds(now + ban) if ban else None
    store.ban(session, subject, until)
    found = store.connections_of(session_id, subject)
    report = connections.close(found, Kicked, store=store, deliver=deliver, now=now, correlation_id=correlation_id)
    _tell_of(session, subject, store, deliver, now, correlation_id)  # an earlier kick may have removed, and told nobody
    return Removal(report[Outcome.SENT], report[Outcome.PENDING] + report.missed, until)


def _tell_of(
    session: Session,
    subject: str,
    store: ParticipantStore,
    deliver: Deliver,
    now: datetime,
    correlation_id: str,
) -> None:
    """Tells everybody of a subject that the owner has changed. That is done, whoever can be told of it."""
    if session.presence:
        with suppress(Unavailable):
            presence.tell_of(
                session.session_id,
                [subject],
                store=store,
                deliver=deliver,
                now=now,
                correlation_id=correlation_id,
            )


def _owned(session_id: str, owner: Principal, subject: str, store: ParticipantStore, now: datetime) -> Session:
    """The session, if its owner asks for somebody else."""
    check_session_id(session_id)
    session = kept(session_id, store.find_session(session_id), now)
    check_owner(session, owner.subject)
    if subject == owner.subject:
        raise InvalidRequest("subject is the owner of the session, who keeps its role and stays.")
    return session
