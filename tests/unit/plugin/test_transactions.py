"""A transaction that is done is not done again, as long as its token is known."""

from __future__ import annotations

from pytest_sessionplugin.aws.transactions import REMEMBERED, Transactions
from pytest_sessionplugin.aws.wire import Answer


class Table:
    """Counts what is written, and answers with it."""

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
