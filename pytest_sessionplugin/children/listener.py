"""The port at which child processes reach the account of this process. It is opened when the first one starts."""

from __future__ import annotations

import hmac
import secrets
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any
from urllib.parse import quote

from pytest_sessionplugin.aws import relay
from pytest_sessionplugin.children.starts import STARTS, Led

GRACE = 1.0  # seconds in which a call may end that is being answered when the account closes
SILENCE = 5.0  # seconds after which a client that sends no request is left


class Children:
    """Answers the calls of processes that are started, or forked, within `reached`. Later calls name `test`.

    `other_hosts` says whether they may connect to hosts that are neither AWS's nor this machine.
    """

    def __init__(self, account: relay.AnswersCalls, test: str, *, other_hosts: bool = True) -> None:
        self._account, self._test, self._other_hosts = account, test, other_hosts
        self._key = secrets.token_urlsafe()
        self._opening = threading.Lock()
        self._address: str | None = None
        self._server: _Server | None = None
        self._idle = threading.Condition()
        self._answering = 0
        self._closed = False

    @contextmanager
    def reached(self) -> Iterator[None]:
        before = STARTS.follow(self)  # in a child process that opens an account of its own
        try:
            yield
        finally:
            STARTS.follow(before)
            with self._idle:
                self._closed = True
                self._idle.wait_for(lambda: not self._answering, GRACE)
            if self._server is not None:
                self._server.close()

    def account(self) -> str:
        """The address for a new process. Listens from the first time on."""
        with self._opening:
            if self._address is None:
                try:
                    self._address = self._open()
                except Exception as error:  # noqa: BLE001 - the process starts all the same
                    why = f"{type(error).__name__}: {error}"
                    self._address = f"the process that started this one cannot listen on loopback ({why})."
            return self._address

    def forked(self) -> None:
        """In the child of a fork: it has a copy of the account, which nobody else sees."""
        if self._server is not None:
            self._server.socket.close()  # first: else it would go on listening when this process has closed it
        if self._address is not None:
            STARTS.follow(Led(self._address))
            relay.follow(self._address)

    def knows(self, path: str) -> bool:
        """Whether a client has the key of this account."""
        return hmac.compare_digest(path.encode(), f"/{self._key}".encode())

    def answer(self, message: bytes) -> bytes | None:
        """None once the account is closed."""
        with self._idle:
            if self._closed:
                return None
            self._answering += 1
        try:
            return relay.answer(self._account, message)
        finally:
            with self._idle:
                self._answering -= 1
                self._idle.notify_all()

    def _open(self) -> str:
        self._server = _Server(self)
        self._server.start()
        # Python 3.12 and later warn at each fork beside a thread; this one holds nothing that a child needs.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        port = self._server.server_address[1]
        asks = "" if self._other_hosts else f"?{relay.ASKS_FOR_ALL}"
        return f"http://127.0.0.1:{port}/{self._key}{asks}#{quote(self._test)}"


class _Server(ThreadingTCPServer):
    """Like http.server.HTTPServer, which would ask a name server for the name of the host."""

    daemon_threads = True

    def __init__(self, children: Children) -> None:
        super().__init__(("127.0.0.1", 0), lambda *arguments: _Exchange(children, *arguments))
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="child processes", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # the child has ended
            super().handle_error(request, client_address)


class _Exchange(BaseHTTPRequestHandler):
    """One message of a child, and its answer."""

    timeout = SILENCE
    wbufsize = -1

    def __init__(self, children: Children, *arguments: Any) -> None:
        self._children = children
        super().__init__(*arguments)

    def do_POST(self) -> None:
        said = None
        if self._children.knows(self.path):
            said = self._children.answer(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(403 if said is None else 200)
        self.end_headers()
        self.wfile.write(said or b"")

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: stderr is for the app's own lines."""
