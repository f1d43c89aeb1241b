"""The HTTP API: events to values, values to responses, with their statuses and headers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote

from chalicelib import credentials, cursors, jsontext
from chalicelib.credentials import Secret
from chalicelib.errors import InvalidRequest, TooLarge, UnsupportedMediaType
from chalicelib.events import Published, is_key
from chalicelib.members import (
    GUEST,
    SUBJECT_LENGTH,
    TICKET_LASTS,
    Duplicates,
    Guest,
    ParticipantPage,
    Removal,
    Role,
    is_connection_id,
    is_subject,
    person,
    subject_of,
)
from chalicelib.model import (
    KEEP,
    LARGEST_SEQ,
    Draft,
    NewMessage,
    Outcome,
    Page,
    Patch,
    Position,
    Report,
    Session,
    Status,
    document,
    rfc3339,
)

BODY_BYTES: Final = 65_536
TITLE_LENGTH: Final = 200
EXPIRES_IN: Final = range(60, 86_401)  # seconds
MAX_CONNECTIONS: Final = range(1, 501)
GUEST_LASTS: Final = range(60, 7_201)  # seconds
LIMITS: Final = range(1, 101)
DEFAULT_LIMIT: Final = 50
EVENT_LIMITS: Final = range(1, 1_001)
DEFAULT_EVENT_LIMIT: Final = 100
AFTER: Final = range(LARGEST_SEQ + 1)
BAN: Final = range(86_401)  # seconds
DEFAULT_BAN: Final = 3_600
JSON: Final = ("application/json",)
MERGE_PATCH: Final = ("application/merge-patch+json", "application/json")
ENTITY_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
VERSION: Final = re.compile(r"[1-9][0-9]{0,14}")
IF_MATCH_TAGS: Final = 100  # the most that DynamoDB compares with

ALWAYS: Final[Mapping[str, str]] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of each answer, of API Gateway's own too."""
CORRELATION_HEADER: Final = "X-Correlation-Id"
CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9._~:/+=-]{1,128}")
ALLOWED_HEADERS: Final = ("If-Match", "If-None-Match", "Idempotency-Key", CORRELATION_HEADER)
REPLAYED: Final = {"Idempotency-Replayed": "true"}
EXPOSED_HEADERS: Final = (
    "ETag",
    "Location",
    "Retry-After",
    *REPLAYED,
    "x-amzn-Remapped-WWW-Authenticate",
    CORRELATION_HEADER,
)


@dataclass(frozen=True)
class Request:
    """An HTTP request. Header names are in lower case, and the lines of one name are joined by commas (RFC 9110, 5.3);
    `path` is as the client called it, with the stage."""

    id: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, list[str]] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def correlation_id(self) -> str:
        return correlation_id(self.headers.get(CORRELATION_HEADER.lower()), self.id)


@dataclass(frozen=True)
class Reply:
    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


# --- in


def request(event: Mapping[str, Any], body: bytes | str, fallback_id: str) -> Request:
    """A REST proxy event as a request, whatever its body. `fallback_id` is for `chalice local`, which sends no id."""
    context, lines = event["requestContext"], dict[str, list[str]]()
    for name, values in (event.get("multiValueHeaders") or _lines(event.get("headers") or {})).items():
        lines.setdefault(name.lower(), []).extend(values)
    return Request(
        id=context.get("requestId") or fallback_id,
        path=context.get("path") or event.get("path") or "/",
        headers={name: ", ".join(values) for name, values in lines.items()},
        query=event.get("multiValueQueryStringParameters") or {},
        body=body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body,
    )


