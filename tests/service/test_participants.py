from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from chalicelib import connections, errors, frames, participants
from chalicelib.credentials import Secret
from chalicelib.delivery import AGAIN, FIRST, Answer, Delivery
from chalicelib.members import CONNECTION_PURGE, Connection, Participant, ParticipantPage, Removal, Role, subject_key
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft, Outcome, Principal, Report, Session
from chalicelib.sessions import END
from tests.service.fakes import (
    ALICE,
    ENDPOINT,
    NOON,
    UNLIMITED,
    Clock,
    Deliveries,
    Management,
    connection,
    new_session,
    write,
)

HOUR = timedelta(hours=1)
OLD = NOON - timedelta(minutes=1)
BOB = Principal("bob", NOON + HOUR)


def listed(
    store: MemoryStore,
    session_id: str,
    reader: Principal = ALICE,
    limit: int = 50,
    after: str | None = None,
    now: datetime = NOON,
) -> ParticipantPage:
    return participants.list_participants(session_id, reader, store=store, now=now, limit=limit, after=after)


def set_role(store: MemoryStore, session_id: str, role: Role, deliver: Deliveries, subject: str = "bob") -> None:
    participants.set_role(
        session_id, ALICE, subject, role, store=store, deliver=deliver, now=NOON, correlation_id="a-request"
    )


def kick(
    store: MemoryStore,
    session_id: str,
    deliver: Deliveries | Delivery,
    ban: timedelta = HOUR,
    by: Principal = ALICE,
    subject: str = "bob",
) -> Removal:
    return participants.kick_participant(
        session_id, by, subject, ban, store=store, deliver=deliver, now=NOON, correlation_id="a-request"
    )


def join(store: MemoryStore, session_id: str, principal: Principal = BOB, now: datetime = NOON) -> Connection:
    handshake = frames.Handshake("late=", session_id, Secret("token"), None, ENDPOINT)
    connections.connect(
        handshake, principal, store=store, deliver=Deliveries(), now=now, limits=UNLIMITED, correlation_id="c"
    )
    found = store.find_connection("late=")
    assert found is not None
    return found


