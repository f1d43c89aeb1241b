"""Requests in few words, and the messages with which they are refused before any table is looked at."""

from __future__ import annotations

from typing import Any

from pytest_sessionplugin.aws.dynamodb.requests import checked_request
from pytest_sessionplugin.aws.dynamodb.values import Refusal
from tests.aws.dynamodb.memory import item

KEY = {"TableName": "Rooms", "Key": item(pk="a")}
PUT = {"TableName": "Rooms", "Item": item(pk="a")}
SCAN = {"TableName": "Rooms"}
QUERY = {**SCAN, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": item(**{":p": "a"})}
READ: dict[str, Any] = {"Keys": [item(pk="a")]}
UPDATE = {**KEY, "UpdateExpression": "SET a = b"}
WRITE = {"PutRequest": {"Item": item(pk="a")}}

ONE = "1 validation error detected: "
INVALID = "One or more parameter values were invalid: "


def refused(operation: str, members: dict[str, Any]) -> str | None:
    """The message of a ValidationException; None if the request is accepted."""
    try:
        checked_request(operation, members)
    except Refusal as refusal:
        if refusal.code != "ValidationException":
            raise
        return refusal.message
    return None


def broken(place: str, value: str, rule: str) -> str:
    return f"{ONE}Value {value} at '{place}' failed to satisfy constraint: Member must {rule}"


def transact(**actions: dict[str, Any]) -> dict[str, Any]:
    return {"TransactItems": [{name: asked} for name, asked in actions.items()]}


def batch(*writes: dict[str, Any], table: str = "Rooms") -> dict[str, Any]:
    return {"RequestItems": {table: list(writes)}}
