"""Authorizers of REST routes: whether a request may pass, and the caller's identity for its function.

Sources: "Control and manage access to REST APIs" in the developer guide, and Chalice's tests against AWS.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_sessionplugin.gateway.core import cognito, sigv4
from pytest_sessionplugin.gateway.core.events import IDENTITY, Event
from pytest_sessionplugin.gateway.core.gateway_responses import FORBIDDEN, UNAUTHORIZED, failure
from pytest_sessionplugin.gateway.core.integration import as_text
from pytest_sessionplugin.gateway.core.notes import FEW
from pytest_sessionplugin.gateway.core.routing import Match
from pytest_sessionplugin.gateway.redaction import brief
from pytest_sessionplugin.gateway.values import (
    Api,
    Authorizer,
    AuthorizerKind,
    Claims,
    Grant,
    Reply,
    Request,
    Returned,
    Route,
    TimedOut,
    header,
)


def examine(request: Request, match: Match, api: Api, now: float, signers_now: float) -> Grant | Reply | Question:
    """The verdict on a request, or the question for its authorizer. Raises ValueError as claimed() does.

    `request` is as it was sent and signed, at the signer's time. A custom authorizer cannot be run here: it lets
    every credential pass.
    """
    if request.claims is not None:
        return claimed(match.route, request.method, request.claims)
    authorizer = match.route.authorizers.get(request.method)
    if authorizer is None:
        return Grant()
    if authorizer.kind is AuthorizerKind.IAM:
        return sigv4.judge(request, api, signers_now)
    token = header(request.headers, authorizer.header.lower()) if authorizer.header else None
    if authorizer.header is not None and not token:
        return replace(UNAUTHORIZED, why=f"not asked: the request has no header {authorizer.header}")
    if token and authorizer.kind is AuthorizerKind.COGNITO:
        return cognito.judge(authorizer, token, now)
    if token and authorizer.kind is AuthorizerKind.BUILT_IN:
        return Question(authorizer, token, method_arn(api, request.method, match.path))
    return Grant()


def of(api: Api) -> frozenset[Authorizer]:
    return frozenset(each for route in api.routes for each in route.authorizers.values())


def method_arn(api: Api, method: str, path: str) -> str:
    """`path` is the request's, without the stage. The root is `…/GET/` (aws/chalice#1552)."""
    place = f"{api.region}:{api.account_id}:{api.rest_api_id}"
    return f"arn:{api.partition}:execute-api:{place}/{api.stage}/{method}{path}"


def claimed(route: Route, method: str, claims: Claims) -> Grant:
    """The grant of a route's authorizer for a caller with these claims, all as text.

    Cognito has them in `claims`, lists joined by commas, `exp` and `iat` as dates. A function has them beside
    `principalId`, by default `sub` or "user". IAM has them in `identity`. Raises ValueError if the route has no
    authorizer, or one that cannot give them.
    """
    authorizer = route.authorizers.get(method)
    if authorizer is None:
        raise ValueError(f"{method} {route.path} has no authorizer, and API Gateway gives claims to no other route")
    if authorizer.kind is AuthorizerKind.IAM:
        if unknown := set(claims) - set(IDENTITY):
            raise ValueError(f"IAM gives {', '.join(IDENTITY)}, and not {', '.join(sorted(unknown))}")
        return Grant(identity=_texts(claims))
    if authorizer.kind is AuthorizerKind.COGNITO:
        return Grant({"claims": _texts({name: cognito.shown(name, value) for name, value in claims.items()})})
    return Grant({"principalId": str(claims.get("sub") or "user"), **_texts(claims)})


def _texts(claims: Claims) -> dict[str, str]:
    texts = {}
    for name, value in claims.items():
        text = as_text(value)
        if text is None:
            raise ValueError(f"claim {name!r} cannot be {value!r}: API Gateway gives text, numbers and booleans")
        texts[name] = text
    return texts


INVOKE = "execute-api:Invoke"
MAX_ANSWER = 8192  # bytes of JSON

BROKEN = failure(500, None, "AuthorizerConfigurationException")


def _denied(message: str) -> Reply:
    """A 403 whose key has a capital, unlike that of every other answer of API Gateway."""
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", "AccessDeniedException"))
    return Reply(403, headers, json.dumps({"Message": message}).encode())


