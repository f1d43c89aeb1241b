"""Calls of DynamoDB about many items: a batch of which one is not done, a transaction that is cancelled. Pure."""

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

BATCHES = {
    "dynamodb:BatchWriteItem": "UnprocessedItems",
    "dynamodb:BatchGetItem": "UnprocessedKeys",
}
"""The calls, and where each gives back what it has not done."""

TRANSACTIONS = ("dynamodb:TransactWriteItems", "dynamodb:TransactGetItems")

ONGOING = "Transaction is ongoing for the item"

Requests = dict[str, Any]
"""By table: a list of writes, or a map with `Keys` and how they are to be read."""


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


def giving_back(answer: Answer, place: str, left: Requests) -> Answer:
    """The answer with what was left out of its batch. An error stays what it is."""
    if answer.status != 200:
        return answer
    body = json.loads(answer.body)
    body[place] = {**body.get(place, {}), **left}
    about_the_body = {"x-amz-crc32", "content-length"}
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in about_the_body}
    return Answer(200, headers, json.dumps(body).encode())


def cancelled(items: int) -> Answer:
    """A transaction of so many items, the first of which is in another one.

    Source: "Transaction conflict handling in DynamoDB" in the developer guide, and the model of
    TransactionCanceledException: a reason for each item, in order, `None` for those that were not in the way.
    """
    codes = ["TransactionConflict", *["None"] * (items - 1)]
    body = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "CancellationReasons": [{"Code": codes[0], "Message": ONGOING}, *({"Code": code} for code in codes[1:])],
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons "
        f"[{', '.join(codes)}]",
    }
    return Answer(400, {"content-type": "application/x-amz-json-1.0"}, json.dumps(body).encode())


WRITES = ("dynamodb:TransactWriteItems", "dynamodb:ExecuteTransaction")

REMEMBERED = 600.0
"""Seconds for which a token is known."""


@dataclass(frozen=True)
class _Done:
    at: float
    asked: Mapping[str, Any]
    answer: wire.Answer


class Transactions:
    """Those of one test. `clock` gives seconds since the epoch. Safe from any number of threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._done: dict[str, _Done] = {}

    def once(self, asked: Mapping[str, Any], do: Callable[[], wire.Answer]) -> wire.Answer:
        """What `do` answers, or has answered: it is run unless it has succeeded within ten minutes."""
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
        """Those of ten minutes ago; they are in the order in which they were done."""
        until = self._clock() - REMEMBERED
        while (oldest := next(iter(self._done), None)) is not None and self._done[oldest].at <= until:
            del self._done[oldest]


def _mismatch() -> wire.Answer:
    return wire.refusal(
        "json",
        "IdempotentParameterMismatchException",
        400,
        "The token has been used within ten minutes, with other parameters.",
    )


LAG = timedelta(hours=48)
FIVE_YEARS = timedelta(days=5 * 365)


class Rows(Protocol):
    """The rows, of all tables with TTL, that have a number in its attribute."""

    def ends(self) -> Iterable[float]:
        """Those numbers."""

    def remove(self, ended: Callable[[float], bool]) -> None:
        """Removes the rows of whose number it is true, at once for all of them."""


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
        return self._clock() - FIVE_YEARS.total_seconds()
