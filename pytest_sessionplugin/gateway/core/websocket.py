"""The WebSocket API: its connections, from the handshake to $disconnect, and @connections calls to them."""

from __future__ import annotations

import http
from collections import OrderedDict
from dataclasses import replace

from pytest_sessionplugin.gateway.core import events, management
from pytest_sessionplugin.gateway.core.connection import Connection, State
from pytest_sessionplugin.gateway.core.gateway_responses import (
    HEADERS_TOO_LARGE,
    TOO_MANY,
    URL_TOO_LONG,
    WITHOUT_BODY,
    failure,
)
from pytest_sessionplugin.gateway.core.integration import (
    Emit,
    IntegrationFault,
    IntegrationResult,
    Invocations,
    ProxyResult,
    TakeNote,
    oldest,
)
from pytest_sessionplugin.gateway.core.notes import Reason
from pytest_sessionplugin.gateway.core.routing import MAX_HEADERS
from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Backlog,
    Close,
    Closed,
    DisconnectLost,
    Handshake,
    Ids,
    Manage,
    Message,
    Refuse,
    Reply,
    Send,
    header,
)

IDLE_TIMEOUT = 600.0  # seconds without data in either direction
LIFETIME = 7200.0  # seconds, however busy
MAX_MESSAGE = 131_072  # bytes
MAX_FRAME = 32_768  # bytes

GOING_AWAY = 1001
UNSUPPORTED_DATA = 1003
NO_STATUS = 1005
NO_CLOSE_FRAME = 1006
TOO_BIG = 1009

_NO_STATUS_REASON = "Client-side close frame status not set"


