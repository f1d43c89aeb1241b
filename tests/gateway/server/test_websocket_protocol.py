"""WebSockets on the wire: handshakes and frames that no library would send, and clients that vanish or do not read."""

from __future__ import annotations

import base64
import hashlib
import json
import select
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.server import http_protocol, websocket_protocol
from pytest_sessionplugin.gateway.server.dispatcher import Dispatcher
from pytest_sessionplugin.gateway.values import Invoke, Message
from tests.conformance.wire import Wire, frame
from tests.gateway.app import API, App
from tests.gateway.contract import in_parallel
from tests.gateway.gateways import on_sockets
from tests.gateway.leftovers import nothing_is_left

pytestmark = pytest.mark.sockets

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
OTHER_KEY = base64.b64encode(b"y" * 16).decode()


@pytest.fixture
def url(gateway: GatewayClient) -> Iterator[str]:
    """The WebSocket URL; the gateway must still serve when the test is over."""
    assert gateway.urls is not None
    yield gateway.urls.websocket
    with gateway.websocket() as ws:
        ws.send_text("echo alive")
        assert ws.receive_text() == "alive"
    nothing_is_left(gateway)


@pytest.fixture
def wire(url: str) -> Iterator[Wire]:
    with Wire(url) as wire:
        yield wire


def disconnects(app: App) -> list[int]:
    return [entry[2] for entry in app.log if isinstance(entry, tuple) and entry[0] == "disconnect"]


