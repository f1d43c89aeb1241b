"""Routes, WebSocket handlers and the schedule: each reads its input, calls one use case and shapes the answer."""

from __future__ import annotations

import functools
import importlib
import os
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from chalice.app import Chalice, CloudWatchEvent, CORSConfig, Rate, Response, WebsocketEvent

from chalicelib import (
    connections,
    conversations,
    credentials,
    frames,
    history,
    http,
    logs,
    messages,
    metrics,
    participants,
    problems,
    sessions,
    sweeper,
    tickets,
)
from chalicelib.context import Call, Run, Said, running
from chalicelib.errors import NotConnected, Unavailable, code_of
from chalicelib.members import Endpoint
from chalicelib.model import SESSION_ID, Principal

if TYPE_CHECKING:
    from chalicelib.credentials import Secret
    from chalicelib.service import Service

app = Chalice(app_name="sessions")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.api.cors = CORSConfig(
    allow_origin="*",  # the service reads no cookies
    allow_headers=list(http.ALLOWED_HEADERS),
    expose_headers=list(http.EXPOSED_HEADERS),
    max_age=600,
)
for handler in app.log.handlers:
    handler.setFormatter(logs.Lines(app.FORMAT_STRING))


# --- the service, built when the first request needs it


_building = threading.Lock()


def service() -> Service:
    with _building:  # builds once, though many threads ask at a cold start
        return build_service()


@functools.lru_cache(maxsize=1)
def build_service() -> Service:
    from chalicelib.service import build

    return build(os.environ, Path(__file__).parent, now)


def now() -> datetime:
    return datetime.now(UTC)


def verify(token: Secret) -> Principal:
    from chalicelib import auth

    return auth.authenticate(token, service().settings.tokens, service().keys, now())


def authenticate(token: Secret) -> Principal:
    """The caller, whom the log then knows."""
    principal = verify(token)
    logs.learn(subject=logs.subject_hash(principal.subject))
    return principal


def identify(handshake: frames.Handshake) -> tuple[Principal, frames.Handshake]:
    """The principal of a handshake, and the handshake with what its ticket adds."""
    if not handshake.by_ticket:
        return authenticate(handshake.credential), handshake
    principal, admitted = tickets.use(handshake, store=service().store, now=now())
    logs.learn(subject=logs.subject_hash(principal.subject))
    return principal, admitted


# --- what is logged and measured


@functools.lru_cache(maxsize=1)
def set_log_levels() -> None:
    logs.set_levels(os.environ)


def observe(operation: str, correlation_id: str, **known: str) -> AbstractContextManager[Run]:
    set_log_levels()
    delivery, store = (lambda: service().delivery), (lambda: service().store)
    return running(operation, os.environ, delivery, store, correlation_id, **known)


def observe_socket(operation: str, event: WebsocketEvent) -> AbstractContextManager[Run]:
    request_id = event.to_dict()["requestContext"]["requestId"]
    return observe(operation, request_id, request_id=request_id, connection_id=event.connection_id)


# --- HTTP


def answers(handler: Callable[..., http.Reply]) -> Callable[..., Response]:
    """For routes that need a principal: gives the handler a Call, and turns its reply or error into the response."""

    @functools.wraps(handler)
    def answered(**captured: str) -> Response:
        def act(request: http.Request, run: Run) -> http.Reply:
            credentials.refuse_leaked(request.query)
            principal = authenticate(credentials.bearer(request.headers.get("authorization", "")))
            return handler(Call(request, principal, now(), run), **captured)

        return _response(handler.__name__, act, **captured)

    return answered


def answers_anyone(handler: Callable[[], http.Reply]) -> Callable[[], Response]:
    """For routes that anyone may call."""

    @functools.wraps(handler)
    def answered() -> Response:
        return _response(handler.__name__, lambda request, run: handler())

    return answered


def _response(operation: str, act: Callable[[http.Request, Run], http.Reply], **captured: str) -> Response:
    """The response, also to refusals and bugs: Chalice would answer them with an empty 500 without CORS."""
    current = app.current_request
    assert current is not None  # noqa: S101  Chalice sets it before it calls a view
    request = http.request(current.to_original_event(), current.raw_body, str(uuid.uuid4()))
    with observe(operation, request.correlation_id, request_id=request.id, **captured) as run:
        try:
            reply = act(request, run)
        except Exception as exc:  # noqa: BLE001  nothing else answers for a bug
            run.observation.ends_with(exc)
            reply = problems.reply(exc, request.id)
    return Response(reply.body, {**http.response_headers(request, reply)}, reply.status)


