"""Explanations of the gateway's decisions, for the trace of a test and the log of `serve`. No client gets them.

A note keeps what it was made from, and puts it into words when it is shown: most notes never are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pytest_sessionplugin.gateway.redaction import brief
from pytest_sessionplugin.gateway.values import (
    Authorizer,
    AuthorizerKind,
    Grant,
    Note,
    Reply,
    Request,
    Route,
    header,
)

FEW = 8  # routes that are listed
NEAR = 0.6  # of a ratio; 1 is the same path
ANY = "*"


@dataclass(frozen=True)
class Reason(Note):
    """Explains a refusal, a closed connection or an error frame."""

    why: str

    @property
    def text(self) -> str:
        return self.why


@dataclass(frozen=True)
class Malformed(Note):
    """A function returned something else than an HTTP answer."""

    function: str
    result: Any

    @property
    def text(self) -> str:
        return f"{self.function} returned {brief(self.result)}, not an HTTP answer such as {{'statusCode': 200}}"


@dataclass(frozen=True)
class NoRoute(Note):
    """No route of the app has the path and the method of a request."""

    method: str
    path: str  # without the stage
    routes: tuple[Route, ...] = field(repr=False)
    known: Route | None = None  # the route of the path, which lacks the method

    @property
    def nearest(self) -> str | None:
        """The method and the path that were perhaps meant: `GET /rooms/{name}`; None if nothing resembles them."""
        ranked = [(_likeness(route, self.path), self.method in route.methods, route) for route in self.routes]
        likeness, _, route = max(ranked, key=lambda each: each[:2], default=(0.0, False, None))
        return f"{_method(route, self.method)} {route.path}" if route is not None and likeness >= NEAR else None

    @property
    def text(self) -> str:
        said = f"no route matches {self.method} {self.path}"
        if self.known is not None:
            return f"{said}; {self.known.path} has {', '.join(sorted(self.known.methods))}{self._without_cors()}"
        if (nearest := self.nearest) is not None:
            return f"{said}; nearest: {nearest}"
        return f"{said}; there are: {_listed(self.routes)}" if self.routes else f"{said}; the app has none"

    def _without_cors(self) -> str:
        """A browser asks with OPTIONS before it sends a request to another origin."""
        return ", and no cors=True, which OPTIONS needs" if self.method == "OPTIONS" else ""


@dataclass(frozen=True)
class Authorized(Note):
    """The verdict of a route's authorizer on a request."""

    authorizer: Authorizer | None  # None: the test has given claims in its place
    verdict: Grant | Reply
    cached: bool = False
    principal: str | None = None  # whom its policy names, also if it refuses the request

    @property
    def caller(self) -> str | None:
        """The name of the caller; None if it is unknown."""
        return self.principal if isinstance(self.verdict, Reply) else self.principal or _named(self.verdict)

    @property
    def name(self) -> str:
        """Its name, or its kind if it has none."""
        if self.authorizer is None:
            return "of the route"
        return self.authorizer.name or self.authorizer.kind.value

    @property
    def text(self) -> str:
        return f"authorizer {self.name} -> {self._answer()}{', cached' if self.cached else ''}"

    def _answer(self) -> str:
        if isinstance(self.verdict, Reply):
            of = f", principal {self.principal}" if self.principal is not None else ""
            return f"{self.verdict.why or self.verdict.status}{of}"
        if self.authorizer is None:
            return f"not asked: the test gives {_named(self.verdict) or 'the claims'}"
        if self.authorizer.kind is AuthorizerKind.CUSTOM:
            return "not run here: every credential passes"
        return _named(self.verdict) or "passes"


@dataclass(frozen=True)
class NotReadable(Note):
    """A browser does not show an answer to the page that asked: the page is of another origin."""

    origin: str
    allowed: str | None  # the origin in the answer
    by_gateway: bool  # the answer is not a function's

    @property
    def text(self) -> str:
        said = f"a browser hides this answer from {self.origin}"
        if self.allowed is not None:
            return f"{said}: Access-Control-Allow-Origin is {self.allowed}"
        missing = f"{said}: it has no Access-Control-Allow-Origin"
        return f"{missing}; API Gateway's own answers have none" if self.by_gateway else f"{missing}; cors=True sets it"


