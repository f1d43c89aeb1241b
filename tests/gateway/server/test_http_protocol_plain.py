"""Requests that are read without h11: whatever comes, it is what h11 would have read."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_sessionplugin.gateway.server import http_protocol

pytestmark = pytest.mark.slow

NAMES = [
    b"Host",
    b"host",
    b"Content-Length",
    b"Connection",
    b"Transfer-Encoding",
    b"Expect",
    b"Upgrade",
    b"X-A",
    b"x a",
]
VALUES = [
    b"x",
    b"",
    b"0",
    b"2",
    b"02",
    b"2, 2",
    b"+2",
    b"keep-alive",
    b"close",
    b"chunked",
    b"100-continue",
    b"a\tb",
    b"\xe9",
]
METHODS = [b"GET", b"POST", b"HEAD", b"CONNECT", b"get", b"G@T"]
TARGETS = [b"/", b"/a?b=%20", b"*", b"http://x/", b"x:1", b"/\xe9", b"/a b", b""]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"http/1.1"]
ENDS = [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\r\n "]


def mostly(likely: bytes, others: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of(st.just(likely), st.just(likely), st.just(likely), st.sampled_from(others))


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Nearly requests."""
    first = b" ".join(
        [draw(mostly(b"GET", METHODS)), draw(mostly(b"/a", TARGETS)), draw(mostly(b"HTTP/1.1", VERSIONS))]
    )
    headers = draw(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=3))
    spaces = mostly(b" ", [b"", b"\t ", b"  "])
    lines = [first, b"Host: x", *(name + b":" + draw(spaces) + value for name, value in headers)]
    body = draw(st.sampled_from([b"", b"", b"ab", b"abc", b"\x00\xff"]))
    return b"".join(line + draw(mostly(b"\r\n", ENDS)) for line in [*lines, b""]) + body


def as_h11_reads(data: bytes) -> http_protocol.PlainRequest | None:
    """None: h11 refuses it, waits for more, or has something left."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    try:
        request, body = connection.next_event(), b""
        if not isinstance(request, h11.Request):
            return None
        while isinstance(event := connection.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError:
        return None
    stays = connection.their_state is h11.DONE and not connection.they_are_waiting_for_100_continue
    if not isinstance(event, h11.EndOfMessage) or connection.trailing_data[0] or not stays:
        return None
    headers = tuple((name.decode(), value.decode("latin-1")) for name, value in request.headers.raw_items())
    return http_protocol.PlainRequest(request.method.decode(), request.target.decode(), headers, body)


@settings(max_examples=400, derandomize=True, deadline=None, database=None)
@given(requests())
def test_what_it_takes_h11_reads_alike(data: bytes) -> None:
    taken = http_protocol.read(data)
    assert taken is None or taken == as_h11_reads(data)


@settings(max_examples=500, derandomize=True, deadline=None, database=None)
@given(st.binary(max_size=40), st.integers(0, 60), st.integers(0, 5))
def test_nor_does_it_take_more_of_what_is_damaged(noise: bytes, at: int, cut: int) -> None:
    whole = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
    data = whole[:at] + noise + whole[at + cut :]
    taken = http_protocol.read(data)
    assert taken is None or taken == as_h11_reads(data)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD /a?b HTTP/1.1\r\nhost: localhost:8000\r\nAccept: */*\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: Keep-Alive\r\nX-WeIrD:  a b\t\r\ncontent-length: 2\r\n\r\nab",
    ],
)
def test_it_does_take_what_clients_send(data: bytes) -> None:
    taken = http_protocol.read(data)
    assert taken is not None
    assert taken == as_h11_reads(data)


@pytest.mark.parametrize(
    "header",
    [
        *(b"Host: y", b"Connection: close", b"Connection: upgrade", b"Expect: 100-continue", b"Upgrade: h2c"),
        *(b"Transfer-Encoding: chunked", b"Content-Length: 3", b"Content-Length: 1\r\nContent-Length: 1", b"X: \xe9"),
    ],
)
def test_what_is_to_be_looked_at_more_closely_is_left_to_h11(header: bytes) -> None:
    assert http_protocol.read(b"POST / HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\na") is None