class TestList:
    def test_the_connections_of_a_subject_are_one_participant(self, store: MemoryStore, session: Session) -> None:
        for i, (subject, minutes) in enumerate((("bob", 3), ("alice", 1), ("bob", 9), ("bob", 5))):
            at = NOON - timedelta(minutes=minutes)
            store.connect(connection(session.session_id, f"{i}=", subject, connected_at=at))
        store.connect(connection("b" * 26, "elsewhere=", "carol"))
        page = listed(store, session.session_id)
        assert sorted(page.participants, key=lambda one: one.subject) == [
            Participant("alice", Role.OWNER, 1, NOON - timedelta(minutes=1)),
            Participant("bob", Role.PARTICIPANT, 3, NOON - timedelta(minutes=9)),
        ]
        assert page.after is None

    def test_a_subject_is_a_viewer_if_all_its_connections_are(self, store: MemoryStore, session: Session) -> None:
        for i, role in enumerate((Role.VIEWER, Role.VIEWER, None)):
            if i == 2:
                assert [one.role for one in listed(store, session.session_id).participants] == [Role.VIEWER]
            store.connect(replace(connection(session.session_id, f"{i}="), role=role))
        assert [one.role for one in listed(store, session.session_id).participants] == [Role.PARTICIPANT]

    def test_an_owner_is_no_viewer(self, store: MemoryStore, session: Session) -> None:
        store.connect(replace(connection(session.session_id, subject="alice"), role=Role.VIEWER))
        assert [one.role for one in listed(store, session.session_id).participants] == [Role.OWNER]

    def test_a_row_that_outlived_its_socket_is_not_shown(self, store: MemoryStore, session: Session) -> None:
        """API Gateway cuts a socket after two hours, and may lose its $disconnect; TTL may take days."""
        store.connect(connection(session.session_id, "old="))
        store.connect(connection(session.session_id, "new=", connected_at=NOON + timedelta(milliseconds=1)))
        purge = NOON + CONNECTION_PURGE
        for now, count in ((purge - timedelta(milliseconds=1), 2), (purge, 1)):
            assert [one.connections for one in listed(store, session.session_id, now=now).participants] == [count]
        assert listed(store, session.session_id, now=NOON + 3 * HOUR).participants == ()

    @pytest.mark.parametrize("limit", [1, 2, 7, 50])
    @pytest.mark.parametrize("seed", range(5))
    def test_pages_have_each_subject_once_and_whole(
        self, store: MemoryStore, session: Session, limit: int, seed: int
    ) -> None:
        draw, expected = random.Random(seed), Counter[str]()  # noqa: S311  no secret
        for number in range(draw.randrange(80)):
            expected[f"subject-{number}"] = draw.choice((1, 1, 1, 2, 3, 20, 21, 22, 60))
        for subject, count in expected.items():
            for i in range(count):
                store.connect(connection(session.session_id, f"{subject}-{i}=", subject))
        found: list[Participant] = []
        page = listed(store, session.session_id, limit=limit)
        for _ in range(len(expected) + 1):
            assert len(page.participants) <= limit
            found += page.participants
            if page.after is None:
                break
            page = listed(store, session.session_id, limit=limit, after=page.after)
        assert page.after is None
        assert [one.subject for one in found] == sorted(expected, key=subject_key)
        assert {one.subject: one.connections for one in found} == expected

    def test_a_connection_that_opens_between_two_pages_makes_no_second_participant(
        self, store: MemoryStore, session: Session
    ) -> None:
        first, second = sorted(("bob", "carol"), key=subject_key)
        for subject in (first, second):
            store.connect(connection(session.session_id, f"5-{subject}", subject))
        page = listed(store, session.session_id, limit=1)
        store.connect(connection(session.session_id, "9=", first))
        rest = listed(store, session.session_id, limit=1, after=page.after)
        assert [one.subject for one in (*page.participants, *rest.participants)] == [first, second]

    def test_a_page_without_a_readable_row_leads_to_the_next(self, session: Session) -> None:
        class Unreadable(MemoryStore):
            def roster_page(
                self, session_id: str, after: str | None, limit: int
            ) -> tuple[Sequence[Connection], str | None]:
                found, rest = super().roster_page(session_id, after, limit)
                return ([] if after is None else found), rest

        store = Unreadable()
        store._sessions[session.session_id] = session
        for i in range(30):
            store.connect(connection(session.session_id, f"{i}=", f"subject-{i}"))
        page = listed(store, session.session_id, limit=1)
        assert page.participants == ()
        assert len(listed(store, session.session_id, limit=50, after=page.after).participants) == 30 - 21

    def test_it_is_the_owners_or_everybodys_with_presence(self, store: MemoryStore, session: Session) -> None:
        shown = new_session(store, Draft(presence=True))
        assert listed(store, session.session_id).participants == ()
        assert listed(store, shown.session_id, BOB).participants == ()
        with pytest.raises(errors.NotOwner):
            listed(store, session.session_id, BOB)

    def test_a_banned_subject_does_not_see_it(self, store: MemoryStore, session: Session) -> None:
        shown = new_session(store, Draft(presence=True))
        for one in (session, shown):
            store.ban(one, "bob", NOON + HOUR)
            with pytest.raises(errors.Banned):
                listed(store, one.session_id, BOB, now=NOON + HOUR - timedelta(milliseconds=1))
        assert listed(store, shown.session_id, BOB, now=NOON + HOUR).participants == ()

    def test_it_is_there_as_long_as_its_session(self, store: MemoryStore, session: Session) -> None:
        store.change_session(session.session_id, END, write())
        purge = session.expires_at + timedelta(days=7)
        assert listed(store, session.session_id, now=purge - timedelta(milliseconds=1)).participants == ()
        for session_id in (session.session_id, "a" * 26):
            with pytest.raises(errors.SessionNotFound):
                listed(store, session_id, now=purge)
        nothing = cast("MemoryStore", object())
        with pytest.raises(errors.SessionNotFound):
            listed(nothing, "not an id")


