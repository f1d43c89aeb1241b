"""Section G: the REST API as Chalice deploys it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.conformance.answer import Answer
from tests.conformance.client import Client, new_name
from tests.conformance.websocket import Socket

MISSING = "MissingAuthenticationTokenException"


def sending(socket: Socket, text: str) -> list[Any]:
    """A step that makes an HTTP view send something to a client."""
    context = socket.connect_event["requestContext"]
    return ["apart", {"session": True, "configure": [context["domainName"], context["stage"]]}, "send", socket.id, text]


@contextlib.contextmanager
def held(client: Client, socket: Socket, *steps: Any) -> Iterator[Future[Answer]]:
    """The answer of a view that runs during the block and then follows these steps."""
    with ThreadPoolExecutor(1) as thread, client.holding("view") as name:
        answer = thread.submit(client.do, sending(socket, "running"), ["hold", name], *steps)
        assert socket.read() == "running"
        yield answer


def test_g2_one_function_serves_all_routes(whole: Client) -> None:
    """One Lambda serves all routes."""
    answers = [whole.http("GET", path) for path in ("/", "/echo", "/echo/fixed")] + [whole.http("POST", "/json")]
    assert len({answer.json()["function"] for answer in answers}) == 1


def test_g3_an_event_has_what_chalice_reads(whole: Client) -> None:
    """An event has all keys that Chalice reads unconditionally."""
    event = whole.http("GET", "/echo").event
    read = {"multiValueQueryStringParameters", "headers", "pathParameters", "body", "stageVariables", "requestContext"}
    assert read - set(event) == set()
    assert {"httpMethod", "resourcePath"} - set(event["requestContext"]) == set()


def test_g4_a_websocket_event_is_unknown_to_the_views(whole: Client) -> None:
    """A WebSocket event has no resourcePath: the HTTP views answer it with 500, Unknown request."""
    socket = whole.connect()
    socket.say(["rest"])
    socket.report("message")
    result = socket.outcome("rest")
    assert result["statusCode"] == 500
    assert json.loads(result["body"]) == {"Code": "InternalServerError", "Message": "Unknown request."}


def test_g5_the_resource_is_the_template_and_the_path_is_concrete(whole: Client) -> None:
    """requestContext.resourcePath is the template, path the concrete path; requestContext.path includes the stage."""
    event = whole.http("GET", "/echo/a/b?d=e").event
    context = event["requestContext"]
    assert (context["resourcePath"], event["resource"]) == ("/echo/{first}/{second}",) * 2
    assert event["path"] == "/echo/a/b"
    assert context["path"] == f"/{context['stage']}/echo/a/b"
    assert event["pathParameters"] == {"first": "a", "second": "b"}
    fixed = whole.http("GET", "/echo/fixed").event
    assert fixed["requestContext"]["resourcePath"] == "/echo/fixed"  # and not /echo/{first}


def test_g6_maps_that_are_empty_are_null(whole: Client) -> None:
    """Empty maps of query, path and stage are null; there is no version."""
    event = whole.http("GET", "/echo").event
    names = ["queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables"]
    assert [event[name] for name in names] == [None] * 4
    assert "version" not in event


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("GET", "/echo/a/b/c"), ("PUT", "/json"), ("GET", "/do"), ("OPTIONS", "/echo")],
)
def test_g7_an_unknown_path_or_verb_is_403(whole: Client, method: str, path: str) -> None:
    """An unknown path, or a verb that a path does not have: 403, Missing Authentication Token, never 404 or 405."""
    answer = whole.http(method, path)
    assert (answer.status, answer.json()) == (403, {"message": "Missing Authentication Token"})
    assert answer.error_type == MISSING


def test_g8_with_another_authorization_the_403_speaks_of_it(whole: Client) -> None:
    """The same with an Authorization that is not a signature: 403, with a message about the header's parts."""
    answer = whole.http("GET", "/nothing", {"Authorization": "Bearer abc"})
    assert answer.status == 403
    assert "authorization" in answer.said.lower()


def test_g9_with_a_signature_it_is_404(whole: Client) -> None:
    """The same with a valid signature: 404, No method found matching route."""
    answer = whole.signed("GET", f"{whole.deployed.http}/nothing/here")
    assert answer.status == 404
    assert answer.said == "No method found matching route nothing/here for http method GET."


def test_g22_a_view_that_takes_29_seconds_is_504(whole: Client) -> None:
    """The integration time-out is 29 s: 504, Endpoint request timed out."""
    socket, _ = whole.watched()
    with held(whole, socket) as late:
        whole.advance(29)
        answer = late.result()
    assert (answer.status, answer.json()) == (504, {"message": "Endpoint request timed out"})


