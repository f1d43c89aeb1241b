"""What a gateway on sockets may not keep once its clients have gone."""

from __future__ import annotations

from typing import cast

from pytest_sessionplugin.gateway.client import Gateway
from pytest_sessionplugin.gateway.sockets import SocketTransport


def nothing_is_left(gateway: Gateway) -> None:
    """The gateway serves, and no line but that of this request, no client and no invocation is on its books."""
    client = gateway.http()
    for _ in range(2):  # when the second arrives, whatever was lost before the first has been seen
        assert client.get("/status/200").status_code == 200
    gateway.settle()
    board = cast(SocketTransport, gateway._transport).server._board
    assert len(board.lines) == 1
    assert (board.requests, board.handshakes, board.connections, board.peers) == ({}, {}, {}, {})
    assert board.driver.running == {}
