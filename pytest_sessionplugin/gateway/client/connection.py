"""The client's end of a WebSocket on a real socket. It has no thread: a caller that looks at it reads it."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

import h11
from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from pytest_sessionplugin.gateway.activity import NotQuiet
from pytest_sessionplugin.gateway.client.transport import Ended, Refused
from pytest_sessionplugin.gateway.core import upgrade
from pytest_sessionplugin.gateway.core.websocket import NO_CLOSE_FRAME
from pytest_sessionplugin.gateway.runtime import PATIENCE
from pytest_sessionplugin.gateway.server.server import Server
from pytest_sessionplugin.gateway.server.websocket_protocol import SILENT
from pytest_sessionplugin.gateway.values import Headers, Reply, header

IO_SECONDS = 60.0
"""How long one call may wait for the server: longer than any integration may take."""

CHUNK = 65_536

KEY = "sec-websocket-key"

_Connection = TypeVar("_Connection", bound="SocketConnection")


class SocketConnection:
    """See `ClientConnection`. Thread-safe."""

    def __init__(
        self,
        sock: socket.socket,
        connection_id: str | None,
        subprotocol: str | None,
        *,
        on_end: Callable[[SocketConnection], None] = lambda connection: None,
        on_take: Callable[[], None] = lambda: None,
        patience: float = IO_SECONDS,
    ) -> None:
        """`on_take` is called before a message is taken, and may raise. `patience`: seconds that one call waits for
        the other end.
        """
        self.connection_id, self.subprotocol, self.patience = connection_id, subprotocol, patience
        self._on_end, self._on_take = on_end, on_take
        self._socket = sock
        self._protocol = Protocol(CLIENT, state=OPEN, max_size=None, logger=SILENT)
        self._lock = threading.RLock()
        self._messages: deque[str] = deque()
        self.arrived = 0  # messages, since the beginning
        self._partial: list[bytes] = []
        self._ended: Ended | None = None
        self._pings = 0  # how many were sent; their numbers begin with 0
        self._ponged = -1  # the last one that was answered
        self._covering = -1  # the one whose answer says that all we sent has been read

    @classmethod
    def open(
        cls,
        server: Server,
        target: str,
        headers: Headers,
        *,
        on_end: Callable[[SocketConnection], None],
        on_take: Callable[[], None],
    ) -> SocketConnection:
        """Raises Refused, or OSError if there was no answer."""
        address = urlsplit(server.websocket_url)
        sock = socket.create_connection((address.hostname, address.port or 80), IO_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def accepted(sock: socket.socket, subprotocol: str | None) -> SocketConnection:
            connection_id = server.connection_id(sock.getsockname()[:2])
            return cls(sock, connection_id, subprotocol, on_end=on_end, on_take=on_take)

        return opened(sock, address.netloc, target, headers, accepted)

    def send(self, data: str | bytes, frame_bytes: int | None) -> Ended | None:
        with self._lock:
            self._read_what_is_here()
            if self._ended is not None:
                return self._ended
            payload = data.encode() if isinstance(data, str) else data
            size = frame_bytes or max(len(payload), 1)
            pieces = [payload[i : i + size] for i in range(0, len(payload), size)] or [b""]
            start = self._protocol.send_text if isinstance(data, str) else self._protocol.send_binary
            start(pieces[0], fin=len(pieces) == 1)
            for number, piece in enumerate(pieces[1:], 2):
                self._protocol.send_continuation(piece, fin=number == len(pieces))
            self._covering = self._pings  # the next one
            self._write()
            return None

    def take(self) -> str | Ended | None:
        with self._lock:
            here = self.waiting()
        if here:
            self._on_take()
        with self._lock:
            return self._messages.popleft() if self._messages else self._ended

    def waiting(self) -> bool:
        with self._lock:
            if not self._messages:
                self._read_what_is_here()
            return bool(self._messages) or self._ended is not None

    def close(self, code: int | None, reason: str) -> None:
        with self._lock:
            self._read_what_is_here()
            if self._ended is None:
                self._protocol.send_close(code, reason)
                self._write()
                self._read_to_the_end()

    def drop(self) -> None:
        with self._lock:
            if self._ended is None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)
                self._read_to_the_end()

    # --- for settle()

    @property
    def unread(self) -> bool:
        """Whether the server may not have read everything that was sent."""
        return self._ponged < self._covering

    def ping(self) -> int:
        """Sends a ping. When its pong is here, the server has read everything that was sent before."""
        with self._lock:
            number = self._pings
            self._pings += 1
            if self._ended is None:
                self._protocol.send_ping(str(number).encode())
                self._write()
            return number

    def await_pong(self, number: int, deadline: float) -> None:
        """Returns when everything is here that the server wrote before it read the ping. Raises NotQuiet."""
        with self._lock:
            while self._ended is None and self._ponged < number:
                if not self._read(deadline - time.monotonic()):
                    raise NotQuiet(("the answer to a ping",), PATIENCE)

    # --- reading and writing, under the lock

    def _read_what_is_here(self) -> None:
        while self._ended is None and self._read(0.0):
            pass

    def _read_to_the_end(self) -> None:
        """Reads until the server has answered our close: by then the core knows of it."""
        deadline = time.monotonic() + self.patience
        while self._ended is None and self._read(deadline - time.monotonic()):
            pass
        self._end(Ended(NO_CLOSE_FRAME))

    def _read(self, seconds: float) -> bool:
        """Whether data or the end of the connection came within that many seconds."""
        try:
            self._socket.settimeout(max(seconds, 0.0))
            data = self._socket.recv(CHUNK)
        except (BlockingIOError, TimeoutError, ssl.SSLWantReadError):
            return False
        except OSError:
            data = b""
        if data:
            self.feed(data)
        else:
            self._end(Ended(NO_CLOSE_FRAME))
        return True

    def feed(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, WireFrame):
                self._frame(event)
        self._write()
        if (said := self._protocol.close_rcvd) is not None:
            self._end(Ended(said.code, said.reason))
        elif self._protocol.parser_exc is not None:
            self._end(Ended(NO_CLOSE_FRAME))

    def _frame(self, frame: WireFrame) -> None:
        if frame.opcode is Opcode.PONG:
            self._ponged = int(frame.data)
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._partial.append(bytes(frame.data))
            if frame.fin:
                self._messages.append(b"".join(self._partial).decode(errors="replace"))
                self._partial.clear()
                self.arrived += 1

    def _write(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if data and self._ended is None:
            try:
                self._socket.settimeout(self.patience)
                self._socket.sendall(data)
            except OSError:
                self._read_what_is_here()  # perhaps the server said why
                self._end(Ended(NO_CLOSE_FRAME))

    def _end(self, ended: Ended) -> None:
        if self._ended is None:
            self._ended = ended
            self._socket.close()
            self._on_end(self)


def opened(
    sock: socket.socket,
    netloc: str,
    target: str,
    headers: Headers,
    accepted: Callable[[socket.socket, str | None], _Connection],
) -> _Connection:
    """Shakes hands, and returns the connection that `accepted` makes of the socket and the subprotocol.

    Raises Refused, or OSError if there was no answer; then the socket is closed.
    """
    try:
        host = (("Host", netloc),) if header(headers, "host") is None else ()
        wanted = (*host, *upgrade.offer(secrets.token_bytes(16)), *headers)
        subprotocol, early = _shake_hands(sock, target, wanted)
        connection = accepted(sock, subprotocol)
        connection.feed(early)
    except BaseException:
        sock.close()
        raise
    return connection


def _shake_hands(sock: socket.socket, target: str, headers: Headers) -> tuple[str | None, bytes]:
    """The chosen subprotocol, and the bytes that came behind the answer. Raises Refused."""
    http1 = h11.Connection(h11.CLIENT)
    wire = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    request = h11.Request(method="GET", target=target, headers=wire)
    sock.sendall((http1.send(request) or b"") + (http1.send(h11.EndOfMessage()) or b""))
    reply: Reply | None = None
    while True:
        match event := _next_event(http1):
            case h11.InformationalResponse(status_code=101):
                if header(_texts(event), "sec-websocket-accept") != upgrade.accept(header(headers, KEY) or ""):
                    raise ConnectionError("the answer to the handshake is not a WebSocket's")
                chosen = header(_texts(event), "sec-websocket-protocol")
                return chosen, bytes(http1.trailing_data[0])
            case h11.Response():
                reply = Reply(event.status_code, _texts(event))
            case h11.Data() if reply is not None:
                reply = Reply(reply.status, reply.headers, reply.body + bytes(event.data))
            case h11.NEED_DATA if data := sock.recv(CHUNK):
                http1.receive_data(data)
            case h11.EndOfMessage() | h11.NEED_DATA if reply is not None:  # its body may end with the connection
                raise Refused(reply)
            case _:
                raise ConnectionError("the gateway hung up during the handshake")


def _next_event(http1: h11.Connection) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
    try:
        return http1.next_event()
    except h11.RemoteProtocolError as error:
        raise ConnectionError(f"the answer to the handshake is not HTTP: {error}") from error


def _texts(response: h11.Response | h11.InformationalResponse) -> Headers:
    pairs = response.headers.raw_items()
    return tuple((name.decode(), value.decode("latin-1")) for name, value in pairs)
