"""REST requests: routes, events, and the answers that API Gateway makes of what a function returned."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from pytest_sessionplugin.gateway.values import (
    Api,
    Invoke,
    Raised,
    Reply,
    Request,
    Respond,
    Returned,
    Route,
)
from tests.gateway.core.desk import API, Desk, only


@pytest.fixture
def desk() -> Desk:
    return Desk()


def ask(desk: Desk, method: str, path: str, **request: Any) -> Invoke:
    """The function that a request sets off."""
    return only(desk.receive(Request("r1", method, path, **request)), Invoke)


def turned_away(desk: Desk, method: str, path: str, **request: Any) -> Reply:
    """The answer to a request that sets nothing off."""
    return only(desk.receive(Request("r1", method, path, **request)), Respond).reply


def answered(desk: Desk, result: Any, **request: Any) -> Reply:
    """The HTTP answer to what the function returned."""
    invoke = ask(desk, request.pop("method", "GET"), "/rooms", **request)
    return only(desk.answer(invoke, result), Respond).reply


def body(reply: Reply) -> Any:
    return json.loads(reply.body)


class TestTurnedAway:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/nowhere"), ("PUT", "/rooms"), ("OPTIONS", "/rooms/7")],
    )
    def test_unknown_path_and_unknown_verb_are_the_same_403(self, desk: Desk, method: str, path: str) -> None:
        reply = turned_away(desk, method, path)
        assert reply.status == 403
        assert body(reply) == {"message": "Missing Authentication Token"}
        assert ("x-amzn-ErrorType", "MissingAuthenticationTokenException") in reply.headers
        assert ("x-amzn-RequestId", "r1") in reply.headers

    @pytest.mark.parametrize("path", ["/nowhere", "/rooms"])
    def test_no_answer_to_head_has_a_body(self, desk: Desk, path: str) -> None:
        reply = turned_away(desk, "HEAD", path)
        assert (reply.status, reply.body) == (403, b"")

    @pytest.mark.parametrize("query", ["", "x"])
    def test_a_url_has_8192_characters(self, desk: Desk, query: str) -> None:
        path = f"/rooms/{'x' * (8_192 - 7 - len(query))}"
        assert not isinstance(desk.receive(Request("r1", "GET", path, query))[0], Respond)
        assert turned_away(desk, "GET", path + "x", query=query).status == 413

    def test_a_preflight_is_answered_without_the_function(self, desk: Desk) -> None:
        reply = turned_away(desk, "OPTIONS", "/rooms")
        assert (reply.status, reply.body) == (200, b"")
        headers = dict(reply.headers)
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Access-Control-Allow-Methods"] == "GET,POST,OPTIONS"

    def test_an_options_route_of_the_app_is_served_by_the_app(self) -> None:
        desk = Desk(Api(routes=(Route("/x", frozenset({"OPTIONS"}), preflight={"A": "b"}),)))
        assert ask(desk, "OPTIONS", "/x").function == "api_handler"

    def test_more_than_10_mb_is_413(self, desk: Desk) -> None:
        reply = turned_away(desk, "POST", "/rooms", body=b"x" * (10 * 1024 * 1024 + 1))
        assert reply.status == 413

    def test_more_than_10240_bytes_of_header_values_is_431(self, desk: Desk) -> None:
        assert ask(desk, "GET", "/rooms", headers=(("X", "x" * 10_240),))
        assert turned_away(desk, "GET", "/rooms", headers=(("X", "x" * 10_241),)).status == 431


class TestAnswer:
    def test_is_what_the_function_returned(self, desk: Desk) -> None:
        result = {"statusCode": 201, "headers": {"Location": "/x", "X-N": 1}, "body": "é"}
        reply = answered(desk, result)
        assert (reply.status, reply.body) == (201, "é".encode())
        headers = dict(reply.headers)
        assert (headers["Location"], headers["X-N"]) == ("/x", "1")
        assert headers["Content-Type"] == "application/json"

    def test_has_the_headers_of_both_maps_and_the_multi_value_one_wins_for_a_pair(self, desk: Desk) -> None:
        result = {
            "statusCode": 200,
            "headers": {"X": "1", "Y": "3", "Content-Type": "text/plain"},
            "multiValueHeaders": {"X": ["1", "2"]},
        }
        pairs = [pair for pair in answered(desk, result).headers if pair[0] in "XY"]
        assert sorted(pairs) == [("X", "1"), ("X", "2"), ("Y", "3")]

    @pytest.mark.parametrize(
        "name", ["WWW-Authenticate", "www-authenticate", "Authorization", "Connection", "Date", "Server", "User-Agent"]
    )
    def test_some_headers_leave_under_another_name(self, desk: Desk, name: str) -> None:
        reply = answered(desk, {"statusCode": 401, "headers": {name: "Bearer"}})
        assert (f"x-amzn-Remapped-{name}", "Bearer") in reply.headers
        assert all(key.lower() != name.lower() for key, _ in reply.headers)

    @pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Upgrade", "Host", "TE", "Via"])
    def test_no_function_decides_about_the_framing_and_the_hop(self, desk: Desk, name: str) -> None:
        reply = answered(desk, {"statusCode": 200, "headers": {name: "7"}, "body": "x"})
        assert all(key.lower().removeprefix("x-amzn-remapped-") != name.lower() for key, _ in reply.headers)

    PIXEL = b"\x89PNG"
    BINARY = {"statusCode": 200, "body": base64.b64encode(PIXEL).decode(), "isBase64Encoded": True}  # noqa: RUF012

    @pytest.mark.parametrize("accept", ["image/png", "image/png;q=0.5, */*", "application/octet-stream"])
    def test_base64_is_decoded_if_the_client_accepts_a_binary_type_first(self, desk: Desk, accept: str) -> None:
        assert answered(desk, self.BINARY, headers=(("Accept", accept),)).body == self.PIXEL

    def test_of_any_type_is_binary_where_all_are(self) -> None:
        desk = Desk(replace(API, binary_types=frozenset({"*/*"})))
        request = Request("r1", "GET", "/", headers=(("Accept", "text/html"),))
        invoke = only(desk.receive(request), Invoke)
        result = {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}
        assert only(desk.answer(invoke, result), Respond).reply.body == b"\xff\x00"

    @pytest.mark.parametrize("accept", ["text/html, image/png", "*/*", ""])
    def test_base64_stays_base64_if_it_does_not(self, desk: Desk, accept: str) -> None:
        assert answered(desk, self.BINARY, headers=(("Accept", accept),)).body == base64.b64encode(self.PIXEL)

    def test_no_base64_where_it_must_be_is_502(self, desk: Desk) -> None:
        broken = {"statusCode": 200, "body": "?", "isBase64Encoded": True}
        assert answered(desk, broken, headers=(("Accept", "image/png"),)).status == 502

    @pytest.mark.parametrize(
        "result",
        [
            None,
            "x",
            200,
            [],
            {},
            {"statusCode": 200, "extra": 1},
            {"statusCode": 200, "body": {}},
            {"statusCode": 200, "body": 1},
            {"statusCode": 99},
            {"statusCode": True},
            {"statusCode": 200, "headers": []},
            {"statusCode": 200, "headers": {"X": []}},
            {"statusCode": 200, "multiValueHeaders": {"X": "1"}},
            {"statusCode": 200, "headers": {"X": "a\nb"}},
            {"statusCode": 200, "isBase64Encoded": "yes"},
        ],
        ids=repr,
    )
    def test_malformed_output_is_502(self, desk: Desk, result: object) -> None:
        reply = answered(desk, result)
        assert reply.status == 502
        assert body(reply) == {"message": "Internal server error"}

    def test_a_function_that_fails_is_502(self, desk: Desk) -> None:
        returned = Returned(ask(desk, "GET", "/").invocation_id, error=Raised("ImportError", "x"))
        reply = only(desk.receive(returned), Respond).reply
        assert (reply.status, body(reply)) == (502, {"message": "Internal server error"})

    def test_after_29_seconds_is_504_once_whatever_the_function_then_returns(self, desk: Desk) -> None:
        invoke = ask(desk, "GET", "/")
        assert desk.tick(28.9) == []
        reply = only(desk.tick(0.1), Respond).reply
        assert (reply.status, body(reply)) == (504, {"message": "Endpoint request timed out"})
        assert ("x-amzn-ErrorType", "InternalServerErrorException") in reply.headers
        assert desk.answer(invoke) == []

    @pytest.mark.parametrize("status", [204, 304])
    def test_without_a_body_by_its_status_has_none(self, desk: Desk, status: int) -> None:
        assert answered(desk, {"statusCode": status, "body": "x"}).body == b""
