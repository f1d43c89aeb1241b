"""A test's WebSocket: sends, receives, and shows the transcript when an expectation fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_sessionplugin.gateway.client.transport import ClientConnection, Ended, Transport
from pytest_sessionplugin.gateway.redaction import masked

# pytest would print frames as they came; errors have them without credentials
__tracebackhide__ = True


class ConnectionClosed(Exception):
    """The socket is closed. 1005 is a close frame without a code, 1006 no close frame at all."""

    def __init__(self, code: int, reason: str, transcript: str = "") -> None:
        said = f"code {code}, reason {reason!r}" if reason else f"code {code}"
        super().__init__(f"the socket is closed: {said}{transcript}")
        self.code, self.reason = code, reason


class NothingReceived(Exception):
    """No frame came before the gateway was quiet, or within the time-out of a deployed stage. Shows what did come."""


@dataclass(frozen=True)
class Exchanged:
    """A line of the transcript: a message that the client sent or received."""

    direction: str  # "sent", "received" or "closed"
    data: str | bytes

    def __str__(self) -> str:
        shown = masked(str(self.data))
        return f"{self.direction:>8}  {shown if len(shown) <= 500 else f'{shown[:500]}… ({len(self.data)})'}"

    def __repr__(self) -> str:
        return f"Exchanged({self.direction!r}, {masked(repr(self.data))})"


class WebSocket:
    """One connection, open from the start. Leave it with `close()`, `drop()` or a `with` statement."""

    def __init__(
        self,
        transport: Transport,
        connection: ClientConnection,
        *,
        on_end: Callable[[WebSocket], None],
        lose_disconnect: Callable[[str], None],
    ) -> None:
        self._transport, self._connection = transport, connection
        self._on_end, self._lose_disconnect = on_end, lose_disconnect
        self._held: str | None = None  # a frame that receive_nothing() found
        self._ended: Ended | None = None
        self.frames: list[Exchanged] = []
        """The transcript."""

    @property
    def connection_id(self) -> str | None:
        """The id by which the app knows it; None on a deployed stage."""
        return self._connection.connection_id

    @property
    def subprotocol(self) -> str | None:
        return self._connection.subprotocol

    # --- sending

    def send_json(self, value: Any) -> None:
        self.send_text(json.dumps(value))

    def send_text(self, text: str, *, frame_bytes: int | None = None) -> None:
        """Sends a message, in one frame or in frames of `frame_bytes`. Raises ConnectionClosed."""
        self._send(text, frame_bytes)

    def send_bytes(self, data: bytes, *, frame_bytes: int | None = None) -> None:
        """Sends a binary message; API Gateway closes the connection with 1003. Raises ConnectionClosed."""
        self._send(data, frame_bytes)

    # --- receiving

    def receive_text(self) -> str:
        """The next frame. Raises NothingReceived as soon as the gateway is quiet, or ConnectionClosed.

        With a deployed stage it waits until the time-out.
        """
        found = self._next()
        if isinstance(found, str):
            self.frames.append(Exchanged("received", found))
            return found
        if found is not None:
            raise self._closed(found)
        patience = self._transport.patience
        why = " and the gateway is quiet" if patience is None else f" within {patience:g} s"
        raise NothingReceived(f"no frame came{',' if patience is None else ''}{why}{self._transcript()}")

    def receive_json(self) -> Any:
        """As receive_text(). Raises AssertionError if the frame is not JSON."""
        text = self.receive_text()
        try:
            return json.loads(text)
        except ValueError:
            raise AssertionError(f"expected JSON, received {masked(text)}{self._transcript()}") from None

    def expect(self, type: str, **fields: Any) -> dict[str, Any]:
        """The next frame, which must have this `type` and these fields. Raises AssertionError if not."""
        frame = self.receive_json()
        wanted = {"type": type, **fields}
        if isinstance(frame, dict) and wanted.items() <= frame.items():
            return frame
        raise AssertionError(f"expected {masked(repr(wanted))}, received {masked(repr(frame))}{self._transcript()}")

    def receive_nothing(self) -> None:
        """Passes if no frame is here or on its way. Otherwise raises AssertionError, and the frame can be received."""
        found = self._next()
        if isinstance(found, Ended):
            raise self._closed(found)
        if found is not None:
            self._held = found
            raise AssertionError(f"expected no frame, received {masked(found)}{self._transcript()}")

    # --- leaving

    def close(self, code: int | None = None, reason: str = "") -> None:
        """The closing handshake. Frames that came before can still be received.

        Raises ValueError for a code or reason that clients may not send, such as 1005 or a reason without a code.
        """
        if not _may_send(code, reason):
            raise ValueError(f"a client cannot close with code {code} and reason {reason!r}")
        self._leave(f"close {'' if code is None else code} {reason}", lambda: self._connection.close(code, reason))

    def drop(self, *, disconnect: bool = True) -> None:
        """Leaves without a close frame, as a client whose network fails.

        Without `disconnect`, its `$disconnect` does not run, which is "best effort" on AWS. Posts to it answer 410.
        """
        if not disconnect:
            self._lose_disconnect(self.connection_id or "")
        self._leave("dropped", self._connection.drop)

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or not issubclass(kind, KeyboardInterrupt):  # Ctrl-C: no handler is to run, and hang, again
            self.close()

    # --- helpers

    def _send(self, data: str | bytes, frame_bytes: int | None) -> None:
        self.frames.append(Exchanged("sent", data))
        if ended := self._connection.send(data, frame_bytes):
            self.frames.pop()
            raise self._closed(ended)

    def _next(self) -> str | Ended | None:
        """The next frame, or the end, that is here now or once the gateway is quiet."""
        if self._held is not None:
            found, self._held = self._held, None
            return found
        found_now = self._connection.take()
        if found_now is None:
            self._transport.settle(self._connection)
            found_now = self._connection.take()
        return found_now

    def _closed(self, ended: Ended) -> ConnectionClosed:
        if self._ended is None:
            self._ended = ended
            self.frames.append(Exchanged("closed", f"{ended.code} {ended.reason}".strip()))
            self._on_end(self)
        return ConnectionClosed(ended.code, ended.reason, self._transcript())

    def _leave(self, how: str, action: Callable[[], None]) -> None:
        if self._ended is None:
            self.frames.append(Exchanged("sent", how.strip()))
            action()
        self._on_end(self)

    def _transcript(self) -> str:
        if not self.frames:
            return "; nothing was sent or received on this socket"
        lines = "\n".join(f"  {exchanged}" for exchanged in self.frames)
        return f"; on this socket:\n{lines}"


def _may_send(code: int | None, reason: str) -> bool:
    """RFC 6455, 7.4: some codes are never sent."""
    if code is None:
        return not reason
    defined = 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
    return defined and len(reason.encode()) <= 123
