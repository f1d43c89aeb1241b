from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib import connections, errors, frames, tickets
from chalicelib.credentials import Secret
from chalicelib.members import Connection, Duplicates, Guest, Role
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft, Principal, Session
from chalicelib.sessions import END
from tests.service.fakes import ALICE, ENDPOINT, FRESH, NOON, UNLIMITED, Deliveries, connection, new_session, write

BOB = Principal("bob", NOON + timedelta(hours=1))
ADA = Guest("guest:ada")
_numbers = itertools.count(1)


def issue(
    store: MemoryStore,
    session_id: str,
    caller: Principal = BOB,
    guest: Guest | None = None,
    replaces: str | None = None,
    origin: str | None = None,
    now: datetime = NOON,
) -> Secret:
    number = next(_numbers)
    return tickets.issue(
        session_id,
        caller,
        guest=guest,
        replaces=replaces,
        origin=origin,
        store=store,
        now=now,
        random=lambda size: number.to_bytes(size, "big"),
    )


def handshake(
    ticket: Secret,
    session_id: str,
    connection_id: str = "one=",
    origin: str | None = None,
    replaces: str | None = None,
) -> frames.Handshake:
    return frames.Handshake(connection_id, session_id, ticket, None, ENDPOINT, replaces, by_ticket=True, origin=origin)


def use(
    store: MemoryStore,
    ticket: Secret,
    session_id: str,
    connection_id: str = "one=",
    origin: str | None = None,
    replaces: str | None = None,
    now: datetime = NOON,
) -> tuple[Principal, frames.Handshake]:
    return tickets.use(handshake(ticket, session_id, connection_id, origin, replaces), store=store, now=now)


def join(store: MemoryStore, session_id: str, principal: Principal, sent: frames.Handshake) -> Connection:
    return connections.connect(
        sent, principal, store=store, deliver=Deliveries(), now=NOON, limits=UNLIMITED, correlation_id="c"
    )


# --- what a ticket is


def test_a_ticket_is_128_random_bits_of_which_a_digest_is_stored(store: MemoryStore, session: Session) -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return b"\xff" * size

    ticket = tickets.issue(
        session.session_id, BOB, guest=None, replaces=None, origin=None, store=store, now=NOON, random=random
    )
    assert (asked, ticket.reveal()) == ([16], "7" * 25 + "4")
    assert ticket.reveal() not in str(vars(store))


def test_a_ticket_of_ones_own_ends_with_the_token_that_asked_for_it(store: MemoryStore, session: Session) -> None:
    principal, _ = use(store, issue(store, session.session_id), session.session_id)
    assert principal == BOB


def test_a_guest_gets_what_its_owner_said_counted_from_the_use(store: MemoryStore, session: Session) -> None:
    later = NOON + timedelta(seconds=59)
    for guest, seconds in ((ADA, 3600), (Guest("guest:eve", Role.VIEWER, timedelta(seconds=60)), 60)):
        ticket = issue(store, session.session_id, ALICE, guest)
        principal, _ = use(store, ticket, session.session_id, now=later)
        assert principal == Principal(guest.subject, later + timedelta(seconds=seconds), guest.role)


def test_an_owner_with_a_ticket_of_its_own_is_the_owner(store: MemoryStore, session: Session) -> None:
    principal, sent = use(store, issue(store, session.session_id, ALICE), session.session_id)
    joined = join(store, session.session_id, principal, sent)
    assert frames.welcome(joined, session, FRESH, UNLIMITED)["role"] == "owner"


@pytest.mark.parametrize("role", [Role.PARTICIPANT, Role.VIEWER])
def test_a_tickets_role_counts_more_than_the_sessions_and_less_than_the_owners_word(
    store: MemoryStore, role: Role
) -> None:
    other = Role.VIEWER if role is Role.PARTICIPANT else Role.PARTICIPANT
    session = new_session(store, Draft(join_as=other))
    for owners_word, expected in ((None, role), (other, other)):
        if owners_word is not None:
            store.set_standing_role(session, ADA.subject, owners_word)
        ticket = issue(store, session.session_id, ALICE, replace(ADA, role=role))
        principal, sent = use(store, ticket, session.session_id)
        join(store, session.session_id, principal, sent)
        found = store.find_connection("one=")
        assert found is not None
        assert (found.role or Role.PARTICIPANT) is expected


