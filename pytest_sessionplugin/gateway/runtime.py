"""The lock around the core: clients, functions and the clock feed it, and its effects go to the clients."""

from __future__ import annotations

import base64
import itertools
import json
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from pytest_sessionplugin.errors import LambdaFault
from pytest_sessionplugin.gateway.activity import Activity, PendingInvocation
from pytest_sessionplugin.gateway.core.core import GatewayCore
from pytest_sessionplugin.gateway.values import (
    EVENT_TOO_LARGE,
    MAX_BACKLOG,
    MAX_EVENT,
    Api,
    Backlog,
    Claims,
    Close,
    Closed,
    DisconnectLost,
    Done,
    Effect,
    FunctionTimedOut,
    Handshake,
    Ids,
    Input,
    Invoke,
    Manage,
    Observe,
    Observed,
    Raised,
    Reply,
    Request,
    Returned,
    RunFunction,
    Send,
    Throttles,
    TimedOut,
    TimeSource,
    never,
)

_PROCESS = str(uuid.uuid4())[:-13]
_COUNT = itertools.count(secrets.randbits(40))

PATIENCE = 30.0
"""Seconds that settle() waits: longer than any integration may take."""


class EffectSink(Protocol):
    """Takes the effects of a runtime to the clients."""

    def put(self, effect: Effect) -> None:
        """Appends an effect to a queue. Called under the lock, so each client gets effects in the core's order."""

    def flush(self) -> None:
        """Performs what was put. Called in the same thread, after the lock is released."""


