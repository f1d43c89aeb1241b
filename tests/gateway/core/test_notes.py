"""Notes say in words why a request, a handshake or a frame got the answer that it got."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_sessionplugin.gateway.core.notes import NotReadable
from pytest_sessionplugin.gateway.core.websocket import CONNECT_FAILED
from pytest_sessionplugin.gateway.values import (
    Authorizer,
    AuthorizerKind,
    Handshake,
    Invoke,
    Message,
    Raised,
    Request,
    Returned,
    Route,
)
from tests.gateway.core.desk import API, Desk, only

MEMBER = Authorizer(AuthorizerKind.BUILT_IN, "member")
ROUTES = (
    Route("/health", frozenset({"GET"})),
    Route("/rooms", frozenset({"GET", "POST"}), authorizers={"POST": MEMBER}),
    Route("/rooms/{name}", frozenset({"GET", "DELETE"}), {"Access-Control-Allow-Origin": "https://a.test"}),
    Route("/rooms/{name}/members/{who}", frozenset({"PUT"})),
)
SENT = (("Authorization", "Bearer abc"),)


@pytest.fixture
def desk() -> Desk:
    return Desk(replace(API, routes=ROUTES))


def noted(desk: Desk) -> list[str]:
    """The notes since the last call, each with the id of its request or connection in front."""
    return [f"{note.id} {note}" for note in desk.core.notes()]


def policy(resource: str = "*", effect: str = "Allow", **statement: Any) -> dict[str, Any]:
    statements = [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource, **statement}]
    return {"principalId": "alice", "policyDocument": {"Version": "2012-10-17", "Statement": statements}}


def test_a_type_of_a_body_that_a_function_does_not_take_is_named(desk: Desk) -> None:
    for status, said in ((415, "r1 Content-Type text/plain is not taken: a route takes application/json"), (200, "")):
        invoke = only(desk.receive(Request("r1", "GET", "/rooms", headers=(("content-type", "text/plain"),))), Invoke)
        desk.receive(Returned(invoke.invocation_id, {"statusCode": status, "body": ""}))
        assert "".join(noted(desk)).startswith(said)


class TestNoRoute:
    @pytest.mark.parametrize(
        ("method", "path", "said"),
        [
            ("GET", "/room", "no route matches GET /room; nearest: GET /rooms"),
            ("GET", "/room/lobby", "no route matches GET /room/lobby; nearest: GET /rooms/{name}"),
            ("GET", "/api/rooom", "no route matches GET /rooom; nearest: GET /rooms"),
            ("PUT", "/rooms/a/member/b",
             "no route matches PUT /rooms/a/member/b; nearest: PUT /rooms/{name}/members/{who}"),
            ("POST", "/rooms/a/x", "no route matches POST /rooms/a/x; nearest: GET /rooms/{name}"),
            ("GET", "/v1/rooms", "no route matches GET /v1/rooms; nearest: GET /rooms"),
            ("PUT", "/rooms", "no route matches PUT /rooms; /rooms has GET, POST"),
            ("OPTIONS", "/rooms",
             "no route matches OPTIONS /rooms; /rooms has GET, POST, and no cors=True, which OPTIONS needs"),
            (
                "GET",
                "/foo/bar",
                "no route matches GET /foo/bar; there are: GET /health, GET /rooms, GET /rooms/{name}, "
                "PUT /rooms/{name}/members/{who}",
            ),
            (
                "GET",
                "/favicon.ico",
                "no route matches GET /favicon.ico; there are: GET /health, GET /rooms, GET /rooms/{name}, "
                "PUT /rooms/{name}/members/{who}",
            ),
        ],
    )  # fmt: skip
    def test_the_nearest_route_is_named(self, desk: Desk, method: str, path: str, said: str) -> None:
        desk.receive(Request("r1", method, path))
        assert noted(desk) == [f"r1 {said}"]

    def test_a_known_route_has_no_note(self, desk: Desk) -> None:
        only(desk.receive(Request("r1", "GET", "/rooms")), Invoke)
        assert noted(desk) == []

    def test_an_app_without_routes_says_so(self) -> None:
        desk = Desk(replace(API, routes=()))
        desk.receive(Request("r1", "GET", "/"))
        assert noted(desk) == ["r1 no route matches GET /; the app has none"]


class TestAuthorized:
    @pytest.mark.parametrize(
        ("result", "said"),
        [
            (policy(), "alice"),
            (
                policy("arn:aws:execute-api:*:*:*/api/GET/*"),
                "no policy allows POST /rooms (allowed: GET /*), principal alice",
            ),
            (
                policy(Resource=["arn:aws:execute-api:*:*:*/api/GET/", "odd", *(f"a/api/GET/{n}" for n in range(7))]),
                "no policy allows POST /rooms (allowed: GET /, odd, GET /0, GET /1, GET /2, GET /3, GET /4, GET /5, …)"
                ", principal alice",
            ),
            (policy(Resource=[]), "no policy allows POST /rooms (allowed: none), principal alice"),
            (policy(effect="Deny"), "its policy denies POST /rooms, principal alice"),
            (
                policy(Condition={"Bool": {}}),
                "its policy allows POST /rooms under a Condition, which is not evaluated, principal alice",
            ),
            ({"ok": True}, "it did not return a policy but {'ok': True}"),
            ({"x": f"eyJ{'a' * 400}.b.c"}, "it did not return a policy but {'x': 'eyJ…'}"),
        ],
        ids=[
            "allowed",
            "not allowed",
            "few of many",
            "none allowed",
            "denied",
            "conditional",
            "malformed",
            "with a token",
        ],
    )
    def test_the_answer_of_a_function(self, desk: Desk, result: Any, said: str) -> None:
        question = only(desk.receive(Request("r1", "POST", "/rooms", headers=SENT)), Invoke)
        desk.answer(question, result)
        assert noted(desk) == [f"r1 authorizer member -> {said}"]

    @pytest.mark.parametrize(
        ("error", "said"),
        [
            (Raised("Exception", "Unauthorized"), "it raised Unauthorized"),
            (Raised("KeyError", "'sub'"), "it raised KeyError: 'sub'"),
        ],
    )
    def test_an_error_of_a_function(self, desk: Desk, error: Raised, said: str) -> None:
        question = only(desk.receive(Request("r1", "POST", "/rooms", headers=SENT)), Invoke)
        desk.receive(Returned(question.invocation_id, error=error))
        assert noted(desk) == [f"r1 authorizer member -> {said}"]

    def test_a_cached_answer_says_so(self, desk: Desk) -> None:
        desk.answer(only(desk.receive(Request("r1", "POST", "/rooms", headers=SENT)), Invoke), policy())
        desk.receive(Request("r2", "POST", "/rooms", headers=SENT))
        assert noted(desk)[1:] == ["r2 authorizer member -> alice, cached"]

    def test_a_request_without_the_header_is_not_asked_about(self, desk: Desk) -> None:
        desk.receive(Request("r1", "POST", "/rooms"))
        assert noted(desk) == ["r1 authorizer member -> not asked: the request has no header Authorization"]

    def test_claims_of_a_test_replace_the_answer(self, desk: Desk) -> None:
        desk.receive(Request("r1", "POST", "/rooms", claims={"sub": "bob"}))
        assert noted(desk) == ["r1 authorizer of the route -> not asked: the test gives bob"]

    def test_a_silent_one_is_late(self, desk: Desk) -> None:
        desk.receive(Request("r1", "POST", "/rooms", headers=SENT))
        desk.tick(29)
        assert noted(desk) == ["r1 authorizer member -> no answer within 29 s"]


class TestNotReadable:
    FROM = (("Origin", "https://b.test"),)

    def test_an_answer_of_the_gateways_own_never_has_the_header(self, desk: Desk) -> None:
        desk.receive(Request("r1", "POST", "/rooms", headers=self.FROM))
        assert noted(desk)[1:] == [
            "r1 a browser hides this answer from https://b.test: it has no Access-Control-Allow-Origin; API Gateway's "
            "own answers have none"
        ]

    def test_an_answer_of_a_function_has_it_with_cors(self, desk: Desk) -> None:
        desk.answer(only(desk.receive(Request("r1", "GET", "/rooms", headers=self.FROM)), Invoke))
        assert noted(desk) == [
            "r1 a browser hides this answer from https://b.test: it has no Access-Control-Allow-Origin; "
            "cors=True sets it"
        ]

    @pytest.mark.parametrize(
        ("origin", "allowed", "hidden"),
        [
            ("https://a.test", "https://a.test", False),
            ("https://a.test", "*", False),
            ("https://b.test", "https://a.test", True),
        ],
    )
    def test_the_origin_must_be_allowed(self, desk: Desk, origin: str, allowed: str, hidden: bool) -> None:
        invoke = only(desk.receive(Request("r1", "GET", "/rooms", headers=(("Origin", origin),))), Invoke)
        desk.answer(invoke, {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": allowed}})
        expected = [NotReadable("r1", origin, allowed, False)] if hidden else []
        assert list(desk.core.notes()) == expected

    def test_a_preflight_is_for_the_browser(self, desk: Desk) -> None:
        desk.receive(Request("r1", "OPTIONS", "/rooms/a", headers=self.FROM))
        assert noted(desk) == [
            "r1 a browser hides this answer from https://b.test: Access-Control-Allow-Origin is https://a.test"
        ]


class TestPreflight:
    @pytest.mark.parametrize(
        ("method", "names", "said"),
        [
            ("GET", "content-type", []),
            ("GET", "X-Trace, content-type",
             ["r1 a browser will not send x-trace: CORSConfig(allow_headers=['x-trace']) allows it"]),
            ("PATCH", "", ["r1 a browser will not send PATCH: the route has no such method"]),
        ],
    )  # fmt: skip
    def test_a_header_or_a_method_that_it_forbids_is_named(self, method: str, names: str, said: list[str]) -> None:
        allowed = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "Content-Type,Authorization"}
        desk = Desk(replace(API, routes=(Route("/rooms", frozenset({"GET"}), allowed),)))
        asked = (("Origin", "https://a.test"), ("Access-Control-Request-Method", method))
        desk.receive(Request("r1", "OPTIONS", "/rooms", headers=(*asked, ("Access-Control-Request-Headers", names))))
        assert noted(desk) == said


def test_a_websocket_client_at_the_http_api_is_sent_to_the_other_one(desk: Desk) -> None:
    upgrade = (("Connection", "Upgrade"), ("Upgrade", "WebSocket"))
    desk.receive(Request("r1", "GET", "/rooms", headers=upgrade))
    assert noted(desk)[0] == (
        "r1 a WebSocket client asks the HTTP API, which opens none: the WebSocket API has a URL of its own"
    )
    desk.receive(Request("r2", "GET", "/rooms", headers=(("Upgrade", "h2c"),)))
    assert not any("WebSocket" in text for text in noted(desk) if text.startswith("r2"))


class TestSockets:
    def test_a_wrong_path_names_the_right_ones(self, desk: Desk) -> None:
        desk.receive(Handshake("c1", "/ws"))
        assert noted(desk) == ["c1 no WebSocket API is at /ws; it is at / and /api"]

    def test_a_refusal_of_the_app_has_its_status(self, desk: Desk) -> None:
        desk.answer(desk.connect("c1"), {"statusCode": 401})
        assert noted(desk) == ["c1 $connect answered 401"]

    def test_a_connect_that_failed(self, desk: Desk) -> None:
        desk.fail(desk.connect("c1"))
        assert noted(desk) == [f"c1 {CONNECT_FAILED}"]

    def test_a_connect_without_an_answer_to_http(self, desk: Desk) -> None:
        desk.answer(desk.connect("c1"), {"ok": True})
        function = desk.api.websocket["$connect"]
        assert noted(desk) == [
            f"c1 {function} returned {{'ok': True}}, not an HTTP answer such as {{'statusCode': 200}}",
            f"c1 {CONNECT_FAILED}",
        ]

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"\0", "a binary frame: API Gateway takes text only, and closes with 1003"),
            (
                "x" * 40_000,
                "a message of 40000 bytes, 40000 in a frame: a message may have 131072 bytes, "
                "in frames of at most 32768",
            ),
        ],
        ids=["binary", "too large"],
    )
    def test_a_frame_that_ends_its_connection(self, desk: Desk, data: str | bytes, said: str) -> None:
        desk.open("c1")
        desk.receive(Message("c1", data))
        assert noted(desk) == [f"c1 {said}"]

    def test_a_message_that_no_route_takes(self) -> None:
        desk = Desk(replace(API, websocket={"$connect": "connect"}))
        desk.open("c1")
        desk.receive(Message("c1", "hello"))
        assert noted(desk) == ["c1 no route takes the message: the app has no @app.on_ws_message"]
