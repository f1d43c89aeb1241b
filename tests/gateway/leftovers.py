"""A gateway on sockets keeps nothing once its clients have gone."""

from __future__ import annotations

from dataclasses import asdict
from typing import cast

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.sockets import SocketTransport


def nothing_is_left(gateway: GatewayClient) -> None:
    """The gateway serves, and knows no socket but that of this request, no client and no invocation."""
    client, server = gateway.http(), cast(SocketTransport, gateway._transport).server
    for _ in range(500):  # each turns the loop, which may still have megabytes to read before it sees a socket's end
        assert client.get("/status/200").status_code == 200
        if server.census().lines == 1:
            break
    gateway.settle()
    state = asdict(server.census())
    assert {name: count for name, count in state.items() if count and name != "workers"} == {"lines": 1}
