"""The shared state of a soak's clients: the server's URLs, tokens, common sessions, and the results."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from pytest_sessionplugin.tokens.tokens import Tokens

PATIENCE = 30.0  # seconds for one answer
OWNER = "alice"

Frame = dict[str, Any]


class Wrong(Exception):
    """The server gave a wrong answer, or none."""


@dataclass
class Place:
    http: str
    websocket: str
    tokens: Tokens
    sessions: list[str] = field(default_factory=list)  # shared: every client may join or end them
    ended: dict[str, None] = field(default_factory=dict)  # in order
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _joined: WeakSet[ClientConnection] = field(default_factory=WeakSet)

    # --- HTTP

    async def call(
        self, method: str, path: str, body: Frame | None = None, *, token: str | None = None
    ) -> tuple[int, Frame]:
        """Status and JSON of the answer; without a token the owner asks."""
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {urlsplit(self.http).netloc}\r\nConnection: close\r\n"
            f"Authorization: Bearer {token or self.tokens(OWNER)}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        async with self.line(self.http) as (reader, writer):
            writer.write(head.encode() + content)
            answer = await asyncio.wait_for(reader.read(), PATIENCE)
        top, _, rest = answer.partition(b"\r\n\r\n")
        if not top.startswith(b"HTTP/1.1 "):
            raise Wrong(f"{method} {path} was answered {answer[:200]!r}")
        return int(top.split()[1]), json.loads(rest or b"{}")

    async def new_session(self) -> str:
        status, session = await self.call("POST", "/sessions", {"title": "soak"})
        expect(status == 201, f"a session was not created: {status} {session}")
        return str(session["sessionId"])

    async def end(self, session_id: str) -> None:
        """Ends a session. Ending it again removes connections that left without a `$disconnect`."""
        self.ended.setdefault(session_id)
        status, answer = await self.call("DELETE", f"/sessions/{session_id}")
        expect(status == 204, f"a session was not ended: {status} {answer}")

    # --- sockets

    @contextlib.asynccontextmanager
    async def line(self, url: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A raw connection, aborted at the end of the block."""
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def join(self, session_id: str, subject: str = "guest") -> ClientConnection:
        return await self.open(session_id, self.tokens(subject))

    async def open(self, session_id: str, token: str) -> ClientConnection:
        return await self._connect(session_id, additional_headers={"Authorization": f"Bearer {token}"})

    async def enter(self, session_id: str, protocols: list[str]) -> ClientConnection:
        """Joins with the subprotocols of a ticket."""
        return await self._connect(session_id, subprotocols=[Subprotocol(each) for each in protocols])

    async def _connect(self, session_id: str, **credential: Any) -> ClientConnection:
        joined = await connect(
            f"{self.websocket}?sessionId={session_id}",
            **credential,
            compression=None,
            ping_interval=None,
            open_timeout=PATIENCE,
            close_timeout=PATIENCE,
            proxy=None,
        )
        self._joined.add(joined)
        return joined

    def cut(self) -> None:
        """Aborts every socket, because closing one that does not read would wait for the close frame."""
        for each in list(self._joined):
            each.transport.abort()

    def handshake(self, session_id: str) -> bytes:
        """The bytes of a valid handshake."""
        return (
            f"GET /?sessionId={session_id} HTTP/1.1\r\nHost: {urlsplit(self.websocket).netloc}\r\n"
            f"Authorization: Bearer {self.tokens('guest')}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c29ha2luZyBpbiB3YXRlcg==\r\n\r\n"
        ).encode()

    def somewhere(self, random: Random) -> str:
        return random.choice(self.sessions)


async def receive(socket: ClientConnection) -> Frame:
    """The next frame. Raises ConnectionClosed, or Wrong after a timeout."""
    try:
        frame: Frame = json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))
    except TimeoutError:
        raise Wrong(f"no frame within {PATIENCE:g} s") from None
    return frame


async def receive_until(socket: ClientConnection, *kinds: str) -> Frame:
    """The next frame of one of these types; other frames before it are skipped."""
    while (frame := await receive(socket))["type"] not in kinds:
        pass
    return frame


async def send(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))


def expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Wrong(otherwise)
