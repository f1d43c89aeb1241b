"""A deployed stage, played by a server on loopback of which the client has only the URLs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from websockets.sync.server import ServerConnection, serve

from pytest_sessionplugin.gateway.client.deployed import Remote
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.response import HandshakeRefused
from pytest_sessionplugin.gateway.client.transport import Unreachable, Urls, below
from pytest_sessionplugin.gateway.client.websocket import ConnectionClosed, NothingReceived
from pytest_sessionplugin.gateway.values import Observed, Request
from tests.gateway.app import API, App
from tests.gateway.contract import Http
from tests.gateway.gateways import on_sockets

pytestmark = pytest.mark.sockets

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
SOON = 0.1  # seconds that a receive waits in vain
LONG = 20.0  # seconds for what does come


class Lacking(Exception):
    pass


def remote(urls: Urls, patience: float = LONG) -> GatewayClient:
    trace: list[Observed] = []
    transport = Remote(urls, patience=patience, lacking=Lacking, observe=trace.append)
    return GatewayClient(transport, None, trace=trace, lacking=Lacking)


@pytest.fixture
def urls(app: App) -> Iterator[Urls]:
    with on_sockets(API, app) as app.gateway:
        assert app.gateway.urls is not None
        yield Urls(f"{app.gateway.urls.http}/api", f"{app.gateway.urls.websocket}/api")


@pytest.fixture
def gateway(urls: Urls) -> Iterator[GatewayClient]:
    with remote(urls) as gateway:
        yield gateway


class TestHttpContract(Http):
    """As in process and on sockets."""


def test_a_frame_is_awaited_until_it_comes(gateway: GatewayClient, app: App) -> None:
    with gateway.websocket(params={"protocol": "v1"}, subprotocols=["v1"]) as ws:
        assert (ws.subprotocol, ws.connection_id) == ("v1", None)
        ws.send_text("wait waited")
        assert app.waiting.acquire(timeout=10)
        threading.Timer(0.05, app.gate.set).start()
        assert ws.receive_text() == "waited"
        ws.send_text("echo " + "x" * 100_000, frame_bytes=30_000)
        assert len(ws.receive_text()) == 100_000


def test_a_frame_that_does_not_come_shows_the_transcript_and_leaves_the_socket_usable(urls: Urls) -> None:
    with remote(urls, SOON) as gateway, gateway.websocket() as ws:
        ws.receive_nothing()
        ws.send_text(f"say nothing, {JWT}")
        with pytest.raises(NothingReceived, match=r"(?s)no frame came within 0.1 s; .*sent  say nothing, eyJ…$"):
            ws.receive_text()
        ws.send_text("echo still usable")
        ws._connection.patience = LONG  # type: ignore[attr-defined]
        assert ws.receive_text() == "still usable"


def test_another_thread_may_send_while_one_waits(gateway: GatewayClient) -> None:
    with gateway.websocket() as ws:
        threading.Timer(0.05, ws.send_text, ["echo from another thread"]).start()
        assert ws.receive_text() == "from another thread"


def test_what_is_refused_and_what_is_closed_say_why(gateway: GatewayClient, app: App) -> None:
    with pytest.raises(HandshakeRefused) as refused:
        gateway.websocket(params={"status": 401})
    assert (refused.value.status_code, refused.value.json()) == (401, {"message": "Unauthorized"})
    with gateway.websocket() as ws:
        ws.send_bytes(b"binary")
        with pytest.raises(ConnectionClosed) as closed:
            ws.receive_text()
        assert closed.value.code == 1003
    with pytest.raises(ConnectionClosed, match="was not offered"):
        gateway.websocket(params={"protocol": "v2"}, subprotocols=["v1"])


def test_a_close_and_a_drop_reach_the_stage(gateway: GatewayClient, app: App) -> None:
    told, disconnect = threading.Semaphore(0), app.disconnect
    app.disconnect = lambda event: (disconnect(event), told.release())[0]  # type: ignore[method-assign,func-returns-value]
    with gateway.websocket() as ws:
        ws.close(3000, "bye")
    with gateway.websocket() as ws:
        ws.drop()
    assert told.acquire(timeout=10)
    assert told.acquire(timeout=10)  # a drop does not wait for the stage
    left = [entry[2] for entry in app.log if isinstance(entry, tuple) and entry[0] == "disconnect"]
    assert sorted(left) == [1006, 3000]
    assert gateway.websockets == ()


def test_a_disconnect_cannot_be_lost_at_will(gateway: GatewayClient, app: App) -> None:
    with gateway.websocket() as ws:
        with pytest.raises(Lacking, match="disconnect to lose"):
            ws.drop(disconnect=False)
        ws.send_text("echo still here")
        assert ws.receive_text() == "still here"


def test_the_trace_has_what_the_client_saw_without_its_credentials(gateway: GatewayClient) -> None:
    gateway.http(token=JWT).post("/echo", json={"token": JWT}, params={"token": JWT})
    gateway.http(headers={"X-Api-Key": "k3y"}).get("/log")
    with gateway.websocket(token=JWT) as ws:
        ws.send_text("echo hello")
        ws.receive_text()
        ws.send_text(f"echo {JWT}")
        ws.receive_text()
    kinds = [type(seen.what).__name__ for seen in gateway.trace]
    assert kinds == [
        *("Request", "Respond", "Request", "Respond"),
        *("Handshake", "Accept", "Message", "Send", "Message", "Send", "Closed"),
    ]
    assert "eyJ…" in repr(gateway.trace)
    for secret in (JWT, "k3y"):
        assert secret not in repr(gateway.trace)


def test_what_a_client_cannot_do_is_refused_as_its_maker_wants(gateway: GatewayClient, urls: Urls) -> None:
    actions: list[Callable[[GatewayClient], object]] = [
        lambda gateway: gateway.invoke("job"),
        lambda gateway: gateway.runtime,
        lambda gateway: gateway.tables,
    ]
    for action in actions:
        with pytest.raises(Lacking):
            action(gateway)
    gateway.settle()
    with remote(Urls(urls.http, "")) as http_only, pytest.raises(Lacking, match="no wss:// URL"):
        http_only.websocket()
    with remote(Urls("", urls.websocket)) as websocket_only, pytest.raises(Lacking, match="no https:// URL"):
        websocket_only.http().get("/echo")


def test_a_kept_connection_that_the_server_closed_is_not_used_again(app: App) -> None:
    with on_sockets(API, app) as first:
        assert first.urls is not None
        gateway = remote(first.urls)
        assert gateway.http().get("/log").status_code == 200
        port = int(first.urls.http.rpartition(":")[2])
    with on_sockets(API, app, http_port=port), gateway:
        assert gateway.http().get("/log").status_code == 200


@contextmanager
def answering(answer: bytes) -> Iterator[Urls]:
    """A server that gives this answer to every client."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as peer:
                peer.recv(65_536)
                peer.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        netloc = f"127.0.0.1:{server.getsockname()[1]}"
        yield Urls(f"http://{netloc}", f"ws://{netloc}")
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "hung up during the handshake"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "is not HTTP"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "is not a WebSocket"),
    ],
)
def test_a_handshake_that_nobody_understands_is_a_sentence(answer: bytes, sentence: str) -> None:
    expected = rf"^127\.0\.0\.1:\d+ cannot be reached: .*{sentence}"
    with answering(answer) as urls, remote(urls) as gateway, pytest.raises(Unreachable, match=expected):
        gateway.websocket(token=JWT)


