"""Timeouts, batches and errors of requests to DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib import dynamodb, errors
from chalicelib.model import Draft, Once
from chalicelib.settings import Tables as TableNames
from chalicelib.storage import Store
from pytest_sessionplugin.aws.faults import Faults
from tests.service.fakes import NOON, connection, new_session
from tests.service.stores import again, roster

if TYPE_CHECKING:
    pass

WORDS = {"SET", "ADD", "REMOVE", "AND", "OR", "IN", "attribute_not_exists"}


@pytest.mark.slow
def test_timeouts_fit_what_api_gateway_waits() -> None:
    clients: Any = dynamodb.clients("us-east-1", None, 0.3)
    usual, impatient = (client.meta.config for client in clients)
    assert (usual.connect_timeout, usual.read_timeout, usual.retries["total_max_attempts"]) == (1, 2, 2)
    assert (impatient.connect_timeout, impatient.read_timeout, impatient.retries["total_max_attempts"]) == (0.3, 0.3, 1)


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