def _lines(headers: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """For `chalice local`, which sends one line for each name."""
    return {name: [value] for name, value in headers.items()}


def draft(request: Request) -> Draft:
    """The body of a create. Raises InvalidRequest, TooLarge, UnsupportedMediaType."""
    body = fields(request, JSON) if request.body else {}
    expires_in = jsontext.whole(body.pop("expiresIn", EXPIRES_IN[-1]))
    if expires_in is None or expires_in not in EXPIRES_IN:
        raise InvalidRequest(f"expiresIn is a whole number of seconds, {EXPIRES_IN[0]} to {EXPIRES_IN[-1]}.")
    result = Draft(
        title=_title(body.pop("title", None)),
        metadata=_metadata(body.pop("metadata", None)),
        expires_in=timedelta(seconds=expires_in),
        durable=_flag(body.pop("durable", False), "durable"),
        presence=_flag(body.pop("presence", False), "presence"),
        join_as=_role(body.pop("joinAs", Role.PARTICIPANT.value), "joinAs"),
        duplicates=_duplicates(body.pop("duplicates", Duplicates.ALLOW.value)),
        max_connections=_max_connections(body.pop("maxConnections", None)),
    )
    _refuse_unknown(body)
    return result


def patch(request: Request) -> Patch:
    """The body of a merge patch (RFC 7396). Raises InvalidRequest, TooLarge, UnsupportedMediaType."""
    body = fields(request, MERGE_PATCH)
    status = body.pop("status", KEEP)
    if status is not KEEP:
        status = _status(status)
    title = body.pop("title", KEEP)
    metadata = body.pop("metadata", KEEP)
    join_as = body.pop("joinAs", KEEP)
    _refuse_unknown(body)
    return Patch(
        status,
        title if title is KEEP else _title(title),
        metadata if metadata is KEEP else _metadata(metadata),
        join_as if join_as is KEEP else _role(join_as, "joinAs"),
    )


def new_ticket(request: Request) -> tuple[Guest | None, str | None]:
    """The body of a request for a ticket: the guest that it is for, None for the caller, and the connection that it
    replaces. Raises InvalidRequest, TooLarge, UnsupportedMediaType."""
    _parameters(request)  # a subject in the query, ignored, would be a ticket of the owner's in the hands of a guest
    body = fields(request, JSON) if request.body else {}
    replaces = _connection_id(body.pop("replaces")) if "replaces" in body else None
    guest = _guest(body) if "subject" in body else None
    if guest is None and not {"role", "expiresIn"}.isdisjoint(body):
        raise InvalidRequest("role and expiresIn are a guest's: name its subject.")
    _refuse_unknown(body)
    return guest, replaces


def _connection_id(value: Any) -> str:
    if not is_connection_id(value):
        raise InvalidRequest("replaces is the id of a connection.")
    return value


def _guest(body: dict[str, Any]) -> Guest:
    subject, lasts = body.pop("subject"), jsontext.whole(body.pop("expiresIn", int(Guest.lasts.total_seconds())))
    if not is_subject(subject) or not subject.startswith(GUEST) or subject == GUEST:
        raise InvalidRequest(f"subject is {GUEST} and a name, {SUBJECT_LENGTH} printable characters at most.")
    if lasts is None or lasts not in GUEST_LASTS:
        raise InvalidRequest(f"expiresIn is a whole number of seconds, {GUEST_LASTS[0]} to {GUEST_LASTS[-1]}.")
    role = _role(body.pop("role"), "role") if "role" in body else None
    return Guest(subject, role, timedelta(seconds=lasts))


def fields(request: Request, accepted: tuple[str, ...]) -> dict[str, Any]:
    """A body that is a JSON object. Raises InvalidRequest, TooLarge, UnsupportedMediaType."""
    sent = request.headers.get("content-type", JSON[0])
    media_type, *parameters = (part.strip().lower() for part in sent.split(";"))
    charsets = {part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")}
    if media_type not in accepted or charsets - {"utf-8"}:
        raise UnsupportedMediaType(sent, accepted)
    if len(request.body) > BODY_BYTES:
        raise TooLarge("The body", len(request.body), BODY_BYTES)
    body = jsontext.parse(request.body)
    if not isinstance(body, dict):
        raise InvalidRequest("The body is a JSON object.")
    return body


def new_message(request: Request) -> NewMessage:
    """A message, with its Idempotency-Key. Raises InvalidRequest, TooLarge, UnsupportedMediaType."""
    key = idempotency_key(request)
    _parameters(request)  # `to` in the query, ignored, would be a message to everybody
    body = fields(request, JSON)
    if "data" not in body:
        raise InvalidRequest("A message needs data.")
    message = NewMessage(body.pop("data"), subject_of(body.pop("to"), "to") if "to" in body else None, key)
    _refuse_unknown(body)
    if message.to is not None and key is not None:  # who sends one relies on it
        raise InvalidRequest("A message to one subject takes no Idempotency-Key: a repeat is another message.")
    return message


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key, if there is one. Raises InvalidRequest."""
    key = request.headers.get("idempotency-key")
    if key is not None and not is_key(key):
        raise InvalidRequest("Idempotency-Key is 1 to 255 visible ASCII characters.")
    return key


def versions(request: Request) -> frozenset[int] | None:
    """The versions that may be changed, by If-Match and If-None-Match; None for any. A weak, foreign or differently
    written tag matches no version (RFC 9110, 8.8.3.2). Raises InvalidRequest."""
    if "if-none-match" in request.headers:
        if "*" not in [tag.strip() for tag in request.headers["if-none-match"].split(",")]:
            raise InvalidRequest("If-None-Match of a change is * alone; name the versions to change in If-Match.")
        return frozenset()
    sent = request.headers.get("if-match")
    if sent is None or sent.strip() == "*":
        return None
    numbers = {int(tag) for tag in _tags(sent, weak=False) if VERSION.fullmatch(tag)}
    if len(numbers) > IF_MATCH_TAGS:
        raise InvalidRequest(f"If-Match names more than {IF_MATCH_TAGS} versions.")
    return frozenset(numbers)


def is_current(request: Request, etag: str) -> bool:
    """Whether the client has this representation, by If-None-Match."""
    sent = request.headers.get("if-none-match", "")
    return sent.strip() == "*" or etag.strip('"') in _tags(sent, weak=True)


def _tags(sent: str, *, weak: bool) -> set[str]:
    """The texts of the tags in a list, the weak ones too if asked for."""
    found = (ENTITY_TAG.fullmatch(tag.strip()) for tag in sent.split(","))
    return {tag[2] for tag in found if tag and (weak or not tag[1])}


def page_request(request: Request, owner_id: str) -> tuple[Status | None, int, Position | None]:
    """Status, limit and position of a list. Raises InvalidRequest, also for a parameter that is unknown."""
    cursor, limit, status = _parameters(request, "cursor", "limit", "status")
    return (
        None if status is None else _status(status),
        _limit(limit),
        None if cursor is None else cursors.read_session_cursor(cursor, owner_id),
    )


def participants_request(request: Request, session_id: str) -> tuple[int, str | None]:
    """Limit and position of a list of participants. Raises InvalidRequest."""
    cursor, limit = _parameters(request, "cursor", "limit")
    return _limit(limit), None if cursor is None else cursors.read_participant_cursor(cursor, session_id)


def new_role(request: Request) -> tuple[str, Role]:
    """A subject, and the role that it is given. Raises InvalidRequest, TooLarge, UnsupportedMediaType."""
    (subject,) = _parameters(request, "subject")
    body = fields(request, JSON)
    role = _role(body.pop("role", None), "role")
    _refuse_unknown(body)
    return subject_of(subject, "subject"), role


def kick(request: Request) -> tuple[str, timedelta]:
    """A subject, and for how long it is kept out. Raises InvalidRequest."""
    ban, subject = _parameters(request, "ban", "subject")
    if request.body:  # `ban` in it, ignored, would be the default
        raise InvalidRequest("Name subject and ban in the query, and send no body.")
    seconds = _number(ban, "ban", BAN, DEFAULT_BAN)
    return subject_of(subject, "subject"), timedelta(seconds=seconds)


def events_request(request: Request) -> tuple[int, int]:
    """The number after which a page of events begins, and its limit. Raises InvalidRequest."""
    after, limit = _parameters(request, "after", "limit")
    return _number(after, "after", AFTER, 0), _number(limit, "limit", EVENT_LIMITS, DEFAULT_EVENT_LIMIT)


# --- out


def etag(session: Session, now: datetime) -> str:
    """Differs after each change, and after the expiry even before the sweep has written that."""
    return f'"{session.version}"' if session.at(now) is session else f'"{session.version}-ended"'


def one(session: Session, now: datetime, status: int = 200, **headers: str) -> Reply:
    """One session as it is at `now`."""
    return json_reply(status, document(session.at(now)), {"ETag": etag(session, now), **headers})


def created(request: Request, session: Session, now: datetime, replayed: bool) -> Reply:
    location = f"{request.path.rstrip('/')}/{quote(session.session_id)}"
    reply = one(session, now, 201, Location=location)
    return Reply(reply.status, reply.body, {**reply.headers, **REPLAYED}) if replayed else reply


def found(request: Request, session: Session, now: datetime) -> Reply:
    tag = etag(session, now)
    return Reply(304, "", {"ETag": tag}) if is_current(request, tag) else one(session, now)


def listed(page: Page, owner_id: str, now: datetime) -> Reply:
    cursor = None if page.after is None else cursors.write_session_cursor(page.after, owner_id)
    shown = [document(session.at(now)) for session in page.sessions]
    return json_reply(200, {"sessions": shown, "nextCursor": cursor})


def issued(ticket: Secret, session_id: str, websocket_url: str | None) -> Reply:
    """A ticket, with what a browser needs to open a socket by it."""
    shown: dict[str, Any] = {
        "ticket": ticket.reveal(),
        "expiresIn": int(TICKET_LASTS.total_seconds()),
        "protocols": [credentials.PROTOCOL, f"{credentials.TICKET}{ticket.reveal()}"],
    }
    if websocket_url is not None:
        shown["url"] = f"{websocket_url}?sessionId={session_id}"
    return json_reply(201, shown)


def sent(outcome: tuple[int | None, Report] | Published) -> Reply:
    if isinstance(outcome, Published):
        return json_reply(201, {"seq": outcome.seq, "duplicate": True}, REPLAYED)
    seq, report = outcome
    numbered = {} if seq is None else {"seq": seq}
    return json_reply(201, {**numbered, "sent": report[Outcome.SENT], "missed": report.missed})


def participants(page: ParticipantPage, session_id: str) -> Reply:
    cursor = None if page.after is None else cursors.write_participant_cursor(page.after, session_id)
    shown = [{**person(one), "connections": one.connections, "since": rfc3339(one.since)} for one in page.participants]
    return json_reply(200, {"participants": shown, "nextCursor": cursor})


def history(events: Sequence[Mapping[str, Any]], after: int | None) -> Reply:
    """A page of events; the next one begins `after` a number, if there is one."""
    return json_reply(200, {"events": events, **({} if after is None else {"next": after})})


def removal(removal: Removal) -> Reply:
    until = None if removal.banned_until is None else rfc3339(removal.banned_until)
    return json_reply(200, {"closed": removal.closed, "pending": removal.pending, "bannedUntil": until})


def json_reply(status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, jsontext.compact(body), {"Content-Type": "application/json", **(headers or {})})


def response_headers(request: Request, reply: Reply) -> dict[str, str]:
    """The headers of a response, with those that each response has."""
    return {**ALWAYS, CORRELATION_HEADER: request.correlation_id, **reply.headers}


# --- fields


def _title(value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or len(value) > TITLE_LENGTH):
        raise InvalidRequest(f"title is text of at most {TITLE_LENGTH} characters, or null.")
    return value


def _metadata(value: Any) -> Mapping[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise InvalidRequest("metadata is an object, or null.")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"{name} is true or false.")
    return value


def _status(value: Any) -> Status:
    try:
        return Status(value)
    except ValueError as exc:
        raise InvalidRequest("status is one of active, paused, ended.") from exc


def _role(value: Any, name: str) -> Role:
    if value not in (Role.PARTICIPANT.value, Role.VIEWER.value):
        raise InvalidRequest(f"{name} is participant or viewer.")
    return Role(value)


def _number(value: str | None, name: str, allowed: range, default: int) -> int:
    """The number that a parameter of the query is."""
    if value is None:
        return default
    if not re.fullmatch(r"0|[1-9][0-9]{0,15}", value) or int(value) not in allowed:
        raise InvalidRequest(f"{name} is a whole number, {allowed[0]} to {allowed[-1]}.")
    return int(value)


def _limit(value: str | None) -> int:
    return _number(value, "limit", LIMITS, DEFAULT_LIMIT)


def _duplicates(value: Any) -> Duplicates:
    try:
        return Duplicates(value)
    except ValueError as exc:
        raise InvalidRequest("duplicates is one of allow, newest, oldest.") from exc


def _max_connections(value: Any) -> int | None:
    most = jsontext.whole(value)
    if value is not None and (most is None or most not in MAX_CONNECTIONS):
        raise InvalidRequest(f"maxConnections is null, or {MAX_CONNECTIONS[0]} to {MAX_CONNECTIONS[-1]}.")
    return most


def _refuse_unknown(rest: Mapping[str, Any]) -> None:
    if rest:
        raise InvalidRequest(f"Unknown field: {', '.join(sorted(rest))[:200]}.")


def _parameters(request: Request, *names: str) -> tuple[str | None, ...]:
    """The values of parameters of the query, None without one. Raises InvalidRequest for one that is not named."""
    if not request.query.keys() <= set(names):
        raise InvalidRequest(f"These parameters are taken, and no others: {', '.join(names) or 'none'}.")
    for name, values in request.query.items():
        if len(values) > 1:
            raise InvalidRequest(f"{name} is given once.")
    return tuple(request.query[name][0] if request.query.get(name) else None for name in names)


def correlation_id(sent: str | None, request_id: str) -> str:
    """The id that the client sent, if it is well formed and holds no JWT or ticket, which would leak; else the
    request's own."""
    if not sent or not CORRELATION_ID.fullmatch(sent):
        return request_id
    return request_id if credentials.is_leaked_in(sent) or credentials.has_ticket(sent) else sent
