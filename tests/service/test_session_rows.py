"""Rows of sessions on DynamoDB: indexes, broken rows, lost answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib import errors
from chalicelib.model import Change, Draft, Once
from chalicelib.sessions import END
from chalicelib.settings import Tables as TableNames
from chalicelib.storage import Store
from pytest_sessionplugin.aws.faults import Faults
from tests.service.fakes import NOON, new_session, write
from tests.service.stores import HOUR, again, stored

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

WORDS = {"SET", "ADD", "REMOVE", "AND", "OR", "IN", "attribute_not_exists"}


def test_a_settled_session_leaves_the_index_of_due_ones(dynamodb_store: Store, dynamodb_tables: Tables) -> None:
    session = new_session(dynamodb_store)
    dynamodb_store.change_session(session.session_id, END, write())
    late = NOON + timedelta(minutes=1)
    dynamodb_store.settle_session(session.session_id, late)
    item = dynamodb_tables["Sessions"].get_item(Key={"sessionId": session.session_id})["Item"]
    assert not {"dueAt", "dueShard"} & set(item)


def test_a_taken_id_is_not_written_over(dynamodb_store: Store) -> None:
    session = new_session(dynamodb_store)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb_store.create_session(replace(session, owner_id="mallory", written_by="another request"), None)
    assert stored(dynamodb_store, session) == session


@pytest.mark.parametrize(
    ("name", "odd"),
    [("version", None), ("durable", "yes"), ("createdAt", "zzz"), ("expiresAt", 7), ("version", "three")],
)
def test_a_session_that_cannot_be_read_is_logged_and_keeps_no_other_out_of_the_list(
    dynamodb_store: Store, dynamodb_tables: Tables, caplog: pytest.LogCaptureFixture, name: str, odd: Any
) -> None:
    made = [new_session(dynamodb_store, now=NOON + timedelta(seconds=i)).session_id for i in range(3)]
    rows = dynamodb_tables["Sessions"]
    row = rows.get_item(Key={"sessionId": made[1]})["Item"]
    del row[name]
    rows.put_item(Item=row if odd is None else {**row, name: odd})
    page = dynamodb_store.list_sessions("alice", None, 3)
    assert [one.session_id for one in page.sessions] == [made[2], made[0]]
    assert caplog.messages == ["a row of a session cannot be read"]
    assert (caplog.records[0].levelname, "Standup" in caplog.text) == ("ERROR", False)
    assert f"'{odd}'" not in caplog.text


class OutOfReach:
    """A client that answers for no shard of `out`; each other has one due session, of the shard's name."""

    def __init__(self, *out: str) -> None:
        self.out = out
        self.asked: list[str] = []

    def query(self, ExpressionAttributeValues: dict[str, dict[str, str]], **query: Any) -> dict[str, Any]:
        shard = ExpressionAttributeValues[":shard"]["S"]
        self.asked.append(shard)
        if shard in self.out:
            raise ReadTimeoutError(endpoint_url="https://dynamodb")
        return {"Items": [{"sessionId": {"S": shard}}]}


@pytest.mark.parametrize(("out", "asked"), [(("3",), 16), (("0", "15"), 16), (("2", "5", "7", "9"), 8)])
def test_a_shard_that_is_out_of_reach_keeps_no_other_from_the_sweep(out: tuple[str, ...], asked: int) -> None:
    client: Any = OutOfReach(*out)
    found = []
    midnight = NOON.replace(hour=0)  # this minute's sweep begins at shard 0
    with pytest.raises(errors.Unavailable):  # noqa: PT012  what was found before
        for session_id in Store(client, TableNames("s", "c", "e")).due_sessions(midnight):
            found.append(session_id)
    assert client.asked == [str(shard) for shard in range(asked)]
    assert found == [shard for shard in client.asked if shard not in out]


class TestLostAnswers:
    """The write is made, its answer is lost, and botocore retries."""

    @pytest.fixture
    def lose(self, aws_faults: Faults) -> Any:
        return lambda operation: aws_faults.answer_lost(f"dynamodb:{operation}", times=1)

    def test_of_a_create(self, dynamodb_store: Store, lose: Any) -> None:
        lose("PutItem")
        session = new_session(dynamodb_store)
        assert stored(dynamodb_store, session) == session

    def test_of_a_create_with_a_key(self, dynamodb_store: Store, lose: Any) -> None:
        lose("TransactWriteItems")
        made = again(dynamodb_store, Once("key", "print"), Draft(), "alice", 1)
        assert made.changed, "it was made by this request, not replayed"

    def test_of_a_change(self, dynamodb_store: Store, lose: Any) -> None:
        session = new_session(dynamodb_store)
        lose("UpdateItem")
        written = dynamodb_store.change_session(session.session_id, Change(title="x"), write())
        assert (written.changed, written.session.version, written.session.seq) == (True, 2, 1)
        assert stored(dynamodb_store, session) == written.session

    def test_of_an_end(self, dynamodb_store: Store, lose: Any) -> None:
        session = new_session(dynamodb_store)
        lose("UpdateItem")
        written = dynamodb_store.change_session(session.session_id, END, write())
        assert (written.changed, written.session.version) == (True, 2)

    def test_of_an_expiry(self, dynamodb_store: Store, lose: Any) -> None:
        session = new_session(dynamodb_store, Draft(expires_in=HOUR))
        lose("UpdateItem")
        written = dynamodb_store.expire_session(session.session_id, session.expires_at, "sweep")
        assert written is not None
        assert (written.changed, written.session.version) == (True, 2)

    def test_of_a_seq_leaves_a_gap_and_never_a_double(self, dynamodb_store: Store, lose: Any) -> None:
        session = new_session(dynamodb_store)
        lose("UpdateItem")
        assert [dynamodb_store.take_seq(session.session_id, NOON).seq for _ in range(2)] == [2, 3]
