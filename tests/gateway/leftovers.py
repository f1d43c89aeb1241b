"""What a gateway on sockets may not keep once its clients have gone."""

from __future__ import annotations

from typing import cast

from pytest_sessionplugin.gateway.client.gateway import Gateway
from pytest_sessionplugin.gateway.client.sockets import SocketTransport
from pytest_sessionplugin.gateway.server.dispatcher import Dispatcher, Line


def _board(gateway: Gateway) -> Dispatcher:
    return cast(SocketTransport, gateway._transport).server._board


def lines(gateway: Gateway) -> set[Line]:
    """The server's ends of all that is connected."""
    return _board(gateway).lines


def nothing_is_left(gateway: Gateway) -> None:
    """The gateway serves, and no line but that of this request, no client and no invocation is on its books."""
    client, board = gateway.http(), _board(gateway)
    for _ in range(500):  # each turns the loop, which may still have megabytes to read before it sees that a line ends
        assert client.get("/status/200").status_code == 200
        if len(board.lines) == 1:
            break
    gateway.settle()
    assert len(board.lines) == 1
    assert (board.requests, board.handshakes, board.connections, board.peers) == ({}, {}, {}, {})
    assert board.driver.running == {}
