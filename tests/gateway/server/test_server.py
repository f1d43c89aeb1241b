"""The life of a server: ports, time, and an end that leaves nothing behind."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from pytest_sessionplugin.gateway.activity import NotQuiet
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.sockets import SocketTransport
from pytest_sessionplugin.gateway.client.websocket import ConnectionClosed
from pytest_sessionplugin.gateway.server import server as server_module
from pytest_sessionplugin.gateway.server.server import PortInUse, Server
from tests.conformance.wire import Wire
from tests.gateway.app import API, App
from tests.gateway.gateways import on_sockets

pytestmark = pytest.mark.sockets


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.fixture
def app() -> App:
    return App()


class TestPorts:
    def test_are_free_ones_on_loopback_unless_told_otherwise(self, app: App) -> None:
        with Server(API, app) as server:
            http, websocket = urlsplit(server.http_url), urlsplit(server.websocket_url)
            assert http.hostname == websocket.hostname == "127.0.0.1"
            assert (http.scheme, websocket.scheme) == ("http", "ws")
            assert http.port != websocket.port
            for port in (http.port, websocket.port):
                with pytest.raises(OSError, match="refused"):
                    socket.create_connection(("127.0.0.2", port or 0), 1)

    def test_can_be_chosen_and_are_free_again_after_stop(self, app: App) -> None:
        with Server(API, app) as first:
            ports = [urlsplit(url).port or 0 for url in (first.http_url, first.websocket_url)]
            with Wire(first.websocket_url).open() as wire:
                first.stop()
                assert wire.closed() == 1001
        with Server(API, app, http_port=ports[0], websocket_port=ports[1]) as second:
            assert second.http_url == first.http_url

    @pytest.mark.parametrize("which", ["http_port", "websocket_port"])
    def test_one_in_use_is_an_error_that_says_what_to_do(self, app: App, which: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            kind = {"http_port": "HTTP", "websocket_port": "WebSocket"}[which]
            with pytest.raises(PortInUse, match=rf"port {port} .* {kind} .*another port"):
                Server(API, app, **{which: port}).start()


class TestSettle:
    def test_when_it_returns_every_frame_is_written(self, app: App) -> None:
        with on_sockets(API, app) as app.gateway:
            assert app.gateway.urls is not None
            with Wire(app.gateway.urls.websocket).open() as wire:
                wire.socket.setblocking(False)
                for number in range(100):
                    assert app.manage("POST", app.log[0][1], f"{number:03}").status == 200
                    app.gateway.settle()
                    assert wire.socket.recv(100) == b"\x81\x03" + f"{number:03}".encode()

    def test_of_several_handlers_that_end_the_test_the_first_does(self, app: App) -> None:
        app.message = lambda event: pytest.fail(event["body"])  # type: ignore[method-assign]
        with on_sockets(API, app) as app.gateway:
            ws = app.gateway.websocket()
            ws.send_text("one")
            ws.send_text("another")
            with pytest.raises(pytest.fail.Exception, match=r"one|another"):
                app.gateway.settle()
            app.gateway.settle()

    def test_another_thread_of_the_test_does_not_take_what_is_meant_for_the_test(self, app: App) -> None:
        app.api_handler = lambda event: pytest.fail("enough")  # type: ignore[method-assign]
        with on_sockets(API, app) as app.gateway:
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(app.gateway.http().get, "/echo").result(10).status_code == 502
            with pytest.raises(pytest.fail.Exception, match="enough"):
                app.gateway.settle()


class TestStop:
    def test_while_connections_pour_in_makes_no_noise(self, app: App) -> None:
        """Connections accepted while it stops are closed, too: a ResourceWarning would fail this test."""
        for _ in range(3):
            server = Server(API, app).start()
            pouring = [threading.Thread(target=_pour, args=(server,)) for _ in range(4)]
            for thread in pouring:
                thread.start()
            server.stop()
            for thread in pouring:
                thread.join(10)

    def test_closes_every_socket_with_1001_and_runs_its_disconnect(self, app: App) -> None:
        with on_sockets(API, app) as app.gateway:
            assert app.gateway.urls is not None
            wires = [Wire(app.gateway.urls.websocket).open() for _ in range(50)]
            app.gateway.http().get("/echo")  # a connection that is kept alive
            idle = Wire(app.gateway.urls.http)
            started = time.monotonic()
        assert time.monotonic() - started < 1
        for wire in wires:
            with wire:
                assert wire.closed() == 1001
                assert wire.rest() == b""
        with idle:
            assert idle.rest() == b""
        disconnects = [entry for entry in app.log if isinstance(entry, tuple) and entry[0] == "disconnect"]
        assert [(code, reason) for _, _, code, reason in disconnects] == [(1001, "Going away")] * 50

    def test_lets_running_handlers_end_and_answer(self, app: App) -> None:
        server = Server(API, app)
        released = threading.Event()

        def api_handler(event: object) -> object:
            app.waiting.release()
            assert released.wait(10)
            return {"statusCode": 200, "body": "in time"}

        app.api_handler = api_handler  # type: ignore[method-assign]
        with server, Wire(server.http_url) as wire:
            wire.send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n")
            assert app.waiting.acquire(timeout=10)
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            while _takes_connections(server):
                pass
            released.set()
            assert wire.answer() == (200, b"in time")
            assert wire.rest() == b""
            stopping.join(10)
            assert not stopping.is_alive()

    def test_says_which_handler_did_not_end_in_time_and_is_over_all_the_same(self, app: App) -> None:
        server = Server(API, app, grace=0.05).start()
        app.gateway = GatewayClient(SocketTransport(server), server.runtime)
        with Wire(server.websocket_url).open() as wire:
            wire.frame(b"wait x")
            assert app.waiting.acquire(timeout=10)
            with pytest.raises(NotQuiet, match="still running: message"):
                server.stop()
            assert wire.closed() == 1001
        stuck = [thread for thread in threading.enumerate() if thread.name == "gateway-handler"]
        app.gate.set()
        for thread in stuck:
            thread.join(10)

    def test_waits_for_no_handler_once_the_run_is_abandoned(self, app: App) -> None:
        server = Server(API, app, grace=600).start()
        app.gateway = GatewayClient(SocketTransport(server), server.runtime)
        with Wire(server.websocket_url).open() as wire:
            wire.frame(b"wait x")
            assert app.waiting.acquire(timeout=10)
            server.runtime.activity.abandon()
            server.stop()
            assert wire.closed() == 1001
        stuck = [thread for thread in threading.enumerate() if thread.name == "gateway-handler"]
        app.gate.set()
        for thread in stuck:
            thread.join(10)

    def test_while_a_handshake_is_pending_hangs_up(self, app: App) -> None:
        server = Server(API, app).start()
        with Wire(server.websocket_url) as wire:
            wire.ask_to_upgrade("/?wait=1")
            assert app.waiting.acquire(timeout=10)
            stopping = threading.Thread(target=server.stop)
            stopping.start()
            assert wire.rest() == b""
            app.gate.set()
            stopping.join(10)
        assert app.log == [("connect", app.log[0][1])]

    def test_twice_or_without_start_is_nothing(self, app: App) -> None:
        Server(API, app).stop()
        server = Server(API, app).start()
        server.stop()
        server.stop()

    def test_a_call_of_the_management_api_after_it_is_410(self, app: App) -> None:
        with on_sockets(API, app) as app.gateway:
            connection_id = app.gateway.websocket().connection_id
        assert connection_id is not None
        assert app.manage("POST", connection_id, "x").status == 410


def _pour(server: Server) -> None:
    while _takes_connections(server):
        pass


def _takes_connections(server: Server) -> bool:
    try:
        Wire(server.http_url).socket.close()
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    return True


class TestTime:
    @pytest.fixture
    def now(self) -> list[float]:
        return [1_000_000.0]

    @pytest.fixture
    def gateway(self, app: App, now: list[float]) -> Iterator[GatewayClient]:
        with on_sockets(API, app, clock=lambda: now[0]) as app.gateway:
            yield app.gateway

    def test_idle_sockets_are_closed_when_they_are_due(self, gateway: GatewayClient, now: list[float]) -> None:
        ws = gateway.websocket()
        assert gateway.runtime.due() == 1_000_600
        now[0] = 1_000_600
        gateway.runtime.tick()
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive_text()
        assert caught.value.code == 1001

    def test_a_handler_of_29_seconds_is_a_504_and_its_connection_goes_on(
        self, gateway: GatewayClient, app: App, now: list[float]
    ) -> None:
        released = threading.Event()
        serve = app.api_handler

        def api_handler(event: object) -> object:
            app.waiting.release()
            assert released.wait(10)
            return serve(event)

        app.api_handler = api_handler  # type: ignore[method-assign]
        assert gateway.urls is not None
        with Wire(gateway.urls.http) as wire:
            wire.send("GET /status/200 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert app.waiting.acquire(timeout=10)
            now[0] += 29
            gateway.runtime.tick()
            assert wire.answer() == (504, b'{"message": "Endpoint request timed out"}')
            released.set()
            wire.send("GET /status/201 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert wire.answer() == (201, b"a body")

    def test_the_server_looks_by_itself(self, app: App, now: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(server_module, "TICK", 0.01)
        with Server(API, app, clock=lambda: now[0]) as server, Wire(server.websocket_url).open() as wire:
            app.gateway = GatewayClient(SocketTransport(server), server.runtime)
            now[0] += 600
            assert wire.closed() == 1001
