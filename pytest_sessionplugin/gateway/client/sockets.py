"""The test's client on real sockets, against a Server in the same process.

It has no thread of its own.

A socket is read by whoever looks at it. That nothing is on its way is found out exactly, without waiting for a
time-out: what was sent has been read once a ping is answered, then the server says when it is quiet, and what it had
written by then is here once another ping is answered.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections import deque
from collections.abc import Collection, Iterator
from typing import Any
from urllib.parse import urlsplit

from pytest_sessionplugin.gateway.client.connection import IO_SECONDS, SocketLine
from pytest_sessionplugin.gateway.client.http import exchange
from pytest_sessionplugin.gateway.client.transport import ClientConnection, Refused, Urls
from pytest_sessionplugin.gateway.runtime import PATIENCE, OnHeld
from pytest_sessionplugin.gateway.server.server import Server
from pytest_sessionplugin.gateway.values import Claims, Done, Headers, Manage, Reply


class SocketTransport:
    """Owns the server: close() stops it. `beside`: that of the server that it was started beside."""

    def __init__(self, server: Server, *, beside: SocketTransport | None = None) -> None:
        self.server = server
        self._pool: deque[http.client.HTTPConnection] = deque()
        self._lines: set[SocketLine] = set()
        self._asking: set[int] = set()  # threads that wait for an answer
        self._thread = threading.get_ident()  # the test's
        self._together: list[SocketTransport] = beside._together if beside is not None else []
        self._together.append(self)

    patience = None

    @property
    def urls(self) -> Urls | None:
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

    def vouch(self, method: str, target: str, claims: Claims) -> tuple[str, str]:
        return self.server.vouch(method, target, claims)

    def connect(self, target: str, headers: Headers) -> ClientConnection:
        try:
            with self._asks():
                line = SocketLine.open(self.server, target, headers)
        except Refused:
            self._end_test()
            raise
        self._lines.add(line)
        line.on_end, line.on_take = self._lines.discard, self._end_test
        return line

    def _end_test(self) -> None:
        """Raises what a handler raised to end the test, in the thread of the test: another could lose it."""
        if threading.get_ident() == self._thread:
            self.server.raise_interrupt()

    def settle(self, line: ClientConnection | None = None) -> None:
        self._hear()
        if not isinstance(line, SocketLine):
            self.server.settle()
            _round_trip(tuple(self._lines))
        else:
            self.server.settle(line.connection_id, line.arrived)
            if not line.waiting():
                _round_trip([line])

    def _hear(self) -> None:
        """What was sent has been read, here and beside."""
        _round_trip([each for transport in self._together for each in tuple(transport._lines) if each.unread])

    @contextlib.contextmanager
    def _asks(self) -> Iterator[None]:
        thread = threading.get_ident()
        self._asking.add(thread)
        try:
            yield
        finally:
            self._asking.discard(thread)

    def invoke(self, function: str, event: Any, request_id: str | None = None) -> Any:
        return self.server.invoke(function, event, request_id)

    def invoke_later(self, function: str, event: Any, request_id: str, done: Done) -> None:
        self.server.invoke_later(function, event, request_id, done)

    def manage(self, call: Manage) -> Reply:
        return self.server.manage(call)

    def stall(self, connection_id: str, held: OnHeld) -> None:
        self.server.stall(connection_id, held)

    def resume(self, connection_id: str) -> None:
        self.server.resume(connection_id)

    def lose_disconnect(self, connection_id: str) -> None:
        self.server.lose_disconnect(connection_id)

    def at_rest(self, threads: Collection[int], invocations: Collection[str]) -> bool:
        asking = [set(each._asking) for each in self._together]  # first: who asks from here on is not among them
        if not set[int]().union(*asking).issuperset(threads):
            return False
        self._hear()
        both = zip(self._together, asking, strict=True)
        return all(each.server.at_rest(len(waiting), invocations) for each, waiting in both)

    def due(self) -> float | None:
        return self.server.due()

    def tick(self) -> None:
        self.server.tick()

    def close(self) -> None:
        while self._pool:
            self._pool.pop().close()
        self.server.stop()


def _round_trip(lines: Collection[SocketLine]) -> None:
    """What was sent on these lines has been read, and what was written to them is here."""
    deadline = time.monotonic() + PATIENCE
    for line, number in [(line, line.ping()) for line in lines]:
        line.await_pong(number, deadline)
