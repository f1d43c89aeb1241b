"""One lock around the core, for the shells.

It performs no effect, and calls no function while it holds the lock.

A shell gives it `hand_over`, which is called for each effect under the lock and may only append to a queue: so what
goes to one client keeps the order in which the core decided it, whichever thread caused it. `perform` is called after
the lock is released, to see to what was queued.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pytest_sessionplugin.gateway.core.core import GatewayCore
from pytest_sessionplugin.gateway.values import (
    MAX_BACKLOG,
    Api,
    Backlog,
    Claims,
    Close,
    Closed,
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

PATIENCE = 30.0
"""Seconds that settle() waits: longer than any integration may take."""


class NotQuiet(Exception):
    """Handlers were still running when settle() or stop() gave up; `running` names their functions."""

    def __init__(self, running: tuple[str, ...], seconds: float) -> None:
        names = ", ".join(running) or "nothing, but frames are not written yet"
        super().__init__(f"the gateway is not quiet after {seconds:g} s; still running: {names}")
        self.running, self.seconds = running, seconds


_What = TypeVar("_What", bound="Input | Effect")


def _kept(what: _What) -> _What:
    """What is observed, as it is now: a function may do to its event what it likes."""
    return replace(what, event=_copied(what.event)) if isinstance(what, Invoke) else what


def _copied(value: Any) -> Any:
    """A copy of JSON: a third of the time that copy.deepcopy takes."""
    if isinstance(value, dict):
        return {name: _copied(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_copied(each) for each in value]
    return value


def _yes() -> bool:
    return True


class Runtime:
    """Thread-safe. `changed` is notified when a function has returned; shells may use it for more.

    `beside`: another one. They have one lock and are quiet only together, as a function of one may post to a
    connection of the other.
    """

    def __init__(
        self,
        api: Api,
        functions: RunFunction,
        hand_over: Callable[[Effect], None],
        perform: Callable[[], None] = lambda: None,
        *,
        clock: TimeSource,
        ids: Ids,
        observe: Observe | None,
        throttles: Throttles = never,
        beside: Runtime | None = None,
    ) -> None:
        self.changed: threading.Condition = (
            beside.changed if beside is not None else threading.Condition(threading.Lock())
        )
        self.running: dict[str, str] = {}  # invocation -> function, from Invoke to Returned
        self._done: dict[str, Done] = {}  # invocation that is not the core's -> who wants to know its end
        self._together: list[Runtime] = beside._together if beside is not None else []
        self._together.append(self)
        self._core = GatewayCore(api, ids)
        self._stalled = SlowClients()
        self._vouchers = InjectedClaims()
        self._functions = functions
        self._started: dict[str, RunFunction] = {}  # invocation -> what it runs on, from Invoke until it is called
        self._hand_over = hand_over
        self._perform = perform
        self._clock = clock
        self._throttles = throttles
        self._observe = observe
        self._own = _Own()

    def receive(self, event: Input, error: BaseException | None = None) -> None:
        """Feeds the core; `error` is what the function of a Returned raised, for the observer."""
        with self.changed:
            if isinstance(event, Request):
                event = self._vouchers.redeem(event)
            if isinstance(event, Handshake) and self._throttles():
                event = replace(event, throttled=True)
            now = self._note(event, error=error)
            self._core.receive(event, now)
            self._drain(now)
            if isinstance(event, Returned):
                del self.running[event.invocation_id]
                self.changed.notify_all()
            if isinstance(event, Closed):
                self._stalled.resume(event.connection_id)  # nobody is left to read it
        self._perform()

    def stall(self, connection_id: str, held: OnHeld) -> None:
        """A client does not read from here on: what is for it waits."""
        with self.changed:
            self._stalled.stall(connection_id, held)

    def resume(self, connection_id: str) -> None:
        """It reads again, all that has waited and what comes."""
        with self.changed:
            for effect in self._stalled.resume(connection_id):
                self._hand_over(effect)
            self._core.receive(Backlog(connection_id, full=False), self._clock())
        self._perform()

    def vouch(self, method: str, target: str, claims: Claims) -> tuple[str, str]:
        """As `Transport` describes it."""
        with self.changed:
            self._core.check_claims(method, target.partition("?")[0], claims)
            return self._vouchers.issue(claims)

    def move_ahead(self, seconds: float) -> None:
        """The clock has been moved so far ahead of that of callers elsewhere, who sign by theirs."""
        with self.changed:
            self._core.ahead = seconds

    def call(self, request: Request) -> Manage | None:
        """The call of @connections that a request over the network is, if it is one; its signature is checked."""
        with self.changed:
            return self._core.call(request, self._clock())

    def manage(self, call: Manage, fault: Reply | None = None) -> Reply:
        """`fault` is answered in place of what the core would."""
        with self.changed:
            now = self._clock()
            reply = fault or self._core.manage(call, now)
            if self._observe is not None:
                self._observe(Observed(now, call, reply))
            self._drain(now)
        self._perform()
        return reply

    def redeploy(self, api: Api, functions: RunFunction, *, asked_anew: bool = False) -> None:
        """As the core has it; what was invoked before, in a queue or running, ends on the functions of before."""
        with self.changed:
            self._core.redeploy(api, asked_anew=asked_anew)
            self._functions = functions

    def tick(self) -> None:
        with self.changed:
            now = self._clock()
            self._core.tick(now)
            self._drain(now)
        self._perform()

    def connections(self) -> int:
        """How many the core knows, those that are connecting included."""
        with self.changed:
            return self._core.connections()

    def due(self) -> float | None:
        with self.changed:
            return self._core.due()

    def run(self, invoke: Invoke, interrupted: Callable[[BaseException], None] | None = None) -> None:
        """Runs a function in this thread and feeds what became of it. Hold no lock.

        `interrupted` gets what ends more than the function, an interrupt or the test, before anybody can find that the
        function has returned; without it, that is raised when the function's end has been fed.
        """
        error: BaseException | None = None
        functions = self._started.pop(invoke.invocation_id)
        try:
            returned = Returned(invoke.invocation_id, result=self._call(functions, invoke))
        except FunctionTimedOut as raised:
            error, returned = raised, Returned(invoke.invocation_id, error=TimedOut())
        except BaseException as raised:  # noqa: BLE001 - what a function raises is its result
            report = Raised(type(raised).__name__, str(raised))
            error, returned = raised, Returned(invoke.invocation_id, error=report)
        interrupt = None if isinstance(error, (Exception, SystemExit)) else error
        if interrupt is not None and interrupted is not None:
            interrupted(interrupt)
        done = self._done.pop(invoke.invocation_id, None)
        if done is None:
            self.receive(returned, error)
        else:
            done(error)
            self._ended(returned, error)
        if interrupt is not None and interrupted is None:
            raise interrupt

    def invoke(self, function: str, event: Any, request_id: str | None = None) -> Any:
        """Runs a function in this thread for a caller of Lambda, past the core; raises what it raises."""
        invoke = self._begun(function, event, request_id or new_id())
        error: BaseException | None = None
        result: Any = None
        functions = self._started.pop(invoke.invocation_id)
        try:
            result = self._call(functions, invoke)
        except BaseException as raised:
            error = raised
            raise
        finally:
            report = Raised(type(error).__name__, str(error)) if error is not None else None
            self._ended(Returned(invoke.invocation_id, result, report), error)
        return result

    def invoke_later(self, function: str, event: Any, request_id: str, done: Done) -> None:
        """Queues a function for a caller of Lambda that does not wait, past the core, as `Transport` describes it."""
        self._done[request_id] = done
        self._begun(function, event, request_id, self._hand_over)
        self._perform()

    def _begun(
        self, function: str, event: Any, invocation_id: str, then: Callable[[Invoke], None] = lambda invoke: None
    ) -> Invoke:
        invoke = Invoke(invocation_id, function, json.loads(json.dumps(event)))
        with self.changed:
            self.running[invocation_id] = function
            self._started[invocation_id] = self._functions
            self._note(invoke)
            then(invoke)
        return invoke

    def _ended(self, returned: Returned, error: BaseException | None) -> None:
        with self.changed:
            self._note(returned, error=error)
            del self.running[returned.invocation_id]
            self.changed.notify_all()

    def _call(self, functions: RunFunction, invoke: Invoke) -> Any:
        """What a caller of Lambda gets is the result as JSON: what cannot be written so is an error."""
        self._own.invocations.append(invoke.invocation_id)
        try:
            return json.loads(json.dumps(functions(invoke)))
        finally:
            self._own.invocations.pop()

    def quiet(self, seconds: float, idle: Callable[[], bool] = _yes, enough: Callable[[], bool] = never) -> None:
        """Waits until no function runs and `idle()`, or until `enough()`; both are called under the lock.

        Functions of the drivers beside it count, too. A function that waits does not wait for itself. Raises NotQuiet
        after so many seconds.
        """

        def running() -> list[str]:
            everywhere = [each for driver in self._together for each in driver.running.items()]
            if not everywhere:
                return []
            own = {invocation for driver in self._together for invocation in driver._own.invocations}
            return [function for invocation, function in everywhere if invocation not in own]

        with self.changed:
            if not self.changed.wait_for(lambda: enough() or (not running() and idle()), seconds):
                raise NotQuiet(tuple(running()), seconds)

    def under_way(self) -> frozenset[str]:
        """The invocations that have not returned, here and beside."""
        with self.changed:
            return frozenset(invocation for driver in self._together for invocation in driver.running)

    def runs_only(self, invocations: Collection[str]) -> bool:
        """Whether nothing runs but these, here and beside. To be called under the lock."""
        return all(driver.running.keys() <= set(invocations) for driver in self._together)

    def _note(self, what: Input | Invoke, error: BaseException | None = None) -> float:
        now = self._clock()
        if self._observe is not None:
            self._observe(Observed(now, _kept(what), error=error))
        return now

    def _drain(self, now: float) -> None:
        for effect in self._core.effects():
            if self._observe is not None:
                self._observe(Observed(now, _kept(effect)))
            if isinstance(effect, Invoke):
                self.running[effect.invocation_id] = effect.function
                self._started[effect.invocation_id] = self._functions
            if not self._stalled.keeps(effect):
                self._hand_over(effect)
            elif isinstance(effect, Send) and self._stalled.is_full(effect.connection_id):
                self._core.receive(Backlog(effect.connection_id, full=True), now)


class _Own(threading.local):
    """The invocations that this thread is in, the outermost first."""

    def __init__(self) -> None:
        self.invocations: list[str] = []


HEADER = "X-Sessionplugin-Voucher"


class InjectedClaims:
    """Not thread-safe: the driver holds its lock around each call."""

    def __init__(self) -> None:
        self._claims: dict[str, Claims] = {}

    def issue(self, claims: Claims) -> tuple[str, str]:
        """The header that the request is to carry."""
        number = secrets.token_urlsafe(24)
        self._claims[number] = dict(claims)
        return HEADER, number

    def redeem(self, request: Request) -> Request:
        """The request with the claims that it was given, if it was, and without the header in any case."""
        numbers = [value for name, value in request.headers if name.lower() == HEADER.lower()]
        if not numbers:
            return request
        headers = tuple(pair for pair in request.headers if pair[0].lower() != HEADER.lower())
        claims = [self._claims.pop(number, None) for number in numbers]
        return replace(request, headers=headers, claims=claims[-1])


OnHeld = Callable[[], None]
"""Called for each frame that has to wait, with the core locked: it may store, and nothing else."""


@dataclass
class _Client:
    held: OnHeld
    waiting: list[Effect] = field(default_factory=list)
    size: int = 0  # bytes of the frames among them


class SlowClients:
    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}

    def stall(self, connection_id: str, held: OnHeld) -> None:
        self._clients.setdefault(connection_id, _Client(held))

    def keeps(self, effect: Effect) -> bool:
        """Whether an effect has to wait; then it is kept."""
        if not isinstance(effect, (Send, Close)) or effect.connection_id not in self._clients:
            return False
        client = self._clients[effect.connection_id]
        client.waiting.append(effect)
        if isinstance(effect, Send):
            client.size += len(effect.text.encode(errors="replace"))
            client.held()
        return True

    def is_full(self, connection_id: str) -> bool:
        """Whether more waits for a client than its line may hold."""
        return connection_id in self._clients and self._clients[connection_id].size > MAX_BACKLOG

    def resume(self, connection_id: str) -> list[Effect]:
        """What has waited for a client that reads again."""
        client = self._clients.pop(connection_id, None)
        return client.waiting if client else []


STOCK = 256

_ids: list[str] = []
_uuids: list[str] = []


def new_id() -> str:
    """An id in the form of API Gateway: 15 URL-safe base64 characters and '='."""
    try:
        return _ids.pop()
    except IndexError:
        random = secrets.token_bytes(11 * STOCK)
        made = [base64.urlsafe_b64encode(random[at : at + 11]).decode() for at in range(0, len(random), 11)]
        _ids.extend(made[1:])
        return made[0]


def new_uuid() -> str:
    """A UUID of version 4 (RFC 9562, 5.4), as the id of a REST request is."""
    try:
        return _uuids.pop()
    except IndexError:
        random = secrets.token_bytes(16 * STOCK)
        made = [str(uuid.UUID(bytes=random[at : at + 16], version=4)) for at in range(0, len(random), 16)]
        _uuids.extend(made[1:])
        return made[0]
