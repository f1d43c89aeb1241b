"""Frames per second, and the time of one, through an echo handler: `sessionplugin serve` and MiniStack.

MiniStack runs the same app (`bench/echo`), deployed as in the conformance suite. Without `make .venv-ministack/.ready`
only ours is measured.
"""

from __future__ import annotations

import base64
import os
import socket
import statistics
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from bench import callers
from bench.callers import Rate
from bench.figures import Effort, Figure, each_in_turns
from tests.conformance.adapters.ministack import MiniStack
from tests.emulators.ministack.process import PYTHON
from tests.processes import sessionplugin_serve

ECHO = Path(__file__).parent / "echo"
SECONDS = 2.0
RUNS = 5
TEXT = b"hello"


def measure(effort: Effort) -> Figure:
    with ExitStack() as stack:
        urls = [stack.enter_context(sessionplugin_serve(ECHO)).websocket]
        if PYTHON.is_file():
            urls.append(stack.enter_context(MiniStack().deploy(ECHO)).websocket)
        else:
            print("bench: to measure MiniStack too, run: make .venv-ministack/.ready", file=sys.stderr)
        for url in urls:
            echoes(url, effort.seconds(0.5))
        rounds = (partial(echoes, url, effort.seconds(SECONDS)) for url in urls)
        ours, *theirs = map(_median, each_in_turns(effort.of(RUNS), *rounds))
    return Figure(
        f"frames and their echoes, on sockets, {callers.CLIENTS} clients",
        _shown(ours),
        f"MiniStack {_shown(theirs[0])}" if theirs else "-",
        "as many" if theirs else "-",
        not theirs or ours.per_second >= theirs[0].per_second,
    )


def _median(rates: list[Rate]) -> Rate:
    return Rate(statistics.median(r.per_second for r in rates), statistics.median(r.median for r in rates))


def _shown(rate: Rate) -> str:
    return f"{rate.per_second:.0f}/s, {rate.median:.1f} ms"


def echoes(url: str, seconds: float) -> Rate:
    """Rate of clients that each send the next frame as soon as the last one has come back."""
    frame = bytes([0x81, 0x80 | len(TEXT)]) + bytes(4) + TEXT  # a mask of zeros leaves the text as it is
    answer = bytes([0x81, len(TEXT)]) + TEXT

    def complete(received: bytes) -> bool:
        if not answer.startswith(received[: len(answer)]) or len(received) > len(answer):
            raise SystemExit(f"bench: {url} sent {received[:200]!r}, instead of the echo")
        return received == answer

    with ExitStack() as stack:
        connections = [stack.enter_context(opened(url)) for _ in range(callers.CLIENTS)]
        return callers.ask(connections, frame, complete, seconds=seconds, quick=True)


def opened(url: str) -> socket.socket:
    """A connection after its handshake; only frames follow."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80), callers.PATIENCE)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            break
        head += byte
    if not head.startswith(b"HTTP/1.1 101 "):
        connection.close()
        raise SystemExit(f"bench: {url} refused the handshake: {head[:200]!r}")
    return connection
