"""Requests of the control plane in few words, and the sentences that refuse them."""

from __future__ import annotations

from typing import Any

from pytest_sessionplugin.aws.dynamodb.control import TableState, check
from pytest_sessionplugin.aws.dynamodb.values import Refusal

INVALID = "One or more parameter values were invalid: "
ONE = "1 validation error detected: "
UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
ALL = {"ProjectionType": "ALL"}
ARN = "arn:aws:dynamodb:eu-west-1:123456789012:table/Rooms"
PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
MODE = "specified when BillingMode is PAY_PER_REQUEST"


def definitions(*names: str) -> list[dict[str, str]]:
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def keys(*attributes: str) -> list[dict[str, str]]:
    """`"pk", "-sk"`: a HASH and a RANGE."""
    kinds = {True: "RANGE", False: "HASH"}
    return [{"AttributeName": name.lstrip("-"), "KeyType": kinds[name.startswith("-")]} for name in attributes]


def index(name: str, *attributes: str, **more: Any) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": keys(*attributes), "Projection": ALL, **more}


def included(*names: str) -> dict[str, Any]:
    return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(names)}


def broken(place: str, value: str, rule: str) -> str:
    return f"{ONE}Value {value} at '{place}' failed to satisfy constraint: Member must {rule}"


def undefined(found: str, defined: str) -> str:
    return (
        f"{INVALID}Some index key attributes are not defined in AttributeDefinitions. "
        f"Keys: [{found}], AttributeDefinitions: [{defined}]"
    )


def refused(operation: str, members: dict[str, Any], table: TableState | None = None) -> tuple[str, str] | None:
    """Code and message of the refusal; None if the request is accepted."""
    try:
        check(operation, members, table, account="123456789012")
    except Refusal as refusal:
        return refusal.code, refusal.message
    return None


BASE: dict[str, Any] = {
    "TableName": "Rooms",
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": definitions("pk"),
    "KeySchema": keys("pk"),
}
PAIR = {**BASE, "AttributeDefinitions": definitions("pk", "sk"), "KeySchema": keys("pk", "-sk")}
EIGHT = ("a", "b", "c", "d", "-e", "-f", "-g", "-h")
