"""The store on DynamoDB: the contract of all stores, and the requests that it makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import dynamodb
from chalicelib.members import Role, Ticket
from chalicelib.model import Change, Draft, Once, Status
from chalicelib.sessions import END
from chalicelib.storage import Store
from tests.service.fakes import NOON, connection, new_session, write
from tests.service.stores import HOUR, StoreContract, again, names_of, roster
from tests.service.stores_events import ONCE, message
from tests.service.stores_presence import PresenceStoreContract

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

WORDS = {"SET", "ADD", "REMOVE", "AND", "OR", "IN", "attribute_exists", "attribute_not_exists"}


class TestContract(StoreContract):
    @pytest.fixture
    def store(self, dynamodb_store: Store) -> Store:
        return dynamodb_store


class TestPresence(PresenceStoreContract):
    @pytest.fixture
    def store(self, dynamodb_store: Store) -> Store:
        return dynamodb_store


def test_each_item_is_purged_in_its_time(dynamodb_store: Store, dynamodb_tables: Tables) -> None:
    session = new_session(dynamodb_store, Draft(expires_in=HOUR))
    dynamodb_store.connect(connection(session.session_id))
    again(dynamodb_store, Once("key", "print"), Draft(), "alice", 1)
    dynamodb_store.put_ticket(Ticket("digest", session.session_id, "bob", NOON + timedelta(seconds=60)))
    dynamodb_store.ban(session, "carol", NOON)
    dynamodb_store.set_standing_role(session, "dave", Role.VIEWER)
    item = dynamodb_tables["Sessions"].get_item(Key={"sessionId": session.session_id})["Item"]
    with_session = int((session.expires_at + timedelta(days=7)).timestamp())
    assert item["purgeAt"] == with_session
    rows = dynamodb_tables["Connections"].scan()["Items"]
    words = [row["purgeAt"] for row in rows if str(row["member"]).startswith("!")]
    assert words == [with_session] * 2
    purged = {
        str(row["place"]).partition("#")[0]: row["purgeAt"] for row in rows if not str(row["member"]).startswith("!")
    }
    in_time = int((NOON + timedelta(hours=2, minutes=5)).timestamp())
    assert purged == {
        "connection": in_time,
        "session": in_time,
        "create": int((NOON + timedelta(days=1)).timestamp()),
        "ticket": int((NOON + timedelta(seconds=60)).timestamp()),
    }


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

    def test_sessions_connections_rosters_and_events_are_read_strongly(self, asked: Any) -> None:
        store, requests = asked
        session = new_session(store)
        requests.clear()
        store.find_session(session.session_id)
        store.find_connection("one=")
        roster(store, session.session_id)
        store.list_events(session.session_id, 0, 1)
        store.find_publish(session.session_id, "bob", "key", NOON)
        store.look(session.session_id, "bob", 1)
        assert [(name, params["ConsistentRead"]) for name, params in requests] == [
            ("GetItem", True),
            ("GetItem", True),
            ("Query", True),
            ("Query", True),
            ("GetItem", True),
            ("Query", True),
        ]

    def test_a_word_of_the_owner_and_the_connections_of_a_subject_are_read_strongly(self, asked: Any) -> None:
        """They are read after a write, and must see what was written before."""
        store, requests = asked
        store.find_with_standing("s", "bob")
        store.connections_of("s", "bob")
        store.roster_page("s", None, 1)
        (_, batch), *queries = requests
        assert [table["ConsistentRead"] for table in batch["RequestItems"].values()] == [True, True]
        assert [(name, params["ConsistentRead"]) for name, params in queries] == [("Query", True)] * 2

    def test_a_roster_is_read_without_what_no_delivery_needs(self, asked: Any) -> None:
        store, requests = asked
        roster(store, "s")
        fields = {
            requests[0][1]["ExpressionAttributeNames"][alias]
            for alias in requests[0][1]["ProjectionExpression"].split(", ")
        }
        of_delivery = {"place", "member", "subject", "connectedAt", "tokenExpiresAt", "apiId", "stage", "region"}
        assert fields == of_delivery | {"replaces"}, "a count of seats needs the last"

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
        store.take_seq(new_session(store, Draft(durable=True)).session_id, NOON, durable=True)
        store.put_event(message(session, 1))
        store.put_keyed(message(session, 2), "bob", ONCE, NOON)
        store.list_events(session.session_id, 0, 1)
        store.mark_ready(connection(session.session_id))
        store.take_presence_seq(session.session_id)
        store.end_telling(session)
        store.look(session.session_id, "bob", 1)
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


def test_expired_items_are_purged_by_dynamodb(dynamodb_tables: Tables) -> None:
    for name in dynamodb_tables:
        table = dynamodb_tables[name]
        said = table.meta.client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
        assert (said["AttributeName"], said["TimeToLiveStatus"]) == ("purgeAt", "ENABLED")
