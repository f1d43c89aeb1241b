"""A server of the loopback: only this machine's clients reach it, and all of them are let go at its end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from pytest_sessionplugin.gateway.server.server import PortInUse
from pytest_sessionplugin.serving.loopback import LoopbackHandler, LoopbackServer

pytestmark = pytest.mark.sockets

PATIENCE = 10.0


class Handler(LoopbackHandler):
    """Answers whether the client is of this machine."""

    def do_GET(self) -> None:
        body = b"elsewhere" if self.why_refused("it") else b"here"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer("127.0.0.1", 0, Handler, "a test") as server:
        yield server


@contextmanager
def connected(server: LoopbackServer) -> Iterator[socket.socket]:
    url = urlsplit(server.url)
    assert url.hostname is not None
    with socket.create_connection((url.hostname, url.port or 0), PATIENCE) as client:
        yield client


def ask(client: socket.socket, *headers: str) -> str:
    """The body of the answer."""
    client.sendall("\r\n".join(["GET / HTTP/1.1", *headers, "", ""]).encode())
    said = b""
    while not said.endswith((b"here", b"elsewhere")):
        received = client.recv(4096)
        assert received, said
        said += received
    return said.rpartition(b"\r\n\r\n")[2].decode()


@pytest.mark.parametrize(
    ("headers", "where"),
    [
        (["Host: 127.0.0.1:8003"], "here"),
        (["Host: localhost"], "here"),
        (["Host: [::1]:8003"], "here"),
        (["Host: rebound.example"], "elsewhere"),
        (["Host: 127.0.0.1.rebound.example"], "elsewhere"),
        ([], "elsewhere"),
        (["Host: 127.0.0.1", "Origin: http://127.0.0.1:3000"], "elsewhere"),
        (["Host: 127.0.0.1", "Origin: null"], "elsewhere"),
    ],
)
def test_a_client_of_this_machine_names_it_and_is_no_web_page(
    server: LoopbackServer, headers: list[str], where: str
) -> None:
    with connected(server) as client:
        assert ask(client, *headers) == where


def test_a_connection_serves_many_requests_and_ends_with_the_server() -> None:
    with ExitStack() as running, ExitStack() as connecting:
        server = running.enter_context(LoopbackServer("127.0.0.1", 0, Handler, "a test"))
        client = connecting.enter_context(connected(server))
        for _ in range(3):
            assert ask(client, "Host: localhost") == "here"
        running.close()
        assert client.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(client.getpeername(), PATIENCE)


def test_a_port_that_is_taken_is_named(server: LoopbackServer) -> None:
    port = urlsplit(server.url).port or 0
    with pytest.raises(PortInUse, match=f"port {port} on 127.0.0.1 is in use, so a test cannot be served there"):
        LoopbackServer("127.0.0.1", port, Handler, "a test")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_a_url_has_an_ipv6_address_in_brackets() -> None:
    with LoopbackServer("::1", 0, Handler, "a test") as server, connected(server) as client:
        assert server.url.startswith("http://[::1]:")
        assert ask(client, "Host: [::1]") == "here"


def test_a_client_that_is_still_sending_gets_its_answer_and_is_not_reset(server: LoopbackServer) -> None:
    with connected(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" + b"1" * 500_000)
        said = b"".join(iter(lambda: client.recv(65536), b""))
        client.sendall(b"1" * 500_000)
        client.shutdown(socket.SHUT_WR)
    assert said.endswith(b"here")
