"""The contract of two gateways of one account, in process and on sockets: the suites of both inherit this."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from pytest_sessionplugin.gateway.activity import NotQuiet
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.transport import ClientConnection
from pytest_sessionplugin.gateway.client.websocket import WebSocket
from pytest_sessionplugin.gateway.values import Manage
from tests.gateway.app import App


@dataclass(frozen=True)
class Pair:
    """The functions of `here` post to the sockets of `there`."""

    here: GatewayClient
    there: GatewayClient
    app: App  # of `here`
    other: App  # of `there`


class ActivityContract:
    """Subclass it with a fixture `pair`."""

    def test_quiet_is_exact_for_what_functions_of_the_other_post(self, pair: Pair) -> None:
        with pair.here.websocket() as alice, pair.there.websocket() as bob:
            for number in range(200):
                alice.send_text(f"post {bob.connection_id} {number}")
                assert bob.receive_text() == str(number)
                bob.receive_nothing()
                alice.receive_nothing()

    def test_a_frame_is_received_at_once_while_a_function_of_the_other_goes_on(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settle = pair.there._transport.settle

        def waits(line: ClientConnection | None = None) -> None:
            pair.app.gate.set()
            settle(line)

        with pair.here.websocket() as alice, pair.there.websocket() as bob:
            message = f"wait-post-wait {bob.connection_id} hi"
            sending = threading.Thread(target=alice.send_text, args=(message,))
            sending.start()
            assert pair.app.waiting.acquire(timeout=10)
            monkeypatch.setattr(pair.there._transport, "settle", waits)
            assert bob.receive_text() == "hi"
            pair.app.second_gate.set()
            sending.join(10)
            bob.receive_nothing()

    @pytest.mark.parametrize("patient", ["here", "there"])
    def test_none_is_quiet_while_a_function_of_any_runs(
        self, pair: Pair, patient: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pytest_sessionplugin.gateway.client.inprocess.PATIENCE", 0.01)
        monkeypatch.setattr("pytest_sessionplugin.gateway.server.server.PATIENCE", 0.01)
        alice = pair.here.websocket()
        sending = threading.Thread(target=alice.send_text, args=("wait x",))
        sending.start()
        assert pair.app.waiting.acquire(timeout=10)
        with pytest.raises(NotQuiet, match="still running: message"):
            getattr(pair, patient).settle()
        pair.app.gate.set()
        sending.join(10)
        monkeypatch.undo()
        pair.here.settle()

    def test_what_a_function_of_one_sets_off_at_the_other_is_done_when_either_is_quiet(self, pair: Pair) -> None:
        with pair.here.websocket() as alice:
            bob = pair.there.websocket()
            alice.send_text(f"kick {bob.connection_id}")
            pair.here.settle()
            assert ("disconnect", bob.connection_id, 1000, "Connection Closed Normally") in pair.other.log

    def test_a_function_of_one_that_ends_the_test_ends_it_wherever_the_test_asks_next(self, pair: Pair) -> None:
        pair.app.message = lambda event: pytest.fail("enough")  # type: ignore[method-assign]
        with pair.here.websocket() as alice:
            with pytest.raises(pytest.fail.Exception, match="enough"):
                _send_and_settle(alice, pair.there)
            pair.here.settle()

    def test_each_has_its_own_connections_and_trace(self, pair: Pair) -> None:
        with pair.here.websocket() as alice, pair.there.websocket():
            assert pair.here.websockets == (alice,)
            assert pair.app.manage("POST", str(alice.connection_id), "x").status == 410  # it posts to `there`
            posts = [[seen for seen in each.trace if isinstance(seen.what, Manage)] for each in (pair.here, pair.there)]
            assert [len(seen) for seen in posts] == [0, 1]


def _send_and_settle(client: WebSocket, elsewhere: GatewayClient) -> None:
    client.send_text("x")
    elsewhere.settle()
