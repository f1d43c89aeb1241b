"""Section G: the REST API as Chalice deploys it."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from tests.conformance.client import Client, new_name
from tests.conformance.websocket import Answer, Socket

BYTES = b"\xde\xad\xbe\xef"
MISSING = "MissingAuthenticationTokenException"


def error_type(answer: Answer) -> str:
    """The error's name, as SDKs find it."""
    return (answer.header("x-amzn-ErrorType") or "").partition(":")[0]


def said(answer: Answer) -> str:
    """What the gateway says; its key may have a capital."""
    return str({key.lower(): value for key, value in answer.json().items()}["message"])


def event_of(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer
    event = answer.json()["event"]
    assert isinstance(event, dict)
    return event


def guarded(client: Client, token: str, path: str = "/guarded/one", method: str = "GET") -> Answer:
    return client.http(method, path, {"Authorization": token})


def routes(*paths: str) -> str:
    """A token for which Chalice's AuthResponse is made of these, and that no other test has."""
    return f"routes {json.dumps([*paths, '/' + new_name('unknown')])}"


def asked(client: Client) -> int:
    """How often an authorizer has run."""
    return int(client.http("GET", "/asked").json()["times"])


def invocation(answer: Answer) -> str:
    """Which run of the authorizer this answer goes back to."""
    return str(event_of(answer)["requestContext"]["authorizer"]["asked"])


def sending(socket: Socket, text: str) -> list[Any]:
    """A step with which an HTTP view tells a client something."""
    context = socket.connect_event["requestContext"]
    return ["apart", {"session": True, "configure": [context["domainName"], context["stage"]]}, "send", socket.id, text]


@contextlib.contextmanager
def held(client: Client, socket: Socket, *steps: Any) -> Iterator[Future[Answer]]:
    """The answer of a view that runs while the block does, and then follows these steps."""
    with ThreadPoolExecutor(1) as thread, client.holding("view") as name:
        answer = thread.submit(client.do, sending(socket, "running"), ["hold", name], *steps)
        assert socket.read() == "running"
        yield answer


def test_g2_one_function_serves_all_routes(whole: Client) -> None:
    """One Lambda serves all routes."""
    answers = [whole.http("GET", path) for path in ("/", "/echo", "/echo/fixed")] + [whole.http("POST", "/json")]
    assert len({answer.json()["function"] for answer in answers}) == 1


def test_g3_an_event_has_what_chalice_reads(whole: Client) -> None:
    """An event has all that Chalice reads of it without asking whether it is there."""
    event = event_of(whole.http("GET", "/echo"))
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
    """requestContext.resourcePath is the template, path the concrete path, requestContext.path has the stage in it."""
    event = event_of(whole.http("GET", "/echo/a/b?d=e"))
    context = event["requestContext"]
    assert (context["resourcePath"], event["resource"]) == ("/echo/{first}/{second}",) * 2
    assert event["path"] == "/echo/a/b"
    assert context["path"] == f"/{context['stage']}/echo/a/b"
    assert event["pathParameters"] == {"first": "a", "second": "b"}
    fixed = event_of(whole.http("GET", "/echo/fixed"))
    assert fixed["requestContext"]["resourcePath"] == "/echo/fixed"  # and not /echo/{one}


def test_g6_maps_that_are_empty_are_null(whole: Client) -> None:
    """Maps of query, path and stage that are empty are null; there is no version."""
    event = event_of(whole.http("GET", "/echo"))
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
    assert error_type(answer) == MISSING


def test_g8_with_another_authorization_the_403_speaks_of_it(whole: Client) -> None:
    """The same with an Authorization that is no signature: 403, with a message about the header's parts."""
    answer = whole.http("GET", "/nothing", {"Authorization": "Bearer abc"})
    assert answer.status == 403
    assert "authorization" in said(answer).lower()


def test_g9_with_a_signature_it_is_404(whole: Client) -> None:
    """The same with a valid signature: 404, No method found matching route."""
    answer = whole.signed("GET", f"{whole.deployed.http}/nothing/here")
    assert answer.status == 404
    assert said(answer) == "No method found matching route nothing/here for http method GET."


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"X-Token": "this"}])
def test_g10_without_a_token_nobody_is_asked(whole: Client, headers: dict[str, str]) -> None:
    """The token's header missing or empty: 401, Unauthorized, and the authorizer does not run."""
    before = asked(whole)
    answer = whole.http("GET", "/guarded/one", headers)
    assert (answer.status, answer.json()) == (401, {"message": "Unauthorized"})
    assert error_type(answer) == "UnauthorizedException"
    assert asked(whole) == before