class TestHandshake:
    def test_is_answered_as_rfc_6455_has_it(self, wire: Wire) -> None:
        key = base64.b64encode(b"x" * 16).decode()
        wire.send(
            "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: a, b\r\n\r\n"
        )
        status, headers = wire.head()
        digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324
        assert status == 101
        assert headers["sec-websocket-accept"] == base64.b64encode(digest).decode()
        assert headers["upgrade"] == "websocket"
        assert not {"sec-websocket-extensions", "sec-websocket-protocol"} & set(headers)

    def test_is_answered_when_the_connection_is_known(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        """Else a client that waits for its first frame at once would hear that its connection has ended."""
        opened, answered = Dispatcher.opened, list[bool]()

        def is_answered(self: Dispatcher, *args: Any) -> None:
            answered.append(bool(select.select([wire.socket], [], [], 0)[0]))
            opened(self, *args)

        monkeypatch.setattr(Dispatcher, "opened", is_answered)
        wire.ask_to_upgrade()
        assert (wire.head()[0], answered) == (101, [False])

    @pytest.mark.parametrize(
        "change",
        [("Upgrade: websocket", "Upgrade: WebSocket"), ("Connection: Upgrade", "connection: keep-alive, upgrade")],
    )
    def test_is_read_in_any_spelling(self, wire: Wire, change: tuple[str, str]) -> None:
        sent: list[str] = []
        wire.send, send = lambda data: sent.append(str(data)), wire.send  # type: ignore[method-assign]
        wire.ask_to_upgrade()
        assert change[0] in sent[0]
        send(sent[0].replace(*change))
        assert wire.head()[0] == 101

    @pytest.mark.parametrize(
        ("change", "status"),
        [
            (("Upgrade: websocket\r\n", ""), 426),
            (("Upgrade: websocket", "Upgrade: h2c"), 426),
            (("Connection: Upgrade", "Connection: keep-alive"), 426),
            (("Version: 13", "Version: 8"), 426),
            (("Sec-WebSocket-Key: ", "X: "), 400),
            (("Sec-WebSocket-Key: ", "Sec-WebSocket-Key: A"), 400),
            (("GET /", "POST /"), 426),
            (("HTTP/1.1", "HTTP/1.0"), 426),
            (("Host: x\r\n", ""), 400),
            (("Sec-WebSocket-Key: ", f"Sec-WebSocket-Key: {OTHER_KEY}\r\nSec-WebSocket-Key: "), 400),
            (("Host: x\r\n", "Host: x\r\nContent-Length: 5\r\n"), 400),
            (("Host: x\r\n", "Host: x\r\nTransfer-Encoding: chunked\r\n"), 400),
            (("HTTP/1.1", "HTTP/2.0"), 505),
            (("GET /", "GET /nope"), 403),
            (("GET /", "GET //"), 403),
            (("GET /", "GET /api/x"), 403),
            (("GET /", "GET /%61pi"), 403),
            (("GET /", "GET /../api"), 403),
            (("GET /", "GET /\0"), 400),
            (("GET /", "GET /\xe9"), 400),
            (("GET /", f"GET /?{'x' * 4_096}"), 413),
            (("GET /", "GET x"), 400),
            (("GET /", "OPTIONS *"), 426),
        ],
    )
    def test_a_wrong_one_is_turned_away_and_runs_nothing(
        self, wire: Wire, gateway: GatewayClient, change: tuple[str, str], status: int
    ) -> None:
        sent: list[str] = []
        wire.send, send = lambda data: sent.append(str(data)), wire.send  # type: ignore[method-assign]
        wire.ask_to_upgrade()
        assert change[0] in sent[0]
        send(sent[0].replace(*change))
        assert wire.answer()[0] == status
        assert wire.rest() == b""
        assert [seen for seen in gateway.trace if isinstance(seen.what, Invoke)] == []

    @pytest.mark.parametrize("target", ["/", "/api", "/api/", "/?", "http://x", "http://x/api", f"/?{'x' * 4_095}"])
    def test_reaches_the_stage_with_a_slash_at_its_end_or_without(self, wire: Wire, target: str) -> None:
        wire.ask_to_upgrade(target)
        assert wire.head()[0] == 101

    def test_may_say_what_it_wants_in_lists(self, wire: Wire) -> None:
        """RFC 9110, 5.3 and 7.8."""
        wire.ask_to_upgrade("/", "Connection: close", "Upgrade: h2c")
        assert wire.head()[0] == 101

    def test_what_says_that_an_upgrade_is_needed_names_it(self, wire: Wire) -> None:
        wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        raw = wire.rest().decode()
        assert raw.startswith("HTTP/1.1 426 ")
        assert "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" in raw

    @pytest.mark.parametrize("result", [None, 5, {"statusCode": 200, "more": 1}, {"statusCode": "9" * 5_000}])
    def test_a_result_that_is_none_is_502(
        self, wire: Wire, gateway: GatewayClient, app: App, monkeypatch: pytest.MonkeyPatch, result: object
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(app, "connect", lambda event: result)
            wire.ask_to_upgrade()
            assert wire.answer()[0] == 502
            assert wire.rest() == b""

    def test_a_refusal_with_304_has_no_body(self, wire: Wire) -> None:
        wire.ask_to_upgrade("/?status=304")
        assert wire.head()[0] == 304
        assert wire.rest() == b""

    def test_one_that_does_not_end_is_408(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.05)
        wire.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n")
        assert wire.answer()[0] == 408
        assert wire.rest() == b""

    def test_a_head_without_end_is_431(self, wire: Wire) -> None:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000)
        assert wire.answer()[0] == 431

    def test_one_byte_by_byte_is_taken(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        send = wire.send
        monkeypatch.setattr(wire, "send", lambda data: [send(byte) for byte in data])
        wire.open()

    def test_a_refusal_ends_the_connection_with_the_status_of_the_function(self, wire: Wire) -> None:
        wire.ask_to_upgrade("/?status=410")
        assert wire.answer() == (410, b'{"message": "Gone"}')
        assert wire.rest() == b""

    def test_header_values_of_more_than_10240_bytes_are_431(self, wire: Wire) -> None:
        wire.ask_to_upgrade("/", "X: " + "x" * 10_240)
        assert wire.answer()[0] == 431

    def test_a_header_of_9_kb_passes(self, wire: Wire) -> None:
        wire.ask_to_upgrade("/", "Authorization: " + "x" * 9_000)
        assert wire.head()[0] == 101

    def test_what_comes_while_connect_runs_is_read_once_it_has_returned(
        self, wire: Wire, gateway: GatewayClient, app: App
    ) -> None:
        wire.ask_to_upgrade("/?wait=1")
        wire.frame(b"early", PING)
        wire.frame(b"echo early")
        assert app.waiting.acquire(timeout=10)
        assert app.log == [("connect", app.log[0][1])]
        app.gate.set()
        assert wire.head()[0] == 101
        assert wire.receive() == (PONG, b"early")
        assert wire.receive() == (TEXT, b"early")

    def test_a_flood_while_connect_runs_is_not_lost_and_not_kept_without_bound(self, wire: Wire, app: App) -> None:
        wire.ask_to_upgrade("/?wait=1")
        assert app.waiting.acquire(timeout=10)
        flood = frame(b"x" * 30_000) * 700 + frame(b"echo end")
        sending = threading.Thread(target=wire.send, args=(flood,))
        sending.start()
        sending.join(0.2)
        assert sending.is_alive()  # the server does not read on; the kernel's buffers are full
        app.gate.set()
        assert wire.head()[0] == 101
        assert wire.receive() == (TEXT, b"end")
        sending.join(10)
        assert not sending.is_alive()

    @pytest.mark.parametrize("how", ["reset", "hang_up"])
    def test_a_client_that_vanishes_while_connect_runs_is_never_accepted(
        self, wire: Wire, gateway: GatewayClient, app: App, how: str
    ) -> None:
        wire.ask_to_upgrade("/?wait=1")
        assert app.waiting.acquire(timeout=10)
        getattr(wire, how)()
        if how == "hang_up":
            assert wire.rest() == b""  # the server has seen it
        else:
            _until(gateway, "Closed")
        connection_id = app.log[0][1]
        app.gate.set()
        gateway.settle()
        assert not [seen for seen in gateway.trace if type(seen.what).__name__ == "Accept"]
        assert app.manage("GET", connection_id).status == 410
        assert disconnects(app) == []


class TestFrames:
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (frame(b"x", TEXT, bits=4), 1002),
            (frame(b"x", TEXT, bits=1), 1002),
            (frame(b"x", 3), 1002),
            (frame(b"x", 11), 1002),
            (frame(b"x", TEXT, mask=False), 1002),
            (frame(b"x" * 126, PING), 1002),
            (frame(b"x", PING, fin=False), 1002),
            (frame(b"x", 0), 1002),
            (frame(b"x", TEXT, fin=False) + frame(b"y", TEXT), 1002),
            (frame(b"\x03", CLOSE), 1002),
            (frame(b"\x00\x01", CLOSE), 1002),
            (frame(b"\xff\xff\xff", TEXT), 1007),
            (frame(b"\xc3", TEXT, fin=False) + frame(b"", 0), 1007),
            (frame(b"x" * 200_000, TEXT), 1009),
            (frame(b"x" * 40_000, TEXT, fin=False), 1009),
            (frame(b"x" * 32_768, TEXT, fin=False) + frame(b"x" * 32_768, 0, fin=False) * 4, 1009),
            (frame(b"x", BINARY), 1003),
            (frame(b"x", BINARY, fin=False) + frame(b"x", 0), 1003),
            (b"\x81\xff" + b"\x00\x00\x01" + b"\x00" * 9, 1009),
            (b"\x81\xff" + b"\x80" + b"\x00" * 11, 1009),
            (frame(b"x" * 33_000), 1009),
            (frame(b"\x03\xec", CLOSE), 1002),
            (frame(b"\x13\x88", CLOSE), 1002),
            (frame(b"\x03\xe8\xff", CLOSE), 1007),
            (frame(b"x", CLOSE, fin=False), 1002),
        ],
        ids=[
            *("reserved bit 1", "reserved bit 3", "reserved opcode", "reserved control opcode", "unmasked"),
            *("long ping", "ping in pieces", "continuation of nothing", "interleaved", "half a code", "code 1"),
            *("no utf-8", "utf-8 cut off", "200 kB", "large first fragment", "sum of fragments", "binary"),
            *("binary in pieces", "2^40 bytes said", "2^63 bytes said", "33 kB"),
            *("code 1004", "code 5000", "a reason that is not UTF-8", "close in pieces"),
        ],
    )
    def test_that_break_a_rule_close_with_the_code_for_it(
        self, wire: Wire, gateway: GatewayClient, app: App, data: bytes, code: int
    ) -> None:
        wire.open()
        wire.send(data)
        assert wire.closed() == code
        wire.hang_up()
        assert wire.rest() == b""
        gateway.settle()
        assert disconnects(app) == [code]

    def test_a_message_of_128_kb_in_frames_of_32_is_one_message(self, wire: Wire, app: App) -> None:
        wire.open()
        whole = b"echo " + b"x" * (131_072 - 5)
        pieces = [whole[at : at + 32_768] for at in range(0, len(whole), 32_768)]
        for number, piece in enumerate(pieces, 1):
            wire.frame(piece, 0 if number > 1 else TEXT, fin=number == len(pieces))
        assert wire.receive() == (TEXT, whole[5:])

    def test_a_character_that_is_split_over_frames_is_one(self, wire: Wire) -> None:
        wire.open()
        wire.frame(b"echo \xc3", TEXT, fin=False)
        wire.frame(b"\xa9", 0)
        assert wire.receive() == (TEXT, b"\xc3\xa9")

    def test_a_flood_of_pings_is_answered_and_keeps_nobody_alive(self, wire: Wire, gateway: GatewayClient) -> None:
        wire.open()
        crossed = len(gateway.trace)
        sending = threading.Thread(target=wire.send, args=(frame(b"x" * 100, PING) * 5_000,))
        sending.start()
        for _ in range(5_000):
            assert wire.receive() == (PONG, b"x" * 100)
        sending.join(10)
        assert len(gateway.trace) == crossed

    def test_what_comes_behind_a_close_is_not_read(self, wire: Wire, gateway: GatewayClient, app: App) -> None:
        wire.open()
        wire.send(frame(b"\x03\xe8", CLOSE) + frame(b"raise too late"))
        assert wire.closed() == 1000
        wire.hang_up()
        assert wire.rest() == b""
        gateway.settle()
        assert disconnects(app) == [1000]
        assert [seen for seen in gateway.trace if isinstance(seen.what, Message)] == []

    @pytest.mark.parametrize("result", [None, 5, {"statusCode": 200, "more": 1}])
    def test_a_result_that_is_none_is_an_error_frame_and_the_socket_stays(self, wire: Wire, result: object) -> None:
        wire.open()
        wire.frame(f"return {json.dumps(result)}".encode())
        assert wire.receive()[1].startswith(b'{"message": "Internal server error", ')
        wire.frame(b"echo still here")
        assert wire.receive() == (TEXT, b"still here")

    def test_a_ping_is_answered_and_sets_nothing_off(self, wire: Wire, gateway: GatewayClient) -> None:
        wire.open()
        crossed = len(gateway.trace)
        wire.frame(b"there?", PING)
        assert wire.receive() == (PONG, b"there?")
        assert len(gateway.trace) == crossed

    def test_control_frames_between_fragments_are_served_at_once(self, wire: Wire) -> None:
        wire.open()
        wire.frame(b"echo ", TEXT, fin=False)
        wire.frame(b"!", PING)
        assert wire.receive() == (PONG, b"!")
        wire.frame(b"hi", 0)
        assert wire.receive() == (TEXT, b"hi")

    def test_a_close_is_echoed_after_the_app_could_know_of_it(
        self, wire: Wire, gateway: GatewayClient, app: App
    ) -> None:
        wire.open()
        wire.frame(b"\x0f\xa0bye", CLOSE)
        assert wire.receive() == (CLOSE, b"\x0f\xa0bye")
        assert app.manage("GET", app.log[0][1]).status == 410
        wire.hang_up()
        assert wire.rest() == b""

    def test_a_client_that_ignores_our_close_is_cut_off(
        self, wire: Wire, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket_protocol, "CLOSE_SECONDS", 0.05)
        wire.open()
        assert app.manage("DELETE", app.log[0][1]).status == 204
        assert wire.closed() == 1000
        assert wire.rest() == b""

    @pytest.mark.parametrize("how", ["reset", "hang_up"])
    def test_a_lost_line_is_1006(self, wire: Wire, gateway: GatewayClient, app: App, how: str) -> None:
        wire.open()
        getattr(wire, how)()
        if how == "hang_up":
            assert wire.rest() == b""
        else:
            _until(gateway, "Closed")
        gateway.settle()
        assert disconnects(app) == [1006]

    def test_a_client_that_is_cut_off_in_the_middle_of_a_frame_is_1006(
        self, wire: Wire, gateway: GatewayClient, app: App
    ) -> None:
        wire.open()
        wire.send(frame(b"x" * 100)[:50])
        wire.hang_up()
        assert wire.rest() == b""
        gateway.settle()
        assert disconnects(app) == [1006]


