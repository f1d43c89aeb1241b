"""Signed requests in the pure core: routes that IAM guards, and requests that no method serves."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from typing import Any

import pytest

from pytest_sessionplugin.gateway.values import (
    Api,
    Authorizer,
    AuthorizerKind,
    Effect,
    Invoke,
    Reply,
    Request,
    Respond,
    Route,
)
from tests.gateway.core.desk import Desk, only
from tests.gateway.signing import signed

IAM = Authorizer(AuthorizerKind.IAM, "sigv4")
API = Api(
    routes=(
        Route("/iam", frozenset({"GET", "POST"}), preflight={}, authorizers={"GET": IAM, "POST": IAM}),
        Route("/open", frozenset({"GET"})),
    ),
    access_keys={"AKID": "secret"},
)


def send(method: str, path: str, headers: Any = (), **more: Any) -> list[Effect]:
    desk = Desk(API)
    desk.now = time.time()  # by which botocore signs
    pairs = tuple(headers.items()) if isinstance(headers, dict) else tuple(headers)
    return desk.receive(Request("r1", method, path, headers=pairs, **more))


def refused(effects: list[Effect]) -> tuple[int, str, str]:
    reply: Reply = only(effects, Respond).reply
    return reply.status, dict(reply.headers)["x-amzn-ErrorType"], json.loads(reply.body)["message"]


MISSING = (403, "MissingAuthenticationTokenException", "Missing Authentication Token")
# of "Bearer abc", hashed with SHA-256 and encoded with base64
HASHED = "w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY="
NO_PAIR = (
    "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64)"
)


@pytest.mark.parametrize("path", ["/iam", "/api/iam"])
def test_whoever_signs_with_a_known_key_passes_and_is_known(path: str) -> None:
    identity = only(send("GET", path, signed("GET", path, "AKID", "secret")), Invoke).event["requestContext"][
        "identity"
    ]
    assert identity["accessKey"] == identity["user"] == identity["caller"] == "AKID"
    assert identity["userArn"] == "arn:aws:iam::123456789012:user/AKID"
    assert identity["accountId"] == "123456789012"
    assert identity["cognitoIdentityId"] is None


def test_what_is_signed_is_the_body_as_it_was_sent() -> None:
    body = gzip.compress(b"text", mtime=0)
    headers = {"Content-Encoding": "gzip", **signed("POST", "/iam", "AKID", "secret", body)}
    assert only(send("POST", "/iam", headers, body=body), Invoke).event["body"] == "text"


@pytest.mark.parametrize(
    ("key", "secret", "error"),
    [("AKID", "another", "InvalidSignatureException"), ("OTHER", "secret", "UnrecognizedClientException")],
)
@pytest.mark.parametrize("path", ["/iam", "/nowhere"])
def test_a_wrong_signature_is_403_whatever_it_asks_for(path: str, key: str, secret: str, error: str) -> None:
    assert refused(send("GET", path, signed("GET", path, key, secret)))[:2] == (403, error)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/iam"), ("GET", "/nowhere"), ("PUT", "/open"), ("DELETE", "/open")]
)
def test_unsigned_it_is_403_where_a_signature_is_needed_or_nothing_is(method: str, path: str) -> None:
    assert refused(send(method, path)) == MISSING


@pytest.mark.parametrize(("method", "path"), [("GET", "/iam"), ("GET", "/nowhere"), ("PUT", "/open")])
def test_another_credential_is_403_and_its_header_is_complained_of_and_not_repeated(method: str, path: str) -> None:
    status, error, message = refused(send(method, path, [("Authorization", "Bearer abc")]))
    assert (status, error) == (403, "IncompleteSignatureException")
    assert message == f"{NO_PAIR}: '{HASHED}'."


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [("GET", "/nowhere/at/all", "nowhere/at/all"), ("GET", "/api/nowhere", "nowhere"), ("PUT", "/open", "open")],
)
def test_who_signs_is_told_that_there_is_no_such_method(method: str, path: str, route: str) -> None:
    assert refused(send(method, path, signed(method, path, "AKID", "secret"))) == (
        404,
        "NotFoundException",
        f"No method found matching route {route} for http method {method}.",
    )


@pytest.mark.parametrize(("path", "effect"), [("/iam", Invoke), ("/nowhere", Respond)])
def test_a_signer_has_a_time_of_his_own_where_only_the_gateways_is_moved(path: str, effect: type[Effect]) -> None:
    desk = Desk(API)
    desk.now = time.time() + 3600
    desk.core.move_ahead(3600)
    headers = tuple(signed("GET", path, "AKID", "secret").items())
    (found,) = desk.receive(Request("r1", "GET", path, headers=headers))
    assert isinstance(found, effect)
    assert not isinstance(found, Respond) or found.reply.status == 404


def test_an_open_method_does_not_look_at_a_signature() -> None:
    assert only(send("GET", "/open", [("Authorization", "Bearer abc")]), Invoke)
    assert only(send("GET", "/open", signed("GET", "/open", "AKID", "another")), Invoke)


def test_no_function_sees_a_signature_nor_what_is_for_the_gateway_alone() -> None:
    more = {"Expect": "100-continue", "content-md5": "x", "Server": "x", "Date": "x", "Via": "1.1 x"}
    for path in ("/iam", "/open"):
        headers = only(send("GET", path, {**signed("GET", path, "AKID", "secret"), **more}), Invoke).event["headers"]
        names = {name.lower() for name in headers}
        assert {"host", "x-amz-date", "date", "via"} <= names
        assert not {"authorization", "expect", "content-md5", "server"} & names
    headers = only(send("GET", "/open", [("Authorization", "Bearer abc")]), Invoke).event["headers"]
    assert headers["Authorization"] == "Bearer abc"


def test_a_signature_is_for_the_region_of_the_api() -> None:
    desk = Desk(replace(API, region="cn-north-1"))
    desk.now = time.time()
    request = Request("r1", "GET", "/iam", headers=tuple(signed("GET", "/iam", "AKID", "secret").items()))
    _, error, message = refused(desk.receive(request))
    assert error == "InvalidSignatureException"
    assert "'us-east-1'" in message


def test_a_preflight_is_not_signed() -> None:
    assert only(send("OPTIONS", "/iam"), Respond).reply.status == 200


def test_where_no_key_is_known_nobody_passes() -> None:
    desk = Desk(replace(API, access_keys={}))
    desk.now = time.time()
    request = Request("r1", "GET", "/iam", headers=tuple(signed("GET", "/iam", "AKID", "secret").items()))
    assert refused(desk.receive(request))[1] == "UnrecognizedClientException"
