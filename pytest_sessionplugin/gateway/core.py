"""What API Gateway decides: inputs and the time go in, effects come out.

It calls nothing: no sockets, threads, clock, randomness or functions. It is not thread-safe: its shell holds one lock
around each call, and drains the effects before it lets go of it. It never raises for what a peer or a function did;
what it raises says that the shell called it wrongly.

Sources: the pages on WebSocket APIs and "Quotas for configuring and running a WebSocket API" in the developer guide,
and captures of real traffic where these say nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from . import api_keys, authorizers, codings, iam, management, policies, rest, shapes
from . import handshake as handshakes
from .connection import Connection, State
from .policies import Question
from .results import Answer, Fault, ProxyResult, read_answer
from .values import (
    REST_FUNCTION,
    Accept,
    Api,
    Backlog,
    Claims,
    Close,
    Closed,
    DisconnectLost,
    Effect,
    Frame,
    Grant,
    Handshake,
    Ids,
    Input,
    Invoke,
    Manage,
    Refuse,
    Reply,
    Request,
    Respond,
    Returned,
    Send,
)

INTEGRATION_TIMEOUT = 29.0  # seconds
IDLE_TIMEOUT = 600.0  # seconds without data in either direction
LIFETIME = 7200.0  # seconds, however busy
MAX_MESSAGE = 131_072  # bytes
MAX_FRAME = 32_768  # bytes

GOING_AWAY = 1001
UNSUPPORTED_DATA = 1003
NO_STATUS = 1005
TOO_BIG = 1009

_NO_STATUS_REASON = "Client-side close frame status not set"

Settle = Callable[[Returned | None, float], None]
"""Tells the caller of an invocation what became of it, and when; None: the integration time-out struck first."""

Answered = Callable[[Answer, float], None]
"""The same, for a function that returns a proxy result."""


@dataclass(slots=True)
class Running:
    """An invocation that has not returned. `settle` is None once its caller has been told, or if nobody asks."""

    started_at: float
    settle: Settle | None


class GatewayCore:
    """One REST API and one WebSocket API. Times are seconds since the epoch and never decrease.

    `ids` gives the ids of requests and messages; those of connections and HTTP requests come with the inputs.
    """

    def __init__(self, api: Api, ids: Ids) -> None:
        self._api = api
        self._ids = ids
        self.ahead = 0.0  # seconds by which time has been moved here, and not where callers sign by it
        self._router = rest.Router(api)
        self._policies = policies.Policies()
        self._effects: list[Effect] = []
        # Everything of one kind has the same time-out, so the order in which it began (or was last
        # active) is the order in which it falls due.
        self._connections: OrderedDict[str, Connection] = OrderedDict()  # PENDING and OPEN
        self._idle: OrderedDict[str, Connection] = OrderedDict()  # OPEN
        self._running: dict[str, Running] = {}
        self._awaited: OrderedDict[str, Running] = OrderedDict()  # those with a caller who waits

    # --- what the shell calls

    def receive(self, event: Input, now: float) -> None:
        """Raises LookupError for the return of what does not run, ValueError for a connection id in use or for claims
        that check_claims() refuses.
        """
        match event:
            case Frame():
                self._frame(event, now)
            case Returned():
                self._returned(event, now)
            case Request():
                self._request(event, now)
            case Handshake():
                self._handshake(event, now)
            case Closed():
                self._closed(event, now)
            case Backlog():
                if connection := self._connections.get(event.connection_id):
                    connection.backlogged = event.full
            case DisconnectLost():
                if connection := self._connections.get(event.connection_id):
                    connection.disconnect_lost = True
            case _:
                raise TypeError(f"{event!r} is no input")

    def call(self, request: Request, now: float) -> Manage | None:
        """The call of @connections that a request to the WebSocket API is, if it is one."""
        return management.received(request, self._api, now - self.ahead) if management.is_call(request) else None

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

    def redeploy(self, api: Api, *, asked_anew: bool = False) -> None:
        """Another deployment to the same stage: from now on its routes and functions are called.

        Connections, their times and what runs stay as they are; a connection whose kind of route is gone meets what
        any would. What authorizers answered that are gone is forgotten; if they are `asked_anew`, whatever any has.
        Raises ValueError for the API of another id, stage, region or account.
        """
        if _place(api) != _place(self._api):
            raise ValueError(f"{_place(api)} cannot be deployed in the place of {_place(self._api)}")
        self._api = api
        self._router = rest.Router(api)
        # Another object: a question that is open was put to the old authorizer, and answers for no request to come.
        self._policies = policies.Policies() if asked_anew else self._policies.of(authorizers.of(api))

    def check_claims(self, method: str, path: str, claims: Claims) -> None:
        """Raises ValueError if the route that such a request reaches could not be given these claims."""
        match = self._router.find(path)
        if match is not None and method in match.route.methods:
            authorizers.claimed(match.route, method, claims)

    def tick(self, now: float) -> None:
        """Does what has fallen due: integration time-outs, idle connections, connections two hours old."""
        while (late := _first(self._awaited)) and late.started_at + INTEGRATION_TIMEOUT <= now:
            self._awaited.popitem(last=False)
            self._settle(late, None, now)
        while (idle := _first(self._idle)) and idle.last_active + IDLE_TIMEOUT <= now:
            self._end(idle, GOING_AWAY, "Going away", now)
        while (oldest := _first(self._connections)) and oldest.connected_at + LIFETIME <= now:
            self._end(oldest, GOING_AWAY, "Going away", now)

    def due(self) -> float | None:
        """When tick() next has something to do."""
        moments = []
        if late := _first(self._awaited):
            moments.append(late.started_at + INTEGRATION_TIMEOUT)
        if idle := _first(self._idle):
            moments.append(idle.last_active + IDLE_TIMEOUT)
        if oldest := _first(self._connections):
            moments.append(oldest.connected_at + LIFETIME)
        return min(moments, default=None)

    def connections(self) -> int:
        """How many there are, PENDING or OPEN."""
        return len(self._connections)

    def effects(self) -> list[Effect]:
        """What is to be done since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    # --- HTTP

    def _request(self, request: Request, now: float) -> None:
        match = rest.admit(self._router, request, self._api)
        if match is None:
            match = iam.nowhere(request, self._router.without_stage(request.path), self._api, now - self.ahead)
        if isinstance(match, Reply):
            self._respond(request, match)
            return
        plain = codings.plain(request, rest.MAX_BODY)
        if isinstance(plain, Reply):
            self._respond(request, plain)
            return
        verdict = authorizers.examine(request, match, self._api, now, now - self.ahead)
        if isinstance(verdict, Question):
            self._ask(plain, match, verdict, now)
        else:
            self._proceed(plain, match, verdict, now, now)

    def _ask(self, request: Request, match: rest.Match, question: Question, received: float) -> None:
        if policy := self._policies.find(question, received):
            self._proceed(request, match, policy.verdict(question.method_arn), received, received)
            return

        kept = self._policies

        def settle(returned: Returned | None, now: float) -> None:
            answer = policies.read_answer(returned)
            if isinstance(answer, Reply):
                self._respond(request, answer)
            else:
                kept.keep(question, answer, now)
                verdict = answer.verdict(question.method_arn, now - received)
                self._proceed(request, match, verdict, received, now)

        self._start(question.authorizer.name, self._ids(), question.event, received, settle)

    def _proceed(
        self, request: Request, match: rest.Match, verdict: Grant | Reply, received: float, now: float
    ) -> None:
        if isinstance(verdict, Reply):
            self._respond(request, verdict)
            return
        key = api_keys.identify(request, match, self._api)
        if isinstance(key, Reply):
            self._respond(request, key)
            return
        event = shapes.rest_event(
            self._api,
            request,
            resource=match.route.path,
            path=match.path,
            parameters=dict(match.parameters),
            extended_id=self._ids(),
            now=received,
            authorizer=verdict.authorizer,
            identity={**verdict.identity, **key},
        )

        def settle(answer: Answer, now: float) -> None:
            self._respond(request, rest.reply_to(request, answer, self._api))

        self._invoke(REST_FUNCTION, self._ids(), event, now, settle)

    def _respond(self, request: Request, reply: Reply) -> None:
        headers = (*reply.headers, ("x-amzn-RequestId", request.id))
        body = b"" if request.method == "HEAD" else reply.body
        self._effects.append(Respond(request.id, Reply(reply.status, headers, body)))

    # --- WebSocket

    def _handshake(self, handshake: Handshake, now: float) -> None:
        if handshake.connection_id in self._connections:
            raise ValueError(f"connection {handshake.connection_id} exists already")
        if refusal := handshakes.refuse_early(handshake, self._api):
            self._effects.append(Refuse(handshake.connection_id, refusal))
            return
        user_agent = shapes.header(handshake.headers, "user-agent")
        connection = Connection(handshake.connection_id, handshake.source_ip, user_agent, now, now)
        self._connections[connection.id] = connection
        function = self._api.websocket.get("$connect")
        if function is None:
            self._open(connection, None, now)
            return

        def settle(answer: Answer, now: float) -> None:
            self._connected(connection, answer, now)

        request_id = self._ids()
        event = shapes.connect_event(self._api, connection, handshake, request_id, now)
        self._invoke(function, request_id, event, now, settle)

    def _connected(self, connection: Connection, answer: Answer, now: float) -> None:
        if connection.state is not State.PENDING:
            return  # the client left while $connect ran
        if isinstance(answer, ProxyResult) and answer.status < 300:
            # Of all that the function returned, only this header reaches the client.
            self._open(connection, answer.header("sec-websocket-protocol"), now)
        else:
            self._forget(connection)
            self._effects.append(Refuse(connection.id, handshakes.refusal(answer)))

    def _open(self, connection: Connection, subprotocol: str | None, now: float) -> None:
        connection.become(State.OPEN)
        self._touch(connection, now)
        self._effects.append(Accept(connection.id, subprotocol))

    def _frame(self, frame: Frame, now: float) -> None:
        connection = self._connections.get(frame.connection_id)
        if connection is None or connection.state is not State.OPEN:
            return  # it crossed our close on the wire
        self._touch(connection, now)
        if isinstance(frame.data, bytes):
            self._end(connection, UNSUPPORTED_DATA, "", now)
            return
        size = len(frame.data.encode(errors="replace"))
        if size > MAX_MESSAGE or (frame.largest or size) > MAX_FRAME:
            self._end(connection, TOO_BIG, "", now)
            return
        request_id = self._ids()
        function = self._api.websocket.get("$default")
        if function is None:
            self._complain(connection, "Forbidden", request_id, now)
            return

        def settle(answer: Answer, now: float) -> None:
            # What the function returned is never sent: Chalice deploys no route response.
            if answer is Fault.BROKEN:
                self._complain(connection, "Internal server error", request_id, now)
            elif answer is Fault.LATE:
                self._complain(connection, "Endpoint request timed out", request_id, now)

        event = shapes.message_event(self._api, connection, frame.data, request_id, self._ids(), now)
        self._invoke(function, request_id, event, now, settle)

    def _complain(self, connection: Connection, message: str, request_id: str, now: float) -> None:
        """The frame in which API Gateway reports an error; its spaces are as in captures of real ones."""
        if connection.state is State.OPEN:
            text = '{"message": "%s", "connectionId":"%s", "requestId":"%s"}'
            self._send(connection, text % (message, connection.id, request_id), now)

    def _closed(self, closed: Closed, now: float) -> None:
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
        self._effects.append(Close(connection.id, code, reason))
        self._disconnected(connection, code, reason, now)

    def _disconnected(self, connection: Connection, code: int, reason: str, now: float) -> None:
        function = self._api.websocket.get("$disconnect")
        if function is None or connection.disconnect_lost:
            return
        request_id = self._ids()
        event = shapes.disconnect_event(self._api, connection, code, reason, request_id, now)
        self._start(function, request_id, event, now, None)

    def _send(self, connection: Connection, text: str, now: float) -> None:
        self._touch(connection, now)
        self._effects.append(Send(connection.id, text))

    def _touch(self, connection: Connection, now: float) -> None:
        connection.last_active = now
        self._idle[connection.id] = connection
        self._idle.move_to_end(connection.id)

    def _forget(self, connection: Connection) -> None:
        connection.become(State.CLOSED)
        del self._connections[connection.id]
        self._idle.pop(connection.id, None)

    # --- functions

    def _invoke(
        self,
        function: str,
        invocation_id: str,
        event: shapes.Event,
        now: float,
        answered: Answered,
    ) -> None:
        """Starts a function that returns a proxy result."""

        def settle(returned: Returned | None, now: float) -> None:
            answered(read_answer(returned), now)

        self._start(function, invocation_id, event, now, settle)

    def _start(self, function: str, invocation_id: str, event: shapes.Event, now: float, settle: Settle | None) -> None:
        running = Running(now, settle)
        self._running[invocation_id] = running
        if settle is not None:
            self._awaited[invocation_id] = running
        self._effects.append(Invoke(invocation_id, function, event))

    def _returned(self, returned: Returned, now: float) -> None:
        running = self._running.pop(returned.invocation_id, None)
        if running is None:
            raise LookupError(f"invocation {returned.invocation_id} is not running")
        self._awaited.pop(returned.invocation_id, None)
        self._settle(running, returned, now)

    def _settle(self, running: Running, returned: Returned | None, now: float) -> None:
        settle, running.settle = running.settle, None
        if settle is not None:
            settle(returned, now)


def _place(api: Api) -> tuple[str, ...]:
    """What its clients and its functions know it by."""
    return api.rest_api_id, api.websocket_api_id, api.stage, api.region, api.account_id


_Entry = TypeVar("_Entry")


def _first(entries: OrderedDict[str, _Entry]) -> _Entry | None:
    return next(iter(entries.values()), None)
