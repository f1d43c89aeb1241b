"""A test's WebSocket: sends anything, and reads frames with a timeout."""

from __future__ import annotations

import json
import ssl
from typing import Any
from urllib.parse import quote

from tests.conformance.answer import Answer
from tests.conformance.wire import Wire

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def lowered(headers: dict[str, Any]) -> dict[str, Any]:
    """Headers of an event by lower-case name, for tests that do not depend on the spelling."""
    return {name.lower(): value for name, value in headers.items()}


class Socket:
    """A client's end of a WebSocket; until its answer is read, a pending handshake."""

    id: str
    connect_event: dict[str, Any]

    def __init__(self, wire: Wire, seconds: float) -> None:
        self.wire, self._seconds = wire, seconds
        self._answer: Answer | None = None

    @property
    def answer(self) -> Answer:
        """The answer to the handshake. The body of a refusal is read up to its length."""
        if self._answer is None:
            status, headers = self.wire.head()
            body = self.wire.read(int(headers.get("content-length", "0"))) if status != 101 else b""
            self._answer = Answer(status, tuple(headers.items()), body)
        return self._answer

    @property
    def quoted_id(self) -> str:
        """The id, quoted for a URL."""
        return quote(self.id, safe="")

    @property
    def status(self) -> int:
        return self.answer.status

    def is_pending(self) -> bool:
        """Whether nothing has arrived yet."""
        self.wire.socket.settimeout(0)
        try:
            return not self.wire.socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        finally:
            self.wire.socket.settimeout(self._seconds)

    # --- out

    def say(self, *steps: Any, **more: Any) -> None:
        """Sends a message with orders for its handler."""
        self.text(json.dumps({"do": steps, **more}))

    def text(self, text: str) -> None:
        self.wire.frame(text.encode())

    def close(self, code: int | None = None, reason: str = "") -> None:
        """Sends a close frame and waits for the answer."""
        self.wire.frame(b"" if code is None else code.to_bytes(2, "big") + reason.encode(), CLOSE)
        assert self.next()[0] == CLOSE

    # --- in

    def next(self) -> tuple[int, bytes]:
        """Opcode and payload of the next message, with fragments joined; pings are answered and skipped."""
        while True:
            opcode, payload = self.wire.receive_message()
            if opcode != PING:
                return opcode, payload
            self.wire.frame(payload, PONG)

    def read(self) -> str:
        """The text of the next message."""
        opcode, payload = self.next()
        assert opcode == TEXT, (opcode, payload)
        return payload.decode()

    def closed(self) -> int:
        """The code of the next frame, a close frame."""
        opcode, payload = self.next()
        assert opcode == CLOSE, (opcode, payload)
        return int.from_bytes(payload[:2], "big") if payload else 1005

    def report(self, kind: str) -> dict[str, Any]:
        """The app's next report, of this kind: connect, message, disconnect or outcome."""
        said = json.loads(self.read())
        assert said.get("told") == kind, said
        assert isinstance(said, dict)
        return said

    def outcome(self, step: str) -> Any:
        return self.report("outcome")[step]

    def works(self) -> bool:
        """Whether a message still gets through and is answered next."""
        self.say()
        return bool(self.report("message")["event"]["requestContext"]["routeKey"] == "$default")
