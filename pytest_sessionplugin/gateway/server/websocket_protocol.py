"""One open WebSocket on the loop: bytes in, messages out, and back. Closes it where RFC 6455 says so."""

from __future__ import annotations

import asyncio
import logging

from websockets.frames import Close, Opcode
from websockets.frames import Frame as WireFrame
from websockets.protocol import OPEN, SERVER, Protocol

from pytest_sessionplugin.gateway.core.websocket import GOING_AWAY, MAX_FRAME, MAX_MESSAGE, NO_CLOSE_FRAME
from pytest_sessionplugin.gateway.server.dispatcher import Address, Dispatcher
from pytest_sessionplugin.gateway.values import MAX_BACKLOG, Backlog, Message

INVALID_DATA = 1007

CLOSE_SECONDS = 5.0
"""Time in which a client must answer our close before the connection is cut."""

SILENT = logging.Logger("silent", logging.CRITICAL + 1)
"""Keeps websockets' log of each connection out of the app's log: the trace tells more."""


class WebSocketProtocol(asyncio.Protocol):
    def __init__(
        self,
        dispatcher: Dispatcher,
        connection_id: str,
        transport: asyncio.Transport,
        peer: Address,
    ) -> None:
        self._dispatcher, self._id, self._transport = dispatcher, connection_id, transport
        self.peer = peer
        self._protocol = Protocol(SERVER, state=OPEN, max_size=MAX_MESSAGE, logger=SILENT)
        self._message: list[bytes] = []  # the frames of an incomplete message
        self._largest = 0
        self._is_text = True
        self._lost = False  # the core knows that the client is gone
        self._cut_off: asyncio.TimerHandle | None = None
        self.written = 0  # messages
        transport.set_write_buffer_limits(MAX_BACKLOG)

    # --- called by the transport

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._process()
        if self._dispatcher.hold(self):
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._protocol.receive_eof()
        self._process()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.receive_eof()
        self._lose(NO_CLOSE_FRAME)
        if self._cut_off is not None:
            self._cut_off.cancel()
        self._dispatcher.disconnected(self, self._id)

    def pause_writing(self) -> None:
        self._dispatcher.received(Backlog(self._id, full=True))

    def resume_writing(self) -> None:
        self._dispatcher.received(Backlog(self._id, full=False))

    # --- called by the dispatcher

    def send(self, text: str) -> None:
        if self._protocol.state is OPEN:
            self._protocol.send_text(text.encode(errors="replace"))
            self._flush()
            self.written += 1

    def close(self, code: int, reason: str) -> None:
        self._lost = True
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, reason)
            self._flush()
            self._cut_off_soon()

    def resume(self) -> None:
        """Reads on: the handlers have caught up."""
        self._transport.resume_reading()

    def leave(self) -> None:
        """Called when the server stops: for the app, the client is gone."""
        self._lose(GOING_AWAY, "Going away")
        if self._protocol.state is OPEN:
            self._protocol.send_close(GOING_AWAY, "Going away")
            self._flush()

    def hang_up(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # --- reading

    def _process(self) -> None:
        for event in self._protocol.events_received():
            if isinstance(event, WireFrame):
                self._frame(event)
        if self._protocol.parser_exc is not None:  # a violation of the protocol, or a lost connection
            self._lose(*_said(self._protocol.close_sent))
        self._flush()  # last: a client that has our answer can rely on the core having its message

    def _frame(self, frame: WireFrame) -> None:
        if frame.opcode in (Opcode.PING, Opcode.PONG):
            return
        if frame.opcode is Opcode.CLOSE:
            self._lose(*_said(self._protocol.close_rcvd))
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._message.append(bytes(frame.data))
        self._largest = max(self._largest, len(frame.data))
        if frame.fin or self._largest > MAX_FRAME:
            self._complete()

    def _complete(self) -> None:
        data, largest = b"".join(self._message), self._largest
        self._message, self._largest = [], 0
        if not self._is_text or largest > MAX_FRAME:
            self._dispatcher.received(Message(self._id, data if not self._is_text else "", largest))
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._protocol.fail(INVALID_DATA, "not UTF-8")
            self._lose(INVALID_DATA, "not UTF-8")
            return
        self._dispatcher.received(Message(self._id, text, largest))

    def _lose(self, code: int, reason: str = "") -> None:
        if not self._lost:
            self._lost = True
            self._dispatcher.lost(self._id, code, reason)

    # --- writing

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
            else:
                self._transport.write_eof()
                self._cut_off_soon()

    def _cut_off_soon(self) -> None:
        """Cuts the connection unless the client answers our close in time."""
        if self._cut_off is None:
            self._cut_off = asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)


def _said(close: Close | None) -> tuple[int, str]:
    return (NO_CLOSE_FRAME, "") if close is None else (close.code, close.reason)