class TestSpeed:
    def test_no_frame_waits_for_the_acknowledgement_of_another(self, gateway: GatewayClient) -> None:
        """Nagle's algorithm would make each of these take 40 ms."""
        with gateway.websocket() as ws:
            started = time.monotonic()
            for _ in range(50):
                ws.send_text("echo x")
                assert ws.receive_text() == "x"
            assert time.monotonic() - started < 1


class TestSlowClients:
    def test_posts_to_one_that_does_not_read_are_429_and_it_gets_all_that_was_accepted_in_order(
        self, url: str, gateway: GatewayClient, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket_protocol, "MAX_BACKLOG", 200_000)
        with Wire(url, receive_buffer=10_000).open() as slow, gateway.websocket() as quick:
            connection_id = app.log[0][1]
            accepted = []
            for number in range(2_000):
                gateway.settle()
                status = app.manage("POST", connection_id, f"{number:05}" + "x" * 20_000).status
                if status == 429:
                    break
                accepted.append(number)
            assert status == 429
            assert app.manage("POST", connection_id, "still").status == 429
            quick.send_text("echo others are served")
            assert quick.receive_text() == "others are served"
            received = [int(slow.receive()[1][:5]) for _ in accepted]
            assert received == accepted
            gateway.settle()
            slow.frame(b"echo again")
            assert slow.receive() == (TEXT, b"again")

    def test_one_that_never_reads_does_not_keep_the_server_from_stopping(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket_protocol, "MAX_BACKLOG", 200_000)
        with ExitStack() as clients:
            with on_sockets(API, app) as app.gateway:
                assert app.gateway.urls is not None
                clients.enter_context(Wire(app.gateway.urls.websocket, receive_buffer=10_000).open())
                while app.manage("POST", app.log[0][1], "x" * 100_000).status == 200:
                    app.gateway.settle()
            assert disconnects(app) == [1001]