def test_g11_only_the_word_unauthorized_is_401(whole: Client) -> None:
    """An authorizer's error whose text is exactly Unauthorized is 401; any other is 500."""
    texts = ["Unauthorized", "unauthorized", "Unauthorized!", "Authorization failed"]
    assert [guarded(whole, f"raise {text}").status for text in texts] == [401, 500, 500, 500]


def test_g12_chalices_error_is_500_but_for_that_word(whole: Client) -> None:
    """UnauthorizedError with another text than that word is 500 too."""
    texts = ["Unauthorized", "Authorization failed"]
    assert [guarded(whole, f"unauthorized {text}").status for text in texts] == [401, 500]


def test_g13_what_no_statement_allows_is_403(whole: Client) -> None:
    """No Allow that matches: 403, User is not authorized to access this resource; a Deny adds with an explicit deny."""
    silent, denied = guarded(whole, routes("/guarded/two")), guarded(whole, f"deny {new_name('g13')}")
    assert [(each.status, error_type(each)) for each in (silent, denied)] == [(403, "AccessDeniedException")] * 2
    assert said(silent) == "User is not authorized to access this resource"
    assert said(denied).startswith("User is not authorized to access this resource with an explicit deny")


def test_g14_an_allow_of_nothing_allows_nothing(whole: Client) -> None:
    """AuthResponse(routes=[]) is an Allow of an empty list of resources, and lets nobody in."""
    assert guarded(whole, "routes []").status in (403, 500)


@pytest.mark.parametrize(
    "document",
    [
        "null",
        '"yes"',
        "{}",
        '{"principalId": "alice"}',
        '{"principalId": "alice", "policyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}}',
    ],
)
def test_g15_what_is_no_policy_is_500(whole: Client, document: str) -> None:
    """An authorizer's answer that is malformed is 500."""
    assert guarded(whole, f"return {document}").status == 500


def test_g16_an_answer_is_kept_for_300_seconds(whole: Client) -> None:
    """An authorizer's answer is kept for 300 s unless it says otherwise; with 0 s it is asked each time."""
    token = routes("*")
    always = {invocation(guarded(whole, token, "/always-asked")) for _ in range(2)}
    assert len(always) == 2
    first = invocation(guarded(whole, token))
    assert invocation(guarded(whole, token)) == first
    whole.advance(290)
    assert invocation(guarded(whole, token)) == first
    whole.advance(20)
    assert invocation(guarded(whole, token)) != first


def test_g17_the_policy_is_kept_and_judges_each_method(whole: Client) -> None:
    """What is kept, by the header's value, is the policy: one that names this method alone makes others 403."""
    token = f"this {new_name('g17')}"
    first = invocation(guarded(whole, token))
    before = asked(whole)
    assert guarded(whole, token, "/guarded/two").status == 403
    assert guarded(whole, token, method="PUT").status == 403
    assert invocation(guarded(whole, token)) == first
    assert asked(whole) == before
    assert guarded(whole, f"this {new_name('g17')}", "/guarded/two").status == 200  # another header's value


def test_g18_a_route_with_a_parameter_matches_no_path(whole: Client) -> None:
    """AuthResponse(routes=["/x/{name}"]) names that literally, and matches no path; /x/* does."""
    literal, wild = routes("/guarded/item/{name}"), routes("/guarded/item/*")
    assert [guarded(whole, token, "/guarded/item/a").status for token in (literal, wild)] == [403, 200]


