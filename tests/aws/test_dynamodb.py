"""Batches, transactions with a token and time to live behave as in DynamoDB."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pytest_sessionplugin.aws.dynamodb import (
    LAG,
    REMEMBERED,
    TimeToLive,
    Transactions,
    cancelled,
    first_apart,
    giving_back,
)
from pytest_sessionplugin.aws.wire import Answer

# --- batches


@pytest.mark.parametrize(
    ("requests", "first", "rest"),
    [
        ({"a": [1, 2], "b": [3]}, {"a": [1]}, {"a": [2], "b": [3]}),
        ({"a": [1], "b": [3]}, {"a": [1]}, {"b": [3]}),
        ({"a": [1]}, {"a": [1]}, {}),
        (
            {"a": {"Keys": [1, 2], "ConsistentRead": True}},
            {"a": {"Keys": [1], "ConsistentRead": True}},
            {"a": {"Keys": [2], "ConsistentRead": True}},
        ),
        ({"a": {"Keys": [1]}, "b": {"Keys": [2]}}, {"a": {"Keys": [1]}}, {"b": {"Keys": [2]}}),
    ],
)
def test_the_first_item_of_a_batch_is_taken_from_its_first_table(
    requests: dict[str, Any], first: dict[str, Any], rest: dict[str, Any]
) -> None:
    assert first_apart(requests) == (first, rest)


def test_an_answer_gives_back_the_item_beside_others_and_an_error_gives_back_nothing() -> None:
    headers = {"x-amz-crc32": "1", "Content-Length": "2", "x-amzn-RequestId": "id"}
    answer = giving_back(Answer(200, headers, b'{"UnprocessedItems": {"b": [3]}}'), "UnprocessedItems", {"a": [1]})
    assert (answer.headers, json.loads(answer.body)) == (
        {"x-amzn-RequestId": "id"},
        {"UnprocessedItems": {"a": [1], "b": [3]}},
    )
    error = Answer(400, headers, b"{}")
    assert giving_back(error, "UnprocessedItems", {"a": [1]}) is error


# --- transactions


def test_a_cancelled_transaction_has_a_reason_for_each_item() -> None:
    answer = cancelled(3)
    body = json.loads(answer.body)
    assert (answer.status, body["__type"].rpartition("#")[2]) == (400, "TransactionCanceledException")
    assert [reason["Code"] for reason in body["CancellationReasons"]] == ["TransactionConflict", "None", "None"]
    assert body["Message"].endswith("[TransactionConflict, None, None]")


class Table:
    """Counts its writes, and answers with the count."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.writes = status, 0

    def write(self) -> Answer:
        self.writes += 1
        return Answer(self.status, {}, f"{self.writes}".encode())


def test_the_same_again_gets_the_first_answer_for_ten_minutes() -> None:
    now, table = [0.0], Table()
    transactions = Transactions(lambda: now[0])
    asked = {"ClientRequestToken": "t", "TransactItems": [1]}
    answers = []
    for now[0] in (0.0, 599.0, 600.0):
        answers.append(transactions.once(asked, table.write).body)
    assert answers == [b"1", b"1", b"2"]


def test_another_transaction_with_the_same_token_is_refused() -> None:
    transactions, table = Transactions(), Table()
    transactions.once({"ClientRequestToken": "t", "TransactItems": [1]}, table.write)
    refused = transactions.once({"ClientRequestToken": "t", "TransactItems": [2]}, table.write)
    assert (refused.status, table.writes) == (400, 1)


def test_what_failed_and_what_has_no_token_is_done_each_time() -> None:
    transactions, table = Transactions(), Table(status=400)
    for _ in range(2):
        transactions.once({"ClientRequestToken": "t"}, table.write)
    table.status = 200
    for _ in range(2):
        transactions.once({}, table.write)
    assert table.writes == 4


def test_a_token_is_forgotten_after_ten_minutes() -> None:
    now = [0.0]
    transactions, table = Transactions(lambda: now[0]), Table()
    for moment in range(100):
        now[0] = moment * REMEMBERED
        transactions.once({"ClientRequestToken": str(moment)}, table.write)
    assert len(transactions._done) == 1, "a server that runs for days would keep them all"


# --- time to live

NOW = 1_800_000_000.0
DAY = 24 * 3600.0


class Rows:
    def __init__(self, *ends: float) -> None:
        self._ends = list(ends)

    def ends(self) -> list[float]:
        return self._ends

    def remove(self, ended: Callable[[float], bool]) -> None:
        self._ends = [end for end in self._ends if not ended(end)]


def test_a_row_is_due_two_days_after_its_end() -> None:
    assert timedelta(days=2) == LAG
    assert TimeToLive(Rows(NOW + 60, NOW + 30), clock=lambda: NOW).due() == NOW + 30 + 2 * DAY
    assert TimeToLive(Rows(), clock=lambda: NOW).due() is None


def test_it_is_removed_then_and_no_other() -> None:
    rows = Rows(NOW - 2 * DAY - 1, NOW - 2 * DAY, NOW - 2 * DAY + 1, NOW)
    TimeToLive(rows, clock=lambda: NOW).tick()
    assert rows.ends() == [NOW - 2 * DAY + 1, NOW]


def test_another_lag_is_another_moment() -> None:
    rows = Rows(NOW, NOW + 1)
    agenda = TimeToLive(rows, timedelta(), lambda: NOW)
    assert agenda.due() == NOW
    agenda.tick()
    assert rows.ends() == [NOW + 1]


def test_a_time_more_than_five_years_ago_is_taken_for_a_mistake() -> None:
    rows = Rows(0, NOW - 5 * 365 * DAY - 1)
    agenda = TimeToLive(rows, clock=lambda: NOW)
    agenda.tick()
    assert agenda.due() is None
    assert len(rows.ends()) == 2


def test_milliseconds_are_a_time_that_does_not_come() -> None:
    rows = Rows(NOW * 1000)
    agenda = TimeToLive(rows, clock=lambda: NOW + 1000 * DAY)
    agenda.tick()
    assert len(rows.ends()) == 1


def test_what_is_due_is_gone_after_its_moment_whatever_the_fractions() -> None:
    for end, lag in ((NOW + 0.1, 0.2), (NOW + 1 / 3, 1 / 7), (NOW, 0.000_001)):
        rows = Rows(end)
        due = TimeToLive(rows, timedelta(seconds=lag), lambda: NOW).due()
        assert due is not None
        TimeToLive(rows, timedelta(seconds=lag), lambda due=due: due).tick()  # type: ignore[misc]
        assert rows.ends() == []
