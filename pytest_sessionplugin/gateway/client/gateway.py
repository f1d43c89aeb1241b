"""What a test holds: the gateway as clients and callers of Lambda see it. It decides nothing.

    with Gateway.in_process(api, functions, clock=…, ids=…) as gateway: …
    with Gateway.on_sockets(api, functions, clock=…, ids=…, http_port=0, websocket_port=0) as gateway: …
    Gateway(transport, trace=[])  # a shell that was made by hand, a deployed stage (remote.py), one's own transport

`gateway.manage(Manage(…))` answers a call of the @connections API, for whoever hooks into botocore.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

from pytest_sessionplugin.gateway.client.http import HeaderMap, HttpClient, Params, Response, target, with_defaults
from pytest_sessionplugin.gateway.client.inprocess import InProcess
from pytest_sessionplugin.gateway.client.transport import Refused, Transport, Unreachable, Urls
from pytest_sessionplugin.gateway.client.websocket import (
    ConnectionClosed,
    Exchanged,
    HandshakeRefused,
    NothingReceived,
    WebSocket,
)
from pytest_sessionplugin.gateway.runtime import NotQuiet, OnHeld, new_id
from pytest_sessionplugin.gateway.values import (
    Api,
    Claims,
    Done,
    Ids,
    Manage,
    Observed,
    Reply,
    RunFunction,
    Throttles,
    TimeSource,
    never,
)

__all__ = [
    "ConnectionClosed",
    "Exchanged",
    "Gateway",
    "HandshakeRefused",
    "HeaderMap",
    "HttpClient",
    "NotQuiet",
    "NothingReceived",
    "Response",
    "Unreachable",
    "Urls",
    "WebSocket",
]


class EventSources(Protocol):
    def deliver(self, schedules: bool | str | Collection[str] = False) -> Sequence[Any]: ...


class Gateway:
    """The same surface whatever the transport. Safe in several threads."""

    def __init__(self, transport: Transport, *, trace: list[Observed] | None = None) -> None:
        self._transport = transport
        self._websockets: list[WebSocket] = []
        self.event_sources: EventSources | None = None
        """What `deliver_events` delivers from; whoever makes the gateway of an app gives it."""
        self.neighbours: Callable[[str | os.PathLike[str]], Gateway] | None = None
        """What `of` asks; whoever has several gateways gives it."""
        self.usual_event: Callable[[str], Mapping[str, Any]] = lambda function_name: {}
        """What `invoke` gives a function where the test gives nothing; whoever knows the app's schedules gives it."""
        self.waiting: Callable[[], Sequence[Any]] = tuple
        """What `retries` lists; whoever runs functions for callers of Lambda gives it."""
        self.trace = [] if trace is None else trace
        """What crossed the gateway, in order."""

    @classmethod
    def in_process(
        cls,
        api: Api,
        functions: RunFunction,
        *,
        clock: TimeSource = time.time,
        ids: Ids = new_id,
        throttles: Throttles = never,
        beside: Gateway | None = None,
    ) -> Gateway:
        """`beside`: another one in process; a function of one may post to the sockets of the other."""
        trace: list[Observed] = []
        neighbour = beside._transport if beside is not None else None
        if not isinstance(neighbour, InProcess | None):
            raise TypeError("a gateway in process can only be beside another one in process")
        shell = InProcess(
            api, functions, clock=clock, ids=ids, observe=trace.append, throttles=throttles, beside=neighbour
        )
        return cls(shell, trace=trace)

    @classmethod
    def on_sockets(
        cls,
        api: Api,
        functions: RunFunction,
        *,
        host: str = "127.0.0.1",
        http_port: int = 0,
        websocket_port: int = 0,
        clock: TimeSource = time.time,
        ids: Ids = new_id,
        throttles: Throttles = never,
        beside: Gateway | None = None,
    ) -> Gateway:
        """Starts a server of its own, which close() stops. Needs the extra `sockets`.

        `beside`: another one on sockets; a function of one may post to the sockets of the other.
        """
        from pytest_sessionplugin.gateway.client.sockets import SocketTransport
        from pytest_sessionplugin.gateway.server.server import Server

        trace: list[Observed] = []
        neighbour = beside._transport if beside is not None else None
        if not isinstance(neighbour, SocketTransport | None):
            raise TypeError("a gateway on sockets can only be beside another one on sockets")
        server = Server(
            api,
            functions,
            host=host,
            http_port=http_port,
            websocket_port=websocket_port,
            clock=clock,
            ids=ids,
            observe=trace.append,
            throttles=throttles,
            beside=neighbour.server if neighbour is not None else None,
        )
        return cls(SocketTransport(server.start(), beside=neighbour), trace=trace)

    @property
    def transport(self) -> Transport:
        return self._transport

    @property
    def urls(self) -> Urls | None:
        """Where other clients reach it; None in process."""
        return self._transport.urls

    @property
    def websockets(self) -> tuple[WebSocket, ...]:
        """Those that were opened here and not left, and whose close nobody has received."""
        return tuple(self._websockets)

    # --- for tests

    def http(
        self,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        claims: Claims | None = None,
    ) -> HttpClient:
        return HttpClient(self._transport, token=token, headers=headers, claims=claims)

    def websocket(
        self,
        path: str = "/",
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        subprotocols: Sequence[str] = (),
    ) -> WebSocket:
        """Opens a WebSocket. Raises HandshakeRefused."""
        __tracebackhide__ = True  # pytest would print the token; the test's own line says more
        offer = {"Sec-WebSocket-Protocol": ", ".join(subprotocols)} if subprotocols else {}
        where = target(path, params)
        try:
            line = self._transport.connect(where, with_defaults(headers or {}, token, offer))
        except Refused as refused:
            response = Response.of(refused.reply, f"the handshake of {where}")
            raise HandshakeRefused(response) from None  # the frames of its cause show the token
        if line.subprotocol is not None and line.subprotocol not in subprotocols:
            line.drop()  # as every client must: RFC 6455, 4.1
            raise ConnectionClosed(1006, f"subprotocol {line.subprotocol!r} was not offered")
        websocket = WebSocket(self._transport, line, self._left)
        self._websockets.append(websocket)
        return websocket

    def invoke(self, function_name: str, event: Mapping[str, Any] | None = None) -> Any:
        """Runs a function of the app, as `lambda:Invoke` does; raises what it raises.

        Without an event a function with a schedule gets that of its rule, any other one an empty one.
        """
        return self._transport.invoke(function_name, self.usual_event(function_name) if event is None else event)

    def deliver_events(self, *, schedules: bool | str | Collection[str] = False) -> Sequence[Any]:
        """Gives the app's functions what waits in its SQS queues, SNS topics and DynamoDB streams.

        Goes on until nothing new is there, and returns what was delivered, each with `function`, `event` and `error`.
        What a function raised on stays where it is, and is delivered again by the next call, as on AWS.

        With `schedules` each function that has one, a rate or a cron expression, runs first, once, as if its moment
        were now: all, or those of these names.
        """
        return self.event_sources.deliver(schedules) if self.event_sources is not None else ()

    @property
    def retries(self) -> Sequence[Any]:
        """Events of `lambda:Invoke` that a function failed on and gets again, the next first: each with `function`,
        `event`, `attempt` (2 or 3) and `due`, in seconds since the epoch.

        `chalice_clock.advance` runs what falls due; `settle()` waits for none.
        """
        return self.waiting()

    def of(self, path: str | os.PathLike[str]) -> Gateway:
        """That of another Chalice project of the repository, beside this one; the same object every time.

        `path` is its folder, absolute or from the rootdir. It is closed with the test.
        """
        if self.neighbours is None:
            raise LookupError(f"this gateway knows no other one, and so none of {os.fspath(path)}")
        return self.neighbours(path)

    def settle(self) -> None:
        """Returns when no handler runs and every frame is in its client's hands. Raises NotQuiet.

        With a deployed stage, of which this cannot be known, it returns at once.
        """
        self._transport.settle()

    def close(self) -> None:
        """Leaves the sockets that are still open, as a browser does whose page is left."""
        for websocket in self.websockets:
            websocket.close(1001)
        self._transport.close()

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- for hooks

    def run(self, function: str, event: Any, request_id: str) -> Any:
        """A function for a caller of Lambda, under its name in the app; raises what it raises."""
        return self._transport.invoke(function, event, request_id)

    def run_later(self, function: str, event: Any, request_id: str, done: Done) -> None:
        """The same for a caller that does not wait: in process, when the function that asks has returned."""
        self._transport.invoke_later(function, event, request_id, done)

    def manage(self, call: Manage) -> Reply:
        """A call of the @connections API: any host, any path; it is the gateway that judges them."""
        return self._transport.manage(call)

    def stall(self, connection_id: str, held: OnHeld = lambda: None) -> None:
        """A client reads nothing until resume(): posts to it succeed, and answer 429 once 16 MiB wait.

        `held` is called for each frame that waits, under a lock: it may store, and nothing else.
        """
        self._transport.stall(connection_id, held)

    def resume(self, connection_id: str) -> None:
        """All that has waited arrives, in order."""
        self._transport.resume(connection_id)

    def at_rest(self, threads: Collection[int], invocations: Collection[str]) -> bool:
        """Whether nothing goes on before these invocations do, though these threads have not ended."""
        return self._transport.at_rest(threads, invocations)

    def due(self) -> float | None:
        """When tick() next has something to do, by the clock; None if nothing is pending."""
        return self._transport.due()

    def tick(self) -> None:
        """Does what has fallen due: time-outs of handlers, idle connections, old connections."""
        self._transport.tick()

    def _left(self, websocket: WebSocket) -> None:
        with contextlib.suppress(ValueError):  # it has been left before
            self._websockets.remove(websocket)
