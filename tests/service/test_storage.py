"""The store on DynamoDB: the contract of all stores, the requests that it makes, lost answers and errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from chalicelib import dynamodb, errors
from chalicelib.model import Change, Draft, Once, Status
from chalicelib.sessions import END
from chalicelib.settings import Tables as TableNames
from chalicelib.storage import Store
from pytest_sessionplugin.aws.faults import Faults
from tests.service.fakes import NOON, connection, new_session, write
from tests.service.stores import HOUR, StoreContract, again, names_of, roster, stored

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables


class TestContract(StoreContract):
    @pytest.fixture
    def store(self, dynamodb_store: Store) -> Store:
        return dynamodb_store


def test_each_item_is_purged_in_its_time(dynamodb_store: Store, dynamodb_tables: Tables) -> None:
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
        "create": int((NOON + timedelta(days=1)).timestamp()),
    }


def test_a_settled_session_leaves_the_index_of_due_ones(dynamodb_store: Store, dynamodb_tables: Tables) -> None:
    session = new_session(dynamodb_store)
    dynamodb_store.change_session(session.session_id, END, write())
    late = NOON + timedelta(minutes=1)
    dynamodb_store.settle_session(session.session_id, late)
    item = dynamodb_tables["Sessions"].get_item(Key={"sessionId": session.session_id})["Item"]
    assert not {"dueAt", "dueShard"} & set(item)


@pytest.fixture
def asked(dynamodb_tables: Tables) -> Iterator[tuple[Store, list[tuple[str, dict[str, Any]]]]]:
    """A store, and the requests that it makes: operations and their parameters."""
    (client,) = dynamodb.clients("us-east-1", None)
    requests: list[tuple[str, dict[str, Any]]] = []
    client.meta.events.register(
        "provide-client-params.dynamodb",
        lambda params, model, **unused: requests.append((model.name, dict(params))),
    )
    yield Store(client, names_of(dynamodb_tables)), requests
    client.close()


WORDS = {"SET", "ADD", "REMOVE", "AND", "OR", "IN", "attribute_not_exists"}


def expressions_of(parameters: Any) -> Iterator[str]:
    """All expressions in the parameters of requests, those of a transaction's items included."""
    if isinstance(parameters, list):
        for one in parameters:
            yield from expressions_of(one)
    elif isinstance(parameters, dict):
        for name, value in parameters.items():
            if name.endswith("Expression"):
                yield value
            else:
                yield from expressions_of(value)


class TestRequests:
    """Parameters that make no difference to an emulator."""

    def test_sessions_connections_and_rosters_are_read_strongly(self, asked: Any) -> None:
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

    def test_every_attribute_in_an_expression_has_an_alias(self, asked: Any) -> None:
        """DynamoDB reserves hundreds of words, and more with time."""
        store, requests = asked
        session = new_session(store)
        again(store, Once("key", "print"), Draft(), "alice", 1)
        store.list_sessions("alice", None, 1)
        store.change_session(session.session_id, Change(Status.PAUSED, "x", {}), write(versions=frozenset({1})))
        store.told_session(session)
        store.take_seq(new_session(store).session_id, NOON)
        store.change_session(session.session_id, END, write())
        store.expire_session(session.session_id, NOON, "sweep")
        store.settle_session(session.session_id, NOON)
        list(store.due_sessions(NOON))
        roster(store, session.session_id)
        expressions = list(expressions_of([params for _, params in requests]))
        assert len(expressions) > 20
        for expression in expressions:
            assert set(re.findall(r"(?<![#:\w])[A-Za-z]\w*", expression)) <= WORDS, expression

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


@pytest.mark.slow
def test_timeouts_fit_what_api_gateway_waits() -> None:
    clients: Any = dynamodb.clients("us-east-1", None, 0.3)
    usual, impatient = (client.meta.config for client in clients)
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


@pytest.mark.parametrize("odd", [{"region": 7}, {"connectedAt": "yesterday"}, {"stage": None}])
def test_a_row_that_cannot_be_read_is_logged_and_keeps_no_other_out_of_the_roster(
    dynamodb_store: Store, dynamodb_tables: Tables, caplog: pytest.LogCaptureFixture, odd: dict[str, Any]
) -> None:
    for i in range(3):
        dynamodb_store.connect(connection("s", f"{i}="))
    rows = dynamodb_tables["Connections"]
    row = rows.get_item(Key={"place": "session#s", "connectionId": "1="})["Item"]
    rows.put_item(Item={**row, **odd})
    assert roster(dynamodb_store, "s") == ["0=", "2="]
    assert caplog.messages == ["a row of a connection cannot be read"]


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


class Unprocessing:
    """A client that leaves the second half of the first `times` batches undone."""

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
    for name in dynamodb_tables:
        table = dynamodb_tables[name]
        said = table.meta.client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
        assert (said["AttributeName"], said["TimeToLiveStatus"]) == ("purgeAt", "ENABLED")


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
