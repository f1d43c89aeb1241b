"""Tokens of Cognito user pools, in the pure core: what is read of them, and what the function is told."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import pytest

from pytest_sessionplugin.gateway.core.cognito import issuer
from pytest_sessionplugin.gateway.values import (
    Api,
    Authorizer,
    AuthorizerKind,
    Invoke,
    Reply,
    Request,
    Respond,
    Route,
    Verified,
)
from tests.gateway.core.desk import NOON, Desk, only

POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_abc"
ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"
CLAIMS = {"iss": ISSUER, "token_use": "id", "sub": "alice", "exp": int(NOON) + 60}


def jwt(claims: Any, alg: str = "RS256") -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': alg})}.{part(claims)}.c2ln"


def answered(
    value: str,
    *scopes: str,
    pools: tuple[str, ...] = ("arn:aws:cognito-idp:us-east-1:1:userpool/another", POOL),
    verified: Verified | None = None,
) -> Invoke | Reply:
    """The effect of a request with this header: its function, or an answer."""
    guard = Authorizer(AuthorizerKind.COGNITO, "pool", pools=pools, scopes=scopes, verified=verified)
    desk = Desk(Api(routes=(Route("/", frozenset({"GET"}), authorizers={"GET": guard}),)))
    (effect,) = desk.receive(Request("r1", "GET", "/", headers=(("Authorization", value),)))
    if isinstance(effect, Invoke):
        return effect
    return only([effect], Respond).reply


def status(value: str, *scopes: str, **more: Any) -> int:
    effect = answered(value, *scopes, **more)
    return effect.status if isinstance(effect, Reply) else 200


@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer "])
def test_a_token_of_one_of_the_pools_passes(scheme: str) -> None:
    effect = answered(scheme + jwt(CLAIMS))
    assert isinstance(effect, Invoke)
    assert effect.event["requestContext"]["authorizer"]["claims"]["sub"] == "alice"


@pytest.mark.parametrize(
    "token",
    [
        "any",
        "a.b.c",
        "..",
        "eyJhbGciOiJSUzI1NiJ9.é.c2ln",
        f"{jwt(CLAIMS)}.x",
        jwt(CLAIMS).rpartition(".")[0] + ".",
        jwt([]),
        jwt(CLAIMS, "none"),
        jwt(CLAIMS, "HS256"),
        jwt({**CLAIMS, "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x"}),
        jwt({**CLAIMS, "iss": None}),
        jwt({**CLAIMS, "iss": [ISSUER]}),
        jwt({**CLAIMS, "token_use": "access"}),
        jwt({**CLAIMS, "token_use": "refresh"}),
        jwt({**CLAIMS, "exp": None}),
        jwt({**CLAIMS, "exp": "9999999999"}),
        jwt(CLAIMS).replace(".", ".!", 1),
    ],
    ids=range(17),
)
def test_what_is_no_token_of_a_pool_is_401(token: str) -> None:
    reply = answered(token)
    assert isinstance(reply, Reply)
    assert (reply.status, json.loads(reply.body)) == (401, {"message": "Unauthorized"})
    assert ("x-amzn-ErrorType", "UnauthorizedException") in reply.headers


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_one_that_has_expired_is_401_and_says_so(seconds: float) -> None:
    reply = answered(jwt({**CLAIMS, "exp": NOON + seconds}))
    assert isinstance(reply, Reply)
    assert (reply.status, json.loads(reply.body)) == (401, {"message": "The incoming token has expired"})


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"token_use": "access", "scope": "rooms/read rooms/write"}, 200),
        ({"token_use": "access", "scope": "rooms/reader"}, 401),
        ({"token_use": "access"}, 401),
        ({"token_use": "id", "scope": "rooms/read"}, 401),
    ],
)
def test_a_method_with_scopes_takes_access_tokens_that_have_one(claims: Any, expected: int) -> None:
    assert status(jwt({**CLAIMS, **claims}), "rooms/read", "rooms/own") == expected


def test_a_signature_counts_where_somebody_knows_the_keys() -> None:
    asked: list[str] = []

    def verified(token: str) -> bool:
        asked.append(token)
        return token == jwt(CLAIMS)

    forged = jwt({**CLAIMS, "sub": "mallory"})
    assert status(f"Bearer {jwt(CLAIMS)}", verified=verified) == 200
    assert status(forged, verified=verified) == 401
    assert asked == [jwt(CLAIMS), forged]


def test_who_forges_an_expired_token_is_not_told_that_it_expired() -> None:
    reply = answered(jwt({**CLAIMS, "exp": 1}), verified=lambda token: False)
    assert isinstance(reply, Reply)
    assert json.loads(reply.body) == {"message": "Unauthorized"}


def test_any_issuer_will_do_for_a_pool_that_is_known_only_once_it_is_deployed() -> None:
    assert status(jwt({**CLAIMS, "iss": "x"}), pools=(POOL, "{{POOL_ARN}}")) == 200
    assert status(jwt({**CLAIMS, "iss": "x"}), pools=()) == 401


def test_claims_are_texts_dates_in_words_and_lists_with_commas() -> None:
    """As in an event that AWS sent: its token was issued at Wed May 01 12:10:22 UTC 2024."""
    more = {
        "iat": 1714565422,
        "auth_time": 1714565422,
        "email_verified": True,
        "cognito:groups": ["a", "b"],
        "identities": [{"userId": "1"}],
        "address": {"city": "Ulm"},
        "gone": None,
    }
    effect = answered(jwt({**CLAIMS, **more, "exp": 99999999999}))
    assert isinstance(effect, Invoke)
    assert effect.event["requestContext"]["authorizer"] == {
        "claims": {
            "iss": ISSUER,
            "token_use": "id",
            "sub": "alice",
            "exp": "Wed Nov 16 09:46:39 UTC 5138",
            "iat": "Wed May 01 12:10:22 UTC 2024",
            "auth_time": "1714565422",
            "email_verified": "true",
            "cognito:groups": "a,b",
            "identities": '{"userId": "1"}',
            "address": '{"city": "Ulm"}',
            "gone": "null",
        }
    }


def test_what_is_no_moment_is_no_date() -> None:
    effect = answered(jwt({**CLAIMS, "iat": True}))
    assert isinstance(effect, Invoke)
    assert effect.event["requestContext"]["authorizer"]["claims"]["iat"] == "true"


def test_a_moment_that_no_calendar_has_stays_a_number() -> None:
    effect = answered(jwt({**CLAIMS, "exp": 1e30}))
    assert isinstance(effect, Invoke)
    assert effect.event["requestContext"]["authorizer"]["claims"]["exp"] == "1e+30"


@pytest.mark.parametrize(
    ("arn", "expected"),
    [
        (POOL, ISSUER),
        ("arn:aws-cn:cognito-idp:cn-north-1:1:userpool/x", "https://cognito-idp.cn-north-1.amazonaws.com.cn/x"),
        ("arn:aws:cognito-idp:eu:1:x", None),
        ("arn:aws:iam::1:userpool/x", None),
        ("x", None),
    ],
)
def test_the_issuer_of_a_pool(arn: str, expected: str | None) -> None:
    assert issuer(arn) == expected
