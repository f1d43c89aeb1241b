"""HTTP on the wire: what a well-behaved client may do, and what no client can break."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from typing import Any, cast

import pytest

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.sockets import SocketTransport
from pytest_sessionplugin.gateway.server import http_protocol
from tests.conformance.wire import Wire
from tests.gateway.app import App
from tests.gateway.leftovers import nothing_is_left

pytestmark = pytest.mark.sockets

GET = "GET /status/200 HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def wire(gateway: GatewayClient) -> Iterator[Wire]:
    """A connection to the HTTP port; the gateway must still serve when the test is over."""
    assert gateway.urls is not None
    with Wire(gateway.urls.http) as wire:
        yield wire
    nothing_is_left(gateway)


class TestWellBehaved:
    def test_a_connection_serves_many_requests(self, wire: Wire) -> None:
        for _ in range(3):
            wire.send(GET)
            assert wire.answer() == (200, b"a body")

    def test_pipelined_requests_are_answered_in_order(self, wire: Wire) -> None:
        wire.send(GET + GET.replace("200", "201") + GET.replace("200", "418"))
        assert [wire.answer()[0] for _ in range(3)] == [200, 201, 418]

    @pytest.mark.parametrize("target", ["/status/200", "/status/204", "/status/418", "/nowhere", "/echo"])
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
    def test_an_answer_is_the_same_however_its_request_is_cut(
        self, gateway: GatewayClient, method: str, target: str
    ) -> None:
        """In one piece it does not pass through h11."""
        assert gateway.urls is not None
        request = f"{method} {target} HTTP/1.1\r\nHost: x\r\nX-WeIrD: 1\r\n\r\n"
        answers = []
        for pieces in ([request], [request[:9], request[9:]]):
            with Wire(gateway.urls.http) as wire:
                for piece in pieces:
                    wire.send(piece)
                    gateway.settle()
                wire.hang_up()
                answers.append(_without_what_changes(wire.rest()))
        assert answers[0] == answers[1]

    def test_what_follows_a_request_before_its_answer_is_read_after_it(self, wire: Wire, app: App) -> None:
        wire.send(GET)
        wire.send(
            GET.replace("200", "201") + GET.replace("200", "418").replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
        )
        assert [wire.answer()[0] for _ in range(3)] == [200, 201, 418]
        assert wire.rest() == b""

    def test_connection_close_is_honoured(self, wire: Wire) -> None:
        wire.send(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
        status, headers = wire.head()
        assert (status, headers["connection"]) == (200, "close")
        assert wire.rest() == b"a body"

    def test_http_1_0_gets_one_answer(self, wire: Wire) -> None:
        wire.send("GET /status/200 HTTP/1.0\r\n\r\n")
        assert wire.answer() == (200, b"a body")
        assert wire.rest() == b""

    def test_a_client_that_hangs_up_behind_its_request_still_gets_the_answer(self, wire: Wire) -> None:
        wire.send(GET)
        wire.hang_up()
        assert wire.answer() == (200, b"a body")
        assert wire.rest() == b""

    def test_a_chunked_body_arrives_whole(self, wire: Wire) -> None:
        wire.send(
            "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        status, body = wire.answer()
        event = json.loads(body)
        assert (status, event["body"]) == (200, "abcde")
        assert "Transfer-Encoding" not in event["headers"]

    def test_a_body_byte_by_byte_arrives_whole(self, wire: Wire) -> None:
        for byte in "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc":
            wire.send(byte)
        assert json.loads(wire.answer()[1])["body"] == "abc"

    def test_expect_100_continue_is_answered(self, wire: Wire) -> None:
        wire.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert wire.head()[0] == 100
        wire.send("abc")
        assert json.loads(wire.answer()[1])["body"] == "abc"

    def test_the_absolute_form_of_a_target_is_understood(self, wire: Wire) -> None:
        wire.send("GET http://x/echo?a=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        event = json.loads(wire.answer()[1])
        assert (event["path"], event["queryStringParameters"]) == ("/echo", {"a": "1"})

    def test_an_offer_to_upgrade_on_the_http_port_is_ignored(self, wire: Wire) -> None:
        wire.ask_to_upgrade("/status/200")
        assert wire.answer() == (200, b"a body")

    def test_the_spelling_of_headers_is_kept_both_ways(self, wire: Wire) -> None:
        wire.send("GET /echo HTTP/1.1\r\nHost: x\r\nx-WeIrD: 1\r\n\r\n")
        _, body = wire.answer()
        assert json.loads(body)["headers"]["x-WeIrD"] == "1"
        wire.send("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\nGET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"X-Echo: 1\r\n" in wire.rest()


def _without_what_changes(answer: bytes) -> bytes:
    """Ids and times, in headers and in an event that is sent back."""
    head, _, body = answer.partition(b"\r\n\r\n")
    ids = re.compile(rb"(?m)^(Date|x-amzn-RequestId): .*?\r$")
    return ids.sub(rb"\1", head) + re.sub(
        rb'"(extendedRequestId|request.*?|X-Amzn-Trace-Id)": ?("[^"]*"|\[[^]]*\]|\d+)', b"", body
    )


class TestMalformed:
    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"\r\n\r\n\x00\x01",
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",  # no Host
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,  # TLS
        ],
    )
    def test_requests_are_400_and_the_line_is_closed(self, wire: Wire, app: App, request_bytes: bytes) -> None:
        wire.send(request_bytes)
        assert wire.answer()[0] == 400
        wire.hang_up()
        assert wire.rest() == b""

    def test_a_head_without_end_is_431(self, wire: Wire) -> None:
        wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000)
        assert wire.answer()[0] == 431

    def test_a_body_that_is_shorter_than_it_says_runs_nothing(self, wire: Wire, gateway: GatewayClient) -> None:
        wire.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        wire.hang_up()
        assert b" 400 " in wire.rest()[:20]
        assert gateway.trace == []

    def test_a_body_that_is_longer_than_it_says_is_no_part_of_the_request(self, wire: Wire) -> None:
        wire.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcdef\r\n\r\n")
        assert json.loads(wire.answer()[1])["body"] == "abc"
        assert wire.answer()[0] == 400

    def test_a_body_of_more_than_10_mb_is_413_before_all_of_it_came(self, wire: Wire) -> None:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 10_485_761)
        assert wire.answer()[0] == 413

    def test_a_client_that_goes_on_sending_after_its_413_can_read_it(self, wire: Wire) -> None:
        wire.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n" + b"x" * 16_000_000)
        assert wire.answer()[0] == 413
        wire.hang_up()
        assert wire.rest() == b""

    def test_a_client_that_vanishes_while_its_handler_runs_harms_nobody(
        self, wire: Wire, gateway: GatewayClient, app: App
    ) -> None:
        released = threading.Event()

        def api_handler(event: object) -> object:
            app.waiting.release()
            assert released.wait(10)
            return {"statusCode": 200}

        serve = app.api_handler
        app.api_handler = api_handler  # type: ignore[method-assign]
        wire.send(GET)
        assert app.waiting.acquire(timeout=10)
        wire.reset()
        released.set()
        gateway.settle()
        app.api_handler = serve  # type: ignore[method-assign]

    def test_a_flood_of_pipelined_requests_is_not_kept_in_memory_without_bound(self, wire: Wire, app: App) -> None:
        """While the answers are not read, the server stops reading."""
        count = 2_000

        def flood() -> None:
            wire.send(GET * count)

        sending = threading.Thread(target=flood)
        sending.start()
        assert [wire.answer()[0] for _ in range(count)] == [200] * count
        sending.join(10)
        assert not sending.is_alive()


LARGE = "x" * 100_000

REQUESTS: list[tuple[str, str, int, str]] = [
    # what it is, the request without its Host header (a line | is where that stands), the answer, and then
    ("an upper limit of a URL", f"GET /members/{'x' * 8_183} HTTP/1.1|", 410, "stays"),
    ("a URL of 8193 characters", f"GET /members/{'x' * 8_184} HTTP/1.1|", 413, "stays"),
    ("a query that is too long", f"GET /echo?{'x' * 8_188} HTTP/1.1|", 413, "stays"),
    ("header values of 10241 bytes", f"GET /echo HTTP/1.1|X: {'x' * 10_240}\r\n", 431, "stays"),
    ("a refusal of HEAD", "HEAD /nope HTTP/1.1|", 403, "stays"),
    ("a HEAD whose headers are too large", f"HEAD /echo HTTP/1.1|X: {'x' * 10_240}\r\n", 431, "stays"),
    ("OPTIONS *", "OPTIONS * HTTP/1.1|", 403, "stays"),
    ("CONNECT", "CONNECT x:443 HTTP/1.1|", 403, "stays"),
    ("CONNECT of a path", "CONNECT /echo HTTP/1.1|", 403, "stays"),
    ("TRACE", "TRACE /echo HTTP/1.1|", 403, "stays"),
    ("a verb in lower case", "get /echo HTTP/1.1|", 403, "stays"),
    ("a target without a slash", "GET echo HTTP/1.1|", 400, "ends"),
    ("an absolute target without a path", "GET http://x?a=1 HTTP/1.1|", 403, "stays"),
    ("an escaped slash", "GET /members/a%2Fb HTTP/1.1|", 410, "stays"),
    ("two dots, which nobody resolves", "GET /members/../echo HTTP/1.1|", 403, "stays"),
    ("two dots as an id", "GET /members/.. HTTP/1.1|", 410, "stays"),
    ("an escaped NUL", "GET /members/%00 HTTP/1.1|", 410, "stays"),
    ("NUL", "GET /ec\0ho HTTP/1.1|", 400, "ends"),
    ("a blank in the path", "GET /ec ho HTTP/1.1|", 400, "ends"),
    ("UTF-8 that is not escaped", "GET /\xc3\xa9 HTTP/1.1|", 400, "ends"),
    ("HTTP/2", "PRI * HTTP/2.0|", 505, "ends"),
    ("HTTP/3", "GET /echo HTTP/3.0|", 505, "ends"),
    ("HTTP/0.9", "GET /echo|", 400, "ends"),
    ("a malformed Host", "GET /echo HTTP/1.1\r\nHost: a/b\r\n", 400, "ends"),
    ("a blank before the colon", "GET /echo HTTP/1.1|X : a\r\n", 400, "ends"),
    ("both lengths", "POST /echo HTTP/1.1|Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400, "ends"),
    ("a coding that nobody knows", "POST /echo HTTP/1.1|Transfer-Encoding: gzip, chunked\r\n", 501, "ends"),
    ("a length with a sign", "POST /echo HTTP/1.1|Content-Length: +3\r\n", 400, "ends"),
    ("a length of 30 digits", f"POST /echo HTTP/1.1|Content-Length: {'9' * 30}\r\n", 400, "ends"),
    ("a chunk without end", "POST /echo HTTP/1.1|Transfer-Encoding: chunked\r\n\r\n3\r\nabcX", 400, "ends"),
    ("a chunk of 2^120 bytes", f"POST /echo HTTP/1.1|Transfer-Encoding: chunked\r\n\r\n{'f' * 30}\r\n", 400, "ends"),
    ("trailers without end", f"POST /echo HTTP/1.1|Transfer-Encoding: chunked\r\n\r\n0\r\nX: {LARGE}", 431, "ends"),
]


class TestOdd:
    @pytest.mark.parametrize(("text", "status", "then"), [pytest.param(*row[1:], id=row[0]) for row in REQUESTS])
    def test_requests_have_an_answer_each_and_cost_nobody_else_theirs(
        self, wire: Wire, text: str, status: int, then: str
    ) -> None:
        wire.send(text.replace("|", "\r\nHost: x\r\n") + "\r\n")
        found, headers = wire.head()
        assert found == status
        if not text.startswith("HEAD"):
            wire.read(int(headers["content-length"]))
        if then == "stays":
            wire.send(GET)
            assert wire.answer() == (200, b"a body")
        else:
            assert headers["connection"] == "close"
            wire.hang_up()
            assert wire.rest() == b""

    def test_what_is_no_request_has_an_answer_behind_a_head_too(self, wire: Wire) -> None:
        wire.send("HEAD /echo HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.head()[0] == 200
        wire.send("GET\r\n\r\n")
        assert wire.answer() == (400, b'{"message": "Bad Request"}')
        assert wire.rest() == b""

    @pytest.mark.parametrize(
        "begun",
        [
            "G",
            "GET /echo HTTP/1.1\r\nHost: x\r\n",
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
            GET + "GET /",
        ],
        ids=["a byte", "a head", "a body", "a second one"],
    )
    def test_a_request_that_does_not_end_is_408(self, wire: Wire, monkeypatch: pytest.MonkeyPatch, begun: str) -> None:
        monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.05)
        wire.send(begun)
        if begun.startswith(GET):
            assert wire.answer() == (200, b"a body")
        assert wire.answer()[0] == 408
        wire.hang_up()
        assert wire.rest() == b""

    def test_no_limit_is_left_once_a_request_is_whole(
        self, wire: Wire, gateway: GatewayClient, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def api_handler(event: object) -> object:
            app.waiting.release()
            assert app.gate.wait(10)
            return {"statusCode": 200}

        with monkeypatch.context() as patched:
            patched.setattr(app, "api_handler", api_handler)
            wire.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            assert wire.head()[0] == 100
            (line,) = cast(SocketTransport, gateway._transport).server._dispatcher._sockets
            assert isinstance(line, http_protocol.HttpProtocol)
            limit = line._deadline
            wire.send("abc")
            assert app.waiting.acquire(timeout=10)
            assert limit is not None
            assert limit.cancelled()
            app.gate.set()
            assert wire.answer()[0] == 200

    def test_a_line_without_a_request_has_none(self, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http_protocol, "REQUEST_SECONDS", 0.0)
        for _ in range(3):
            wire.send(GET)
            assert wire.answer() == (200, b"a body")

    @pytest.mark.parametrize(
        ("result", "status", "body"),
        [
            (None, 502, b'{"message": "Internal server error"}'),
            (5, 502, b'{"message": "Internal server error"}'),
            ([], 502, b'{"message": "Internal server error"}'),
            ({1}, 502, b'{"message": "Internal server error"}'),
            ({"statusCode": 200, "more": 1}, 502, b'{"message": "Internal server error"}'),
            ({"statusCode": 200, "body": 1}, 502, b'{"message": "Internal server error"}'),
            ({"statusCode": "9" * 5_000}, 502, b'{"message": "Internal server error"}'),
            ({"statusCode": 200, "headers": {"a b": "c"}}, 502, b'{"message": "Internal server error"}'),
            ({"statusCode": 200, "headers": {"a": "b\r\nc: d"}}, 502, b'{"message": "Internal server error"}'),
            ({"statusCode": 200, "headers": {"Content-Length": "99"}, "body": "x"}, 200, b"x"),
            ({"statusCode": 200, "headers": {"Transfer-Encoding": "chunked"}, "body": "x"}, 200, b"x"),
            ({"statusCode": 200, "headers": {"Connection": "close"}, "body": "x"}, 200, b"x"),
            ({"statusCode": 200, "headers": {"a": " \ud800 "}, "body": "\ud800"}, 200, b"?"),
            ({"statusCode": 204, "body": "x"}, 204, b""),
            ({"statusCode": 304, "body": "x"}, 304, b""),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_results_of_functions_are_answered_and_the_line_stays(
        self, wire: Wire, app: App, monkeypatch: pytest.MonkeyPatch, method: str, result: Any, status: int, body: bytes
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(app, "api_handler", lambda event: result)
            wire.send(f"{method} /echo HTTP/1.1\r\nHost: x\r\n\r\n")
            found, headers = wire.head()
            if method == "GET":
                assert wire.read(int(headers.get("content-length", "0"))) == body
            assert found == status
        wire.send(GET)
        assert wire.answer() == (200, b"a body")
