"""Finds the route of a REST request.

Sources: "Gateway response types" in the developer guide, and Chalice's tests against AWS.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from pytest_sessionplugin.gateway.core.gateway_responses import HEADERS_TOO_LARGE, URL_TOO_LONG
from pytest_sessionplugin.gateway.values import Api, Reply, Request, Route

MAX_BODY = 10 * 1024 * 1024  # bytes
MAX_HEADERS = 10_240  # bytes, all values together


@dataclass(frozen=True)
class Match:
    """The route of a request. `path` has no stage, `parameters` are still percent-encoded, as on AWS."""

    route: Route
    path: str
    parameters: Mapping[str, str]


class Router:
    """Finds the route of a path. Concrete segments win over variables, in any order of the routes."""

    def __init__(self, api: Api) -> None:
        self._stage = api.stage
        self._routes: dict[int, list[tuple[list[str], Route]]] = defaultdict(list)
        for route in api.routes:
            segments = _segments(route.path)
            self._routes[len(segments)].append((segments, route))
        for routes in self._routes.values():
            routes.sort(key=lambda entry: [_variable(segment) is not None for segment in entry[0]])
        self._stage_is_a_route = any(_segments(route.path)[0] == self._stage for route in api.routes)

    def find(self, path: str) -> Match | None:
        """`path` is raw, with or without the stage in front. A route that begins like the stage wins."""
        if not path.startswith("/"):
            return None
        first, _, rest = path[1:].partition("/")
        if unquote(first) != self._stage:
            return self._find(path)
        if self._stage_is_a_route and (match := self._find(path)):
            return match
        return self._find(f"/{rest}") or self._find(path)

    def without_stage(self, path: str) -> str:
        """The path without the stage and the leading slash."""
        first, _, rest = path.removeprefix("/").partition("/")
        return rest if unquote(first) == self._stage else path.removeprefix("/")

    def _find(self, path: str) -> Match | None:
        segments = _segments(path)
        for template, route in self._routes.get(len(segments), ()):
            parameters = _fill(template, segments)
            if parameters is not None:
                return Match(route, path, parameters)
        return None


def admit(router: Router, request: Request, api: Api) -> Match | Reply | None:
    """The route of a request, or an answer that needs no route; None if the request has neither.

    API Gateway has no 405: a verb that the route lacks is like an unknown path.
    """
    if len(request.path) + len(request.query) > api.max_url:
        return URL_TOO_LONG
    if sum(len(value) for _, value in request.headers) > MAX_HEADERS:
        return HEADERS_TOO_LARGE
    match = router.find(request.path)
    if match is not None and request.method in match.route.methods:
        return match
    if match is not None and request.method == "OPTIONS" and match.route.preflight is not None:
        return preflight(match.route)
    return None


def preflight(route: Route) -> Reply:
    """The answer of the mock OPTIONS method that Chalice deploys for a route with CORS."""
    allowed = ",".join([*sorted(route.methods), "OPTIONS"])
    headers = {"Access-Control-Allow-Methods": allowed, **(route.preflight or {})}
    return Reply(200, (("Content-Type", "application/json"), *headers.items()))


def _segments(path: str) -> list[str]:
    """Splits before percent-decoding, so that %2F stays within its segment, and ignores one trailing slash."""
    trimmed = path[:-1] if path.endswith("/") else path
    return trimmed.removeprefix("/").split("/")


def _variable(segment: str) -> str | None:
    return segment[1:-1] if segment.startswith("{") and segment.endswith("}") else None


def _fill(template: list[str], segments: list[str]) -> dict[str, str] | None:
    """The variables of a template in these segments; None if they do not fit it."""
    parameters: dict[str, str] = {}
    for expected, segment in zip(template, segments, strict=True):
        variable = _variable(expected)
        if variable is None:
            if unquote(segment) != expected:
                return None
        elif not segment:
            return None
        else:
            parameters[variable] = segment
    return parameters