@dataclass(frozen=True)
class WrongContentType(Note):
    """The function answered 415: it does not take the type of the body."""

    sent: str | None

    @property
    def text(self) -> str:
        takes = "a route takes application/json, or the content_types= of its @app.route"
        return f"Content-Type {self.sent or 'application/json'} is not taken: {takes}"


def wrong_content_type(request: Request, reply: Reply, *, by_gateway: bool) -> WrongContentType | None:
    """The note about a function's 415; None for any other answer."""
    if reply.status != 415 or by_gateway:
        return None
    return WrongContentType(request.id, header(request.headers, "content-type"))


def not_readable(request: Request, reply: Reply, *, by_gateway: bool) -> NotReadable | None:
    """The note about an answer that a browser would hide; None for any other."""
    origin = header(request.headers, "origin")
    if origin is None:
        return None
    allowed = header(reply.headers, "access-control-allow-origin")
    return None if allowed in (ANY, origin) else NotReadable(request.id, origin, allowed, by_gateway)


def wrong_api(request: Request) -> str:
    """The reason why a WebSocket client gets no WebSocket here; empty for another client."""
    if (header(request.headers, "upgrade") or "").lower() != "websocket":
        return ""
    return "a WebSocket client asks the HTTP API, which opens none: the WebSocket API has a URL of its own"


def forbidden(request: Request, reply: Reply) -> str:
    """The reason why a browser will not send what it asks for in a preflight; empty if it will."""
    method = header(request.headers, "access-control-request-method")
    if method is None or reply.status != 200:
        return ""
    methods = _names(header(reply.headers, "access-control-allow-methods"))
    if method.lower() not in methods:
        return f"a browser will not send {method}: the route has no such method"
    allowed = _names(header(reply.headers, "access-control-allow-headers"))
    asked = sorted(_names(header(request.headers, "access-control-request-headers")) - allowed)
    if not asked or ANY in allowed:
        return ""
    return f"a browser will not send {', '.join(asked)}: CORSConfig(allow_headers={asked!r}) allows it"


def _names(value: str | None) -> set[str]:
    return {name.strip().lower() for name in (value or "").split(",") if name.strip()}


def _named(grant: Grant) -> str | None:
    """The name of a caller."""
    authorizer = grant.authorizer or {}
    claims = authorizer.get("claims") or {}
    name = authorizer.get("principalId") or claims.get("sub") or grant.identity.get("user")
    return None if name is None else str(name)


def _method(route: Route, method: str) -> str:
    if method in route.methods or not route.methods:
        return method
    return "GET" if "GET" in route.methods else min(route.methods)


def _listed(routes: tuple[Route, ...]) -> str:
    shown = [f"{_method(route, 'GET')} {route.path}" for route in routes[:FEW] if route.methods]
    return ", ".join([*shown, *(["…"] if len(routes) > FEW else [])])


def _likeness(route: Route, path: str) -> float:
    """From 0 to 1, segment by segment. A variable is like each value, but a route without one is nearer."""
    template, asked = route.path.strip("/").split("/"), path.strip("/").split("/")
    pairs = list(zip(template, asked, strict=False))
    fixed = [_ratio(expected, segment) for expected, segment in pairs if not expected.startswith("{")]
    variables = len(pairs) - len(fixed)
    if len(route.path) > 1 and path.endswith(route.path):  # with a segment too many in front
        return NEAR
    if fixed and sum(fixed) < NEAR * len(fixed):
        return 0.0
    return (sum(fixed) + variables) / max(len(template), len(asked)) - 0.01 * variables


def _ratio(one: str, other: str) -> float:
    from difflib import SequenceMatcher  # rarely needed

    return SequenceMatcher(None, one, other).ratio()
