"""The test's HTTP client: the request that it sends, and the response that it makes of a reply."""

from __future__ import annotations

import gzip

import pytest

from pytest_sessionplugin.gateway.client.http import HeaderMap, HttpClient, Response, target, with_defaults
from pytest_sessionplugin.gateway.values import Claims, Reply
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


def test_json_and_content_exclude_each_other() -> None:
    with pytest.raises(TypeError, match="json or content, not both"):
        client(FakeTransport()).post("/", json=1, content="1")


@pytest.mark.parametrize(
    ("path", "params", "sent"),
    [
        ("/é x", None, "/%C3%A9%20x"),
        ("/a%2Fb", None, "/a%2Fb"),
        ("/", {"a": [1, 2], "b": "c d"}, "/?a=1&a=2&b=c+d"),
        ("/?x=1", {"a": 1}, "/?x=1&a=1"),
    ],
)
def test_a_target_is_path_and_query_as_sent(path: str, params: dict[str, int | list[int]] | None, sent: str) -> None:
    assert target(path, params) == sent


def test_a_header_of_the_test_replaces_a_default_in_any_spelling() -> None:
    headers = with_defaults({"user-agent": "mine"}, None, {"Accept": "*/*"})
    assert headers == (("Accept", "*/*"), ("user-agent", "mine"))


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("X-A", "a\nb", "cannot have the value"),
        ("X A", "a", "cannot have the value"),
        ("X-A", "€", "cannot have the value"),
        ("Transfer-Encoding", "chunked", "leave it out"),
        ("Content-Length", "2", "the body has 1 bytes"),
    ],
)
def test_a_header_that_cannot_be_sent_is_an_error(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        with_defaults({name: value}, None, {}, b"x")


def test_headers_are_found_in_any_spelling_and_several_values_are_joined() -> None:
    headers = HeaderMap((("X-A", "1"), ("x-a", "2"), ("B", "3")))
    assert (headers["x-A"], list(headers), len(headers)) == ("1, 2", ["x-a", "b"], 2)


def test_a_response_is_decompressed_and_its_repr_has_no_token() -> None:
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
    packed = gzip.compress(f'{{"token": "{jwt}"}}'.encode())
    response = Response.of(Reply(200, (("Content-Encoding", "gzip"),), packed), "GET /token")
    assert response.json() == {"token": jwt}
    assert repr(response) == '<Response 200 of GET /token: {"token": "eyJ…"}>'
