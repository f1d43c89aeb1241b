"""A test's WebSocket: expectations that fail with the transcript, and the ways to leave."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.gateway.client.transport import Ended
from pytest_sessionplugin.gateway.client.websocket import ConnectionClosed, Exchanged, NothingReceived, WebSocket
from tests.gateway.client.fakes import FakeConnection, FakeTransport

LOST: list[str] = []


def websocket(connection: FakeConnection, ended: list[WebSocket] | None = None) -> WebSocket:
    on_end = (ended if ended is not None else []).append
    return WebSocket(FakeTransport(), connection, on_end=on_end, lose_disconnect=LOST.append)


def test_a_frame_that_does_not_come_shows_the_transcript() -> None:
    ws = websocket(FakeConnection('{"type": "hello"}'))
    ws.send_text("hi")
    assert ws.expect("hello") == {"type": "hello"}
    with pytest.raises(NothingReceived) as raised:
        ws.receive_text()
    assert str(raised.value) == (
        'no frame came, and the gateway is quiet; on this socket:\n      sent  hi\n  received  {"type": "hello"}'
    )


def test_a_frame_that_was_not_expected_can_be_received_after_receive_nothing() -> None:
    ws = websocket(FakeConnection("hi"))
    with pytest.raises(AssertionError, match="expected no frame, received hi"):
        ws.receive_nothing()
    assert ws.receive_text() == "hi"


def test_a_frame_that_is_not_json_is_an_error_that_shows_it() -> None:
    with pytest.raises(AssertionError, match="expected JSON, received <html>"):
        websocket(FakeConnection("<html>")).receive_json()


def test_sending_after_the_end_raises_and_says_how_it_ended_once() -> None:
    ended: list[WebSocket] = []
    ws = websocket(FakeConnection(Ended(1001, "Going away")), ended)
    for _ in range(2):
        with pytest.raises(ConnectionClosed, match="code 1001, reason 'Going away'") as closed:
            ws.send_text("late")
        assert (closed.value.code, closed.value.reason) == (1001, "Going away")
    assert ended == [ws]
    assert ws.frames == [Exchanged("closed", "1001 Going away")]


def test_a_drop_without_disconnect_loses_it() -> None:
    LOST.clear()
    connection = FakeConnection()
    websocket(connection).drop(disconnect=False)
    assert (LOST, connection.sent) == (["alice"], ["dropped"])


@pytest.mark.parametrize(("raised", "sent"), [(ValueError, [(None, "")]), (KeyboardInterrupt, [])])
def test_a_block_closes_it_unless_ctrl_c_ends_the_run(raised: type[BaseException], sent: list[object]) -> None:
    connection = FakeConnection()
    with pytest.raises(raised), websocket(connection):
        raise raised
    assert connection.sent == sent


@pytest.mark.parametrize(("code", "reason"), [(1005, ""), (1006, ""), (999, ""), (None, "why"), (1000, "x" * 124)])
def test_a_close_that_rfc_6455_forbids_is_an_error(code: int | None, reason: str) -> None:
    connection = FakeConnection()
    with pytest.raises(ValueError, match="a client cannot close with"):
        websocket(connection).close(code, reason)
    assert connection.sent == []


def test_a_long_message_is_cut_in_the_transcript() -> None:
    assert str(Exchanged("sent", "x" * 501)) == f"    sent  {'x' * 500}… (501)"
