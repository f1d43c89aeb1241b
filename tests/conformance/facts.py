"""The catalogue: all facts, their confidence, and why some have no test.

A fact is a letter and a number. Its text is the docstring of its test, `test_a5_…`, or stands here without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Confidence(Enum):
    HIGH = "H"  # documented by AWS, stated by its service models, or observed
    MED = "M"  # several independent captures of real traffic agree
    LOW = "L"  # one report or an inference: needs no test


@dataclass(frozen=True)
class LeftOut:
    """A fact without a test."""

    says: str
    reason: str


SECTIONS = {
    "A": "handshake and $connect",
    "B": "events of the functions",
    "C": "messages and frames",
    "D": "limits and timers",
    "E": "@connections",
    "F": "$disconnect",
    "G": "REST as Chalice deploys it",
    "H": "Chalice's WebSocket behaviour",
}

# One letter a fact, from number 1 on. F5 to F11 are the causes of a close: without a code, a page that is left, a code
# and a reason, DeleteConnection, idle or two hours old, a line that is lost, a binary frame or one that is too large.
_CONFIDENCE = {
    "A": "HHHHHMMHHHHMHHHHHHMHHHMHLHL",
    "B": "HHHHHHHHHHHHHMHHHH",
    "C": "HHHHHHHMHHHLHMHMMH",
    "D": "HHHHHHHHHHHH",
    "E": "HHHHHHHMHLHMHHHHLLM",
    "F": "HHHMHHLHLLH",
    "G": "HHHHHHHMMHHHMHMHHHHHHHHHHHHHHHHHHHHM",
    "H": "HHHHHHMHHHHHHHHHHHHHHHHHHHH",
}

CONFIDENCE: dict[str, Confidence] = {
    f"{section}{number}": Confidence(letter)
    for section, letters in _CONFIDENCE.items()
    for number, letter in enumerate(letters, 1)
}

_NO_AUTHORIZER = "Chalice deploys no authorizer on a WebSocket API"
_NO_ROUTES = "Chalice deploys no route but $connect, $default and $disconnect, and its own selection expression"
_DEPLOYMENT = "about what is deployed, not about what answers"
_CHALICES = "about Chalice's own code, whatever stands in front of it"

LEFT_OUT: dict[str, LeftOut] = {
    "A9": LeftOut("a REQUEST authorizer without its identity source is 401", _NO_AUTHORIZER),
    "A10": LeftOut("an authorizer that fails with Unauthorized is 401", _NO_AUTHORIZER),
    "A11": LeftOut("an authorizer that does not allow is 403", _NO_AUTHORIZER),
    "A12": LeftOut("an authorizer that raises anything else is 500", _NO_AUTHORIZER),
    "A13": LeftOut("a WebSocket route has no JWT, TOKEN or Cognito authorizer", _NO_AUTHORIZER),
    "A14": LeftOut("results of WebSocket authorizers are not cached", _NO_AUTHORIZER),
    "A15": LeftOut("the syntax of identity sources", _NO_AUTHORIZER),
    "A16": LeftOut("methodArn of a WebSocket authorizer has no verb", _NO_AUTHORIZER),
    "A17": LeftOut("authorization is evaluated when a client connects, and never again", _NO_AUTHORIZER),
    "A23": LeftOut("a post may be 410 for a moment after $connect has returned", "it may, so that no answer is wrong"),
    "A26": LeftOut("$connect may ask for an API key", "Chalice asks for none on a WebSocket API"),
    "A27": LeftOut("$connect by an HTTP integration", "Chalice deploys Lambda integrations only"),
    "C2": LeftOut("a missing variable of a selection expression is empty text", _NO_ROUTES),
    "C3": LeftOut("the result of a selection expression is made a text", _NO_ROUTES),
    "C10": LeftOut("the frame for a message that its model refuses", "Chalice deploys no models"),
    "C12": LeftOut("with a route response the body is sent whatever the status", "Chalice deploys no route response"),
    "D7": LeftOut("open connections have no quota", "that there is no limit cannot be seen"),
    "D6": LeftOut("500 new connections a second", "a rate of the whole account; what a client sees of it is A24"),
    "D8": LeftOut("10,000 requests a second", "a rate of the whole account; what a caller sees of it is E14"),
    "D10": LeftOut(
        "a push is sent in frames of 32 KB", "documented, and never seen: a client takes one frame or four alike"
    ),
    "D11": LeftOut("at most 300 routes, 10 stages, 10 authorizers", _DEPLOYMENT),
    "D12": LeftOut("413 and 429 may be missing from the access log", "about AWS's own logs"),
    "E19": LeftOut("with a custom domain the endpoint has no stage", "Chalice's stage is reached by its own host here"),
    "G1": LeftOut("stage api, EDGE, 60 s, 128 MB", _DEPLOYMENT),
    "H22": LeftOut("a second deploy makes no new deployment of the WebSocket API", _DEPLOYMENT),
    "H25": LeftOut("which policy gets execute-api:ManageConnections", _DEPLOYMENT),
    "H26": LeftOut("chalice local and chalice.test.Client know no WebSocket", _CHALICES),
}


def owed() -> list[str]:
    """Facts that need a test: HIGH or MED, and not left out."""
    return [number for number, sure in CONFIDENCE.items() if sure is not Confidence.LOW and number not in LEFT_OUT]
