"""A terminal at a WebSocket: lines in, frames out, and one sentence for everything that goes wrong."""

from __future__ import annotations

import io
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

import pytest
from websockets.sync.server import ServerConnection, serve

from pytest_sessionplugin.errors import SessionPluginError
from pytest_sessionplugin.serving.connect import Sender, talk
from tests.gateway.app import API, App
from tests.gateway.gateways import on_sockets

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

pytestmark = pytest.mark.sockets


class Terminal(io.StringIO):
    """A terminal, whose input ends with Ctrl-D."""

    def isatty(self) -> bool:
        return True


class Output(io.StringIO):
    """Standard output that closes the pipe to standard input after its first line."""

    def __init__(self, pipe: TextIO) -> None:
        super().__init__()
        self._pipe = pipe

    def flush(self) -> None:
        self._pipe.close()


@pytest.fixture
def pipe() -> Iterator[tuple[TextIO, TextIO]]:
    """Both ends of a pipe, in which a line waits."""
    reading, writing = os.pipe()
    with open(reading) as typed, open(writing, "w") as typing:
        print("echo hello", file=typing, flush=True)
        yield typed, typing


@pytest.fixture
def url() -> Iterator[str]:
    app = App()
    with on_sockets(API, app) as app.gateway:
        assert app.gateway.urls is not None
        yield app.gateway.urls.websocket


def test_each_line_is_sent_and_each_frame_printed(url: str) -> None:
    out = io.StringIO()
    talk(url, None, io.StringIO("echo hello\n\necho world\n"), out, receive=2, wait=20)
    assert sorted(out.getvalue().splitlines()) == ["< hello", "< world"]  # two handlers may run at once


def test_a_pipe_that_has_ended_ends_it_when_no_frame_comes_any_more(url: str, pipe: tuple[TextIO, TextIO]) -> None:
    typed, out = pipe[0], Output(pipe[1])
    talk(url, None, typed, out, wait=0.01)
    assert out.getvalue() == "< hello\n"
    talk(url, None, io.StringIO(), out, wait=0.01)


def test_a_terminals_ctrl_d_ends_it(url: str) -> None:
    out = io.StringIO()
    talk(url, None, Terminal(), out, wait=20)
    assert out.getvalue() == ""


def test_a_socket_that_the_other_end_closes_ends_it_and_says_how(url: str) -> None:
    out = io.StringIO()
    assert talk(url, None, io.StringIO("x" * 33_000 + "\n"), out, wait=20) is False
    assert out.getvalue().startswith("closed: 1009")


@contextmanager
def peer(handler: Callable[[ServerConnection], None]) -> Iterator[str]:
    """The URL of a server that runs a handler: unlike a gateway, it closes with any code."""
    with serve(handler, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("code", "is_well"), [(1000, True), (1001, True), (1006, False), (1011, False), (4000, False)])
def test_whether_it_ended_well_depends_on_the_code(code: int, is_well: bool) -> None:
    def close(connection: ServerConnection) -> None:
        connection.recv()
        if code == 1006:
            connection.socket.shutdown(socket.SHUT_RDWR)
        else:
            connection.close(code, "as it is")

    out = io.StringIO()
    with peer(close) as url:
        assert talk(url, None, io.StringIO("a\n"), out, wait=20) is is_well
    assert out.getvalue() == ("closed: 1006\n" if code == 1006 else f"closed: {code} as it is\n")


@pytest.mark.parametrize(
    ("path", "ticket", "target"),
    [("", "a b&c", "/?ticket=a%20b%26c"), ("/api?room=1", "abc", "/api?room=1&ticket=abc")],
)
def test_a_ticket_is_sent_in_the_query(path: str, ticket: str, target: str) -> None:
    def tell(connection: ServerConnection) -> None:
        assert connection.request is not None
        connection.send(connection.request.path)
        connection.recv()

    out = io.StringIO()
    with peer(tell) as url:
        talk(f"{url}{path}", None, io.StringIO("a\n"), out, receive=1, ticket=ticket, wait=20)
    assert out.getvalue() == f"< {target}\n"


