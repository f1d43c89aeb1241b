"""Authorizers of REST routes as API Gateway treats them, in the pure core: inputs and a clock in, effects out."""

from __future__ import annotations

import json
import weakref
from dataclasses import replace
from typing import Any

import pytest

from pytest_sessionplugin.gateway.core.authorizers import Policies, Policy, Question, method_arn, read_policy
from pytest_sessionplugin.gateway.runtime import HEADER, InjectedClaims
from pytest_sessionplugin.gateway.values import (
    REST_FUNCTION,
    Api,
    Authorizer,
    AuthorizerKind,
    Invoke,
    Raised,
    Reply,
    Request,
    Respond,
    Returned,
    Route,
    TimedOut,
)
from tests.gateway.core.desk import NOON, Desk, only

GUARD = Authorizer(AuthorizerKind.BUILT_IN, "guard")
BRIEF = Authorizer(AuthorizerKind.BUILT_IN, "brief", header="X-Key", ttl=10)
FORGETFUL = Authorizer(AuthorizerKind.BUILT_IN, "forgetful", ttl=0)
POOL = Authorizer(AuthorizerKind.COGNITO, "pool")
ELSEWHERE = Authorizer(AuthorizerKind.CUSTOM, "elsewhere", header="X-Token")
WHOLE = Authorizer(AuthorizerKind.CUSTOM, "whole", header=None)
IAM = Authorizer(AuthorizerKind.IAM, "sigv4")


def guarded(path: str, authorizer: Authorizer, *more: str) -> Route:
    methods = ("GET", *more)
    return Route(path, frozenset(methods), authorizers=dict.fromkeys(methods, authorizer))


API = Api(
    routes=(
        guarded("/", GUARD),
        guarded("/rooms", GUARD, "DELETE"),
        guarded("/rooms/{room}", GUARD),
        guarded("/brief", BRIEF),
        guarded("/forgetful", FORGETFUL),
        guarded("/cognito", POOL),
        guarded("/elsewhere", ELSEWHERE),
        guarded("/whole", WHOLE),
        guarded("/iam", IAM),
        Route("/open", frozenset({"GET"}), preflight={}),
        Route("/half", frozenset({"GET", "POST"}), preflight={}, authorizers={"POST": GUARD}),
    )
)
BASE = "arn:aws:execute-api:us-east-1:123456789012:r3stapi000/api"


@pytest.fixture
def desk() -> Desk:
    return Desk(API)


def request(method: str, path: str, token: str | None = "t", header: str = "Authorization", **more: Any) -> Request:
    return Request("r1", method, path, headers=((header, token),) if token is not None else (), **more)


def ask(desk: Desk, method: str = "GET", path: str = "/rooms", **more: Any) -> Invoke:
    """The function that a request sets off first: its authorizer, or its handler."""
    return only(desk.receive(request(method, path, **more)), Invoke)


def turned_away(desk: Desk, method: str, path: str, token: str | None = "t", **more: Any) -> Reply:
    return only(desk.receive(request(method, path, token, **more)), Respond).reply


def policy(*resources: str, effect: str = "Allow", context: Any = None, **statement: Any) -> Any:
    listed = [resource.replace("~", BASE) for resource in resources]
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": listed, **statement}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"principalId": "alice", "policyDocument": document, **({} if context is None else {"context": context})}


def verdict(desk: Desk, result: Any, path: str = "/rooms") -> int:
    """200 if the request reached its function; the status of its answer if not."""
    (effect,) = desk.answer(ask(desk, path=path), result)
    if isinstance(effect, Invoke):
        assert effect.function == REST_FUNCTION
        return 200
    assert isinstance(effect, Respond)
    return effect.reply.status


def error_type(reply: Reply) -> str:
    return dict(reply.headers)["x-amzn-ErrorType"]


