"""Values as DynamoDB items and back. The store's contract (stores.py) shows the same through both stores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib import items
from chalicelib.memory import MemoryStore
from chalicelib.model import Change, Draft, Once, Session, Status
from tests.service.fakes import NOON, connection, new_session


@pytest.fixture
def session() -> Session:
    return new_session(MemoryStore(), Draft(title="Standup", metadata={"é": [1, 2.5, None]}, durable=True))


def test_a_session_comes_back_from_its_item(session: Session) -> None:
    untitled = replace(session, title=None, seq=7, version=3, status=Status.PAUSED, presence=True)
    for one in (session, untitled):
        assert items.to_session(items.session_item(one)) == one


def test_an_ended_session_comes_back_with_its_end(session: Session) -> None:
    item = {**items.session_item(replace(session, status=Status.ENDED)), "endedAt": {"S": "2026-03-01T12:01:00.000Z"}}
    assert items.to_session(item).ended_at == NOON + timedelta(minutes=1)


def test_an_index_without_metadata_gives_a_session_without_it(session: Session) -> None:
    kept = {
        name: of for name, of in items.session_item(session).items() if name not in ("metadata", "seq", "writtenBy")
    }
    assert items.to_session(kept) == replace(session, metadata=None, seq=0, written_by="")


def test_a_new_session_is_due_at_its_expiry_and_purged_a_week_later(session: Session) -> None:
    item = items.session_item(session)
    assert item["dueAt"] == item["expiresAt"]
    assert item["purgeAt"] == {"N": str(int((session.expires_at + timedelta(days=7)).timestamp()))}


def test_sessions_are_spread_over_all_shards() -> None:
    store = MemoryStore()
    shards = {items.session_item(new_session(store))["dueShard"]["S"] for _ in range(400)}
    assert shards == {str(shard) for shard in range(16)}


def test_a_change_sets_what_it_names_and_keeps_the_rest() -> None:
    assert items.change_fields(Change()) == {}
    assert items.change_fields(Change(title=None)) == {"title": {"NULL": True}}
    assert items.change_fields(Change(Status.ENDED, "x", {"a": 1})) == {
        "status": {"S": "ended"},
        "title": {"S": "x"},
        "metadata": {"S": '{"a":1}'},
    }


def test_a_status_of_a_later_version_counts_as_paused(session: Session) -> None:
    """In a rolling deploy one row must not break the list of its owner."""
    item = {**items.session_item(session), "status": {"S": "locked"}}
    assert items.to_session(item) == replace(session, status=Status.PAUSED)


def test_the_last_change_of_a_row_of_an_earlier_version_has_the_last_seq(session: Session) -> None:
    """In a rolling deploy the sweep tells an end that the version before has written. Numbers begin at 1."""
    item = {name: of for name, of in items.session_item(replace(session, seq=7)).items() if name != "changeSeq"}
    assert items.to_session(item).change_seq == 7


def test_a_change_is_due_when_no_handshake_can_be_pending() -> None:
    assert items.due_at(NOON) == {"S": "2026-03-01T12:00:35.000Z"}


def test_a_connection_has_two_copies_that_both_come_back() -> None:
    one = connection("s")
    copies = items.connection_items(one)
    assert [copy["place"] for copy in copies] == [{"S": "connection#one="}, {"S": "session#s"}]
    assert [items.to_connection(copy) for copy in copies] == [one, one]
    keys = [{name: copy[name] for name in ("place", "member")} for copy in copies]
    assert keys == items.connection_keys(one)


def test_a_create_is_remembered_under_its_owner_for_a_day(session: Session) -> None:
    item = items.once_item(session, Once("key", "print"))
    assert (item["place"], item["member"]) == ({"S": "create#alice"}, {"S": "key"})
    assert (item["sessionId"], item["fingerprint"]) == ({"S": session.session_id}, {"S": "print"})
    assert item["purgeAt"] == items.seconds(session.created_at + timedelta(days=1))
