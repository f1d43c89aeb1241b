"""A deployed stage is visited over real sockets: its readiness, and a handshake that it must refuse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from deployment import visit
from deployment.errors import DeploymentError
from tests.processes import sessionplugin_serve

pytestmark = pytest.mark.sockets

HANDSHAKE = "/api?sessionId=visit"
READY = (200, b'{"status":"ready"}')
REFUSED = (401, b"")


class Stage:
    """Answers with the next of its answers, the last one again and again; records what it was asked."""

    def __init__(self, ready: list[tuple[int, bytes]], handshake: list[tuple[int, bytes]]) -> None:
        self.answers = {"/api/health/ready": ready, HANDSHAKE: handshake}
        self.asked: list[tuple[str, str]] = []
        stage = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stage.asked.append((self.path, self.headers.get("Upgrade", "")))
                answers = stage.answers[self.path]
                status, body = answers.pop(0) if len(answers) > 1 else answers[0]
                if not status:  # closes the connection, with what is not an answer of HTTP or with nothing
                    self.wfile.write(body)
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_CONNECT(self) -> None:
                stage.asked.append((self.path, ""))
                self.send_error(407)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def visit(self, seconds: float = 60) -> None:
        visit.visit(f"http://{self.place}/api", f"ws://{self.place}/api", seconds=seconds, pause=0)


@contextmanager
def standing(
    ready: list[tuple[int, bytes]] | None = None, handshake: list[tuple[int, bytes]] | None = None
) -> Iterator[Stage]:
    stage = Stage(ready or [READY], handshake or [REFUSED])
    thread = Thread(target=stage.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stage
    finally:
        stage.server.shutdown()
        stage.server.server_close()
        thread.join()


def test_a_stage_that_is_ready_and_refuses_a_handshake_without_a_token_passes() -> None:
    with standing() as stage:
        stage.visit()
    assert stage.asked == [("/api/health/ready", ""), (HANDSHAKE, "websocket")]


def test_a_stage_that_is_not_there_yet_is_waited_for() -> None:
    with standing([(403, b""), (0, b""), (503, b""), READY], [(500, b""), REFUSED]) as stage:
        stage.visit()
    assert [path for path, _ in stage.asked] == ["/api/health/ready"] * 4 + [HANDSHAKE] * 2


def test_a_stage_that_does_not_get_ready_is_told_with_its_answer() -> None:
    with standing([(503, b'{"detail":"no table"}')]) as stage, pytest.raises(DeploymentError) as told:
        stage.visit(seconds=0)
    assert str(told.value) == (
        f"GET http://{stage.place}/api/health/ready should get 200 and got "
        '503 Service Unavailable {"detail":"no table"}.'
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((101, b""), "101 Switching Protocols"),
        ((403, b"Forbidden"), "403 Forbidden Forbidden"),
        ((0, b""), "no answer"),
        ((0, b"not HTTP\r\n"), "no answer"),
    ],
)
def test_a_handshake_that_the_function_does_not_refuse_is_told(answer: tuple[int, bytes], told: str) -> None:
    with standing(handshake=[answer]) as stage, pytest.raises(DeploymentError) as error:
        stage.visit(seconds=0)
    assert str(error.value).startswith(f"A handshake with ws://{stage.place}{HANDSHAKE} should get 401 and got {told}")


def test_a_stage_that_nobody_listens_for_is_told() -> None:
    with standing() as stage:
        pass
    with pytest.raises(DeploymentError, match="no answer: ConnectionRefusedError"):
        stage.visit(seconds=0)


def test_an_url_of_https_is_visited_by_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with standing() as stage, pytest.raises(DeploymentError, match="no answer: SSL"):
        visit.visit(f"https://{stage.place}/api", f"wss://{stage.place}/api", seconds=0)


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with standing() as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.place}")
        monkeypatch.setenv("no_proxy", "localhost")
        with pytest.raises(DeploymentError, match="Tunnel connection failed: 407"):
            visit.visit("https://api.example.com/api", "wss://ws.example.com/api", seconds=0)
    assert proxy.asked == [("api.example.com:443", "")]


@pytest.mark.process
def test_the_service_itself_passes() -> None:
    with sessionplugin_serve() as served:
        visit.visit(served.http, served.websocket, seconds=0)
