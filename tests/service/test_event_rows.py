"""The rows of events on DynamoDB: the contract of all stores, and what only its requests show."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from chalicelib import events
from chalicelib.model import Draft
from chalicelib.storage import Store
from pytest_sessionplugin import Faults
from pytest_sessionplugin.aws.calls import Calls
from tests.service.fakes import NOON, new_session
from tests.service.stores import HOUR
from tests.service.stores_events import ONCE, EventStoreContract, message

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables


class TestContract(EventStoreContract):
    @pytest.fixture
    def store(self, dynamodb_store: Store) -> Store:
        return dynamodb_store


def test_events_go_with_their_session_and_records_after_five_minutes(
    dynamodb_store: Store, dynamodb_tables: Tables
) -> None:
    session = new_session(dynamodb_store, Draft(durable=True, expires_in=HOUR))
    dynamodb_store.put_event(events.void(session, 1, NOON))
    dynamodb_store.put_keyed(message(session, 2), "bob", ONCE, NOON)
    kept = dynamodb_tables["Sessions"].get_item(Key={"sessionId": session.session_id})["Item"]["purgeAt"]
    assert [row["purgeAt"] for row in dynamodb_tables["Events"].scan()["Items"]] == [kept, kept]
    [record] = dynamodb_tables["Connections"].scan()["Items"]
    assert record["purgeAt"] == int((NOON + timedelta(minutes=5)).timestamp())


def test_an_event_whose_answer_was_lost_is_found_again(dynamodb_store: Store, aws_faults: Faults) -> None:
    """botocore makes a second attempt, which finds the number taken."""
    session = new_session(dynamodb_store, Draft(durable=True))
    with aws_faults.answer_lost("dynamodb:PutItem", times=1):
        assert dynamodb_store.put_event(message(session, 1)) == message(session, 1)
    with aws_faults.answer_lost("dynamodb:TransactWriteItems", times=1):
        assert dynamodb_store.put_keyed(message(session, 2), "bob", ONCE, NOON) == message(session, 2)
    assert dynamodb_store.put_keyed(message(session, 2), "bob", ONCE, NOON) == message(session, 2)


def test_an_event_is_one_request_whatever_stands_there(dynamodb_store: Store, aws_calls: Calls) -> None:
    session = new_session(dynamodb_store, Draft(durable=True))
    for _ in range(2):
        with aws_calls.exactly(dynamodb=1, write_units=1):
            dynamodb_store.put_event(message(session, 1))
    with aws_calls.exactly(dynamodb=1, write_units=4):
        dynamodb_store.put_keyed(message(session, 2), "bob", ONCE, NOON)
    with aws_calls.exactly(dynamodb=1, read_units=1):
        dynamodb_store.list_events(session.session_id, 0, 100)
    with aws_calls.exactly(dynamodb=1, read_units=1):
        dynamodb_store.find_publish(session.session_id, "bob", "key", NOON)


def test_a_page_ends_at_a_megabyte(dynamodb_store: Store) -> None:
    session = new_session(dynamodb_store, Draft(durable=True))
    kept = [dynamodb_store.put_event(message(session, seq, "x" * 120_000)) for seq in range(1, 11)]
    first, more = dynamodb_store.list_events(session.session_id, 0, 100)
    assert (more, first) == (True, kept[: len(first)])
    assert dynamodb_store.list_events(session.session_id, len(first), 100) == (kept[len(first) :], False)
