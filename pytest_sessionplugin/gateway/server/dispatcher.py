"""Tracks the connected clients, and takes each effect to its socket on the thread of one event loop.

`put` may be called in any thread. One queue for all sockets keeps the order in which the core decided. Everything else
that touches a socket runs on the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pytest_sessionplugin.gateway.activity import Activity
from pytest_sessionplugin.gateway.runtime import Runtime
from pytest_sessionplugin.gateway.server.workers import MAX_THREADS, Workers
from pytest_sessionplugin.gateway.values import (
    Accept,
    Api,
    Backlog,
    Close,
    Closed,
    Effect,
    Handshake,
    Headers,
    Ids,
    Invoke,
    Manage,
    Message,
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

CROWDED = 2 * MAX_THREADS
"""Invocations, running and queued, above which no more frames are read."""

Address = tuple[str, int]
"""Host and port of a client."""

_Value = TypeVar("_Value")


class ServerSocket(Protocol):
    """The server's end of a TCP connection."""

    @property
    def peer(self) -> Address: ...

    def leave(self) -> None:
        """The server stops: takes no more input, and closes once what it owes is sent."""

    def hang_up(self) -> None:
        """Closes once the written bytes have left."""

    def abort(self) -> None: ...


class Asker(Protocol):
    """Waits for the answer to an HTTP request."""

    def respond(self, reply: Reply) -> None: ...


class Upgrading(Protocol):
    """Waits for the answer to a handshake."""

    @property
    def peer(self) -> Address: ...

    def accept(self, subprotocol: str | None) -> None: ...

    def refuse(self, reply: Reply) -> None: ...


class ServerWebSocket(ServerSocket, Protocol):
    """The server's end of an open WebSocket."""

    @property
    def written(self) -> int:
        """The number of messages written to it."""

    def send(self, text: str) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def resume(self) -> None:
        """Reads on."""


