"""The permissions each function needs: one action on one resource, in the syntax of the templates.

`tests/rehearsal/doctor/test_needs.py` compares them with the calls of the functions, in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Need:
    """An action, and an ARN with placeholders; the ARN is `*` where IAM has nothing narrower."""

    action: str
    resource: str


def _of(place: str, *actions: str) -> frozenset[Need]:
    return frozenset(Need(action, place) for action in actions)


_HERE: Final = "${AWS::Region}:${AWS::AccountId}"
_TABLE: Final = f"arn:${{AWS::Partition}}:dynamodb:{_HERE}:table/"
SESSIONS: Final = f"{_TABLE}${{SessionsTable}}"
BY_OWNER: Final = f"{SESSIONS}/index/by-owner"
DUE: Final = f"{SESSIONS}/index/due"
CONNECTIONS: Final = f"{_TABLE}${{ConnectionsTable}}"
EVENTS: Final = f"{_TABLE}${{EventsTable}}"
_REACHED: Final = f"arn:${{AWS::Partition}}:execute-api:{_HERE}:${{WebsocketAPI}}/${{ApiStage}}/"
POSTED: Final = f"{_REACHED}POST/@connections/*"
CLOSED: Final = f"{_REACHED}DELETE/@connections/*"
LOGS: Final = f"arn:${{AWS::Partition}}:logs:{_HERE}:log-group:/aws/lambda/${{Function}}:*"
KEY_PARAMETER: Final = "${KeyParameterArn}"
KEY_SECRET: Final = "${KeySecretArn}"  # noqa: S105 - a placeholder

REACH: Final = _of(POSTED, "execute-api:ManageConnections") | _of(CLOSED, "execute-api:ManageConnections")
KEY: Final = _of(KEY_PARAMETER, "ssm:GetParameter") | _of(KEY_SECRET, "secretsmanager:GetSecretValue")
"""One of these, by the key's reference; a deploy leaves out the statement of the other."""
RUNTIME: Final = _of(LOGS, "logs:CreateLogStream", "logs:PutLogEvents") | _of(
    "*", "xray:PutTelemetryRecords", "xray:PutTraceSegments"
)
"""Calls that Lambda makes on behalf of the function. IAM has no resource for traces:

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html
"""

OWN: Final[Mapping[str, frozenset[Need]]] = {
    "api_handler": _of(SESSIONS, "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
    | _of(BY_OWNER, "dynamodb:Query")
    | _of(CONNECTIONS, "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:Query")
    | _of(EVENTS, "dynamodb:BatchGetItem")
    | REACH
    | KEY,
    "websocket_connect": _of(SESSIONS, "dynamodb:GetItem") | _of(CONNECTIONS, "dynamodb:BatchWriteItem") | KEY,
    "websocket_message": _of(SESSIONS, "dynamodb:GetItem", "dynamodb:UpdateItem")
    | _of(CONNECTIONS, "dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:Query")
    | REACH,
    "websocket_disconnect": _of(CONNECTIONS, "dynamodb:BatchWriteItem", "dynamodb:GetItem"),
    "sweep": _of(SESSIONS, "dynamodb:UpdateItem")
    | _of(DUE, "dynamodb:Query")
    | _of(CONNECTIONS, "dynamodb:BatchWriteItem", "dynamodb:Query")
    | REACH,
}
"""Calls that the function's own code makes."""


def of(function: str) -> frozenset[Need]:
    """Everything a function needs; for an unknown function, what Lambda needs on its behalf."""
    return OWN.get(function, frozenset()) | RUNTIME


def delivers(function: str) -> bool:
    """Whether it sends frames, which may take until the deadline of a delivery."""
    return of(function) >= REACH
