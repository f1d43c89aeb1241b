"""@connections calls on the WebSocket port: the answers to boto3 and other signers, and the frames that arrive."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.websocket import ConnectionClosed, WebSocket
from tests.conformance.wire import Wire
from tests.gateway.app import API, App
from tests.gateway.gateways import on_sockets

pytestmark = pytest.mark.sockets

if TYPE_CHECKING:
    from types_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient


KEY, SECRET = "AKIDTEST", "a secret"
HOST = API.host(API.websocket_api_id)


@pytest.fixture
def gateway(app: App) -> Iterator[GatewayClient]:
    with on_sockets(replace(API, access_keys={KEY: SECRET}), app) as app.gateway:
        yield app.gateway


@pytest.fixture
def bob(gateway: GatewayClient) -> WebSocket:
    return gateway.websocket("/", headers={"User-Agent": "bob's"})


def port_of(gateway: GatewayClient) -> str:
    assert gateway.urls is not None
    return gateway.urls.websocket.replace("ws://", "http://")


def client(
    gateway: GatewayClient, path: str = "/api", key: str = KEY, secret: str = SECRET
) -> ApiGatewayManagementApiClient:
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=port_of(gateway) + path,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
    )


def refused(raised: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer: Any = raised.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def ask(
    gateway: GatewayClient,
    target: str,
    method: str = "POST",
    body: bytes = b"",
    host: str | None = None,
    signer: Any = None,
) -> tuple[int, dict[str, str], bytes]:
    """A request as no SDK would send it: status, headers and body of its answer."""
    port = port_of(gateway)
    asked = AWSRequest(method, port + target, data=body, headers={"Host": host or urlsplit(port).netloc})
    if signer is not None:
        signer.add_auth(asked)
    url = str(asked.url)
    lines = [
        f"{method} {url.removeprefix(port)} HTTP/1.1",
        *(f"{name}: {value}" for name, value in asked.headers.items()),
    ]
    with Wire(port) as wire:
        wire.send("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        status, headers = wire.head()
        return status, headers, wire.read(int(headers.get("content-length", "0")))


SIGNED = SigV4Auth(Credentials(KEY, SECRET), "execute-api", "us-east-1")


def test_a_post_reaches_the_socket_and_is_200_with_nothing_in_it(gateway: GatewayClient, bob: WebSocket) -> None:
    answer: Any = client(gateway).post_to_connection(ConnectionId=str(bob.connection_id), Data="grüße")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "0"
    assert bob.receive_text() == "grüße"


def test_a_get_tells_since_when_and_from_where(gateway: GatewayClient, bob: WebSocket) -> None:
    told = client(gateway).get_connection(ConnectionId=str(bob.connection_id))
    assert told["Identity"] == {"SourceIp": "127.0.0.1", "UserAgent": "bob's"}
    assert told["ConnectedAt"] <= told["LastActiveAt"]
    status, headers, body = ask(gateway, f"/api/@connections/{bob.connection_id}", "GET", signer=SIGNED)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert set(json.loads(body)) == {"connectedAt", "identity", "lastActiveAt"}
    assert json.loads(body)["connectedAt"].endswith("Z")


def test_a_delete_closes_the_socket_and_is_204_once(gateway: GatewayClient, app: App, bob: WebSocket) -> None:
    answer: Any = client(gateway).delete_connection(ConnectionId=str(bob.connection_id))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ConnectionClosed) as closed:
        bob.receive_text()
    assert closed.value.code == 1000
    gateway.settle()
    assert ("disconnect", bob.connection_id, 1000, "Connection Closed Normally") in app.log
    with pytest.raises(ClientError) as raised:
        client(gateway).delete_connection(ConnectionId=str(bob.connection_id))
    assert refused(raised) == (410, "GoneException")


@pytest.mark.parametrize("operation", ["post_to_connection", "get_connection", "delete_connection"])
def test_nobody_there_is_a_typed_410_without_a_body(gateway: GatewayClient, operation: str) -> None:
    api = client(gateway)
    more = {"Data": b"x"} if operation == "post_to_connection" else {}
    with pytest.raises(api.exceptions.GoneException) as raised:
        getattr(api, operation)(ConnectionId="AAAAAAAAAAAAAAA=", **more)
    assert refused(raised) == (410, "GoneException")
    status, headers, body = ask(gateway, "/api/@connections/AAAAAAAAAAAAAAA%3D", "GET", signer=SIGNED)
    assert (status, headers["x-amzn-errortype"], body) == (410, "GoneException", b"")


def test_a_connection_that_is_not_open_yet_is_gone(gateway: GatewayClient, app: App) -> None:
    with Wire(port_of(gateway)) as early:
        early.ask_to_upgrade("/?wait=1")
        assert app.waiting.acquire(timeout=10)
        (connection_id,) = [entry[1] for entry in app.log if entry[0] == "connect"]
        for method in ("POST", "GET"):
            path = f"/api/@connections/{quote(connection_id)}"
            assert ask(gateway, path, method, signer=SIGNED)[0] == 410
        app.gate.set()
        assert early.head()[0] == 101
        assert ask(gateway, path, "GET", signer=SIGNED)[0] == 200


@pytest.mark.parametrize("size", [131_072, 131_073])
def test_128_kilobytes_may_be_posted_and_no_byte_more(gateway: GatewayClient, bob: WebSocket, size: int) -> None:
    api = client(gateway)
    if size <= 131_072:
        api.post_to_connection(ConnectionId=str(bob.connection_id), Data=b"x" * size)
        assert len(bob.receive_text()) == size
        return
    with pytest.raises(api.exceptions.PayloadTooLargeException) as raised:
        api.post_to_connection(ConnectionId=str(bob.connection_id), Data=b"x" * size)
    assert refused(raised) == (413, "PayloadTooLargeException")


def test_what_is_far_too_large_is_not_read_to_its_end(gateway: GatewayClient) -> None:
    with Wire(port_of(gateway)) as wire:
        wire.send("POST /api/@connections/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 90000000\r\n\r\n")
        wire.send(b"x" * (10 * 1024 * 1024 + 1))
        status, headers = wire.head()
        assert (status, headers["x-amzn-errortype"]) == (413, "PayloadTooLargeException")


def test_posts_arrive_in_order_on_one_connection_that_stays(gateway: GatewayClient, bob: WebSocket) -> None:
    target, port = f"/api/@connections/{bob.connection_id}", port_of(gateway)
    many = []
    for number in range(300):
        asked = AWSRequest("POST", port + target, data=str(number).encode(), headers={"Host": urlsplit(port).netloc})
        SIGNED.add_auth(asked)
        lines = "".join(f"{name}: {value}\r\n" for name, value in asked.headers.items())
        many.append(f"POST {target} HTTP/1.1\r\n{lines}Content-Length: {len(str(number))}\r\n\r\n{number}")
    with Wire(port) as wire:
        wire.send("".join(many))
        assert {wire.answer() for _ in range(300)} == {(200, b"")}
    assert [bob.receive_text() for _ in range(300)] == [str(number) for number in range(300)]


@pytest.mark.parametrize("kind", ["%40connections", "@connections"])
def test_path_and_id_may_be_escaped_or_not(gateway: GatewayClient, bob: WebSocket, kind: str) -> None:
    for connection_id in (str(bob.connection_id), quote(str(bob.connection_id))):
        assert ask(gateway, f"/api/{kind}/{connection_id}", body=b"hi", signer=SIGNED)[::2] == (200, b"")
        assert bob.receive_text() == "hi"


def test_a_presigned_url_will_do(gateway: GatewayClient, bob: WebSocket) -> None:
    presigned = SigV4QueryAuth(Credentials(KEY, SECRET, "token"), "execute-api", "us-east-1", 60)
    assert ask(gateway, f"/api/@connections/{bob.connection_id}", "GET", signer=presigned)[0] == 200


def error(answer: tuple[int, dict[str, str], bytes]) -> tuple[int, str, str]:
    status, headers, body = answer
    return status, headers["x-amzn-errortype"], json.loads(body)["message"]


def test_who_does_not_sign_is_told_so_and_nothing_else(gateway: GatewayClient, bob: WebSocket) -> None:
    for connection_id in (bob.connection_id, "nobody"):
        answer = ask(gateway, f"/api/@connections/{connection_id}", body=b"hi")
        assert error(answer) == (403, "MissingAuthenticationTokenException", "Missing Authentication Token")
    assert ask(gateway, "/api/@connections")[2] == b'{"message": "Missing Authentication Token"}'
    bob.receive_nothing()


def test_a_wrong_secret_and_an_unknown_key_are_told_apart(gateway: GatewayClient, bob: WebSocket) -> None:
    for api, code in (
        (client(gateway, secret="another"), "InvalidSignatureException"),
        (client(gateway, key="AKIDOTHER"), "UnrecognizedClientException"),
    ):
        with pytest.raises(ClientError) as raised:
            api.post_to_connection(ConnectionId=str(bob.connection_id), Data=b"hi")
        assert refused(raised) == (403, code)
    bob.receive_nothing()


@pytest.mark.parametrize("path", ["", "/another"])
def test_another_stage_or_none_is_not_ours(gateway: GatewayClient, bob: WebSocket, path: str) -> None:
    with pytest.raises(ClientError) as raised:
        client(gateway, path).post_to_connection(ConnectionId=str(bob.connection_id), Data=b"hi")
    assert refused(raised) == (403, "ForbiddenException")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:8001", 200),
        ("[::1]:8001", 200),
        (HOST, 200),
        (HOST.upper() + ":443", 200),
        (HOST.replace("w3b", "an0"), 403),
        ("example.com", 403),
        ("127.0.0.1.example.com", 403),
    ],
)
def test_the_host_says_whose_api_it_is(gateway: GatewayClient, bob: WebSocket, host: str, status: int) -> None:
    answer = ask(gateway, f"/api/@connections/{bob.connection_id}", "GET", host=host, signer=SIGNED)
    assert answer[0] == status
    if status == 403:
        assert error(answer) == (403, "ForbiddenException", "Forbidden")


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("POST", "api/@connections/a"),
        ("POST", "@connections"),
        ("POST", "@connections/"),
        ("POST", "@connections/a/b"),
        ("PUT", "@connections/a"),
        ("POST", "rooms"),
    ],
)
def test_a_signed_call_of_nothing_is_404(gateway: GatewayClient, method: str, route: str) -> None:
    message = f"No method found matching route {route} for http method {method}."
    assert error(ask(gateway, f"/api/{route}", method, signer=SIGNED)) == (404, "NotFoundException", message)


@pytest.mark.parametrize("target", ["/", "/api", "/api/connections/a", "/api?x=@connections"])
@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("POST", b"hi")])
def test_any_other_request_is_asked_to_upgrade(gateway: GatewayClient, target: str, method: str, body: bytes) -> None:
    status, headers, _ = ask(gateway, target, method, body)
    assert (status, headers["upgrade"], headers["connection"]) == (426, "websocket", "close")


def test_a_slow_reader_is_429(gateway: GatewayClient, bob: WebSocket) -> None:
    api, connection_id = client(gateway), str(bob.connection_id)
    gateway.runtime.stall(connection_id, lambda: None)
    for _ in range(129):  # 16 MiB, and one
        api.post_to_connection(ConnectionId=connection_id, Data=b"x" * 131_072)
    with pytest.raises(api.exceptions.LimitExceededException) as raised:
        api.post_to_connection(ConnectionId=connection_id, Data=b"x")
    assert refused(raised) == (429, "LimitExceededException")
    gateway.runtime.resume(connection_id)