def test_g19_a_star_is_everything_and_a_path_every_verb(whole: Client) -> None:
    """The route "*" allows every path and verb; a path allows every verb."""
    calls = [("GET", "/guarded/one"), ("PUT", "/guarded/one"), ("GET", "/guarded/two"), ("GET", "/guarded/item/a")]

    def statuses(token: str) -> list[int]:
        return [guarded(whole, token, path, method).status for method, path in calls]

    assert statuses(routes("*")) == [200] * 4
    assert statuses(routes("/guarded/one")) == [200, 200, 403, 403]


def test_g20_an_authorizer_is_given_the_value_of_one_header(whole: Client) -> None:
    """Chalice's authorizers are of the type TOKEN; the header is Authorization, or the one that it names."""
    token = routes("*")
    for path, header, other in (
        ("/guarded/one", "Authorization", "X-Token"),
        ("/guarded/by-header", "X-Token", "Authorization"),
    ):
        event = event_of(whole.http("GET", path, {header: token}))
        assert event["requestContext"]["authorizer"]["type"] == "TOKEN"
        assert whole.http("GET", path, {other: token}).status == 401


def test_g21_the_context_is_text_beside_the_principal(whole: Client) -> None:
    """The authorizer's context reaches the view as texts, beside principalId; it may hold no objects."""
    authorizer = event_of(guarded(whole, routes("*")))["requestContext"]["authorizer"]
    assert (authorizer["principalId"], authorizer["number"], authorizer["flag"]) == ("alice", "1", "true")
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    document = {
        "principalId": new_name("g21"),
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"nested": {"a": 1}},
    }
    assert guarded(whole, f"return {json.dumps(document)}").status == 500


def test_g22_a_view_that_takes_29_seconds_is_504(whole: Client) -> None:
    """The integration time-out is 29 s: 504, Endpoint request timed out."""
    socket, _ = whole.watched()
    with held(whole, socket) as late:
        whole.advance(29)
        answer = late.result()
    assert (answer.status, answer.json()) == (504, {"message": "Endpoint request timed out"})


def test_g23_a_view_goes_on_after_the_504(whole: Client) -> None:
    """The function goes on after the 504, as long as its own time-out lets it."""
    socket, _ = whole.watched()
    with held(whole, socket, sending(socket, "done at last")) as late:
        whole.advance(29)
        assert late.result().status == 504
    assert socket.read() == "done at last"


def test_g24_a_function_that_breaks_is_502(whole: Client) -> None:
    """A crash or a malformed result: 502, Internal server error; Chalice makes a 500 of its own of a view's error."""
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


@pytest.mark.parametrize(
    ("content_type", "is_binary"),
    [
        ("application/octet-stream", True),
        ("application/x-conformance", True),
        ("text/plain", False),
        ("application/json", False),
    ],
)
def test_g26_a_body_of_a_binary_type_is_base64(whole: Client, content_type: str, is_binary: bool) -> None:
    """The body is base64 if its Content-Type is a binary one, of Chalice or of the app; else it is text."""
    path = "/bytes" if is_binary else "/echo"
    event = event_of(whole.http("POST", path, {"Content-Type": content_type}, b'"text"'))
    assert event["isBase64Encoded"] is is_binary
    assert event["body"] == (base64.b64encode(b'"text"').decode() if is_binary else '"text"')


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        ("application/octet-stream", BYTES),
        ("application/octet-stream, text/html", BYTES),
        ("image/png", BYTES),
        ("text/html, application/octet-stream", base64.b64encode(BYTES)),
    ],
)
def test_g27_bytes_are_decoded_for_the_first_accept(whole: Client, accept: str, body: bytes) -> None:
    """A base64 answer is decoded only if the first entry of Accept is a binary type, whatever its own type is."""
    answer = whole.http("GET", "/bytes/octet-stream", {"Accept": accept})
    assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize("headers", [{}, {"Accept": "text/html"}])
def test_g28_bytes_for_who_accepts_none_are_400(whole: Client, headers: dict[str, str]) -> None:
    """A binary answer is 400, by Chalice, if Accept names no binary type."""
    answer = whole.http("GET", "/bytes/octet-stream", headers)
    assert answer.status == 400
    assert answer.json()["Code"] == "BadRequest"


