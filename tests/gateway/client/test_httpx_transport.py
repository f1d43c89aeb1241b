"""httpx in front of an app, in process, on sockets and with a deployed stage alike."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator

import httpx
import pytest

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.httpx_transport import HttpxTransport
from pytest_sessionplugin.gateway.client.transport import Unreachable
from pytest_sessionplugin.gateway.values import Headers, Reply
from tests.gateway.app import App
from tests.gateway.client.fakes import FakeTransport

COOKIES = {"Set-Cookie": ["a=1", "b=2; Path=/"]}


def client(gateway: GatewayClient) -> httpx.Client:
    return httpx.Client(transport=gateway.httpx_transport(), base_url=gateway.base_url)


def test_a_request_reaches_the_function_as_from_the_gateways_own_client(each_gateway: GatewayClient) -> None:
    with client(each_gateway) as http:
        theirs = http.post("/echo", json={"é": 1}, params={"a": [1, 2]}, headers={"X-More": "2"}).json()
    ours = each_gateway.post("/echo", json={"é": 1}, params={"a": [1, 2]}, headers={"X-More": "2"}).json()
    assert json.loads(theirs["body"]) == json.loads(ours["body"])
    for same in ("httpMethod", "path", "resource", "multiValueQueryStringParameters"):
        assert theirs[same] == ours[same]
    assert theirs["requestContext"]["path"] == ours["requestContext"]["path"]
    for same in ("Host", "Content-Type", "X-More"):
        assert theirs["headers"][same] == ours["headers"][same]
    assert not {"content-length", "connection", "transfer-encoding"} & {name.lower() for name in theirs["headers"]}


def test_a_host_of_the_test_is_sent(each_gateway: GatewayClient) -> None:
    with client(each_gateway) as http:
        assert http.get("/echo", headers={"Host": "chat.example"}).json()["headers"]["Host"] == "chat.example"


def test_cookies_redirects_and_repeated_headers_are_httpxs_own(each_gateway: GatewayClient) -> None:
    with client(each_gateway) as http:
        answered = http.post("/returned", json={"statusCode": 200, "multiValueHeaders": COOKIES})
        assert answered.headers.get_list("set-cookie") == ["a=1", "b=2; Path=/"]
        assert http.get("/echo").json()["headers"]["Cookie"] == "a=1; b=2"
        redirect = {"statusCode": 303, "headers": {"Location": f"{each_gateway.base_url}/status/418"}}
        assert http.post("/returned", json=redirect).status_code == 303
        followed = http.post("/returned", json=redirect, follow_redirects=True)
        assert (followed.status_code, len(followed.history)) == (418, 1)


def test_a_compressed_answer_is_read(each_gateway: GatewayClient) -> None:
    with client(each_gateway) as http:
        answered = http.get("/large/500")
    assert (answered.text, answered.headers["content-encoding"]) == ("x" * 500, "gzip")


def test_a_body_in_pieces_arrives_whole(each_gateway: GatewayClient) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a piece"
        yield b" and another"

    with client(each_gateway) as http:
        assert http.post("/echo", content=pieces()).json()["body"] == "a piece and another"


@pytest.mark.parametrize("url", ["https://login.example/", "https://login.example/api/echo"])
def test_the_url_of_another_host_is_refused(each_gateway: GatewayClient, url: str) -> None:
    expected = f"login.example is not the host of this app, whose URLs begin with {each_gateway.base_url}"
    with client(each_gateway) as http, pytest.raises(httpx.ConnectError, match=f"^{expected}$"):
        http.get(url)


def test_a_path_alone_needs_a_base_url(each_gateway: GatewayClient) -> None:
    sentence = r"^/echo is a path without a host: give the client base_url=chalice_gateway.base_url$"
    http = httpx.Client(transport=each_gateway.httpx_transport())
    with http, pytest.raises(httpx.UnsupportedProtocol, match=sentence):
        http.get("/echo?token=t0ken")


def test_a_stage_that_does_not_answer_is_an_error_of_httpx() -> None:
    class Silent(FakeTransport):
        def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
            raise Unreachable("rest.example cannot be reached: no")

    http = httpx.Client(transport=HttpxTransport(Silent()), base_url="https://rest.example/api")
    with http, pytest.raises(httpx.ConnectError, match=r"^rest\.example cannot be reached: no$") as refused:
        http.get("/echo", headers={"Authorization": "t0ken"})
    assert refused.value.__suppress_context__


def test_requests_of_one_loop_are_answered_at_the_same_time(each_gateway: GatewayClient, app: App) -> None:
    """Neither handler returns before both run."""
    both = threading.Barrier(2, timeout=10)

    def api_handler(event: object) -> dict[str, object]:
        both.wait()
        return {"statusCode": 200, "body": "both"}

    app.api_handler = api_handler  # type: ignore[method-assign]

    async def ask() -> list[str]:
        transport = each_gateway.httpx_transport()
        async with httpx.AsyncClient(transport=transport, base_url=each_gateway.base_url) as http:
            return [answer.text for answer in await asyncio.gather(http.get("/echo"), http.get("/log"))]

    assert asyncio.run(ask()) == ["both", "both"]
