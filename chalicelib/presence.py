"""Presence: who is in a session, told by subject. Each change is written, numbered, and then looked at, so that the
look with the highest number sees all of them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from typing import Any, Final, Protocol

from chalicelib import frames, jsontext
from chalicelib.errors import ConnectionNotFound, InvalidRequest, Kicked, NoPresence, Unavailable
from chalicelib.members import Connection, Participant, Recipient, Standing, participant
from chalicelib.model import Outcome, Report, Session, Status, kept
from chalicelib.sessions import Deliver

CROWD: Final = 100  # ready connections, beyond which nothing is told
STATE_BYTES: Final = 256
IN_A_FRAME: Final = 64  # subjects, which are far below the 128 KB of a message


class PresenceStore(Protocol):
    """Stored connections and numbers of presence. Each method raises Unavailable when the tables do not answer."""

    def mark_ready(self, connection: Connection) -> bool:
        """Marks a connection that has said hello; False if it is not there."""

    def set_state(self, connection: Connection, state: str, at: datetime) -> bool:
        """Keeps the state of a connection; False if it is not there."""

    def take_presence_seq(self, session_id: str) -> Session | None:
        """The session, after it took its next `presence_seq`; None if it is not there, or without presence."""

    def look(self, session_id: str, subject: str, at_most: int) -> tuple[Standing, Sequence[Connection]]:
        """The owner's word on a subject, and the ready connections of a session, by strongly consistent reads that end
        at `at_most`."""

    def end_telling(self, session: Session) -> None:
        """Notes that the change of this number is told to nobody, and none from then on."""

    def begin_telling(self, session: Session) -> None:
        """Notes that changes are told from this number on, unless another was taken."""


@dataclass(frozen=True)
class Look:
    """The ready connections of a session, after it took a number."""

    session: Session
    standing: Standing
    ready: Sequence[Connection]

    @property
    def crowded(self) -> bool:
        return len(self.ready) > CROWD

    @property
    def participants(self) -> Sequence[Participant]:
        subjects = groupby(self.ready, key=lambda one: one.subject)
        return [participant(list(own), self.session.owner_id) for _, own in subjects]

    @property
    def shown(self) -> Sequence[Participant] | None:
        """Subjects that are in; None if they are too many to be told of."""
        return None if self.crowded else self.participants


def join(
    connection: Connection, *, store: PresenceStore, deliver: Deliver, now: datetime, correlation_id: str
) -> tuple[Session, Sequence[Participant] | None]:
    """Tells the others that the subject of a connection is in. A repeat tells it again.

    Returns the session, and those who are in, if they are told of. Raises ConnectionNotFound, SessionNotFound, Kicked.
    """
    if not store.mark_ready(connection):
        raise ConnectionNotFound(connection.connection_id)
    look = _look(connection, store, now)
    if look.standing.banned_at(now):
        raise Kicked(connection.connection_id)
    itself = {connection.connection_id}
    _tell(look, [connection.subject], itself, store=store, deliver=deliver, now=now, correlation_id=correlation_id)
    return look.session, look.shown


def set_state(
    connection: Connection, data: Any, *, store: PresenceStore, deliver: Deliver, now: datetime, correlation_id: str
) -> Report:
    """Keeps a state, and tells it as a join, the connection that sets it too. A null clears it.

    Raises NoPresence, InvalidRequest for one that is too large, ConnectionNotFound, SessionNotFound.
    """
    if not connection.presence:
        raise NoPresence(connection.session_id)
    size = jsontext.size(data)
    if size > STATE_BYTES:
        raise InvalidRequest(f"data has {size} bytes; at most {STATE_BYTES} are kept.")
    if not store.set_state(connection, jsontext.compact(data), now):
        raise ConnectionNotFound(connection.connection_id)
    look = _look(connection, store, now)
    return _tell(look, [connection.subject], (), store=store, deliver=deliver, now=now, correlation_id=correlation_id)


def tell_of(
    session_id: str,
    subjects: Sequence[str],
    *,
    store: PresenceStore,
    deliver: Deliver,
    now: datetime,
    correlation_id: str,
) -> Report:
    """Tells of subjects whose connections were removed or given a role. One that has none left has gone; another is
    told as a join, since its role and its state may be those of another connection now."""
    session = store.take_presence_seq(session_id)
    if session is None or session.at(now).status is Status.ENDED:
        return Report({})
    look = Look(session, *store.look(session_id, subjects[0], CROWD + 1))
    return _tell(look, subjects, (), store=store, deliver=deliver, now=now, correlation_id=correlation_id)


@dataclass(frozen=True)
class TellingDelivery:
    """A `Deliver` that tells of the connections that its deliveries find gone."""

    deliver: Deliver
    store: PresenceStore

    def broadcast(
        self, session_id: str, frame: frames.Frame, *, began: datetime, but: str | None = None, close: bool = False
    ) -> Report:
        report = self.deliver.broadcast(session_id, frame, began=began, but=but, close=close)
        return report if close else self._left(report, frame, began)

    def tell(
        self, recipients: Sequence[Recipient], frame: frames.Frame, *, began: datetime, close: bool = False
    ) -> Report:
        report = self.deliver.tell(recipients, frame, began=began, close=close)
        return report if close else self._left(report, frame, began)

    def _left(self, report: Report, frame: frames.Frame, began: datetime) -> Report:
        """Tells of those who are gone, and of those who are found gone by that. The delivery itself is done: presence
        must not make it look refused."""
        gone, told = report.gone, set[str]()
        correlation_id = str(frame.get("correlationId", ""))
        with suppress(Unavailable):
            while gone := tuple(one for one in gone if one.connection_id not in told):
                told |= {one.connection_id for one in gone}
                gone = tell_of(
                    gone[0].session_id,
                    [one.subject for one in gone],
                    store=self.store,
                    deliver=self.deliver,
                    now=began,
                    correlation_id=correlation_id,
                ).gone
        return report


def _look(connection: Connection, store: PresenceStore, now: datetime) -> Look:
    session = kept(connection.session_id, store.take_presence_seq(connection.session_id), now)
    return Look(session, *store.look(session.session_id, connection.subject, CROWD + 1))


def _tell(
    look: Look,
    changed: Sequence[str],
    but: Container[str],
    *,
    store: PresenceStore,
    deliver: Deliver,
    now: datetime,
    correlation_id: str,
) -> Report:
    """Tells the ready connections, `but` some, of subjects that have changed.

    In a crowd nobody is told. Nor is the first change after it: until its number is noted, no client knows who is in.
    """
    session = look.session
    if session.at(now).status is Status.ENDED:
        return Report({})
    if look.crowded != session.crowded:
        (store.end_telling if look.crowded else store.begin_telling)(session)
    if look.crowded or session.crowded:
        return Report({})
    others = [one for one in look.ready if one.connection_id not in but]
    there = {one.subject: one for one in look.participants}
    reports = [
        deliver.tell(
            others,
            frames.presence(
                session.presence_seq,
                [there[subject] for subject in subjects if subject in there],
                [subject for subject in subjects if subject not in there],
                correlation_id,
            ),
            began=now,
        )
        for subjects in _frames(changed)
    ]
    counts = {outcome: sum(report[outcome] for report in reports) for outcome in Outcome}
    return Report(counts, tuple(one for report in reports for one in report.gone))


def _frames(changed: Sequence[str]) -> Iterator[Sequence[str]]:
    """Subjects, each once, as many at a time as are told in one frame."""
    subjects = iter(dict.fromkeys(changed))
    while some := list(islice(subjects, IN_A_FRAME)):
        yield some