def test_what_a_ticket_replaces_counts_more_than_what_the_handshake_names(store: MemoryStore, session: Session) -> None:
    bound, free = issue(store, session.session_id, replaces="old="), issue(store, session.session_id)
    assert use(store, bound, session.session_id, replaces="other=")[1].replaces == "old="
    assert use(store, free, session.session_id, replaces="other=")[1].replaces == "other="
    assert use(store, free, session.session_id)[1].replaces is None


# --- its use


def test_a_ticket_is_good_for_one_connection_which_may_ask_again(store: MemoryStore, session: Session) -> None:
    ticket = issue(store, session.session_id)
    first = use(store, ticket, session.session_id)
    assert use(store, ticket, session.session_id) == first, "the answer was lost"
    with pytest.raises(errors.Unauthenticated):
        use(store, ticket, session.session_id, "two=")
    assert use(store, ticket, session.session_id) == first


def test_a_ticket_is_good_for_sixty_seconds(store: MemoryStore, session: Session) -> None:
    first, second = issue(store, session.session_id), issue(store, session.session_id)
    use(store, first, session.session_id, now=NOON + timedelta(seconds=59.999))
    with pytest.raises(errors.Unauthenticated):
        use(store, second, session.session_id, now=NOON + timedelta(seconds=60))


def test_a_ticket_of_ones_own_is_not_good_after_the_token(store: MemoryStore, session: Session) -> None:
    ending = replace(BOB, expires_at=NOON + timedelta(seconds=5))
    first, second = (issue(store, session.session_id, ending) for _ in range(2))
    assert use(store, first, session.session_id, now=NOON + timedelta(seconds=14.999))[0] == ending
    with pytest.raises(errors.Unauthenticated):
        use(store, second, session.session_id, now=NOON + timedelta(seconds=15))


def test_every_ticket_that_is_not_good_is_refused_in_the_same_words(store: MemoryStore, session: Session) -> None:
    other = new_session(store)
    used = issue(store, session.session_id)
    use(store, used, session.session_id, "another=")
    old = issue(store, session.session_id, now=NOON - timedelta(seconds=60))
    foreign = issue(store, other.session_id)
    unknown = [Secret(text) for text in ("A" * 26, "x", "a" * 26, "é" * 26, "A" * 5000, "\ud800")]
    said = set()
    for ticket in (used, old, foreign, *unknown):
        with pytest.raises(errors.Unauthenticated) as refused:
            use(store, ticket, session.session_id)
        said.add(refused.value.detail)
        assert ticket.reveal() not in refused.value.detail.split()
    assert len(said) == 1


def test_an_impossible_ticket_is_refused_without_asking_the_store() -> None:
    for text in ("", "x", "a" * 26, "A" * 25, "A" * 27, "A" * 26 + "\n"):
        with pytest.raises(errors.Unauthenticated):
            use(object(), Secret(text), "a" * 26)  # type: ignore[arg-type]


@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_another_page_does_not_use_a_ticket_and_does_not_spend_it(
    store: MemoryStore, session: Session, origin: str | None
) -> None:
    ticket = issue(store, session.session_id, origin="https://app.example")
    with pytest.raises(errors.OriginRefused):
        use(store, ticket, session.session_id, "other=", origin)
    with pytest.raises(errors.Unauthenticated):
        use(store, ticket, new_session(store).session_id, "other=", origin)
    assert use(store, ticket, session.session_id, origin="https://app.example")[0] == BOB


def test_a_ticket_that_no_page_asked_for_is_good_on_each(store: MemoryStore, session: Session) -> None:
    assert use(store, issue(store, session.session_id), session.session_id, origin="https://app.example")[0] == BOB


def test_a_handshake_that_fails_after_the_use_has_spent_the_ticket(store: MemoryStore, session: Session) -> None:
    ticket = issue(store, session.session_id)
    principal, sent = use(store, ticket, session.session_id)
    store.change_session(session.session_id, END, write())
    with pytest.raises(errors.SessionOver):
        join(store, session.session_id, principal, sent)
    with pytest.raises(errors.Unauthenticated):
        use(store, ticket, session.session_id, "two=")


def test_a_ban_or_an_end_since_the_issue_refuses_the_handshake(store: MemoryStore, session: Session) -> None:
    mine, guests = issue(store, session.session_id), issue(store, session.session_id, ALICE, ADA)
    for subject in ("bob", ADA.subject):
        store.ban(session, subject, NOON + timedelta(hours=1))
    for ticket in (mine, guests):
        principal, sent = use(store, ticket, session.session_id)
        with pytest.raises(errors.Banned):
            join(store, session.session_id, principal, sent)
        assert store.find_connection("one=") is None


