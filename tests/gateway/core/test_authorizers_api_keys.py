"""Routes that need an API key, in the pure core."""

from __future__ import annotations

import json

import pytest

from pytest_sessionplugin.gateway.values import Api, Authorizer, AuthorizerKind, Invoke, Request, Respond, Route
from tests.gateway.core.desk import Desk, only

API = Api(
    routes=(
        Route("/keyed", frozenset({"GET", "POST"}), preflight={}, keyed=frozenset({"GET"})),
        Route(
            "/both",
            frozenset({"GET"}),
            authorizers={"GET": Authorizer(AuthorizerKind.BUILT_IN, "guard")},
            keyed=frozenset({"GET"}),
        ),
    ),
    api_keys=frozenset({"k1", "k2"}),
)


def request(method: str, path: str, key: str | None, *headers: tuple[str, str]) -> Request:
    return Request("r1", method, path, headers=(*headers, *((("X-API-key", key),) if key is not None else ())))


@pytest.mark.parametrize("key", [None, "", "k3", "K1", "k1 "])
def test_without_one_that_is_known_it_is_403(key: str | None) -> None:
    reply = only(Desk(API).receive(request("GET", "/keyed", key)), Respond).reply
    assert (reply.status, json.loads(reply.body)) == (403, {"message": "Forbidden"})
    assert ("x-amzn-ErrorType", "ForbiddenException") in reply.headers


def test_where_none_is_known_none_passes() -> None:
    api = Api(routes=API.routes)
    assert only(Desk(api).receive(request("GET", "/keyed", "k1")), Respond).reply.status == 403
    assert only(Desk(api).receive(request("GET", "/keyed", "")), Respond).reply.status == 403


def test_with_one_the_function_is_told_which() -> None:
    first, again, other = (
        only(Desk(API).receive(request("GET", "/keyed", key)), Invoke).event["requestContext"]["identity"]
        for key in ("k1", "k1", "k2")
    )
    assert (first["apiKey"], other["apiKey"]) == ("k1", "k2")
    assert first["apiKeyId"] == again["apiKeyId"] != other["apiKeyId"]


def test_a_method_that_needs_none_is_told_of_none() -> None:
    identity = only(Desk(API).receive(request("POST", "/keyed", "k1")), Invoke).event["requestContext"]["identity"]
    assert not {"apiKey", "apiKeyId"} & set(identity)


def test_a_preflight_needs_none() -> None:
    assert only(Desk(API).receive(request("OPTIONS", "/keyed", None)), Respond).reply.status == 200


def test_the_authorizer_is_asked_first() -> None:
    assert only(Desk(API).receive(request("GET", "/both", "k1")), Respond).reply.status == 401
    desk = Desk(API)
    guard = only(desk.receive(request("GET", "/both", None, ("Authorization", "t"))), Invoke)
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    policy = {"principalId": "alice", "policyDocument": {"Statement": statement}}
    assert only(desk.answer(guard, policy), Respond).reply.status == 403


def test_no_key_is_shown_with_the_api() -> None:
    assert "k1" not in repr(API)
