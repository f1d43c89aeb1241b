"""One HTTP connection on the loop: bytes in, requests out. An accepted handshake turns it into a WebSocket."""

from __future__ import annotations

import asyncio
import email.utils
import functools
import http
import re
import time
import uuid
from dataclasses import dataclass
from typing import cast

import h11

from pytest_sessionplugin.gateway.core import upgrade
from pytest_sessionplugin.gateway.core.gateway_responses import WITHOUT_BODY, failure
from pytest_sessionplugin.gateway.core.routing import MAX_BODY
from pytest_sessionplugin.gateway.core.websocket import NO_CLOSE_FRAME
from pytest_sessionplugin.gateway.server.dispatcher import Address, Dispatcher
from pytest_sessionplugin.gateway.server.websocket_protocol import WebSocketProtocol
from pytest_sessionplugin.gateway.values import Handshake, Headers, Reply, Request

MAX_HEAD = 65_536  # bytes of request line and headers; the core has the limits of API Gateway
MAX_EARLY = 65_536  # bytes that are buffered until they may be read
REQUEST_SECONDS = 30.0
"""Time from a request's first byte to its last. A connection between requests has no limit."""

LINGER = 2.0  # seconds in which bytes that a client still sends are discarded


class HttpProtocol(asyncio.Protocol):
    """With `upgrades`, every request must be a WebSocket handshake or an @connections call."""

    def __init__(self, dispatcher: Dispatcher, *, upgrades: bool) -> None:
        self._dispatcher = dispatcher
        self._upgrades = upgrades
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        self._request: h11.Request | None = None
        self._headers: Headers = ()  # of the request
        self._body = bytearray()
        self._asked: str | None = None  # the request that waits for its answer
        self._plain = False  # it was read without h11, which has only the bytes behind it
        self._followed = False  # there are such bytes
        self._handshake: Handshake | None = None  # the handshake that waits, while $connect runs
        self._early = bytearray()  # bytes that came meanwhile
        self._last = False  # the next answer is the last one
        self._deadline: asyncio.TimerHandle | None = None  # of the arriving request

    # --- called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self.peer: Address = transport.get_extra_info("peername")[:2]
        self._dispatcher.connected(self)

    def data_received(self, data: bytes) -> None:
        if self._handshake is not None:
            self._early += data
            if len(self._early) > MAX_EARLY:
                self._transport.pause_reading()
        elif not self._transport.is_closing() and self._http.our_state is not h11.ERROR:
            if self._is_between_requests() and (plain := read(data)):
                self._plain = True
                path, _, query = plain.target.partition("?")
                self._ask(plain.method, path, query, plain.headers, plain.body)
                return
            self._http.receive_data(data)
            if self._asked is not None and len(self._http.trailing_data[0]) > MAX_EARLY:
                self._transport.pause_reading()
            self._advance()

    def eof_received(self) -> bool:
        """True keeps our own direction open for a pending answer."""
        if self._handshake is not None:
            self._gone()
        elif self._http.our_state is not h11.ERROR:
            self._http.receive_data(b"")
            self._advance()
        return self._asked is not None

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        self._dispatcher.disconnected(self)
        if self._asked is not None:
            self._dispatcher.withdraw(self._asked)
        self._gone()

    # --- called by the dispatcher

    def respond(self, reply: Reply) -> None:
        self._asked = None
        if self._plain:
            self._write_plain(reply)
        else:
            self._write(reply)

    def refuse(self, reply: Reply) -> None:
        self._handshake = None
        self._last = True
        self._write(reply)

    def accept(self, subprotocol: str | None) -> None:
        if self._handshake is None:
            return
        handshake, self._handshake = self._handshake, None
        headers = encoded(upgrade.answer(handshake.headers, subprotocol))
        response = h11.InformationalResponse(
            status_code=101, headers=[*headers, (b"Date", _date())], reason=b"Switching Protocols"
        )
        websocket = WebSocketProtocol(self._dispatcher, handshake.connection_id, self._transport, self.peer)
        # first: the client goes on in a thread of its own once it has the answer, and one that waits for a frame of a
        # connection that is not known would be told that it has ended
        self._dispatcher.opened(handshake.connection_id, websocket, self)
        self._transport.write(self._http.send(response) or b"")
        self._transport.set_protocol(websocket)
        self._transport.resume_reading()
        if self._early:
            websocket.data_received(bytes(self._early))

    def leave(self) -> None:
        """Called when the server stops. A pending answer is still sent."""
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

    def _is_between_requests(self) -> bool:
        """Whether nothing of the next request has arrived, on a socket for requests."""
        idle = self._http.their_state is h11.IDLE and self._asked is None and self._deadline is None
        return idle and not self._upgrades

    def _advance(self) -> None:
        if self._plain:
            self._followed = True
            return
        try:
            while True:
                match event := self._http.next_event():
                    case h11.Request():
                        self._request, self._headers = event, _decoded(event)
                        if flaw := self._flaw(event):
                            self._give_up(flaw)
                            return
                        self._body.clear()
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
                        self._await_the_rest()
                        if self._http.they_are_waiting_for_100_continue:
                            self._continue()
                        return
        except h11.RemoteProtocolError as error:
            self._give_up(error.error_status_hint)

    def _continue(self) -> None:
        response = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
        self._transport.write(self._http.send(response) or b"")

    def _await_the_rest(self) -> None:
        begun = self._http.their_state is h11.SEND_BODY or bool(self._http.trailing_data[0])
        if begun and self._deadline is None and self._asked is None:
            self._deadline = self._loop.call_later(REQUEST_SECONDS, self._give_up, 408)

    def _arrived(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _dispatch(self) -> None:
        self._arrived()
        received = cast(h11.Request, self._request)
        path, query = _target(received.target.decode("ascii"))
        refusal = self._refusal(received) if self._upgrades else None
        if self._upgrades and refusal is None:
            self._early += self._http.trailing_data[0]
            self._handshake = self._dispatcher.shake_hands(path, query, self._headers, self)
            return
        self._ask(received.method.decode(), path, query, self._headers, bytes(self._body), refusal)

    def _ask(
        self, method: str, path: str, query: str, headers: Headers, body: bytes, refusal: Reply | None = None
    ) -> None:
        """Asks the gateway. A request that is refused as a handshake may be a call of @connections."""
        self._asked = str(uuid.uuid4())
        request = Request(self._asked, method, path, query, headers, body, self.peer[0])
        if refusal is None:
            self._dispatcher.ask(request, self)
            return
        reply = self._dispatcher.manage(request)
        self._last = self._last or reply is None
        self._loop.call_soon(self.respond, reply or refusal)  # not here: many may have come at once

    def _refusal(self, request: h11.Request) -> Reply | None:
        """The answer to a request that is not a handshake."""
        return upgrade.reject(request.method.decode(), self._headers, request.http_version)

    def _flaw(self, request: h11.Request) -> int | None:
        """The status for a malformed request that h11 accepts (RFC 9110 and 9112), or a handshake with a body."""
        fields = {name.lower(): value for name, value in self._headers}
        if not request.http_version.startswith(b"1."):
            return 505
        if "content-length" in fields and "transfer-encoding" in fields:
            return 400  # two ways to tell where it ends: a second request may hide in it
        if _HOST.fullmatch(fields.get("host", "")) is None or _TARGET.fullmatch(request.target) is None:
            return 400
        has_body = "transfer-encoding" in fields or fields.get("content-length", "0") != "0"
        return 400 if self._upgrades and has_body and self._refusal(request) is None else None

    def _gone(self) -> None:
        """The client left before its handshake was answered."""
        if self._handshake is not None:
            connection_id, self._handshake = self._handshake.connection_id, None
            self._dispatcher.lost(connection_id, NO_CLOSE_FRAME)

    # --- writing

    def _write(self, reply: Reply) -> None:
        if self._transport.is_closing():
            return
        headers = [*encoded(reply.headers), (b"Date", _date())]
        if reply.status not in WITHOUT_BODY:
            headers.append((b"Content-Length", b"%d" % len(reply.body)))
        if self._last:
            headers.append((b"Connection", b"close"))
        reason = phrase(reply.status)
        response = h11.Response(status_code=reply.status, headers=headers, reason=reason)
        pieces = [self._http.send(response)]
        if reply.body and self._wants_bodies():
            pieces.append(self._http.send(h11.Data(data=reply.body)))
        pieces.append(self._http.send(h11.EndOfMessage()))
        self._transport.write(b"".join(piece or b"" for piece in pieces))
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            self._request = None
            self._transport.resume_reading()
            if self._http.trailing_data != (b"", False):
                self._advance()
        else:
            self._hang_up()

    def _write_plain(self, reply: Reply) -> None:
        self._plain = False
        if self._transport.is_closing():
            return
        self._transport.write(answer(reply, _date(), last=self._last))
        if self._last:
            self._transport.close()
        elif self._followed:
            self._followed = False
            self._transport.resume_reading()
            self._advance()

    def _give_up(self, status: int) -> None:
        """Answers input that is not a request or does not end."""
        self._arrived()
        self._last = True
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._write(failure(status, phrase(status).decode()))
        else:
            self._hang_up()

    def _wants_bodies(self) -> bool:
        return self._request is None or self._request.method != b"HEAD"

    def _hang_up(self) -> None:
        """Closes our direction, and lets the client read the answer before the connection is cut."""
        if self._http.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED):
            self._transport.close()
            return
        self._http.send_failed()  # later input is dropped
        self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(LINGER, self._transport.abort)


