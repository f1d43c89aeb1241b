"""Authorizers of REST routes: whether a request may pass, and what its function is told of the caller.

It runs none of them, and knows no time but what it is given.

Sources: "Control and manage access to REST APIs" in the developer guide, and Chalice's tests against AWS.
"""

from __future__ import annotations

from . import cognito, iam
from .policies import Question
from .replies import UNAUTHORIZED
from .rest import Match
from .results import as_text
from .shapes import IDENTITY, header
from .values import Api, Authorizer, AuthorizerKind, Claims, Grant, Reply, Request, Route


def examine(request: Request, match: Match, api: Api, now: float, signers_now: float) -> Grant | Reply | Question:
    """What can be said of a request before anybody is asked. Raises ValueError as claimed() does.

    `request` is as it was sent, since that is what was signed, at the time that its signer has. A custom authorizer
    cannot be run here: it lets pass whoever brings a credential.
    """
    if request.claims is not None:
        return claimed(match.route, request.method, request.claims)
    authorizer = match.route.authorizers.get(request.method)
    if authorizer is None:
        return Grant()
    if authorizer.kind is AuthorizerKind.IAM:
        return iam.judge(request, api, signers_now)
    token = header(request.headers, authorizer.header.lower()) if authorizer.header else None
    if authorizer.header is not None and not token:
        return UNAUTHORIZED
    if token and authorizer.kind is AuthorizerKind.COGNITO:
        return cognito.judge(authorizer, token, now)
    if token and authorizer.kind is AuthorizerKind.BUILT_IN:
        return Question(authorizer, token, method_arn(api, request.method, match.path))
    return Grant()


def of(api: Api) -> frozenset[Authorizer]:
    return frozenset(each for route in api.routes for each in route.authorizers.values())


def method_arn(api: Api, method: str, path: str) -> str:
    """`path` is that of the request, without the stage. The root is `…/GET/` (aws/chalice#1552)."""
    place = f"{api.region}:{api.account_id}:{api.rest_api_id}"
    return f"arn:{api.partition}:execute-api:{place}/{api.stage}/{method}{path}"


def claimed(route: Route, method: str, claims: Claims) -> Grant:
    """What the route's authorizer puts into the request context for a caller with these claims, all as text.

    Cognito gives them as `claims`, lists joined by commas, `exp` and `iat` as dates; a function beside `principalId`,
    which is `sub` or "user" unless it is among them; IAM as fields of `identity`. Raises ValueError if the route has
    no authorizer, or one that cannot give these.
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
