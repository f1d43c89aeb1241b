"""REST requests: which route they reach, and the HTTP answer to what the function returned.

It runs nothing.

Sources: "Gateway response types" and "Set up Lambda proxy integrations" in the developer guide, and Chalice's tests
against AWS.
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
    """Finds the route of a path. Concrete segments win over variables, whatever the order of the routes."""

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
        """`path` is raw, with or without the stage in front; a route that begins like the stage wins."""
        if not path.startswith("/"):
            return None
        first, _, rest = path[1:].partition("/")
        if unquote(first) != self._stage:
            return self._find(path)
        if self._stage_is_a_route and (match := self._find(path)):
            return match
        return self._find(f"/{rest}") or self._find(path)

    def without_stage(self, path: str) -> str:
        """What such a path names in its API, without the slash in front."""
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
    """The route that serves this request, or the answer if it needs none; None if there is neither.

    An unknown path and a verb that its route does not have are the same: API Gateway knows no 405.
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
    """What the mock OPTIONS method answers, which Chalice deploys beside the methods of a route with CORS."""
    allowed = ",".join([*sorted(route.methods), "OPTIONS"])
    headers = {"Access-Control-Allow-Methods": allowed, **(route.preflight or {})}
    return Reply(200, (("Content-Type", "application/json"), *headers.items()))


def _segments(path: str) -> list[str]:
    """Split before percent-decoding, so that %2F stays within its segment; one trailing slash does not count."""
    trimmed = path[:-1] if path.endswith("/") else path
    return trimmed.removeprefix("/").split("/")


def _variable(segment: str) -> str | None:
    return segment[1:-1] if segment.startswith("{") and segment.endswith("}") else None


def _fill(template: list[str], segments: list[str]) -> dict[str, str] | None:
    """The variables of a template that these segments fit, or None if they do not."""
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