_HOST = re.compile(r"[\w.~!$&'()*+,;=%:\[\]-]*", re.ASCII)
_TARGET = re.compile(rb"/.*|\*|[A-Za-z][\w+.-]*://.*|[^/?#@]+:[0-9]+", re.ASCII)  # the last form is for CONNECT


def _target(target: str) -> tuple[str, str]:
    """Path and query, both raw. A client of a proxy sends a target with the host."""
    if not target.startswith("/") and "://" in target:
        host_and_path, _, query = target.split("://", 1)[1].partition("?")
        return f"/{host_and_path.partition('/')[2]}", query
    path, _, query = target.partition("?")
    return path, query


def _decoded(request: h11.Request) -> Headers:
    return tuple([(name.decode(), value.decode("latin-1")) for name, value in request.headers.raw_items()])


def _date() -> bytes:
    return _date_of(int(time.time()))


@functools.lru_cache(maxsize=1)
def _date_of(second: int) -> bytes:
    return email.utils.formatdate(second, usegmt=True).encode()


# h11 takes 100 µs more for a request and its answer than these two functions for the usual form.

LONGEST = 65_536  # bytes of a whole request

_TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_HEAD = re.compile(rb"(%b) (/[!-~]*) HTTP/1\.1\r\n((?:%b:[\t -~]*\r\n)+)\r\n" % (_TOKEN, _TOKEN))
_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)