route = functools.partial(app.route, content_types=["*/*"], cors=app.api.cors)


@route("/sessions", methods=["POST"])
@answers
def create_session(call: Call) -> http.Reply:
    draft = http.draft(call.request)
    written = sessions.create_session(
        draft,
        call.principal,
        store=service().store,
        now=call.now,
        random=os.urandom,
        request_id=call.request.id,
        once=call.once(draft),
        measure=call.run.measure,
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
    session = sessions.find_session(session_id, call.principal, store=service().store, now=call.now)
    return http.found(call.request, session, call.now)


@route("/sessions/{session_id}", methods=["PATCH"])
@answers
def change_session(call: Call, session_id: str) -> http.Reply:
    session = sessions.change_session(
        session_id,
        http.patch(call.request),
        call.write(),
        store=service().store,
        deliver=call.run.deliver,
        correlation_id=call.run.correlation_id,
        measure=call.run.measure,
    )
    return http.one(session, call.now)


@route("/sessions/{session_id}", methods=["DELETE"])
@answers
def end_session(call: Call, session_id: str) -> http.Reply:
    sessions.end_session(
        session_id,
        call.write(),
        store=service().store,
        deliver=call.run.deliver,
        correlation_id=call.run.correlation_id,
        measure=call.run.measure,
    )
    return http.Reply(204)


@route("/sessions/{session_id}/tickets", methods=["POST"])
@answers
def issue_ticket(call: Call, session_id: str) -> http.Reply:
    settings, origin = service().settings, call.request.headers.get("origin")
    if origin is not None:
        credentials.check_origin(origin, settings.allowed_origins)
    guest, replaces = http.new_ticket(call.request)
    ticket = tickets.issue(
        session_id,
        call.principal,
        guest=guest,
        replaces=replaces,
        origin=origin,
        store=service().store,
        now=call.now,
        random=os.urandom,
    )
    return http.issued(ticket, session_id, settings.websocket_url)


@route("/sessions/{session_id}/messages", methods=["POST"])
@answers
def send_message(call: Call, session_id: str) -> http.Reply:
    outcome = messages.send_message(
        session_id,
        http.new_message(call.request),
        call.sender(),
        store=service().store,
        deliver=call.run.deliver,
        rate=service().settings.limits.publishes,
    )
    return http.sent(outcome)


@route("/sessions/{session_id}/events", methods=["GET"])
@answers
def list_events(call: Call, session_id: str) -> http.Reply:
    after, limit = http.events_request(call.request)
    page = history.list_events(
        session_id,
        call.principal,
        store=service().store,
        now=call.now,
        after=after,
        limit=limit,
    )
    return http.history(frames.events(page.events), page.next)


@route("/sessions/{session_id}/participants", methods=["GET"])
@answers
def list_participants(call: Call, session_id: str) -> http.Reply:
    limit, after = http.participants_request(call.request, session_id)
    page = participants.list_participants(
        session_id, call.principal, store=service().store, now=call.now, limit=limit, after=after
    )
    return http.participants(page, session_id)


@route("/sessions/{session_id}/participants", methods=["PATCH"])
@answers
def set_role(call: Call, session_id: str) -> http.Reply:
    subject, role = http.new_role(call.request)
    participants.set_role(
        session_id,
        call.principal,
        subject,
        role,
        store=service().store,
        deliver=call.run.deliver,
        now=call.now,
        correlation_id=call.run.correlation_id,
    )
    return http.json_reply(200, {"subject": subject, "role": role.value})


@route("/sessions/{session_id}/participants", methods=["DELETE"])
@answers
def kick_participant(call: Call, session_id: str) -> http.Reply:
    subject, ban = http.kick(call.request)
    removal = participants.kick_participant(
        session_id,
        call.principal,
        subject,
        ban,
        store=service().store,
        deliver=call.run.deliver,
        now=call.now,
        correlation_id=call.run.correlation_id,
    )
    return http.removal(removal)


@route("/health", methods=["GET"])
@answers_anyone
def health() -> http.Reply:
    from chalicelib.settings import version

    deployed = version(os.environ)
    return http.json_reply(200, {"status": "ok"} if deployed is None else {"status": "ok", "version": deployed})


@route("/health/ready", methods=["GET"])
@answers_anyone
def ready() -> http.Reply:
    service().readiness.check()
    return http.json_reply(200, {"status": "ready"})


# --- WebSocket. API Gateway turns an exception of a handler into a 502, or a frame of its own


def admits(handler: Callable[[WebsocketEvent, Run], str | None]) -> Callable[[WebsocketEvent], Mapping[str, Any]]:
    """Answers the handshake: 200 with the handler's subprotocol, or the status of a refusal or bug."""

    @functools.wraps(handler)
    def admitted(event: WebsocketEvent) -> Mapping[str, Any]:
        with observe_socket(handler.__name__, event) as handshake:
            try:
                subprotocol = handler(event, handshake)
            except Exception as exc:  # noqa: BLE001  nothing else answers for a bug
                handshake.observation.ends_with(exc)
                handshake.measure(metrics.CONNECTS_REFUSED, by=code_of(exc))
                return {"statusCode": problems.handshake_status(exc)}
            handshake.measure(metrics.CONNECTS_ACCEPTED)
        return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {}}

    return admitted


