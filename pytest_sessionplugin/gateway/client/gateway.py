"""The gateway as a test holds it: clients for HTTP and WebSockets, and calls of Lambda.

GatewayClient(InProcess(api, functions), …)  # or SocketTransport(server): the app runs in this process
GatewayClient(transport, None, lacking=…)  # a deployed stage, whose runtime is elsewhere
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pytest_sessionplugin.gateway.client.http import HttpClient, Verbs
from pytest_sessionplugin.gateway.client.request import (
    Fields,
    Files,
    HeaderFields,
    HeaderMap,
    SentRequest,
    pairs,
    target,
    with_defaults,
)
from pytest_sessionplugin.gateway.client.response import HandshakeRefused, Response
from pytest_sessionplugin.gateway.client.transport import Refused, Transport, Urls, url_of
from pytest_sessionplugin.gateway.client.websocket import ConnectionClosed, WebSocket
from pytest_sessionplugin.gateway.runtime import Runtime
from pytest_sessionplugin.gateway.values import Claims, Observed

if TYPE_CHECKING:
    from pytest_sessionplugin.gateway.client.httpx_transport import HttpxTransport
    from pytest_sessionplugin.gateway.client.requests_session import GatewaySession


class GatewayClient(Verbs):
    """Clients of one app's gateway, with the same methods for every transport. Thread-safe.

    Its own verbs, such as `get`, send requests without a token, unless they are given one.
    """

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
        self._runtime, self._lacking = runtime, lacking
        self._websockets: list[WebSocket] = []
        self.trace = [] if trace is None else trace
        """Everything that crossed the gateway, in order."""

    @property
    def urls(self) -> Urls | None:
        """Where other clients reach it; None in process."""
        return self._transport.urls

    @property
    def base_url(self) -> str:
        """The start of the URLs of its HTTP API, before a path: for `httpx.Client(base_url=…)`."""
        return self._transport.base_urls.http

    @property
    def websockets(self) -> tuple[WebSocket, ...]:
        """WebSockets opened here that were not left, and whose close was not received."""
        return tuple(self._websockets)

    # --- for tests

    def http(
        self,
        *,
        token: str | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        claims: Claims | None = None,
    ) -> HttpClient:
        """A client that sends these with each request."""
        return HttpClient(self._transport, self._vouch, token=token, headers=headers, cookies=cookies, claims=claims)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        cookies: Mapping[str, str] | None = None,
        content: str | bytes | None = None,
        data: Fields | None = None,
        files: Files | None = None,
        json: Any = None,
        token: str | None = None,
        claims: Claims | None = None,
    ) -> Response:
        return self.http(token=token, headers=headers, cookies=cookies, claims=claims).request(
            method, path, params=params, content=content, data=data, files=files, json=json
        )

    def httpx_transport(self) -> HttpxTransport:
        """Its HTTP API for `httpx.Client(transport=…, base_url=gateway.base_url)`, and for `httpx.AsyncClient`."""
        from pytest_sessionplugin.gateway.client.httpx_transport import HttpxTransport

        return HttpxTransport(self._transport)

    def requests_session(self) -> GatewaySession:
        """Its HTTP API as a `requests.Session`, which takes paths as well as URLs below `base_url`."""
        from pytest_sessionplugin.gateway.client.requests_session import GatewaySession

        return GatewaySession(self._transport)

    def websocket(
        self,
        path: str = "/",
        *,
        params: Fields | None = None,
        headers: HeaderFields | None = None,
        token: str | None = None,
        subprotocols: Sequence[str] = (),
    ) -> WebSocket:
        """Opens a WebSocket. Raises HandshakeRefused."""
        __tracebackhide__ = True  # pytest would print the token; the test's own line says more
        if isinstance(subprotocols, str):
            raise TypeError(f"subprotocols= takes a list of names, as [{subprotocols!r}]")
        offer = {"Sec-WebSocket-Protocol": ", ".join(subprotocols)} if subprotocols else {}
        where, sent = target(path, params), with_defaults(pairs(headers), token, offer)
        began = time.time()
        try:
            connection = self._transport.connect(where, sent)
        except Refused as refused:
            url = url_of(self._transport.base_urls.websocket, where)
            elapsed = timedelta(seconds=max(time.time() - began, 0.0))
            request = SentRequest("GET", url, where, HeaderMap(sent))
            raise HandshakeRefused(refused.reply, request, elapsed) from None  # its cause's frames show the token
        if connection.subprotocol is not None and connection.subprotocol not in subprotocols:
            connection.drop()  # as every client must: RFC 6455, 4.1
            raise ConnectionClosed(1006, f"subprotocol {connection.subprotocol!r} was not offered")
        websocket = WebSocket(
            self._transport,
            connection,
            on_end=self._left,
            lose_disconnect=self._lose_disconnect,
            pending=self._pending,
        )
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

    def __enter__(self) -> GatewayClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- only where the app runs in this process

    @property
    def runtime(self) -> Runtime:
        return self._needed("runtime in this process")

    @property
    def tables(self) -> Any:
        """The tables of this app's project, by logical name."""
        raise self._lacking("tables in this process")

    @property
    def tokens(self) -> Any:
        """Makes tokens that this app accepts."""
        raise self._lacking("tokens of its own: use the fixture jwt_tokens")

    def of(self, path: str | os.PathLike[str]) -> GatewayClient:
        """The gateway of another Chalice project of the repository, with its own `tables` and `tokens`."""
        raise self._lacking("other app beside it")

    def deliver_events(self, *, schedules: bool | str | Collection[str] = False) -> Sequence[Any]:
        """Delivers the events that wait in queues, topics and streams, and runs `schedules` first."""
        raise self._lacking("event sources in this process")

    @property
    def retries(self) -> Sequence[Any]:
        """Pending retries of asynchronous `lambda:Invoke` calls, soonest first."""
        raise self._lacking("retries that could be seen")

    # --- helpers

    def _needed(self, what: str) -> Runtime:
        """The runtime, which this capability needs."""
        if self._runtime is None:
            raise self._lacking(what)
        return self._runtime

    def _vouch(self, method: str, target: str, claims: Claims) -> tuple[str, str]:
        return self._needed("claims without a token").vouch(method, target, claims)

    def _lose_disconnect(self, connection_id: str) -> None:
        self._needed("$disconnect to lose").lose_disconnect(connection_id)

    def _pending(self) -> str:
        """Names work that a test has to set off itself; empty if there is none."""
        return ""

    def _left(self, websocket: WebSocket) -> None:
        with contextlib.suppress(ValueError):  # it has been left before
            self._websockets.remove(websocket)
