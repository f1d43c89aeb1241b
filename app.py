"""Routes, WebSocket handlers and the schedule: each reads, calls one function, shapes an answer. No rule is here."""

from __future__ import annotations

import functools
import importlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalice.app import Chalice, CloudWatchEvent, CORSConfig, Rate, Response, WebsocketEvent

from chalicelib import connections, credentials, frames, http, logs, metrics, sessions, sweeper
from chalicelib.errors import (
    NotConnected,
    Unavailable,
    code_of,
)
from chalicelib.measured_delivery import MeasuredDelivery
from chalicelib.model import SESSION_ID, Endpoint, Once, Principal, Write
from chalicelib.observation import Observation, observed
from chalicelib.place import place

if TYPE_CHECKING:
    from chalicelib.secret import Secret
    from chalicelib.service import Service

app = Chalice(app_name="sessions")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.api.cors = CORSConfig(
    allow_origin="*",  # no cookie is ever read
    allow_headers=list(http.ALLOWED_HEADERS),
    expose_headers=list(http.EXPOSED_HEADERS),
    max_age=600,
)
for handler in app.log.handlers:
    handler.setFormatter(logs.Lines(app.FORMAT_STRING))


# --- the real parts, put together when the first request needs them


_building = threading.Lock()


def service() -> Service:
    with _building:  # once, though many threads ask at a cold start
        return build_service()


@functools.lru_cache(maxsize=1)
def build_service() -> Service:
    from chalicelib.service import build

    return build(os.environ, Path(__file__).parent, now)


def now() -> datetime:
    return datetime.now(timezone.utc)


def authenticate(token: Secret) -> Principal:
    from chalicelib import auth

    principal = auth.authenticate(token, service().settings.tokens, service().keys, now())
    logs.learn(subject=logs.subject_hash(principal.subject))
    return principal


# --- what is said of each event


@functools.lru_cache(maxsize=1)
def set_log_levels() -> None:
    logs.set_levels(os.environ)


@contextmanager
def observe(operation: str, request_id: str, correlation_id: str, **known: str) -> Iterator[Event]:
    """The event that is handled in the block. Of the ids that it knows, one of a session is none before it looks so."""
    set_log_levels()
    if not SESSION_ID.fullmatch(known.get("session_id", "")):
        known.pop("session_id", None)
    ids = {"request_id": request_id, "correlation_id": correlation_id, **known}
    with observed(operation, place(os.environ), **ids) as observation:
        yield Event(observation, correlation_id)


@dataclass(frozen=True)
class Event:
    """What a handler is called for: what is measured of it, and what tells its frames from those of others."""

    observation: Observation
    correlation_id: str

    @property
    def measure(self) -> metrics.Measure:
        return self.observation.measure

    @property
    def deliver(self) -> MeasuredDelivery:
        return MeasuredDelivery(service().delivery, self.measure, time.monotonic)


# --- HTTP


@dataclass(frozen=True)
class Call:
    """A request of a principal."""

    request: http.Request
    principal: Principal
    now: datetime
    event: Event

    def write(self) -> Write:
        versions = http.versions(self.request)
        return Write(self.principal.subject, self.now, self.request.id, versions, self.event.correlation_id)


def answers(handler: Callable[..., http.Reply]) -> Callable[..., Response]:
    """For routes that need a principal: gives the handler a Call, and turns what comes of it into the response."""

    @functools.wraps(handler)
    def answered(**captured: str) -> Response:
        def act(request: http.Request, event: Event) -> http.Reply:
            principal = authenticate(credentials.bearer(request.headers.get("authorization", "")))
            return handler(Call(request, principal, now(), event), **captured)

        return _response(handler.__name__, act, **captured)

    return answered


def answers_anyone(handler: Callable[[], http.Reply]) -> Callable[[], Response]:
    """For routes that anyone may call."""

    @functools.wraps(handler)
    def answered() -> Response:
        return _response(handler.__name__, lambda request, event: handler())

    return answered


def _response(operation: str, act: Callable[[http.Request, Event], http.Reply], **captured: str) -> Response:
    """Refusals and bugs as responses too: Chalice would make a 500 of them, without a word and without CORS."""
    current = app.current_request
    assert current is not None  # noqa: S101  Chalice sets it before it calls a view
    body = current.raw_body
    request = http.request(
        current.to_original_event(), body.encode() if isinstance(body, str) else body, str(uuid.uuid4())
    )
    with observe(operation, request.id, request.correlation_id, **captured) as event:
        try:
            reply = act(request, event)
        except Exception as exc:  # noqa: BLE001  the last resort: nothing else answers for a bug
            event.observation.ends_with(exc)
            reply = http.problem(exc, request.id)
    return Response(reply.body, {**http.response_headers(request, reply)}, reply.status)


route = functools.partial(app.route, content_types=["*/*"], cors=app.api.cors)


@route("/sessions", methods=["POST"])
@answers
def create_session(call: Call) -> http.Reply:
    draft, key = http.draft(call.request), http.idempotency_key(call.request)
    once = None if key is None else Once(key, sessions.fingerprint(draft))
    written = sessions.create_session(
        draft,
        call.principal,
        store=service().store,
        now=call.now,
        random=os.urandom,
        request_id=call.request.id,
        once=once,
        measure=call.event.measure,
    )
    logs.learn(session_id=written.session.session_id)
    return http.created(call.request, written.session, call.now, replayed=not written.changed)


@route("/sessions", methods=["GET"])
@answers
def list_sessions(call: Call) -> http.Reply:
    owner = call.principal
    status, limit, after = http.page_request(call.request, owner.subject)
    page = sessions.list_sessions(owner, store=service().store, now=call.now, status=status, limit=limit, after=after)
    return http.listed(page, owner.subject, call.now)


