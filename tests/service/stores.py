"""The contract of both stores, in memory and on DynamoDB, and helpers for their tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import pytest

from chalicelib import errors, sessions
from chalicelib.members import Role, Standing, Ticket, subject_key
from chalicelib.memory import MemoryStore
from chalicelib.model import (
    KEEP,
    Change,
    Draft,
    Once,
    Position,
    Session,
    Status,
    Written,
)
from chalicelib.settings import Tables as TableNames
from tests.service.fakes import ALICE, NOON, connection, new_session, write

if TYPE_CHECKING:
    from chalicelib.storage import Store
    from pytest_sessionplugin.aws.tables import Tables

AnyStore: TypeAlias = "Store | MemoryStore"
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def stored(store: AnyStore, session: Session) -> Session:
    found = store.find_session(session.session_id)
    assert found is not None
    return found


def roster(store: AnyStore, session_id: str) -> list[str]:
    return sorted(one.connection_id for page in store.roster(session_id) for one in page)


def again(store: AnyStore, once: Once, draft: Draft, subject: str, number: int, now: datetime = NOON) -> Written:
    return sessions.create_session(
        draft,
        replace(ALICE, subject=subject),
        store=store,
        now=now,
        random=lambda size: bytes([number]) * size,
        request_id=f"create-{number}",
        once=once,
    )


def names_of(tables: Tables) -> TableNames:
    return TableNames(*(tables[logical].name for logical in ("Sessions", "Connections", "Events")))


class StoreContract:
    """Behaviour of each store. Its subclasses have a fixture `store`."""

    @pytest.fixture
    def session(self, store: AnyStore) -> Session:
        return new_session(store, Draft(title="Standup", metadata={"é": [1, 2.5, None]}, expires_in=HOUR))

    def test_a_session_comes_back_as_it_was_stored(self, store: AnyStore, session: Session) -> None:
        assert stored(store, session) == session

    def test_what_was_never_stored_is_not_there(self, store: AnyStore) -> None:
        assert store.find_session("a" * 26) is None
        assert store.find_connection("x=") is None
        assert [list(page) for page in store.roster("a" * 26)] in ([[]], [])
        assert store.list_sessions("nobody", None, 10).sessions == ()

    @pytest.mark.parametrize(
        "change",
        [
            Change(status=Status.PAUSED),
            Change(title="Later"),
            Change(title=None),
            Change(metadata={"a": {"b": 1}}),
            Change(status=Status.PAUSED, title="", metadata={}),
        ],
    )
    def test_a_change_is_one_version_and_one_seq_further(
        self, store: AnyStore, session: Session, change: Change
    ) -> None:
        by = write(now=NOON + timedelta(minutes=1))
        written = store.change_session(session.session_id, change, by)
        expected = replace(
            session,
            status=session.status if change.status is KEEP else change.status,
            title=session.title if change.title is KEEP else change.title,
            metadata=session.metadata if change.metadata is KEEP else change.metadata,
            version=2,
            seq=1,
            change_seq=1,
            due_at=by.now + timedelta(seconds=35),
            seq_at=by.now,
            updated_at=by.now,
            written_by=by.request_id,
        )
        assert written == Written(expected, changed=True)
        assert stored(store, session) == expected

    @pytest.mark.parametrize(
        "change",
        [Change(status=Status.ACTIVE), Change(title="Standup"), Change(status=Status.ACTIVE, title="Standup")],
    )
    def test_a_change_to_what_is_there_writes_nothing(self, store: AnyStore, session: Session, change: Change) -> None:
        assert store.change_session(session.session_id, change, write()) == Written(session, changed=False)
        assert stored(store, session) == session

    def test_a_change_of_several_fields_is_made_if_one_of_them_differs(self, store: AnyStore, session: Session) -> None:
        change = Change(status=Status.ACTIVE, title="Later")
        assert store.change_session(session.session_id, change, write()).session.title == "Later"

    @pytest.mark.parametrize("change", [Change(title="x"), Change(status=Status.PAUSED), sessions.END])
    def test_what_may_not_be_changed_comes_back_as_it_was(
        self, store: AnyStore, session: Session, change: Change
    ) -> None:
        with pytest.raises(errors.SessionNotFound):
            store.change_session("a" * 26, change, write())
        refused = [
            write(versions=frozenset({9})),
            write(versions=frozenset()),
            write("mallory"),
            write(now=NOON + HOUR),
        ]
        for by in refused:
            assert store.change_session(session.session_id, change, by) == Written(session, changed=False)
        ended = store.change_session(session.session_id, sessions.END, write()).session
        assert store.change_session(session.session_id, change, write()) == Written(ended, changed=False)
        assert stored(store, session) == ended

    def test_the_versions_that_may_be_changed_are_changed(self, store: AnyStore, session: Session) -> None:
        by = write(versions=frozenset({1, 5}))
        assert store.change_session(session.session_id, Change(title="x"), by).session.version == 2

    def test_an_end_is_final_and_due_again_after_35_seconds(self, store: AnyStore, session: Session) -> None:
        ended_at = NOON + timedelta(minutes=1)
        by = write(now=ended_at)
        ended = store.change_session(session.session_id, sessions.END, by)
        assert ended.changed
        assert (ended.session.status, ended.session.ended_at, ended.session.seq) == (Status.ENDED, ended_at, 1)
        assert store.change_session(session.session_id, sessions.END, write()) == Written(ended.session, changed=False)
        assert stored(store, session) == ended.session
        assert list(store.due_sessions(ended_at + timedelta(seconds=34.9))) == []
        assert list(store.due_sessions(ended_at + timedelta(seconds=35))) == [session.session_id]

    def test_expiry_ends_what_is_past_it_and_nothing_else(self, store: AnyStore, session: Session) -> None:
        assert store.expire_session("a" * 26, NOON, "sweep-1") is None
        early = NOON + HOUR - timedelta(milliseconds=1)
        assert store.expire_session(session.session_id, early, "sweep-1") == Written(session, changed=False)
        now = NOON + HOUR + timedelta(seconds=5)
        expired = store.expire_session(session.session_id, now, "sweep-1")
        assert expired is not None
        assert expired.changed
        assert (expired.session.status, expired.session.ended_at) == (Status.ENDED, session.expires_at)
        assert (expired.session.version, expired.session.seq, expired.session.updated_at) == (2, 1, now)
        assert (expired.session.change_seq, expired.session.due_at) == (1, now + timedelta(seconds=35))
        assert store.expire_session(session.session_id, now, "sweep-2") == Written(expired.session, changed=False)
        assert store.expire_session(session.session_id, now, "sweep-1") == expired, "a repeat of the same request"
        late = now + timedelta(seconds=35)
        rerun = store.expire_session(session.session_id, late, "sweep-1")
        assert rerun == Written(expired.session, changed=False), "the same event, run again"

    def test_past_its_purge_a_session_takes_no_seq_and_is_not_ended(self, store: AnyStore, session: Session) -> None:
        purge = session.expires_at + timedelta(days=7)
        just_before = purge - timedelta(milliseconds=1)
        with pytest.raises(errors.SessionEnded):
            store.take_seq(session.session_id, just_before)
        with pytest.raises(errors.SessionNotFound):
            store.take_seq(session.session_id, purge)
        assert store.expire_session(session.session_id, purge, "sweep-1") is None
        assert stored(store, session) == session
        expired = store.expire_session(session.session_id, just_before, "sweep-1")
        assert expired is not None
        assert expired.changed
        assert store.expire_session(session.session_id, purge, "sweep-1") is None

    def test_a_change_is_untold_until_everybody_was_told_of_its_version(
        self, store: AnyStore, session: Session
    ) -> None:
        session_id, late = session.session_id, NOON + timedelta(seconds=35)
        assert not session.untold
        first = store.change_session(session_id, Change(title="1"), write()).session
        second = store.change_session(session_id, Change(title="2"), write()).session
        assert list(store.due_sessions(late - timedelta(milliseconds=1))) == []
        store.told_session(first)
        assert stored(store, session) == second, "told of another version"
        assert (second.untold, list(store.due_sessions(late))) == (True, [session_id])
        store.told_session(second)
        assert stored(store, session) == replace(second, due_at=session.expires_at)
        assert not stored(store, session).untold
        assert (list(store.due_sessions(late)), list(store.due_sessions(NOON + HOUR))) == ([], [session_id])
        store.told_session(replace(second, session_id="a" * 26))
        assert store.find_session("a" * 26) is None

    def test_an_end_stays_untold_until_it_is_settled(self, store: AnyStore, session: Session) -> None:
        ended = store.change_session(session.session_id, sessions.END, write()).session
        store.told_session(ended)
        assert stored(store, session) == ended
        assert ended.untold
        store.settle_session(session.session_id, NOON + timedelta(seconds=35))
        assert stored(store, session) == replace(ended, due_at=None)
        assert not stored(store, session).untold

    def test_a_message_takes_a_seq_and_leaves_that_of_the_change(self, store: AnyStore, session: Session) -> None:
        store.change_session(session.session_id, Change(title="x"), write())
        taken = store.take_seq(session.session_id, NOON)
        assert (taken.seq, taken.change_seq, taken.version) == (2, 1, 2)

    def test_a_session_is_due_at_its_expiry_and_settled_only_when_it_has_ended(
        self, store: AnyStore, session: Session
    ) -> None:
        late = NOON + HOUR
        assert list(store.due_sessions(late - timedelta(milliseconds=1))) == []
        assert list(store.due_sessions(late)) == [session.session_id]
        store.settle_session(session.session_id, late)
        assert list(store.due_sessions(late)) == [session.session_id], "it has not ended yet"
        store.expire_session(session.session_id, late, "sweep-1")
        store.settle_session(session.session_id, late)
        later = late + timedelta(seconds=35)
        assert list(store.due_sessions(later)) == [session.session_id], "a handshake may still be pending"
        store.settle_session(session.session_id, later)
        store.settle_session(session.session_id, later)
        assert list(store.due_sessions(later)) == []

    def test_a_list_is_the_owners_newest_first_without_metadata(self, store: AnyStore) -> None:
        made = [new_session(store, now=NOON + timedelta(milliseconds=i)) for i in (2, 0, 3, 1)]
        sessions.create_session(
            Draft(), replace(ALICE, subject="mallory"), store=store, now=NOON, random=bytes, request_id="m"
        )
        newest_first = sorted(made, key=lambda one: one.created_at, reverse=True)
        page = store.list_sessions("alice", None, 3)
        assert [one.session_id for one in page.sessions] == [one.session_id for one in newest_first[:3]]
        assert page.sessions[0] == replace(newest_first[0], metadata=None, seq=0, written_by="", due_at=None)
        assert page.after == Position(newest_first[2].created_at, newest_first[2].session_id)
        rest = store.list_sessions("alice", page.after, 3)
        assert [one.session_id for one in rest.sessions] == [newest_first[3].session_id]
        assert rest.after is None

    def test_a_list_follows_the_sessions(self, store: AnyStore, session: Session) -> None:
        store.change_session(session.session_id, Change(status=Status.PAUSED), write())
        assert store.list_sessions("alice", None, 1).sessions[0].status is Status.PAUSED

    def test_a_key_makes_one_session_of_its_owner(self, store: AnyStore) -> None:
        once = Once("key", "print")
        first = again(store, once, Draft(), "alice", 1)
        assert (first.changed, stored(store, first.session)) == (True, first.session)
        assert again(store, once, Draft(), "alice", 2) == Written(first.session, changed=False)
        other = again(store, once, Draft(), "bob", 3)
        assert other.changed, "another owner's key is another key"
        with pytest.raises(errors.IdempotencyMismatch):
            again(store, Once("key", "other print"), Draft(), "alice", 4)
        assert [one.session_id for one in store.list_sessions("alice", None, 9).sessions] == [first.session.session_id]

    def test_a_key_is_forgotten_after_a_day(self, store: AnyStore) -> None:
        first = again(store, Once("key", "print"), Draft(), "alice", 1)
        assert not again(store, Once("key", "print"), Draft(), "alice", 2, NOON + timedelta(hours=23)).changed
        for number, once in ((3, Once("key", "print")), (4, Once("key", "print"))):
            later = again(store, once, Draft(), "alice", number, NOON + timedelta(days=1))
            assert later.session != first.session
            assert later.changed is (number == 3), "and from then on it is the new session's"

    def test_a_connection_is_found_by_its_id_and_in_its_session(self, store: AnyStore) -> None:
        one, two = connection("s", "one="), connection("s", "two=")
        for joined in (one, two, connection("t", "three=")):
            store.connect(joined)
        assert store.find_connection("one=") == one
        assert roster(store, "s") == ["one=", "two="]
        store.disconnect(one)
        store.disconnect(one)
        assert store.find_connection("one=") is None
        assert roster(store, "s") == ["two="]

    def test_a_roster_says_what_a_delivery_needs(self, store: AnyStore) -> None:
        one = connection("s", "one=")
        store.connect(one)
        [[recipient]] = [list(page) for page in store.roster("s")]
        for name in ("connection_id", "session_id", "connected_at", "token_expires_at", "endpoint"):
            assert getattr(recipient, name) == getattr(one, name)

    def test_many_connections_are_listed_and_removed_together(self, store: AnyStore) -> None:
        many = [connection("s", f"{i:03d}=") for i in range(60)]
        for joined in many:
            store.connect(joined)
        assert roster(store, "s") == [one.connection_id for one in many]
        store.disconnect(*many[:55])
        assert roster(store, "s") == [one.connection_id for one in many[55:]]

    def test_connections_are_expelled_whole_and_leave_the_roster(self, store: AnyStore) -> None:
        many = [connection("s", f"{i:03d}=") for i in range(60)]
        for joined in (*many, connection("t", "000t=")):
            store.connect(joined)
        assert roster(store, "s") == [one.connection_id for one in many]
        store.expel(*many[:55])
        store.expel(*many[:2])
        assert roster(store, "s") == [one.connection_id for one in many[55:]]
        assert [store.find_connection(one.connection_id) for one in many[:55]] == [None] * 55

    def test_a_roster_says_which_connection_takes_the_place_of_which(self, store: AnyStore) -> None:
        new = replace(connection("s", "new="), replaces="old=")
        store.connect(new)
        [[found]] = [list(page) for page in store.roster("s")]
        assert found.replaces == "old="
        assert store.find_connection("new=") == new

    def test_a_roster_is_read_page_by_page_in_the_order_of_its_subjects(
        self, store: AnyStore, session: Session
    ) -> None:
        here = session.session_id
        bobs = [connection(here, f"{i}=", "bob") for i in range(3)]
        others = [connection(here, f"{i}=", f"subject-{i}") for i in range(4, 9)]
        for joined in (*reversed(bobs), *others, connection("t", "elsewhere=")):
            store.connect(joined)
        store.set_standing_role(session, "bob", Role.VIEWER)  # a row of the same place, before its roster
        members = sorted((*bobs, *others), key=lambda one: one.member)
        assert store.roster_page(here, None, 9) == (members, None)
        found, rest = store.roster_page(here, None, 5)
        assert (found, rest) == (members[:5], members[4].member)
        assert store.roster_page(here, rest, 5) == (members[5:], None)
        after_bob = [one for one in members if one.member > bobs[2].member]
        between = f"{subject_key('bob')}~"
        assert store.roster_page(here, between, 9) == (after_bob, None), "a place without a row"
        assert store.roster_page(here, "~", 9) == ([], None)
        assert list(store.connections_of(here, "bob")) == bobs
        assert list(store.connections_of(here, "alice")) == []

    def test_the_owners_word_on_a_subject_is_kept(self, store: AnyStore, session: Session) -> None:
        def said(subject: str = "bob") -> Standing:
            found, standing = store.find_with_standing(session.session_id, subject)
            assert found == session
            return standing

        assert said() == Standing()
        assert store.set_standing_role(session, "bob", Role.VIEWER) == said() == Standing(Role.VIEWER, None, 1)
        store.ban(session, "bob", NOON + HOUR)
        assert said() == Standing(Role.VIEWER, NOON + HOUR, 1)
        assert store.set_standing_role(session, "bob", Role.PARTICIPANT) == said()
        store.ban(session, "bob", None)
        store.ban(session, "bob", None)
        assert said() == Standing(Role.PARTICIPANT, None, 2)
        assert said("carol") == Standing()
        assert store.find_with_standing("a" * 26, "bob") == (None, Standing())
        assert roster(store, session.session_id) == [], "not a connection"

    def test_the_latest_word_on_a_role_wins_and_makes_no_row(self, store: AnyStore) -> None:
        one, absent = connection("s", "one="), connection("s", "absent=")
        store.connect(one)
        for role, revision, expected in (
            (Role.VIEWER, 0, Role.VIEWER),
            (Role.PARTICIPANT, 0, Role.VIEWER),
            (Role.PARTICIPANT, 2, Role.PARTICIPANT),
            (Role.VIEWER, 1, Role.PARTICIPANT),
            (Role.VIEWER, 3, Role.VIEWER),
        ):
            store.set_role(one, role, revision)
            assert store.find_connection("one=") == replace(one, role=expected)
            assert list(store.connections_of("s", "bob")) == [replace(one, role=expected)]
        store.set_role(absent, Role.VIEWER, 1)
        assert store.find_connection("absent=") is None
        assert roster(store, "s") == ["one="]

    def test_a_hand_over_ends_once_and_makes_no_row(self, store: AnyStore) -> None:
        new = replace(connection("s", "new="), replaces="old=")
        store.end_hand_over(new)
        assert store.find_connection("new=") is None
        store.connect(new)
        for _ in range(2):
            store.end_hand_over(new)
            assert store.find_connection("new=") == replace(new, replaces=None)
        assert roster(store, "s") == ["new="]

    def test_a_role_that_a_ticket_gave_counts_as_the_first_word(self, store: AnyStore) -> None:
        one = replace(connection("s", "one="), role=Role.PARTICIPANT)
        store.connect(one)
        store.set_role(one, Role.VIEWER, 0)
        assert store.find_connection("one=") == one
        store.set_role(one, Role.VIEWER, 1)
        assert store.find_connection("one=") == replace(one, role=Role.VIEWER)

    def test_seqs_are_taken_one_by_one_while_a_session_is_active(self, store: AnyStore, session: Session) -> None:
        taken = [store.take_seq(session.session_id, NOON) for _ in range(3)]
        assert taken == [replace(session, seq=seq, seq_at=NOON) for seq in (1, 2, 3)]
        assert stored(store, session) == taken[-1]
        assert store.change_session(session.session_id, Change(status=Status.PAUSED), write()).session.seq == 4
        for session_id, now, refusal in (
            ("a" * 26, NOON, errors.SessionNotFound),
            (session.session_id, NOON, errors.SessionPaused),
            (session.session_id, NOON + HOUR, errors.SessionEnded),
        ):
            with pytest.raises(refusal):
                store.take_seq(session_id, now)
        store.change_session(session.session_id, sessions.END, write())
        with pytest.raises(errors.SessionEnded):
            store.take_seq(session.session_id, NOON)
        assert stored(store, session).seq == 5

    def test_a_seq_for_an_owner_is_taken_by_the_owner_alone(self, store: AnyStore, session: Session) -> None:
        assert store.take_seq(session.session_id, NOON, owner_id="alice").seq == 1
        with pytest.raises(errors.NotOwner):
            store.take_seq(session.session_id, NOON, owner_id="bob")
        assert store.take_seq(session.session_id, NOON).seq == 2

    def test_the_connections_of_a_subject_are_those_in_one_session(self, store: AnyStore) -> None:
        mine = [connection("s", "one=", "carol"), connection("s", "two=", "carol")]
        for joined in (*mine, connection("s", "three=", "carole"), connection("t", "four=", "carol")):
            store.connect(joined)
        assert sorted(store.connections_of("s", "carol"), key=lambda one: one.connection_id) == mine
        assert list(store.connections_of("s", "caro")) == []

    def test_a_refresh_makes_a_connection_last_longer_and_never_shorter(self, store: AnyStore) -> None:
        one, other = connection("s", "one="), connection("s", "two=")
        for joined in (one, other):
            store.connect(joined)
        for hours, expected in ((2, 2), (3, 3), (3, 3), (1, 3), (2, 3)):
            now_until = store.refresh(one, NOON + hours * HOUR)
            assert now_until == NOON + expected * HOUR
            assert store.find_connection("one=") == replace(one, token_expires_at=now_until)
            [row] = [row for page in store.roster("s") for row in page if row.connection_id == "one="]
            assert row.token_expires_at == now_until
        assert store.find_connection("two=") == other

    def test_a_refresh_of_a_connection_that_has_gone_makes_none(self, store: AnyStore) -> None:
        one = connection("s", "one=")
        assert store.refresh(one, NOON + 2 * HOUR) is None
        store.connect(one)
        store.disconnect(one)
        assert store.refresh(one, NOON + 2 * HOUR) is None
        assert store.find_connection("one=") is None
        assert roster(store, "s") == []

    @pytest.mark.parametrize(
        "ticket",
        [
            Ticket("d" * 64, "s", "bob", NOON + MINUTE, token_expires_at=NOON + HOUR),
            Ticket("d" * 64, "s", "bob", NOON + MINUTE, None, "https://a.example", "old=", NOON + HOUR),
            Ticket("d" * 64, "s", "guest:é", NOON + MINUTE, Role.VIEWER, lasts=timedelta(seconds=60)),
        ],
        ids=["one's own", "of a page", "a guest's"],
    )
    def test_a_ticket_is_used_by_one_connection_which_may_ask_again(self, store: AnyStore, ticket: Ticket) -> None:
        store.put_ticket(ticket)
        used, just_before = replace(ticket, used_by="one="), NOON + MINUTE - timedelta(milliseconds=1)
        for _ in range(2):
            assert store.use_ticket(ticket.digest, "s", ticket.origin, "one=", just_before) == used
            assert store.use_ticket(ticket.digest, "s", ticket.origin, "two=", just_before) == used

    def test_a_ticket_that_does_not_admit_a_connection_comes_back_unused(self, store: AnyStore) -> None:
        ticket = Ticket("d" * 64, "s", "bob", NOON + MINUTE, origin="https://a.example", token_expires_at=NOON + HOUR)
        store.put_ticket(ticket)
        for session_id, origin, now in (
            ("t", ticket.origin, NOON),
            ("s", None, NOON),
            ("s", "https://b.example", NOON),
            ("s", ticket.origin, NOON + MINUTE),
        ):
            assert store.use_ticket(ticket.digest, session_id, origin, "one=", now) == ticket
        assert store.use_ticket("e" * 64, "s", None, "one=", NOON) is None
        assert store.use_ticket("e" * 64, "s", None, "one=", NOON) is None, "its use has made none"
        assert store.use_ticket(ticket.digest, "s", ticket.origin, "two=", NOON) == replace(ticket, used_by="two=")

    def test_the_store_answers(self, store: AnyStore) -> None:
        store.answers()
