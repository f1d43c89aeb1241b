"""The contract of both stores for presence."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib.members import Standing
from chalicelib.model import NEVER, Draft, Session
from tests.service.fakes import NOON, connection, new_session
from tests.service.stores import AnyStore, stored

MINUTE = timedelta(minutes=1)


class PresenceStoreContract:
    """Behaviour of each store. Its subclasses have a fixture `store`."""

    @pytest.fixture
    def session(self, store: AnyStore) -> Session:
        return new_session(store, Draft(presence=True))

    def test_numbers_are_taken_one_by_one_where_presence_is_told(self, store: AnyStore, session: Session) -> None:
        for n in (1, 2, 3):
            taken = store.take_presence_seq(session.session_id)
            assert taken == stored(store, session)
            assert (taken.presence_seq, taken.seq, taken.version) == (n, 0, 1)
        assert store.take_presence_seq(new_session(store).session_id) is None
        assert store.take_presence_seq("a" * 26) is None
        assert store.find_session("a" * 26) is None

    def test_a_connection_knows_that_its_session_has_presence(self, store: AnyStore) -> None:
        one = connection("s")
        store.connect(one)
        store.note_presence(one)
        found = store.find_connection("one=")
        assert found is not None
        assert found.presence

    def test_a_look_shows_ready_connections_with_their_states(self, store: AnyStore) -> None:
        for i, subject in enumerate(("bob", "bob", "carol")):
            store.connect(connection("s", f"{i}=", subject))
        elsewhere = connection("t", "4=")
        store.connect(elsewhere)
        assert store.mark_ready(elsewhere)
        assert store.look("s", "bob", 10) == (Standing(), [])
        assert store.mark_ready(connection("s", "1=", "bob"))
        assert store.mark_ready(connection("s", "1=", "bob"))
        assert store.set_state(connection("s", "1=", "bob"), '{"é":1}', NOON + MINUTE)
        assert store.set_state(connection("s", "2=", "carol"), "[]", NOON)
        _, [ready] = store.look("s", "bob", 10)
        assert (ready.connection_id, ready.subject, ready.ready) == ("1=", "bob", True)
        assert (ready.state, ready.state_at) == ('{"é":1}', NOON + MINUTE)

    def test_a_look_ends_at_so_many_however_many_are_there(self, store: AnyStore) -> None:
        for i in range(30):
            store.connect(connection("s", f"{i}=", f"{i // 2}"))
        for i in range(20):
            store.mark_ready(connection("s", f"{i}=", f"{i // 2}"))
        for at_most in (1, 5, 19, 20, 21):
            _, ready = store.look("s", "bob", at_most)
            assert len({one.connection_id for one in ready}) == len(ready) == min(at_most, 20)
            assert [one.member for one in ready] == sorted(one.member for one in ready)

    def test_a_look_has_the_owners_word_on_one_subject(self, store: AnyStore, session: Session) -> None:
        one = connection(session.session_id)
        store.connect(one)
        store.mark_ready(one)
        for n, subject in enumerate(("bob", "carol", "dan", "erin", "frank")):
            store.ban(session, subject, NOON + n * MINUTE)
        for n, subject in enumerate(("bob", "carol", "dan", "erin", "frank")):
            standing, ready = store.look(session.session_id, subject, 2)
            assert standing.banned_until == NOON + n * MINUTE
            assert [one.connection_id for one in ready] == ["one="]

    def test_nothing_comes_back_of_a_connection_that_has_gone(self, store: AnyStore) -> None:
        one = connection("s")
        for _ in range(2):
            store.note_presence(one)
            assert not store.mark_ready(one)
            assert not store.set_state(one, "1", NOON)
            assert store.find_connection("one=") is None
            assert store.look("s", "bob", 10) == (Standing(), [])
            store.connect(one)
            store.disconnect(one)

    def test_telling_ends_and_begins_by_the_last_number(self, store: AnyStore, session: Session) -> None:
        def number() -> Session:
            taken = store.take_presence_seq(session.session_id)
            assert taken is not None
            return taken

        first, second = number(), number()
        assert not second.crowded
        store.end_telling(second)
        assert (stored(store, session).presence_since, stored(store, session).crowded) == (NEVER, True)
        store.begin_telling(first)
        assert stored(store, session).crowded, "not by an earlier one"
        third = number()
        assert third.crowded
        store.begin_telling(third)
        assert (stored(store, session).presence_since, stored(store, session).crowded) == (3, False)

    def test_a_change_that_is_not_told_is_noted_though_a_later_one_is(self, store: AnyStore, session: Session) -> None:
        taken = [store.take_presence_seq(session.session_id) for _ in range(4)]
        for told, since in ((1, 3), (0, 3), (2, 4), (1, 4)):
            before = taken[told]
            assert before is not None
            store.end_telling(before)
            assert (stored(store, session).presence_since, stored(store, session).crowded) == (since, False)
