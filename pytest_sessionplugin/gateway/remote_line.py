"""The client's end of a WebSocket to a deployed stage: waits for a frame as long as it is told to, and no longer.

It has no thread of its own, and decides nothing of what is sent.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode

from .remote import readable
from .socket_line import SocketLine
from .transport import Ended
from .values import Close, Closed, Frame, Send
from .websocket_api import NO_STATUS
from .websocket_line import NO_CLOSE_FRAME

GLANCE = 0.1
"""Seconds after which a wait looks whether another thread has closed the line."""


class RemoteLine(SocketLine):
    """`name` is what the trace calls it, whose id only the stage knows. `saw` is told of each crossing."""

    def __init__(
        self,
        sock: socket.socket,
        subprotocol: str | None,
        *,
        name: str,
        patience: float,
        saw: Callable[[Frame | Send | Close | Closed], None],
    ) -> None:
        super().__init__(sock, None, subprotocol)
        self.patience = patience
        self._name, self._saw = name, saw
        self._left: Ended | None = None  # how we left, if it was we

    def wait(self) -> None:
        """Returns when something is waiting, or when `patience` is over. Others may use the line meanwhile."""
        deadline = time.monotonic() + self.patience
        while not self.waiting() and (seconds := deadline - time.monotonic()) > 0:
            readable(self._socket, min(seconds, GLANCE))

    def send(self, data: str | bytes, frame_bytes: int | None) -> Ended | None:
        with self._lock:
            ended = super().send(data, frame_bytes)
            if ended is None:
                size = len(data.encode() if isinstance(data, str) else data)
                self._saw(Frame(self._name, data, min(size, frame_bytes or size)))
            return ended

    def close(self, code: int | None, reason: str) -> None:
        with self._lock:
            if not self._has_ended():
                self._left = Ended(code or NO_STATUS, reason)
            super().close(code, reason)

    def drop(self) -> None:
        """Does not wait for the other end: what becomes of the connection there cannot be seen from here."""
        with self._lock:
            if not self._has_ended():
                self._left = Ended(NO_CLOSE_FRAME)
                self._end(self._left)

    def _has_ended(self) -> bool:
        self._read_what_is_here()
        return self._ended is not None

    def _frame(self, frame: WireFrame) -> None:
        if frame.opcode is Opcode.PONG:
            return  # we ask for none
        before = self.arrived
        super()._frame(frame)
        if self.arrived > before:
            self._saw(Send(self._name, self._messages[-1]))

    def _end(self, ended: Ended) -> None:
        if self._ended is None:
            if self._left is not None:
                self._saw(Closed(self._name, self._left.code, self._left.reason))
            else:
                self._saw(Close(self._name, ended.code, ended.reason))
        super()._end(ended)