class WebSocketApi:
    """The connections of one WebSocket API: decides about handshakes, frames, closes and @connections calls."""

    def __init__(self, api: Api, ids: Ids, invocations: Invocations, emit: Emit, note: TakeNote) -> None:
        self._api = api
        self._ids, self._invocations, self._emit, self._note = ids, invocations, emit, note
        # All have the same time-outs, so they fall due in the order in which they began, or were last active.
        self._connections: OrderedDict[str, Connection] = OrderedDict()  # PENDING and OPEN
        self._idle: OrderedDict[str, Connection] = OrderedDict()  # OPEN

    def redeploy(self, api: Api) -> None:
        """Calls the functions of this deployment from now on."""
        self._api = api

    def __len__(self) -> int:
        """The number of connections, PENDING or OPEN."""
        return len(self._connections)

    def manage(self, call: Manage, now: float) -> Reply:
        """A call of the @connections API, answered at once: 200, 204, 403, 404, 410, 413 or 429."""
        target = management.read_call(call, self._api)
        if isinstance(target, Reply):
            return target
        connection = self._connections.get(target.connection_id)
        if connection is None or connection.state is not State.OPEN:
            return management.GONE
        if target.method == "GET":
            return management.described(connection)
        if target.method == "DELETE":
            self._end(connection, 1000, "Connection Closed Normally", now)
            return management.DELETED
        if connection.backlogged:
            return management.SLOW_READER
        self._send(connection, call.body.decode(errors="replace"), now)
        return management.POSTED

    def tick(self, now: float) -> None:
        while (idle := oldest(self._idle)) and idle.last_active + IDLE_TIMEOUT <= now:
            self._end(idle, GOING_AWAY, "Going away", now)
        while (aged := oldest(self._connections)) and aged.connected_at + LIFETIME <= now:
            self._end(aged, GOING_AWAY, "Going away", now)

    def close_all(self, now: float) -> None:
        """Closes every open connection."""
        for connection in list(self._idle.values()):
            self._end(connection, GOING_AWAY, "Going away", now)

    def due(self) -> float | None:
        moments = []
        if idle := oldest(self._idle):
            moments.append(idle.last_active + IDLE_TIMEOUT)
        if aged := oldest(self._connections):
            moments.append(aged.connected_at + LIFETIME)
        return min(moments, default=None)

    def backlog(self, backlog: Backlog) -> None:
        if connection := self._connections.get(backlog.connection_id):
            connection.backlog(backlog.full)

    def lose_disconnect(self, lost: DisconnectLost) -> None:
        if connection := self._connections.get(lost.connection_id):
            connection.lose_disconnect()

    def handshake(self, handshake: Handshake, now: float) -> None:
        if handshake.connection_id in self._connections:
            raise ValueError(f"connection {handshake.connection_id} already exists")
        if refused := refuse_early(handshake, self._api):
            self._explain(handshake.connection_id, refused.why)
            self._emit(Refuse(handshake.connection_id, replace(refused, why="")))
            return
        user_agent = header(handshake.headers, "user-agent")
        host = self._api.websocket_host(header(handshake.headers, "host"))
        connection = Connection(handshake.connection_id, handshake.source_ip, user_agent, now, now, host)
        self._connections[connection.id] = connection
        function = self._api.websocket.get("$connect")
        if function is None:
            self._open(connection, None, now)
            return

        def settle(answer: IntegrationResult, now: float) -> None:
            self._connected(connection, answer, now)

        request_id = self._ids()
        event = events.connect_event(self._api, connection, handshake, request_id, now)
        self._invocations.ask(connection.id, function, event, now, settle)

    def _connected(self, connection: Connection, answer: IntegrationResult, now: float) -> None:
        if connection.state is not State.PENDING:
            return  # the client left while $connect ran
        if isinstance(answer, ProxyResult) and answer.status < 300:
            # The only part of the function's result that reaches the client.
            self._open(connection, answer.header("sec-websocket-protocol"), now)
        else:
            self._forget(connection)
            reply = refusal(answer)
            self._explain(connection.id, _why_refused(answer))
            self._emit(Refuse(connection.id, reply))

    def _open(self, connection: Connection, subprotocol: str | None, now: float) -> None:
        connection.become(State.OPEN)
        self._touch(connection, now)
        self._emit(Accept(connection.id, subprotocol))

    def frame(self, frame: Message, now: float) -> None:
        connection = self._connections.get(frame.connection_id)
        if connection is None or connection.state is not State.OPEN:
            return  # the frame crossed our close on the wire
        self._touch(connection, now)
        if isinstance(frame.data, bytes):
            self._explain(connection.id, "a binary frame: API Gateway takes text only, and closes with 1003")
            self._end(connection, UNSUPPORTED_DATA, "", now)
            return
        size = len(frame.data.encode(errors="replace"))
        if size > MAX_MESSAGE or (frame.largest or size) > MAX_FRAME:
            limits = f"a message may have {MAX_MESSAGE} bytes, in frames of at most {MAX_FRAME}"
            self._explain(connection.id, f"a message of {size} bytes, {frame.largest or size} in a frame: {limits}")
            self._end(connection, TOO_BIG, "", now)
            return
        request_id = self._ids()
        function = self._api.websocket.get("$default")
        if function is None:
            self._explain(connection.id, "no route takes the message: the app has no @app.on_ws_message")
            self._complain(connection, "Forbidden", request_id, now)
            return

        def settle(answer: IntegrationResult, now: float) -> None:
            # A result is never sent: Chalice deploys no route response.
            if answer is IntegrationFault.BROKEN:
                self._complain(connection, "Internal server error", request_id, now)
            elif answer is IntegrationFault.LATE:
                self._complain(connection, "Endpoint request timed out", request_id, now)

        event = events.message_event(self._api, connection, frame.data, request_id, self._ids(), now)
        self._invocations.ask(connection.id, function, event, now, settle)

    def _explain(self, connection_id: str, why: str) -> None:
        self._note(Reason(connection_id, why))

    def _complain(self, connection: Connection, message: str, request_id: str, now: float) -> None:
        """Sends the frame in which API Gateway reports an error, with the spaces of captured ones."""
        if connection.state is State.OPEN:
            text = '{"message": "%s", "connectionId":"%s", "requestId":"%s"}'
            self._send(connection, text % (message, connection.id, request_id), now)

    def closed(self, closed: Closed, now: float) -> None:
        connection = self._connections.get(closed.connection_id)
        if connection is None:
            return  # both sides closed at once
        was_open = connection.state is State.OPEN
        self._forget(connection)
        if was_open:
            reason = _NO_STATUS_REASON if closed.code == NO_STATUS else closed.reason
            self._disconnected(connection, closed.code, reason, now)

    def _end(self, connection: Connection, code: int, reason: str, now: float) -> None:
        """Closes a connection from our side."""
        self._forget(connection)
        self._emit(Close(connection.id, code, reason))
        self._disconnected(connection, code, reason, now)

    def _disconnected(self, connection: Connection, code: int, reason: str, now: float) -> None:
        function = self._api.websocket.get("$disconnect")
        if function is None or connection.disconnect_lost:
            return
        request_id = self._ids()
        event = events.disconnect_event(self._api, connection, code, reason, request_id, now)
        self._invocations.start(function, event, now, None)

    def _send(self, connection: Connection, text: str, now: float) -> None:
        self._touch(connection, now)
        self._emit(Send(connection.id, text))

    def _touch(self, connection: Connection, now: float) -> None:
        connection.touch(now)
        self._idle[connection.id] = connection
        self._idle.move_to_end(connection.id)

    def _forget(self, connection: Connection) -> None:
        connection.become(State.CLOSED)
        del self._connections[connection.id]
        self._idle.pop(connection.id, None)


