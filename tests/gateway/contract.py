"""The contract of a gateway, in process and on sockets: the suites of both inherit this."""

from __future__ import annotations

import base64
import gzip
import json
import re
import sys
import threading
import time
import uuid
import zlib
from datetime import timedelta
from typing import Any

import pytest

from pytest_sessionplugin.errors import LambdaFault
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.response import HandshakeRefused, HTTPStatusError
from pytest_sessionplugin.gateway.client.transport import ClientConnection
from pytest_sessionplugin.gateway.client.websocket import ConnectionClosed, NothingReceived, WebSocket
from pytest_sessionplugin.gateway.runtime import HEADER
from pytest_sessionplugin.gateway.values import MAX_EVENT, MAX_RESULT, Invoke, Observed, Returned
from tests.gateway.app import App
from tests.gateway.signing import signed


def connection_id(websocket: WebSocket) -> str:
    assert websocket.connection_id is not None
    return websocket.connection_id


class Http:
    def test_a_request_reaches_the_function_as_it_was_sent(self, gateway: GatewayClient) -> None:
        http = gateway.http(token="t0ken", headers={"x-mIxEd": "1"})
        event = http.post("/echo", json={"é": 1}, params={"a": [1, 2]}, headers={"X-More": "2"}).json()
        assert event["httpMethod"] == "POST"
        assert json.loads(event["body"]) == {"é": 1}
        assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
        headers = event["headers"]
        assert headers["Authorization"] == "Bearer t0ken"
        assert headers["Content-Type"] == "application/json"
        assert (headers["x-mIxEd"], headers["X-More"]) == ("1", "2")
        assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"

    def test_what_the_client_adds_is_the_same_everywhere(self, gateway: GatewayClient) -> None:
        headers = gateway.http().get("/echo").json()["headers"]
        assert set(headers) == {
            "Host",
            "User-Agent",
            "Accept",
            "X-Amzn-Trace-Id",
            "X-Forwarded-For",
            "X-Forwarded-Port",
            "X-Forwarded-Proto",
        }

    def test_a_header_of_the_test_replaces_one_of_the_client(self, gateway: GatewayClient) -> None:
        http = gateway.http(token="one", headers={"accept": "text/html"})
        headers = http.get("/echo", token="two", headers={"user-agent": "mine"}).json()["headers"]
        assert headers["Authorization"] == "Bearer two"
        assert (headers["accept"], headers["user-agent"]) == ("text/html", "mine")
        assert not {"Accept", "User-Agent"} & set(headers)

    def test_a_host_of_the_test_is_the_only_one(self, gateway: GatewayClient) -> None:
        event = gateway.http(headers={"host": "chat.example"}).get("/echo").json()
        assert [value for name, value in event["multiValueHeaders"].items() if name.lower() == "host"] == [
            ["chat.example"]
        ]
        gateway.websocket(headers={"Host": "chat.example"}).close()

    def test_a_response_has_status_headers_and_body(self, gateway: GatewayClient) -> None:
        response = gateway.http().get("/echo")
        assert response.status_code == 200
        assert response.headers["x-ECHO"] == "1"
        assert "x-amzn-requestid" in response.headers
        assert response.content.decode() == response.text

    def test_repeated_headers_and_cookies_arrive(self, gateway: GatewayClient) -> None:
        http = gateway.http(cookies={"a": "1"}, headers=[("X-A", "1"), ("X-A", "2")])
        event = http.get("/echo", cookies={"b": "2"}).json()
        assert event["multiValueHeaders"]["X-A"] == ["1", "2"]
        assert event["headers"]["Cookie"] == "a=1; b=2"
        event = http.get("/echo", headers=[("x-a", "3"), ("x-a", "4")]).json()
        assert [value for name, value in event["multiValueHeaders"].items() if name.lower() == "x-a"] == [["3", "4"]]

    def test_a_form_and_files_arrive(self, gateway: GatewayClient) -> None:
        event = gateway.post("/echo", data={"a": ["1", "2"], "b": "é"}).json()
        assert event["headers"]["Content-Type"] == "application/x-www-form-urlencoded"
        assert event["body"] == "a=1&a=2&b=%C3%A9"
        response = gateway.put("/echo", data={"title": "notes"}, files={"f": ("notes.txt", b"some text")})
        event = response.json()
        assert event["headers"]["Content-Type"].startswith("multipart/form-data; boundary=")
        assert event["body"].encode() == response.request.content
        assert 'name="f"; filename="notes.txt"\r\nContent-Type: text/plain\r\n\r\nsome text\r\n--' in event["body"]

    def test_a_response_has_cookies_repeated_headers_and_its_url(self, gateway: GatewayClient) -> None:
        headers = {"Set-Cookie": ["a=1; Path=/", "b=2"], "X-A": ["1", "2"]}
        response = gateway.post("/returned", json={"statusCode": 201, "multiValueHeaders": headers}, params={"q": 1})
        assert response.raise_for_status() is response
        assert response.cookies == {"a": "1", "b": "2"}
        assert (response.headers.get_list("x-a"), response.headers["x-a"]) == (["1", "2"], "1, 2")
        assert response.url == f"{gateway.base_url}/returned?q=1"
        assert response.elapsed < timedelta(seconds=20)
        assert (response.request.method, response.request.headers["Content-Type"]) == ("POST", "application/json")

    def test_a_status_that_is_refused_has_the_response(self, gateway: GatewayClient) -> None:
        with pytest.raises(HTTPStatusError, match=r"^418 I'm a Teapot of GET /status/418: a body$") as raised:
            gateway.get("/status/418").raise_for_status()
        assert (raised.value.response.text, raised.value.response.is_error) == ("a body", True)

    def test_the_deployed_form_of_a_path_reaches_the_route_too(self, gateway: GatewayClient) -> None:
        event = gateway.http().get("/api/echo").json()
        assert (event["path"], event["requestContext"]["path"]) == ("/echo", "/api/echo")

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [("GET", "/nowhere", 403), ("DELETE", "/echo", 403), ("OPTIONS", "/echo", 200), ("GET", "/crash", 502)],
    )
    def test_statuses_of_the_gateway_itself(self, gateway: GatewayClient, method: str, path: str, status: int) -> None:
        assert gateway.http().request(method, path).status_code == status

    @pytest.mark.parametrize("status", [200, 201, 204, 304, 404, 418, 500, 599])
    def test_every_status_arrives_and_the_connection_goes_on(self, gateway: GatewayClient, status: int) -> None:
        http = gateway.http()
        response = http.get(f"/status/{status}")
        assert response.status_code == status
        assert response.content == (b"" if status in (204, 304) else b"a body")
        assert http.get("/status/200").content == b"a body"

    def test_head_has_no_body(self, gateway: GatewayClient) -> None:
        response = gateway.http().head("/echo")
        assert (response.status_code, response.content) == (200, b"")

    def test_a_large_body_arrives_whole_and_a_larger_one_is_413(self, gateway: GatewayClient) -> None:
        http = gateway.http()
        body = b"x" * 3_000_000
        assert json.loads(http.post("/echo", content=body).content)["body"] == body.decode()
        assert http.post("/echo", content=b"x" * (10 * 1024 * 1024 + 1)).status_code == 413
        assert http.get("/echo").status_code == 200

    @pytest.mark.parametrize(
        ("size", "type", "status"),
        [
            (MAX_EVENT - 4000, "text/plain", 200),
            (MAX_EVENT - 500, "text/plain", 413),
            (4_710_000, "application/octet-stream", 200),  # in base64
            (4_720_000, "application/octet-stream", 413),
        ],
    )
    def test_an_event_larger_than_lambda_takes_is_413(
        self, gateway: GatewayClient, size: int, type: str, status: int
    ) -> None:
        response = gateway.http().post("/large/0", content=b"x" * size, headers={"Content-Type": type})
        assert response.status_code == status
        if status == 413:
            assert response.json() == {"message": "Request Too Long"}

    def test_a_result_larger_than_lambda_takes_is_502(self, gateway: GatewayClient) -> None:
        most = MAX_RESULT - len(json.dumps({"statusCode": 200, "body": ""}))
        assert len(gateway.http().get(f"/large/{most}").content) == most
        response = gateway.http().get(f"/large/{most + 1}")
        assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    def test_a_compressed_request_reaches_the_function_plain(self, gateway: GatewayClient, coding: str) -> None:
        content = {"gzip": gzip.compress("é".encode()), "deflate": zlib.compress("é".encode())}[coding]
        headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
        event = gateway.http().post("/echo", content=content, headers=headers).json()
        assert (event["body"], event["headers"]["Content-Encoding"]) == ("é", coding)

    @pytest.mark.parametrize(
        ("coding", "body", "status"),
        [("br", b"x", 415), ("gzip", b"x", 415), ("gzip", 10 * 1024 * 1024 + 1, 413)],
    )
    def test_what_cannot_be_decompressed_does_not_reach_it(
        self, gateway: GatewayClient, coding: str, body: bytes | int, status: int
    ) -> None:
        content = body if isinstance(body, bytes) else gzip.compress(bytes(body), 1)
        assert gateway.http(headers={"Content-Encoding": coding}).post("/echo", content=content).status_code == status
        assert [seen for seen in gateway.trace if isinstance(seen.what, Invoke)] == []

    @pytest.mark.parametrize("coding", ["gzip", "deflate"])
    def test_an_answer_is_compressed_for_a_client_that_asks_and_read_by_it(
        self, gateway: GatewayClient, coding: str
    ) -> None:
        response = gateway.http(headers={"Accept-Encoding": coding}).get("/echo")
        assert response.headers["content-encoding"] == coding
        assert response.json()["httpMethod"] == "GET"
        assert "content-encoding" not in gateway.http().get("/echo").headers

    @pytest.mark.parametrize(
        ("result", "status"),
        [
            (None, 502),
            (200, 502),
            ("x", 502),
            ({}, 502),
            ({"statusCode": 200, "extra": 1}, 502),
            ({"statusCode": 200, "body": 1}, 502),
            ({"statusCode": 200, "body": {}}, 502),
            ({"statusCode": 200, "body": "?", "isBase64Encoded": True}, 502),
            ({"statusCode": 200, "headers": {"X-N": 1, "X-B": True}}, 200),
            ({"statusCode": "201"}, 201),
            ({"statusCode": 200, "body": None}, 200),
        ],
        ids=repr,
    )
    def test_a_function_may_return_only_what_a_proxy_may(
        self, gateway: GatewayClient, result: Any, status: int
    ) -> None:
        response = gateway.http(headers={"Accept": "application/octet-stream"}).post("/returned", json=result)
        if result is None:
            response = gateway.http().post("/returned", content="null")
        assert response.status_code == status
        if status == 502:
            assert response.json() == {"message": "Internal server error"}

    def test_base64_is_decoded_only_for_a_client_whose_first_type_is_binary(self, gateway: GatewayClient) -> None:
        result = {"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}
        bodies = [
            gateway.http(headers={"Accept": accept}).post("/returned", json=result).content
            for accept in ("application/octet-stream, text/html", "text/html, application/octet-stream")
        ]
        assert bodies == [b"\xff\x00", b"/wA="]

    def test_a_body_that_is_no_utf_8_loses_what_it_cannot_say(self, gateway: GatewayClient) -> None:
        headers = {"Content-Type": "text/plain"}
        event = gateway.http().post("/echo", content=b"a\xffb", headers=headers).json()
        assert (event["body"], event["isBase64Encoded"]) == ("a\ufffdb", False)

    @pytest.mark.parametrize("segment", ["a%2Fb", "..", "%2e%2e", "a%20b", "a+b", "a;b=1"])
    def test_a_segment_of_a_path_reaches_the_function_as_it_was_sent(
        self, gateway: GatewayClient, segment: str
    ) -> None:
        event = gateway.http().put(f"/guarded/{segment}").json()
        assert event["path"] == f"/guarded/{segment}"
        assert event["pathParameters"] == {"place": segment}
        assert event["requestContext"]["path"] == f"/api/guarded/{segment}"

    @pytest.mark.parametrize("path", ["/prod/echo", "/API/echo"])
    def test_another_stage_is_403(self, gateway: GatewayClient, path: str) -> None:
        assert gateway.http().get(path).status_code == 403

    def test_header_values_of_more_than_10240_bytes_are_431(self, gateway: GatewayClient) -> None:
        assert gateway.http().get("/echo", headers={"X": "x" * 9_000}).status_code == 200
        assert gateway.http().get("/echo", headers={"X": "x" * 11_000}).status_code == 431

    def test_a_url_of_more_than_8192_characters_is_413(self, gateway: GatewayClient) -> None:
        assert gateway.http().get("/echo", params={"a": "x" * 8_000}).status_code == 200
        assert gateway.http().get("/echo", params={"a": "x" * 8_192}).status_code == 413

    def test_json_and_content_exclude_each_other(self, gateway: GatewayClient) -> None:
        with pytest.raises(TypeError, match="not both"):
            gateway.http().post("/echo", json={}, content="x")

    def test_a_path_without_a_slash_is_a_mistake(self, gateway: GatewayClient) -> None:
        with pytest.raises(ValueError, match="'echo'"):
            gateway.http().get("echo")

    @pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"X\n": "a"}, {"X": "€"}, {"": "a"}])
    def test_a_header_that_cannot_be_sent_is_a_mistake(self, gateway: GatewayClient, headers: dict[str, str]) -> None:
        with pytest.raises(ValueError, match=r"header|latin-1"):
            gateway.http().get("/echo", headers=headers)
        with pytest.raises(ValueError, match=r"header|latin-1"):
            gateway.websocket(headers=headers)

    @pytest.mark.parametrize(
        "headers", [{"Transfer-Encoding": "chunked"}, {"content-length": "4"}, {"Content-Length": "x"}]
    )
    def test_a_header_that_says_another_length_than_the_body_has_is_a_mistake(
        self, gateway: GatewayClient, headers: dict[str, str]
    ) -> None:
        with pytest.raises(ValueError, match=r"header '.*' cannot be .*leave"):
            gateway.http().post("/echo", content="abc", headers=headers)
        with pytest.raises(ValueError, match=r"header '.*' cannot be .*leave"):
            gateway.websocket(headers=headers)

    def test_the_length_that_the_body_has_may_be_said(self, gateway: GatewayClient) -> None:
        event = gateway.http().post("/echo", content="abc", headers={"content-length": "3"}).json()
        assert event["body"] == "abc"

    def test_header_values_are_trimmed_and_may_be_latin_1(self, gateway: GatewayClient) -> None:
        headers = gateway.http().get("/echo", headers={"X": " é ", "Y": ""}).json()["headers"]
        assert (headers["X"], headers["Y"]) == ("é", "")

    def test_a_path_is_percent_encoded_where_it_must_be(self, gateway: GatewayClient) -> None:
        assert gateway.http().get("/members/a b%20é").status_code == 410
        event = gateway.http().get("/echo?q=é f&r=%20").json()
        assert event["queryStringParameters"] == {"q": "é f", "r": " "}


