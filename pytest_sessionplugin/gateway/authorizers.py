"""Authorizers of REST routes: whether a request may pass, and what its function is told of the caller.

It runs none of them, and knows no time but what it is given.

Sources: "Use API Gateway Lambda authorizers", "Output from an API Gateway Lambda authorizer" and "Gateway response
types" in the developer guide, Chalice's tests against AWS, and reports of real answers where these say nothing.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from .replies import MISSING_TOKEN, failure
from .rest import Match
from .results import as_text
from .shapes import IDENTITY, Event, header
from .values import Api, Authorizer, AuthorizerKind, Claims, Raised, Reply, Request, Returned, Route

INVOKE = "execute-api:Invoke"

UNAUTHORIZED = failure(401, "Unauthorized", "UnauthorizedException")
BROKEN = failure(500, None, "AuthorizerConfigurationException")


def _denied(message: str) -> Reply:
    """Unlike every other answer of API Gateway, this one writes its key with a capital."""
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", "AccessDeniedException"))
    return Reply(403, headers, json.dumps({"Message": message}).encode())


NOT_ALLOWED = _denied("User is not authorized to access this resource")
DENIED = _denied("User is not authorized to access this resource with an explicit deny")


@dataclass(frozen=True)
class Grant:
    """The request may pass; this is what its function is told of the caller."""

    authorizer: Mapping[str, Any] | None = None  # requestContext.authorizer
    identity: Mapping[str, str] = field(default_factory=dict)  # over requestContext.identity


Verdict = Grant | Reply


@dataclass(frozen=True)
class Question:
    """What a built-in authorizer is asked: may the bearer of this token call this method?"""

    authorizer: Authorizer
    token: str
    method_arn: str

    @property
    def event(self) -> Event:
        return {"type": "TOKEN", "methodArn": self.method_arn, "authorizationToken": self.token}


def examine(request: Request, match: Match, api: Api) -> Verdict | Question:
    """What can be said of a request before anybody is asked. Raises ValueError as claimed() does.

    What cannot be run here passes if it carries a credential: nothing here could verify that.
    """
    if request.claims is not None:
        return claimed(match.route, request.method, request.claims)
    authorizer = match.route.authorizers.get(request.method)
    if authorizer is None:
        return Grant()
    token = header(request.headers, authorizer.header.lower()) if authorizer.header else None
    if authorizer.kind is AuthorizerKind.IAM:
        return Grant() if token or "X-Amz-Signature" in parse_qs(request.query) else MISSING_TOKEN
    if authorizer.header is not None and not token:
        return UNAUTHORIZED
    if token and authorizer.kind is AuthorizerKind.BUILT_IN:
        return Question(authorizer, token, method_arn(api, request.method, match.path))
    return Grant()


def of(api: Api) -> frozenset[Authorizer]:
    return frozenset(each for route in api.routes for each in route.authorizers.values())


def method_arn(api: Api, method: str, path: str) -> str:
    """`path` is that of the request, without the stage. The root is `…/GET/` (aws/chalice#1552)."""
    return f"arn:aws:execute-api:{api.region}:{api.account_id}:{api.rest_api_id}/{api.stage}/{method}{path}"


# --- what a test says that an authorizer would have answered


def claimed(route: Route, method: str, claims: Claims) -> Grant:
    """What the route's authorizer puts into the request context for a caller with these claims, all as text.

    Cognito gives them as `claims`, lists joined by commas; a function beside `principalId`, which is `sub` or "user"
    unless it is among them; IAM as fields of `identity`. Raises ValueError if the route has no authorizer, or one
    that cannot give these.
    """
    authorizer = route.authorizers.get(method)
    if authorizer is None:
        raise ValueError(f"{method} {route.path} has no authorizer, and API Gateway gives claims to no other route")
    if authorizer.kind is AuthorizerKind.IAM:
        if unknown := set(claims) - set(IDENTITY):
            raise ValueError(f"IAM gives {', '.join(IDENTITY)}, and not {', '.join(sorted(unknown))}")
        return Grant(identity=_texts(claims))
    if authorizer.kind is AuthorizerKind.COGNITO:
        return Grant({"claims": _texts({name: _joined(value) for name, value in claims.items()})})
    return Grant({"principalId": str(claims.get("sub") or "user"), **_texts(claims)})


def _texts(claims: Claims) -> dict[str, str]:
    texts = {}
    for name, value in claims.items():
        text = as_text(value)
        if text is None:
            raise ValueError(f"claim {name!r} cannot be {value!r}: API Gateway gives text, numbers and booleans")
        texts[name] = text
    return texts


def _joined(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value


# --- what an authorizer answered


@dataclass(frozen=True)
class Statement:
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditional: bool = False  # nothing here evaluates a Condition: under one, a Deny holds and an Allow does not

    def covers(self, arn: str) -> bool:
        return any(_fits(action.lower(), INVOKE.lower()) for action in self.actions) and any(
            _fits(resource, arn) for resource in self.resources
        )


@dataclass(frozen=True)
class Policy:
    """The answer of an authorizer, which holds for every method that its token is sent to."""

    principal_id: str
    statements: tuple[Statement, ...]
    context: Mapping[str, str | None] = field(default_factory=dict)

    def verdict(self, arn: str) -> Verdict:
        """A Deny outweighs every Allow; what no statement names is not allowed.

        `integrationLatency`, which API Gateway puts beside the context, is left out.
        """
        covering = [statement for statement in self.statements if statement.covers(arn)]
        if not all(statement.allows for statement in covering):
            return DENIED
        if all(statement.conditional for statement in covering):
            return NOT_ALLOWED
        return Grant({**self.context, "principalId": self.principal_id})


def read_answer(returned: Returned | None) -> Policy | Reply:
    """None: the integration time-out struck first.

    Only an error whose whole text is "Unauthorized" is a 401.
    """
    if returned is None:
        return BROKEN
    if returned.error is not None:
        refuses = isinstance(returned.error, Raised) and returned.error.message == "Unauthorized"
        return UNAUTHORIZED if refuses else BROKEN
    return read_policy(returned.result) or BROKEN


def read_policy(result: Any) -> Policy | None:
    """`result` is what json.loads makes of the function's output; None if it is malformed."""
    if not isinstance(result, dict) or not isinstance(result.get("policyDocument"), dict):
        return None
    principal_id = result.get("principalId")
    context = _context(result.get("context"))
    listed = result["policyDocument"].get("Statement")
    statements = [_statement(each) for each in (listed if isinstance(listed, list) else [listed])]
    if not isinstance(principal_id, str) or context is None or None in statements:
        return None
    return Policy(principal_id, tuple(each for each in statements if each is not None), context)


def _statement(value: Any) -> Statement | None:
    if not isinstance(value, dict) or value.get("Effect") not in ("Allow", "Deny"):
        return None
    actions, resources = _patterns(value.get("Action")), _patterns(value.get("Resource"))
    if actions is None or resources is None:
        return None
    return Statement(value["Effect"] == "Allow", actions, resources, bool(value.get("Condition")))


def _patterns(value: Any) -> tuple[str, ...] | None:
    """One or many. An empty list is what Chalice makes of `routes=[]`: it names nothing, and is well-formed."""
    values = value if isinstance(value, list) else [value]
    return tuple(values) if all(isinstance(each, str) for each in values) else None


def _context(value: Any) -> dict[str, str | None] | None:
    """Values become text; null stays (DefinitelyTyped/DefinitelyTyped#69823), lists and maps are malformed."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return None
    context = {name: as_text(each) for name, each in value.items()}
    return None if any(context[name] is None and value[name] is not None for name in value) else context


def _fits(pattern: str, text: str) -> bool:
    """`*` stands for anything, slashes included, `?` for one character."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, text, re.DOTALL) is not None


class Policies:
    """What authorizers answered, by authorizer and token. An error is not kept, and so neither is Unauthorized."""

    def __init__(self) -> None:
        # Those of one authorizer live equally long, so they go in the order in which they came. One that came anew
        # keeps its place: those behind it may stay longer than they count.
        self._kept: defaultdict[Authorizer, OrderedDict[str, tuple[float, Policy]]] = defaultdict(OrderedDict)

    def find(self, question: Question, now: float) -> Policy | None:
        until, policy = self._kept[question.authorizer].get(question.token, (now, None))
        return policy if now < until else None

    def keep(self, question: Question, policy: Policy, now: float) -> None:
        kept = self._kept[question.authorizer]
        kept[question.token] = now + question.authorizer.ttl, policy
        while kept and next(iter(kept.values()))[0] <= now:
            kept.popitem(last=False)

    def of(self, authorizers: Collection[Authorizer]) -> Policies:
        """Those of these authorizers, and nothing of the others."""
        found = Policies()
        for authorizer in self._kept.keys() & set(authorizers):
            found._kept[authorizer] = self._kept[authorizer].copy()
        return found
