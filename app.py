"""Routes, WebSocket handlers and the schedule: each reads, calls one function, shapes an answer. No rule is here."""

from __future__ import annotations

import functools
import importlib
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chalice.app import Chalice, CloudWatchEvent, CORSConfig, Rate, Response, WebsocketEvent

from chalicelib import connections, credentials, frames, http, sessions, sweeper
from chalicelib.errors import (
    NotConnected,
    SessionsError,
    Unavailable,
)
from chalicelib.model import Endpoint, Once, Principal, Write

if TYPE_CHECKING:
    from chalicelib.service import Service

app = Chalice(app_name="sessions")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.api.cors = CORSConfig(
    allow_origin="*",  # no cookie is ever read
    allow_headers=list(http.ALLOWED_HEADERS),
    expose_headers=list(http.EXPOSED_HEADERS),
    max_age=600,
)
log = app.log


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


def authenticate(token: str) -> Principal:
    from chalicelib import auth

    return auth.authenticate(token, service().settings.tokens, service().keys, now())


# --- HTTP


@dataclass(frozen=True)
class Call:
    """A request of a principal."""

    request: http.Request
    principal: Principal
    now: datetime

    def write(self) -> Write:
        return Write(self.principal.subject, self.now, self.request.id, http.versions(self.request))


def answers(handler: Callable[..., http.Reply]) -> Callable[..., Response]:
    """For routes that need a principal: gives the handler a Call, and turns what comes of it into the response."""

    @functools.wraps(handler)
    def answered(**captured: str) -> Response:
        def act(request: http.Request) -> http.Reply:
            principal = authenticate(credentials.bearer(request.headers.get("authorization", "")))
            return handler(Call(request, principal, now()), **captured)

        return _response(act)

    return answered


def answers_anyone(handler: Callable[[], http.Reply]) -> Callable[[], Response]:
    """For routes that anyone may call."""

    @functools.wraps(handler)
    def answered() -> Response:
        return _response(lambda request: handler())

    return answered


def _response(act: Callable[[http.Request], http.Reply]) -> Response:
    """Refusals and bugs as responses too: Chalice would make a 500 of them, without a word and without CORS."""
    current = app.current_request
    assert current is not None  # noqa: S101  Chalice sets it before it calls a view
    body = current.raw_body
    request = http.request(
        current.to_original_event(), body.encode() if isinstance(body, str) else body, str(uuid.uuid4())
    )
    try:
        reply = act(request)
    except SessionsError as exc:
        _note(exc, request.id)
        reply = http.problem(exc, request.id)
    except Exception as exc:  # the last resort: nothing else answers for a bug
        log.exception("request %s failed", request.id)
        reply = http.problem(exc, request.id)
    headers: dict[str, str | list[str]] = {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        **reply.headers,
    }
    return Response(reply.body, headers, reply.status)


def _note(refusal: SessionsError, request_id: str) -> None:
    """What was refused, and, if a part of ours did not answer, why."""
    if isinstance(refusal, Unavailable):
        log.warning("%s: %s", request_id, refusal.detail, exc_info=refusal.__cause__)
    else:
        log.info("%s: refused as %s", request_id, refusal.code)


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
    )
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
        session_id, patch, call.write(), store=service().store, deliver=service().delivery
    )
    return http.one(session, call.now)


@route("/sessions/{session_id}", methods=["DELETE"])
@answers
def end_session(call: Call, session_id: str) -> http.Reply:
    sessions.end_session(session_id, call.write(), store=service().store, deliver=service().delivery)
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


def admits(handler: Callable[[WebsocketEvent], str | None]) -> Callable[[WebsocketEvent], Mapping[str, Any]]:
    """Turns the subprotocol to be named, refusals and bugs into the status of the handshake."""

    @functools.wraps(handler)
    def admitted(event: WebsocketEvent) -> Mapping[str, Any]:
        request_id = event.to_dict()["requestContext"]["requestId"]
        try:
            subprotocol = handler(event)
        except SessionsError as exc:
            _note(exc, request_id)
            return {"statusCode": http.handshake_status(exc)}
        except Exception as exc:  # the last resort: nothing else answers for a bug
            log.exception("handshake %s failed", request_id)
            return {"statusCode": http.handshake_status(exc)}
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {}}

    return admitted


def converses(handler: Callable[[frames.Action, str, datetime], frames.Frame]) -> Callable[[WebsocketEvent], None]:
    """Turns answers, refusals and bugs into frames to the sender, and closes a connection that may not go on."""

    @functools.wraps(handler)
    def conversed(event: WebsocketEvent) -> None:
        began, reply_to = now(), None
        connection_id, context = event.connection_id, event.to_dict()["requestContext"]
        endpoint = Endpoint(context["apiId"], context["stage"], service().settings.region)
        try:
            envelope = frames.envelope(event.body)
            reply_to = envelope.reply_to
            answer = handler(frames.action(envelope), connection_id, began)
        except NotConnected as exc:
            service().delivery.close(endpoint, connection_id, frames.closing(exc), began)
            return
        except SessionsError as exc:
            _note(exc, context["requestId"])
            answer = frames.refusal(exc)
        except Exception:  # the last resort: nothing else answers for a bug
            log.exception("frame %s failed", context["requestId"])
            answer = frames.refusal(SessionsError("Something went wrong here, and was logged."))
        service().delivery.send(endpoint, connection_id, frames.replying(answer, reply_to), began)

    return conversed


@app.on_ws_connect()
@admits
def connect(event: WebsocketEvent) -> str | None:
    settings = service().settings
    handshake = frames.handshake(event.to_dict(), settings.allowed_origins, settings.region)
    principal = authenticate(handshake.token)
    connections.connect(handshake, principal, store=service().store, now=now())
    return handshake.subprotocol


@app.on_ws_message()
@converses
def message(action: frames.Action, connection_id: str, began: datetime) -> frames.Frame:
    deliver = service().delivery
    return connections.receive(action, connection_id, store=service().store, deliver=deliver, now=began)


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    try:
        connections.disconnect(event.connection_id, store=service().store)
    except Unavailable:
        log.warning("a connection could not be forgotten; its rows leave with the next delivery to it, or when purged")


# --- the schedule


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> None:
    swept = sweeper.sweep(store=service().store, deliver=service().delivery, clock=now)
    log.info("swept: %d expired, %d settled, %d failed", swept.expired, swept.settled, swept.failed)


# --- a cold start


def prepare() -> None:
    """Imports what the first request of each function needs: botocore and PyJWT.

    Where Lambda initializes a function ahead of its first request, nobody waits for it. Elsewhere, in `chalice package`
    and in tests, it is left to the first request, so that to import this module stays quick.
    """
    importlib.import_module("chalicelib.auth")
    importlib.import_module("chalicelib.service")


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:  # set by Lambda alone, in each of its runtimes
    prepare()