# --- its issue is the verdict of a handshake


def test_only_the_owner_invites_guests(store: MemoryStore, session: Session) -> None:
    store.ban(session, "bob", NOON + timedelta(hours=1))
    for caller in (BOB, Principal("mallory", NOON + timedelta(hours=1))):
        with pytest.raises(errors.NotOwner):
            issue(store, session.session_id, caller, ADA)
    assert issue(store, session.session_id, ALICE, ADA)


def test_a_banned_guest_is_not_invited_before_the_ban_is_over(store: MemoryStore, session: Session) -> None:
    until = NOON + timedelta(minutes=1)
    store.ban(session, ADA.subject, until)
    with pytest.raises(errors.Banned):
        issue(store, session.session_id, ALICE, ADA, now=until - timedelta(milliseconds=1))
    assert issue(store, session.session_id, ALICE, ADA, now=until)


def test_what_cannot_be_an_id_is_refused_without_asking_the_store() -> None:
    for session_id in ("", "a" * 25, "A" * 26, "session#x"):
        with pytest.raises(errors.SessionNotFound):
            issue(object(), session_id)  # type: ignore[arg-type]


def verdict_of_handshake(store: MemoryStore, session_id: str, replaces: str | None, now: datetime) -> object:
    sent = frames.Handshake("new=", session_id, Secret("token"), None, ENDPOINT, replaces)
    try:
        connections.connect(sent, BOB, store=store, deliver=Deliveries(), now=now, limits=UNLIMITED, correlation_id="c")
    except errors.SessionsError as refused:
        return type(refused)
    return None


def verdict_of_issue(store: MemoryStore, session_id: str, replaces: str | None, now: datetime) -> object:
    try:
        issue(store, session_id, replaces=replaces, now=now)
    except errors.SessionsError as refused:
        return type(refused)
    return None


@pytest.mark.parametrize("duplicates", Duplicates)
def test_the_verdict_is_that_of_a_handshake(duplicates: Duplicates) -> None:
    """In each room of up to two connections of the caller and two of others, whatever it replaces, and whether or not
    rows have stayed that are past their purge."""
    seen: dict[object, int] = {}
    replaced = (None, "bob-0=", "zoe-0=", "gone=")
    rooms = itertools.product((None, 1, 2, 3), range(3), range(3), replaced, (False, True), (False, True))
    for most, own, others, replaces, ended, left in rooms:
        store = MemoryStore()
        session = new_session(store, Draft(duplicates=duplicates, max_connections=most))
        for subject, count in (("bob", own), ("zoe", others)):
            for i in range(count):
                store.connect(connection(session.session_id, f"{subject}-{i}=", subject))
        for subject in ("bob", "zoe") if left else ():
            store.connect(connection(session.session_id, f"{subject}-left=", subject, NOON - timedelta(hours=3)))
        now = NOON + timedelta(days=1 if ended else 0)
        said = verdict_of_issue(store, session.session_id, replaces, now)
        seen[said] = seen.get(said, 0) + 1
        assert said is verdict_of_handshake(store, session.session_id, replaces, now), (most, own, others, replaces)
    assert len(seen) == (4 if duplicates is Duplicates.OLDEST else 3), seen


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        (lambda store, session: None, None),
        (lambda store, session: store.ban(session, "bob", NOON + timedelta(hours=1)), errors.Banned),
        (lambda store, session: store.change_session(session.session_id, END, write()), errors.SessionOver),
    ],
    ids=["well", "banned", "ended"],
)
def test_of_several_refusals_the_handshakes_comes_first(store: MemoryStore, spoil: object, refusal: object) -> None:
    session = new_session(store, Draft(duplicates=Duplicates.OLDEST))
    store.connect(connection(session.session_id, "old="))
    assert callable(spoil)
    spoil(store, session)
    said = verdict_of_issue(store, session.session_id, None, NOON)
    assert said is (refusal or errors.Duplicate)
    assert said is verdict_of_handshake(store, session.session_id, None, NOON)
    store.ban(session, "bob", NOON + timedelta(hours=1))
    store.change_session(session.session_id, END, write())
    assert verdict_of_issue(store, session.session_id, None, NOON) is errors.Banned
    purge = session.expires_at + timedelta(days=7)
    assert verdict_of_issue(store, session.session_id, None, purge) is errors.SessionNotFound
    with suppress(errors.SessionsError):
        issue(store, session.session_id)