@pytest.mark.parametrize(
    ("address", "ticket", "told"),
    [("ws://127.0.0.1:9?ticket=", "abc", "the URL has a ticket already"), ("ws://127.0.0.1:9", "", "is empty")],
)
def test_a_ticket_that_cannot_be_sent_is_a_sentence(address: str, ticket: str, told: str) -> None:
    with pytest.raises(SessionPluginError, match=told):
        talk(address, None, io.StringIO(), io.StringIO(), ticket=ticket)


def test_fewer_frames_than_were_asked_for_are_an_error(url: str, pipe: tuple[TextIO, TextIO]) -> None:
    with pytest.raises(SessionPluginError, match=r"^1 of 2 frames arrived, then none for 0.01 s; --wait waits longer"):
        talk(url, None, pipe[0], Output(pipe[1]), receive=2, wait=0.01)
    with pytest.raises(SessionPluginError, match=r"^0 of 1 frames arrived, then the socket was closed\.$"):
        talk(url, None, io.StringIO("x" * 33_000 + "\n"), io.StringIO(), receive=1, wait=20)


class FakeSocket:
    """A socket that keeps what is sent, and how it is left."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, text: str) -> None:
        self.sent.append(text)

    def close(self) -> None:
        self.sent.append("closed")


@pytest.mark.parametrize(("kind", "waits"), [(io.StringIO, [5.0, 5.0, 5.0]), (Terminal, [])])
def test_each_frame_begins_the_silence_again_that_a_terminal_does_not_wait_for(
    monkeypatch: pytest.MonkeyPatch, kind: type[io.StringIO], waits: list[float]
) -> None:
    waited, results = list[float](), iter([True, True, False])

    class Heard(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0)
            return next(results)

    monkeypatch.setattr("threading.Event", Heard)
    socket = FakeSocket()
    Sender(cast("ClientConnection", socket), kind("a\n\nb\n"), 5.0).run()
    assert (socket.sent, waited) == (["a", "b", "closed"], waits)


def test_a_refused_handshake_is_a_sentence_with_its_status(url: str) -> None:
    with pytest.raises(SessionPluginError, match="was refused: 403"):
        talk(f"{url}/?status=403", None, Terminal(), io.StringIO())


def test_a_port_that_nobody_listens_on_is_a_sentence(url: str) -> None:
    with pytest.raises(SessionPluginError, match="cannot be reached"):
        talk("ws://127.0.0.1:9", None, Terminal(), io.StringIO())


@pytest.mark.parametrize("errors", ["strict", "surrogateescape"])
def test_a_line_that_is_not_utf_8_is_a_sentence_and_no_traceback(url: str, errors: str) -> None:
    """Python reads standard input in one of both ways, depending on the locale."""
    typed = io.TextIOWrapper(io.BytesIO(b"\xff\n"), encoding="utf-8", errors=errors)
    with pytest.raises(SessionPluginError, match="a line of the input is not UTF-8"):
        talk(url, None, typed, io.StringIO(), wait=0.01)


def test_no_output_shows_a_ticket_or_a_token() -> None:
    secret = "sesame-open-sesame-now"
    with peer(lambda connection: connection.close(1008, f"{secret} is spent")) as url:
        for token, ticket in ((secret, None), (None, secret)):
            out = io.StringIO()
            talk(url, token, io.StringIO("a\n"), out, ticket=ticket, wait=20)
            assert out.getvalue() == "closed: 1008 ses… is spent\n"


def test_no_error_shows_a_token(url: str) -> None:
    secret = "abcdefghijklmnop"
    for address, token in (
        (f"{url}/?status=403&token={secret}", None),
        (f"ws://127.0.0.1:9/?token={secret}", None),
        (f"http://127.0.0.1:9/?token={secret}", None),
        (url, f"{secret}\n"),
    ):
        with pytest.raises(SessionPluginError) as raised:
            talk(address, token, Terminal(), io.StringIO())
        assert secret not in str(raised.value)
    for address in (f"{url}/?status=403", "ws://127.0.0.1:9", "http://127.0.0.1:9"):
        with pytest.raises(SessionPluginError) as raised:
            talk(address, None, Terminal(), io.StringIO(), ticket=secret)
        assert secret not in str(raised.value)