class Runtime:
    """One lock around one core. Calls no function and performs no effect while it holds the lock. Thread-safe."""

    def __init__(
        self,
        api: Api,
        functions: RunFunction,
        sink: EffectSink,
        *,
        activity: Activity,
        clock: TimeSource,
        ids: Ids,
        observe: Observe | None,
        throttles: Throttles = never,
        explain: Callable[[str], None] = lambda why: None,
    ) -> None:
        """`explain` gets the `why` of each answer to a call of @connections that has one."""
        self.activity, self._explain = activity, explain
        self._core = GatewayCore(api, ids, new_invocation_id)
        self._running: dict[str, PendingInvocation] = {}
        self._slow = SlowClients()
        self._injected = InjectedClaims()
        self._functions, self._sink = functions, sink
        self._clock, self._observe, self._throttles = clock, observe, throttles

    # --- from clients

    def receive(self, event: Input, error: BaseException | None = None) -> None:
        """Feeds the core. `error` is the exception of a Returned, for the observer."""
        with self.activity.changed:
            if isinstance(event, Request):
                event = self._injected.redeem(event)
            if isinstance(event, Handshake) and self._throttles():
                event = replace(event, throttled=True)
            now = self._note(event, error=error)
            self._core.receive(event, now)
            self._drain(now)
            if isinstance(event, Returned):
                self.activity.end(self._running.pop(event.invocation_id))
            if isinstance(event, Closed):
                self._slow.resume(event.connection_id)  # its client cannot read any more
        self._sink.flush()

    def call(self, request: Request) -> Manage | None:
        """The @connections call in a request over the network, its signature checked; None for another request."""
        with self.activity.changed:
            return self._core.call(request, self._clock())

    def manage(self, call: Manage, fault: Reply | None = None) -> Reply:
        """Answers a call of the @connections API, with `fault` in place of the core's answer if there is one."""
        with self.activity.changed:
            now = self._clock()
            reply = fault or self._core.manage(call, now)
            if self._observe is not None:
                self._observe(Observed(now, call, reply, None, time.perf_counter()))
            self._drain(now)
        self._sink.flush()
        if reply.why:
            self._explain(reply.why)
        return reply

    def connections(self) -> int:
        """The number of connections that the core knows, pending ones included."""
        with self.activity.changed:
            return self._core.connections()

    # --- for tests and the command

    def vouch(self, method: str, target: str, claims: Claims) -> tuple[str, str]:
        """A header that lets one request pass its route's authorizer with these claims, without asking it.

        Raises ValueError if the route has no authorizer, or one that cannot give them.
        """
        with self.activity.changed:
            self._core.check_claims(method, target.partition("?")[0], claims)
            return self._injected.issue(claims)

    def stall(self, connection_id: str, held: OnHeld) -> None:
        """The client reads nothing until resume(). Its frames wait, and `held` is called for each."""
        with self.activity.changed:
            self._slow.stall(connection_id, held)

    def resume(self, connection_id: str) -> None:
        """The client reads again, first what has waited."""
        with self.activity.changed:
            for effect in self._slow.resume(connection_id):
                self._sink.put(effect)
            self._core.receive(Backlog(connection_id, full=False), self._clock())
        self._sink.flush()

    def lose_disconnect(self, connection_id: str) -> None:
        """The `$disconnect` of this connection will not run."""
        self.receive(DisconnectLost(connection_id))

    def redeploy(self, api: Api, functions: RunFunction, *, forget_authorizers: bool = False) -> None:
        """Like `GatewayCore.redeploy`. Invocations already queued or running finish on the old functions."""
        with self.activity.changed:
            self._core.redeploy(api, forget_authorizers=forget_authorizers)
            self._functions = functions

    def start_again(self) -> None:
        """Like `GatewayCore.start_again`."""
        self.activity.turn(lambda: self._act(self._core.start_again))

    # --- time

    def move_ahead(self, seconds: float) -> None:
        """Sets how many seconds this clock is ahead of the clocks by which remote callers sign."""
        with self.activity.changed:
            self._core.move_ahead(seconds)

    def due(self) -> float | None:
        """When tick() next has something to do, by the clock; None if nothing is pending."""
        with self.activity.changed:
            return self._core.due()

    def tick(self) -> None:
        """Does what has fallen due: time-outs of handlers, idle connections, old connections."""
        self.activity.turn(lambda: self._act(self._core.tick))

    def _act(self, action: Callable[[float], None]) -> None:
        with self.activity.changed:
            now = self._clock()
            action(now)
            self._drain(now)
        self._sink.flush()

    # --- invocations

    def invocations(self) -> int:
        """The number of functions that run."""
        return len(self._running)

    def run(self, invoke: Invoke, interrupted: Callable[[BaseException], None] | None = None) -> None:
        """Runs a function in this thread and feeds its result. Hold no lock.

        `interrupted` gets an exception that ends more than the function, such as KeyboardInterrupt, before the
        function counts as returned. Without it, run() raises that exception at the end.
        """
        error: BaseException | None = None
        invocation = self._running[invoke.invocation_id]
        try:
            returned = Returned(invoke.invocation_id, result=self.activity.run(invocation, invoke))
        except FunctionTimedOut as raised:
            error, returned = raised, Returned(invoke.invocation_id, error=TimedOut())
        except BaseException as raised:  # noqa: BLE001 - what a function raises is its result
            report = Raised(type(raised).__name__, str(raised))
            error, returned = raised, Returned(invoke.invocation_id, error=report)
        interrupt = None if isinstance(error, (Exception, SystemExit)) else error
        if interrupt is not None and interrupted is not None:
            interrupted(interrupt)
        if invocation.done is None:
            self.receive(returned, error)
        else:
            invocation.done(error)
            self._ended(returned, error)
        if interrupt is not None and interrupted is None:
            raise interrupt

    def invoke(self, function: str, event: Any, request_id: str | None = None) -> Any:
        """Runs a function in this thread, as `lambda:Invoke` does; raises what it raises.

        Raises LambdaFault for an event or a result that is too large for Lambda.
        """
        return self.activity.turn(lambda: self._invoke(function, event, request_id or new_invocation_id()))

    def _invoke(self, function: str, event: Any, request_id: str) -> Any:
        invoke = self._begun(function, event, request_id)
        error: BaseException | None = None
        result: Any = None
        try:
            result = self.activity.run(self._running[request_id], invoke)
        except BaseException as raised:
            error = raised
            raise
        finally:
            report = Raised(type(error).__name__, str(error)) if error is not None else None
            self._ended(Returned(invoke.invocation_id, result, report), error)
        return result

    def invoke_later(self, function: str, event: Any, request_id: str, done: Done) -> None:
        """Queues a function for a caller that does not wait. In process it runs when the calling function returned."""
        self._begun(function, event, request_id, done)
        self._sink.flush()

    def _begun(self, function: str, event: Any, invocation_id: str, done: Done | None = None) -> Invoke:
        text = json.dumps(event, ensure_ascii=False)
        if len(text) > MAX_EVENT // 4 and len(text.encode(errors="replace")) > MAX_EVENT:  # a character has four bytes
            raise LambdaFault("RequestEntityTooLargeException", EVENT_TOO_LARGE)
        invoke = Invoke(invocation_id, function, json.loads(text))
        with self.activity.changed:
            self._note(invoke)
            self._begin(invoke, done)
            if done is not None:
                self._sink.put(invoke)
        return invoke

    def _begin(self, invoke: Invoke, done: Done | None = None) -> None:
        invocation = PendingInvocation(invoke.invocation_id, invoke.function, self._functions, done)
        self._running[invoke.invocation_id] = invocation
        self.activity.begin(invocation)

    def _ended(self, returned: Returned, error: BaseException | None) -> None:
        with self.activity.changed:
            self._note(returned, error=error)
            self.activity.end(self._running.pop(returned.invocation_id))

    # --- under the lock

    def _note(self, what: Input | Invoke, error: BaseException | None = None) -> float:
        now = self._clock()
        if self._observe is not None:
            self._observe(Observed(now, what, None, error, time.perf_counter()))
        return now

    def _drain(self, now: float) -> None:
        for note in self._core.notes():
            if self._observe is not None:
                self._observe(Observed(now, note, None, None, time.perf_counter()))
        for effect in self._core.effects():
            if self._observe is not None:
                self._observe(Observed(now, effect, None, None, time.perf_counter()))
            if isinstance(effect, Invoke):
                self._begin(effect)
                self._sink.put(effect)
            elif not self._slow.keeps(effect):
                self._sink.put(effect)
            elif isinstance(effect, Send) and self._slow.is_full(effect.connection_id):
                self._core.receive(Backlog(effect.connection_id, full=True), now)


