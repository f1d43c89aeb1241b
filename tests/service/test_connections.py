"""Connect and disconnect, on the store in memory."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chalicelib import connections, errors, frames
from chalicelib.credentials import Secret
from chalicelib.members import CONNECTION_PURGE, Connection, Duplicates, Standing
from chalicelib.memory import MemoryStore
from chalicelib.model import Change, Draft, Principal, Session, Status
from chalicelib.sessions import END
from tests.service.fakes import ENDPOINT, NOON, UNLIMITED, Deliveries, connection, new_session, write

BOB = Principal("bob", NOON + timedelta(hours=1))


def join(store: MemoryStore, session_id: str, connection_id: str = "one=") -> Connection:
    handshake = frames.Handshake(connection_id, session_id, Secret("token"), None, ENDPOINT)
    return connections.connect(
        handshake, BOB, store=store, deliver=Deliveries(), now=NOON, limits=UNLIMITED, correlation_id="c"
    )


def test_a_connection_keeps_who_it_is_and_where_it_is_reached(store: MemoryStore, session: Session) -> None:
    joined = join(store, session.session_id)
    assert store.find_connection("one=") == joined == connection(session.session_id)


def test_a_paused_session_can_be_joined(store: MemoryStore, session: Session) -> None:
    store.change_session(session.session_id, Change(status=Status.PAUSED), write())
    assert join(store, session.session_id).session_id == session.session_id


def test_a_refused_connection_leaves_nothing_behind(store: MemoryStore, session: Session) -> None:
    short = new_session(store, Draft(expires_in=timedelta(seconds=60)), now=NOON - timedelta(minutes=5))
    store.change_session(session.session_id, END, write())
    for session_id, refusal in (
        ("a" * 26, errors.SessionNotFound),
        ("not an id", errors.SessionNotFound),
        (session.session_id, errors.SessionEnded),
        (short.session_id, errors.SessionEnded),
    ):
        with pytest.raises(refusal):
            join(store, session_id)
        assert store.find_connection("one=") is None


class Unreachable(MemoryStore):
    def find_with_standing(self, session_id: str, subject: str) -> tuple[Session | None, Standing]:
        raise errors.Unavailable("The database")


def test_a_connection_is_refused_when_the_session_cannot_be_read() -> None:
    store = Unreachable()
    with pytest.raises(errors.Unavailable):
        join(store, "a" * 26)
    assert store.find_connection("one=") is None


def test_a_disconnect_is_harmless_twice(store: MemoryStore, session: Session) -> None:
    join(store, session.session_id)
    for _ in range(2):
        connections.disconnect("one=", store=store, deliver=Deliveries(), now=NOON, correlation_id="c")
        assert store.find_connection("one=") is None
        assert list(store.roster(session.session_id)) == [[]]


def test_what_cannot_be_an_id_is_refused_without_asking_the_store() -> None:
    nothing = object()  # an object without any method
    for session_id in ("", "a" * 25, "A" * 26, "a" * 10_000, "session#x"):
        with pytest.raises(errors.SessionNotFound):
            join(nothing, session_id)  # type: ignore[arg-type]


class HalfWritten(MemoryStore):
    def connect(self, connection: Connection) -> None:
        super().connect(connection)
        raise errors.Unavailable("The database")


def test_rows_whose_answer_was_lost_are_removed_again() -> None:
    store = HalfWritten()
    with pytest.raises(errors.Unavailable):
        join(store, new_session(store).session_id)
    assert store.find_connection("one=") is None


@pytest.mark.parametrize(
    "draft", [Draft(max_connections=1), Draft(duplicates=Duplicates.OLDEST)], ids=["full", "oldest"]
)
def test_a_row_that_outlived_its_socket_keeps_nobody_out(store: MemoryStore, draft: Draft) -> None:
    """API Gateway may lose a $disconnect, and TTL may take days."""
    session = new_session(store, draft)
    store.connect(connection(session.session_id, "ghost=", connected_at=NOON - CONNECTION_PURGE))
    join(store, session.session_id)