@route("/sessions/{session_id}", methods=["GET"])
@answers
def find_session(call: Call, session_id: str) -> http.Reply:
    session = sessions.find_session(session_id, store=service().store)
    return http.found(call.request, session, call.now)


@route("/sessions/{session_id}", methods=["PATCH"])
@answers
def change_session(call: Call, session_id: str) -> http.Reply:
    patch = http.patch(call.request)
    session = sessions.change_session(
        session_id,
        patch,
        call.write(),
        store=service().store,
        deliver=call.event.deliver,
        measure=call.event.measure,
    )
    return http.one(session, call.now)


@route("/sessions/{session_id}", methods=["DELETE"])
@answers
def end_session(call: Call, session_id: str) -> http.Reply:
    deliver, measure = call.event.deliver, call.event.measure
    sessions.end_session(session_id, call.write(), store=service().store, deliver=deliver, measure=measure)
    return http.Reply(204)


@route("/health", methods=["GET"])
@answers_anyone
def health() -> http.Reply:
    return http.json_reply(200, {"status": "ok"})


@route("/health/ready", methods=["GET"])
@answers_anyone
def ready() -> http.Reply:
    service().readiness.check()
    return http.json_reply(200, {"status": "ready"})


# --- WebSocket: an exception that left a handler would be a 502, or a frame of API Gateway's own


@contextmanager
def observe_socket(operation: str, event: WebsocketEvent) -> Iterator[Event]:
    request_id = event.to_dict()["requestContext"]["requestId"]
    with observe(operation, request_id, request_id, connection_id=event.connection_id) as observed_event:
        yield observed_event


def admits(handler: Callable[[WebsocketEvent], str | None]) -> Callable[[WebsocketEvent], Mapping[str, Any]]:
    """Turns the subprotocol to be named, refusals and bugs into the status of the handshake."""

    @functools.wraps(handler)
    def admitted(event: WebsocketEvent) -> Mapping[str, Any]:
        with observe_socket(handler.__name__, event) as handshake:
            try:
                subprotocol = handler(event)
            except Exception as exc:  # noqa: BLE001  the last resort: nothing else answers for a bug
                handshake.observation.ends_with(exc)
                handshake.measure(metrics.CONNECTS_REFUSED, by=code_of(exc))
                return {"statusCode": http.handshake_status(exc)}
            handshake.measure(metrics.CONNECTS_ACCEPTED)
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {}}

    return admitted


@dataclass(frozen=True)
class Said:
    """What a connection asks for in a frame."""

    action: frames.Action
    connection_id: str
    now: datetime
    event: Event


def converses(handler: Callable[[Said], frames.Frame]) -> Callable[[WebsocketEvent], None]:
    """Turns answers, refusals and bugs into frames to the sender, and closes a connection that may not go on."""

    @functools.wraps(handler)
    def conversed(event: WebsocketEvent) -> None:
        began, reply_to = now(), None
        connection_id, context = event.connection_id, event.to_dict()["requestContext"]
        with observe_socket(handler.__name__, event) as frame:
            endpoint = Endpoint(context["apiId"], context["stage"], service().settings.region)
            try:
                envelope = frames.envelope(event.body)
                reply_to = envelope.reply_to
                answer = handler(Said(frames.action(envelope), connection_id, began, frame))
            except NotConnected as exc:
                frame.observation.ends_with(exc)
                service().delivery.close(endpoint, connection_id, frames.closing(exc, frame.correlation_id), began)
                return
            except Exception as exc:  # noqa: BLE001  the last resort: nothing else answers for a bug
                frame.observation.ends_with(exc)
                answer = frames.refusal(exc)
            service().delivery.send(endpoint, connection_id, frames.replying(answer, reply_to), began)

    return conversed


@app.on_ws_connect()
@admits
def connect(event: WebsocketEvent) -> str | None:
    settings = service().settings
    handshake = frames.handshake(event.to_dict(), settings.allowed_origins, settings.region)
    if SESSION_ID.fullmatch(handshake.session_id):
        logs.learn(session_id=handshake.session_id)
    principal = authenticate(handshake.token)
    connections.connect(handshake, principal, store=service().store, now=now())
    return handshake.subprotocol


@app.on_ws_message()
@converses
def message(said: Said) -> frames.Frame:
    return connections.receive(
        said.action,
        said.connection_id,
        store=service().store,
        deliver=said.event.deliver,
        now=said.now,
        correlation_id=said.event.correlation_id,
    )


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    with observe_socket("disconnect", event) as end:
        try:
            connections.disconnect(event.connection_id, store=service().store)
        except Unavailable as exc:  # its rows leave with the next delivery to it, or when they are purged
            end.observation.ends_with(exc)


# --- the schedule


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> None:
    with observe("sweep", event.event_id, event.event_id) as run:
        swept = sweeper.sweep(
            store=service().store,
            deliver=run.deliver,
            clock=now,
            correlation_id=run.correlation_id,
            measure=run.measure,
        )
        logs.learn(**vars(swept))


# --- a cold start


def prepare() -> None:
    """Imports what the first request of each function needs: botocore, PyJWT, and what writes its log line.

    Where Lambda initializes a function ahead of its first request, nobody waits for it. Elsewhere, in `chalice package`
    and in tests, it is left to the first request, so that to import this module stays quick.
    """
    importlib.import_module("chalicelib.auth")
    importlib.import_module("chalicelib.service")
    importlib.import_module("aws_lambda_powertools.logging.formatter")  # of logs.py and emf.py
    importlib.import_module("aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch")


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # set by Lambda alone, in each of its runtimes
    prepare()