class Authorizers:
    def test_a_request_is_authorized_before_its_function_runs(self, gateway: GatewayClient, app: App) -> None:
        http = gateway.http(headers={"authorization": "garden"})
        event = http.get("/api/guarded/garden").json()
        authorizer = event["requestContext"]["authorizer"]
        assert authorizer.pop("integrationLatency") >= 0
        assert authorizer == {"principalId": "alice", "level": "3"}
        assert http.get("/guarded/house").status_code == 403
        assert app.log == [("guard", "garden")]

    @pytest.mark.parametrize(("token", "status"), [(None, 401), ("", 401), ("nobody", 401), ("crash", 500)])
    def test_a_request_that_is_not_authorized_does_not_reach_its_function(
        self, gateway: GatewayClient, token: str | None, status: int
    ) -> None:
        headers = {} if token is None else {"Authorization": token}
        assert gateway.http(headers=headers).get("/guarded/garden").status_code == status
        ran = [seen.what.function for seen in gateway.trace if isinstance(seen.what, Invoke)]
        assert ran == (["guard"] if token else [])

    @pytest.mark.parametrize(("key", "status"), [(None, 403), ("another", 403), ("a-key", 200)])
    def test_a_route_that_needs_an_api_key_takes_those_that_are_known(
        self, gateway: GatewayClient, key: str | None, status: int
    ) -> None:
        response = gateway.http(headers={} if key is None else {"x-api-key": key}).get("/keyed")
        assert response.status_code == status
        if status == 403:
            assert response.json() == {"message": "Forbidden"}
        else:
            assert response.json()["requestContext"]["identity"]["apiKey"] == key

    @pytest.mark.parametrize(
        ("signature", "claims", "status"),
        [("good", {}, 200), ("bad", {}, 401), ("good", {"token_use": "access"}, 401), ("good", {"exp": 1}, 401)],
    )
    def test_a_token_of_a_user_pool_is_checked(
        self, gateway: GatewayClient, signature: str, claims: dict[str, Any], status: int
    ) -> None:
        issuer = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_x"
        said = {"iss": issuer, "token_use": "id", "sub": "bob", "exp": 99999999999, **claims}
        head, body = (base64.urlsafe_b64encode(json.dumps(each).encode()).decode() for each in ({"alg": "RS256"}, said))
        response = gateway.http(token=f"{head.rstrip('=')}.{body.rstrip('=')}.{signature}").get("/cognito")
        assert response.status_code == status
        if status == 200:
            assert response.json()["requestContext"]["authorizer"]["claims"]["sub"] == "bob"

    def test_a_signed_request_is_that_of_its_signer(self, gateway: GatewayClient) -> None:
        http = gateway.http(headers=signed("GET", "/api/iam?a=1&b=%20", "AKID", "secret"))
        identity = http.get("/api/iam?a=1&b=%20").json()["requestContext"]["identity"]
        assert (identity["accessKey"], identity["sourceIp"]) == ("AKID", "127.0.0.1")
        assert [http.get("/api/iam?a=2").status_code, gateway.http().get("/iam").status_code] == [403, 403]

    def test_only_who_signs_is_told_that_there_is_nothing(self, gateway: GatewayClient) -> None:
        answers = [
            gateway.http(headers=signed("GET", "/nowhere", "AKID", "secret")).get("/nowhere"),
            gateway.http(token="t").get("/nowhere"),
            gateway.http().get("/nowhere"),
        ]
        assert [(answer.status_code, answer.headers["x-amzn-errortype"]) for answer in answers] == [
            (404, "NotFoundException"),
            (403, "IncompleteSignatureException"),
            (403, "MissingAuthenticationTokenException"),
        ]

    def test_a_method_without_an_authorizer_is_open(self, gateway: GatewayClient, app: App) -> None:
        assert "authorizer" not in gateway.http().put("/guarded/garden").json()["requestContext"]
        assert app.log == []

    def test_claims_stand_in_for_the_authorizer(self, gateway: GatewayClient, app: App) -> None:
        http = gateway.http(claims={"sub": "bob", "admin": True})
        context = http.get("/api/guarded/garden?a=1").json()["requestContext"]
        assert context["authorizer"] == {"principalId": "bob", "sub": "bob", "admin": "true"}
        context = http.get("/cognito", claims={"cognito:groups": ["a", "b"]}).json()["requestContext"]
        assert context["authorizer"] == {"claims": {"cognito:groups": "a,b"}}
        identity = http.get("/iam", claims={"userArn": "arn:x"}).json()["requestContext"]["identity"]
        assert (identity["userArn"], identity["sourceIp"]) == ("arn:x", "127.0.0.1")
        assert app.log == []

    def test_claims_leave_no_trace_on_the_request(self, gateway: GatewayClient) -> None:
        event = gateway.http(token="t", claims={}).get("/cognito").json()
        assert set(event["headers"]) == set(gateway.http(token="t").get("/echo").json()["headers"])

    def test_claims_are_those_of_one_request(self, gateway: GatewayClient) -> None:
        http = gateway.http(token="t")
        assert http.get("/cognito", claims={}).status_code == 200
        assert http.get("/cognito").status_code == 401

    def test_claims_are_not_lost_to_a_header_that_looks_like_theirs(self, gateway: GatewayClient) -> None:
        event = gateway.http(claims={"sub": "bob"}, headers={HEADER: "guessed"}).get("/guarded/x").json()
        assert event["requestContext"]["authorizer"]["principalId"] == "bob"
        assert HEADER.lower() not in {name.lower() for name in event["headers"]}

    @pytest.mark.parametrize(
        ("method", "path", "claims", "why"),
        [
            ("GET", "/api/echo?a=1", {"sub": "bob"}, "GET /echo has no authorizer"),
            ("PUT", "/guarded/garden", {"sub": "bob"}, "PUT /guarded/{place} has no authorizer"),
            ("GET", "/guarded/garden", {"sub": {}}, "'sub' cannot be {}"),
            ("GET", "/iam", {"sub": "bob"}, "and not sub"),
        ],
    )
    def test_claims_that_api_gateway_could_not_give_are_a_mistake(
        self, gateway: GatewayClient, method: str, path: str, claims: Any, why: str
    ) -> None:
        with pytest.raises(ValueError, match=re.escape(why)):
            gateway.http(claims=claims).request(method, path)
        assert gateway.trace == []

    def test_claims_do_not_make_routes(self, gateway: GatewayClient) -> None:
        http = gateway.http(claims={"sub": "bob"})
        assert [http.get("/nowhere").status_code, http.options("/echo").status_code] == [403, 200]


