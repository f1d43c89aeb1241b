"""API Gateway's decisions: inputs and the time go in, effects come out.

Pure and not thread-safe: its runtime holds one lock around each call, and drains the effects before it releases the
lock. It never raises for the behaviour of a peer or a function: an exception means that the runtime called it wrongly.

Sources: the pages on WebSocket APIs and "Quotas for configuring and running a WebSocket API" in the developer guide,
and captures of real traffic where these say nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_sessionplugin.gateway.core import management
from pytest_sessionplugin.gateway.core.integration import Invocations
from pytest_sessionplugin.gateway.core.rest import RestApi
from pytest_sessionplugin.gateway.core.websocket import WebSocketApi
from pytest_sessionplugin.gateway.values import (
    Api,
    Backlog,
    Claims,
    Closed,
    DisconnectLost,
    Effect,
    Handshake,
    Ids,
    Input,
    Manage,
    Message,
    Note,
    Reply,
    Request,
    Returned,
)


class GatewayCore:
    """One REST API and one WebSocket API. Times are seconds since the epoch and never decrease.

    `ids` gives the ids of requests and messages, `invocation_ids` those of invocations; those of connections and HTTP
    requests come with the inputs.
    """

    def __init__(self, api: Api, ids: Ids, invocation_ids: Ids) -> None:
        self._api = api
        self._ahead = 0.0  # seconds that time here is ahead of the signers'
        self._effects: list[Effect] = []
        self._notes: list[Note] = []
        self._invocations = Invocations(invocation_ids, self._emit, self._note)
        self._rest = RestApi(api, ids, self._invocations, self._emit, self._note)
        self._websocket = WebSocketApi(api, ids, self._invocations, self._emit, self._note)

    def receive(self, event: Input, now: float) -> None:
        """Raises LookupError for the return of an unknown invocation, ValueError for a connection id in use or for
        claims that check_claims() refuses.
        """
        match event:
            case Message():
                self._websocket.frame(event, now)
            case Returned():
                self._invocations.returned(event, now)
            case Request():
                self._rest.receive(event, now, now - self._ahead)
            case Handshake():
                self._websocket.handshake(event, now)
            case Closed():
                self._websocket.closed(event, now)
            case Backlog():
                self._websocket.backlog(event)
            case DisconnectLost():
                self._websocket.lose_disconnect(event)
            case _:
                raise TypeError(f"{event!r} is not an input")

    def call(self, request: Request, now: float) -> Manage | None:
        """The @connections call in a request to the WebSocket API; None for another request."""
        return management.received(request, self._api, now - self._ahead) if management.is_call(request) else None

    def manage(self, call: Manage, now: float) -> Reply:
        """A call of the @connections API, answered at once: 200, 204, 403, 404, 410, 413 or 429."""
        return self._websocket.manage(call, now)

    def redeploy(self, api: Api, *, forget_authorizers: bool = False) -> None:
        """Deploys to the same stage again: from now on the new routes and functions are called.

        Connections, their times and running invocations stay. Cached answers of removed authorizers are dropped,
        with `forget_authorizers` those of all authorizers. Raises ValueError for another id, stage, region or account.
        """
        if _place(api) != _place(self._api):
            raise ValueError(f"{_place(api)} cannot replace {_place(self._api)}")
        self._api = api
        self._websocket.redeploy(api)
        self._rest.redeploy(api, forget_authorizers=forget_authorizers)

    def start_again(self, now: float) -> None:
        """Closes every open connection and drops all cached answers of authorizers. Running invocations stay."""
        self._websocket.close_all(now)
        self._rest.forget_authorizers()

    def move_ahead(self, seconds: float) -> None:
        """Sets how many seconds this clock is ahead of the clocks by which remote callers sign."""
        self._ahead = seconds

    def check_claims(self, method: str, path: str, claims: Claims) -> None:
        """Raises ValueError if the route of such a request cannot receive these claims."""
        self._rest.check_claims(method, path, claims)

    def tick(self, now: float) -> None:
        """Does what has fallen due: integration time-outs, idle connections, connections two hours old."""
        self._invocations.tick(now)
        self._websocket.tick(now)

    def due(self) -> float | None:
        """When tick() next has something to do."""
        moments = (self._invocations.due(), self._websocket.due())
        return min((moment for moment in moments if moment is not None), default=None)

    def connections(self) -> int:
        """The number of connections, PENDING or OPEN."""
        return len(self._websocket)

    def effects(self) -> list[Effect]:
        """The effects since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def notes(self) -> Sequence[Note]:
        """The notes since the last call, on the effects that were made meanwhile."""
        if not self._notes:
            return ()
        notes, self._notes = self._notes, []
        return notes

    def _emit(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _note(self, note: Note) -> None:
        self._notes.append(note)


def _place(api: Api) -> tuple[str, ...]:
    """The names by which clients and functions know an API."""
    return api.rest_api_id, api.websocket_api_id, api.stage, api.region, api.account_id