_FRAMING = frozenset({"connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"})
"""Headers that delimit a request or decide about its connection."""


@dataclass(frozen=True)
class PlainRequest:
    """`target` is a raw path, with or without a query. The connection stays open."""

    method: str
    target: str
    headers: Headers
    body: bytes


def read(data: bytes) -> PlainRequest | None:
    """The request in these bytes; None if they are not exactly one request of the usual form: h11 has to look."""
    if len(data) > LONGEST or (head := _HEAD.match(data)) is None or head[1] == b"CONNECT":
        return None
    fields = (line.partition(":") for line in head[3].decode("ascii").split("\r\n")[:-1])
    headers = tuple((name, value.strip(" \t")) for name, _, value in fields)
    framing = [(name.lower(), value) for name, value in headers if name.lower() in _FRAMING]
    told = dict(framing)
    host, length = told.pop("host", None), told.pop("content-length", "0")
    stays_open = told.pop("connection", "keep-alive").lower() == "keep-alive"
    if told or host is None or not stays_open or len({name for name, _ in framing}) < len(framing):
        return None
    body = data[head.end() :]
    if _HOST.fullmatch(host) is None or _LENGTH.fullmatch(length) is None or int(length) != len(body):
        return None
    return PlainRequest(head[1].decode("ascii"), head[2].decode("ascii"), headers, body)


def answer(reply: Reply, date: bytes, *, last: bool) -> bytes:
    """The bytes of an answer. The `last` one announces the close."""
    lines = [b"HTTP/1.1 %d %b" % (reply.status, phrase(reply.status))]
    lines += [b"%b: %b" % pair for pair in encoded(reply.headers)]
    lines.append(b"Date: %b" % date)
    if reply.status not in WITHOUT_BODY:
        lines.append(b"Content-Length: %d" % len(reply.body))
    if last:
        lines.append(b"Connection: close")
    lines += [b"", reply.body]
    return b"\r\n".join(lines)


def encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Headers in Latin-1, as HTTP has them; other values in UTF-8."""
    return [(name.encode(), _bytes(value.strip())) for name, value in headers]


def _bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        return value.encode(errors="replace")


@functools.cache
def phrase(status: int) -> bytes:
    try:
        return http.HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""
