"""The gateway in process: functions run in the thread that calls it. No sockets, no threads, no sleeping.

    transport = InProcess(api, functions)
    GatewayClient(transport, transport.runtime)  # for a test
    transport.runtime.manage(Manage("POST", host, "/api/@connections/…", b"…"))  # for a hook of botocore

Work that a function sets off, such as the $disconnect after its DELETE, runs when the function has returned, and
before the test's outermost call into any gateway of the account returns. Each thread runs what its own calls set off.
Time limits are enforced by tick() alone, as nothing sleeps.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections import deque
from functools import partial

from pytest_sessionplugin.gateway.activity import Activity
from pytest_sessionplugin.gateway.client.transport import ClientConnection, Ended, Refused, Urls
from pytest_sessionplugin.gateway.core.websocket import NO_CLOSE_FRAME, NO_STATUS
from pytest_sessionplugin.gateway.runtime import PATIENCE, Runtime, new_id
from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Close,
    Closed,
    Effect,
    Handshake,
    Headers,
    Ids,
    Invoke,
    Message,
    Observe,
    Refuse,
    Reply,
    Request,
    Respond,
    RunFunction,
    Send,
    Throttles,
    TimeSource,
    header,
    never,
)


class InProcess:
    """The transport of clients in this process, and the effect sink of its runtime."""

    urls = None
    patience = None

    def __init__(
        self,
        api: Api,
        functions: RunFunction,
        *,
        clock: TimeSource = time.time,
        ids: Ids = new_id,
        observe: Observe | None = None,
        throttles: Throttles = never,
        activity: Activity | None = None,
    ) -> None:
        """`activity`: that of the other gateways of the account."""
        self._api, self._ids = api, ids
        self.base_urls = Urls(
            f"https://{api.host(api.rest_api_id)}/{api.stage}", f"wss://{api.host(api.websocket_api_id)}/{api.stage}"
        )
        self._activity = activity or Activity()
        self.runtime = Runtime(
            api, functions, self, activity=self._activity, clock=clock, ids=ids, observe=observe, throttles=throttles
        )
        self._replies: dict[str, Reply] = {}
        self._connections: dict[str, InProcessConnection] = {}

    # --- for clients

    def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
        path, _, query = target.partition("?")
        sent = (*_host(self._api, self._api.rest_api_id, headers), *headers)
        request = Request(str(uuid.uuid4()), method, path, query, sent, body)
        self._activity.turn(lambda: self.runtime.receive(request))
        return self._replies.pop(request.id)

    def connect(self, target: str, headers: Headers) -> ClientConnection:
        path, _, query = target.partition("?")
        connection_id = self._ids()
        upgrade = (
            *_host(self._api, self._api.websocket_api_id, headers),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", base64.b64encode(connection_id.encode()).decode()),
        )
        connection = self._connections[connection_id] = InProcessConnection(self, connection_id)
        handshake = Handshake(connection_id, path, query, (*upgrade, *headers))
        self._activity.turn(lambda: self.runtime.receive(handshake))
        if (refusal := connection.refusal) is not None:
            raise Refused(refusal)
        return connection

    def send(self, frame: Message) -> None:
        self._activity.turn(lambda: self.runtime.receive(frame))

    def leave(self, closed: Closed) -> None:
        def action() -> None:
            self.runtime.receive(closed)
            if connection := self._connections.pop(closed.connection_id, None):
                connection.end(Ended(closed.code, closed.reason))

        self._activity.turn(action)

    def settle(self, connection: ClientConnection | None = None) -> None:
        """Returns at once inside a handler, which could only wait for itself."""
        if self._activity.is_in_turn:
            return
        self._activity.hear()
        self._activity.turn(lambda: None)
        self._activity.quiet(PATIENCE, enough=never if connection is None else connection.waiting)

    def close(self) -> None:
        """Does nothing: no resources are held."""

    # --- effects

    def put(self, effect: Effect) -> None:
        """Called in the thread whose call caused the effect."""
        match effect:
            case Invoke():
                self._activity.defer(partial(self.runtime.run, effect))
            case Respond():
                self._replies[effect.request_id] = effect.reply
            case Accept():
                self._connections[effect.connection_id].accept(effect.subprotocol)
            case Refuse():
                self._connections.pop(effect.connection_id).refuse(effect.reply)
            case Send():
                self._connections[effect.connection_id].receive(effect.text)
                self._activity.changed.notify_all()  # a client that waits for it need not wait for quiet
            case Close():
                self._connections.pop(effect.connection_id).end(Ended(effect.code, effect.reason))
                self._activity.changed.notify_all()

    def flush(self) -> None:
        self._activity.run_strays()


def _host(api: Api, api_id: str, headers: Headers) -> Headers:
    """The Host header that a client sends by default."""
    return (("Host", api.host(api_id)),) if header(headers, "host") is None else ()


class InProcessConnection:
    """The client's end of a WebSocket: see `ClientConnection`."""

    def __init__(self, transport: InProcess, connection_id: str) -> None:
        self.connection_id = connection_id
        self.subprotocol: str | None = None
        self.refusal: Reply | None = None
        self._transport = transport
        self._messages: deque[str] = deque()
        self._ended: Ended | None = None

    # --- for the gateway

    def accept(self, subprotocol: str | None) -> None:
        self.subprotocol = subprotocol

    def refuse(self, reply: Reply) -> None:
        self.refusal = reply

    def receive(self, text: str) -> None:
        self._messages.append(text)

    def end(self, ended: Ended) -> None:
        self._ended = ended

    # --- for the client

    def send(self, data: str | bytes, frame_bytes: int | None) -> Ended | None:
        if self._ended is None:
            size = len(data.encode() if isinstance(data, str) else data)
            largest = min(size, frame_bytes or size)
            self._transport.send(Message(self.connection_id, data, largest))
            return None
        return self._ended

    def waiting(self) -> bool:
        return bool(self._messages) or self._ended is not None

    def take(self) -> str | Ended | None:
        ended = self._ended  # first: every message arrived before the end
        try:
            return self._messages.popleft()
        except IndexError:
            return ended

    def close(self, code: int | None, reason: str) -> None:
        if self._ended is None:
            self._transport.leave(Closed(self.connection_id, code or NO_STATUS, reason))

    def drop(self) -> None:
        if self._ended is None:
            self._transport.leave(Closed(self.connection_id, NO_CLOSE_FRAME))
