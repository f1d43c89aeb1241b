"""Section C: messages, and frames made by the gateway."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conformance.client import Client
from tests.conformance.websocket import BINARY, PING, PONG, TEXT, Socket

LAYOUT = re.compile(r'\{"message": "Forbidden", "connectionId":"([^"]+)", "requestId":"([^"]+)"\}')


def complaint(socket: Socket) -> str:
    """The gateway's message in the next frame, which has three keys in any layout."""
    said = json.loads(socket.read())
    assert set(said) == {"message", "connectionId", "requestId"}, said
    assert said["requestId"]
    return str(said["message"])


def says_no_more(socket: Socket) -> bool:
    """Whether two messages are answered by their handlers alone."""
    return socket.works() and socket.works()


@pytest.mark.parametrize("action", ["join", "$default", "", None, 1, ["join"], {"a": 1}])
def test_c1_an_action_that_no_route_has_goes_to_default(whole: Client, action: Any) -> None:
    """The expression's value of the JSON body is matched with the route keys exactly; then comes $default."""
    socket = whole.connect()
    socket.say(action=action)
    assert socket.report("message")["event"]["requestContext"]["routeKey"] == "$default"


@pytest.mark.parametrize("text", ["plain", "{", "grüße ☃ 𝄞", "a\r\n\tb", " padded\n", "[", "{'action': 'join'}"])
def test_c4_text_that_is_no_json_goes_to_default(whole: Client, text: str) -> None:
    """Text other than JSON goes to $default unchanged."""
    socket = whole.connect()
    socket.text(text)
    event = socket.report("message")["event"]
    assert (event["requestContext"]["routeKey"], event["body"]) == ("$default", text)


@pytest.mark.parametrize("text", ['{"action": "join"}', "plain"])
def test_c5_without_a_route_a_message_is_forbidden(mute: Client, text: str) -> None:
    """Without a matching route and $default: one text frame that says Forbidden, and the socket stays open."""
    socket = mute.connect()
    for _ in range(2):
        socket.text(text)
        assert complaint(socket) == "Forbidden"  # one frame for each message, and no close


def test_c6_the_gateways_frames_have_three_spaces(mute: Client) -> None:
    """These frames have a space after the first colon and each comma, and not after the other two colons."""
    socket = mute.connect()
    socket.text("hello")
    socket.text("hello")
    frames = [socket.read() for _ in range(2)]
    matches = [match.groups() for frame in frames if (match := LAYOUT.fullmatch(frame))]
    assert len(matches) == 2, frames
    (connection, first), (same, second) = matches
    assert connection == same
    assert first != second


@pytest.mark.parametrize("step", [["raise", "broken"], ["exit"], ["return", {"statusCode": "many"}]])
def test_c7_a_handler_that_fails_is_an_internal_server_error(whole: Client, step: list[Any]) -> None:
    """A function that raises or returns a malformed result: a frame, and the socket stays open."""
    socket = whole.connect()
    socket.say(step)
    socket.report("message")
    assert complaint(socket) == "Internal server error"
    assert socket.works()


def test_c8_a_result_with_other_keys_is_malformed(whole: Client) -> None:
    """A result with keys other than those of a proxy result is malformed; one without any of them is accepted."""
    socket = whole.connect()
    socket.say(["return", {"statusCode": 200, "ConnectionId": "a", "Data": "b"}])
    socket.report("message")
    assert complaint(socket) == "Internal server error"
    known = {"statusCode": 200, "headers": {}, "multiValueHeaders": {}, "body": "", "isBase64Encoded": False}
    socket.say(["return", known])
    socket.report("message")
    assert says_no_more(socket)


def test_c9_a_handler_that_takes_29_seconds_times_out(whole: Client) -> None:
    """The integration time-out is 29 s: a frame says so, and the socket stays open."""
    socket = whole.connect()
    with whole.holding("c9") as name:
        socket.say(["hold", name])
        socket.report("message")
        whole.advance(29)
        assert complaint(socket) == "Endpoint request timed out"
        assert socket.works()


@pytest.mark.parametrize("status", [200, 500])
def test_c11_what_a_message_handler_returns_is_not_sent(whole: Client, status: int) -> None:
    """The body that a function returns is not sent: its route has no route response."""
    socket = whole.connect()
    socket.say(["return", {"statusCode": status, "body": "to nobody"}])
    socket.report("message")
    assert says_no_more(socket)


@pytest.mark.parametrize("payload", [b"", b"\0\1", b'{"action": "join"}'])
def test_c13_a_binary_frame_closes_with_1003(whole: Client, payload: bytes) -> None:
    """A binary frame closes the connection with 1003."""
    socket = whole.connect()
    socket.wire.frame(payload, BINARY)
    assert socket.closed() == 1003


@pytest.mark.parametrize("status", [400, 403, 500, 599])
def test_c14_the_status_of_a_message_handler_is_seen_by_nobody(whole: Client, status: int) -> None:
    """The statusCode that a message handler returns has no effect on the client."""
    socket = whole.connect()
    socket.say(["return", {"statusCode": status}])
    socket.report("message")
    assert says_no_more(socket)


def test_c15_each_message_is_handled_in_whatever_order(whole: Client) -> None:
    """Each message has its own invocation and answer; their order is not guaranteed."""
    socket = whole.connect()
    for number in range(10):
        socket.say(number=number)
    reports = [socket.report("message") for _ in range(10)]
    assert sorted(report["json"]["number"] for report in reports) == list(range(10))
    assert len({report["event"]["requestContext"]["requestId"] for report in reports}) == 10


def test_c16_a_ping_is_answered_and_no_event(whole: Client) -> None:
    """A Ping gets its Pong with the same payload, even within a message; neither is an event, and no route runs."""
    socket = whole.connect()
    for payload in (b"", b"are you there?"):
        socket.wire.frame(payload, PING)
        assert socket.next() == (PONG, payload)
    socket.wire.frame(b"first ", TEXT, fin=False)
    socket.wire.frame(b"between", PING)
    assert socket.next() == (PONG, b"between")
    socket.wire.frame(b"last", 0)
    assert socket.report("message")["event"]["body"] == "first last"
    socket.wire.frame(b"unasked", PONG)
    assert says_no_more(socket)


def test_c17_what_the_gateway_sends_is_text(whole: Client) -> None:
    """Pushes are text frames, whatever their bytes, and so are the gateway's own: C5 and C7 read them as such."""
    socket = whole.connect()
    socket.say(["send", "self", "grüße"])
    socket.report("message")
    assert socket.next() == (TEXT, "grüße".encode())


def test_c18_fragments_are_one_message(whole: Client) -> None:
    """A fragmented message is joined and makes one event."""
    socket = whole.connect()
    pieces = ["grü".encode()[:-1], "grü".encode()[-1:] + b"\xc3", b"", b"\x9fe"]
    for number, piece in enumerate(pieces):
        socket.wire.frame(piece, 0 if number else TEXT, fin=number == len(pieces) - 1)
    assert socket.report("message")["event"]["body"] == "grüße"
    assert socket.works()
