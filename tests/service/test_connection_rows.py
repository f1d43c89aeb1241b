"""Rows of connections on DynamoDB: long rosters and broken rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.storage import Store
from tests.service.fakes import connection
from tests.service.stores import roster

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

WORDS = {"SET", "ADD", "REMOVE", "AND", "OR", "IN", "attribute_not_exists"}


def test_a_roster_of_many_pages_is_read_to_its_end(dynamodb_store: Store, dynamodb_tables: Tables) -> None:
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
    dynamodb_store: Store, dynamodb_tables: Tables, caplog: pytest.LogCaptureFixture, odd: dict[str, Any]
) -> None:
    for i in range(3):
        dynamodb_store.connect(connection("s", f"{i}="))
    rows = dynamodb_tables["Connections"]
    row = rows.get_item(Key={"place": "session#s", "member": connection("s", "1=").member})["Item"]
    rows.put_item(Item={**row, **odd})
    assert roster(dynamodb_store, "s") == ["0=", "2="]
    assert caplog.messages == ["a row of a connection cannot be read"]
