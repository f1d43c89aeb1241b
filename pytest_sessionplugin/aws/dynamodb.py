"""Behaviour of DynamoDB that moto lacks: incomplete batches, transactions that conflict or repeat, time to live."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from pytest_sessionplugin.aws import wire
from pytest_sessionplugin.aws.wire import Answer

# --- batches

BATCHES = {
    "dynamodb:BatchWriteItem": "UnprocessedItems",
    "dynamodb:BatchGetItem": "UnprocessedKeys",
}
"""Call -> the member of its answer that gives back unprocessed items."""

Requests = dict[str, Any]
"""Table -> a list of writes, or a mapping with the `Keys` to read and options of the read."""


def first_apart(requests: Mapping[str, Any]) -> tuple[Requests, Requests]:
    """The first item of a batch, and the rest of it, both in the form of a batch."""
    table, *_ = requests
    first, rest = _first_apart(requests[table])
    others = {name: asked for name, asked in requests.items() if name != table}
    return {table: first}, {**({table: rest} if rest else {}), **others}


def _first_apart(asked: Any) -> tuple[Any, Any]:
    if isinstance(asked, list):
        return asked[:1], asked[1:]
    first, rest = asked["Keys"][:1], asked["Keys"][1:]
    return {**asked, "Keys": first}, {**asked, "Keys": rest} if rest else None


def giving_back(answer: Answer, member: str, left: Requests) -> Answer:
    """The answer to a batch that was sent without the items in `left`, with them as unprocessed. Errors stay."""
    if answer.status != 200:
        return answer
    body = json.loads(answer.body)
    body[member] = {**body.get(member, {}), **left}
    about_the_body = {"x-amz-crc32", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in about_the_body}
    return Answer(200, headers, json.dumps(body).encode())


# --- transactions

TRANSACTIONS = ("dynamodb:TransactWriteItems", "dynamodb:TransactGetItems")

WRITES = ("dynamodb:TransactWriteItems", "dynamodb:ExecuteTransaction")
"""Transactions that may have a token."""

REMEMBERED = 600.0
"""Seconds for which a token is known."""

ONGOING = "Transaction is ongoing for the item"


def cancelled(items: int) -> Answer:
    """The answer to a transaction of so many items, the first of which conflicts with another transaction.

    Source: "Transaction conflict handling in DynamoDB" in the developer guide, and the model of
    TransactionCanceledException: a reason for each item, in order, `None` for items without a conflict.
    """
    codes = ["TransactionConflict", *["None"] * (items - 1)]
    body = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons": [{"Code": codes[0], "Message": ONGOING}, *({"Code": code} for code in codes[1:])],
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons "
        f"[{', '.join(codes)}]",
    }
    return Answer(400, {"content-type": "application/x-amz-json-1.0"}, json.dumps(body).encode())


@dataclass(frozen=True)
class _Done:
    at: float
    asked: Mapping[str, Any]
    answer: Answer


class Transactions:
    """Transactions of one test, by token. `clock` gives seconds since the epoch. Safe from any number of threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._done: dict[str, _Done] = {}

    def once(self, asked: Mapping[str, Any], do: Callable[[], Answer]) -> Answer:
        """Runs `do` unless the same token has succeeded within ten minutes; then its first answer is given again."""
        token = asked.get("ClientRequestToken")
        if token is None:
            return do()
        with self._lock:
            self._forget()
            if (done := self._done.get(token)) is not None:
                return done.answer if done.asked == asked else _mismatch()
            answer = do()
            if answer.status == 200:
                self._done[token] = _Done(self._clock(), asked, answer)
            return answer

    def _forget(self) -> None:
        """Removes expired tokens; they are kept in the order of their time."""
        until = self._clock() - REMEMBERED
        while (oldest := next(iter(self._done), None)) is not None and self._done[oldest].at <= until:
            del self._done[oldest]


def _mismatch() -> Answer:
    return wire.refusal(
        "json",
        "IdempotentParameterMismatchException",
        400,
        "The token has been used within ten minutes, with other parameters.",
    )


# --- time to live

LAG = timedelta(hours=48)
FIVE_YEARS = timedelta(days=5 * 365)


class Rows(Protocol):
    """The rows that have a number in the TTL attribute of their table."""

    def ends(self) -> Iterable[float]:
        """The numbers: seconds since the epoch."""

    def remove(self, ended: Callable[[float], bool]) -> None:
        """Removes, at once, all rows whose number satisfies `ended`."""


class TimeToLive:
    """An agenda for a clock: removes a row when `lag` has passed since its end."""

    def __init__(self, rows: Rows, lag: timedelta = LAG, clock: Callable[[], float] = time.time) -> None:
        self._rows = rows
        self._lag = lag.total_seconds()
        self._clock = clock

    def due(self) -> float | None:
        oldest = self._oldest()
        return min((end + self._lag for end in self._rows.ends() if end >= oldest), default=None)

    def tick(self) -> None:
        oldest, now = self._oldest(), self._clock()
        self._rows.remove(lambda end: oldest <= end and end + self._lag <= now)

    def _oldest(self) -> float:
        """DynamoDB does not remove rows that ended before this time."""
        return self._clock() - FIVE_YEARS.total_seconds()
