"""The WebSocket protocol: handshakes and texts to values, values and errors to frames."""

from __future__ import annotations

import json
import zlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from chalicelib import credentials, jsontext
from chalicelib.credentials import Secret
from chalicelib.errors import (
    InvalidRequest,
    NotConnected,
    SessionsError,
    TooLarge,
    TryAgain,
    is_refusal,
)
from chalicelib.events import Event, Kind, Published, Resumed, is_key
from chalicelib.members import (
    CONNECTION_LIMIT,
    Connection,
    Endpoint,
    Participant,
    Role,
    is_connection_id,
    person,
    role_of,
    subject_of,
)
from chalicelib.model import (
    FRAME_BYTES,
    IDLE_LIMIT,
    LARGEST_SEQ,
    MESSAGE_BYTES,
    Outcome,
    Report,
    Session,
    Status,
    document,
    rfc3339,
)
from chalicelib.rates import Limits

Frame = Mapping[str, Any]

REPLY_TO_LENGTH: Final = 128
RECONNECT_AFTER: Final = timedelta(minutes=110)  # ten minutes before API Gateway cuts the connection
RECONNECT_SPREAD: Final = 300  # seconds over which simultaneous reconnects are spread
PING_SECONDS: Final = 45  # how often a client is to ping: proxies cut sockets that are idle for a minute
GAP_SECONDS: Final = 5  # how long a client waits for a seq that is missing, since frames overtake each other
PICTURE_BYTES: Final = 24_576  # of the participants in a welcome
TOKEN_ENDS: Final = timedelta(minutes=5)  # before a token's end, when a pong tells it


@dataclass(frozen=True)
class Handshake:
    """A client's request to connect."""

    connection_id: str
    session_id: str
    credential: Secret
    subprotocol: str | None  # named in the answer, if the client offered it
    endpoint: Endpoint
    replaces: str | None = None  # the id of a connection whose place this one takes
    by_ticket: bool = False  # whether the credential is a ticket, not a token
    origin: str | None = None  # of the page that opens it


@dataclass(frozen=True)
class Hello:
    resume_seq: int | None = None


@dataclass(frozen=True)
class Publish:
    data: Any
    key: str | None = None  # publishes once


@dataclass(frozen=True)
class Send:
    to: str  # a subject
    data: Any


@dataclass(frozen=True)
class SetState:
    data: Any


@dataclass(frozen=True)
class Refresh:
    token: Secret


@dataclass(frozen=True)
class Ping:
    pass


Action: TypeAlias = "Hello | Publish | Send | SetState | Refresh | Ping"


@dataclass(frozen=True)
class Envelope:
    """A client's frame before its action is parsed; the answer repeats `reply_to`. Other texts have a `fault`."""

    reply_to: str | int | None
    fields: Mapping[str, Any]
    fault: InvalidRequest | None = None


# --- in


def handshake(event: Mapping[str, Any], allowed_origins: Container[str], region: str) -> Handshake:
    """A $connect event as a handshake.

    Raises OriginRefused, InvalidRequest without exactly one sessionId, for an impossible `replaces` or for subprotocols
    without ours, and Unauthenticated without a credential or with a token in the query, which is logged in many places.
    """
    headers: dict[str, list[str]] = {}
    for name, values in (event.get("multiValueHeaders") or {}).items():
        headers.setdefault(name.lower(), []).extend(values)
    query: Mapping[str, list[str]] = event.get("multiValueQueryStringParameters") or {}
    credentials.refuse_leaked(query)
    origins = headers.get("origin", [])
    for origin in origins:
        credentials.check_origin(origin, allowed_origins)
    session_ids = query.get("sessionId", [])
    if len(session_ids) != 1 or not session_ids[0]:
        raise InvalidRequest("Name one session: ?sessionId=<id>.")
    offered = [word.strip() for line in headers.get("sec-websocket-protocol", []) for word in line.split(",")]
    if offered and credentials.PROTOCOL not in offered:  # a browser would drop the socket, and its rows would stay
        raise InvalidRequest(f"Offer the subprotocol {credentials.PROTOCOL}, or none.")
    context = event["requestContext"]
    authorization = headers.get("authorization", [])
    credential, by_ticket = credentials.of_handshake(authorization, offered, query.get("ticket", []))
    return Handshake(
        connection_id=context["connectionId"],
        session_id=session_ids[0],
        credential=credential,
        subprotocol=credentials.PROTOCOL if offered else None,
        endpoint=Endpoint(context["apiId"], context["stage"], region),
        replaces=_replaces(query.get("replaces", [])),
        by_ticket=by_ticket,
        origin=", ".join(origins) or None,
    )


def _replaces(named: list[str]) -> str | None:
    if not named:
        return None
    if len(named) != 1 or not is_connection_id(named[0]):
        raise InvalidRequest("Name one connection: ?replaces=<connectionId>.")
    return named[0]


def envelope(text: str) -> Envelope:
    """A client's text as an envelope."""
    try:
        return _envelope(text)
    except InvalidRequest as fault:
        return Envelope(None, {}, fault)


