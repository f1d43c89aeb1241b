"""What each function has to be allowed to do its work: one action on one resource, in the words of the templates.

`tests/rehearsal/doctor/test_needs.py` holds it to what the functions ask of AWS, and fails on either side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Need:
    """An action, and an ARN with placeholders; `*` as a whole ARN where AWS knows nothing narrower."""

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
"""Either of them, as the key's reference says; a deploy leaves out the statement of the other."""
RUNTIME: Final = _of(LOGS, "logs:CreateLogStream", "logs:PutLogEvents") | _of(
    "*", "xray:PutTelemetryRecords", "xray:PutTraceSegments"
)
"""What Lambda does in the name of the function. AWS knows no resource for traces:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html"""

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
"""What the code of each function asks for by itself."""


def of(function: str) -> frozenset[Need]:
    """Everything that a function needs; of one that is not known here, what Lambda does for it."""
    return OWN.get(function, frozenset()) | RUNTIME


def delivers(function: str) -> bool:
    """Whether it sends frames, which may take until the deadline of a delivery."""
    return of(function) >= REACH