def test_what_api_gateway_never_sends_is_no_reason_to_fall_over() -> None:
    """A pong without a ping, a binary message, one of 1 MB, and an end in the middle of a frame."""

    def misbehaves(peer: ServerConnection) -> None:
        peer.pong(b"not a number")
        peer.send(b"binary")
        peer.send("x" * 1_000_000)
        peer.socket.sendall(b"\x81\x7e\x01\x00abc")
        peer.socket.shutdown(socket.SHUT_RDWR)

    with serve(misbehaves, "127.0.0.1", 0, compression=None) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        with remote(Urls("", f"ws://127.0.0.1:{server.socket.getsockname()[1]}")) as gateway:
            ws = gateway.websocket()
            assert [len(ws.receive_text()) for _ in range(2)] == [6, 1_000_000]
            with pytest.raises(ConnectionClosed) as closed:
                ws.receive_text()
        server.shutdown()
        serving.join(10)
    assert closed.value.code == 1006


@pytest.mark.parametrize("length", ["", "Content-Length: 1000\r\n"])
def test_a_refusal_whose_body_ends_with_the_line_is_one(length: str) -> None:
    answer = f'HTTP/1.1 403 Forbidden\r\n{length}\r\n{{"message": "no"}}'.encode()
    with answering(answer) as urls, remote(urls) as gateway, pytest.raises(HandshakeRefused) as refused:
        gateway.websocket()
    assert (refused.value.status_code, refused.value.content) == (403, b'{"message": "no"}')


def test_a_host_that_does_not_answer_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        netloc = f"127.0.0.1:{taken.getsockname()[1]}"
    with remote(Urls(f"http://{netloc}", f"ws://{netloc}")) as gateway:
        with pytest.raises(Unreachable, match=f"^{netloc} cannot be reached: Connection refused") as http:
            gateway.http(token=JWT).get("/")
        with pytest.raises(Unreachable, match=f"^{netloc} cannot be reached: Connection refused") as websocket:
            gateway.websocket(token=JWT)
    for raised in (http.value, websocket.value):
        assert raised.__suppress_context__, "its frames hold the token"
        assert raised.__cause__ is None, "its frames hold the token"


@pytest.mark.parametrize(
    ("prefix", "target", "http", "websocket"),
    [
        ("/api", "/sessions?a=/b", "/api/sessions?a=/b", "/api/sessions?a=/b"),
        ("/api", "/", "/api/", "/api"),
        ("/api", "/?x=1", "/api/?x=1", "/api?x=1"),
        ("/api", "/api/sessions", "/api/sessions", "/api/sessions"),
        ("/api", "/apis", "/api/apis", "/api/apis"),
        ("", "/?x=1", "/?x=1", "/?x=1"),
        ("", "/sessions", "/sessions", "/sessions"),
    ],
)
def test_a_path_is_below_the_stage(prefix: str, target: str, http: str, websocket: str) -> None:
    assert (below(prefix, target), below(prefix, target, root="")) == (http, websocket)


def test_one_listener_hears_what_crosses_with_its_credentials(urls: Urls) -> None:
    seen: list[Observed] = []
    heard: list[Observed] = []
    transport = Remote(urls, patience=LONG, lacking=Lacking, observe=seen.append, hear=heard.append)
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"
    transport.request("GET", f"/rooms/a?token={token}", (("Authorization", f"Bearer {token}"),), b"")
    transport.close()
    assert [each.at for each in heard] == [each.at for each in seen]
    asked, redacted = heard[0].what, seen[0].what
    assert isinstance(asked, Request)
    assert isinstance(redacted, Request)
    assert (asked.query, dict(asked.headers)["Authorization"]) == (f"token={token}", f"Bearer {token}")
    assert token not in f"{redacted.query}{redacted.headers}"
