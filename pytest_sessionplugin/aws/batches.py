"""Calls of DynamoDB about many items: a batch of which one is not done, a transaction that is cancelled. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

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
