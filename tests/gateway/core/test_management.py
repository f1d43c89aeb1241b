"""The @connections API: calls and their answers."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from pytest_sessionplugin.gateway.core.gateway_responses import MISSING_TOKEN
from pytest_sessionplugin.gateway.core.routing import MAX_BODY
from pytest_sessionplugin.gateway.values import CustomDomain, Manage, Message, Request, Send
from tests.gateway.core.desk import API, Desk
from tests.gateway.signing import signed

ID = "VNRUSeldSwMCIRQ="


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.open(ID, headers=(("User-Agent", "test"),), source_ip="192.0.2.1")
    return desk


@pytest.mark.parametrize(
    "path",
    [
        f"/api/@connections/{ID}",
        "/api/@connections/VNRUSeldSwMCIRQ%3D",
        "/api/%40connections/VNRUSeldSwMCIRQ%3d",
    ],
)
def test_a_post_sends_one_text_frame(desk: Desk, path: str) -> None:
    reply, effects = desk.manage("POST", path=path, body='{"é": 1}'.encode())
    assert (reply.status, reply.body) == (200, b"")
    assert effects == [Send(ID, '{"é": 1}')]


def test_posts_keep_their_order(desk: Desk) -> None:
    for text in (b"1", b"2", b"3"):
        desk.core.manage(_post(desk, text), desk.now)
    assert desk.core.effects() == [Send(ID, "1"), Send(ID, "2"), Send(ID, "3")]


def test_get_tells_since_when_and_from_where(desk: Desk) -> None:
    desk.now += 1.5
    desk.receive(Message(ID, "x"))
    reply, effects = desk.manage("GET", ID)
    assert (reply.status, effects) == (200, [])
    assert json.loads(reply.body) == {
        "connectedAt": "2025-03-16T00:46:22.306Z",
        "identity": {"sourceIp": "192.0.2.1", "userAgent": "test"},
        "lastActiveAt": "2025-03-16T00:46:23.806Z",
    }


def test_delete_is_204_once_and_then_410(desk: Desk) -> None:
    assert desk.manage("DELETE", ID)[0].status == 204
    assert desk.manage("DELETE", ID)[0].status == 410


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_an_unknown_connection_is_a_gone_exception_with_an_empty_body(desk: Desk, method: str) -> None:
    reply, effects = desk.manage(method, "AAAAAAAAAAAAAAA=")
    assert (reply.status, reply.body, effects) == (410, b"", [])
    assert ("x-amzn-ErrorType", "GoneException") in reply.headers


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_connection_is_gone_while_its_own_connect_runs(desk: Desk, method: str) -> None:
    connect = desk.connect("pending")
    assert desk.manage(method, "pending")[0].status == 410
    desk.answer(connect)
    assert desk.manage("GET", "pending")[0].status == 200


def test_a_payload_of_131072_bytes_passes_and_one_more_is_413(desk: Desk) -> None:
    assert desk.manage("POST", ID, body=b"x" * 131_072)[0].status == 200
    reply, effects = desk.manage("POST", ID, body=b"x" * 131_073)
    assert (reply.status, effects) == (413, [])
    assert ("x-amzn-ErrorType", "PayloadTooLargeException") in reply.headers
    assert "message" in json.loads(reply.body)


@pytest.mark.parametrize(
    "host",
    [
        "r3stapi000.execute-api.us-east-1.amazonaws.com",
        "w3bs0cket0.execute-api.eu-west-1.amazonaws.com",
        "chat:8001",
    ],
)
def test_the_host_of_another_api_is_forbidden_and_the_answer_knows_the_right_one(desk: Desk, host: str) -> None:
    reply, effects = desk.manage("POST", ID, host=host, body=b"x")
    assert (reply.status, json.loads(reply.body), effects) == (403, {"message": "Forbidden"}, [])
    assert ("x-amzn-ErrorType", "ForbiddenException") in reply.headers
    right = "https://w3bs0cket0.execute-api.us-east-1.amazonaws.com/api"
    assert reply.why == f"https://{host}/api is not the WebSocket API of the app, which is {right}"


@pytest.mark.parametrize("host", ["localhost:8001", "127.0.0.1", "[::1]:4566"])
def test_a_loopback_host_is_any_api(desk: Desk, host: str) -> None:
    reply, effects = desk.manage("POST", ID, host=host, body=b"x")
    assert (reply.status, effects) == (200, [Send(ID, "x")])


def test_the_host_is_compared_without_port_and_case(desk: Desk) -> None:
    host = "W3BS0CKET0.execute-api.us-east-1.amazonaws.com:443"
    assert desk.manage("GET", ID, host=host)[0].status == 200


@pytest.mark.parametrize(("region", "domain"), [("cn-north-1", "amazonaws.com.cn"), ("eu-west-1", "amazonaws.com")])
def test_the_host_is_that_of_the_region_as_chalice_calls_it(region: str, domain: str) -> None:
    assert replace(API, region=region).host("abc") == f"abc.execute-api.{region}.{domain}"


def test_another_stage_is_forbidden(desk: Desk) -> None:
    reply, _ = desk.manage("GET", path=f"/prod/@connections/{ID}")
    assert reply.status == 403
    assert reply.why.startswith("https://w3bs0cket0.execute-api.us-east-1.amazonaws.com/prod is not")
    reply, _ = desk.manage("GET", host="127.0.0.1:8001", path=f"/@connections/{ID}")
    assert reply.why.startswith("http://127.0.0.1:8001 is not")
    assert reply.why.endswith("which is http://127.0.0.1:8001/api")


@pytest.mark.parametrize(
    ("domain", "host", "path", "status"),
    [
        (CustomDomain("ws.example.com"), "ws.example.com", "/@connections/", 200),
        (CustomDomain("ws.example.com"), "WS.example.com:443", "/@connections/", 200),
        (CustomDomain("ws.example.com"), "ws.example.com", "/api/@connections/", 404),  # as on AWS: the domain has it
        (CustomDomain("ws.example.com", "chat"), "ws.example.com", "/chat/@connections/", 200),
        (CustomDomain("ws.example.com", "chat/v1"), "ws.example.com", "/chat/v1/@connections/", 200),
        (CustomDomain("ws.example.com", "chat"), "ws.example.com", "/@connections/", 403),
        (CustomDomain("ws.example.com", "chat"), "ws.example.com", "/api/@connections/", 403),
        (CustomDomain("ws.example.com"), "example.com", "/@connections/", 403),
        (CustomDomain("ws.example.com"), "w3bs0cket0.execute-api.us-east-1.amazonaws.com", "/api/@connections/", 200),
        (CustomDomain("ws.example.com"), "localhost:8001", "/api/@connections/", 200),
        (None, "ws.example.com", "/@connections/", 403),
    ],
)
def test_a_domain_of_the_app_s_own_has_a_base_path_in_place_of_the_stage(
    domain: CustomDomain | None, host: str, path: str, status: int
) -> None:
    desk = Desk(replace(API, websocket_domain=domain))
    desk.open(ID)
    reply, effects = desk.manage("POST", path=path + ID, host=host, body=b"x")
    assert (reply.status, effects) == (status, [Send(ID, "x")] if status == 200 else [])
    right = f"https://{domain}" if host == str(domain and domain.name) else f"/api and https://{domain}"
    assert reply.why.endswith(right) == (status == 403 and domain is not None)


def test_an_unsigned_call_is_403_without_a_word_about_the_connection(desk: Desk) -> None:
    reply, _ = desk.manage("GET", ID, denied=MISSING_TOKEN)
    assert reply.status == 403
    assert json.loads(reply.body) == {"message": "Missing Authentication Token"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/api/api/@connections/{ID}"),
        ("POST", "/api/@connections"),
        ("POST", "/api/@connections/"),
        ("POST", f"/api/@connections/{ID}/more"),
        ("PATCH", f"/api/@connections/{ID}"),
    ],
)
def test_no_such_route_is_404_and_says_which(desk: Desk, method: str, path: str) -> None:
    reply, _ = desk.manage(method, path=path)
    assert reply.status == 404
    route = path.removeprefix("/api/")
    expected = f"No method found matching route {route} for http method {method}."
    assert json.loads(reply.body) == {"message": expected}


def test_a_post_that_is_no_utf8_cannot_break_the_frame(desk: Desk) -> None:
    assert desk.manage("POST", ID, body=b"\xff")[1] == [Send(ID, "�")]


def _post(desk: Desk, body: bytes) -> Manage:
    return Manage("POST", desk.api.host(desk.api.websocket_api_id), f"/api/@connections/{ID}", body)


class TestOverTheNetwork:
    """A request to the WebSocket port as a call."""

    def call(self, host: str, *, body: bytes = b"", late: float = 0.0, ahead: float = 0.0) -> int:
        desk = Desk(replace(API, access_keys={"AKID": "secret"}))
        desk.now = time.time() + late  # by which botocore signs
        desk.core.move_ahead(ahead)
        path = f"/api/@connections/{ID}"
        headers = {**signed("POST", path, "AKID", "secret", b"hi", host=host), "Host": host}
        call = desk.core.call(Request("r1", "POST", path, headers=tuple(headers.items()), body=body or b"hi"), desk.now)
        assert call is not None
        return desk.core.manage(call, desk.now).status

    @pytest.mark.parametrize("host", ["localhost:8001", "127.0.0.1", "[::1]:8001", "127.1.2.3"])
    def test_every_name_of_loopback_is_this_api(self, host: str) -> None:
        assert self.call(host) == 410

    @pytest.mark.parametrize(
        "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""]
    )
    def test_no_other_host_is(self, host: str) -> None:
        """A web page whose host name resolves to this machine cannot act for the app, even with a signature."""
        assert self.call(host) == 403

    def test_a_body_that_nobody_read_to_its_end_is_413_whoever_signed(self) -> None:
        assert self.call("localhost", body=bytes(MAX_BODY + 1)) == 413

    def test_who_calls_signs_by_a_time_that_is_not_moved_here(self) -> None:
        assert self.call("localhost", late=3600, ahead=3600) == 410
        assert self.call("localhost", late=3600) == 403