class TestToken:
    def test_is_asked_for_before_the_function_runs(self, desk: Desk) -> None:
        invoke = ask(desk, path="/api/rooms/7", token="Bearer x")
        assert invoke.function == "guard"
        assert invoke.event == {
            "type": "TOKEN",
            "authorizationToken": "Bearer x",
            "methodArn": f"{BASE}/GET/rooms/7",
        }
        follows = only(desk.answer(invoke, policy("*")), Invoke)
        assert (follows.function, follows.event["path"]) == (REST_FUNCTION, "/rooms/7")
        assert only(desk.answer(follows), Respond).reply.status == 200

    @pytest.mark.parametrize(("path", "arn"), [("/", "GET/"), ("/rooms", "GET/rooms"), ("/a/b%20c", "GET/a/b%20c")])
    def test_names_the_method_with_its_path(self, path: str, arn: str) -> None:
        assert method_arn(API, "GET", path) == f"{BASE}/{arn}"

    @pytest.mark.parametrize(
        ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")]
    )
    def test_names_the_partition_of_the_region(self, region: str, partition: str) -> None:
        arn = method_arn(replace(API, region=region), "GET", "/")
        assert arn.startswith(f"arn:{partition}:execute-api:{region}:")

    @pytest.mark.parametrize("token", [None, ""])
    def test_without_one_nobody_is_asked(self, desk: Desk, token: str | None) -> None:
        reply = turned_away(desk, "GET", "/rooms", token)
        assert (reply.status, json.loads(reply.body)) == (401, {"message": "Unauthorized"})
        assert error_type(reply) == "UnauthorizedException"

    def test_is_the_last_of_several_as_it_is_in_an_event(self, desk: Desk) -> None:
        several = (("Authorization", "first"), ("authorization", "last"))
        invoke = only(desk.receive(Request("r1", "GET", "/rooms", headers=several)), Invoke)
        assert invoke.event["authorizationToken"] == "last"

    def test_stands_in_the_header_that_the_authorizer_names_in_any_spelling(self, desk: Desk) -> None:
        assert turned_away(desk, "GET", "/brief").status == 401
        assert ask(desk, path="/brief", header="x-kEY").event["authorizationToken"] == "t"

    def test_is_asked_for_by_method(self, desk: Desk) -> None:
        assert ask(desk, "GET", "/half", token=None).function == REST_FUNCTION
        assert ask(desk, "POST", "/half").function == "guard"

    def test_is_not_asked_for_by_a_preflight_and_where_there_is_no_route(self, desk: Desk) -> None:
        assert turned_away(desk, "OPTIONS", "/half", None).status == 200
        assert turned_away(desk, "PUT", "/half", None).status == 403
        assert turned_away(desk, "GET", "/nowhere", None).status == 403


class TestFailure:
    def test_with_the_text_unauthorized_is_401(self, desk: Desk) -> None:
        returned = Returned(ask(desk).invocation_id, error=Raised("Exception", "Unauthorized"))
        reply = only(desk.receive(returned), Respond).reply
        assert (reply.status, json.loads(reply.body)) == (401, {"message": "Unauthorized"})

    @pytest.mark.parametrize(
        "error",
        [Raised("UnauthorizedError", "no"), Raised("E", "unauthorized"), Raised("E", "Unauthorized: no"), TimedOut()],
    )
    def test_of_any_other_kind_is_500(self, desk: Desk, error: Raised | TimedOut) -> None:
        reply = only(desk.receive(Returned(ask(desk).invocation_id, error=error)), Respond).reply
        assert (reply.status, json.loads(reply.body)) == (500, {"message": None})
        assert error_type(reply) == "AuthorizerConfigurationException"

    def test_to_answer_in_29_seconds_is_500_and_the_late_answer_changes_nothing(self, desk: Desk) -> None:
        invoke = ask(desk)
        assert desk.tick(28.9) == []
        assert only(desk.tick(0.1), Respond).reply.status == 500
        assert desk.answer(invoke, policy("*")) == []
        assert ask(desk).function == "guard"

    def test_of_one_request_is_not_kept_for_the_next(self, desk: Desk) -> None:
        desk.fail(ask(desk))
        assert ask(desk).function == "guard"

    def test_of_the_function_is_timed_from_its_own_start(self, desk: Desk) -> None:
        invoke = ask(desk)
        desk.tick(20)
        follows = only(desk.answer(invoke, policy("*")), Invoke)
        assert follows.event["requestContext"]["requestTimeEpoch"] == round(NOON * 1000)
        assert desk.tick(28) == []
        assert only(desk.tick(1), Respond).reply.status == 504


