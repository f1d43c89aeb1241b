"""REST requests: routes, events, and the answers that API Gateway makes of what a function returned."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from pytest_sessionplugin.gateway.core.routing import Router
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


class TestRoutes:
    @pytest.mark.parametrize(
        ("path", "template", "parameters"),
        [
            ("/", "/", {}),
            ("/rooms", "/rooms", {}),
            ("/rooms/", "/rooms", {}),
            ("/rooms/7", "/rooms/{room}", {"room": "7"}),
            ("/rooms/7/", "/rooms/{room}", {"room": "7"}),
            ("/rooms/lobby", "/rooms/lobby", {}),
            ("/rooms/lobb%79", "/rooms/lobby", {}),
            ("/rooms/a%2Fb", "/rooms/{room}", {"room": "a%2Fb"}),
            ("/rooms/caf%C3%A9", "/rooms/{room}", {"room": "caf%C3%A9"}),
        ],
    )
    def test_match(self, path: str, template: str, parameters: dict[str, str]) -> None:
        match = Router(API).find(path)
        assert match is not None
        assert (match.route.path, match.parameters) == (template, parameters)

    @pytest.mark.parametrize("path", ["/room", "/rooms/7/8", "/rooms//", "//rooms", "/rooms//7", "*", "rooms", "x:80"])
    def test_do_not_match(self, path: str) -> None:
        assert Router(API).find(path) is None

    def test_no_variable_of_a_route_that_failed_leaks_into_the_next(self) -> None:
        routes = (Route("/{a}/x/{b}", frozenset({"GET"})), Route("/{c}/y/{d}", frozenset({"GET"})))
        match = Router(Api(routes=routes)).find("/1/y/2")
        assert match is not None
        assert match.parameters == {"c": "1", "d": "2"}

    def test_the_more_concrete_route_wins_in_any_order(self) -> None:
        routes = [Route(path, frozenset({"GET"})) for path in ("/{a}/{b}", "/{a}/y", "/x/{b}", "/x/y")]
        for order in (routes, routes[::-1]):
            router = Router(Api(routes=tuple(order)))
            found = [router.find(path) for path in ("/x/y", "/x/1", "/1/y", "/1/2")]
            assert [match and match.route.path for match in found] == ["/x/y", "/x/{b}", "/{a}/y", "/{a}/{b}"]

    @pytest.mark.parametrize(
        ("path", "template"),
        [("/api/rooms/7", "/rooms/{room}"), ("/api", "/"), ("/api/", "/"), ("/api/rooms", "/rooms")],
    )
    def test_are_reached_with_the_stage_in_front_as_deployed(self, path: str, template: str) -> None:
        match = Router(API).find(path)
        assert match is not None
        assert match.route.path == template
        assert match.path == (path.removeprefix("/api") or "/")

    def test_one_that_begins_like_the_stage_wins_over_the_stage(self) -> None:
        routes = (Route("/api/rooms", frozenset({"GET"})), Route("/rooms", frozenset({"GET"})))
        router = Router(Api(routes=routes))
        paths = ("/api/rooms", "/api/api/rooms", "/rooms")
        assert [match and match.route.path for match in map(router.find, paths)] == [
            "/api/rooms",
            "/api/rooms",
            "/rooms",
        ]

    def test_a_variable_may_have_the_name_of_the_stage_where_nothing_else_fits(self) -> None:
        match = Router(Api(routes=(Route("/{a}/{b}", frozenset({"GET"})),))).find("/api/1")
        assert match is not None
        assert match.parameters == {"a": "api", "b": "1"}


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


class TestEvent:
    KEYS = frozenset(
        [
            "resource",
            "path",
            "httpMethod",
            "headers",
            "multiValueHeaders",
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "pathParameters",
            "stageVariables",
            "requestContext",
            "body",
            "isBase64Encoded",
        ]
    )

    def test_has_all_keys_and_null_for_what_is_not_there(self, desk: Desk) -> None:
        invoke = ask(desk, "GET", "/rooms")
        event = invoke.event
        assert invoke.function == "api_handler"
        assert set(event) == self.KEYS
        absent = {key for key in event if event[key] is None}
        assert absent == {
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "pathParameters",
            "stageVariables",
            "body",
        }
        assert event["isBase64Encoded"] is False
        json.dumps(event)

    def test_has_the_context_of_a_captured_one(self, desk: Desk) -> None:
        """An event of April 2024, without the authorizer and the API key that its method had."""
        context = ask(desk, "GET", "/rooms").event["requestContext"]
        names = "resourceId resourcePath httpMethod extendedRequestId requestTime path accountId protocol stage"
        more = "domainPrefix requestTimeEpoch requestId identity domainName apiId"
        assert set(context) == set(f"{names} {more}".split())
        names = "cognitoIdentityPoolId cognitoIdentityId principalOrgId cognitoAuthenticationType userArn userAgent"
        more = "accountId caller sourceIp accessKey cognitoAuthenticationProvider user"
        assert set(context["identity"]) == set(f"{names} {more}".split())
        assert {name for name, value in context["identity"].items() if value is not None} == {"sourceIp"}

    def test_names_template_concrete_path_and_path_with_stage(self, desk: Desk) -> None:
        for path in ("/rooms/a%2Fb", "/api/rooms/a%2Fb"):
            event = ask(desk, "GET", path).event
            assert event["resource"] == event["requestContext"]["resourcePath"] == "/rooms/{room}"
            assert event["path"] == "/rooms/a%2Fb"
            assert event["requestContext"]["path"] == "/api/rooms/a%2Fb"
            assert event["pathParameters"] == {"room": "a%2Fb"}

    def test_says_who_asks_when(self, desk: Desk) -> None:
        headers = (("user-agent", "test"),)
        context = ask(desk, "DELETE", "/rooms/7", headers=headers, source_ip="192.0.2.1").event["requestContext"]
        assert context["httpMethod"] == "DELETE"
        assert context["identity"]["sourceIp"] == "192.0.2.1"
        assert context["identity"]["userAgent"] == "test"
        assert context["identity"]["caller"] is None
        assert context["requestId"] == "r1"
        assert context["requestTime"] == "16/Mar/2025:00:46:22 +0000"
        assert context["requestTimeEpoch"] == 1742085982306
        assert context["domainName"] == "r3stapi000.execute-api.us-east-1.amazonaws.com"
        assert (context["apiId"], context["stage"], context["accountId"]) == ("r3stapi000", "api", "123456789012")

    def test_keeps_the_spelling_of_headers_and_drops_those_of_the_hop(self, desk: Desk) -> None:
        sent = (("hOsT", "h"), ("X-a", "1"), ("X-a", "2"), ("Connection", "close"), ("Content-Length", "3"))
        event = ask(desk, "POST", "/rooms", headers=sent, body=b"abc").event
        assert set(event["headers"]) == {
            "hOsT",
            "X-a",
            "X-Amzn-Trace-Id",
            "X-Forwarded-For",
            "X-Forwarded-Port",
            "X-Forwarded-Proto",
        }
        assert event["headers"]["X-a"] == "2"
        assert event["multiValueHeaders"]["X-a"] == ["1", "2"]

    def test_decodes_the_query(self, desk: Desk) -> None:
        event = ask(desk, "GET", "/rooms", query="a=1&a=%C3%A9&b=&c=x+y").event
        assert event["queryStringParameters"] == {"a": "é", "b": "", "c": "x y"}
        assert event["multiValueQueryStringParameters"] == {"a": ["1", "é"], "b": [""], "c": ["x y"]}

    @pytest.mark.parametrize("content_type", ["image/png", "IMAGE/PNG; q=1", "application/octet-stream"])
    def test_a_binary_body_is_base64(self, desk: Desk, content_type: str) -> None:
        event = ask(desk, "POST", "/rooms", headers=(("content-type", content_type),), body=b"\xff\x00").event
        assert (event["body"], event["isBase64Encoded"]) == ("/wA=", True)

    def test_any_other_body_is_text(self, desk: Desk) -> None:
        event = ask(desk, "POST", "/rooms", headers=(("Content-Type", "text/plain"),), body="é".encode()).event
        assert (event["body"], event["isBase64Encoded"]) == ("é", False)


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
