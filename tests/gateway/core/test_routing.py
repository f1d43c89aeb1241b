"""The route of a path: variables, concrete segments, and the stage in front."""

from __future__ import annotations

import pytest

from pytest_sessionplugin.gateway.core.routing import Router
from pytest_sessionplugin.gateway.values import Api, Route
from tests.gateway.core.desk import API


class TestRoutes:
    @pytest.mark.parametrize(
        ("path", "template", "parameters"),
        [
            ("/", "/", {}),
            ("/rooms", "/rooms", {}),
            ("/rooms/", "/rooms", {}),
            ("/rooms/7", "/rooms/{room}", {"room": "7"}),
            ("/rooms/7/", "/rooms/{room}", {"room": "7"}),
            ("/rooms/lobby", "/rooms/lobby", {}),
            ("/rooms/lobb%79", "/rooms/lobby", {}),
            ("/rooms/a%2Fb", "/rooms/{room}", {"room": "a%2Fb"}),
            ("/rooms/caf%C3%A9", "/rooms/{room}", {"room": "caf%C3%A9"}),
        ],
    )
    def test_match(self, path: str, template: str, parameters: dict[str, str]) -> None:
        match = Router(API).find(path)
        assert match is not None
        assert (match.route.path, match.parameters) == (template, parameters)

    @pytest.mark.parametrize("path", ["/room", "/rooms/7/8", "/rooms//", "//rooms", "/rooms//7", "*", "rooms", "x:80"])
    def test_do_not_match(self, path: str) -> None:
        assert Router(API).find(path) is None

    def test_no_variable_of_a_route_that_failed_leaks_into_the_next(self) -> None:
        routes = (Route("/{a}/x/{b}", frozenset({"GET"})), Route("/{c}/y/{d}", frozenset({"GET"})))
        match = Router(Api(routes=routes)).find("/1/y/2")
        assert match is not None
        assert match.parameters == {"c": "1", "d": "2"}

    def test_the_more_concrete_route_wins_in_any_order(self) -> None:
        routes = [Route(path, frozenset({"GET"})) for path in ("/{a}/{b}", "/{a}/y", "/x/{b}", "/x/y")]
        for order in (routes, routes[::-1]):
            router = Router(Api(routes=tuple(order)))
            found = [router.find(path) for path in ("/x/y", "/x/1", "/1/y", "/1/2")]
            assert [match and match.route.path for match in found] == ["/x/y", "/x/{b}", "/{a}/y", "/{a}/{b}"]

    @pytest.mark.parametrize(
        ("path", "template"),
        [("/api/rooms/7", "/rooms/{room}"), ("/api", "/"), ("/api/", "/"), ("/api/rooms", "/rooms")],
    )
    def test_are_reached_with_the_stage_in_front_as_deployed(self, path: str, template: str) -> None:
        match = Router(API).find(path)
        assert match is not None
        assert match.route.path == template
        assert match.path == (path.removeprefix("/api") or "/")

    def test_one_that_begins_like_the_stage_wins_over_the_stage(self) -> None:
        routes = (Route("/api/rooms", frozenset({"GET"})), Route("/rooms", frozenset({"GET"})))
        router = Router(Api(routes=routes))
        paths = ("/api/rooms", "/api/api/rooms", "/rooms")
        assert [match and match.route.path for match in map(router.find, paths)] == [
            "/api/rooms",
            "/api/rooms",
            "/rooms",
        ]

    def test_a_variable_may_have_the_name_of_the_stage_where_nothing_else_fits(self) -> None:
        match = Router(Api(routes=(Route("/{a}/{b}", frozenset({"GET"})),))).find("/api/1")
        assert match is not None
        assert match.parameters == {"a": "api", "b": "1"}