def test_g23_a_view_goes_on_after_the_504(whole: Client) -> None:
    """The function goes on after the 504, up to its own time-out."""
    socket, _ = whole.watched()
    with held(whole, socket, sending(socket, "done at last")) as late:
        whole.advance(29)
        assert late.result().status >= 500  # 504, see G22
    assert socket.read() == "done at last"


def test_g24_a_function_that_breaks_is_502(whole: Client) -> None:
    """A crash or a malformed result: 502, Internal server error; a view's error is made a 500 by Chalice."""
    for step in (["exit"], ["result", {"body": "no status"}], ["result", {"statusCode": "many"}]):
        answer = whole.do(step)
        assert (answer.status, answer.json()) == (502, {"message": "Internal server error"})
    answer = whole.do(["raise", "broken"])
    assert answer.status == 500
    assert answer.json()["Code"] == "InternalServerError"


def test_g25_a_request_has_limits(whole: Client) -> None:
    """A body may have 10 MB (413), all values of headers 10,240 bytes, and a URL 10,240 characters at most."""
    assert whole.http("POST", "/json", {"X-Padding": "x" * 9_000}, "{}").status == 200
    assert 400 <= whole.http("POST", "/json", {"X-Padding": "x" * 10_241}, "{}").status < 500
    assert whole.http("GET", f"/echo?padding={'x' * 7_000}").status == 200
    assert 400 <= whole.http("GET", f"/echo?padding={'x' * 10_241}").status < 500
    assert whole.http("POST", "/json", body=b" " * (10 * 1024 * 1024 + 1)).status == 413


def test_g31_names_of_headers_keep_their_case(whole: Client) -> None:
    """Names of headers are case-sensitive: they have the client's spelling in the event, and no other."""
    event = whole.http("GET", "/echo", {"x-CASE": "a"}).event
    assert [event["headers"].get(name) for name in ("x-CASE", "X-Case", "x-case")] == ["a", None, None]
    assert [event["multiValueHeaders"].get(name) for name in ("x-CASE", "X-Case")] == [["a"], None]


def test_g32_both_maps_of_headers_are_merged(whole: Client) -> None:
    """headers and multiValueHeaders of a result are merged; of a pair in both, one is kept."""
    result = {
        "statusCode": 200,
        "headers": {"X-One": "1", "X-Both": "a", "X-Merged": "e"},
        "multiValueHeaders": {"X-Both": ["a", "b"], "X-Many": ["c", "d"], "X-Merged": ["f"]},
        "body": "",
    }
    headers = [(name.lower(), value) for name, value in whole.do(["result", result]).headers]
    found = {name: sorted(v for n, v in headers if n == name) for name in ("x-one", "x-both", "x-many", "x-merged")}
    assert found == {"x-one": ["1"], "x-both": ["a", "b"], "x-many": ["c", "d"], "x-merged": ["e", "f"]}


def test_g33_a_preflight_is_answered_without_the_app(whole: Client) -> None:
    """OPTIONS of a route with CORS is a mock 200 without Chalice's code, unless the app has its own OPTIONS."""
    answer = whole.http("OPTIONS", "/cors", {"Origin": "https://example.org", "Access-Control-Request-Method": "PUT"})
    assert answer.status == 200
    assert b"copy" not in answer.body
    assert answer.header("Access-Control-Allow-Origin") == "https://example.org"
    assert answer.header("Access-Control-Max-Age") == "60"
    allowed = (answer.header("Access-Control-Allow-Methods") or "").split(",")
    assert {each.strip() for each in allowed} == {"GET", "PUT", "OPTIONS"}
    own = whole.http("OPTIONS", "/own-options")
    assert own.event["httpMethod"] == "OPTIONS"


def test_g34_without_an_api_key_it_is_403(whole: Client) -> None:
    """A route that needs an API key: 403, Forbidden, without one or with a wrong one."""
    for headers in ({}, {"x-api-key": new_name("wrong")}):
        answer = whole.http("GET", "/keyed", headers)
        assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})
    if whole.deployed.api_key is not None:
        assert whole.http("GET", "/keyed", {"x-api-key": whole.deployed.api_key}).status == 200


def test_g36_www_authenticate_is_renamed(whole: Client) -> None:
    """WWW-Authenticate of a result reaches the client as x-amzn-Remapped-WWW-Authenticate."""
    answer = whole.do(["respond", {"body": "", "status_code": 401, "headers": {"WWW-Authenticate": "Bearer"}}])
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") is None
    assert answer.header("x-amzn-Remapped-WWW-Authenticate") == "Bearer"