class Dispatcher:
    """The effect sink of a server's runtime. `start` runs its loop in a thread, `stop` ends it."""

    def __init__(
        self,
        api: Api,
        functions: RunFunction,
        *,
        activity: Activity,
        clock: TimeSource,
        ids: Ids,
        observe: Observe | None,
        throttles: Throttles = never,
        fault: Callable[[Manage], Reply | None] | None = None,
        explain: Callable[[str], None] = lambda why: None,
    ) -> None:
        self.runtime = Runtime(
            api,
            functions,
            self,
            activity=activity,
            clock=clock,
            ids=ids,
            observe=observe,
            throttles=throttles,
            explain=explain,
        )
        self._activity, self._ids, self._fault = activity, ids, fault
        self._workers: Workers[Invoke] = Workers(self._run)
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run_loop, name="gateway", daemon=True)
        self._sockets: set[ServerSocket] = set()
        self._requests: dict[str, Asker] = {}
        self._handshakes: dict[str, Upgrading] = {}  # by connection id, as below
        self._connections: dict[str, ServerWebSocket] = {}
        self._peers: dict[Address, str] = {}  # address of a client -> its connection
        self._invokes: deque[Invoke] = deque()
        self._outbox: deque[Effect] = deque()
        self._woken = False
        self._unwritten = False  # under the lock
        self._held: set[ServerWebSocket] = set()  # not read until fewer handlers run
        self._deserted: asyncio.Event | None = None  # set when the last socket is lost

    # --- for the protocols, on the loop

    def connected(self, socket: ServerSocket) -> None:
        self._sockets.add(socket)

    def disconnected(self, socket: ServerSocket, connection_id: str | None = None) -> None:
        """The socket is lost, with the WebSocket on it."""
        if connection_id is not None and self._peers.get(socket.peer) == connection_id:  # not a newer client's
            del self._peers[socket.peer]
        self._sockets.discard(socket)
        if not self._sockets and self._deserted is not None:
            self._deserted.set()

    def ask(self, request: Request, asker: Asker) -> None:
        """Feeds a request. The asker gets its answer later."""
        self._requests[request.id] = asker
        self.runtime.receive(request)

    def withdraw(self, request_id: str) -> None:
        """The client left before its request was answered."""
        self._requests.pop(request_id, None)

    def manage(self, request: Request) -> Reply | None:
        """The answer to an @connections call that came over the network; None for another request."""
        call = self.runtime.call(request)
        if call is None:
            return None
        fault = self._fault(call) if self._fault is not None and call.denied is None else None
        return self.runtime.manage(call, fault)

    def shake_hands(self, path: str, query: str, headers: Headers, client: Upgrading) -> Handshake:
        """Feeds the handshake of a new connection. The client is accepted or refused later."""
        handshake = Handshake(self._ids(), path, query, headers, client.peer[0])
        self._handshakes[handshake.connection_id] = client
        self._peers[client.peer] = handshake.connection_id
        self.runtime.receive(handshake)
        return handshake

    def opened(self, connection_id: str, websocket: ServerWebSocket, before: ServerSocket) -> None:
        """An accepted handshake has turned its socket into a WebSocket."""
        self._sockets.add(websocket)
        self._sockets.discard(before)
        self._connections[connection_id] = websocket

    def received(self, event: Message | Backlog) -> None:
        self.runtime.receive(event)

    def lost(self, connection_id: str, code: int, reason: str = "") -> None:
        """The client has ended its connection, or left before its handshake was answered."""
        self._connections.pop(connection_id, None)
        if client := self._handshakes.pop(connection_id, None):
            self._peers.pop(client.peer, None)
        self.runtime.receive(Closed(connection_id, code, reason))

    def hold(self, websocket: ServerWebSocket) -> bool:
        """Whether this client is not to be read until resume(): the handlers cannot keep up."""
        crowded = self.runtime.invocations() > CROWDED
        if crowded:
            self._held.add(websocket)
        return crowded

    # --- for the server, from any thread

    def start(self) -> None:
        self._loop = asyncio.SelectorEventLoop()  # on any system: only it has add_reader()
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Ends the loop, and the workers, for which it waits that long."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._workers.stop(seconds)

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def on_loop(self, action: Coroutine[Any, Any, _Value]) -> _Value:
        """Runs a coroutine on the loop, and waits for its result."""
        return asyncio.run_coroutine_threadsafe(action, self._loop).result()

    def connection_id(self, client: Address) -> str | None:
        """The connection whose client has this address."""
        return self._peers.get(client)

    def settle(
        self, seconds: float, connection_id: str | None = None, arrived: int = 0, but: Collection[str] = ()
    ) -> None:
        """Waits until no handler runs and every frame is written. Raises NotQuiet, or an interrupt from a handler.

        For a connection it is enough that more than `arrived` messages were written to it, or that it ended.
        The invocations `but` may go on.
        """

        def enough() -> bool:
            if but and self._activity.runs_only(but) and not self._unwritten:
                return True
            if connection_id is None:
                return False
            websocket = self._connections.get(connection_id)
            return websocket is None or websocket.written > arrived

        self._activity.quiet(seconds, lambda: not self._unwritten, enough)
        self._activity.raise_interrupt()

    # --- for the server, on the loop

    async def at_rest(self, asking: int, invocations: Collection[str]) -> bool:
        """Whether that many requests wait for an answer, only these invocations run, and every frame is written.

        On the loop no request arrives, and no answer leaves, between one look and the next.
        """
        with self._activity.changed:
            quiet = self._activity.runs_only(invocations) and not self._unwritten
        return quiet and asking <= len(self._requests) + len(self._handshakes)

    async def hear(self) -> None:
        """Returns when everything that had arrived has been read: each turn of the loop looks at all sockets once."""
        for _ in range(3):
            await asyncio.sleep(0)

    async def census(self, arriving: Collection[asyncio.Task[Any]]) -> ServerState:
        others = {asyncio.current_task(), *arriving}
        return ServerState(
            lines=len(self._sockets) + len(arriving),
            requests=len(self._requests),
            handshakes=len(self._handshakes),
            connections=len(self._connections),
            known=self.runtime.connections(),
            peers=len(self._peers),
            invocations=self.runtime.invocations(),
            tasks=len(asyncio.all_tasks() - others),
            workers=self._workers.threads,
        )

    async def leave(self) -> None:
        """Tells every socket that the server stops."""
        for socket in list(self._sockets):
            socket.leave()

    async def part(self, seconds: float) -> None:
        """Closes every socket, and cuts those that are still there after that many seconds."""
        self._deserted = asyncio.Event()
        for socket in list(self._sockets):
            socket.hang_up()
        self._loop.call_later(seconds, self._abort)
        if self._sockets:
            await self._deserted.wait()

    def _abort(self) -> None:
        for socket in list(self._sockets):
            socket.abort()

    def _run_loop(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    # --- effects

    def put(self, effect: Effect) -> None:
        if isinstance(effect, Invoke):
            self._invokes.append(effect)
        else:
            self._outbox.append(effect)
            self._unwritten = True

    def flush(self) -> None:
        with contextlib.suppress(IndexError):  # another thread may have taken the last one
            while self._invokes:
                self._workers.submit(self._invokes.popleft())
        relieved = self._held and self.runtime.invocations() <= CROWDED // 2
        if (self._outbox or relieved) and not self._woken:
            self._woken = True
            if threading.get_ident() == self._thread.ident:
                self._loop.call_soon(self._write_all)
            else:
                with contextlib.suppress(RuntimeError):  # a handler outlived the server
                    self._loop.call_soon_threadsafe(self._write_all)

    def _run(self, invoke: Invoke) -> None:
        """Runs in a worker, where a raised interrupt would be lost: the test gets it with its next call."""
        self.runtime.run(invoke, self._activity.interrupt)

    def _write_all(self) -> None:
        self._woken = False  # first: a later put wakes the loop again
        for _ in range(len(self._outbox)):  # only these: sockets are to be read, too
            effect = self._outbox.popleft()
            try:
                self._write(effect)
            except Exception as error:  # noqa: BLE001 - a bug with one socket must not silence the others
                self._loop.call_exception_handler({"message": f"cannot perform {effect}", "exception": error})
        with self._activity.changed:
            self._unwritten = bool(self._outbox)
            self._activity.changed.notify_all()
        self.flush()
        if self._held and self.runtime.invocations() <= CROWDED // 2:
            held, self._held = self._held, set()
            for websocket in held:
                websocket.resume()

    def _write(self, effect: Effect) -> None:
        match effect:
            case Send():
                if websocket := self._connections.get(effect.connection_id):
                    websocket.send(effect.text)
            case Respond():
                if asker := self._requests.pop(effect.request_id, None):
                    asker.respond(effect.reply)
            case Accept():
                if client := self._handshakes.pop(effect.connection_id, None):
                    client.accept(effect.subprotocol)
            case Refuse():
                if client := self._handshakes.pop(effect.connection_id, None):
                    self._peers.pop(client.peer, None)
                    client.refuse(effect.reply)
            case Close():
                if websocket := self._connections.pop(effect.connection_id, None):
                    websocket.close(effect.code, effect.reason)
            case Invoke():
                raise TypeError("an Invoke is never queued for a socket")


@dataclass(frozen=True)
class ServerState:
    """Counts of what is open and runs. All but `workers` are 0 when no client is connected and no handler runs."""

    lines: int  # TCP connections, arriving ones included
    requests: int  # HTTP requests that wait for their answer
    handshakes: int  # handshakes that wait for $connect
    connections: int  # open WebSockets
    known: int  # connections that the gateway's core knows
    peers: int  # remembered addresses of clients
    invocations: int  # running handlers
    tasks: int  # tasks of the event loop
    workers: int  # threads, busy or kept for the next handler