def _envelope(text: str) -> Envelope:
    fields = jsontext.parse(text)
    if not isinstance(fields, dict):
        raise InvalidRequest("A frame is a JSON object.")
    reply_to = None
    if "id" in fields:
        sent = fields.pop("id")
        reply_to = sent if isinstance(sent, str) else jsontext.whole(sent)
        if reply_to is None:
            raise InvalidRequest("id is text or a whole number.")
    if len(str(reply_to)) > REPLY_TO_LENGTH:
        raise InvalidRequest(f"id is longer than {REPLY_TO_LENGTH} characters.")
    return Envelope(reply_to, fields)


def action(sent: Envelope) -> Action:
    """The action of an envelope. Raises InvalidRequest, also for its fault."""
    if sent.fault is not None:
        raise sent.fault
    fields = dict(sent.fields)
    name = fields.pop("action", None)
    result: Action
    if name == "hello":
        result = Hello(_resume(fields.pop("resume", None)))
    elif name == "publish":
        result = Publish(_data(name, fields), _key(fields))
    elif name == "send":
        result = Send(subject_of(fields.pop("to", None), "to"), _data(name, fields))
    elif name == "state":
        result = SetState(_data(name, fields))
    elif name == "refresh":
        result = Refresh(_token(fields))
    elif name == "ping":
        result = Ping()
    else:
        raise InvalidRequest("action must be hello, publish, send, state, refresh or ping.")
    if fields:
        unknown = ", ".join(sorted(fields))
        raise InvalidRequest(f"{name} has no field {unknown[:200]}.")
    return result


# --- out


def text(frame: Frame) -> str:
    """The frame as text. Raises TooLarge for a frame that API Gateway does not carry."""
    sent = jsontext.compact(frame)
    size = len(sent.encode("utf-8"))
    if size > MESSAGE_BYTES:
        raise TooLarge("The frame, as the others would get it,", size, MESSAGE_BYTES)
    return sent


def welcome(connection: Connection, session: Session, resumed: Resumed, limits: Limits) -> Frame:
    """The answer to hello: a snapshot, and what the client has missed, if that is all."""
    spread = timedelta(seconds=zlib.crc32(connection.connection_id.encode()) % RECONNECT_SPREAD)
    return {
        "type": "welcome",
        "connectionId": connection.connection_id,
        "role": role_of(connection.subject, session.owner_id, connection.role).value,
        "session": document(session),
        "seq": resumed.seq,
        "events": events(resumed.events),
        "recovered": resumed.recovered,
        "tokenExpiresAt": rfc3339(connection.token_expires_at),
        "reconnectAt": rfc3339(connection.connected_at + RECONNECT_AFTER - spread),
        "limits": {
            "messageBytes": MESSAGE_BYTES,
            "frameBytes": FRAME_BYTES,
            "idleSeconds": int(IDLE_LIMIT.total_seconds()),
            "connectionSeconds": int(CONNECTION_LIMIT.total_seconds()),
            "pingSeconds": PING_SECONDS,
            "gapSeconds": GAP_SECONDS,
            "framesPerSecond": limits.frames.per_second,
            "sessionPublishesPerSecond": limits.publishes.per_second,
        },
    }


def picture(session: Session, participants: Sequence[Participant] | None) -> Frame:
    """The part of a welcome that shows who is in as of a number; of too many, that they are not told of.

    States are left out where it would be too large, then participants.
    """
    since = {"presenceSeq": session.presence_seq}
    if participants is None:
        return {"presence": "off", **since}
    shown: list[Mapping[str, Any]] = []
    left = PICTURE_BYTES - 1  # brackets, and a comma for each but one
    for one in participants:
        stateless = person(replace(one, state=None))
        left -= jsontext.size(stateless) + 1
        if left < 0:
            break
        shown.append(stateless)
    for i, one in enumerate(participants[: len(shown)]):
        left -= jsontext.size(person(one)) - jsontext.size(shown[i])
        if left < 0:
            break
        shown[i] = person(one)
    more = {"more": True} if len(shown) < len(participants) else {}
    return {"presence": "on", **since, "participants": shown, **more}


def presence(n: int, joined: Sequence[Participant], left: Sequence[str], correlation_id: str) -> Frame:
    return {
        "type": "presence",
        "n": n,
        "join": [person(one) for one in joined],
        "leave": list(left),
        "correlationId": correlation_id,
    }


def message(seq: int, sender: str, data: Any, at: datetime, correlation_id: str) -> Frame:
    return {
        "type": "message",
        "seq": seq,
        "from": sender,
        "data": data,
        "at": rfc3339(at),
        "correlationId": correlation_id,
    }


def direct(message_id: str, sender: str, data: Any, at: datetime, correlation_id: str) -> Frame:
    return {
        "type": "direct",
        "id": message_id,
        "from": sender,
        "data": data,
        "at": rfc3339(at),
        "correlationId": correlation_id,
    }


def ack(session: Session, report: Report) -> Frame:
    """The answer to publish: the session after it took the message's seq, and how many others got or missed it."""
    return {
        "type": "ack",
        "seq": session.seq,
        "version": session.version,
        "sent": report[Outcome.SENT],
        "missed": report.missed,
    }