class TestAnswer:
    @pytest.mark.parametrize(
        "result",
        [
            None,
            "Allow",
            [],
            {},
            {"statusCode": 401},
            {**policy("*"), "principalId": None},
            {**policy("*"), "policyDocument": None},
            {**policy("*"), "policyDocument": {}},
            {**policy("*"), "policyDocument": {"Statement": ["*"]}},
            policy("*", effect="allow"),
            policy("*", Action=None),
            policy("*", Resource=None),
            policy("*", Resource=[1]),
            policy("*", context=[]),
            policy("*", context={"a": []}),
            policy("*", context={"a": {"b": "c"}}),
            policy("*", NotAction="s3:*"),
            policy("*", NotResource="*"),
            {**policy("*"), "usageIdentifierKey": "x" * 8192},
        ],
        ids=repr,
    )
    def test_that_is_malformed_is_500(self, desk: Desk, result: Any) -> None:
        assert read_policy(result) is None
        assert verdict(desk, result) == 500

    def test_reaches_the_function_as_texts_beside_the_principal(self, desk: Desk) -> None:
        context = {"text": "a", "number": 123, "half": 0.5, "yes": True, "null": None, "principalId": "mallory"}
        event = only(desk.answer(ask(desk), policy("*", context=context)), Invoke).event
        assert event["requestContext"]["authorizer"] == {
            "text": "a",
            "number": "123",
            "half": "0.5",
            "yes": "true",
            "null": None,
            "principalId": "alice",
            "integrationLatency": 0,
        }

    def test_says_how_long_it_took_and_nothing_once_it_is_kept(self, desk: Desk) -> None:
        invoke = ask(desk)
        desk.now += 0.25
        own = {"principalId": "alice", "integrationLatency": 250}
        event = only(desk.answer(invoke, policy("*", context={"integrationLatency": 1})), Invoke).event
        assert event["requestContext"]["authorizer"] == own
        assert ask(desk).event["requestContext"]["authorizer"] == {**own, "integrationLatency": 0}

    def test_may_be_one_statement_with_one_action_and_one_resource(self, desk: Desk) -> None:
        statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{BASE}/GET/rooms"}
        document = {"principalId": "alice", "policyDocument": {"Statement": statement}}
        assert verdict(desk, document) == 200

    @pytest.mark.parametrize(
        ("resource", "status"),
        [
            ("*", 200),
            ("~/GET/rooms/7", 200),
            ("~/*/rooms/7", 200),
            ("~/*/rooms/*", 200),
            ("~/*/*", 200),
            ("~/*", 200),
            ("arn:aws:execute-api:*:*:r3stapi000/*/GET/rooms/7", 200),
            ("~/GET/rooms/?", 200),
            ("~/GET/rooms/??", 403),
            ("~/GET/rooms/7?", 403),
            ("~/*/GET/rooms/7", 403),
            ("~/GET/rooms/7*7", 403),
            ("~/GET/rooms/*7*7", 403),
            ("~/GET/*o*o?s*/7", 200),
            ("~/GET/*o*o*o*/7", 403),
            ("~/*?T/*/?", 200),
            ("~/GET/rooms", 403),
            ("~/GET/rooms/", 403),
            ("~/POST/rooms/7", 403),
            ("~/GET/rooms/{room}", 403),  # what AuthResponse(routes=["/rooms/{room}"]) amounts to
            ("~/GET/room./7", 403),
            ("arn:aws:execute-api:us-east-1:123456789012:another/api/GET/rooms/7", 403),
            ("~/get/rooms/7", 403),
            ("", 403),
        ],
    )
    def test_allows_what_its_resource_names(self, desk: Desk, resource: str, status: int) -> None:
        assert verdict(desk, policy(resource), "/rooms/7") == status

    @pytest.mark.parametrize(
        ("action", "status"),
        [
            ("execute-api:Invoke", 200),
            ("execute-api:invoke", 200),
            ("execute-api:*", 200),
            ("*", 200),
            (["s3:GetObject", "execute-api:Invoke"], 200),
            ("execute-api:ManageConnections", 403),
            ([], 403),
        ],
    )
    def test_allows_what_its_action_names(self, desk: Desk, action: Any, status: int) -> None:
        assert verdict(desk, policy("*", Action=action)) == status

    def test_with_many_wildcards_is_read_at_once_whatever_the_path(self, desk: Desk) -> None:
        assert verdict(desk, policy("*:" * 20 + "x"), path="/rooms/" + ":" * 8000) == 403

    def test_is_read_up_to_8_kb(self, desk: Desk) -> None:
        answer = policy("*", context={"a": ""})
        spare = 8192 - len(json.dumps(answer, separators=(",", ":")))
        answer["context"]["a"] = "é" + "x" * (spare - 2)
        assert verdict(desk, answer) == 200
        answer["context"]["a"] += "x"
        assert verdict(Desk(API), answer) == 500

    @pytest.mark.parametrize(
        ("statement", "status"),
        [
            ({"NotAction": "s3:*"}, 200),
            ({"NotAction": ["s3:*", "EXECUTE-API:*"]}, 403),
            ({"NotAction": []}, 200),
            ({"Action": "*", "NotResource": "~/GET/rooms/*"}, 200),
            ({"Action": "*", "NotResource": ["~/GET/rooms"]}, 403),
            ({"NotAction": "s3:*", "NotResource": "~/GET/rooms", "Effect": "Deny"}, 403),
        ],
        ids=repr,
    )
    def test_allows_what_it_leaves_out_of_what_it_does_not_name(
        self, desk: Desk, statement: dict[str, Any], status: int
    ) -> None:
        written = json.loads(json.dumps({"Effect": "Allow", "Resource": "*", **statement}).replace("~", BASE))
        if "NotResource" in written:
            del written["Resource"]
        answer = {"principalId": "alice", "policyDocument": {"Statement": written}}
        assert verdict(desk, answer) == status

    def test_that_denies_all_but_one_method_allows_nothing_by_itself(self, desk: Desk) -> None:
        """A Deny with NotResource shuts the rest, and opens nothing."""
        written = {"Effect": "Deny", "Action": "*", "NotResource": f"{BASE}/GET/rooms"}
        answer = {"principalId": "alice", "policyDocument": {"Statement": written}}
        reply = only(desk.answer(ask(desk), answer), Respond).reply
        assert json.loads(reply.body) == {"Message": "User is not authorized to access this resource"}

    def test_that_allows_nothing_is_403(self, desk: Desk) -> None:
        """Chalice's `routes=[]` is an Allow without any resource."""
        reply = only(desk.answer(ask(desk), policy()), Respond).reply
        body = {"Message": "User is not authorized to access this resource"}
        assert (reply.status, json.loads(reply.body)) == (403, body)
        assert error_type(reply) == "AccessDeniedException"

    def test_that_denies_is_403_and_says_so_whatever_else_it_allows(self, desk: Desk) -> None:
        result = policy("*")
        result["policyDocument"]["Statement"] += policy("~/GET/*", effect="Deny")["policyDocument"]["Statement"]
        reply = only(desk.answer(ask(desk), result), Respond).reply
        body = {"Message": "User is not authorized to access this resource with an explicit deny"}
        assert (reply.status, json.loads(reply.body)) == (403, body)
        assert only(desk.receive(request("DELETE", "/rooms")), Invoke).function == REST_FUNCTION

    def test_with_a_condition_never_lets_pass(self, desk: Desk) -> None:
        condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
        assert verdict(desk, policy("*", Condition=condition)) == 403
        assert verdict(Desk(API), policy("*", effect="Deny", Condition=condition)) == 403