def test_g29_a_compressed_request_is_decompressed(whole: Client) -> None:
    """A gzip body is decompressed before the function gets it; an unknown coding, or a false one, is 415."""
    plain = json.dumps({"text": "grüße"}, ensure_ascii=False).encode()
    compressed = gzip.compress(plain)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    event = event_of(whole.http("POST", "/echo", headers, compressed))
    assert event["body"] == plain.decode()
    assert whole.http("POST", "/echo", headers, plain).status == 415
    assert whole.http("POST", "/echo", {**headers, "Content-Encoding": "br"}, compressed).status == 415


@pytest.mark.parametrize(
    ("path", "accept", "coding"),
    [
        ("/text/600", "gzip", "gzip"),
        ("/text/500", "gzip", "gzip"),
        ("/text/600", None, None),
        ("/text/400", "gzip", None),
        ("/encoded/600", "gzip", "identity"),
    ],
)
def test_g30_a_large_answer_is_compressed(
    listening: Client, whole: Client, path: str, accept: str | None, coding: str | None
) -> None:
    """An answer is compressed if it has the least size that the API sets, is not encoded, and a client asks for it."""
    headers = {} if accept is None else {"Accept-Encoding": accept}
    answer = listening.http("GET", path, headers)
    plain = b"x" * int(path.rpartition("/")[2])
    assert answer.header("Content-Encoding") == coding
    assert (gzip.decompress(answer.body) if coding == "gzip" else answer.body) == plain
    assert whole.http("GET", "/echo", headers).header("Content-Encoding") is None  # it has no least size


def test_g31_names_of_headers_keep_their_case(whole: Client) -> None:
    """Names of headers are case-sensitive: they have the client's spelling in the event, and no other."""
    event = event_of(whole.http("GET", "/echo", {"x-CASE": "a"}))
    assert [event["headers"].get(name) for name in ("x-CASE", "X-Case", "x-case")] == ["a", None, None]
    assert [event["multiValueHeaders"].get(name) for name in ("x-CASE", "X-Case")] == [["a"], None]


def test_g32_both_maps_of_headers_are_merged(whole: Client) -> None:
    """headers and multiValueHeaders of a result are merged; of a pair that is in both one is left."""
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
    """OPTIONS of a route with CORS is a mock of 200, never Chalice's code, unless the app has an OPTIONS of its own."""
    answer = whole.http("OPTIONS", "/cors", {"Origin": "https://example.org", "Access-Control-Request-Method": "PUT"})
    assert answer.status == 200
    assert b"copy" not in answer.body
    assert answer.header("Access-Control-Allow-Origin") == "https://example.org"
    assert answer.header("Access-Control-Max-Age") == "60"
    allowed = (answer.header("Access-Control-Allow-Methods") or "").split(",")
    assert {each.strip() for each in allowed} == {"GET", "PUT", "OPTIONS"}
    own = whole.http("OPTIONS", "/own-options")
    assert event_of(own)["httpMethod"] == "OPTIONS"


def test_g34_without_an_api_key_it_is_403(whole: Client) -> None:
    """A route that needs an API key: 403, Forbidden, without one or with a wrong one."""
    for headers in ({}, {"x-api-key": new_name("wrong")}):
        answer = whole.http("GET", "/keyed", headers)
        assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})
    if whole.deployed.api_key is not None:
        assert whole.http("GET", "/keyed", {"x-api-key": whole.deployed.api_key}).status == 200


def test_g35_another_content_type_is_415(whole: Client) -> None:
    """A Content-Type that a route does not take: 415, by Chalice; without one it is taken for application/json."""
    answer = whole.http("POST", "/json", {"Content-Type": "text/plain"}, "{}")
    assert answer.status == 415
    assert answer.json()["Code"] == "UnsupportedMediaType"
    assert whole.http("POST", "/json", body="{}").status == 200


def test_g36_www_authenticate_is_renamed(whole: Client) -> None:
    """WWW-Authenticate of a result reaches the client as x-amzn-Remapped-WWW-Authenticate."""
    answer = whole.do(["respond", {"body": "", "status_code": 401, "headers": {"WWW-Authenticate": "Bearer"}}])
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") is None
    assert answer.header("x-amzn-Remapped-WWW-Authenticate") == "Bearer"
