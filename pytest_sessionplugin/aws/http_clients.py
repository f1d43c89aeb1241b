"""Changes to Python's HTTP clients and sockets, which ask AWS without botocore.

http.client (with urllib), urllib3 (with requests) and httpcore (with httpx) get their answers here, behind a proxy,
too. aiohttp and bare sockets are refused: nothing of theirs can be answered without a connection.
"""

from __future__ import annotations

import http.client
import io
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import urlsplit

from pytest_sessionplugin.aws.http_requests import HttpRequest, written
from pytest_sessionplugin.aws.wire import Answer

_OF_CONNECTIONS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})


class Door(Protocol):
    """Decides about hosts, and answers in place of AWS."""

    def takes(self, host: str) -> bool:
        """Whether requests to a host are answered here; if not, they go their way. Raises BlockedConnection."""

    def admit(self, host: str) -> None:
        """Raises BlockedConnection for a host that no connection may reach."""

    def answer(self, host: str, request: HttpRequest) -> Answer | None:
        """None for a connection that breaks. Raises BlockedCall."""


class Changes:
    """The changes, which stay for the rest of the process and ask the door each time.

    They are below what others mock, such as responses, pytest-httpx and respx. Tools that put functions of sockets back
    may remove one, so `make` is called for each test.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._ours: set[Any] = set()
        self.by_module: Mapping[str, Callable[[ModuleType], None]] = {
            "http.client": self._change_http_client,
            "urllib3.connection": self._change_connections,
            "httpcore": self._change_httpcore,
            "aiohttp": self._change_aiohttp,
            "socket": self._change_sockets,
        }

    def make(self) -> None:
        """Changes each module that is imported, unless it is changed already."""
        for name, change in self.by_module.items():
            if name in sys.modules:
                change(sys.modules[name])

    def _change(self, owner: Any, name: str, around: Callable[[Door, Any], Any]) -> None:
        real = getattr(owner, name)
        if real not in self._ours:
            ours = around(self._door, real)
            self._ours.add(ours)
            setattr(owner, name, ours)

    def _change_http_client(self, module: Any) -> None:
        self._change_connections(module)
        self._change(module.HTTPConnection, "putrequest", _putrequest)

    def _change_connections(self, module: Any) -> None:
        for kind in (module.HTTPConnection, module.HTTPSConnection):
            self._change(kind, "connect", _connect)

    def _change_httpcore(self, module: Any) -> None:
        self._change(module.ConnectionPool, "handle_request", _handle_request)
        self._change(module.AsyncConnectionPool, "handle_async_request", _handle_async_request)

    def _change_aiohttp(self, module: Any) -> None:
        """Its connections to a proxy and its own resolvers pass by the functions of sockets."""
        self._change(module.BaseConnector, "connect", _connect_of_aiohttp)

    def _change_sockets(self, module: Any) -> None:
        for name in ("connect", "connect_ex"):
            self._change(module.socket, name, _connect_of_a_socket)
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            self._change(module, name, _resolve)


# --- http.client, urllib3


def _connect(door: Door, real: Callable[[Any], None]) -> Callable[[Any], None]:
    def connect(connection: Any) -> None:
        host = connection._tunnel_host or connection.host
        if door.takes(host):
            connection.sock = Wire(door, host)
            connection.is_verified = connection.proxy_is_verified = True  # urllib3 would warn
        else:
            real(connection)

    return connect


def _putrequest(door: Door, real: Callable[..., None]) -> Callable[..., None]:
    """Of a connection to a proxy, the URL names the host."""

    def putrequest(connection: Any, method: str, url: str, *arguments: Any, **named: Any) -> None:
        if method == "CONNECT":
            door.admit(urlsplit(f"//{url}").hostname or "")
        host = urlsplit(url).hostname if url.startswith(("http://", "https://")) else None
        there = connection.sock
        if host is not None and door.takes(host):
            if there is not None:
                there.close()
            connection.sock = Wire(door, host)
        elif isinstance(there, Wire) and there.host != (connection._tunnel_host or connection.host):
            connection.sock = None  # the next request to the same proxy
        real(connection, method, url, *arguments, **named)

    return putrequest


class Wire:
    """In place of a socket: takes a request in bytes, gives an answer in bytes."""

    def __init__(self, door: Door, host: str) -> None:
        self.host = host
        self._door = door
        self._written = bytearray()

    def sendall(self, data: Any, *_: int) -> None:
        self._written += memoryview(data).cast("B")

    send = sendall

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """The answer to what was sent so far, which is asked for when it is read."""
        sent = bytes(self._written)
        self._written.clear()
        return io.BufferedReader(_Reply(lambda: self._answer(sent)))

    def _answer(self, sent: bytes) -> bytes:
        request = written(sent)
        answer = self._door.answer(self.host, request)
        return _head(request.method, answer) + answer.body if answer is not None else b""

    def settimeout(self, seconds: float | None) -> None:
        pass

    def gettimeout(self) -> None:
        pass

    def setsockopt(self, *_: Any) -> None:
        pass

    def shutdown(self, how: int = 0) -> None:
        pass

    def close(self) -> None:
        pass


class _Reply(io.RawIOBase):
    """Bytes that are asked for by the first read. A refusal is then raised where a broken connection would be."""

    def __init__(self, ask: Callable[[], bytes]) -> None:
        self._ask = ask
        self._bytes: io.BytesIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._bytes is None:
            self._bytes = io.BytesIO(self._ask())
        return self._bytes.readinto(buffer)


def _head(method: str, answer: Answer) -> bytes:
    status = f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, '')}"
    lines = [f"{name}: {value}" for name, value in _headers(answer, method)]
    return "\r\n".join([status, *lines, "connection: close", "", ""]).encode("latin-1", "replace")


def _headers(answer: Answer, method: str) -> Iterator[tuple[str, str]]:
    """Without those of a connection. An answer to HEAD tells the length of a body that it does not have."""
    length = str(len(answer.body))
    for name, value in answer.headers.items():
        if name.lower() == "content-length" and method == "HEAD":
            length = str(value)
        elif name.lower() not in _OF_CONNECTIONS:
            yield name, " ".join(str(value).splitlines())
    if answer.status >= 200 and answer.status not in (204, 304):
        yield "content-length", length


# --- httpcore


def _handle_request(door: Door, real: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def handle_request(pool: Any, request: Any) -> Any:
        if not door.takes(_host(request)):
            return real(pool, request)
        return _answered(door, request, b"".join(request.stream))

    return handle_request


def _handle_async_request(door: Door, real: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def handle_async_request(pool: Any, request: Any) -> Any:
        if not door.takes(_host(request)):
            return await real(pool, request)
        return _answered(door, request, b"".join([part async for part in request.stream]))

    return handle_async_request


def _answered(door: Door, request: Any, body: bytes) -> Any:
    import httpcore

    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers}
    asked = HttpRequest(request.method.decode("ascii"), request.url.target.decode("ascii"), headers, body)
    answer = door.answer(_host(request), asked)
    if answer is None:
        raise httpcore.RemoteProtocolError("Server disconnected without sending a response.")
    content = b"" if asked.method == "HEAD" else answer.body
    return httpcore.Response(answer.status, headers=list(_headers(answer, asked.method)), content=content)


def _host(request: Any) -> str:
    return str(request.url.host.decode("ascii"))


# --- aiohttp, sockets


def _connect_of_aiohttp(door: Door, real: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def connect(connector: Any, request: Any, *arguments: Any, **named: Any) -> Any:
        door.admit(request.url.host or "")
        return await real(connector, request, *arguments, **named)

    return connect


def _connect_of_a_socket(door: Door, real: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    def connect(one: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and one.type is socket.SOCK_STREAM:
            door.admit(_text(address[0]))
        return real(one, address)

    return connect


def _resolve(door: Door, real: Callable[..., Any]) -> Callable[..., Any]:
    def resolve(host: Any, *arguments: Any, **named: Any) -> Any:
        if host:
            door.admit(_text(host))
        return real(host, *arguments, **named)

    return resolve


def _text(host: str | bytes | bytearray) -> str:
    return host if isinstance(host, str) else host.decode("ascii", "replace")