class TestRole:
    def test_it_holds_for_open_connections_which_are_told_and_for_later_ones(
        self, store: MemoryStore, session: Session, deliver: Deliveries
    ) -> None:
        for i, subject in enumerate(("bob", "carol", "bob")):
            store.connect(connection(session.session_id, f"{i}=", subject))
        set_role(store, session.session_id, Role.VIEWER, deliver)
        roles = {one.connection_id: one.role for page in store.roster(session.session_id) for one in page}
        assert roles == {"0=": Role.VIEWER, "1=": None, "2=": Role.VIEWER}
        assert deliver.frames == [{"type": "role", "role": "viewer", "correlationId": "a-request"}]
        assert (sorted(deliver.told), deliver.closed) == (["0=", "2="], [])
        assert join(store, session.session_id).role is Role.VIEWER
        set_role(store, session.session_id, Role.PARTICIPANT, deliver)
        assert join(store, session.session_id).role in (None, Role.PARTICIPANT)

    @pytest.mark.parametrize("role", [Role.PARTICIPANT, Role.VIEWER])
    @pytest.mark.parametrize("ticket", [None, Role.PARTICIPANT, Role.VIEWER])
    @pytest.mark.parametrize("join_as", [Role.PARTICIPANT, Role.VIEWER])
    def test_it_counts_more_than_a_ticket_and_the_session(
        self, store: MemoryStore, deliver: Deliveries, role: Role, ticket: Role | None, join_as: Role
    ) -> None:
        session = new_session(store, Draft(join_as=join_as))
        set_role(store, session.session_id, role, deliver)
        assert deliver.frames == [], "nobody is there"
        joined = join(store, session.session_id, replace(BOB, role=ticket))
        assert (joined.role or Role.PARTICIPANT) is role

    def test_of_two_the_later_one_stays_whenever_its_rows_are_written(
        self, store: MemoryStore, session: Session, deliver: Deliveries
    ) -> None:
        one = connection(session.session_id)
        store.connect(one)
        early = store.set_standing_role(session, "bob", Role.VIEWER)
        set_role(store, session.session_id, Role.PARTICIPANT, deliver)
        store.set_role(one, Role.VIEWER, early.revision)
        found = store.find_connection(one.connection_id)
        assert found is not None
        assert found.role is Role.PARTICIPANT

    def test_a_guest_has_one_too(self, store: MemoryStore, session: Session, deliver: Deliveries) -> None:
        store.connect(replace(connection(session.session_id, subject="guest:ada"), role=Role.VIEWER))
        set_role(store, session.session_id, Role.PARTICIPANT, deliver, "guest:ada")
        found = store.find_connection("one=")
        assert found is not None
        assert found.role is Role.PARTICIPANT