def repeated(published: Published) -> Frame:
    """The answer to a publish whose key has published before."""
    return {"type": "ack", "seq": published.seq, "duplicate": True}


def sent(report: Report) -> Frame:
    """The answer to send: how many connections of the subject got or missed it; none if nobody is there."""
    return {"type": "ack", "sent": report[Outcome.SENT], "missed": report.missed}


def refreshed(token_expires_at: datetime) -> Frame:
    """The answer to refresh: when the connection ends now."""
    return {"type": "ack", "tokenExpiresAt": rfc3339(token_expires_at)}


def pong(connection: Connection, session: Session, now: datetime) -> Frame:
    """The answer to ping; in the last five minutes of a token, its end, too. A picture of presence is whole if its
    number is `presenceSince` or higher."""
    answer: dict[str, Any] = {"type": "pong", "seq": session.seq, "version": session.version}
    if session.crowded:
        answer["presence"] = "off"
    elif session.presence:
        answer |= {"presence": "on", "presenceSince": session.presence_since}
    if connection.token_expires_at - now <= TOKEN_ENDS:
        answer["tokenExpiresAt"] = rfc3339(connection.token_expires_at)
    return answer


def change(session: Session, correlation_id: str) -> Frame:
    """Tells the last change of a session, first or again, under the seq that it took."""
    return (session_ended if session.status is Status.ENDED else session_updated)(session, correlation_id)


def event(event: Event) -> Frame | None:
    """The frame that told an event, or None for a void."""
    kept = json.loads(event.data)
    match event.kind:
        case Kind.MESSAGE:
            return message(event.seq, event.sender, kept, event.at, event.correlation_id)
        case Kind.UPDATED:
            return _updated(event.seq, kept, event.correlation_id)
        case Kind.ENDED:
            return _ended(event.seq, kept, event.correlation_id)
        case Kind.VOID:
            return None


def events(kept: Sequence[Event]) -> list[Frame]:
    """The frames of events, without voids."""
    return [frame for one in kept if (frame := event(one)) is not None]


def role(role: Role, correlation_id: str) -> Frame:
    return {"type": "role", "role": role.value, "correlationId": correlation_id}


def session_updated(session: Session, correlation_id: str) -> Frame:
    return _updated(session.change_seq, document(session), correlation_id)


def session_ended(session: Session, correlation_id: str) -> Frame:
    return _ended(session.change_seq, session.end_reason, correlation_id)


def _updated(seq: int, session: Mapping[str, Any], correlation_id: str) -> Frame:
    return {"type": "session.updated", "seq": seq, "session": session, "correlationId": correlation_id}


def _ended(seq: int, reason: str, correlation_id: str) -> Frame:
    return {"type": "session.ended", "seq": seq, "reason": reason, "correlationId": correlation_id}


def closing(error: NotConnected, correlation_id: str) -> Frame:
    """The last frame before the service closes a socket: API Gateway closes with 1000 whatever the reason."""
    after = {} if error.after is None else {"afterMs": _spread(error.after, correlation_id)}
    return {
        "type": "closing",
        "code": error.code,
        "reason": error.detail,
        "reconnect": error.reconnect,
        **after,
        "correlationId": correlation_id,
    }


def _spread(after: timedelta, correlation_id: str) -> int:
    """Milliseconds: at least `after` and at most twice that, since all that were closed at once come back."""
    least = round(after.total_seconds() * 1000)
    return least + zlib.crc32(correlation_id.encode()) % least


def refusal(error: Exception, request_id: str) -> Frame:
    """Tells a refusal, and nothing about a bug. `retryAfter` is in seconds."""
    if isinstance(error, TryAgain):
        return {"type": "error", "code": error.code, "detail": error.detail, "retryAfter": error.wait(request_id)}
    if isinstance(error, SessionsError) and is_refusal(error):
        return {"type": "error", "code": error.code, "detail": error.detail}
    return {"type": "error", "code": SessionsError.code, "detail": "Something went wrong here, and was logged."}


def replying(frame: Frame, reply_to: str | int | None) -> Frame:
    return frame if reply_to is None else {**frame, "replyTo": reply_to}


def _resume(value: Any) -> int | None:
    if value is None:
        return None
    seq = jsontext.whole(value["seq"]) if isinstance(value, dict) and set(value) == {"seq"} else None
    if seq is None or not 0 <= seq <= LARGEST_SEQ:
        raise InvalidRequest('resume is {"seq": <the last seq that you saw>}.')
    return seq


def _data(name: str, fields: dict[str, Any]) -> Any:
    if "data" not in fields:
        raise InvalidRequest(f"{name} needs data.")
    return fields.pop("data")


def _key(fields: dict[str, Any]) -> str | None:
    if "key" not in fields:
        return None
    key = fields.pop("key")
    if not is_key(key):
        raise InvalidRequest("key is 1 to 255 visible ASCII characters.")
    return key


def _token(fields: dict[str, Any]) -> Secret:
    token = fields.pop("token", None)
    if not isinstance(token, str) or not token:
        raise InvalidRequest("refresh needs a token, as text.")
    return Secret(token)
