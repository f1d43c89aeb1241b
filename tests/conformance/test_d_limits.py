"""Section D: limits and timers."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.conformance.client import Client
from tests.conformance.websocket import CLOSE, Socket

FRAME = 32 * 1024
MESSAGE = 128 * 1024


def fragments(socket: Socket, payload: bytes, size: int) -> None:
    pieces = [payload[start : start + size] for start in range(0, len(payload), size)]
    for number, piece in enumerate(pieces):
        socket.wire.frame(piece, 0 if number else 1, fin=number == len(pieces) - 1)


def order(size: int) -> bytes:
    """Sends a message of this size; its handler answers "heard" and tells no witness."""
    orders = {"do": [["send", "self", "heard"]], "witness": None, "padding": ""}
    return json.dumps({**orders, "padding": "x" * (size - len(json.dumps(orders)))}).encode()


def test_d1_a_frame_of_more_than_32_kb_closes_with_1009(whole: Client) -> None:
    """A frame may have 32 KB: a larger one closes with 1009, even if the message is under 128 KB."""
    socket = whole.connect()
    socket.wire.frame(order(FRAME))
    assert socket.read() == "heard"
    socket.wire.frame(order(FRAME + 1024))
    assert socket.closed() == 1009


def test_d2_a_message_of_more_than_128_kb_closes_with_1009(whole: Client) -> None:
    """A message may have 128 KB, in frames of up to 32 KB: a larger one closes with 1009."""
    socket = whole.connect()
    fragments(socket, order(MESSAGE), FRAME)
    assert socket.read() == "heard"
    fragments(socket, order(MESSAGE + 1024), FRAME)
    assert socket.closed() == 1009


def test_d3_ten_minutes_without_data_in_either_direction_close_with_1001(whole: Client) -> None:
    """The idle time-out is 10 minutes, counts data in either direction, and closes with 1001."""
    socket, witness = whole.watched()
    for data in ("out", "in", "out", "in"):
        whole.advance(9.5 * 60)
        assert witness.works()
        if data == "out":
            whole.connections().post_to_connection(ConnectionId=socket.id, Data=b"still here")
            assert socket.read() == "still here"
        else:
            socket.say(witness=witness.id)  # the client receives nothing
            witness.report("message")
    whole.settle()
    whole.advance(10 * 60)
    assert socket.closed() == 1001


def test_d4_a_connection_ends_after_two_hours(whole: Client) -> None:
    """After 2 hours a connection is closed, however active it is."""
    socket = whole.connect()
    for _ in range(14):
        whole.advance(8 * 60)
        assert socket.works()
        whole.settle()
    whole.advance(8 * 60)
    assert socket.next()[0] == CLOSE


def test_d5_the_integration_time_out_is_29_seconds(whole: Client) -> None:
    """A handler may take 29 s."""
    socket = whole.connect()
    with whole.holding("d5") as name:
        socket.say(["hold", name])
        socket.report("message")
        whole.advance(27, grace=0)
        assert socket.works()  # no frame came earlier
        whole.advance(2, grace=0)
        socket.say()
        assert "told" not in json.loads(socket.read())  # it came at once; which frame it is, is C9
        socket.report("message")


def test_d9_a_post_may_have_131072_bytes(whole: Client) -> None:
    """A post to a connection may have 131,072 bytes; one more is 413, from the server and not from boto3."""
    socket, _ = whole.watched()
    client = whole.connections()
    client.post_to_connection(ConnectionId=socket.id, Data=b"x" * 131_072)
    assert len(socket.read()) == 131_072
    with pytest.raises(ClientError) as raised:
        client.post_to_connection(ConnectionId=socket.id, Data=b"x" * 131_073)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert socket.works()
