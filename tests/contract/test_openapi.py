"""An exchange is held against its operation: status, content type, headers and body, and the request of a 2xx."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.contract.openapi import OpenApi
from pytest_sessionplugin.errors import ContractError
from pytest_sessionplugin.gateway.core.gateway_responses import HEADERS_TOO_LARGE, UNAUTHORIZED, failure
from pytest_sessionplugin.gateway.values import Headers, Reply, Request
from tests.contract.files import ROOMS, opened

JSON = (("Content-Type", "application/json"), ("x-people", "2"))
ROOM = {"people": 2, "secretToken": "12345678"}
GOOD = Reply(200, JSON, json.dumps(ROOM).encode())
TOKEN = (("Authorization", "Bearer x"),)


@pytest.fixture
def rooms(tmp_path: Path) -> OpenApi:
    return OpenApi(opened(tmp_path, ROOMS))


def get(path: str = "/rooms/a", query: str = "", headers: Headers = ()) -> Request:
    return Request("1", "GET", path, query, headers)


def told(rooms: OpenApi, request: Request, reply: Reply, *, emulated: bool = True) -> list[str]:
    findings, covered = rooms.check(request, reply, "api", emulated=emulated)
    assert bool(findings) is not bool(covered)
    return [f"{sentence} [{place.partition('#')[2]}]" for sentence, place in findings]


def of_room(reply: Any, headers: Headers = JSON) -> Reply:
    return Reply(200, headers, json.dumps(reply).encode())


@pytest.mark.parametrize("path", ["/rooms/a", "/api/rooms/a", "/rooms/a%20b", "/rooms/a/"])
def test_an_answer_of_the_contract_covers_its_status(rooms: OpenApi, path: str) -> None:
    assert rooms.check(get(path), GOOD, "api", emulated=True) == ([], "GET /rooms/{name} 200")


def test_a_concrete_path_wins_over_a_variable(rooms: OpenApi) -> None:
    assert rooms.check(get("/rooms/lobby"), Reply(200), "api", emulated=True) == ([], "GET /rooms/lobby 200")
    [(sentence, _)], _ = rooms.check(Request("1", "POST", "/rooms/lobby"), Reply(200), "api", emulated=True)
    assert sentence.startswith("POST /rooms/lobby answered 200, a status that the operation does not have")


def test_the_path_of_a_server_may_stand_in_front(tmp_path: Path) -> None:
    servers = "servers: [{url: 'https://a.example/{base}/', variables: {base: {default: v1}}}]"
    rooms = OpenApi(opened(tmp_path, f"{ROOMS}\n{servers}"))
    assert rooms.check(get("/v1/rooms/a"), GOOD, "api", emulated=True)[1] == "GET /rooms/{name} 200"


@pytest.mark.parametrize("path", ["/x/1/api/rooms/a", "/x/1/api/api/rooms/a"])
def test_an_emulator_has_its_stage_below_a_path_and_takes_it_twice(rooms: OpenApi, path: str) -> None:
    assert rooms.check(get(path), GOOD, "x/1/api", emulated=True) == ([], "GET /rooms/{name} 200")


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply(500), "a status that the operation does not have [/paths/~1rooms~1{name}/get/responses]"),
        (of_room({"people": "2", "secretToken": ""}), "body at /people: '2' is not of type 'integer' [/components/"),
        (of_room({"people": 2}), "body: 'secretToken' is a required property [/components/schemas/Room/required]"),
        (of_room({"people": 2, "secretToken": "s3cretS3cret"}), "body at /secretToken: the value does not satisfy"),
        (of_room(ROOM, JSON[:1]), "without the required header X-People"),
        (of_room(ROOM, (*JSON[:1], ("X-People", "x"))), "header X-People: 'x' is not of type 'integer'"),
        (Reply(200, JSON, b"{"), "with a body that is not JSON"),
        (of_room(ROOM, (("Content-Type", "image/png"), JSON[1])), "content type image/png, not application/json or te"),
        (Reply(200, JSON[1:]), "with the content type of nothing, not"),
        (Reply(200, (("Content-Type", "text/plain"), JSON[1]), b"123456"), "body: '123456' is too long"),
    ],
)
def test_what_an_answer_has_off_the_contract_is_told(rooms: OpenApi, reply: Reply, sentence: str) -> None:
    [found] = told(rooms, get(), reply)
    assert found.startswith(f"GET /rooms/a answered {reply.status}, ")
    assert sentence in found
    assert "s3cretS3cret" not in found


def test_a_compressed_answer_is_read(rooms: OpenApi) -> None:
    headers = (*JSON, ("Content-Encoding", "gzip"))
    assert told(rooms, get(), Reply(200, headers, gzip.compress(GOOD.body))) == []
    assert len(told(rooms, get(), Reply(200, headers, gzip.compress(b"{}")))) == 2


def test_an_answer_without_a_body_is_not_asked_for_one(rooms: OpenApi) -> None:
    assert told(rooms, get(), Reply(304)) == []
    assert told(rooms, Request("1", "POST", "/rooms/a"), Reply(201, JSON, b"{}"))[0].startswith(
        "POST /rooms/a answered 201, with a body, and there is none in the contract"
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "fits"),
    [
        ("GET", "/nowhere", 403, True),
        ("GET", "/nowhere", 404, True),
        ("GET", "/nowhere", 200, False),
        ("GET", "/nowhere", 502, False),
        ("PUT", "/rooms/a", 403, True),
        ("PUT", "/rooms/a", 200, False),
        ("OPTIONS", "/rooms/a", 200, True),
        ("OPTIONS", "/nowhere", 200, False),
    ],
)
def test_a_request_without_an_operation_may_only_be_refused(
    rooms: OpenApi, method: str, path: str, status: int, fits: bool
) -> None:
    findings, covered = rooms.check(Request("1", method, path), Reply(status), "api", emulated=True)
    assert covered is None
    assert (findings == []) is fits


def test_an_answer_of_api_gateway_has_a_body_of_its_own_here_and_not_on_aws(rooms: OpenApi) -> None:
    assert told(rooms, get(), UNAUTHORIZED) == []
    assert told(rooms, get(), HEADERS_TOO_LARGE) == []
    assert "content type application/json" in told(rooms, get(), UNAUTHORIZED, emulated=False)[0]
    headers = (*UNAUTHORIZED.headers[1:], ("Content-Type", "application/problem+json"))
    assert told(rooms, get(), Reply(401, headers, b"{}")) == []  # formed by a template
    assert "with a body that is not JSON" in told(rooms, get(), Reply(401, headers, b"no"))[0]
    late = failure(504, "Endpoint request timed out", "InternalServerErrorException")
    assert told(rooms, get(), late) == []
    assert "which API Gateway alone may answer" in told(rooms, get(), Reply(504))[0]
    assert "a status that" in told(rooms, get(), failure(502, "Internal server error", "InternalServerError"))[0]


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (get("/rooms/A"), "path parameter name: 'A' does not match"),
        (get(query="limit=11"), "query parameter limit: 11 is greater than the maximum of 10"),
        (get(query="limit=x"), "query parameter limit: 'x' is not of type 'integer'"),
        (get(query="tags=true&tags=no"), "query parameter tags at /1: 'no' is not of type 'boolean'"),
        (get(query="lmit=1"), "with the query parameter lmit, which the operation does not have"),
        (get(headers=(("x-depth", "deep"),)), "header parameter X-Depth: 'deep' is not of type 'number'"),
        (get(headers=(("Cookie", "a=b; theme=pink"),)), "cookie parameter theme: 'pink' is not one of"),
        (Request("1", "GET", "/rooms/a", body=b"x"), "with a body, and there is none in the contract"),
    ],
)
def test_a_request_that_was_answered_with_2xx_is_held_as_well(rooms: OpenApi, request_: Request, sentence: str) -> None:
    [found] = told(rooms, request_, GOOD)
    assert "answered 200 to a request that is off the contract: " in found
    assert sentence in found
    assert told(rooms, request_, Reply(400, (("Content-Type", "application/problem+json"),), b"{}")) == []


def test_texts_of_a_good_request_stand_for_their_values(rooms: OpenApi) -> None:
    headers = (("X-Depth", "1.5e2"), ("Cookie", "theme=dark"))
    assert told(rooms, get(query="limit=10&tags=true&tags=false&api-key=k", headers=headers), GOOD) == []


@pytest.mark.parametrize(
    ("body", "headers", "sentence"),
    [
        (b'{"people":1}', TOKEN, None),
        (b'{"people":1}', (), "without the credential that it needs"),
        (b'{"people":1}', (("Authorization", "Basic x"),), "without the credential that it needs"),
        (b'{"people":"1"}', TOKEN, "body at /people: '1' is not of type 'integer'"),
        (b'{"people":1,"x":1}', TOKEN, "Additional properties are not allowed"),
        (b"", TOKEN, "with a body that is not JSON"),
    ],
)
def test_a_body_and_a_credential_are_those_of_the_contract(
    rooms: OpenApi, body: bytes, headers: Headers, sentence: str | None
) -> None:
    request = Request("1", "POST", "/rooms/a", headers=(*headers, JSON[0]), body=body)
    found = told(rooms, request, Reply(201))
    assert (found == []) if sentence is None else (len(found) == 1 and sentence in found[0])


def test_claims_of_a_test_are_a_credential(rooms: OpenApi) -> None:
    request = Request("1", "POST", "/rooms/a", headers=JSON[:1], body=b'{"people":1}', claims={"sub": "a"})
    assert told(rooms, request, Reply(201)) == []


def test_every_answer_is_expected_but_those_of_somebody_else(rooms: OpenApi) -> None:
    expected = dict(rooms.expected())
    assert expected == {
        "GET /rooms/lobby 200": "",
        "GET /rooms/{name} 200": "",
        "GET /rooms/{name} 304": "",
        "GET /rooms/{name} 4XX": "",
        "GET /rooms/{name} 504": "API Gateway",
        "POST /rooms/{name} 201": "",
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("openapi: 2.0.0", "api.yaml#: `openapi` must be a version 3.0 or 3.1; the file has `openapi: 2.0.0`."),
        ("swagger: '2.0'", "api.yaml#: `openapi` must be a version 3.0 or 3.1; the file has `swagger: 2.0`."),
        ("asyncapi: 3.0.0", "api.yaml#: `openapi` must be a version 3.0 or 3.1; the file has `asyncapi: 3.0.0`."),
        ("", "api.yaml#: `openapi` must be a version 3.0 or 3.1; the file has none."),
        ("openapi: 3.1.0", "api.yaml#: it has no `paths`."),
        ("{openapi: 3.1.0, paths: {/a: {get: {}}}}", "api.yaml#/paths/~1a/get: it has no `responses`."),
        (
            "{openapi: 3.1.0, paths: {'/{a}': {get: &get {responses: {default: {}}}}, '/{b}': {get: *get}}}",
            "api.yaml#/paths/~1{b}/get: /{a} is the same path, and has get, too: keep one of them.",
        ),
    ],
)
def test_a_file_that_is_not_openapi_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ContractError) as raised:
        OpenApi(opened(tmp_path, text))
    assert str(raised.value) == sentence
