"""The gateway in process: functions run in the thread that calls it. No sockets, no threads, no sleeping.

    shell = InProcess(api, functions, clock=time.time, ids=new_id, observe=None, beside=None)
    shell.manage(Manage("POST", host, "/api/@connections/…", b"…"))  # for a hook of botocore
    Gateway(shell)  # for a test

What a function sets off (the $disconnect after a DELETE it made) runs when it has returned, and before the
outermost call of the test does, whichever of the gateways beside each other is called. Several threads may use it
at once: each runs what its own calls set off.
No time limit is enforced, as nothing sleeps; tick() does what has fallen due by the clock.
"""

from __future__ import annotations

import base64
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, TypeVar

from pytest_sessionplugin.gateway.client.transport import ClientConnection, Ended, Refused, Urls
from pytest_sessionplugin.gateway.core.events import header
from pytest_sessionplugin.gateway.core.websocket import NO_STATUS
from pytest_sessionplugin.gateway.runtime import PATIENCE, OnHeld, Runtime, new_id
from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Claims,
    Close,
    Closed,
    DisconnectLost,
    Done,
    Effect,
    Frame,
    Handshake,
    Headers,
    Ids,
    Invoke,
    Manage,
    Observe,
    Refuse,
    Reply,
    Request,
    Respond,
    RunFunction,
    Send,
    Throttles,
    TimeSource,
    never,
)

NO_CLOSE_FRAME = 1006

_Result = TypeVar("_Result")
_Job = Callable[[], None]
"""Runs a function that was set off."""


class InProcess:
    """The shell, and the transport of a client in the same process."""

    patience = None

    def __init__(
        self,
        api: Api,
        functions: RunFunction,
        *,
        clock: TimeSource = time.time,
        ids: Ids = new_id,
        observe: Observe | None = None,
        throttles: Throttles = never,
        beside: InProcess | None = None,
    ) -> None:
        """`beside`: another shell; they are quiet only together."""
        self._api, self._functions, self._ids = api, functions, ids
        neighbour = beside._driver if beside is not None else None
        self._driver: Runtime = Runtime(
            api,
            functions,
            self._hand_over,
            clock=clock,
            ids=ids,
            observe=observe,
            throttles=throttles,
            beside=neighbour,
        )
        self._replies: dict[str, Reply] = {}
        self._lines: dict[str, InProcessLine] = {}
        self._work: _Work = beside._work if beside is not None else _Work()

    @property
    def urls(self) -> Urls | None:
        return None

    # --- what clients call

    def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
        path, _, query = target.partition("?")
        sent = (*_host(self._api, self._api.rest_api_id, headers), *headers)
        request = Request(str(uuid.uuid4()), method, path, query, sent, body)
        self._drive(lambda: self._driver.receive(request))
        return self._replies.pop(request.id)

    def vouch(self, method: str, target: str, claims: Claims) -> tuple[str, str]:
        return self._driver.vouch(method, target, claims)

    def connect(self, target: str, headers: Headers) -> ClientConnection:
        path, _, query = target.partition("?")
        connection_id = self._ids()
        upgrade = (
            *_host(self._api, self._api.websocket_api_id, headers),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", base64.b64encode(connection_id.encode()).decode()),
        )
        line = self._lines[connection_id] = InProcessLine(self, connection_id)
        handshake = Handshake(connection_id, path, query, (*upgrade, *headers))
        self._drive(lambda: self._driver.receive(handshake))
        if line.refusal is not None:
            raise Refused(line.refusal)
        return line

    def send(self, frame: Frame) -> None:
        self._drive(lambda: self._driver.receive(frame))

    def leave(self, closed: Closed) -> None:
        def action() -> None:
            self._driver.receive(closed)
            if line := self._lines.pop(closed.connection_id, None):
                line.arrived(Ended(closed.code, closed.reason))

        self._drive(action)

    def settle(self, line: ClientConnection | None = None) -> None:
        """From within a handler it returns at once: it could only wait for itself."""
        if self._work.calls.stack:
            return
        self._drive(lambda: None)
        if line is None:
            self._driver.quiet(PATIENCE)
        else:
            self._driver.quiet(PATIENCE, enough=line.waiting)

    def invoke(self, function: str, event: Any, request_id: str | None = None) -> Any:
        return self._drive(lambda: self._driver.invoke(function, event, request_id))

    def invoke_later(self, function: str, event: Any, request_id: str, done: Done) -> None:
        self._driver.invoke_later(function, event, request_id, done)
        self._run_strays()

    def close(self) -> None:
        """Nothing is held that would have to be let go."""

    # --- what hooks call

    def manage(self, call: Manage) -> Reply:
        """From a handler, from a thread that a handler started, or from the test itself."""
        reply = self._driver.manage(call)
        self._run_strays()
        return reply

    def stall(self, connection_id: str, held: OnHeld) -> None:
        self._driver.stall(connection_id, held)

    def resume(self, connection_id: str) -> None:
        self._driver.resume(connection_id)

    def lose_disconnect(self, connection_id: str) -> None:
        self._driver.receive(DisconnectLost(connection_id))

    def at_rest(self, threads: Collection[int], invocations: Collection[str]) -> bool:
        """Functions run in the thread that asks for them: one that has not ended may go on."""
        return not threads

    def due(self) -> float | None:
        return self._driver.due()

    def tick(self) -> None:
        self._drive(self._driver.tick)

    # --- running what is set off

    def _run_strays(self) -> None:
        """What was set off from outside of a function, if nobody else is about to run it."""
        if self._work.calls.stack:
            return
        with self._driver.changed:
            nobody_else = self._work.strays and not self._work.active
        if nobody_else:
            self._drive(lambda: None)

    def _drive(self, action: Callable[[], _Result]) -> _Result:
        """Does something, then runs in this thread what it sets off, and what that sets off."""
        todo: deque[_Job] = deque()
        outermost = not self._work.calls.stack
        with self._driver.changed:
            self._work.active += outermost
        self._work.calls.stack.append(todo)
        try:
            return action()
        finally:
            self._run(todo, outermost)

    def _run(self, todo: deque[_Job], outermost: bool) -> None:
        try:
            while job := self._next(todo, outermost):
                job()
        except BaseException:  # a handler ended the test; what is left is for the next call
            with self._driver.changed:
                self._work.strays.extend(todo)
                self._work.active -= outermost
            raise
        finally:
            self._work.calls.stack.pop()

    def _next(self, todo: deque[_Job], outermost: bool) -> _Job | None:
        """None ends the call: seen under the lock, so that no stray is left behind."""
        if todo:
            return todo.popleft()
        with self._driver.changed:
            if outermost and self._work.strays:
                return self._work.strays.popleft()
            self._work.active -= outermost
            return None

    def _hand_over(self, effect: Effect) -> None:
        """Called under the lock, in the thread whose call caused the effect."""
        match effect:
            case Invoke():
                stack = self._work.calls.stack
                (stack[-1] if stack else self._work.strays).append(partial(self._driver.run, effect))
            case Respond():
                self._replies[effect.request_id] = effect.reply
            case Accept():
                self._lines[effect.connection_id].subprotocol = effect.subprotocol
            case Refuse():
                self._lines.pop(effect.connection_id).refusal = effect.reply
            case Send():
                self._lines[effect.connection_id].arrived(effect.text)
                self._driver.changed.notify_all()  # whoever waits for it need not wait for quiet
            case Close():
                line = self._lines.pop(effect.connection_id)
                line.arrived(Ended(effect.code, effect.reason))
                self._driver.changed.notify_all()


