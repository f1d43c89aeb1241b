"""The test's client on real sockets, against a server in the same process. It has no thread of its own.

A socket is read when a caller looks at it. Whether a message is on its way is found out exactly, without a time-out:
the server has read what was sent once it answers a ping, then it says when it is quiet, and what it had written by
then is here once it answers another ping.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from pytest_sessionplugin.gateway.client.connection import IO_SECONDS, SocketConnection
from pytest_sessionplugin.gateway.client.http import exchange
from pytest_sessionplugin.gateway.client.transport import ClientConnection, Refused, Urls
from pytest_sessionplugin.gateway.runtime import PATIENCE
from pytest_sessionplugin.gateway.server.server import Server
from pytest_sessionplugin.gateway.values import Headers, Reply


class SocketTransport:
    """Owns the server: close() stops it."""

    patience = None

    def __init__(self, server: Server) -> None:
        self.server = server
        self._activity = server.runtime.activity
        self._pool: deque[http.client.HTTPConnection] = deque()
        self._connections: set[SocketConnection] = set()
        self._asking: set[int] = set()  # threads that wait for an answer
        self._thread = threading.get_ident()  # the test's
        self._activity.join(self)

    @property
    def urls(self) -> Urls | None:
        return self.base_urls

    @property
    def base_urls(self) -> Urls:
        return Urls(self.server.http_url, self.server.websocket_url)

    def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
        try:
            connection = self._pool.pop()
        except IndexError:
            netloc = urlsplit(self.server.http_url).netloc
            connection = http.client.HTTPConnection(netloc, timeout=IO_SECONDS)
        try:
            with self._asks():
                reply = exchange(connection, method, target, headers, body)
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:  # the answer did not end the connection
            self._pool.append(connection)
        self._end_test()
        return reply

    def connect(self, target: str, headers: Headers) -> ClientConnection:
        try:
            with self._asks():
                connection = SocketConnection.open(
                    self.server, target, headers, on_end=self._connections.discard, on_take=self._end_test
                )
        except Refused:
            self._end_test()
            raise
        self._connections.add(connection)
        return connection

    def settle(self, connection: ClientConnection | None = None) -> None:
        self._activity.hear()
        if not isinstance(connection, SocketConnection):
            self.server.settle()
            _round_trip(tuple(self._connections))
        else:
            self.server.settle(connection.connection_id, connection.arrived)
            if not connection.waiting():
                _round_trip([connection])

    def close(self) -> None:
        self._activity.leave(self)
        while self._pool:
            self._pool.pop().close()
        self.server.stop()

    # --- for the activity

    def asking(self) -> Collection[int]:
        return frozenset(self._asking)

    def hear(self) -> None:
        _round_trip([each for each in tuple(self._connections) if each.unread])

    def at_rest(self, asking: int, invocations: Collection[str]) -> bool:
        return self.server.at_rest(asking, invocations)

    @contextlib.contextmanager
    def _asks(self) -> Iterator[None]:
        thread = threading.get_ident()
        self._asking.add(thread)
        try:
            yield
        finally:
            self._asking.discard(thread)

    def _end_test(self) -> None:
        """Raises a handler's interrupt in the thread of the test: any other thread could lose it."""
        if threading.get_ident() == self._thread:
            self._activity.raise_interrupt()


def _round_trip(connections: Collection[SocketConnection]) -> None:
    """Returns when what was sent on these connections has been read, and what was written to them is here."""
    deadline = time.monotonic() + PATIENCE
    for connection, number in [(each, each.ping()) for each in connections]:
        connection.await_pong(number, deadline)
