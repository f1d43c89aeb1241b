"""Gateways without an account: an API, the function that runs all of its functions, and a transport."""

from __future__ import annotations

from typing import Any

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.inprocess import InProcess
from pytest_sessionplugin.gateway.values import Api, Observed, RunFunction


def in_process(api: Api, functions: RunFunction, **how: Any) -> GatewayClient:
    trace: list[Observed] = []
    transport = InProcess(api, functions, observe=lambda seen: trace.append(seen.kept()), **how)
    return GatewayClient(transport, transport.runtime, trace=trace)


def on_sockets(api: Api, functions: RunFunction, **how: Any) -> GatewayClient:
    """Starts a server, which close() stops."""
    from pytest_sessionplugin.gateway.client.sockets import SocketTransport
    from pytest_sessionplugin.gateway.server.server import Server

    trace: list[Observed] = []
    server = Server(api, functions, observe=lambda seen: trace.append(seen.kept()), **how)
    return GatewayClient(SocketTransport(server.start()), server.runtime, trace=trace)
