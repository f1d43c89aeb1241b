"""A second deployment to the same stage: immediate changes, and work that finishes as it began."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Authorizer,
    AuthorizerKind,
    Close,
    Closed,
    Handshake,
    Invoke,
    Message,
    Request,
    Respond,
    Route,
    Send,
)
from tests.gateway.core.desk import API, NOON, Desk, only

GUARD = Authorizer(AuthorizerKind.BUILT_IN, "guard")
GATE = Authorizer(AuthorizerKind.BUILT_IN, "gate")
ALLOW = {
    "principalId": "alice",
    "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}]},
}


def guarded(*authorizers: Authorizer) -> Api:
    """A route for each, under the name of its authorizer."""
    routes = [Route(f"/{each.name}", frozenset({"GET"}), authorizers={"GET": each}) for each in authorizers]
    return Api(routes=tuple(routes))


def asked(desk: Desk, path: str) -> str:
    """The function that a request with a token sets off first."""
    return only(desk.receive(Request("r", "GET", path, headers=(("Authorization", "t0ken"),))), Invoke).function


def let_in(desk: Desk, path: str) -> None:
    """The authorizer of the path allows the token everything."""
    question = only(desk.receive(Request("r", "GET", path, headers=(("Authorization", "t0ken"),))), Invoke)
    desk.answer(question, ALLOW)


class TestRoutes:
    def test_one_that_came_is_served_and_one_that_went_is_403(self) -> None:
        desk = Desk(Api(routes=(Route("/old", frozenset({"GET"})),)))
        desk.core.redeploy(Api(routes=(Route("/new", frozenset({"GET"})),)))
        assert only(desk.receive(Request("1", "GET", "/new")), Invoke).function == "api_handler"
        assert only(desk.receive(Request("2", "GET", "/old")), Respond).reply.status == 403

    def test_a_request_that_runs_is_answered(self) -> None:
        desk = Desk()
        running = only(desk.receive(Request("1", "GET", "/rooms")), Invoke)
        desk.core.redeploy(Api())
        reply = only(desk.answer(running, {"statusCode": 200, "body": "late"}), Respond).reply
        assert (reply.status, reply.body) == (200, b"late")

    @pytest.mark.parametrize("name", ["rest_api_id", "websocket_api_id", "stage", "region", "account_id"])
    def test_another_api_is_refused(self, name: str) -> None:
        desk = Desk()
        change: dict[str, Any] = {name: "other"}
        with pytest.raises(ValueError, match="cannot replace"):
            desk.core.redeploy(replace(API, routes=(), **change))
        assert only(desk.receive(Request("1", "GET", "/rooms")), Invoke).function == "api_handler"


class TestConnections:
    def test_an_open_one_stays_and_its_next_frame_goes_to_the_new_function(self) -> None:
        desk = Desk()
        desk.open()
        desk.core.redeploy(Api(websocket={"$default": "talk", "$disconnect": "bye"}))
        assert desk.core.effects() == []
        assert desk.say("hi").function == "talk"
        assert only(desk.receive(Closed("alice", 1000)), Invoke).function == "bye"

    def test_a_kind_that_is_gone_is_forbidden_and_the_socket_stays_open(self) -> None:
        desk = Desk()
        desk.open()
        desk.core.redeploy(Api(websocket={"$connect": "on_connect"}))
        assert '"message": "Forbidden"' in only(desk.receive(Message("alice", "hi")), Send).text
        assert desk.manage("GET")[0].status == 200
        assert desk.receive(Closed("alice", 1000)) == []

    def test_it_does_not_count_as_activity(self) -> None:
        desk = Desk()
        desk.open()
        desk.tick(599)
        desk.core.redeploy(Api())
        assert desk.core.due() == NOON + 600
        assert only(desk.tick(1), Close).code == 1001

    def test_a_handshake_that_waits_is_decided_by_the_connect_that_it_asked(self) -> None:
        desk = Desk()
        connect = desk.connect()
        desk.core.redeploy(Api())
        only(desk.answer(connect), Accept)
        only(desk.receive(Handshake("bob")), Accept)

    def test_what_runs_late_is_still_told_of(self) -> None:
        desk = Desk()
        desk.open()
        desk.say("hi")
        desk.core.redeploy(Api())
        assert "Endpoint request timed out" in only(desk.tick(29), Send).text


class TestPolicies:
    def test_those_of_an_authorizer_that_stayed_are_kept(self) -> None:
        desk = Desk(guarded(GUARD, GATE))
        let_in(desk, "/guard")
        desk.core.redeploy(guarded(GUARD))
        assert asked(desk, "/guard") == "api_handler"

    def test_those_of_one_that_was_gone_are_forgotten(self) -> None:
        desk = Desk(guarded(GUARD, GATE))
        let_in(desk, "/gate")
        desk.core.redeploy(guarded(GUARD))
        desk.core.redeploy(guarded(GUARD, GATE))
        assert asked(desk, "/gate") == "gate"

    def test_all_are_forgotten_where_they_are_asked_anew(self) -> None:
        desk = Desk(guarded(GUARD))
        let_in(desk, "/guard")
        desk.core.redeploy(guarded(GUARD), forget_authorizers=True)
        assert asked(desk, "/guard") == "guard"

    def test_what_the_old_one_answers_late_lets_in_only_who_asked_it(self) -> None:
        desk = Desk(guarded(GUARD))
        question = only(desk.receive(Request("r", "GET", "/guard", headers=(("Authorization", "t0ken"),))), Invoke)
        desk.core.redeploy(guarded(GUARD), forget_authorizers=True)
        assert only(desk.answer(question, ALLOW), Invoke).function == "api_handler"
        assert asked(desk, "/guard") == "guard"


def test_a_new_start_closes_open_connections_and_asks_authorizers_again() -> None:
    desk = Desk(replace(guarded(GUARD), websocket={"$disconnect": "leave"}))
    let_in(desk, "/guard")
    assert asked(desk, "/guard") == "api_handler"
    desk.receive(Handshake("alice"))
    desk.core.start_again(NOON)
    close, leave = desk.core.effects()
    assert close == Close("alice", 1001, "Going away")
    assert isinstance(leave, Invoke)
    assert leave.function == "leave"
    assert desk.core.connections() == 0
    assert asked(desk, "/guard") == "guard"