CONNECT_FAILED = "$connect failed; to refuse a handshake with another status, it returns {'statusCode': 401}"

MAX_URL = 4_096  # characters of path and query


def refuse_early(handshake: Handshake, api: Api) -> Reply | None:
    """The answer to a handshake that reaches no API. Both / and /{stage} reach it, locally and deployed.

    At a domain of the app's own it is the path of the mapping.
    """
    if handshake.throttled:
        return replace(TOO_MANY, why="more connections in this second than the account may open")
    if len(handshake.path) + len(handshake.query) > MAX_URL:
        return replace(URL_TOO_LONG, why=f"path and query have more than {MAX_URL} characters")
    if sum(len(value) for _, value in handshake.headers) > MAX_HEADERS:
        return replace(HEADERS_TOO_LARGE, why=f"the values of the headers have more than {MAX_HEADERS} bytes")
    paths = _paths(header(handshake.headers, "host"), api)
    if handshake.path.removesuffix("/") not in paths:
        there = " and ".join(path or "/" for path in paths)
        why = f"no WebSocket API is at {handshake.path}; it is at {there}"
        return replace(failure(403, "Forbidden", "ForbiddenException"), why=why)
    return None


def _paths(host: str | None, api: Api) -> tuple[str, ...]:
    """Paths at which a host leads to the API, without a slash at their end."""
    own = api.websocket_domain
    if own is not None and api.websocket_host(host) == own.name:
        return (f"/{own.base_path}" if own.base_path else "",)
    return "", f"/{api.stage}"


def refusal(answer: IntegrationResult) -> Reply:
    """An answer with the function's status; 502 if it failed, 504 if it took too long.

    Only the status is documented: the function's headers and body are dropped.
    """
    if isinstance(answer, ProxyResult):
        reply = failure(answer.status, _phrase(answer.status))
        return Reply(reply.status) if reply.status in WITHOUT_BODY else reply
    if answer is IntegrationFault.LATE:
        return failure(504, "Endpoint request timed out")
    return failure(502, "Internal server error")


def _why_refused(answer: IntegrationResult) -> str:
    if isinstance(answer, ProxyResult):
        return f"$connect answered {answer.status}"
    return "$connect has not answered within 29 s" if answer is IntegrationFault.LATE else CONNECT_FAILED


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return str(status)
