"""The control port: a small HTTP API, JSON in and out, for tests in any language. It decides nothing.

Whoever reaches it can have the app behave in any way, so it is for this machine alone: it listens on loopback, and
answers nobody who knows it by another name (a web page that rebinds its DNS) or who sends an Origin (any web page).
"""

from __future__ import annotations

import errno
import json
import math
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any

from pytest_sessionplugin.aws.environment import on_loopback
from pytest_sessionplugin.aws.faults import NAMES
from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.gateway.driver import NotQuiet
from pytest_sessionplugin.gateway.server import PortInUse
from pytest_sessionplugin.interventions import GRACE, Interventions, words

MAX_BODY = 65_536  # bytes
DIGITS = 9  # of a length: one that has more is too long, and one of thousands no number that Python reads
SETTLE = 5.0  # seconds
IDLE = 60.0  # seconds for which a connection is kept

TIME_STANDS = (
    "only the gateway's time has moved: the app's does, too, "
    "where it is served with time-machine: pip install 'pytest-sessionplugin[clock]'"
)

Answer = tuple[int, Mapping[str, Any]]


class Control:
    """The port, as long as it is in its block."""

    def __init__(self, interventions: Interventions, host: str, port: int) -> None:
        """Raises PortInUse, or OSError."""
        desk = _Desk(interventions)
        try:
            self._http = _Http(host, port, lambda *arguments: _Line(desk.answer, *arguments))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(host, port, "the control port") from error
            raise
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="control", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._http.server_address[:2]
        name = host if isinstance(host, str) else bytes(host).decode()
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def __enter__(self) -> Control:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Desk:
    """Which request asks for what."""

    def __init__(self, interventions: Interventions) -> None:
        self._interventions = interventions
        self._routes: Mapping[tuple[str, str], Callable[[dict[str, Any]], Answer]] = {
            ("GET", "/"): self._help,
            ("POST", "/clock"): self._clock,
            ("POST", "/faults"): self._arm,
            ("DELETE", "/faults"): self._end,
            ("POST", "/settle"): self._settle,
            ("GET", "/state"): self._state,
        }

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        route = self._routes.get((method, path))
        if route is None:
            there = ", ".join(f"{method} {path}" for method, path in self._routes)
            return 404, _error(f"there is no {method} {path}; there are: {there}.")
        try:
            return route(_object(body))
        except NotQuiet as error:
            return 504, {**_error(str(error)), "running": list(error.running)}
        except SessionPluginError as error:
            return 400, _error(str(error))

    def _help(self, _: dict[str, Any]) -> Answer:
        return 200, {
            "now": self._now,
            "POST /clock": {
                "advance": "seconds",
                "grace": f"for what runs already; {GRACE:g} if left out",
                "schedules": "whether those of the app run on the way; false if left out",
            },
            "POST /faults": {"fault": "name", "arguments": ["text"], "times": "a whole number, or left out"},
            "DELETE /faults": "all is well again",
            "POST /settle": {"seconds": f"to wait at most; {SETTLE:g} if left out"},
            "GET /state": "how much of each kind is open and runs",
            "faults": [f"{name}{words(name)}" for name in NAMES],
        }

    def _clock(self, asked: dict[str, Any]) -> Answer:
        seconds = _number(asked.pop("advance", None), "advance")
        grace = _number(asked.pop("grace", GRACE), "grace")
        schedules = asked.pop("schedules", False)
        if not isinstance(schedules, bool):
            raise SessionPluginError("schedules must be true or false: whether the app's run on the way.")
        _nothing_else(asked, "advance, grace, schedules")
        self._interventions.advance(seconds, grace, schedules=schedules)
        return 200, {"now": self._now, **({} if self._interventions.moves_the_app else {"note": TIME_STANDS})}

    def _arm(self, asked: dict[str, Any]) -> Answer:
        name, arguments = asked.pop("fault", None), asked.pop("arguments", [])
        if not isinstance(name, str) or not isinstance(arguments, list):
            raise SessionPluginError(
                f'a fault is {{"fault": "gone", "arguments": ["…"]}}; there are: {", ".join(NAMES)}.'
            )
        return 200, {"fault": self._interventions.arm(name, arguments, asked)}

    def _end(self, _: dict[str, Any]) -> Answer:
        self._interventions.end_faults()
        return 200, {}

    def _settle(self, asked: dict[str, Any]) -> Answer:
        seconds = _number(asked.pop("seconds", SETTLE), "seconds")
        _nothing_else(asked, "seconds")
        self._interventions.settle(seconds)
        return 200, {"now": self._now}

    def _state(self, _: dict[str, Any]) -> Answer:
        return 200, {"now": self._now, **self._interventions.state()}

    @property
    def _now(self) -> str:
        return self._interventions.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Http(socketserver.ThreadingTCPServer):
    """The standard library's own for HTTP would ask a name server for the name of the host."""

    allow_reuse_address = True
    block_on_close = False
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, line: Callable[..., BaseHTTPRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), line)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a client that left is nobody's mistake
            super().handle_error(request, client_address)


class _Line(BaseHTTPRequestHandler):
    """One connection. A request that is refused is not read to its end, and the connection closed."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE

    def __init__(self, answer: Callable[[str, str, bytes], Answer], *arguments: Any) -> None:
        self._answer = answer
        super().__init__(*arguments)

    def do_GET(self) -> None:
        status, said = self._refused() or self._asked()
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_PUT = do_PATCH = do_OPTIONS = do_GET

    def _asked(self) -> Answer:
        return self._answer(self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _refused(self) -> Answer | None:
        self.close_connection, keeps = True, self.close_connection
        length = self.headers.get("Content-Length") or "0"
        if not on_loopback(f"http://{self.headers.get('Host', '')}") or "Origin" in self.headers:
            return 403, _error("this port is for tests on this machine: ask for it by its loopback address.")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdecimal()):
            return 411, _error("say how long the body is, with Content-Length.")
        if len(length) > DIGITS or int(length) > MAX_BODY:
            return 413, _error(f"a body may have {MAX_BODY} bytes.")
        self.close_connection = keeps
        return None

    def log_message(self, format: str, *args: Any) -> None:
        """Not on stderr, where the app's own lines are."""


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise SessionPluginError("the body must be a JSON object.")
    return asked


def _number(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _is_finite(value):
        raise SessionPluginError(f'{name} must be a number of seconds, as in {{"{name}": 30}}.')
    return float(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _nothing_else(asked: Mapping[str, Any], name: str) -> None:
    if asked:
        raise SessionPluginError(f"{', '.join(sorted(asked))} is not known here; there is: {name}.")


def _error(sentence: str) -> dict[str, str]:
    return {"error": sentence}
