"""A deployed stage as a transport: HTTP and WebSocket over the network, TLS verified.

It sees what a client sees: no function, no connection id, and not when the stage is quiet.
"""

from __future__ import annotations

import functools
import http.client
import itertools
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import SplitResult, urlsplit

from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode

from pytest_sessionplugin.gateway.client.connection import SocketConnection, opened
from pytest_sessionplugin.gateway.client.http import exchange
from pytest_sessionplugin.gateway.client.transport import ClientConnection, Ended, Refused, Unreachable, Urls, below
from pytest_sessionplugin.gateway.core.websocket import NO_CLOSE_FRAME, NO_STATUS
from pytest_sessionplugin.gateway.redaction import redacted, redacted_bytes, redacted_headers
from pytest_sessionplugin.gateway.values import (
    Accept,
    Close,
    Closed,
    Handshake,
    Headers,
    Message,
    Observe,
    Observed,
    Refuse,
    Reply,
    Request,
    Respond,
    Send,
    TimeSource,
)

# pytest would print arguments, which have credentials in them
__tracebackhide__ = True

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 35.0
"""An integration has 29 s; then API Gateway answers 504 itself."""

Crossing = Request | Respond | Handshake | Accept | Refuse | Message | Send | Close | Closed


class Remote:
    """Safe in several threads."""

    def __init__(
        self,
        urls: Urls,
        *,
        patience: float,
        lacking: Callable[[str], Exception],
        observe: Observe,
        hear: Observe | None = None,
        clock: TimeSource = time.time,
    ) -> None:
        """`patience`: seconds that a receive waits for a frame. `lacking` makes the exception for an API that the
        target does not name. `observe` gets what crosses without credentials, `hear` gets it as it is.
        """
        self.urls: Urls | None = urls
        self.base_urls = urls
        self.patience: float | None = patience
        self._http, self._websocket = urlsplit(urls.http), urlsplit(urls.websocket)
        self._seconds = patience
        self._lacking, self._observe, self._hear, self._clock = lacking, observe, hear, clock
        self._pool: deque[http.client.HTTPConnection] = deque()
        self._numbers = itertools.count(1)

    def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
        """Raises Unreachable."""
        if not self._http.netloc:
            raise self._lacking("HTTP API: the target names no https:// URL")
        id, where = f"#{next(self._numbers)}", below(self._http.path, target)
        path, _, query = where.partition("?")
        self._saw(Request(id, method, path, query, headers, body))
        connection: http.client.HTTPConnection | None = None
        try:
            connection = self._connection()
            reply = exchange(connection, method, where, headers, body)
        except (OSError, http.client.HTTPException) as error:
            if connection is not None:
                connection.close()
            raise Unreachable(_sentence(self._http.netloc, error)) from None  # the cause's frames have the credentials
        if connection.sock is not None:  # the answer did not end the connection
            self._pool.append(connection)
        self._saw(Respond(id, reply))
        return reply

    def connect(self, target: str, headers: Headers) -> ClientConnection:
        """Raises Refused, or Unreachable."""
        if not self._websocket.netloc:
            raise self._lacking("WebSocket API: the target names no wss:// URL")
        name = f"#{next(self._numbers)}"
        where = below(self._websocket.path, target, root="")  # its URL ends with the stage
        path, _, query = where.partition("?")
        self._saw(Handshake(name, path, query, headers))

        def accepted(sock: socket.socket, subprotocol: str | None) -> RemoteConnection:
            self._saw(Accept(name, subprotocol))
            return RemoteConnection(sock, subprotocol, name=name, patience=self._seconds, saw=self._saw)

        try:
            return opened(_socket(self._websocket), self._websocket.netloc, where, headers, accepted)
        except Refused as refused:
            self._saw(Refuse(name, refused.reply))
            raise
        except OSError as error:
            raise Unreachable(_sentence(self._websocket.netloc, error)) from None

    def settle(self, connection: ClientConnection | None = None) -> None:
        """Waits until a message is at hand for a connection, or `patience` is over.

        Without a connection it returns at once: whether a deployed stage is quiet cannot be known.
        """
        if isinstance(connection, RemoteConnection):
            connection.wait()

    def close(self) -> None:
        while self._pool:
            self._pool.pop().close()

    # --- helpers

    def _connection(self) -> http.client.HTTPConnection:
        """A live one: the server may have closed a pooled connection."""
        while self._pool:
            kept = self._pool.pop()
            if kept.sock is not None and not readable(kept.sock):
                return kept
            kept.close()
        if self._http.scheme == "https":
            made: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._http.netloc, timeout=CONNECT_SECONDS, context=_verified()
            )
        else:
            made = http.client.HTTPConnection(self._http.netloc, timeout=CONNECT_SECONDS)
        made.connect()
        made.sock.settimeout(ANSWER_SECONDS)
        return made

    def _saw(self, what: Crossing) -> None:
        now = self._clock()
        self._observe(Observed(now, _without_credentials(what)))
        if self._hear is not None:
            self._hear(Observed(now, what))