class TestKick:
    def test_it_removes_all_connections_of_the_subject_then_tells_and_closes_them(
        self, store: MemoryStore, session: Session
    ) -> None:
        class Watching(Deliveries):
            def tell(self, recipients: Any, frame: frames.Frame, *, began: datetime, close: bool = False) -> Report:
                assert store.connections_of(session.session_id, "bob") == [], "removed before"
                return super().tell(recipients, frame, began=began, close=close)

        for i, subject in enumerate(("bob", "carol", "bob")):
            store.connect(connection(session.session_id, f"{i}=", subject))
        deliver = Watching(report=Report({Outcome.SENT: 2}))
        assert kick(store, session.session_id, deliver) == Removal(2, 0, NOON + HOUR)
        assert sorted(deliver.closed) == ["0=", "2="]
        [frame] = deliver.frames
        assert (frame["type"], frame["code"], frame["reconnect"]) == ("closing", "kicked", "never")
        assert frame["correlationId"] == "a-request"
        assert [store.find_connection(f"{i}=") is None for i in range(3)] == [True, False, True]

    def test_the_ban_is_written_before_the_connections_are_read(self, session: Session) -> None:
        """A connection that is written in between reads the ban, and is refused."""

        class Racing(MemoryStore):
            def connections_of(self, session_id: str, subject: str) -> Sequence[Connection]:
                _, standing = self.find_with_standing(session_id, subject)
                assert standing.banned_until == NOON + HOUR
                return super().connections_of(session_id, subject)

        store = Racing()
        store._sessions[session.session_id] = session
        assert kick(store, session.session_id, Deliveries()) == Removal(0, 0, NOON + HOUR)

    def test_the_subject_is_kept_out_until_the_ban_is_over(self, store: MemoryStore, session: Session) -> None:
        kick(store, session.session_id, Deliveries())
        for _ in range(2):
            with pytest.raises(errors.Banned):
                join(store, session.session_id, now=NOON + HOUR - timedelta(milliseconds=1))
            assert store.find_connection("late=") is None
        assert join(store, session.session_id, replace(BOB, subject="carol")).subject == "carol"
        assert join(store, session.session_id, now=NOON + HOUR).subject == "bob"

    def test_a_repeat_is_harmless_and_no_ban_at_all_lifts_one(self, store: MemoryStore, session: Session) -> None:
        for _ in range(2):
            assert kick(store, session.session_id, Deliveries()).banned_until == NOON + HOUR
        assert kick(store, session.session_id, Deliveries(), ban=timedelta()) == Removal(0, 0, None)
        assert join(store, session.session_id).subject == "bob"

    def test_a_role_outlives_a_ban(self, store: MemoryStore, session: Session, deliver: Deliveries) -> None:
        set_role(store, session.session_id, Role.VIEWER, deliver)
        kick(store, session.session_id, deliver)
        kick(store, session.session_id, deliver, ban=timedelta())
        assert join(store, session.session_id).role is Role.VIEWER

    def test_the_report_says_how_many_are_still_to_be_closed(self, store: MemoryStore, session: Session) -> None:
        store.connect(connection(session.session_id))
        counts = {Outcome.SENT: 3, Outcome.GONE: 50, Outcome.PENDING: 1, Outcome.FAILED: 2, Outcome.UNSENT: 4}
        removal = kick(store, session.session_id, Deliveries(report=Report(counts)))
        assert (removal.closed, removal.pending) == (3, 7)

    def test_one_that_hangs_and_one_that_is_pending_keep_no_other_waiting(
        self, store: MemoryStore, session: Session
    ) -> None:
        """Of five: three are closed at their first turn, before the hanging one is tried again."""
        for name in ("1=", "hanging=", "2=", "pending=", "3="):
            store.connect(connection(session.session_id, name, connected_at=NOON if name == "pending=" else OLD))
        answers = {"hanging=": Answer.BROKEN, "pending=": Answer.GONE}
        management = Management(lambda connection_id: answers.get(connection_id, Answer.DONE))
        delivery = Delivery(store, management, clock=Clock(), random=lambda: 0.5)
        assert kick(store, session.session_id, delivery) == Removal(3, 2, NOON + HOUR)
        assert management.patience == [*[FIRST] * 5, AGAIN]
        assert management.posts[-1][0] == "hanging="
        assert (sorted(management.closes[:3]), management.closes[3:]) == (["1=", "2=", "3="], ["hanging="])
        assert store.connections_of(session.session_id, "bob") == [], "nobody hears anything more"


class TestRefusals:
    @pytest.mark.parametrize("session_id", ["a" * 26, "not an id"])
    def test_an_unknown_session_is_not_found(self, store: MemoryStore, session_id: str, deliver: Deliveries) -> None:
        with pytest.raises(errors.SessionNotFound):
            kick(store, session_id, deliver)
        with pytest.raises(errors.SessionNotFound):
            set_role(store, session_id, Role.VIEWER, deliver)

    def test_nobody_but_the_owner_puts_out(self, store: MemoryStore, session: Session, deliver: Deliveries) -> None:
        store.ban(session, "bob", NOON + HOUR)
        for subject in ("bob", "carol", "alice"):
            with pytest.raises(errors.NotOwner):
                kick(store, session.session_id, deliver, by=BOB, subject=subject)
        assert store.find_with_standing(session.session_id, "carol")[1].banned_until is None

    def test_the_owner_keeps_its_role_and_stays(
        self, store: MemoryStore, session: Session, deliver: Deliveries
    ) -> None:
        store.connect(connection(session.session_id, subject="alice"))
        with pytest.raises(errors.InvalidRequest):
            kick(store, session.session_id, deliver, subject="alice")
        with pytest.raises(errors.InvalidRequest):
            set_role(store, session.session_id, Role.VIEWER, deliver, "alice")
        assert store.find_connection("one=") == connection(session.session_id, subject="alice")
        assert deliver.frames == []
