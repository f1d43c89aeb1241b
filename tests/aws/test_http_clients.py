"""AWS asked by other clients than botocore: answered in the process or refused, while a proxy sees nothing."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin.errors import BlockedCall, BlockedConnection
from tests.aws.opened import Opened, opened
from tests.aws.rooms import client

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.moto.emulator import Emulator

pytestmark = pytest.mark.emulator

REFUSED = r"^no connection to {}: it would leave the process\. botocore, aiobotocore, urllib, requests and httpx are "
HOST = "dynamodb.us-east-1.amazonaws.com"


class Proxy:
    """A proxy that answers nobody and keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                asked = connection.recv(1000)
                if asked == b"end":
                    return
                self.seen.append(asked)

    def close(self) -> None:
        with socket.create_connection(self._socket.getsockname()) as last:
            last.sendall(b"end")
        self._thread.join(10)
        self._socket.close()


@pytest.fixture(params=["direct", "proxy"])
def proxy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """In the environment of half the tests."""
    proxy = Proxy()
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        if request.param == "proxy" and not name.lower().startswith("no"):
            monkeypatch.setenv(name, proxy.url)
    yield proxy
    proxy.close()
    assert proxy.seen == []


# --- ways to ask: each takes method, URL and body, and gives status and body


def by_requests(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    import requests

    response = requests.request(method, url, data=body, timeout=10)
    return response.status_code, response.content


def by_a_session_of_requests(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    import requests

    with requests.Session() as session:
        session.request("HEAD", url, timeout=10)
        with session.request(method, url, data=iter([body]) if body else None, stream=True, timeout=10) as response:
            return response.status_code, b"".join(response.iter_content(3))


def by_urllib(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 - one of AWS's
    try:
        with urllib.request.build_opener().open(request) as response:  # urlopen keeps the first proxies that it sees
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def by_urllib3(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    import os

    import urllib3

    proxy = os.environ.get("https_proxy")
    with urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager() as pool:
        response = pool.request(method, url, body=body)
        return response.status, response.data


def by_http_client(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc)
    try:
        connection.request(method, f"{parts.path or '/'}?{parts.query}", body=body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def by_httpx(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    import httpx

    response = httpx.request(method, url, content=body)
    return response.status_code, response.content


def by_httpx_async(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    import httpx

    async def asked() -> tuple[int, bytes]:
        async with httpx.AsyncClient() as session:
            response = await session.request(method, url, content=body)
            return response.status_code, response.content

    return asyncio.run(asked())


Ask = Callable[..., tuple[int, bytes]]
WAYS = [by_requests, by_a_session_of_requests, by_urllib, by_urllib3, by_http_client, by_httpx, by_httpx_async]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__.removeprefix("by_"))
def ask(request: pytest.FixtureRequest) -> Ask:
    way: Ask = request.param
    return way


@pytest.fixture
def s3(aws: Opened) -> Any:
    s3 = client("s3")
    s3.create_bucket(Bucket="uploads")
    return s3


# --- answered


@pytest.mark.parametrize(("version", "style"), [("s3", "path"), ("s3v4", "virtual")])
def test_a_presigned_url_works(aws: Opened, s3: Any, ask: Ask, proxy: Proxy, version: str, style: Any) -> None:
    from botocore.config import Config

    signing = client("s3", config=Config(signature_version=version, s3={"addressing_style": style}))

    def url(operation: str) -> str:
        return str(signing.generate_presigned_url(operation, Params={"Bucket": "uploads", "Key": "a/b c"}))

    assert ask("PUT", url("put_object"), b"hello")[0] == 200
    assert s3.get_object(Bucket="uploads", Key="a/b c")["Body"].read() == b"hello"
    assert ask("GET", url("get_object")) == (200, b"hello")
    assert ask("HEAD", url("head_object")) == (200, b"")
    assert ask("DELETE", url("delete_object"))[0] == 204
    assert ask("GET", url("get_object"))[0] == 404
    made = [str(call) for call in aws.calls if call.operation != "HeadObject"]
    assert made == ["s3:CreateBucket", "s3:PutObject", *["s3:GetObject"] * 2, "s3:DeleteObject", "s3:GetObject"]


def test_a_url_without_tls_works(s3: Any, ask: Ask, proxy: Proxy) -> None:
    """A proxy would get the whole request."""
    url = s3.generate_presigned_url("put_object", Params={"Bucket": "uploads", "Key": "a"})
    assert ask("PUT", url.replace("https://", "http://"), b"hello")[0] == 200
    assert s3.get_object(Bucket="uploads", Key="a")["Body"].read() == b"hello"


def test_a_presigned_post_works(aws: Opened, s3: Any, proxy: Proxy) -> None:
    import httpx
    import requests

    pytest.importorskip("moto.core.request", reason="older versions of moto read forms in their server only")
    for key, post in (("a", requests.post), ("b", httpx.post)):
        form = s3.generate_presigned_post("uploads", key, Fields={"success_action_status": "201"})
        assert post(form["url"], data=form["fields"], files={"file": b"hello"}).status_code in (201, 204)
        assert s3.get_object(Bucket="uploads", Key=key)["Body"].read() == b"hello"
    assert aws.calls.count("s3:PutObject") == 2


def signed(service: str, method: str, url: str, body: bytes, **headers: str) -> dict[str, str]:
    """Headers of a request that is signed by hand."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest(method, url, {name.replace("_", "-"): value for name, value in headers.items()}, body)
    SigV4Auth(Credentials("a", "b"), service, "us-east-1").add_auth(request)
    return dict(request.headers.items())


def test_a_request_that_is_signed_by_hand_is_a_call_like_any_other(aws: Opened, proxy: Proxy) -> None:
    import requests

    url, body = f"https://{HOST}/", b'{"TableName": "rooms"}'
    headers = signed("dynamodb", "POST", url, body, X_Amz_Target="DynamoDB_20120810.Scan")
    assert requests.post(url, data=body, headers=headers, timeout=10).json()["Count"] == 1
    assert [str(call) for call in aws.calls] == ["dynamodb:Scan"]
    aws.faults.throttled("dynamodb:Scan", times=1)
    refused = requests.post(url, data=body, headers=headers, timeout=10)
    assert (refused.status_code, "Throughput" in refused.text) == (400, True)
    aws.faults.unreachable("dynamodb:Scan", times=1)
    with pytest.raises(requests.ConnectionError, match="without response"):
        requests.post(url, data=body, headers=headers, timeout=10)
    assert aws.calls.units.read > 0


@pytest.mark.parametrize("way", [by_httpx, by_httpx_async], ids=["sync", "async"])
def test_a_fault_cuts_the_connection_of_httpx(aws: Opened, s3: Any, proxy: Proxy, way: Ask) -> None:
    import httpx

    aws.faults.unreachable("s3:GetObject", times=1)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "uploads", "Key": "a"})
    with pytest.raises(httpx.RemoteProtocolError, match="Server disconnected"):
        way("GET", url)


def test_a_post_to_a_connection_that_is_signed_by_hand_keeps_its_host(aws: Opened, proxy: Proxy) -> None:
    import requests

    from pytest_sessionplugin.gateway.values import Manage, Reply

    posts = []

    class Gateway:
        def manage(self, call: Manage) -> Reply:
            posts.append(call)
            return Reply(200)

    aws.apis.gateway = Gateway()
    url = "https://abc.execute-api.us-east-1.amazonaws.com/api/@connections/c%3D"
    requests.post(url, data=b"hi", headers=signed("execute-api", "POST", url, b"hi"), timeout=10).raise_for_status()
    [post] = posts
    assert (post.host, post.path, post.body) == (
        "abc.execute-api.us-east-1.amazonaws.com",
        "/api/@connections/c%3D",
        b"hi",
    )
    assert [str(call) for call in aws.calls] == ["apigatewaymanagementapi:PostToConnection"]


def test_a_session_without_built_in_handlers_is_answered(aws: Opened, proxy: Proxy) -> None:
    from botocore.session import Session

    bare: Any = Session(include_builtin_handlers=False)
    assert bare.create_client("dynamodb", region_name="us-east-1").scan(TableName="rooms")["Count"] == 1
    assert "QueueUrls" not in bare.create_client("sqs", region_name="us-east-1").list_queues()
    assert [str(call) for call in aws.calls] == ["dynamodb:Scan", "sqs:ListQueues"]


# --- refused


def test_a_host_of_aws_that_nothing_emulates_is_blocked(aws: Opened, ask: Ask, proxy: Proxy) -> None:
    with pytest.raises(BlockedCall, match=r"^abc:(GET|HEAD) was blocked: nothing emulates it, and no call leaves"):
        ask("GET", "https://abc.execute-api.us-east-1.amazonaws.com/api/rooms")
    assert len(aws.calls.blocked) == 1


def test_a_signed_request_that_is_no_call_is_blocked(proxy: Proxy, aws: Opened) -> None:
    import requests

    url = "https://abc.appsync-api.us-east-1.amazonaws.com/graphql"
    with pytest.raises(BlockedCall, match=r"^abc\.appsync-api.*:POST was blocked: AWS has no such call: 404 Unknown"):
        requests.post(url, data=b"{}", headers=signed("appsync", "POST", url, b"{}"), timeout=10)


@pytest.mark.parametrize("address", ["169.254.169.254", "[fd00:ec2::254]", "169.254.170.2"])
def test_metadata_of_a_machine_is_refused(aws: Opened, ask: Ask, proxy: Proxy, address: str) -> None:
    """A library that looks for it goes on without, as on Lambda, and fails no test."""
    with pytest.raises(Exception, match="a Lambda function has no metadata of a machine; its credentials are in var"):
        ask("GET", f"http://{address}/latest/meta-data/")
    assert aws.calls.blocked == ()


def test_botocore_finds_no_credentials_of_a_machine(aws: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.session import Session

    for name in ("AWS_EC2_METADATA_DISABLED", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    assert Session().get_credentials() is None


def test_aiohttp_is_refused_in_a_sentence(aws: Opened, proxy: Proxy) -> None:
    import aiohttp

    async def asked(url: str) -> None:
        async with aiohttp.ClientSession(trust_env=True) as session, session.get(url):
            pass

    for scheme in ("https", "http"):
        with pytest.raises(BlockedConnection, match=REFUSED.format(HOST)):
            asyncio.run(asked(f"{scheme}://{HOST}/"))
    with pytest.raises(OSError, match="has no metadata of a machine"):
        asyncio.run(asked("http://169.254.169.254/latest"))
    assert [str(error).partition(":")[0] for error in aws.calls.blocked][:2] == [f"no connection to {HOST}"] * 2


def by_connect(host: str) -> None:
    with socket.socket() as one:
        one.connect((host, 443))


def by_connect_ex(host: str) -> None:
    with socket.socket() as one:
        one.connect_ex((host, 443))


def by_create_connection(host: str) -> None:
    socket.create_connection((host, 443), 10).close()


def by_getaddrinfo(host: str) -> None:
    socket.getaddrinfo(host, 443)


def by_bytes(host: str) -> None:
    socket.getaddrinfo(host.encode(), 443)


def by_gethostbyname(host: str) -> None:
    socket.gethostbyname(host)


def by_tls(host: str) -> None:
    import ssl

    with ssl.create_default_context().wrap_socket(socket.socket(), server_hostname=host) as one:
        one.connect((host, 443))


def by_asyncio(host: str) -> None:
    asyncio.run(asyncio.open_connection(host, 443))


def by_a_tunnel(host: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", 9)
    connection.request("CONNECT", f"{host}:443")


@pytest.mark.parametrize(
    "connect",
    [
        *(by_connect, by_connect_ex, by_create_connection, by_getaddrinfo, by_bytes, by_gethostbyname, by_tls),
        *(by_asyncio, by_a_tunnel),
    ],
    ids=lambda way: way.__name__.removeprefix("by_"),
)
@pytest.mark.parametrize("host", [HOST, "DYNAMODB.us-east-1.AMAZONAWS.com.", "tables.rds.amazonaws.com"])
def test_a_bare_socket_is_refused_in_a_sentence(aws: Opened, connect: Callable[[str], None], host: str) -> None:
    with pytest.raises(BlockedConnection, match=f"^no connection to (?i:{host}): it would leave the process"):
        connect(host)
    assert aws.calls.blocked


# --- everything else


def test_other_hosts_are_the_apps(aws: Opened, ask: Ask) -> None:
    """Here one on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                head = connection.recv(1000).partition(b" ")[0]
                body = b"" if head == b"HEAD" else b"hi"
                connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n" + body)

        threads = [threading.Thread(target=answer) for _ in range(2 if ask is by_a_session_of_requests else 1)]
        for thread in threads:
            thread.start()
        assert ask("GET", url) == (200, b"hi")
        for thread in threads:
            thread.join(10)
    assert len(aws.calls) == 0


@pytest.fixture
def closed(emulated: Emulator) -> Iterator[Opened]:
    """An account whose project refuses other hosts."""
    from pytest_sessionplugin.aws import environment

    with environment.applied(environment.neutral("us-east-1")), opened(emulated, other_hosts=False) as aws:
        yield aws


OTHER = r'^no connection to api\.example\.com: other_hosts = false in .* @pytest.mark.chalice\(allow="other_hosts"\)\.$'


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_other_hosts_are_refused_by_the_setting(closed: Opened, ask: Ask, proxy: Proxy, scheme: str) -> None:
    with pytest.raises(BlockedConnection, match=OTHER):
        ask("GET", f"{scheme}://api.example.com/")
    assert len(closed.calls.blocked) == 1


def test_other_hosts_are_refused_to_aiohttp_and_sockets(closed: Opened, proxy: Proxy) -> None:
    import aiohttp

    async def asked() -> None:
        async with aiohttp.ClientSession(trust_env=True) as session, session.get("http://api.example.com"):
            pass

    with pytest.raises(BlockedConnection, match=OTHER):
        asyncio.run(asked())
    for way in (by_connect, by_connect_ex, by_create_connection, by_getaddrinfo, by_tls, by_asyncio, by_a_tunnel):
        with pytest.raises(BlockedConnection, match=OTHER):
            way("api.example.com")
    with pytest.raises(BlockedConnection, match=r"no connection to 192\.0\.2\.1: other_hosts"):
        by_connect("192.0.2.1")


def test_this_machine_and_aws_are_there_with_the_setting(closed: Opened) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:  # a connection of UDP sends nothing
        datagrams.connect(("192.0.2.1", 9))
    assert client().scan(TableName="rooms")["Count"] == 1


def test_a_mock_of_requests_is_asked_first(aws: Opened) -> None:
    import requests
    import responses

    with responses.RequestsMock() as mocked:
        mocked.get(f"https://{HOST}/", body="mocked")
        assert requests.get(f"https://{HOST}/", timeout=10).text == "mocked"
    assert len(aws.calls) == 0


def test_functions_that_a_tool_has_put_back_are_changed_again(aws: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    import _socket

    from pytest_sessionplugin.aws.hook import HOOK
    from pytest_sessionplugin.aws.http_clients import Changes

    monkeypatch.setattr(socket.socket, "connect", _socket.socket.connect)
    changes = Changes(HOOK)
    changes.make()
    with pytest.raises(BlockedConnection):
        by_connect(HOST)
    changed = socket.socket.connect
    changes.make()
    assert socket.socket.connect is changed
