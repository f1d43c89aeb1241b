"""HTTP servers of `serve` that only this machine may reach, each with a thread for every connection.

They listen on loopback, and refuse requests with another Host (a web page that rebinds its DNS) or with an Origin
(any web page).
"""

from __future__ import annotations

import errno
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from pytest_sessionplugin.gateway.server.server import PortInUse
from pytest_sessionplugin.gateway.values import on_loopback

IDLE = 60.0  # seconds for which a connection is kept
LINGER = 1.0  # seconds of silence, and bytes, after which a client that still sends is left
LINGER_BYTES = 1024 * 1024


class LoopbackServer:
    """Listens within its block, at whose end it closes every connection. `purpose` is its name in an error."""

    def __init__(self, host: str, port: int, handler: Callable[..., BaseHTTPRequestHandler], purpose: str) -> None:
        """Raises PortInUse, or OSError."""
        try:
            self._http = _Listener(host, port, handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(host, port, purpose) from error
            raise
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name=purpose, daemon=True)

    @property
    def url(self) -> str:
        host, port = self._http.server_address[:2]
        name = host if isinstance(host, str) else bytes(host).decode()
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self._http.disconnect()


class LoopbackHandler(BaseHTTPRequestHandler):
    """One connection. Its answers are sent in one piece, with the end of each request."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE
    wbufsize = -1

    def why_refused(self, port: str) -> str:
        """A sentence for a web page, whose browser sends an Origin, and for a wrong host; empty for any other client.

        `port` is the name of the port in the sentence.
        """
        if "Origin" in self.headers:
            return f"a web page may not use {port}: a browser sent this request. Send it from a program or a shell."
        if not on_loopback(f"http://{self.headers.get('Host', '')}"):
            return f"only this machine may use {port}: request it by its loopback address."
        return ""

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: stderr is for the app's own lines."""


class _Listener(socketserver.ThreadingTCPServer):
    """Like http.server.HTTPServer, which would ask a name server for the name of the host."""

    allow_reuse_address = True
    block_on_close = False
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._open: set[socket.socket] = set()
        super().__init__((host, port), handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Reads what still comes before it closes: else the kernel resets the connection, and the answer is lost."""
        with suppress(OSError):  # the client has left
            request.shutdown(socket.SHUT_WR)
            request.settimeout(LINGER)
            left = LINGER_BYTES
            while left > 0 and (data := request.recv(65536)):
                left -= len(data)
        self._open.discard(request)
        self.close_request(request)

    def disconnect(self) -> None:
        """Ends the connections that clients keep. Their threads see the end of the stream."""
        for connection in list(self._open):
            with suppress(OSError):  # the client has left
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # the client has left
            super().handle_error(request, client_address)
