"""The gateway as a test holds it: clients for HTTP and WebSockets, and calls of Lambda.

    Gateway(InProcess(api, functions), …)  # or SocketTransport(server): the app runs in this process
    Gateway(transport, None, lacking=…)  # a deployed stage, whose runtime is elsewhere

`Gateway.manage` answers calls of the @connections API.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from pytest_sessionplugin.gateway.client.http import HttpClient, Params, Response, target, with_defaults
from pytest_sessionplugin.gateway.client.transport import Refused, Transport, Urls
from pytest_sessionplugin.gateway.client.websocket import (
    ConnectionClosed,
    HandshakeRefused,
    WebSocket,
)
from pytest_sessionplugin.gateway.runtime import OnHeld, Runtime
from pytest_sessionplugin.gateway.values import Claims, Manage, Observed, Reply


class Gateway:
    """Clients of one app's gateway, with the same methods for every transport. Thread-safe."""

    def __init__(
        self,
        transport: Transport,
        runtime: Runtime | None,
        *,
        trace: list[Observed] | None = None,
        lacking: Callable[[str], Exception] = lambda what: LookupError(f"this gateway has no {what}"),
    ) -> None:
        """`runtime`: None if the app runs elsewhere. Then `lacking` makes the exception for what needs one."""
        self._transport = transport
        self.runtime, self._lacking = runtime, lacking
        self._websockets: list[WebSocket] = []
        self.trace = [] if trace is None else trace
        """Everything that crossed the gateway, in order."""

    @property
    def urls(self) -> Urls | None:
        """Where other clients reach it; None in process."""
        return self._transport.urls

    @property
    def websockets(self) -> tuple[WebSocket, ...]:
        """WebSockets opened here that were not left, and whose close was not received."""
        return tuple(self._websockets)

    # --- for tests

    def http(
        self,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        claims: Claims | None = None,
    ) -> HttpClient:
        return HttpClient(self._transport, self._vouch, token=token, headers=headers, claims=claims)

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
            connection = self._transport.connect(where, with_defaults(headers or {}, token, offer))
        except Refused as refused:
            response = Response.of(refused.reply, f"the handshake of {where}")
            raise HandshakeRefused(response) from None  # the frames of its cause show the token
        if connection.subprotocol is not None and connection.subprotocol not in subprotocols:
            connection.drop()  # as every client must: RFC 6455, 4.1
            raise ConnectionClosed(1006, f"subprotocol {connection.subprotocol!r} was not offered")
        websocket = WebSocket(self._transport, connection, on_end=self._left, lose_disconnect=self._lose_disconnect)
        self._websockets.append(websocket)
        return websocket

    def invoke(self, function_name: str, event: Mapping[str, Any] | None = None) -> Any:
        """Runs a function of the app, as `lambda:Invoke` does; raises what it raises. Without an event, it gets {}."""
        return self._needed("way to invoke its functions").invoke(function_name, event or {})

    def settle(self) -> None:
        """Returns when no handler runs and every frame is in its client's hands. Raises NotQuiet.

        With a deployed stage it returns at once, as this cannot be known.
        """
        self._transport.settle()

    def close(self) -> None:
        """Closes the open WebSockets with 1001, as a browser does when its page is left."""
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

    # --- for tests of the gateway itself

    def manage(self, call: Manage) -> Reply:
        """Answers a call of the @connections API, with any host and path."""
        return self._needed("management API in this process").manage(call)

    def stall(self, connection_id: str, held: OnHeld = lambda: None) -> None:
        """A client reads nothing until resume(): posts to it succeed, and answer 429 once 16 MiB wait.

        `held` is called for each frame that waits, under a lock: it may only store.
        """
        self._needed("slow clients on demand").stall(connection_id, held)

    def resume(self, connection_id: str) -> None:
        """All that has waited arrives, in order."""
        self._needed("slow clients on demand").resume(connection_id)

    def due(self) -> float | None:
        """When tick() next has something to do, by the clock; None if nothing is pending."""
        return self._needed("clock of the test's own").due()

    def tick(self) -> None:
        """Does what has fallen due: time-outs of handlers, idle connections, old connections."""
        self._needed("clock of the test's own").tick()

    # --- helpers

    def _needed(self, what: str) -> Runtime:
        """The runtime, which this capability needs."""
        if self.runtime is None:
            raise self._lacking(what)
        return self.runtime

    def _vouch(self, method: str, target: str, claims: Claims) -> tuple[str, str]:
        return self._needed("claims without a token").vouch(method, target, claims)

    def _lose_disconnect(self, connection_id: str) -> None:
        self._needed("$disconnect to lose").lose_disconnect(connection_id)

    def _left(self, websocket: WebSocket) -> None:
        with contextlib.suppress(ValueError):  # it has been left before
            self._websockets.remove(websocket)
