"""One HTTP connection, on the thread of the loop: bytes in, requests out. It judges no request.

A handshake that is accepted turns it into a WebSocketLine.
"""

from __future__ import annotations

import asyncio
import email.utils
import functools
import http
import time
import uuid
from typing import TYPE_CHECKING, cast

import h11

from . import upgrade
from .replies import failure
from .rest import MAX_BODY
from .values import Closed, Handshake, Headers, Reply, Request
from .websocket_line import NO_CLOSE_FRAME, WebSocketLine

if TYPE_CHECKING:
    from .switchboard import Switchboard

MAX_HEAD = 65_536  # bytes of request line and headers; what API Gateway allows is for the core to say
MAX_EARLY = 65_536  # bytes that are kept of what comes before they may be read
LINGER = 2.0  # seconds in which a client may still send what nobody reads


class HttpLine(asyncio.Protocol):
    """With `upgrades`, every request is a WebSocket handshake, a call of @connections, or wrong."""

    def __init__(self, board: Switchboard, *, upgrades: bool) -> None:
        self._board = board
        self._upgrades = upgrades
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._asked: str | None = None  # the request that waits for its answer
        self._handshake: Handshake | None = None  # the handshake that does, while $connect runs
        self._early = bytearray()  # what came meanwhile
        self._last = False  # the next answer is the last one

    # --- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer: tuple[str, int] = transport.get_extra_info("peername")[:2]
        self._board.lines.add(self)

    def data_received(self, data: bytes) -> None:
        if self._handshake is not None:
            self._early += data
            if len(self._early) > MAX_EARLY:
                self._transport.pause_reading()
        elif not self._transport.is_closing() and self._http.our_state is not h11.ERROR:
            self._http.receive_data(data)
            if self._asked is not None and len(self._http.trailing_data[0]) > MAX_EARLY:
                self._transport.pause_reading()
            self._advance()

    def eof_received(self) -> bool:
        """True keeps our own direction open, for an answer that is still to come."""
        if self._handshake is not None:
            self._gone()
        elif self._http.our_state is not h11.ERROR:
            self._http.receive_data(b"")
            self._advance()
        return self._asked is not None

    def connection_lost(self, exc: Exception | None) -> None:
        self._board.forget(self)
        if self._asked is not None:
            self._board.requests.pop(self._asked, None)
        self._gone()

    # --- called by the switchboard

    def respond(self, reply: Reply) -> None:
        self._asked = None
        self._write(reply)

    def refuse(self, reply: Reply) -> None:
        self._handshake = None
        self._board.peers.pop(self._peer, None)
        self._last = True
        self._write(reply)

    def accept(self, subprotocol: str | None) -> None:
        if self._handshake is None:
            return
        handshake, self._handshake = self._handshake, None
        headers = _encode(upgrade.answer(handshake.headers, subprotocol))
        response = h11.InformationalResponse(
            status_code=101, headers=[*headers, _date()], reason=b"Switching Protocols"
        )
        self._transport.write(self._http.send(response) or b"")
        line = WebSocketLine(self._board, handshake.connection_id, self._transport, self._peer)
        self._board.lines.discard(self)
        self._transport.set_protocol(line)
        self._transport.resume_reading()
        if self._early:
            line.data_received(bytes(self._early))

    def leave(self) -> None:
        """Called when the server stops. An answer that is owed is still sent."""
        if self._asked is not None:
            self._last = True
        else:
            self._gone()
            self._transport.close()

    def hang_up(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    # --- reading

    def _advance(self) -> None:
        try:
            while True:
                match event := self._http.next_event():
                    case h11.Request():
                        self._request = event
                        self._body.clear()
                    case h11.Data() if self._upgrades and self._refusal() is None:  # a handshake has no body
                        self._give_up(400)
                        return
                    case h11.Data():
                        self._body += event.data
                        if len(self._body) > MAX_BODY:  # the core says how this is answered
                            self._last = True
                            self._dispatch()
                            return
                    case h11.EndOfMessage():
                        self._dispatch()
                        return
                    case h11.ConnectionClosed():
                        if self._asked is None:
                            self._transport.close()
                        return
                    case _:  # NEED_DATA or PAUSED
                        if self._http.they_are_waiting_for_100_continue:
                            self._continue()
                        return
        except h11.RemoteProtocolError as error:
            self._give_up(error.error_status_hint)

    def _continue(self) -> None:
        response = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
        self._transport.write(self._http.send(response) or b"")

    def _dispatch(self) -> None:
        received = cast(h11.Request, self._request)
        path, query = _target(received.target)
        headers, body = _headers(received), bytes(self._body)
        request = Request(str(uuid.uuid4()), received.method.decode(), path, query, headers, body, self._peer[0])
        if not self._upgrades:
            self._asked = request.id
            self._board.requests[request.id] = self
            self._board.receive(request)
        elif refusal := self._refusal():
            reply = self._board.manage(request)
            self._last = self._last or reply is None
            self._asked = request.id
            self._board.loop.call_soon(self.respond, reply or refusal)  # not here: many may have come at once
        else:
            self._early += self._http.trailing_data[0]
            self._handshake = Handshake(self._board.new_id(), path, query, headers, self._peer[0])
            self._board.handshakes[self._handshake.connection_id] = self
            self._board.peers[self._peer] = self._handshake.connection_id
            self._board.receive(self._handshake)

    def _refusal(self) -> Reply | None:
        """The answer to the request as a handshake, if it is none."""
        request = cast(h11.Request, self._request)
        return upgrade.reject(request.method.decode(), _headers(request), request.http_version)

    def _gone(self) -> None:
        """The client left before its handshake was answered."""
        if self._handshake is not None:
            connection_id, self._handshake = self._handshake.connection_id, None
            self._board.handshakes.pop(connection_id, None)
            self._board.peers.pop(self._peer, None)
            self._board.receive(Closed(connection_id, NO_CLOSE_FRAME))

    # --- writing

    def _write(self, reply: Reply) -> None:
        if self._transport.is_closing():
            return
        headers = [*_encode(reply.headers), _date()]
        if reply.status not in (204, 304):
            headers.append((b"Content-Length", b"%d" % len(reply.body)))
        if self._last:
            headers.append((b"Connection", b"close"))
        reason = _phrase(reply.status)
        response = h11.Response(status_code=reply.status, headers=headers, reason=reason)
        pieces = [self._http.send(response)]
        if reply.body:
            pieces.append(self._http.send(h11.Data(data=reply.body)))
        pieces.append(self._http.send(h11.EndOfMessage()))
        self._transport.write(b"".join(piece or b"" for piece in pieces))
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._transport.resume_reading()
            self._advance()
        else:
            self._hang_up()

    def _give_up(self, status: int) -> None:
        """The client does not speak HTTP."""
        self._last = True
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._write(failure(status, _phrase(status).decode()))
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        """Says that no more comes, and lets the client read it before the line is cut."""
        if self._http.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            self._transport.close()
            return
        self._http.send_failed()  # what still comes in is dropped
        self._transport.write_eof()
        self._transport.resume_reading()
        self._board.loop.call_later(LINGER, self._transport.abort)


def _target(raw: bytes) -> tuple[str, str]:
    """Path and query, both raw. A proxy's form of the target names the host too."""
    target = raw.decode("ascii")
    if not target.startswith("/") and "://" in target:
        target = "/" + target.split("://", 1)[1].partition("/")[2]
    path, _, query = target.partition("?")
    return path, query


def _headers(request: h11.Request) -> Headers:
    return tuple((name.decode(), _text(value)) for name, value in request.headers.raw_items())


def _text(value: bytes) -> str:
    return value.decode("latin-1")


def _encode(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Latin-1 as HTTP has it; what that cannot say goes out as UTF-8."""
    return [(name.encode(), _bytes(value.strip())) for name, value in headers]


def _bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode(errors="replace")


def _phrase(status: int) -> bytes:
    try:
        return http.HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def _date() -> tuple[bytes, bytes]:
    return b"Date", _date_of(int(time.time()))


@functools.lru_cache(maxsize=1)
def _date_of(second: int) -> bytes:
    return email.utils.formatdate(second, usegmt=True).encode()
