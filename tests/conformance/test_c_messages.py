"""Section C: messages, and the frames that the gateway makes itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.conformance.client import Client
from tests.conformance.websocket import BINARY, PING, PONG, TEXT, Socket

ID = "[A-Za-z0-9_-]{15}="


def complaint(message: str) -> re.Pattern[str]:
    """A frame of the gateway, to the byte."""
    return re.compile(rf'\{{"message": "{message}", "connectionId":"({ID})", "requestId":"({ID})"\}}')


def says_no_more(socket: Socket) -> bool:
    """Whether two messages are answered by their handlers, and by nothing else."""
    return socket.works() and socket.works()


@pytest.mark.parametrize("action", ["join", "$default", "", None, 1, ["join"], {"a": 1}])
def test_c1_an_action_that_no_route_has_goes_to_default(whole: Client, action: Any) -> None:
    """The expression's value of the JSON body is matched with the route keys exactly; then comes $default."""
    socket = whole.connect()
    socket.say(action=action)
    assert socket.report("message")["event"]["requestContext"]["routeKey"] == "$default"


@pytest.mark.parametrize("text", ["plain", "{", "grüße ☃ 𝄞", "a\r\n\tb", "[", "{'action': 'join'}"])
def test_c4_text_that_is_no_json_goes_to_default(whole: Client, text: str) -> None:
    """Text that is no JSON goes to $default, as it is."""
    socket = whole.connect()
    socket.text(text)
    event = socket.report("message")["event"]
    assert (event["requestContext"]["routeKey"], event["body"]) == ("$default", text)


@pytest.mark.parametrize("text", ['{"action": "join"}', "plain"])
def test_c5_without_a_route_a_message_is_forbidden(mute: Client, text: str) -> None:
    """No route and no $default: one text frame that says Forbidden, and the socket stays open."""
    socket = mute.connect()
    for _ in range(2):
        socket.text(text)
        said = json.loads(socket.read())
        assert set(said) == {"message", "connectionId", "requestId"}
        assert said["message"] == "Forbidden"
    socket.wire.frame(b"still here", PING)
    assert socket.next() == (PONG, b"still here")  # one frame a message, and no close


def test_c6_the_gateways_frames_have_three_spaces(mute: Client) -> None:
    """In these frames a space follows the first colon and each comma, and none the other two colons."""
    socket = mute.connect()
    socket.text("hello")
    socket.text("hello")
    matches = [complaint("Forbidden").fullmatch(socket.read()) for _ in range(2)]
    first, second = (match.groups() if match else () for match in matches)
    assert first[0] == second[0]
    assert first[1] != second[1]


@pytest.mark.parametrize("steps", [[["raise", "broken"]], [["exit"]], [["return", {"statusCode": 200, "more": 1}]]])
def test_c7_a_handler_that_fails_is_an_internal_server_error(whole: Client, steps: list[Any]) -> None:
    """A function that raises or returns what is no proxy result: a frame, and the socket stays open."""
    socket, _ = whole.watched()
    socket.say(*steps)
    request_id = socket.report("message")["event"]["requestContext"]["requestId"]
    match = complaint("Internal server error").fullmatch(socket.read())
    assert match is not None
    assert match.groups() == (socket.id, request_id)
    assert socket.works()


def test_c8_a_result_with_other_keys_is_malformed(whole: Client) -> None:
    """A result with keys that are none of a proxy result's is malformed; without them it is none."""
    socket = whole.connect()
    socket.say(["return", {"statusCode": 200, "ConnectionId": "a", "Data": "b"}])
    socket.report("message")
    assert complaint("Internal server error").fullmatch(socket.read())
    known = {"statusCode": 200, "headers": {}, "multiValueHeaders": {}, "body": "", "isBase64Encoded": False}
    socket.say(["return", known])
    socket.report("message")
    assert says_no_more(socket)


def test_c9_a_handler_that_takes_29_seconds_times_out(whole: Client) -> None:
    """The integration time-out, 29 s: a frame that says so, and the socket stays open."""
    socket, _ = whole.watched()
    with whole.holding("c9") as name:
        socket.say(["hold", name])
        request_id = socket.report("message")["event"]["requestContext"]["requestId"]
        whole.advance(29)
        match = complaint("Endpoint request timed out").fullmatch(socket.read())
        assert match is not None
        assert match.groups() == (socket.id, request_id)
        assert socket.works()


@pytest.mark.parametrize("status", [200, 500])
def test_c11_what_a_message_handler_returns_is_not_sent(whole: Client, status: int) -> None:
    """The body that a function returns is not sent, as its route has no route response."""
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
    """Each message has its invocation and its answer; their order is not guaranteed."""
    socket = whole.connect()
    for number in range(10):
        socket.say(number=number)
    reports = [socket.report("message") for _ in range(10)]
    assert sorted(report["json"]["number"] for report in reports) == list(range(10))
    assert len({report["event"]["requestContext"]["requestId"] for report in reports}) == 10


def test_c16_a_ping_is_answered_and_no_event(whole: Client) -> None:
    """A Ping gets its Pong with the same payload; neither is an event, and no route runs."""
    socket, witness = whole.watched()
    for payload in (b"", b"are you there?"):
        socket.wire.frame(payload, PING)
        assert socket.next() == (PONG, payload)
    socket.wire.frame(b"unasked", PONG)
    assert socket.works()
    assert witness.works()


def test_c17_what_the_gateway_sends_is_text(whole: Client, mute: Client) -> None:
    """Pushes and the gateway's own frames are text frames."""
    pushed, complained = whole.connect(), mute.connect()
    pushed.say(["send", "self", "grüße"])
    complained.text("hello")
    pushed.report("message")
    assert pushed.next() == (TEXT, "grüße".encode())
    assert complained.next()[0] == TEXT


def test_c18_fragments_are_one_message(whole: Client) -> None:
    """A message in fragments is put together, and is one event."""
    socket = whole.connect()
    pieces = ["grü".encode()[:-1], "grü".encode()[-1:] + b"\xc3", b"", b"\x9fe"]
    for number, piece in enumerate(pieces):
        socket.wire.frame(piece, 0 if number else TEXT, fin=number == len(pieces) - 1)
        if number == 1:
            socket.wire.frame(b"between", PING)
            assert socket.next() == (PONG, b"between")
    assert socket.report("message")["event"]["body"] == "grüße"
    assert socket.works()
