"""requests in front of an app, in process, on sockets and with a deployed stage alike."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.requests_session import GatewaySession
from pytest_sessionplugin.gateway.client.transport import Unreachable
from pytest_sessionplugin.gateway.values import Headers, Reply
from tests.gateway.client.fakes import FakeTransport

COOKIES = {"Set-Cookie": ["a=1", "b=2; Path=/"]}


def test_a_request_reaches_the_function_as_from_the_gateways_own_client(each_gateway: GatewayClient) -> None:
    with each_gateway.requests_session() as session:
        theirs = session.post("/echo", json={"é": 1}, params={"a": [1, 2]}, headers={"X-More": "2"}).json()
        assert session.get(f"{each_gateway.base_url}/echo").json()["path"] == "/echo"
    ours = each_gateway.post("/echo", json={"é": 1}, params={"a": [1, 2]}, headers={"X-More": "2"}).json()
    assert json.loads(theirs["body"]) == json.loads(ours["body"])
    for same in ("httpMethod", "path", "resource", "multiValueQueryStringParameters"):
        assert theirs[same] == ours[same]
    assert theirs["requestContext"]["path"] == ours["requestContext"]["path"]
    for same in ("Host", "Content-Type", "X-More"):
        assert theirs["headers"][same] == ours["headers"][same]
    assert not {"content-length", "connection", "transfer-encoding"} & {name.lower() for name in theirs["headers"]}


def test_cookies_and_redirects_are_those_of_requests(each_gateway: GatewayClient) -> None:
    with each_gateway.requests_session() as session:
        answered = session.post("/returned", json={"statusCode": 200, "multiValueHeaders": COOKIES})
        assert answered.cookies.get_dict() == {"a": "1", "b": "2"}
        assert session.get("/echo").json()["headers"]["Cookie"] == "a=1; b=2"
        redirect: Any = {"statusCode": 303, "headers": {"Location": f"{each_gateway.base_url}/status/418"}}
        assert session.post("/returned", json=redirect, allow_redirects=False).status_code == 303
        followed = session.post("/returned", json=redirect)
        assert (followed.status_code, len(followed.history)) == (418, 1)


@pytest.mark.parametrize("status", [200, 204, 304, 418, 599])
def test_every_status_arrives(each_gateway: GatewayClient, status: int) -> None:
    with each_gateway.requests_session() as session:
        answered = session.get(f"/status/{status}")
        assert answered.status_code == status
        assert answered.content == (b"" if status in (204, 304) else b"a body")
        assert session.head("/echo").content == b""


def test_a_compressed_answer_is_read(each_gateway: GatewayClient) -> None:
    with each_gateway.requests_session() as session:
        answered = session.get("/large/500")
    assert (answered.text, answered.headers["content-encoding"]) == ("x" * 500, "gzip")


def pieces() -> Iterator[bytes]:
    yield b"a piece"
    yield b" and another"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"a": ["1", "2"]}, "a=1&a=2"),
        ("text é", "text é"),
        (io.BytesIO(b"a file"), "a file"),
        (pieces, "a piece and another"),
        (None, None),
    ],
    ids=["form", "text", "file", "iterator", "none"],
)
def test_a_body_of_any_kind_arrives_whole(data: Any, expected: str | None) -> None:
    transport = FakeTransport()
    GatewaySession(transport).post("/echo", data=data() if callable(data) else data)
    assert transport.asked[0][3] == (expected or "").encode()


def test_an_answer_to_head_has_the_length_of_the_body_that_is_not_there() -> None:
    answered = GatewaySession(FakeTransport(Reply(200, (("Content-Length", "5"),)))).head("/echo")
    assert (answered.headers["Content-Length"], answered.content) == ("5", b"")


def test_the_url_of_another_host_is_refused_and_its_token_not_shown(each_gateway: GatewayClient) -> None:
    expected = f"login.example is not the host of this app, whose URLs begin with {each_gateway.base_url}"
    with each_gateway.requests_session() as session, pytest.raises(requests.ConnectionError, match=f"^{expected}$"):
        session.get("https://login.example/?token=t0ken")


def test_a_path_without_a_slash_is_refused_as_by_the_gateways_own_client(each_gateway: GatewayClient) -> None:
    with each_gateway.requests_session() as session, pytest.raises(ValueError, match="a path begins with '/', 'echo'"):
        session.get("echo")


def test_a_stage_that_does_not_answer_is_an_error_of_requests() -> None:
    class Silent(FakeTransport):
        def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
            raise Unreachable("rest.example cannot be reached: no")

    with pytest.raises(requests.ConnectionError, match=r"^rest\.example cannot be reached: no$") as refused:
        GatewaySession(Silent()).get("/echo", headers={"Authorization": "t0ken"})
    assert refused.value.__suppress_context__


def test_the_machines_proxies_and_passwords_stay_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine rest.example login me password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    transport = FakeTransport()
    GatewaySession(transport).get("/echo")
    assert "authorization" not in {name.lower() for name, _ in transport.asked[0][2]}