class TestMany:
    def test_handlers_run_in_parallel(self, gateway: GatewayClient, app: App) -> None:
        """Sixty handlers wait for one another, and none of them for a thread."""
        barrier = threading.Barrier(60)

        def message(event: object) -> object:
            barrier.wait(10)
            return {"statusCode": 200}

        app.message = message  # type: ignore[method-assign]
        with ExitStack() as stack:
            websockets = [stack.enter_context(gateway.websocket()) for _ in range(20)]
            for ws in websockets * 3:
                ws.send_text("x")
            for ws in websockets:
                ws.receive_nothing()
        assert not barrier.broken

    def test_three_hundred_sockets_hear_every_post_in_order(self, url: str, gateway: GatewayClient, app: App) -> None:
        with ExitStack() as stack:
            wires = [stack.enter_context(Wire(url).open()) for _ in range(300)]
            ids = [entry[1] for entry in app.log]
            for number in range(5):
                for connection_id in ids:
                    assert app.manage("POST", connection_id, str(number)).status == 200
            for wire in wires:
                assert [wire.receive()[1] for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
        gateway.settle()

    def test_sockets_that_come_post_and_go_in_eight_threads_leave_nothing_behind(
        self, gateway: GatewayClient, app: App
    ) -> None:
        """In any interleaving there are as many $disconnect as $connect, and a post is 200 or 410."""

        def churn(thread: int) -> None:
            for number in range(12):
                ws = gateway.websocket()
                ws.send_text("echo hi")
                for entry in app.log[-6:]:
                    if isinstance(entry, tuple):
                        assert app.manage("POST", entry[1], "boo").status in (200, 410)
                (ws.drop, ws.close, lambda ws=ws: app.manage("DELETE", ws.connection_id))[number % 3]()

        in_parallel(churn, range(8))
        gateway.settle()
        connects = [entry[1] for entry in app.log if isinstance(entry, tuple) and entry[0] == "connect"]
        gone = [entry[1] for entry in app.log if isinstance(entry, tuple) and entry[0] == "disconnect"]
        assert sorted(connects) == sorted(gone)
        assert len(set(gone)) == 8 * 12


def _until(gateway: GatewayClient, kind: str) -> None:
    """Waits until an input of this kind crossed the gateway; a reset connection cannot show it."""
    condition = threading.Event()
    for _ in range(1_000):
        if any(type(seen.what).__name__ == kind for seen in list(gateway.trace)):
            return
        condition.wait(0.01)
    raise AssertionError(f"no {kind} within 10 s")