def _host(api: Api, api_id: str, headers: Headers) -> Headers:
    """As a client sends it that is not told which."""
    return (("Host", api.host(api_id)),) if header(headers, "host") is None else ()


class _Calls(threading.local):
    """The calls under way in this thread, the outermost first: what each has set off and not yet run."""

    def __init__(self) -> None:
        self.stack: list[deque[_Job]] = []


class _Work:
    """What was set off and has not run yet, of all shells that are beside each other."""

    def __init__(self) -> None:
        self.calls = _Calls()
        self.strays: deque[_Job] = deque()  # set off by threads that run no call of ours
        self.active = 0  # outermost calls under way, in all threads


class InProcessLine:
    """The client's end of a WebSocket, as `Line` describes it."""

    def __init__(self, shell: InProcess, connection_id: str) -> None:
        self.connection_id = connection_id
        self.subprotocol: str | None = None
        self.refusal: Reply | None = None
        self._shell = shell
        self._messages: deque[str] = deque()
        self._ended: Ended | None = None

    def arrived(self, what: str | Ended) -> None:
        if isinstance(what, Ended):
            self._ended = what
        else:
            self._messages.append(what)

    def send(self, data: str | bytes, frame_bytes: int | None) -> Ended | None:
        if self._ended is None:
            size = len(data.encode() if isinstance(data, str) else data)
            largest = min(size, frame_bytes or size)
            self._shell.send(Frame(self.connection_id, data, largest))
            return None
        return self._ended

    def waiting(self) -> bool:
        return bool(self._messages) or self._ended is not None

    def take(self) -> str | Ended | None:
        ended = self._ended  # looked at first: what arrived, arrived before the end
        try:
            return self._messages.popleft()
        except IndexError:
            return ended

    def close(self, code: int | None, reason: str) -> None:
        if self._ended is None:
            self._shell.leave(Closed(self.connection_id, code or NO_STATUS, reason))

    def drop(self) -> None:
        if self._ended is None:
            self._shell.leave(Closed(self.connection_id, NO_CLOSE_FRAME))
