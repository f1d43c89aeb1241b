"""Which socket an effect goes to, on the thread of an event loop.

It parses nothing and listens to nothing.

`hand_over` is called in any thread and only queues; one queue for all lines, so that what the core decided first is
written first. Everything else that touches a line runs on the loop's thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Protocol

from pytest_sessionplugin.gateway.runtime import Runtime
from pytest_sessionplugin.gateway.server.workers import MAX_THREADS, Workers
from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Close,
    Effect,
    Ids,
    Input,
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

if TYPE_CHECKING:
    from pytest_sessionplugin.gateway.server.http_protocol import HttpProtocol
    from pytest_sessionplugin.gateway.server.websocket_protocol import WebSocketProtocol


CROWDED = 2 * MAX_THREADS
"""Invocations, running and queued, from which on no more frames are read."""


class Line(Protocol):
    """A connected socket."""

    def leave(self) -> None:
        """The server stops: takes nothing in any more, and closes as soon as what it owes is sent."""

    def hang_up(self) -> None:
        """Closes once what is written has left."""

    def abort(self) -> None: ...


class Dispatcher:
    def __init__(
        self,
        api: Api,
        functions: RunFunction,
        *,
        clock: TimeSource,
        ids: Ids,
        observe: Observe | None,
        throttles: Throttles = never,
        beside: Dispatcher | None = None,
        fault: Callable[[Manage], Reply | None] | None = None,
    ) -> None:
        self.new_id = ids
        self._fault = fault
        self.driver: Runtime = Runtime(
            api,
            functions,
            self._hand_over,
            self._perform,
            clock=clock,
            ids=ids,
            observe=observe,
            throttles=throttles,
            beside=beside.driver if beside is not None else None,
        )
        self.workers: Workers[Invoke] = Workers(self._run)
        # What ended a handler and is meant to end the test, here or beside.
        self._interrupts: deque[BaseException] = beside._interrupts if beside is not None else deque()
        self.loop: asyncio.AbstractEventLoop  # from run() on
        self.lines: set[Line] = set()
        self.requests: dict[str, HttpProtocol] = {}  # HTTP requests that wait for their answer
        self.handshakes: dict[str, HttpProtocol] = {}  # connection id -> a handshake that waits
        self.connections: dict[str, WebSocketProtocol] = {}
        self.peers: dict[object, str] = {}  # address of the client -> connection id
        self._thread = 0
        self._invokes: deque[Invoke] = deque()
        self._outbox: deque[Effect] = deque()
        self._woken = False
        self._unwritten = False  # under the driver's lock
        self._held: set[WebSocketProtocol] = set()
        self._deserted: asyncio.Event | None = None  # set when the last line is lost

    def receive(self, event: Input) -> None:
        self.driver.receive(event)

    def manage(self, request: Request) -> Reply | None:
        """The answer to a call of @connections that came over the network; None if it is none."""
        call = self.driver.call(request)
        if call is None:
            return None
        fault = self._fault(call) if self._fault is not None and call.denied is None else None
        return self.driver.manage(call, fault)

    def settle(
        self, seconds: float, connection_id: str | None = None, arrived: int = 0, but: Collection[str] = ()
    ) -> None:
        """Waits until no handler runs and every frame is written. Raises NotQuiet, and what a handler raised to end
        the test.

        For a connection it is enough that more messages than have `arrived` were written to it, or that it ended.
        Invocations that are named after `but` may go on.
        """

        def enough() -> bool:
            if but and self.driver.runs_only(but) and not self._unwritten:
                return True
            if connection_id is None:
                return False
            line = self.connections.get(connection_id)
            return line is None or line.written > arrived

        self.driver.quiet(seconds, lambda: not self._unwritten, enough)
        self.raise_interrupt()

    def raise_interrupt(self) -> None:
        """Raises what a handler raised to end the test, the first of them, once."""
        try:
            interrupt = self._interrupts.popleft()
        except IndexError:
            return
        self._interrupts.clear()
        raise interrupt

    def at_rest(self, asking: int, invocations: Collection[str]) -> bool:
        """On the loop's thread: whether nothing runs but these, all is written, and so many wait for an answer."""
        with self.driver.changed:
            quiet = self.driver.runs_only(invocations) and not self._unwritten
        return quiet and asking <= len(self.requests) + len(self.handshakes)

    def _run(self, invoke: Invoke) -> None:
        """In a worker's thread, where nobody would see what is raised: the test does, with its next call."""
        self.driver.run(invoke, self._interrupts.append)

    def run(self) -> None:
        """Runs the loop in this thread until it is stopped."""
        self._thread = threading.get_ident()
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    async def part(self, seconds: float) -> None:
        """Closes every line, and cuts those that are still there after so many seconds."""
        self._deserted = asyncio.Event()
        for line in list(self.lines):
            line.hang_up()
        self.loop.call_later(seconds, self._abort)
        if self.lines:
            await self._deserted.wait()

    def _abort(self) -> None:
        for line in list(self.lines):
            line.abort()

    def forget(self, line: Line) -> None:
        """The line is lost."""
        self.lines.discard(line)
        if not self.lines and self._deserted is not None:
            self._deserted.set()

    def hold(self, line: WebSocketProtocol) -> bool:
        """Whether this line is to stop reading until resume(): the handlers cannot keep up."""
        crowded = len(self.driver.running) > CROWDED
        if crowded:
            self._held.add(line)
        return crowded

    def _hand_over(self, effect: Effect) -> None:
        if isinstance(effect, Invoke):
            self._invokes.append(effect)
        else:
            self._outbox.append(effect)
            self._unwritten = True

    def _perform(self) -> None:
        with contextlib.suppress(IndexError):  # another thread may have taken the last one
            while self._invokes:
                self.workers.submit(self._invokes.popleft())
        relieved = self._held and len(self.driver.running) <= CROWDED // 2
        if (self._outbox or relieved) and not self._woken:
            self._woken = True
            self.on_loop(self._flush)

    def on_loop(self, callback: Callable[[], None]) -> None:
        if threading.get_ident() == self._thread:
            self.loop.call_soon(callback)
        else:
            with contextlib.suppress(RuntimeError):  # a handler outlived the server
                self.loop.call_soon_threadsafe(callback)

    def _flush(self) -> None:
        self._woken = False  # first: whoever appends from here on wakes us again
        for _ in range(len(self._outbox)):  # and no more: the lines want to be read, too
            effect = self._outbox.popleft()
            try:
                self._write(effect)
            except Exception as error:  # noqa: BLE001 - a bug with one line must not silence the others
                self.loop.call_exception_handler({"message": f"cannot perform {effect}", "exception": error})
        with self.driver.changed:
            self._unwritten = bool(self._outbox)
            self.driver.changed.notify_all()
        self._perform()
        if self._held and len(self.driver.running) <= CROWDED // 2:
            held, self._held = self._held, set()
            for line in held:
                line.resume()

    def _write(self, effect: Effect) -> None:
        match effect:
            case Send():
                if line := self.connections.get(effect.connection_id):
                    line.send(effect.text)
            case Respond():
                if asked := self.requests.pop(effect.request_id, None):
                    asked.respond(effect.reply)
            case Accept():
                if pending := self.handshakes.pop(effect.connection_id, None):
                    pending.accept(effect.subprotocol)
            case Refuse():
                if pending := self.handshakes.pop(effect.connection_id, None):
                    pending.refuse(effect.reply)
            case Close():
                if line := self.connections.pop(effect.connection_id, None):
                    line.close(effect.code, effect.reason)
            case Invoke():
                raise TypeError("an Invoke is never queued for a socket")
