"""The test's HTTP client: what each verb and argument sends, and which arguments it refuses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.http import HttpClient, Verbs
from pytest_sessionplugin.gateway.client.response import HandshakeRefused
from pytest_sessionplugin.gateway.values import Claims, Headers, Reply
from tests.gateway.client.fakes import FakeTransport


def vouch(method: str, where: str, claims: Claims) -> tuple[str, str]:
    return "X-Voucher", f"{method} {where} {claims['sub']}"


def client(transport: FakeTransport, **given: str) -> HttpClient:
    return HttpClient(transport, vouch, headers=given, token="t0ken")


def test_json_is_sent_with_its_type_and_the_token() -> None:
    transport = FakeTransport(Reply(201))
    assert client(transport).post("/rooms", json={"a": 1}).status_code == 201
    ((method, where, headers, body),) = transport.asked
    assert (method, where, body) == ("POST", "/rooms", b'{"a": 1}')
    assert {"Content-Type": "application/json", "Authorization": "Bearer t0ken"}.items() <= dict(headers).items()


def test_claims_become_the_header_that_vouches_for_the_request() -> None:
    transport = FakeTransport()
    client(transport).get("/rooms", claims={"sub": "bob"})
    assert transport.asked[0][2][-1] == ("X-Voucher", "GET /rooms bob")


VERBS = ["get", "options", "head", "post", "put", "patch", "delete"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_gives_request_all_of_its_arguments(verb: str) -> None:
    asked: list[Any] = []

    class Recording(Verbs):
        def request(self, *arguments: Any, **named: Any) -> Any:
            asked.append((arguments, named))

    names = list(inspect.signature(getattr(Verbs, verb)).parameters)[2:]
    getattr(Recording(), verb)("/rooms", **{name: name for name in names})
    assert asked == [((verb.upper(), "/rooms"), {name: name for name in names})]
    without_a_body = [name for name in inspect.signature(Verbs.request).parameters if name not in asked[0][1]][3:]
    assert without_a_body == ([] if verb in VERBS[3:] else ["content", "data", "files", "json"])


@pytest.mark.parametrize("verb", [*VERBS, "request"])
def test_python_itself_refuses_a_misspelt_argument(verb: str) -> None:
    transport = FakeTransport()
    for one in (client(transport), GatewayClient(transport, None)):
        with pytest.raises(TypeError, match=rf"{verb}\(\) got an unexpected keyword argument 'parms'"):
            getattr(one, verb)(*(["GET"] if verb == "request" else []), "/", parms={})
    assert transport.asked == []


def test_the_gateway_itself_sends_requests_without_a_token() -> None:
    transport = FakeTransport()
    gateway = GatewayClient(transport, None)
    gateway.get("/health", headers={"X-A": "1"}, cookies={"a": "b"}, params={"q": True})
    gateway.post("/rooms", json={"a": 1}, token="t0ken")
    (_, health, sent, _), (_, _, with_token, body) = transport.asked
    assert health == "/health?q=true"
    assert {"X-A": "1", "Cookie": "a=b"}.items() <= dict(sent).items()
    assert "Authorization" not in dict(sent)
    assert (dict(with_token)["Authorization"], body) == ("Bearer t0ken", b'{"a": 1}')


def test_headers_cookies_and_token_of_a_request_override_those_of_its_client() -> None:
    transport = FakeTransport()
    http = HttpClient(
        transport, vouch, token="one", headers=[("X-A", "1"), ("x-a", "2"), ("X-B", "3")], cookies={"a": "1", "b": "2"}
    )
    http.get("/", headers=[("x-A", "4"), ("X-a", "5")], cookies={"b": "3"}, token="two")
    http.get("/", token="")
    first, second = (headers for _, _, headers, _ in transport.asked)
    assert [pair for pair in first if pair[0].lower().startswith("x-")] == [("X-B", "3"), ("x-A", "4"), ("X-a", "5")]
    assert (dict(first)["Cookie"], dict(first)["Authorization"]) == ("a=1; b=3", "Bearer two")
    assert [value for name, value in second if name.lower() == "x-a"] == ["1", "2"]
    assert dict(second)["Authorization"] == "Bearer"


@pytest.mark.parametrize(
    ("header", "argument"),
    [("Cookie", {"cookies": {"a": "1"}}), ("content-type", {"files": {"f": b"1"}})],
)
def test_a_header_that_an_argument_makes_is_refused(header: str, argument: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"header '(?i:{header})' cannot be given beside {next(iter(argument))}="):
        client(FakeTransport(), **{header: "x"}).post("/", **argument)


@pytest.mark.parametrize(
    ("token", "error", "sentence"),
    [
        ("Bearer t0ken", ValueError, "begins with 'Bearer ', which the client adds itself"),
        ("bearer t0ken", ValueError, "begins with 'Bearer ', which the client adds itself"),
        (5, TypeError, "token= takes text, not int"),
        (b"t0ken", TypeError, "token= takes text, not bytes"),
    ],
)
@pytest.mark.parametrize(
    "written",
    [
        lambda gateway, token: gateway.http(token=token),
        lambda gateway, token: gateway.http().get("/", token=token),
        lambda gateway, token: gateway.get("/", token=token),
        lambda gateway, token: gateway.websocket("/", token=token),
    ],
)
def test_a_token_that_cannot_be_one_is_refused_where_it_is_written(
    written: Callable[[GatewayClient, Any], object], token: Any, error: type[Exception], sentence: str
) -> None:
    transport = FakeTransport()
    with pytest.raises(error, match=sentence) as refused:
        written(GatewayClient(transport, None), token)
    assert "t0ken" not in str(refused.value)
    assert transport.asked == []


def test_elapsed_is_the_time_of_day_that_passed() -> None:
    moments = iter([100.0, 103.5, 200.0, 199.0])
    http = HttpClient(FakeTransport(), vouch, clock=lambda: next(moments))
    assert http.get("/").elapsed == timedelta(seconds=3.5)
    assert http.get("/").elapsed == timedelta(), "a clock that is put back"


def test_elapsed_is_zero_while_time_stands_and_what_a_handler_moves_it() -> None:
    with time_machine.travel(0, tick=False) as traveller:

        class Slow(FakeTransport):
            def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
                traveller.shift(3)
                return super().request(method, target, headers, body)

        assert GatewayClient(FakeTransport(), None).get("/").elapsed == timedelta()
        assert GatewayClient(Slow(), None).get("/").elapsed == timedelta(seconds=3)
        with pytest.raises(HandshakeRefused) as refused:
            GatewayClient(FakeTransport(Reply(403)), None).websocket()
        assert refused.value.elapsed == timedelta()


def test_a_response_has_its_request() -> None:
    response = client(FakeTransport()).patch("/rooms/é", json=[1], params={"a": 1})
    request = response.request
    assert (request.method, request.url) == ("PATCH", "https://rest.example/api/rooms/%C3%A9?a=1")
    assert (request.content, request.headers["content-type"]) == (b"[1]", "application/json")
    assert response.url == request.url
    assert "t0ken" not in repr(request.headers)