def _socket(url: SplitResult) -> socket.socket:
    """Raises OSError."""
    port = url.port or (443 if url.scheme == "wss" else 80)
    sock = socket.create_connection((url.hostname or "", port), CONNECT_SECONDS)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if url.scheme == "wss":
            sock = _verified().wrap_socket(sock, server_hostname=url.hostname)
        sock.settimeout(ANSWER_SECONDS)
    except BaseException:
        sock.close()
        raise
    return sock


def readable(sock: socket.socket, seconds: float = 0.0) -> bool:
    """Whether data or the end of the connection came within that many seconds."""
    if sock.fileno() < 0:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(seconds))


@functools.cache
def _verified() -> ssl.SSLContext:
    """Cached: reading the certificates of all authorities takes 30 ms. SSL_CERT_FILE names others."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _sentence(netloc: str, error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"the certificate of {netloc} cannot be verified: {error.verify_message}. "
                "SSL_CERT_FILE names a file with other authorities to trust."
            )
        case TimeoutError():
            return f"{netloc} did not answer in time; --sessionplugin-timeout sets the seconds."
        case OSError():
            sentence = f"{netloc} cannot be reached: {error.strerror or error}."
            return f"{sentence} Start what is there, or name another target with --sessionplugin-target."
    return f"{netloc} did not answer with HTTP: {type(error).__name__}."


def _without_credentials(what: Crossing) -> Crossing:
    match what:
        case Request():
            headers, body = redacted_headers(what.headers), redacted_bytes(what.body)
            return replace(what, query=redacted(what.query), headers=headers, body=body)
        case Handshake():
            return replace(what, query=redacted(what.query), headers=redacted_headers(what.headers))
        case Respond() | Refuse():
            reply = Reply(what.reply.status, redacted_headers(what.reply.headers), redacted_bytes(what.reply.body))
            return replace(what, reply=reply)
        case Accept():
            return replace(what, subprotocol=redacted(what.subprotocol or "") or None)
        case Message():
            return replace(what, data=redacted(what.data) if isinstance(what.data, str) else redacted_bytes(what.data))
        case Send():
            return replace(what, text=redacted(what.text))
    return what


GLANCE = 0.1
"""Seconds after which a wait looks whether another thread has closed the connection."""


class RemoteConnection(SocketConnection):
    """`name`: its name in the trace, as only the stage knows its id. `saw` is called for each crossing."""

    def __init__(
        self,
        sock: socket.socket,
        subprotocol: str | None,
        *,
        name: str,
        patience: float,
        saw: Callable[[Message | Send | Close | Closed], None],
    ) -> None:
        super().__init__(sock, None, subprotocol, patience=patience)
        self._name, self._saw = name, saw
        self._left: Ended | None = None  # how the client left, unless the stage ended it

    def wait(self) -> None:
        """Returns when a message is waiting, or `patience` is over. Other threads may use the connection meanwhile."""
        deadline = time.monotonic() + self.patience
        while not self.waiting() and (seconds := deadline - time.monotonic()) > 0:
            readable(self._socket, min(seconds, GLANCE))

    def send(self, data: str | bytes, frame_bytes: int | None) -> Ended | None:
        with self._lock:
            ended = super().send(data, frame_bytes)
            if ended is None:
                size = len(data.encode() if isinstance(data, str) else data)
                self._saw(Message(self._name, data, min(size, frame_bytes or size)))
            return ended

    def close(self, code: int | None, reason: str) -> None:
        with self._lock:
            if not self._has_ended():
                self._left = Ended(code or NO_STATUS, reason)
            super().close(code, reason)

    def drop(self) -> None:
        """Does not wait for the other end, whose $disconnect cannot be seen from here."""
        with self._lock:
            if not self._has_ended():
                self._left = Ended(NO_CLOSE_FRAME)
                self._end(self._left)

    def _has_ended(self) -> bool:
        self._read_what_is_here()
        return self._ended is not None

    def _frame(self, frame: WireFrame) -> None:
        if frame.opcode is Opcode.PONG:
            return  # this client sends no pings
        before = self.arrived
        super()._frame(frame)
        if self.arrived > before:
            self._saw(Send(self._name, self._messages[-1]))

    def _end(self, ended: Ended) -> None:
        if self._ended is None:
            if self._left is not None:
                self._saw(Closed(self._name, self._left.code, self._left.reason))
            else:
                self._saw(Close(self._name, ended.code, ended.reason))
        super()._end(ended)
