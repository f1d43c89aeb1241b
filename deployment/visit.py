"""Visits a deployed stage as a client: `GET /health/ready`, and a WebSocket handshake without a token.

The first shows that routes, function, role and tables work, the second that the function of `$connect` answers.
"""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from deployment.errors import DeploymentError

OK: Final = 200
UNAUTHORIZED: Final = 401
SECONDS: Final = 60.0
"""How long a visit waits for names that are new in DNS, for stages that API Gateway spreads, and for cold starts."""
PAUSE: Final = 3.0
TIMEOUT: Final = 15.0
SHOWN: Final = 500  # bytes of an unexpected answer
UPGRADE: Final = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
TLS: Final = frozenset({"https", "wss"})


def visit(http: str, websocket: str, *, seconds: float = SECONDS, pause: float = PAUSE) -> None:
    """Visits both APIs by their URLs. Raises DeploymentError, which says what was asked and answered."""
    until = time.monotonic() + seconds
    ready = f"{http.rstrip('/')}/health/ready"
    _await(lambda: _get(ready, {}), OK, f"GET {ready}", until, pause)
    joined = f"{websocket}?sessionId=visit"  # without one, the service answers before it asks for a token
    _await(lambda: _get(joined, _handshake()), UNAUTHORIZED, f"A handshake with {joined}", until, pause)


@dataclass(frozen=True)
class Answer:
    """An answer, or the reason why there is none, with status 0."""

    status: int
    text: str


def _await(ask: Callable[[], Answer], expected: int, asked: str, until: float, pause: float) -> None:
    while (answer := ask()).status != expected:
        if time.monotonic() >= until:
            raise DeploymentError(f"{asked} should get {expected} and got {answer.text}.")
        time.sleep(pause)


def _get(url: str, headers: dict[str, str]) -> Answer:
    parts = urlsplit(url)
    connection = _connection(parts.hostname or "", parts.port, tls=parts.scheme in TLS)
    try:
        connection.request("GET", urlunsplit(("", "", parts.path or "/", parts.query, "")), headers=headers)
        answer = connection.getresponse()
        body = answer.read(SHOWN).decode(errors="replace")
        return Answer(answer.status, f"{answer.status} {answer.reason} {body}".strip())
    except (OSError, HTTPException) as error:
        return Answer(0, f"no answer: {error!r}")
    finally:
        connection.close()


def _connection(host: str, port: int | None, *, tls: bool) -> HTTPConnection:
    """Goes through the proxy of the environment, as botocore does."""
    if not tls:
        return HTTPConnection(host, port, timeout=TIMEOUT)
    proxy = urlsplit(getproxies().get("https", ""))
    if not proxy.hostname or proxy_bypass(host):
        return HTTPSConnection(host, port, timeout=TIMEOUT)
    connection = HTTPSConnection(proxy.hostname, proxy.port, timeout=TIMEOUT)
    connection.set_tunnel(host, port)
    return connection


def _handshake() -> dict[str, str]:
    return {**UPGRADE, "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode()}