HEADER = "X-Sessionplugin-Voucher"
_HEADER = HEADER.lower()


class InjectedClaims:
    """Claims that a test gives to one request. Not thread-safe: the runtime holds its lock around each call."""

    def __init__(self) -> None:
        self._claims: dict[str, Claims] = {}

    def issue(self, claims: Claims) -> tuple[str, str]:
        """The header that the request is to carry."""
        number = secrets.token_urlsafe(24)
        self._claims[number] = dict(claims)
        return HEADER, number

    def redeem(self, request: Request) -> Request:
        """The request without the header, and with the claims that were issued for it."""
        numbers = [value for name, value in request.headers if name.lower() == _HEADER]
        if not numbers:
            return request
        headers = tuple(pair for pair in request.headers if pair[0].lower() != _HEADER)
        claims = [self._claims.pop(number, None) for number in numbers]
        return replace(request, headers=headers, claims=claims[-1])


OnHeld = Callable[[], None]
"""Called for each frame that has to wait, under the lock: it may only store."""


@dataclass
class _SlowClient:
    held: OnHeld
    waiting: list[Effect] = field(default_factory=list)
    size: int = 0  # bytes of the frames among them

    def keep(self, effect: Send | Close) -> None:
        self.waiting.append(effect)
        if isinstance(effect, Send):
            self.size += len(effect.text.encode(errors="replace"))
            self.held()


class SlowClients:
    """Clients that do not read, and the effects that wait for them."""

    def __init__(self) -> None:
        self._clients: dict[str, _SlowClient] = {}

    def stall(self, connection_id: str, held: OnHeld) -> None:
        self._clients.setdefault(connection_id, _SlowClient(held))

    def keeps(self, effect: Effect) -> bool:
        """Whether an effect has to wait; then it is kept."""
        if not isinstance(effect, (Send, Close)) or effect.connection_id not in self._clients:
            return False
        self._clients[effect.connection_id].keep(effect)
        return True

    def is_full(self, connection_id: str) -> bool:
        """Whether more bytes wait for a client than its socket may hold."""
        return connection_id in self._clients and self._clients[connection_id].size > MAX_BACKLOG

    def resume(self, connection_id: str) -> list[Effect]:
        """The effects that waited for a client that reads again."""
        client = self._clients.pop(connection_id, None)
        return client.waiting if client else []


_STOCK = 256
_ids: list[str] = []


def new_id() -> str:
    """An id in the form of API Gateway: 15 URL-safe base64 characters and '='."""
    try:  # made in stock, in a tenth of the time
        return _ids.pop()
    except IndexError:
        random = secrets.token_bytes(11 * _STOCK)
        made = [base64.urlsafe_b64encode(random[at : at + 11]).decode() for at in range(0, len(random), 11)]
        _ids.extend(made[1:])
        return made[0]


def new_invocation_id() -> str:
    """An id in the form of Lambda's requests, a UUID: of this process and counted, which is ten times as fast."""
    return f"{_PROCESS}-{next(_COUNT):012x}"