def converses(handler: Callable[[Said], frames.Frame]) -> Callable[[WebsocketEvent], None]:
    """Sends answers, refusals and bugs to the sender as frames, and closes a connection that is not admitted."""

    @functools.wraps(handler)
    def conversed(event: WebsocketEvent) -> None:
        began, envelope = now(), frames.envelope(event.body)
        connection_id, context = event.connection_id, event.to_dict()["requestContext"]
        with observe_socket(handler.__name__, event) as frame:
            endpoint = Endpoint(context["apiId"], context["stage"], service().settings.region)
            try:
                answer = handler(Said(envelope, connection_id, began, frame))
            except NotConnected as exc:
                frame.observation.ends_with(exc)
                service().delivery.close(endpoint, connection_id, frames.closing(exc, frame.correlation_id), began)
                return
            except Exception as exc:  # noqa: BLE001  nothing else answers for a bug
                frame.observation.ends_with(exc)
                answer = frames.refusal(exc, frame.correlation_id)
            service().delivery.send(endpoint, connection_id, frames.replying(answer, envelope.reply_to), began)

    return conversed


@app.on_ws_connect()
@admits
def connect(event: WebsocketEvent, run: Run) -> str | None:
    settings = service().settings
    handshake = frames.handshake(event.to_dict(), settings.allowed_origins, settings.region)
    if SESSION_ID.fullmatch(handshake.session_id):
        logs.learn(session_id=handshake.session_id)
    principal, handshake = identify(handshake)
    connections.connect(
        handshake,
        principal,
        store=service().store,
        deliver=run.deliver,
        now=now(),
        limits=settings.limits,
        correlation_id=run.correlation_id,
    )
    return handshake.subprotocol


@app.on_ws_message()
@converses
def message(said: Said) -> frames.Frame:
    return conversations.receive(
        said.envelope,
        said.connection_id,
        store=service().store,
        deliver=said.run.deliver,
        authenticate=verify,
        now=said.now,
        limits=service().settings.limits,
        correlation_id=said.run.correlation_id,
    )


@app.on_ws_disconnect()
def disconnect(event: WebsocketEvent) -> None:
    with observe_socket("disconnect", event) as end:
        try:
            connections.disconnect(
                event.connection_id,
                store=service().store,
                deliver=end.deliver,
                now=now(),
                correlation_id=end.correlation_id,
            )
        except Unavailable as exc:  # the next delivery removes its rows, or their expiry
            end.observation.ends_with(exc)


# --- the schedule


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event: CloudWatchEvent) -> None:
    with observe("sweep", event.event_id, request_id=event.event_id) as run:
        swept = sweeper.sweep(
            store=service().store,
            deliver=run.deliver,
            clock=now,
            correlation_id=run.correlation_id,
            measure=run.measure,
        )
        logs.learn(**vars(swept))


# --- a cold start


NEEDED: Final = (
    "chalicelib.auth",  # PyJWT
    "chalicelib.service",
    "botocore.session",  # for chalicelib.storage, delivery and keys
    "aws_lambda_powertools.logging.formatter",  # for chalicelib.logs
    "aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch",  # for chalicelib.metrics
)


def prepare() -> None:
    """Imports the modules that the first request of nearly each function needs.

    Lambda initializes a function ahead of its first request, so that no caller waits for these imports. Elsewhere, as
    in `chalice package`, the first request makes them, and importing this module stays quick.
    """
    for name in NEEDED:
        importlib.import_module(name)


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"):  # set by Lambda, and by what runs functions as it does
    prepare()