class TestKept:
    def test_for_300_seconds_by_token(self, desk: Desk) -> None:
        desk.answer(ask(desk), policy("*", context={"n": 1}))
        desk.now += 299.9
        follows = ask(desk, path="/rooms/7")
        assert follows.function == REST_FUNCTION
        assert follows.event["requestContext"]["authorizer"] == {
            "n": "1",
            "principalId": "alice",
            "integrationLatency": 0,
        }
        assert ask(desk, token="another").function == "guard"
        desk.now += 0.1
        assert ask(desk).function == "guard"

    def test_from_the_moment_of_the_answer(self, desk: Desk) -> None:
        invoke = ask(desk, path="/brief", header="X-Key")
        desk.now += 5
        desk.answer(invoke, policy("*"))
        desk.now += 9
        assert ask(desk, path="/brief", header="X-Key").function == REST_FUNCTION

    def test_for_as_long_as_the_authorizer_says(self, desk: Desk) -> None:
        desk.answer(ask(desk, path="/brief", header="X-Key"), policy("*"))
        desk.now += 10
        assert ask(desk, path="/brief", header="X-Key").function == "brief"

    def test_not_at_all_for_zero_seconds(self, desk: Desk) -> None:
        desk.answer(ask(desk, path="/forgetful"), policy("*"))
        assert ask(desk, path="/forgetful").function == "forgetful"

    def test_by_authorizer(self, desk: Desk) -> None:
        desk.answer(ask(desk), policy("*"))
        assert ask(desk, path="/forgetful").function == "forgetful"

    def test_as_a_policy_that_is_judged_anew_for_each_method(self, desk: Desk) -> None:
        """A policy that names only the method it was asked about shuts every other until it is forgotten."""
        invoke = ask(desk)
        desk.answer(invoke, policy(invoke.event["methodArn"]))
        assert ask(desk).function == REST_FUNCTION
        assert turned_away(desk, "DELETE", "/rooms").status == 403
        assert turned_away(desk, "GET", "/rooms/7").status == 403
        desk.now += 300
        assert ask(desk, "DELETE").function == "guard"

    def test_when_it_denies_too(self, desk: Desk) -> None:
        desk.answer(ask(desk), policy("*", effect="Deny"))
        assert turned_away(desk, "GET", "/rooms").status == 403

    def test_anew_when_it_is_given_anew(self, desk: Desk) -> None:
        """Of two that ran at once, the later answer counts, and its time."""
        first, second = ask(desk), ask(desk)
        desk.answer(first, policy("*"))
        desk.now += 200
        desk.answer(second, policy())
        desk.now += 200
        assert turned_away(desk, "GET", "/rooms").status == 403

    def test_until_the_next_answer_once_it_counts_no_more(self) -> None:
        policies, policy = Policies(), Policy("alice", ())
        policies.keep(Question(GUARD, "first", "arn:x"), policy, NOON)
        kept = weakref.ref(policy)
        del policy
        policies.keep(Question(GUARD, "second", "arn:x"), Policy("bob", ()), NOON + 299)
        assert kept() is not None
        policies.keep(Question(GUARD, "third", "arn:x"), Policy("bob", ()), NOON + 300)
        assert kept() is None

    def test_not_for_as_long_as_an_older_token_is_used(self) -> None:
        policies, policy = Policies(), Policy("bob", ())
        kept = weakref.ref(policy)
        policies.keep(Question(GUARD, "used", "arn:x"), Policy("alice", ()), NOON)
        policies.keep(Question(GUARD, "used once", "arn:x"), policy, NOON + 1)
        del policy
        policies.keep(Question(GUARD, "used", "arn:x"), Policy("alice", ()), NOON + 300)
        policies.keep(Question(GUARD, "used", "arn:x"), Policy("alice", ()), NOON + 301)
        assert kept() is None


