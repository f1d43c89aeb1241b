"""Rows of connections on DynamoDB: long rosters and broken rows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.storage import Store
from tests.service.fakes import connection
from tests.service.stores import roster
from tests.service.walked import NAMES, Client, Tables, empty_tables

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables as LiveTables

WORDS = {"SET", "ADD", "REMOVE", "AND", "OR", "IN", "attribute_not_exists"}


def test_a_roster_of_many_pages_is_read_to_its_end(dynamodb_store: Store, dynamodb_tables: LiveTables) -> None:
    for i in range(4):
        dynamodb_store.connect(connection("s", f"{i}="))
        dynamodb_tables["Connections"].update_item(
            Key={"place": "session#s", "member": connection("s", f"{i}=").member},
            UpdateExpression="SET padding = :padding",
            ExpressionAttributeValues={":padding": "x" * 390_000},
        )
    pages = [list(page) for page in dynamodb_store.roster("s")]
    assert len(pages) > 1
    assert roster(dynamodb_store, "s") == ["0=", "1=", "2=", "3="]


@pytest.mark.parametrize("odd", [{"region": 7}, {"connectedAt": "yesterday"}, {"stage": None}])
def test_a_row_that_cannot_be_read_is_logged_and_keeps_no_other_out_of_the_roster(
    dynamodb_store: Store, dynamodb_tables: LiveTables, caplog: pytest.LogCaptureFixture, odd: dict[str, Any]
) -> None:
    for i in range(3):
        dynamodb_store.connect(connection("s", f"{i}="))
    rows = dynamodb_tables["Connections"]
    row = rows.get_item(Key={"place": "session#s", "member": connection("s", "1=").member})["Item"]
    rows.put_item(Item={**row, **odd})
    assert roster(dynamodb_store, "s") == ["0=", "2="]
    assert caplog.messages == ["a row of a connection cannot be read"]


def recorded(tables: Tables, writes: list[tuple[str, str]]) -> Store:
    """A store that notes the writes that it asks for."""

    class Recorded:
        def ask(self, operation: str, request: Any) -> Any:
            place = request.get("Item", request.get("Key"))["place"]["S"]
            writes.append((operation, place.partition("#")[0]))
            return tables.ask(operation, request)

    client: Any = Client(Recorded(), backwards=True)
    return Store(client, NAMES)


def test_a_refresh_reaches_deliveries_before_frames() -> None:
    """A refresh that failed halfway is made again: until then the pointer says so, by which a frame is refused."""
    writes = list[tuple[str, str]]()
    store, one = recorded(empty_tables(), writes), connection("s")
    store.connect(one)
    del writes[:]
    later = one.token_expires_at + timedelta(hours=1)
    assert store.refresh(one, later) == later
    assert writes == [("UpdateItem", "session"), ("UpdateItem", "connection")]


def test_the_roster_is_written_last_and_removed_last() -> None:
    """A row of the roster has a pointer to remove; what a removal left behind is found there again. Each is a
    request of its own, since DynamoDB does a batch in any order: this one does it backwards."""
    tables, writes = empty_tables(), list[tuple[str, str]]()
    store = recorded(tables, writes)
    one, two = connection("s"), connection("s", "two=")
    store.connect(one)
    assert writes == [("PutItem", "connection"), ("PutItem", "session")]
    store.connect(two)
    del writes[:]
    store.expel(one, two)
    assert writes == [("DeleteItem", "connection")] * 2 + [("DeleteItem", "session")] * 2
    assert tables.items(NAMES.connections) == []
