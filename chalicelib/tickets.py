"""The use cases of a ticket: issue, use."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol

from chalicelib.credentials import TICKET_TEXT, Secret
from chalicelib.errors import (
    Duplicate,
    NotOwner,
    OriginRefused,
    SessionFull,
    SessionOver,
    Unauthenticated,
)
from chalicelib.frames import Handshake
from chalicelib.members import LEEWAY, TICKET_LASTS, Connection, Duplicates, Guest, Standing, Ticket, seated
from chalicelib.model import Principal, Session, Status, check_ban, check_session_id, kept, whole_milliseconds

RANDOM_BYTES: Final = 16


class TicketStore(Protocol):
    """Stored tickets. Each method raises Unavailable when the tables do not answer in time."""

    def find_with_standing(self, session_id: str, subject: str) -> tuple[Session | None, Standing]:
        """The stored session, and the owner's word on a subject, by one strongly consistent read."""

    def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
        """The connections of a subject in a session, by strongly consistent reads."""

    def roster(self, session_id: str) -> Iterator[Sequence[Connection]]:
        """The connections of a session without their roles, page by page, by strongly consistent reads."""

    def put_ticket(self, ticket: Ticket) -> None:
        """Stores a new ticket."""

    def use_ticket(
        self, digest: str, session_id: str, origin: str | None, connection_id: str, now: datetime
    ) -> Ticket | None:
        """The ticket, used by this connection if it admits that, else as it was; None if it is not there."""


def issue(
    session_id: str,
    caller: Principal,
    *,
    guest: Guest | None,
    replaces: str | None,
    origin: str | None,
    store: TicketStore,
    now: datetime,
    random: Callable[[int], bytes],
) -> Secret:
    """A ticket for the caller, or for a guest of the owner. Refuses what a handshake would be refused now.

    Raises SessionNotFound, NotOwner, Banned, SessionOver, Duplicate, SessionFull.
    """
    check_session_id(session_id)
    subject = caller.subject if guest is None else guest.subject
    found, standing = store.find_with_standing(session_id, subject)
    session = kept(session_id, found, now)
    if guest is not None and caller.subject != session.owner_id:
        raise NotOwner(session_id, caller.subject)
    check_ban(session, standing, now)
    if session.at(now).status is Status.ENDED:
        raise SessionOver(session_id)
    _check_seat(session, subject, replaces, store, now)
    text = Secret(base64.b32encode(random(RANDOM_BYTES)).decode().rstrip("="))
    store.put_ticket(
        Ticket(
            digest=_digest(text),
            session_id=session_id,
            subject=subject,
            expires_at=whole_milliseconds(now) + TICKET_LASTS,
            role=None if guest is None else guest.role,
            origin=origin,
            replaces=replaces,
            token_expires_at=whole_milliseconds(caller.expires_at) if guest is None else None,
            lasts=None if guest is None else guest.lasts,
        )
    )
    return text


def _check_seat(session: Session, subject: str, replaces: str | None, store: TicketStore, now: datetime) -> None:
    """Raises Duplicate and SessionFull as a handshake would now, without the connection that a handshake has written.
    Asks nothing where the session takes any number of connections."""
    most = session.max_connections
    if most is None and session.duplicates is not Duplicates.OLDEST:
        return
    own = [one for one in store.connections_of(session.session_id, subject) if not one.purged_at(now)]
    others = [one for one in own if one.connection_id != replaces]
    if others and session.duplicates is Duplicates.OLDEST:
        raise Duplicate(session.session_id)
    if most is not None:
        leaving = own if session.duplicates is Duplicates.NEWEST else [one for one in own if one not in others]
        left = {one.connection_id for one in leaving}
        there = (one for page in store.roster(session.session_id) for one in page if one.connection_id not in left)
        if len(seated(there, now)) >= most:
            raise SessionFull(session.session_id, most)


def use(handshake: Handshake, *, store: TicketStore, now: datetime) -> tuple[Principal, Handshake]:
    """The principal of a handshake's ticket, and the handshake with the connection that the ticket replaces. From now
    on only this connection may use the ticket, be it refused otherwise.

    Raises OriginRefused, and Unauthenticated with one text for all other tickets that are not good.
    """
    ticket = None
    if TICKET_TEXT.fullmatch(handshake.credential.reveal()):
        ticket = store.use_ticket(
            _digest(handshake.credential), handshake.session_id, handshake.origin, handshake.connection_id, now
        )
    if ticket is None or not ticket.admits(handshake.session_id, ticket.origin, handshake.connection_id, now):
        raise _bad()
    if ticket.origin not in (None, handshake.origin):
        raise OriginRefused(str(handshake.origin))
    expires_at = ticket.token_expires_at or now + (ticket.lasts or Guest.lasts)
    if expires_at + LEEWAY <= now:
        raise _bad()
    principal = Principal(ticket.subject, expires_at, ticket.role)
    return principal, replace(handshake, replaces=ticket.replaces or handshake.replaces)


def _digest(text: Secret) -> str:
    return hashlib.sha256(text.reveal().encode()).hexdigest()


def _bad() -> Unauthenticated:
    return Unauthenticated("The ticket is unknown, used, too old, or of another session; ask for a new one.")
