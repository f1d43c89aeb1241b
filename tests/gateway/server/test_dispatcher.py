"""When nothing can move any more but by a handler that somebody holds: what a race relies on to give up at once."""

from __future__ import annotations

import threading

import pytest

from pytest_sessionplugin.gateway.client.connection import SocketConnection
from pytest_sessionplugin.gateway.client.gateway import Gateway
from pytest_sessionplugin.gateway.server.server import Server
from pytest_sessionplugin.gateway.values import Invoke
from tests.gateway.app import API, App

pytestmark = pytest.mark.sockets


def running(gateway: Gateway) -> str:
    """The one invocation there is."""
    (invoke,) = [seen.what for seen in gateway.trace if isinstance(seen.what, Invoke)]
    return invoke.invocation_id


def test_a_request_that_is_on_its_way_moves(app: App) -> None:
    with Server(API, app) as server:
        assert server.at_rest(0, ())
        assert not server.at_rest(1, ())


def test_a_thread_that_asks_for_nothing_moves(gateway: Gateway) -> None:
    assert gateway.at_rest((), ())
    assert not gateway.at_rest({threading.get_ident()}, ())


def test_a_client_whose_handler_is_held_rests_and_one_whose_handler_runs_does_not(gateway: Gateway, app: App) -> None:
    client = threading.Thread(target=lambda: gateway.websocket("/", params={"wait": "1"}).close())
    client.start()
    assert app.waiting.acquire(timeout=10)
    assert client.ident is not None
    assert gateway.at_rest({client.ident}, {running(gateway)})
    assert not gateway.at_rest({client.ident}, ())
    assert not gateway.at_rest((), ())
    app.gate.set()
    client.join(10)
    gateway.settle()
    assert gateway.at_rest((), ())


def test_a_frame_that_was_sent_has_come_to_its_handler(gateway: Gateway, app: App) -> None:
    with gateway.websocket() as ws:
        line = ws._connection
        assert isinstance(line, SocketConnection)
        ws.send_text("wait for me")
        unread = [line.unread, gateway.at_rest((), ()), line.unread]
        assert unread == [True, False, False]
        app.gate.set()
        assert ws.receive_text() == "for me"
