"""The events of Lambda functions: their exact keys, as in captures of real traffic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_sessionplugin.gateway.core.events import clf, milliseconds
from pytest_sessionplugin.gateway.values import Closed, Invoke, Request
from tests.gateway.core.desk import Desk, only


@pytest.fixture
def desk() -> Desk:
    return Desk()


def ask(desk: Desk, method: str, path: str, **request: Any) -> Invoke:
    """The function that a request sets off."""
    return only(desk.receive(Request("r1", method, path, **request)), Invoke)


@pytest.mark.parametrize("now", [0.9994, 0.9996, 1.0])
def test_both_times_of_an_event_are_in_the_same_second(now: float) -> None:
    assert clf(now) == f"01/Jan/1970:00:00:{milliseconds(now) // 1000:02} +0000"


class TestRest:
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


class TestWebSocket:
    CONTEXT = frozenset(
        [
            "routeKey",
            "eventType",
            "extendedRequestId",
            "requestTime",
            "messageDirection",
            "stage",
            "connectedAt",
            "requestTimeEpoch",
            "identity",
            "requestId",
            "domainName",
            "connectionId",
            "apiId",
        ]
    )
    HEADERS = (
        ("Host", "localhost"),
        ("sec-WEBSOCKET-key", "k"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("User-Agent", "test"),
        ("X-A", "1"),
        ("X-A", "2"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Forwarded-Proto", "http"),
    )

    def test_connect(self, desk: Desk) -> None:
        event = desk.connect(query="t=a%20b&t=c&e=", headers=self.HEADERS, source_ip="192.0.2.1").event
        assert set(event) == {
            "headers",
            "multiValueHeaders",
            "queryStringParameters",
            "multiValueQueryStringParameters",
            "requestContext",
            "isBase64Encoded",
        }
        assert event["queryStringParameters"] == {"t": "c", "e": ""}
        assert event["multiValueQueryStringParameters"] == {"t": ["a b", "c"], "e": [""]}
        headers = event["headers"]
        assert headers.pop("X-Amzn-Trace-Id").startswith("Root=1-67d61f5e-")
        assert headers == {
            "Host": "localhost",
            "sec-WEBSOCKET-key": "k",
            "User-Agent": "test",
            "X-A": "2",
            "X-Forwarded-For": "10.0.0.1, 192.0.2.1",
            "X-Forwarded-Port": "443",
            "X-Forwarded-Proto": "https",
        }
        assert event["multiValueHeaders"]["X-A"] == ["1", "2"]
        assert set(event["multiValueHeaders"]) == {*headers, "X-Amzn-Trace-Id"}
        context = event["requestContext"]
        assert set(context) == self.CONTEXT
        assert context["requestId"] == context["extendedRequestId"]
        assert context["identity"] == {"sourceIp": "192.0.2.1", "userAgent": "test"}
        assert context["requestTime"] == "16/Mar/2025:00:46:22 +0000"
        assert context["requestTimeEpoch"] == context["connectedAt"] == 1742085982306
        assert context["routeKey"] == "$connect"
        assert context["eventType"] == "CONNECT"
        assert context["messageDirection"] == "IN"
        assert context["domainName"] == "w3bs0cket0.execute-api.us-east-1.amazonaws.com"
        assert (context["apiId"], context["stage"]) == ("w3bs0cket0", "api")

    def test_connect_without_query_has_no_query_keys_and_without_user_agent_no_user_agent(self, desk: Desk) -> None:
        event = desk.connect().event
        assert set(event) == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
        assert event["requestContext"]["identity"] == {"sourceIp": "127.0.0.1"}

    def test_message(self, desk: Desk) -> None:
        desk.open(headers=self.HEADERS)
        desk.now += 5
        event = desk.say("hi").event
        assert set(event) == {"requestContext", "body", "isBase64Encoded"}
        context = event["requestContext"]
        assert set(context) == {*self.CONTEXT, "messageId"}
        assert context["eventType"] == "MESSAGE"
        assert context["routeKey"] == "$default"
        assert context["connectedAt"] == 1742085982306
        assert context["requestTimeEpoch"] == 1742085987306
        assert context["identity"]["userAgent"] == "test"
        assert context["messageId"] != context["requestId"] == context["extendedRequestId"]

    def test_disconnect(self, desk: Desk) -> None:
        desk.open(source_ip="192.0.2.1")
        event = only(desk.receive(Closed("alice", 1005)), Invoke).event
        assert set(event) == {"headers", "multiValueHeaders", "requestContext", "isBase64Encoded"}
        assert event["headers"] == {
            "Host": "w3bs0cket0.execute-api.us-east-1.amazonaws.com",
            "x-api-key": "",
            "X-Forwarded-For": "192.0.2.1",
            "x-restapi": "",
        }
        assert event["multiValueHeaders"]["X-Forwarded-For"] == ["192.0.2.1"]
        assert set(event["requestContext"]) == {*self.CONTEXT, "disconnectStatusCode", "disconnectReason"}
        assert event["requestContext"]["connectedAt"] == 1742085982306
        json.dumps(event)

    def test_are_not_shared(self, desk: Desk) -> None:
        desk.open()
        desk.say("x").event["requestContext"]["identity"]["sourceIp"] = "spoiled"
        assert desk.say("x").event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
