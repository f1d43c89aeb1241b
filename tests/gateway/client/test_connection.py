"""The client's end of a WebSocket on a real socket: its handshake, its end, and the pings that tell what was read."""

from __future__ import annotations

import socket
import time

import pytest

from pytest_sessionplugin.gateway.client.connection import SocketConnection, opened
from pytest_sessionplugin.gateway.client.transport import Ended, Refused
from pytest_sessionplugin.gateway.server.server import Server
from tests.gateway.app import API, App
from tests.gateway.gateways import on_sockets

pytestmark = pytest.mark.sockets


def test_what_a_client_sent_counts_as_unread_until_a_later_ping_is_answered(app: App) -> None:
    """A ping that another thread has only sent proves nothing yet."""
    with on_sockets(API, app) as app.gateway:
        connection = app.gateway._transport.connect("/", ())
        assert isinstance(connection, SocketConnection)
        connection.await_pong(connection.ping(), time.monotonic() + 10)
        assert not connection.unread
        connection.send("echo x", None)
        unread = [connection.unread]
        number = connection.ping()
        unread.append(connection.unread)
        connection.await_pong(number, time.monotonic() + 10)
        unread.append(connection.unread)
        connection.close(None, "")
    assert unread == [True, True, False]


def test_its_owner_hears_of_each_message_before_it_is_taken_and_of_the_end_once(app: App) -> None:
    takes, ends = list[str](), list[SocketConnection]()
    with Server(API, app) as server:
        connection = SocketConnection.open(server, "/", (), on_end=ends.append, on_take=lambda: takes.append("take"))
        assert (connection.take(), takes) == (None, [])
        assert server.connection_id(connection._socket.getsockname()[:2]) == connection.connection_id
        server.stop()
        assert connection.take() == Ended(1001, "Going away")
        connection.drop()
    assert (takes, ends) == (["take"], [connection])


def shaken(answer: bytes) -> SocketConnection:
    """The connection whose handshake gets this answer."""
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        return opened(ours, "a.example", "/", (), lambda sock, chosen: SocketConnection(sock, None, chosen))


@pytest.mark.parametrize("length", ["", "Content-Length: 1000\r\n"])
def test_a_refusal_may_end_with_its_connection(length: str) -> None:
    with pytest.raises(Refused) as refused:
        shaken(f"HTTP/1.1 403 Forbidden\r\n{length}\r\nno".encode())
    assert (refused.value.reply.status, refused.value.reply.body) == (403, b"no")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"", "hung up during the handshake"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the answer to the handshake is not HTTP"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "is not a WebSocket's"),
    ],
)
def test_an_answer_that_is_not_a_websockets_is_an_error(answer: bytes, sentence: str) -> None:
    with pytest.raises(ConnectionError, match=sentence):
        shaken(answer)