NOT_ALLOWED = _denied("User is not authorized to access this resource")
DENIED = _denied("User is not authorized to access this resource with an explicit deny")


@dataclass(frozen=True)
class Question:
    """The question to a built-in authorizer: may the bearer of this token call this method?"""

    authorizer: Authorizer
    token: str
    method_arn: str

    @property
    def event(self) -> Event:
        return {"type": "TOKEN", "methodArn": self.method_arn, "authorizationToken": self.token}


@dataclass(frozen=True)
class Patterns:
    """The patterns of Action or Resource; `inverted` for NotAction or NotResource."""

    patterns: tuple[str, ...]
    inverted: bool = False

    def cover(self, text: str) -> bool:
        return any(_fits(pattern, text) for pattern in self.patterns) is not self.inverted


@dataclass(frozen=True)
class Statement:
    allows: bool
    actions: Patterns  # in lower case
    resources: Patterns
    conditional: bool = False  # Conditions are not evaluated: under one, a Deny holds and an Allow does not

    def covers(self, arn: str) -> bool:
        return self.actions.cover(INVOKE.lower()) and self.resources.cover(arn)


@dataclass(frozen=True)
class Policy:
    """An authorizer's answer, which holds for every method that is called with the token."""

    principal_id: str
    statements: tuple[Statement, ...]
    context: Mapping[str, str | None] = field(default_factory=dict)

    def verdict(self, arn: str, latency: float = 0.0) -> Grant | Reply:
        """A Deny outweighs every Allow; a method without a statement is not allowed.

        `latency`: the seconds that the authorizer took, 0 for a cached answer. The event has them in milliseconds
        beside the context (captures of real events).
        """
        covering = [statement for statement in self.statements if statement.covers(arn)]
        if not all(statement.allows for statement in covering):
            return replace(DENIED, why=f"its policy denies {_called(arn)}")
        if not covering:
            return replace(NOT_ALLOWED, why=f"no policy allows {_called(arn)}{self._allowed()}")
        if all(statement.conditional for statement in covering):
            return replace(
                NOT_ALLOWED, why=f"its policy allows {_called(arn)} under a Condition, which is not evaluated"
            )
        own = {"principalId": self.principal_id, "integrationLatency": round(latency * 1000)}
        return Grant({**self.context, **own})

    def _allowed(self) -> str:
        """The methods that it allows, the first of them if they are many."""
        allowing = [each for each in self.statements if each.allows]
        if any(each.resources.inverted for each in allowing):
            return ""
        found = [_method(pattern) for each in allowing for pattern in each.resources.patterns]
        return f" (allowed: {', '.join(found[:FEW]) or 'none'}{', …' if len(found) > FEW else ''})"


def read_answer(returned: Returned | None) -> Policy | Reply:
    """`returned` is None at the integration time-out.

    Only an error whose whole text is "Unauthorized" is a 401.
    """
    if returned is None:
        return replace(BROKEN, why="no answer within 29 s")
    if isinstance(returned.error, TimedOut):
        return replace(BROKEN, why="it exceeded its own timeout")
    if returned.error is not None:
        error = returned.error
        if error.message == "Unauthorized":
            return replace(UNAUTHORIZED, why=f"it raised {error.message}")
        return replace(BROKEN, why=f"it raised {error.error_type}: {error.message}")
    if (policy := read_policy(returned.result)) is not None:
        return policy
    return replace(BROKEN, why=f"it did not return a policy but {brief(returned.result)}")


def _called(arn: str) -> str:
    """The method and the path in the ARN of a method: `POST /rooms`."""
    return _method(arn)


def _method(pattern: str) -> str:
    """The method and the path in a pattern of ARNs, which may be a part of one."""
    _, *parts = pattern.split("/", 3)
    return f"{parts[1]} /{parts[2]}" if len(parts) == 3 else pattern


