"""A test's WebSocket: expectations that fail with the transcript, and the ways to leave."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_sessionplugin.gateway.client.transport import Ended
from pytest_sessionplugin.gateway.client.websocket import MANY, ConnectionClosed, Frame, NothingReceived, WebSocket
from tests.gateway.client.fakes import FakeConnection, FakeTransport

LOST: list[str] = []


def websocket(connection: FakeConnection, ended: list[WebSocket] | None = None) -> WebSocket:
    on_end = (ended if ended is not None else []).append
    return WebSocket(FakeTransport(), connection, on_end=on_end, lose_disconnect=LOST.append)


def test_a_frame_that_does_not_come_shows_the_transcript() -> None:
    ws = websocket(FakeConnection('{"type": "hello"}'))
    ws.send_text("hi")
    assert ws.expect(type="hello") == {"type": "hello"}
    with pytest.raises(NothingReceived) as raised:
        ws.receive_text()
    assert str(raised.value) == (
        'no frame came, and the gateway is quiet; on this socket:\n      sent  hi\n  received  {"type": "hello"}'
    )


ACK, NEWS, MORE = '{"event": "ack", "seq": 1}', '{"event": "news", "seq": 1}', '{"event": "news", "seq": 2}'


def test_any_protocols_fields_can_be_expected() -> None:
    ws = websocket(FakeConnection(ACK, '{"event-name": "a", "skip": 1, "n": {"x": 1, "y": 2}}', '{"any_order": 1}'))
    assert ws.expect(event="ack") == {"event": "ack", "seq": 1}
    assert ws.expect({"event-name": "a", "skip": 1}, n={"x": 1})["n"] == {"x": 1, "y": 2}
    ws.expect(any_order=1)


def test_another_frame_fails_with_the_difference_and_what_came_before() -> None:
    ws = websocket(FakeConnection(ACK, '{"event": "ack", "seq": 2, "note": "late"}'))
    ws.expect(event="ack")
    with pytest.raises(AssertionError) as raised:
        ws.expect(event="ack", seq=1, not_="late")
    assert str(raised.value) == (
        "expected {'event': 'ack', 'seq': 1, 'not_': 'late'}, received {'event': 'ack', 'seq': 2, 'note': 'late'}: "
        "seq is 2, not 1; it has no not_ (did you mean note?); on this socket:\n"
        f'  received  {ACK}\n  received  {{"event": "ack", "seq": 2, "note": "late"}}'
    )


@pytest.mark.parametrize("frame", ["<html>", "[1]", '"ack"', "null"])
def test_a_frame_that_is_not_an_object_is_not_the_expected_one(frame: str) -> None:
    with pytest.raises(AssertionError, match=r"expected \{'event': 'ack'\}, received .*; on this socket:"):
        websocket(FakeConnection(frame)).expect(event="ack")


def test_skip_leaves_out_other_frames_and_takes_no_later_one() -> None:
    ws = websocket(FakeConnection("<html>", NEWS, ACK, MORE))
    assert ws.expect(event="ack", skip=True)["seq"] == 1
    assert ws.receive_text() == MORE
    assert [frame.data for frame in ws.frames] == ["<html>", NEWS, ACK, MORE]


def test_skip_ends_when_the_gateway_is_quiet_and_shows_what_came_instead_in_order() -> None:
    ws = websocket(FakeConnection(NEWS, MORE))
    with pytest.raises(NothingReceived) as raised:
        ws.expect(event="ack", seq=2, skip=True)
    assert str(raised.value) == (
        "expected {'event': 'ack', 'seq': 2}; 2 other frames came, and the gateway is quiet; the nearest was "
        f"{{'event': 'news', 'seq': 2}}: event is 'news', not 'ack'; on this socket:\n  received  {NEWS}\n"
        f"  received  {MORE}"
    )
    with pytest.raises(NothingReceived, match=r"^expected \{'event': 'ack'\}; no frame came, and the gateway"):
        ws.expect(event="ack", skip=True)


def test_skip_ends_though_a_function_sends_for_ever() -> None:
    connection = FakeConnection(*[NEWS] * (MANY + 1))
    with pytest.raises(NothingReceived, match=f"{MANY} other frames came"):
        websocket(connection).expect(event="ack", skip=True)
    assert len(connection.messages) == 1


def test_skip_ends_with_the_timeout_of_a_stage_that_sends_for_ever() -> None:
    connection = FakeConnection(NEWS, MORE, ACK)
    transport = FakeTransport(patience=1e-9)
    ws = WebSocket(transport, connection, on_end=list[WebSocket]().append, lose_disconnect=LOST.append)
    with pytest.raises(NothingReceived, match="1 other frame came within 1e-09 s; the nearest was"):
        ws.expect(event="ack", skip=True)
    assert len(connection.messages) == 2


def test_a_misspelt_keyword_is_a_field_that_no_frame_has() -> None:
    for skip in ("skp", "Skip"):
        with pytest.raises(AssertionError, match=rf"it has no {skip} \(did you mean skip\?\)"):
            websocket(FakeConnection(ACK)).expect(event="ack", **{skip: True})


def test_several_frames_come_in_order_or_in_any_order() -> None:
    ack, news = {"event": "ack"}, {"event": "news"}
    assert websocket(FakeConnection(ACK, NEWS)).expect_all(ack, news)[1]["event"] == "news"
    assert websocket(FakeConnection(NEWS, ACK)).expect_all(ack, news, any_order=True)[0]["event"] == "ack"
    assert websocket(FakeConnection(NEWS, "x", MORE, ACK)).expect_all(news, ack, skip=True)[0]["seq"] == 1
    both = websocket(FakeConnection(MORE, "x", ACK)).expect_all(ack, news, any_order=True, skip=True)
    assert [each["seq"] for each in both] == [1, 2]
    with pytest.raises(AssertionError, match=r"expected \{'event': 'ack'\}, received \{'event': 'news', 'seq': 1\}: e"):
        websocket(FakeConnection(NEWS, ACK)).expect_all(ack, news)


def test_any_order_takes_each_frame_once_and_names_what_is_missing() -> None:
    news, ack = {"event": "news"}, {"event": "ack"}
    with pytest.raises(AssertionError, match=r"expected \{'event': 'ack'\}, received .*'seq': 2\}: event is 'news'"):
        websocket(FakeConnection(NEWS, MORE)).expect_all(news, ack, any_order=True)
    with pytest.raises(AssertionError, match=r"expected \{'event': 'news'\} and \{'event': 'ack'\}, received 'x'; on"):
        websocket(FakeConnection("x")).expect_all(news, ack, any_order=True)


@pytest.mark.parametrize("asked", [{}, {"skip": True}])
def test_an_expectation_without_a_field_is_an_error(asked: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"takes at least one field; receive_json\(\) returns any frame"):
        websocket(FakeConnection(ACK)).expect(**asked)


def test_a_bare_value_is_not_a_pattern() -> None:
    ws: Any = websocket(FakeConnection(ACK))
    with pytest.raises(TypeError, match=r"expect\(\) takes fields, as in expect\(field='ack'\), or a mapping of them"):
        ws.expect("ack")
    for any_order in (False, True):
        with pytest.raises(TypeError, match=r"expect_all\(\) takes a mapping for each frame, as in expect_all\({'a'"):
            ws.expect_all([{"type": "ack"}], any_order=any_order)


def test_iteration_receives_until_the_gateway_is_quiet() -> None:
    ws = websocket(FakeConnection(ACK, "<html>"))
    frames = list(ws)
    assert frames == [Frame("received", ACK), Frame("received", "<html>")]
    assert frames == ws.frames
    assert frames[0].json() == {"event": "ack", "seq": 1}
    with pytest.raises(AssertionError, match="expected JSON, received <html>"):
        frames[1].json()
    assert list(ws) == []


def test_iteration_ends_with_the_socket() -> None:
    ended: list[WebSocket] = []
    ws = websocket(FakeConnection(ACK, Ended(1001)), ended)
    assert [frame.data for frame in ws] == [ACK]
    assert (ended, ws.frames[-1]) == ([ws], Frame("closed", "1001"))


def test_a_long_transcript_shows_its_end() -> None:
    ws = websocket(FakeConnection(*map(str, range(25))))
    list(ws)
    with pytest.raises(NothingReceived) as raised:
        ws.receive_text()
    assert str(raised.value).count("received  ") == 20
    assert "; on this socket, after 5 others:\n  received  5\n" in str(raised.value)


def test_a_value_of_another_kind_is_refused_with_the_method_that_sends_it() -> None:
    connection = FakeConnection()
    ws: Any = websocket(connection)
    with pytest.raises(TypeError, match=r"send_text\(\) takes str, not dict, which send_json\(\) sends"):
        ws.send_text({"a": 1})
    with pytest.raises(TypeError, match=r"send_text\(\) takes str, not bytes, which send_bytes\(\) sends"):
        ws.send_text(b"a")
    with pytest.raises(TypeError, match=r"send_bytes\(\) takes bytes, not str, which send_text\(\) sends"):
        ws.send_bytes("a")
    assert connection.sent == ws.frames == []


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
    assert ws.frames == [Frame("closed", "1001 Going away")]


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
    assert str(Frame("sent", "x" * 501)) == f"    sent  {'x' * 500}… (501)"