class WebSockets:
    def test_a_handshake_sends_what_the_test_says(self, gateway: GatewayClient, app: App) -> None:
        gateway.websocket("/", params={"a": "1"}, token="t", headers={"Origin": "http://x"}).close()
        event = next(seen.what.event for seen in gateway.trace if type(seen.what).__name__ == "Invoke")  # type: ignore[union-attr]
        assert event["queryStringParameters"] == {"a": "1"}
        assert event["headers"]["Authorization"] == "Bearer t"
        assert event["headers"]["Origin"] == "http://x"

    @pytest.mark.parametrize("path", ["/", "/api", "/api/"])
    def test_is_reached_with_and_without_the_stage(self, gateway: GatewayClient, path: str) -> None:
        with gateway.websocket(path) as ws:
            ws.send_text("echo hi")
            assert ws.receive_text() == "hi"

    @pytest.mark.parametrize(
        ("query", "status"), [("status=401", 401), ("status=410", 410), ("status=503", 503), ("crash=1", 502)]
    )
    def test_a_refused_handshake_raises_with_the_status(self, gateway: GatewayClient, query: str, status: int) -> None:
        with pytest.raises(HandshakeRefused, match=str(status)) as caught:
            gateway.websocket(f"/?{query}")
        assert caught.value.status_code == status
        assert "dropped" not in caught.value.text
        assert caught.value.text in str(caught.value)
        assert (caught.value.json().keys(), caught.value.is_error) == ({"message"}, True)
        assert caught.value.url.startswith("ws")
        assert caught.value.url.endswith(f"/?{query}")
        assert caught.value.headers["content-type"] == "application/json"
        assert gateway.websockets == ()

    def test_of_another_stage_is_refused(self, gateway: GatewayClient) -> None:
        with pytest.raises(HandshakeRefused) as caught:
            gateway.websocket("/prod")
        assert caught.value.status_code == 403

    def test_the_subprotocol_is_the_one_of_the_function(self, gateway: GatewayClient) -> None:
        with gateway.websocket(params={"protocol": "v2"}, subprotocols=["v1", "v2"]) as ws:
            assert ws.subprotocol == "v2"
        with gateway.websocket(subprotocols=["v1"]) as ws:
            assert ws.subprotocol is None

    def test_a_subprotocol_that_was_not_offered_ends_the_connection(self, gateway: GatewayClient, app: App) -> None:
        with pytest.raises(ConnectionClosed, match="'v3' was not offered"):
            gateway.websocket(params={"protocol": "v3"}, subprotocols=["v1"])
        gateway.settle()
        assert app.log[1][0] == "disconnect"
        assert app.log[1][2] == 1006

    def test_frames_are_received_in_order(self, gateway: GatewayClient, app: App) -> None:
        with gateway.websocket() as ws:
            for number in range(50):
                app.manage("POST", connection_id(ws), str(number))
            assert [ws.receive_text() for _ in range(50)] == [str(number) for number in range(50)]
            ws.receive_nothing()

    def test_a_post_while_the_own_connect_runs_is_410(self, gateway: GatewayClient, app: App) -> None:
        with gateway.websocket(params={"post": "1"}) as ws:
            assert app.log[1:] == [410]
            ws.receive_nothing()

    def test_nothing_received_comes_at_once_and_shows_what_did(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            ws.send_text("echo hello")
            ws.receive_text()
            with pytest.raises(NothingReceived, match=r"(?s)sent  echo hello.*received  hello"):
                ws.receive_text()
            ws.send_text("echo still usable")
            assert ws.receive_text() == "still usable"

    def test_receive_nothing_fails_on_a_frame_and_leaves_it_there(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            ws.receive_nothing()
            ws.send_text("echo surprise")
            with pytest.raises(AssertionError, match="surprise"):
                ws.receive_nothing()
            assert ws.receive_text() == "surprise"
            ws.receive_nothing()

    def test_expect_gives_the_frame_if_its_fields_are_right(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            ws.send_text('echo {"type": "ack", "seq": 1, "more": true}')
            assert ws.expect(type="ack", seq=1) == {"type": "ack", "seq": 1, "more": True}

    @pytest.mark.parametrize("frame", ['{"type": "error"}', '{"type": "ack", "seq": 2}', '{"type": "ack"}', "[1]"])
    def test_expect_fails_with_the_frame_and_the_transcript(self, gateway: GatewayClient, frame: str) -> None:
        with gateway.websocket() as ws:
            ws.send_text(f"echo {frame}")
            with pytest.raises(AssertionError, match=r"(?s)expected .*'ack'.*on this socket:.*sent  echo"):
                ws.expect(type="ack", seq=1)

    def test_expected_frames_are_found_among_others_and_in_any_order(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            for frame in ('{"id": 1}', "text", '{"id": 2, "of": {"a": 1, "b": 2}}', '{"id": 3}', '{"id": 4}'):
                ws.send_text(f"echo {frame}")
                gateway.settle()  # on sockets two handlers may run at once
            assert ws.expect(of={"a": 1}, skip=True)["id"] == 2
            assert ws.expect_all({"id": 4}, {"id": 3}, any_order=True) == [{"id": 4}, {"id": 3}]
            with pytest.raises(NothingReceived, match="no frame came"):
                ws.expect(id=5, skip=True)

    def test_iteration_gives_the_frames_that_were_sent(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            ws.send_text("echo 1")
            ws.send_text("echo 2")
            assert sorted(frame.data for frame in ws) == ["1", "2"]
            ws.send_bytes(b"closes")
            assert list(ws) == []
            assert ws.frames[-1].direction == "closed"

    def test_a_frame_that_was_not_expected_is_shown_without_the_tokens_in_it(self, gateway: GatewayClient) -> None:
        token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmVk"
        with gateway.websocket() as ws:
            for _ in range(2):
                ws.send_text(f'echo {{"type": "a", "token": "{token}"}}')
            with pytest.raises(AssertionError, match="eyJ…") as expected:
                ws.expect(type="b", token=token)
            with pytest.raises(AssertionError, match="eyJ…") as nothing:
                ws.receive_nothing()
        assert token not in f"{expected.value} {nothing.value}"

    def test_a_frame_that_is_no_json_is_shown(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            ws.send_text("echo {no json eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl")
            with pytest.raises(
                AssertionError, match=r"expected JSON, received \{no json eyJ…; on this socket:"
            ) as error:
                ws.receive_json()
            assert "eyJhbGciOi" not in str(error.value)
            ws.send_text("echo 1")
            assert ws.receive_json() == 1

    def test_a_refusal_of_head_has_no_body(self, gateway: GatewayClient) -> None:
        reply = gateway.http().head("/nowhere")
        assert (reply.status_code, reply.content) == (403, b"")

    def test_an_error_of_the_function_is_a_frame(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            for message in ("raise no", "late", 'return {"statusCode": 200, "x": 1}', 'return {"body": "x"}'):
                ws.send_text(message)
                frame = ws.receive_json()
                assert frame["message"] == "Internal server error"
                assert frame["connectionId"] == ws.connection_id
            ws.send_text("echo alive")
            assert ws.receive_text() == "alive"

    @pytest.mark.parametrize("size", [0, 1, 32_768])
    def test_a_frame_of_32_kb_passes(self, gateway: GatewayClient, size: int) -> None:
        with gateway.websocket() as ws:
            ws.send_text("return " + '"' * (size - 7) if size > 7 else "x" * size)
            gateway.settle()
            app_saw = [seen for seen in gateway.trace if type(seen.what).__name__ == "Message"]
            assert len(app_saw[0].what.data) == size  # type: ignore[union-attr]

    def test_a_message_of_128_kb_in_frames_passes(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            text = "x" * (131_072 - 5)
            ws.send_text(f"echo {text}", frame_bytes=32_768)
            assert ws.receive_text() == text

    @pytest.mark.parametrize(
        ("data", "frame_bytes", "code"),
        [
            ("x" * 32_769, None, 1009),
            ("é" * 16_385, None, 1009),
            ("x" * 40_000, 32_769, 1009),
            ("x" * 131_073, 32_768, 1009),
            (b"x", None, 1003),
            (b"", None, 1003),
            (b"x" * 10, 3, 1003),
        ],
        ids=["frame", "utf-8 frame", "fragment", "message", "binary", "empty binary", "binary fragments"],
    )
    def test_too_large_is_1009_and_binary_1003(
        self, gateway: GatewayClient, app: App, data: Any, frame_bytes: int | None, code: int
    ) -> None:
        ws = gateway.websocket()
        send = ws.send_text if isinstance(data, str) else ws.send_bytes
        send(data, frame_bytes=frame_bytes)
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive_text()
        assert caught.value.code == code
        gateway.settle()
        assert app.log[1][:3] == ("disconnect", ws.connection_id, code)

    def test_a_frame_is_received_at_once_while_other_handlers_go_on(
        self, gateway: GatewayClient, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """alice's handler posts to bob when he has begun to wait, and does not end before he has received."""
        settle = gateway._transport.settle

        def waits(line: ClientConnection | None = None) -> None:
            app.gate.set()
            settle(line)

        with gateway.websocket() as alice, gateway.websocket() as bob:
            message = f"wait-post-wait {bob.connection_id} hi"
            sending = threading.Thread(target=alice.send_text, args=(message,))
            sending.start()
            assert app.waiting.acquire(timeout=10)
            monkeypatch.setattr(gateway._transport, "settle", waits)
            assert bob.receive_text() == "hi"
            app.second_gate.set()
            sending.join(10)
            bob.receive_nothing()

    def test_a_message_in_fragments_of_a_byte_is_put_together(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            ws.send_text("echo héé", frame_bytes=1)
            assert ws.receive_text() == "héé"


class SlowClients:
    def test_posts_are_429_while_more_waits_than_a_line_holds_and_only_then(
        self, gateway: GatewayClient, app: App
    ) -> None:
        with gateway.websocket() as ws:
            gateway.runtime.stall(connection_id(ws), lambda: None)
            posted = [app.manage("POST", connection_id(ws), "x" * 131_072).status for _ in range(130)]
            assert posted == [200] * 129 + [429]
            gateway.runtime.resume(connection_id(ws))
            assert app.manage("POST", connection_id(ws), "y").status == 200
            assert [len(ws.receive_text()) for _ in range(130)] == [131_072] * 129 + [1]

    def test_what_waits_for_one_that_leaves_is_dropped(self, gateway: GatewayClient, app: App) -> None:
        ws = gateway.websocket()
        gateway.runtime.stall(connection_id(ws), lambda: None)
        app.manage("POST", connection_id(ws), "x")
        ws.close()
        gateway.runtime.resume(connection_id(ws))
        gateway.settle()
        with pytest.raises(ConnectionClosed):
            ws.receive_text()


class Closing:
    def test_by_the_client_tells_the_app_why(self, gateway: GatewayClient, app: App) -> None:
        for code, reason in ((None, ""), (1000, ""), (4001, "enough")):
            gateway.websocket().close(code, reason)
        gateway.settle()
        disconnects = [entry[2:] for entry in app.log if isinstance(entry, tuple) and entry[0] == "disconnect"]
        assert sorted(disconnects) == [
            (1000, ""),
            (1005, "Client-side close frame status not set"),
            (4001, "enough"),
        ]

    def test_drop_is_1006(self, gateway: GatewayClient, app: App) -> None:
        ws = gateway.websocket()
        ws.drop()
        gateway.settle()
        assert app.log[1:] == [("disconnect", ws.connection_id, 1006, ""), 410]

    def test_a_with_statement_closes(self, gateway: GatewayClient, app: App) -> None:
        with gateway.websocket() as ws:
            assert list(gateway.websockets) == [ws]
        assert list(gateway.websockets) == []
        gateway.settle()
        assert app.log[1][2] == 1005

    @pytest.mark.parametrize(
        ("code", "reason"), [(1005, ""), (1006, ""), (999, ""), (2000, ""), (None, "why"), (5000, "")]
    )
    def test_with_what_no_client_may_send_is_a_mistake(
        self, gateway: GatewayClient, code: int | None, reason: str
    ) -> None:
        with gateway.websocket() as ws, pytest.raises(ValueError, match="a client cannot close"):
            ws.close(code, reason)

    def test_closing_twice_is_once(self, gateway: GatewayClient, app: App) -> None:
        ws = gateway.websocket()
        ws.close()
        ws.close()
        ws.drop()
        gateway.settle()
        assert len(app.log) == 3

    def test_by_the_app_gives_the_frames_before_it_and_then_raises(self, gateway: GatewayClient, app: App) -> None:
        ws = gateway.websocket()
        app.manage("POST", connection_id(ws), "last words")
        app.manage("DELETE", connection_id(ws))
        gateway.settle()
        assert ws.receive_text() == "last words"
        for _ in range(2):
            with pytest.raises(ConnectionClosed) as caught:
                ws.receive_text()
            assert (caught.value.code, caught.value.reason) == (1000, "Connection Closed Normally")
        assert gateway.websockets == ()

    def test_receive_nothing_takes_a_close_for_something(self, gateway: GatewayClient, app: App) -> None:
        ws = gateway.websocket()
        app.manage("DELETE", connection_id(ws))
        with pytest.raises(ConnectionClosed):
            ws.receive_nothing()

    def test_sending_on_a_closed_socket_raises(self, gateway: GatewayClient, app: App) -> None:
        kicked, left, dropped = gateway.websocket(), gateway.websocket(), gateway.websocket()
        assert gateway.http().delete(f"/members/{kicked.connection_id}").status_code == 204
        left.close()
        dropped.drop()
        for ws, code in ((kicked, 1000), (left, 1005), (dropped, 1006)):
            with pytest.raises(ConnectionClosed) as caught:
                ws.send_text("x")
            assert caught.value.code == code

    def test_what_came_before_the_own_close_can_be_received_after_it(self, gateway: GatewayClient, app: App) -> None:
        ws = gateway.websocket()
        app.manage("POST", connection_id(ws), "hello")
        gateway.settle()
        ws.close()
        assert ws.receive_text() == "hello"
        with pytest.raises(ConnectionClosed):
            ws.receive_text()

    def test_disconnect_runs_after_the_socket_is_gone(self, gateway: GatewayClient, app: App) -> None:
        with gateway.websocket() as ws:
            ws.send_text("kick")
            with pytest.raises(ConnectionClosed):
                ws.receive_text()
        gateway.settle()
        assert ("disconnect", ws.connection_id, 1000, "Connection Closed Normally") in app.log
        assert app.log.count(410) == 1

    def test_closing_the_gateway_leaves_every_socket(self, gateway: GatewayClient, app: App) -> None:
        websockets = [gateway.websocket() for _ in range(3)]
        gateway.close()
        codes = {entry[1]: entry[2] for entry in app.log if isinstance(entry, tuple) and entry[0] == "disconnect"}
        assert codes == {ws.connection_id: 1001 for ws in websockets}


class Functions:
    def test_invoke_gives_what_the_function_returns_as_json(self, gateway: GatewayClient, app: App) -> None:
        assert gateway.invoke("job", {"a": 1}) == {"did": {"a": 1}, "tuple": [1, 2]}
        assert gateway.invoke("job")["did"] == {}

    def test_invoke_refuses_events_and_results_that_lambda_does_not_take(self, gateway: GatewayClient) -> None:
        with pytest.raises(LambdaFault, match="Request must be smaller than 6291456 bytes"):
            gateway.invoke("job", {"x": "x" * MAX_EVENT})
        event = {"resource": "/large/{size}", "httpMethod": "GET", "pathParameters": {"size": MAX_RESULT}}
        with pytest.raises(LambdaFault, match="Response payload size exceeded maximum"):
            gateway.invoke("api_handler", event)

    def test_invoke_raises_what_the_function_raises(self, gateway: GatewayClient) -> None:
        with pytest.raises(ValueError, match="broken"):
            gateway.invoke("job", {"raise": "broken"})

    def test_what_a_job_sets_off_is_done_when_the_gateway_is_quiet(self, gateway: GatewayClient, app: App) -> None:
        ws = gateway.websocket()
        gateway.invoke("job", {"kick": ws.connection_id})
        gateway.settle()
        assert ("disconnect", ws.connection_id, 1000, "Connection Closed Normally") in app.log

    def test_a_result_that_is_no_json_is_an_error_of_the_function(self, gateway: GatewayClient, app: App) -> None:
        app.message = lambda event: {"statusCode": 200, "body": {1, 2}}  # type: ignore[method-assign]
        with gateway.websocket() as ws:
            ws.send_text("x")
            assert ws.receive_json()["message"] == "Internal server error"

    def test_each_invocation_has_a_uuid_of_its_own_as_in_lambda(self, gateway: GatewayClient) -> None:
        gateway.http(headers={"authorization": "garden"}).get("/guarded/garden")
        with gateway.websocket("/") as ws:
            ws.send_text("x")
        gateway.settle()
        ran = {seen.what.invocation_id: seen.what for seen in gateway.trace if isinstance(seen.what, Invoke)}
        assert len(ran) == 5  # authorizer, route, $connect, $default, $disconnect
        assert [str(uuid.UUID(each)) for each in ran] == list(ran)
        contexts = [invoke.event.get("requestContext", {}) for invoke in ran.values()]
        assert not {context.get("requestId") for context in contexts} & set(ran)  # API Gateway has its own


class Endings:
    """pytest.fail() and pytest.skip() in a function are not errors of the app."""

    @pytest.fixture(params=[pytest.fail, pytest.skip])
    def ended(self, request: pytest.FixtureRequest, app: App) -> Any:
        def end(event: Any) -> None:
            request.param("enough")

        app.connect = app.message = app.api_handler = end  # type: ignore[method-assign]
        return pytest.raises(request.param.Exception, match="enough")

    def test_a_function_that_ends_the_test_ends_the_request_that_ran_it(
        self, gateway: GatewayClient, ended: Any
    ) -> None:
        with ended:
            gateway.http().get("/echo")
        gateway.settle()

    def test_a_function_that_ends_the_test_ends_the_handshake_that_ran_it(
        self, gateway: GatewayClient, ended: Any
    ) -> None:
        with ended:
            gateway.websocket()
        gateway.settle()

    def test_a_function_that_ends_the_test_is_not_taken_for_a_bug_of_the_app(
        self, gateway: GatewayClient, app: App, ended: Any
    ) -> None:
        del app.connect
        with gateway.websocket() as ws:
            with ended:
                ws.send_text("x")
                until = time.monotonic() + 10
                while not ws._connection.waiting() and time.monotonic() < until:
                    pass
                ws.receive_text()
            assert "Internal server error" in ws.receive_text()

    def test_a_function_that_exits_ends_no_more_than_its_process_would(self, gateway: GatewayClient, app: App) -> None:
        app.api_handler = lambda event: sys.exit("no more")  # type: ignore[method-assign]
        assert gateway.http().get("/echo").status_code == 502
        gateway.settle()


class Trace:
    def test_has_what_crossed_the_gateway_in_order(self, gateway: GatewayClient) -> None:
        with gateway.websocket() as ws:
            ws.send_text("echo hi")
            gateway.settle()
        gateway.settle()
        kinds = [type(seen.what).__name__ for seen in gateway.trace]
        assert kinds == [
            *("Handshake", "Invoke", "Returned", "Accept"),
            *("Message", "Invoke", "Manage", "Send", "Returned"),
            *("Closed", "Invoke", "Manage", "Returned"),
        ]
        posts = [seen.reply for seen in gateway.trace if seen.reply is not None]
        assert [reply.status for reply in posts] == [200, 410]
        moments = [seen.at for seen in gateway.trace]
        assert moments == sorted(moments)

    def test_has_the_exception_behind_every_error_with_its_traceback(self, gateway: GatewayClient) -> None:
        assert gateway.http().get("/crash").status_code == 502
        with pytest.raises(ValueError, match="job"):
            gateway.invoke("job", {"raise": "job"})
        errors = [seen for seen in gateway.trace if seen.error is not None]
        assert [type(seen.error) for seen in errors] == [ImportError, ValueError]
        assert all(isinstance(seen.what, Returned) for seen in errors)
        assert self._last_function(errors[0]) == "api_handler"

    @staticmethod
    def _last_function(seen: Observed) -> str:
        assert seen.error is not None
        step = seen.error.__traceback__
        assert step is not None
        while step.tb_next is not None:
            step = step.tb_next
        return step.tb_frame.f_code.co_name


class Threads:
    def test_eight_threads_lose_and_reorder_nothing(self, gateway: GatewayClient, app: App) -> None:
        """Each thread posts to every socket; each socket has every thread's frames in that thread's order."""
        websockets = [gateway.websocket() for _ in range(4)]

        def post(thread: int) -> None:
            for number in range(25):
                for ws in websockets:
                    assert app.manage("POST", connection_id(ws), f"{thread} {number}").status == 200

        in_parallel(post, range(8))
        for ws in websockets:
            frames = [ws.receive_text().split() for _ in range(8 * 25)]
            for thread in range(8):
                assert [int(number) for who, number in frames if who == str(thread)] == list(range(25))
            ws.receive_nothing()

    def test_quiet_is_exact_for_what_other_clients_sent(self, gateway: GatewayClient) -> None:
        """bob looks only after alice sent: what her message does is there, and nothing comes later."""
        with gateway.websocket() as alice, gateway.websocket() as bob:
            for number in range(200):
                alice.send_text(f"post {bob.connection_id} {number}")
                assert bob.receive_text() == str(number)
                bob.receive_nothing()

    def test_clients_in_threads_each_get_their_own(self, gateway: GatewayClient) -> None:
        def chat(thread: int) -> None:
            http = gateway.http(headers={"X-Thread": str(thread)})
            with gateway.websocket() as ws:
                for number in range(10):
                    ws.send_text(f"echo {thread} {number}")
                    assert ws.receive_text() == f"{thread} {number}"
                    assert http.get("/echo").json()["headers"]["X-Thread"] == str(thread)

        in_parallel(chat, range(8))


def in_parallel(function: Any, arguments: Any) -> None:
    """Runs one thread for each argument; raises the first error of any of them."""
    errors: list[BaseException] = []

    def run(argument: Any) -> None:
        try:
            function(argument)
        except BaseException as error:  # noqa: BLE001 - raised again, in the test's own thread
            errors.append(error)

    threads = [threading.Thread(target=run, args=(argument,)) for argument in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


class GatewayContract(Http, Authorizers, WebSockets, SlowClients, Closing, Functions, Endings, Trace, Threads):
    """Subclass it with a fixture `gateway`, made of the fixture `app`."""

    @pytest.fixture
    def app(self) -> App:
        return App()
