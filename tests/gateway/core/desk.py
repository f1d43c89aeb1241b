"""A GatewayCore driven by hand: inputs in, effects out, at the time and with the ids that a test chooses."""

from __future__ import annotations

import itertools
from typing import Any, TypeVar

from pytest_sessionplugin.gateway.core.core import GatewayCore
from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Effect,
    Handshake,
    Input,
    Invoke,
    Manage,
    Message,
    Raised,
    Reply,
    Returned,
    Route,
)

NOON = 1_742_085_982.306

API = Api(
    routes=(
        Route("/", frozenset({"GET"})),
        Route("/rooms", frozenset({"GET", "POST"}), preflight={"Access-Control-Allow-Origin": "*"}),
        Route("/rooms/{room}", frozenset({"GET", "DELETE"})),
        Route("/rooms/lobby", frozenset({"GET"})),
    ),
    websocket={"$connect": "on_connect", "$default": "on_message", "$disconnect": "on_disconnect"},
    binary_types=frozenset({"application/octet-stream", "image/png"}),
)

OK = {"statusCode": 200}


class Desk:
    def __init__(self, api: Api = API) -> None:
        counter, invocations = itertools.count(1), itertools.count(1)
        self.api = api
        self.now = NOON
        self.core = GatewayCore(api, lambda: f"id{next(counter):013}=", lambda: f"invocation{next(invocations)}")

    def receive(self, event: Input) -> list[Effect]:
        self.core.receive(event, self.now)
        return self.core.effects()

    def tick(self, seconds: float) -> list[Effect]:
        """The effects of that many seconds more."""
        self.now += seconds
        self.core.tick(self.now)
        return self.core.effects()

    def connect(self, connection_id: str = "alice", **handshake: Any) -> Invoke:
        """The $connect that a handshake sets off."""
        return only(self.receive(Handshake(connection_id, **handshake)), Invoke)

    def answer(self, invoke: Invoke, result: Any = OK) -> list[Effect]:
        return self.receive(Returned(invoke.invocation_id, result))

    def fail(self, invoke: Invoke) -> list[Effect]:
        return self.receive(Returned(invoke.invocation_id, error=Raised("ValueError", "no")))

    def open(self, connection_id: str = "alice", **handshake: Any) -> None:
        """Opens a connection."""
        only(self.answer(self.connect(connection_id, **handshake)), Accept)

    def say(self, text: str, connection_id: str = "alice") -> Invoke:
        """The handler that a message sets off."""
        return only(self.receive(Message(connection_id, text)), Invoke)

    def manage(self, method: str, connection_id: str = "alice", **call: Any) -> tuple[Reply, list[Effect]]:
        call = {"host": self.api.host(self.api.websocket_api_id), **call}
        call.setdefault("path", f"/{self.api.stage}/@connections/{connection_id}")
        reply = self.core.manage(Manage(method, **call), self.now)
        return reply, self.core.effects()


_Kind = TypeVar("_Kind")


def only(effects: list[Effect], kind: type[_Kind]) -> _Kind:
    """The only effect, which must be of this kind."""
    (effect,) = effects
    assert isinstance(effect, kind), effect
    return effect
