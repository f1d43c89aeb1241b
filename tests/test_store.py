"""One contract for the tables and for the store in memory that stands in for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import pytest
from botocore.exceptions import ClientError

from chalicelib import dynamo, errors, sessions
from chalicelib.local import MemoryStore
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
from chalicelib.storage import Store
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.aws.tables import Tables
from tests.unit.fakes import ALICE, NOON, connection, new_session, write

AnyStore: TypeAlias = "Store | MemoryStore"
HOUR = timedelta(hours=1)


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> AnyStore:
    if request.param == "memory":
        return MemoryStore()
    real: Store = request.getfixturevalue("dynamodb_store")
    return real


@pytest.fixture
def session(store: AnyStore) -> Session:
    return new_session(store, Draft(title="Standup", metadata={"é": [1, 2.5, None]}, expires_in=HOUR))


def stored(store: AnyStore, session: Session) -> Session:
    found = store.find_session(session.session_id)
    assert found is not None
    return found


def test_a_session_comes_back_as_it_was_stored(store: AnyStore, session: Session) -> None:
    assert stored(store, session) == session


def test_what_was_never_stored_is_not_there(store: AnyStore) -> None:
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
def test_a_change_is_one_version_and_one_seq_further(store: AnyStore, session: Session, change: Change) -> None:
    by = write(now=NOON + timedelta(minutes=1))
    written = store.change_session(session.session_id, change, by)
    expected = replace(
        session,
        status=session.status if change.status is KEEP else change.status,
        title=session.title if change.title is KEEP else change.title,
        metadata=session.metadata if change.metadata is KEEP else change.metadata,
        version=2,
        seq=1,
        updated_at=by.now,
        written_by=by.request_id,
    )
    assert written == Written(expected, changed=True)
    assert stored(store, session) == expected


@pytest.mark.parametrize(
    "change",
    [Change(status=Status.ACTIVE), Change(title="Standup"), Change(status=Status.ACTIVE, title="Standup")],
)
def test_a_change_to_what_is_there_writes_nothing(store: AnyStore, session: Session, change: Change) -> None:
    assert store.change_session(session.session_id, change, write()) == Written(session, changed=False)
    assert stored(store, session) == session


def test_a_change_of_several_fields_is_made_if_one_of_them_differs(store: AnyStore, session: Session) -> None:
    change = Change(status=Status.ACTIVE, title="Later")
    assert store.change_session(session.session_id, change, write()).session.title == "Later"


@pytest.mark.parametrize("change", [Change(title="x"), Change(title="Standup"), Change(status=Status.ENDED, title="x")])
def test_the_old_item_tells_the_refusals_apart_in_their_order(
    store: AnyStore, session: Session, change: Change
) -> None:
    other = frozenset({9})
    with pytest.raises(errors.SessionNotFound):
        store.change_session("a" * 26, change, write())
    with pytest.raises(errors.VersionMismatch) as mismatch:
        store.change_session(session.session_id, change, write(versions=other))
    assert mismatch.value.version == 1
    with pytest.raises(errors.VersionMismatch):
        store.change_session(session.session_id, change, write(versions=frozenset()))
    with pytest.raises(errors.SessionEnded):
        store.change_session(session.session_id, change, write(now=NOON + HOUR, versions=other))
    store.end_session(session.session_id, write())
    with pytest.raises(errors.SessionEnded):
        store.change_session(session.session_id, change, write(versions=other))
    with pytest.raises(errors.NotOwner):
        store.change_session(session.session_id, change, write("mallory", versions=other))


def test_the_versions_that_may_be_changed_are_changed(store: AnyStore, session: Session) -> None:
    by = write(versions=frozenset({1, 5}))
    assert store.change_session(session.session_id, Change(title="x"), by).session.version == 2


def test_an_end_is_final_and_due_again_after_35_seconds(store: AnyStore, session: Session) -> None:
    ended_at = NOON + timedelta(minutes=1)
    by = write(now=ended_at)
    ended = store.end_session(session.session_id, by)
    assert ended.changed
    assert (ended.session.status, ended.session.ended_at, ended.session.seq) == (Status.ENDED, ended_at, 1)
    assert store.end_session(session.session_id, write()) == Written(ended.session, changed=False)
    assert stored(store, session) == ended.session
    assert list(store.due_sessions(ended_at + timedelta(seconds=34.9))) == []
    assert list(store.due_sessions(ended_at + timedelta(seconds=35))) == [session.session_id]


def test_an_end_is_refused_as_a_change_is(store: AnyStore, session: Session) -> None:
    with pytest.raises(errors.SessionNotFound):
        store.end_session("a" * 26, write())
    with pytest.raises(errors.NotOwner):
        store.end_session(session.session_id, write("mallory"))
    with pytest.raises(errors.VersionMismatch):
        store.end_session(session.session_id, write(versions=frozenset({2})))


def test_what_has_expired_is_not_ended_by_hand(store: AnyStore, session: Session) -> None:
    assert store.end_session(session.session_id, write(now=NOON + HOUR)) == Written(session, changed=False)


def test_expiry_ends_what_is_past_it_and_nothing_else(store: AnyStore, session: Session) -> None:
    assert store.expire_session("a" * 26, NOON) is None
    assert store.expire_session(session.session_id, NOON + HOUR - timedelta(milliseconds=1)) is None
    now = NOON + HOUR + timedelta(seconds=5)
    expired = store.expire_session(session.session_id, now)
    assert expired is not None
    assert expired.changed
    assert (expired.session.status, expired.session.ended_at) == (Status.ENDED, session.expires_at)
    assert (expired.session.version, expired.session.seq, expired.session.updated_at) == (2, 1, now)
    assert store.expire_session(session.session_id, now) == Written(expired.session, changed=False)


def test_a_session_is_due_at_its_expiry_and_settled_only_when_it_has_ended(store: AnyStore, session: Session) -> None:
    late = NOON + HOUR
    assert list(store.due_sessions(late - timedelta(milliseconds=1))) == []
    assert list(store.due_sessions(late)) == [session.session_id]
    store.settle_session(session.session_id, late)
    assert list(store.due_sessions(late)) == [session.session_id], "it has not ended yet"
    store.expire_session(session.session_id, late)
    store.settle_session(session.session_id, late)
    later = late + timedelta(seconds=35)
    assert list(store.due_sessions(later)) == [session.session_id], "a handshake may still be pending"
    store.settle_session(session.session_id, later)
    store.settle_session(session.session_id, later)
    assert list(store.due_sessions(later)) == []


def test_a_list_is_the_owners_newest_first_without_metadata(store: AnyStore) -> None:
    made = [new_session(store, now=NOON + timedelta(milliseconds=i)) for i in (2, 0, 3, 1)]
    sessions.create_session(
        Draft(), replace(ALICE, subject="mallory"), store=store, now=NOON, random=bytes, request_id="m"
    )
    newest_first = sorted(made, key=lambda one: one.created_at, reverse=True)
    page = store.list_sessions("alice", None, 3)
    assert [one.session_id for one in page.sessions] == [one.session_id for one in newest_first[:3]]
    assert page.sessions[0] == replace(newest_first[0], metadata=None, seq=0, written_by="")
    assert page.after == Position(newest_first[2].created_at, newest_first[2].session_id)
    rest = store.list_sessions("alice", page.after, 3)
    assert [one.session_id for one in rest.sessions] == [newest_first[3].session_id]
    assert rest.after is None


def test_a_list_follows_the_sessions(store: AnyStore, session: Session) -> None:
    store.change_session(session.session_id, Change(status=Status.PAUSED), write())
    assert store.list_sessions("alice", None, 1).sessions[0].status is Status.PAUSED


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


def test_a_key_makes_one_session_of_its_owner(store: AnyStore) -> None:
    once = Once("key", "print")
    first = again(store, once, Draft(), "alice", 1)
    assert (first.changed, stored(store, first.session)) == (True, first.session)
    assert again(store, once, Draft(), "alice", 2) == Written(first.session, changed=False)
    other = again(store, once, Draft(), "bob", 3)
    assert other.changed, "another owner's key is another key"
    with pytest.raises(errors.IdempotencyMismatch):
        again(store, Once("key", "other print"), Draft(), "alice", 4)
    assert [one.session_id for one in store.list_sessions("alice", None, 9).sessions] == [first.session.session_id]


def test_a_key_is_forgotten_after_a_day(store: AnyStore) -> None:
    first = again(store, Once("key", "print"), Draft(), "alice", 1)
    assert not again(store, Once("key", "print"), Draft(), "alice", 2, NOON + timedelta(hours=23)).changed
    for number, once in ((3, Once("key", "print")), (4, Once("key", "print"))):
        later = again(store, once, Draft(), "alice", number, NOON + timedelta(days=1))
        assert later.session != first.session
        assert later.changed is (number == 3), "and from then on it is the new session's"


def roster(store: AnyStore, session_id: str) -> list[str]:
    return sorted(one.connection_id for page in store.roster(session_id) for one in page)


def test_a_connection_is_found_by_its_id_and_in_its_session(store: AnyStore) -> None:
    one, two = connection("s", "one="), connection("s", "two=")
    for joined in (one, two, connection("t", "three=")):
        store.connect(joined)
    assert store.find_connection("one=") == one
    assert roster(store, "s") == ["one=", "two="]
    store.disconnect(one)
    store.disconnect(one)
    assert store.find_connection("one=") is None
    assert roster(store, "s") == ["two="]


def test_a_roster_says_what_a_delivery_needs(store: AnyStore) -> None:
    one = connection("s", "one=")
    store.connect(one)
    [[recipient]] = [list(page) for page in store.roster("s")]
    for name in ("connection_id", "session_id", "connected_at", "token_expires_at", "endpoint"):
        assert getattr(recipient, name) == getattr(one, name)


def test_many_connections_are_listed_and_removed_together(store: AnyStore) -> None:
    many = [connection("s", f"{i:03d}=") for i in range(60)]
    for joined in many:
        store.connect(joined)
    assert roster(store, "s") == [one.connection_id for one in many]
    store.disconnect(*many[:55])
    assert roster(store, "s") == [one.connection_id for one in many[55:]]


def test_seqs_are_taken_one_by_one_while_a_session_is_active(store: AnyStore, session: Session) -> None:
    assert [store.take_seq(session.session_id, NOON) for _ in range(3)] == [1, 2, 3]
    assert stored(store, session) == replace(session, seq=3)
    assert store.change_session(session.session_id, Change(status=Status.PAUSED), write()).session.seq == 4
    for session_id, now, refusal in (
        ("a" * 26, NOON, errors.SessionNotFound),
        (session.session_id, NOON, errors.SessionPaused),
        (session.session_id, NOON + HOUR, errors.SessionEnded),
    ):
        with pytest.raises(refusal):
            store.take_seq(session_id, now)
    store.end_session(session.session_id, write())
    with pytest.raises(errors.SessionEnded):
        store.take_seq(session.session_id, NOON)
    assert stored(store, session).seq == 5


def test_the_store_answers(store: AnyStore) -> None:
    store.answers()


# --- what only the tables can show


def names_of(tables: Tables) -> TableNames:
    return TableNames(*(tables[logical].name for logical in ("Sessions", "Connections", "Events")))


@pytest.fixture
def dynamodb_store(dynamodb_tables: Tables) -> Store:
    return Store(dynamo.connect("us-east-1"), names_of(dynamodb_tables))


def test_what_is_purged_when(dynamodb_store: Store, dynamodb_tables: Tables) -> None:
    session = new_session(dynamodb_store, Draft(expires_in=HOUR))
    dynamodb_store.connect(connection(session.session_id))
    again(dynamodb_store, Once("key", "print"), Draft(), "alice", 1)
    item = dynamodb_tables["Sessions"].get_item(Key={"sessionId": session.session_id})["Item"]
    assert item["purgeAt"] == int((session.expires_at + timedelta(days=7)).timestamp())
    rows = dynamodb_tables["Connections"].scan()["Items"]
    purged = {str(row["place"]).partition("#")[0]: row["purgeAt"] for row in rows}
    in_time = int((NOON + timedelta(hours=2, minutes=5)).timestamp())
    assert purged == {
        "connection": in_time,
        "session": in_time,
        "idempotency": int((NOON + timedelta(days=1)).timestamp()),
    }


def test_an_end_does_not_outlive_what_it_ends(dynamodb_store: Store, dynamodb_tables: Tables) -> None:
    session = new_session(dynamodb_store)
    dynamodb_store.end_session(session.session_id, write())
    late = NOON + timedelta(minutes=1)
    dynamodb_store.settle_session(session.session_id, late)
    item = dynamodb_tables["Sessions"].get_item(Key={"sessionId": session.session_id})["Item"]
    assert not {"dueAt", "dueShard"} & set(item), "an ended session that is settled leaves the index"


@pytest.fixture
def asked(dynamodb_tables: Tables) -> Iterator[tuple[Store, list[tuple[str, dict[str, Any]]]]]:
    """A store, and what it asks: operations and their parameters."""
    client = dynamo.connect("us-east-1")
    requests: list[tuple[str, dict[str, Any]]] = []
    client.meta.events.register(
        "provide-client-params.dynamodb",
        lambda params, model, **unused: requests.append((model.name, dict(params))),
    )
    yield Store(client, names_of(dynamodb_tables)), requests
    client.close()


class TestWhatIsAsked:
    """Parameters that no emulator makes a difference of."""

    def test_what_decides_is_read_strongly(self, asked: Any) -> None:
        store, requests = asked
        session = new_session(store)
        requests.clear()
        store.find_session(session.session_id)
        store.find_connection("one=")
        roster(store, session.session_id)
        assert [(name, params["ConsistentRead"]) for name, params in requests] == [
            ("GetItem", True),
            ("GetItem", True),
            ("Query", True),
        ]

    def test_a_roster_is_read_without_what_no_delivery_needs(self, asked: Any) -> None:
        store, requests = asked
        roster(store, "s")
        fields = {
            requests[0][1]["ExpressionAttributeNames"][alias]
            for alias in requests[0][1]["ProjectionExpression"].split(", ")
        }
        assert fields == {"connectionId", "connectedAt", "tokenExpiresAt", "apiId", "stage", "region"}

    def test_a_create_with_a_key_may_be_sent_twice(self, asked: Any) -> None:
        store, requests = asked
        made = again(store, Once("key", "print"), Draft(), "alice", 1)
        assert requests[0][1]["ClientRequestToken"] == made.session.session_id

    def test_each_minutes_sweep_begins_at_another_shard(self, asked: Any) -> None:
        store, requests = asked
        first = []
        for minute in range(17):
            requests.clear()
            assert list(store.due_sessions(NOON + timedelta(minutes=minute))) == []
            shards = [params["ExpressionAttributeValues"][":shard"]["S"] for _, params in requests]
            assert sorted(shards, key=int) == [str(shard) for shard in range(16)]
            first.append(shards[0])
        assert len(set(first[:16])) == 16
        assert first[16] == first[0]


def test_time_outs_fit_what_api_gateway_waits() -> None:
    usual: Any = dynamo.connect("us-east-1").meta.config
    impatient: Any = dynamo.connect("us-east-1", patience=0.3).meta.config
    assert (usual.connect_timeout, usual.read_timeout, usual.retries["total_max_attempts"]) == (1, 2, 2)
    assert (impatient.connect_timeout, impatient.read_timeout, impatient.retries["total_max_attempts"]) == (0.3, 0.3, 1)


def test_a_taken_id_is_not_written_over(dynamodb_store: Store) -> None:
    session = new_session(dynamodb_store)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        dynamodb_store.create_session(replace(session, owner_id="mallory", written_by="another request"), None)
    assert stored(dynamodb_store, session) == session


def test_a_roster_of_many_pages_is_read_to_its_end(dynamodb_store: Store, dynamodb_tables: Tables) -> None:
    for i in range(4):
        dynamodb_store.connect(connection("s", f"{i}="))
        dynamodb_tables["Connections"].update_item(
            Key={"place": "session#s", "connectionId": f"{i}="},
            UpdateExpression="SET padding = :padding",
            ExpressionAttributeValues={":padding": "x" * 390_000},
        )
    pages = [list(page) for page in dynamodb_store.roster("s")]
    assert len(pages) > 1
    assert roster(dynamodb_store, "s") == ["0=", "1=", "2=", "3="]


class Unprocessing:
    """A client that leaves the second half of each batch undone, `times` times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.done: list[Any] = []

    def batch_write_item(self, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:
        [(table, requests)] = RequestItems.items()
        done = len(requests) // 2 if self.times else len(requests)
        self.times = max(0, self.times - 1)
        self.done += requests[:done]
        rest = requests[done:]
        return {"UnprocessedItems": {table: rest} if rest else {}}


def test_what_a_batch_leaves_undone_is_asked_once_more_and_then_unavailable() -> None:
    patient: Any = Unprocessing(1)
    Store(patient, TableNames("s", "c", "e")).connect(connection("s"))
    assert sorted(one["PutRequest"]["Item"]["place"]["S"] for one in patient.done) == ["connection#one=", "session#s"]
    hopeless: Any = Unprocessing(9)
    with pytest.raises(errors.Unavailable):
        Store(hopeless, TableNames("s", "c", "e")).connect(connection("s"))


def test_a_transaction_that_meets_another_is_unavailable(dynamodb_store: Store, aws_faults: Faults) -> None:
    aws_faults.failing("dynamodb:TransactWriteItems", code="TransactionInProgressException", status=400)
    with pytest.raises(errors.Unavailable):
        again(dynamodb_store, Once("key", "print"), Draft(), "alice", 1)


def test_expired_items_are_purged_by_dynamodb(dynamodb_tables: Tables) -> None:
    for table in dynamodb_tables.values():
        said = table.meta.client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
        assert (said["AttributeName"], said["TimeToLiveStatus"]) == ("purgeAt", "ENABLED")


class TestLostAnswers:
    """The write is made, its answer never arrives, and botocore asks again."""

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
        written = dynamodb_store.end_session(session.session_id, write())
        assert (written.changed, written.session.version) == (True, 2)

    def test_of_a_seq_leaves_a_gap_and_never_a_double(self, dynamodb_store: Store, lose: Any) -> None:
        session = new_session(dynamodb_store)
        lose("UpdateItem")
        assert [dynamodb_store.take_seq(session.session_id, NOON) for _ in range(2)] == [2, 3]


@pytest.mark.parametrize("fault", ["throttled", "unreachable"])
def test_tables_that_do_not_answer_are_unavailable(dynamodb_store: Store, aws_faults: Faults, fault: str) -> None:
    session = new_session(dynamodb_store)
    calls: dict[str, Callable[[], object]] = {
        "GetItem": lambda: dynamodb_store.find_session(session.session_id),
        "PutItem": lambda: new_session(dynamodb_store),
        "UpdateItem": lambda: dynamodb_store.take_seq(session.session_id, NOON),
        "Query": lambda: roster(dynamodb_store, session.session_id),
        "BatchWriteItem": lambda: dynamodb_store.connect(connection(session.session_id)),
        "BatchGetItem": dynamodb_store.answers,
        "TransactWriteItems": lambda: again(dynamodb_store, Once("k", "p"), Draft(), "alice", 9),
    }
    for operation, call in calls.items():
        getattr(aws_faults, fault)(f"dynamodb:{operation}", times=2)
        with pytest.raises(errors.Unavailable):
            call()