class TestNotRun:
    """Authorizers that cannot run here let requests pass, except those that API Gateway would refuse unasked."""

    def test_a_token_is_needed_and_not_looked_at(self, desk: Desk) -> None:
        reply = turned_away(desk, "GET", "/elsewhere", None)
        assert (reply.status, error_type(reply)) == (401, "UnauthorizedException")
        follows = ask(desk, path="/elsewhere", header="X-Token")
        assert follows.function == REST_FUNCTION
        assert "authorizer" not in follows.event["requestContext"]

    def test_one_that_asks_for_the_whole_request_needs_no_token(self, desk: Desk) -> None:
        assert ask(desk, path="/whole", token=None).function == REST_FUNCTION


class TestClaims:
    @pytest.mark.parametrize(
        ("path", "claims", "authorizer"),
        [
            ("/rooms", {}, {"principalId": "user"}),
            ("/rooms", {"sub": "bob", "n": 1}, {"principalId": "bob", "sub": "bob", "n": "1"}),
            ("/rooms", {"principalId": "bob"}, {"principalId": "bob"}),
            ("/elsewhere", {"sub": "bob"}, {"principalId": "bob", "sub": "bob"}),
            ("/cognito", {}, {"claims": {}}),
            ("/cognito", {"sub": "bob", "n": 9, "ok": True}, {"claims": {"sub": "bob", "n": "9", "ok": "true"}}),
            ("/cognito", {"exp": 9, "iat": "8"}, {"claims": {"exp": "Thu Jan 01 00:00:09 UTC 1970", "iat": "8"}}),
            ("/cognito", {"cognito:groups": ["a", "b"]}, {"claims": {"cognito:groups": "a,b"}}),
        ],
    )
    def test_reach_the_function_as_the_authorizer_gives_them(
        self, desk: Desk, path: str, claims: Any, authorizer: Any
    ) -> None:
        follows = ask(desk, path=path, token=None, claims=claims)
        assert follows.function == REST_FUNCTION
        assert follows.event["requestContext"]["authorizer"] == authorizer

    def test_of_iam_are_the_identity(self, desk: Desk) -> None:
        claims = {"userArn": "arn:aws:iam::1:user/bob", "user": "AIDA", "caller": "AIDA", "accountId": 1}
        context = ask(desk, path="/iam", token=None, claims=claims).event["requestContext"]
        assert "authorizer" not in context
        assert context["identity"].items() >= {**claims, "accountId": "1", "sourceIp": "127.0.0.1"}.items()
        assert context["identity"]["accessKey"] is None

    @pytest.mark.parametrize(
        ("path", "claims"),
        [
            ("/open", {}),
            ("/half", {"sub": "bob"}),
            ("/rooms", {"sub": {"a": 1}}),
            ("/rooms", {"roles": ["a"]}),
            ("/cognito", {"sub": None}),
            ("/iam", {"sub": "bob"}),
        ],
    )
    def test_that_the_route_cannot_be_given_are_refused(self, desk: Desk, path: str, claims: Any) -> None:
        with pytest.raises(ValueError, match=r"API Gateway|IAM gives"):
            desk.core.check_claims("GET", path, claims)
        with pytest.raises(ValueError, match=r"API Gateway|IAM gives"):
            desk.receive(request("GET", path, claims=claims))

    def test_are_no_answer_that_is_kept(self, desk: Desk) -> None:
        ask(desk, claims={"sub": "bob"})
        assert ask(desk).function == "guard"


class TestVouchers:
    def test_are_good_once(self) -> None:
        vouchers = InjectedClaims()
        sent = Request("r1", "GET", "/rooms", headers=(("A", "1"), vouchers.issue({"sub": "bob"})))
        assert vouchers.redeem(sent) == Request("r1", "GET", "/rooms", headers=(("A", "1"),), claims={"sub": "bob"})
        assert vouchers.redeem(sent) == Request("r1", "GET", "/rooms", headers=(("A", "1"),))

    @pytest.mark.parametrize("value", ["", "1", '{"sub": "bob"}'])
    def test_that_were_not_issued_mean_nothing(self, value: str) -> None:
        vouchers = InjectedClaims()
        vouchers.issue({"sub": "bob"})
        sent = Request("r1", "GET", "/rooms", headers=((HEADER.upper(), value),))
        assert vouchers.redeem(sent) == Request("r1", "GET", "/rooms")
