"""Cheap load clients: one thread, one connection each, and the next request after each answer.

Each request is one TCP segment. With `quick`, each segment of an answer is acknowledged at once. A server that writes
an answer in two segments waits for the first acknowledgement, which Linux otherwise delays by 40 ms.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CLIENTS = 8
CHUNK = 65_536
PATIENCE = 10.0  # seconds without any answer before the measurement fails

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Rate:
    """Answers per second of all clients together, and the median time of one answer in milliseconds."""

    per_second: float
    median: float


@dataclass
class Caller:
    """One connection, and the bytes received since its last request."""

    connection: socket.socket
    asked_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)


def get(url: str, path: str, body: bytes, *, seconds: float, quick: bool) -> Rate:
    """Rate of `GET path`; each answer must be 200 with this body."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 80)
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()

    def complete(received: bytes) -> bool:
        head, found, answer = received.partition(b"\r\n\r\n")
        if not found:
            return False
        length = _LENGTH.search(head + b"\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or length is None:
            raise SystemExit(f"bench: {url}{path} answered {head[:200]!r}")
        if len(answer) < int(length[1]):
            return False
        if answer != body:
            raise SystemExit(f"bench: {url}{path} answered {answer[:200]!r}")
        return True

    with ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(address, PATIENCE)) for _ in range(CLIENTS)]
        return ask(connections, request, complete, seconds=seconds, quick=quick)


def ask(
    connections: list[socket.socket],
    request: bytes,
    complete: Callable[[bytes], bool],
    *,
    seconds: float,
    quick: bool,
) -> Rate:
    """Sends the request on each connection again as soon as `complete` says that the answer is whole."""
    taken: list[float] = []
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(connection, selectors.EVENT_READ, Caller(connection))
        began = time.perf_counter()
        for key in selector.get_map().values():
            _send(key.data, request, quick)
        while time.perf_counter() - began < seconds:
            ready = selector.select(PATIENCE)
            if not ready:
                raise SystemExit(f"bench: no answer within {PATIENCE:g} s")
            for key, _ in ready:
                caller: Caller = key.data
                data = caller.connection.recv(CHUNK)
                if not data:
                    raise SystemExit("bench: the server closed a keep-alive connection")
                caller.received += data
                if complete(bytes(caller.received)):
                    taken.append(time.perf_counter() - caller.asked_at)
                    caller.received.clear()
                    _send(caller, request, quick)
                elif quick:
                    _acknowledge(caller.connection)
        lasted = time.perf_counter() - began
    taken.sort()
    return Rate(len(taken) / lasted, taken[len(taken) // 2] * 1000)


def _send(caller: Caller, request: bytes, quick: bool) -> None:
    caller.asked_at = time.perf_counter()
    caller.connection.sendall(request)
    if quick:
        _acknowledge(caller.connection)


def _acknowledge(connection: socket.socket) -> None:
    """Set before each wait, because the kernel may clear the option at any time."""
    if hasattr(socket, "TCP_QUICKACK"):  # Linux
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
