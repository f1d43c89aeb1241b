"""The dispatcher: effects in order, and the moment at which only held handlers can move, on which races rely."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import pytest

from pytest_sessionplugin.gateway.activity import Activity, NotQuiet
from pytest_sessionplugin.gateway.client.connection import SocketConnection
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.runtime import new_id
from pytest_sessionplugin.gateway.server.dispatcher import Dispatcher
from pytest_sessionplugin.gateway.server.server import Server
from pytest_sessionplugin.gateway.values import Close, Effect, Invoke, RunFunction, Send
from tests.gateway.app import API, App

pytestmark = pytest.mark.sockets


def at_rest(gateway: GatewayClient, threads: Collection[int], invocations: Collection[str]) -> bool:
    return gateway.runtime.activity.at_rest(threads, invocations)


def running(gateway: GatewayClient) -> str:
    """The only invocation."""
    (invoke,) = [seen.what for seen in gateway.trace if isinstance(seen.what, Invoke)]
    return invoke.invocation_id


def test_a_request_that_is_on_its_way_moves(app: App) -> None:
    with Server(API, app) as server:
        assert server.at_rest(0, ())
        assert not server.at_rest(1, ())


def test_a_thread_that_asks_for_nothing_moves(gateway: GatewayClient) -> None:
    assert at_rest(gateway, (), ())
    assert not at_rest(gateway, {threading.get_ident()}, ())


def test_a_client_whose_handler_is_held_rests_and_one_whose_handler_runs_does_not(
    gateway: GatewayClient, app: App
) -> None:
    client = threading.Thread(target=lambda: gateway.websocket("/", params={"wait": "1"}).close())
    client.start()
    assert app.waiting.acquire(timeout=10)
    assert client.ident is not None
    assert at_rest(gateway, {client.ident}, {running(gateway)})
    assert not at_rest(gateway, {client.ident}, ())
    assert not at_rest(gateway, (), ())
    app.gate.set()
    client.join(10)
    gateway.settle()
    assert at_rest(gateway, (), ())


def test_a_frame_that_was_sent_has_come_to_its_handler(gateway: GatewayClient, app: App) -> None:
    with gateway.websocket() as ws:
        line = ws._connection
        assert isinstance(line, SocketConnection)
        ws.send_text("wait for me")
        unread = [line.unread, at_rest(gateway, (), ()), line.unread]
        assert unread == [True, False, False]
        app.gate.set()
        assert ws.receive_text() == "for me"


class FakeWebSocket:
    """Collects what is written; `broken` raises instead."""

    peer = ("127.0.0.1", 1)

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken
        self.texts: list[str] = []

    @property
    def written(self) -> int:
        return len(self.texts)

    def send(self, text: str) -> None:
        if self.broken:
            raise ZeroDivisionError("a bug")
        self.texts.append(text)

    def close(self, code: int, reason: str) -> None:
        self.texts.append(f"closed with {code}")

    def resume(self) -> None: ...

    def leave(self) -> None: ...

    def hang_up(self) -> None: ...

    def abort(self) -> None: ...


@contextmanager
def running_with(functions: RunFunction | None = None, /, **websockets: FakeWebSocket) -> Iterator[Dispatcher]:
    activity = Activity()
    dispatcher = Dispatcher(API, functions or App(), activity=activity, clock=time.time, ids=new_id, observe=None)
    dispatcher.start()
    try:
        for connection_id, websocket in websockets.items():
            dispatcher.opened(connection_id, websocket, websocket)
        yield dispatcher
    finally:
        dispatcher.stop(1.0)


def put(dispatcher: Dispatcher, *effects: Effect) -> None:
    for effect in effects:
        dispatcher.put(effect)
    dispatcher.flush()
    dispatcher.settle(10.0)


def test_effects_reach_their_websockets_in_the_order_in_which_they_were_put() -> None:
    alice, bob = FakeWebSocket(), FakeWebSocket()
    with running_with(alice=alice, bob=bob) as dispatcher:
        sent = [Send(name, str(number)) for number in range(100) for name in ("alice", "bob")]
        put(dispatcher, *sent, Close("alice", 1000), Send("alice", "late"))
    assert alice.texts == [*map(str, range(100)), "closed with 1000"]
    assert bob.texts == [*map(str, range(100))]


def test_a_bug_with_one_websocket_does_not_silence_the_others(caplog: pytest.LogCaptureFixture) -> None:
    bob = FakeWebSocket()
    with running_with(alice=FakeWebSocket(broken=True), bob=bob) as dispatcher:
        put(dispatcher, Send("alice", "x"), Send("bob", "x"))
    assert bob.texts == ["x"]
    assert [record.getMessage().partition("\n")[0] for record in caplog.records if record.name == "asyncio"] == [
        "cannot perform Send(connection_id='alice', text='x')"
    ]


def test_settling_for_a_connection_needs_a_new_message_or_its_end_and_no_quiet() -> None:
    gate = threading.Event()
    with running_with(lambda invoke: gate.wait(10), alice=FakeWebSocket()) as dispatcher:
        put(dispatcher, Send("alice", "x"))
        dispatcher.runtime.invoke_later("job", {}, "r1", lambda error: None)
        dispatcher.settle(10.0, "alice", arrived=0)
        dispatcher.settle(10.0, "gone", arrived=0)
        with pytest.raises(NotQuiet, match="still running: job"):
            dispatcher.settle(0.0, "alice", arrived=1)
        gate.set()
        dispatcher.settle(10.0)
        assert dispatcher.runtime.invocations() == 0