def read_policy(result: Any) -> Policy | None:
    """The policy in a function's result; None if it is malformed or too long."""
    if not isinstance(result, dict) or not isinstance(result.get("policyDocument"), dict):
        return None
    principal_id = result.get("principalId")
    context = _context(result.get("context"))
    listed = result["policyDocument"].get("Statement")
    statements = [_statement(each) for each in (listed if isinstance(listed, list) else [listed])]
    if not isinstance(principal_id, str) or context is None or None in statements:
        return None
    if len(json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")) > MAX_ANSWER:
        return None
    return Policy(principal_id, tuple(each for each in statements if each is not None), context)


def _statement(value: Any) -> Statement | None:
    if not isinstance(value, dict) or value.get("Effect") not in ("Allow", "Deny"):
        return None
    actions, resources = _patterns(value, "Action"), _patterns(value, "Resource")
    if actions is None or resources is None:
        return None
    actions = Patterns(tuple(map(str.lower, actions.patterns)), actions.inverted)
    return Statement(value["Effect"] == "Allow", actions, resources, bool(value.get("Condition")))


def _patterns(statement: Mapping[str, Any], name: str) -> Patterns | None:
    """The patterns of `name` or its Not; a statement has one of the two.

    An empty list, which Chalice makes of `routes=[]`, is well-formed.
    """
    inverted = f"Not{name}" in statement
    if inverted and name in statement:
        return None
    value = statement.get(f"Not{name}" if inverted else name)
    values: list[Any] = value if isinstance(value, list) else [value]
    return Patterns(tuple(values), inverted) if all(isinstance(each, str) for each in values) else None


def _context(value: Any) -> dict[str, str | None] | None:
    """Values become text; null stays (DefinitelyTyped/DefinitelyTyped#69823), lists and maps are malformed."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return None
    context = {name: as_text(each) for name, each in value.items()}
    return None if any(context[name] is None and value[name] is not None for name in value) else context


def _fits(pattern: str, text: str) -> bool:
    """`*` stands for anything, slashes included, `?` for one character.

    Each part between two `*` is searched once, at its first place. One regular expression for all would backtrack,
    and a client with a chosen path could block the gateway.
    """
    first, *middle = pattern.split("*")
    if not middle:
        return _part(first).fullmatch(text) is not None
    last = middle.pop()
    end = len(text) - len(last)
    at = len(first)
    if end < at or not _part(first).match(text) or not _part(last).match(text, end):
        return False
    for part in middle:
        found = _part(part).search(text, at, end)
        if found is None:
            return False
        at = found.end()
    return True


def _part(pattern: str) -> re.Pattern[str]:
    """A pattern without `*`, so as long as its text."""
    return re.compile(re.escape(pattern).replace(r"\?", "."), re.DOTALL)


class Policies:
    """A cache of policies by authorizer and token. Errors, and so Unauthorized, are not cached."""

    def __init__(self) -> None:
        # Entries of one authorizer have the same lifetime, so the oldest expire first.
        self._kept: defaultdict[Authorizer, OrderedDict[str, tuple[float, Policy]]] = defaultdict(OrderedDict)

    def find(self, question: Question, now: float) -> Policy | None:
        until, policy = self._kept[question.authorizer].get(question.token, (now, None))
        return policy if now < until else None

    def keep(self, question: Question, policy: Policy, now: float) -> None:
        kept = self._kept[question.authorizer]
        kept[question.token] = now + question.authorizer.ttl, policy
        kept.move_to_end(question.token)  # a renewed entry would keep its place, and block those behind it
        while kept and next(iter(kept.values()))[0] <= now:
            kept.popitem(last=False)

    def of(self, authorizers: Collection[Authorizer]) -> Policies:
        """A copy with the entries of these authorizers."""
        found = Policies()
        for authorizer in self._kept.keys() & set(authorizers):
            found._kept[authorizer] = self._kept[authorizer].copy()
        return found


def identify(request: Request, match: Match, api: Api) -> Mapping[str, str] | Reply:
    """The identity fields of an API key, or a 403; empty if the method needs no key."""
    if request.method not in match.route.keyed:
        return {}
    key = header(request.headers, "x-api-key")
    if not key or key not in api.api_keys:
        wrong = "the value of x-api-key is none of the project's" if key else "the request has no header x-api-key"
        return replace(FORBIDDEN, why=f"{request.method} {match.route.path} needs an API key: {wrong}")
    return {"apiKey": key, "apiKeyId": _id(key)}


def _id(key: str) -> str:
    """A stable id of ten characters, as long as a real one."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()[:10]
