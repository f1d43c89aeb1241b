"""The gateway on real sockets keeps the same contract as the one in process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.websocket import WebSocket
from tests.gateway.app import API, App
from tests.gateway.contract import GatewayContract, in_parallel
from tests.gateway.gateways import on_sockets

pytestmark = pytest.mark.sockets


class TestContract(GatewayContract):
    @pytest.fixture
    def gateway(self, app: App) -> Iterator[GatewayClient]:
        with on_sockets(API, app) as app.gateway:
            yield app.gateway


THREADS, CHECKS = 8, 250


def test_in_2000_checks_under_8_threads_half_of_them_with_a_frame_under_way(gateway: GatewayClient) -> None:
    """The frame comes from alice's handler, which may not have begun when bob looks."""
    seen: list[str | None] = []

    def check(thread: int) -> None:
        with gateway.websocket() as alice, gateway.websocket() as bob:
            for number in range(CHECKS):
                under_way = (number + thread) % 2 == 0
                if under_way:
                    alice.send_text(f"post {bob.connection_id} {thread} {number}")
                seen.append(_wrong(bob, f"{thread} {number}" if under_way else None))

    in_parallel(check, range(THREADS))
    assert len(seen) == 2000
    assert [each for each in seen if each is not None] == []


def _wrong(bob: WebSocket, frame: str | None) -> str | None:
    """The mistake of a check; None if it is right."""
    try:
        bob.receive_nothing()
    except AssertionError as found:
        if frame is None:
            return f"a frame that nobody sent: {found}"
        return None if bob.receive_text() == frame else f"not {frame}: {found}"
    return None if frame is None else f"{frame} was missed"
