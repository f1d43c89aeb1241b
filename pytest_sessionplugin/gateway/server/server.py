"""The gateway on real sockets: HTTP on one port, WebSocket on another, handlers in parallel threads.

    server = Server(api, functions, host="127.0.0.1", http_port=0, websocket_port=0,
                    clock=time.time, ids=new_id, observe=None, grace=5.0, beside=None)
    with server:  # or start() and stop()
        server.http_url, server.websocket_url  # "http://127.0.0.1:41234", "ws://127.0.0.1:41235"
        server.manage(Manage("POST", host, "/api/@connections/…", b"…"))  # for a hook of botocore

It parses no bytes, and knows neither pytest nor Chalice.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import socket
import threading
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

from pytest_sessionplugin.gateway.runtime import PATIENCE, NotQuiet, OnHeld, new_id
from pytest_sessionplugin.gateway.server.dispatcher import Dispatcher
from pytest_sessionplugin.gateway.server.http_protocol import HttpProtocol
from pytest_sessionplugin.gateway.values import (
    Api,
    Claims,
    DisconnectLost,
    Done,
    Ids,
    Manage,
    Observe,
    Reply,
    RunFunction,
    Throttles,
    TimeSource,
    never,
)

TICK = 1.0  # seconds between two looks at what has fallen due
FAREWELL = 0.5  # seconds in which clients may take what is still on its way when the server stops
ARRIVALS = 64  # connections that are taken in one go, before those that are open are looked at again
BACKLOG = 1024  # connections that the kernel may hold until they are accepted

_Result = TypeVar("_Result")


class PortInUse(OSError):
    """Something else listens where the server was told to."""

    def __init__(self, host: str, port: int, purpose: str) -> None:
        super().__init__(
            errno.EADDRINUSE,
            f"port {port} on {host} is in use, so {purpose} cannot be served there: stop what "
            f"listens on it, or choose another port (0 takes a free one)",
        )
        self.host, self.port = host, port


class Server:
    """Starts once. Its methods may be called from any thread, but start() and stop() from one only."""

    def __init__(
        self,
        api: Api,
        functions: RunFunction,
        *,
        host: str = "127.0.0.1",
        http_port: int = 0,
        websocket_port: int = 0,
        clock: TimeSource = time.time,
        ids: Ids = new_id,
        observe: Observe | None = None,
        throttles: Throttles = never,
        grace: float = 5.0,
        beside: Server | None = None,
        fault: Callable[[Manage], Reply | None] | None = None,
    ) -> None:
        """`grace`: seconds that stop() gives the handlers that are running. `beside`: another server of the same
        process; they are quiet only together. `fault`: what a signed call of @connections over the network is
        answered with by a fault, if it meets one.
        """
        self._host, self._ports = host, (http_port, websocket_port)
        self._grace = grace
        neighbour = beside._board if beside is not None else None
        self._board: Dispatcher = Dispatcher(
            api,
            functions,
            clock=clock,
            ids=ids,
            observe=observe,
            throttles=throttles,
            beside=neighbour,
            fault=fault,
        )
        self._thread = threading.Thread(target=self._board.run, name="gateway", daemon=True)
        self._listening: list[socket.socket] = []
        self._arriving: set[asyncio.Task[Any]] = set()
        self._addresses: list[str] = []
        self._stopped = False

    # --- life

    def start(self) -> Server:
        """Returns when both ports take connections. Raises PortInUse."""
        with contextlib.ExitStack() as closing:
            for port, purpose in zip(self._ports, ("HTTP", "WebSocket"), strict=True):
                self._listening.append(_listen(self._host, port, purpose))
                closing.callback(self._listening[-1].close)
            closing.pop_all()
        self._addresses = [_netloc(listening) for listening in self._listening]
        self._board.loop = asyncio.SelectorEventLoop()  # on any system: only it has add_reader()
        self._thread.start()
        self._on_loop(self._open())
        return self

    def stop(self) -> None:
        """Closes every WebSocket with 1001, and ends when the handlers have, $disconnect included.

        Raises NotQuiet, after everything else is cleaned up, if one still runs after `grace` seconds, and what a
        handler raised to end the test.
        """
        if self._stopped or not self._thread.is_alive():
            return
        self._stopped = True
        raised: BaseException | None = None
        self._on_loop(self._leave())
        try:
            self._board.settle(self._grace)
        except BaseException as error:  # noqa: BLE001 - first everything is cleaned up
            raised = error
        self._on_loop(self._board.part(FAREWELL))
        self._board.loop.call_soon_threadsafe(self._board.loop.stop)
        self._thread.join()
        self._board.workers.stop(0.0 if isinstance(raised, NotQuiet) else self._grace)
        if raised is not None:
            raise raised

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def census(self) -> ServerState:
        """What is open and runs at this moment."""
        return self._on_loop(self._census())

    # --- for clients

    @property
    def http_url(self) -> str:
        return f"http://{self._addresses[0]}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{self._addresses[1]}"

    def connection_id(self, client: tuple[str, int]) -> str | None:
        """The connection whose client has this address."""
        return self._board.peers.get(client)

    def settle(self, connection_id: str | None = None, arrived: int = 0) -> None:
        """Returns when no handler runs and every frame is written to its socket. Raises NotQuiet.

        For a connection it is enough that more messages than have `arrived` were written to it, or that it ended.
        """
        self._board.settle(PATIENCE, connection_id, arrived)

    def raise_interrupt(self) -> None:
        """Raises what a handler, here or beside, raised to end the test; whoever has its answer can see that."""
        self._board.raise_interrupt()

    def vouch(self, method: str, target: str, claims: Claims) -> tuple[str, str]:
        """As `Transport` describes it; nobody who has only the port can do this."""
        return self._board.driver.vouch(method, target, claims)

    def redeploy(self, api: Api, functions: RunFunction, *, asked_anew: bool = False) -> None:
        """Another deployment of the same APIs, without a pause: sockets stay open, what runs ends as it began."""
        self._board.driver.redeploy(api, functions, asked_anew=asked_anew)

    def invoke(self, function: str, event: Any, request_id: str | None = None) -> Any:
        """Runs a function in the caller's thread, as `lambda:Invoke` does; raises what it raises."""
        return self._board.driver.invoke(function, event, request_id)

    def invoke_later(self, function: str, event: Any, request_id: str, done: Done) -> None:
        """The same in a worker's thread, for a caller that does not wait."""
        self._board.driver.invoke_later(function, event, request_id, done)

    # --- for hooks

    def manage(self, call: Manage) -> Reply:
        return self._board.driver.manage(call)

    def stall(self, connection_id: str, held: OnHeld) -> None:
        self._board.driver.stall(connection_id, held)

    def resume(self, connection_id: str) -> None:
        self._board.driver.resume(connection_id)

    def lose_disconnect(self, connection_id: str) -> None:
        self._board.receive(DisconnectLost(connection_id))

    def at_rest(self, asking: int, invocations: Collection[str]) -> bool:
        """Whether so many clients who ask wait all for one of these invocations, and nothing else runs."""
        return self._on_loop(self._at_rest(asking, invocations))

    def under_way(self) -> frozenset[str]:
        """The invocations that have not returned."""
        return self._board.driver.under_way()

    def hear(self) -> None:
        """Returns when all that had arrived has been read."""
        self._on_loop(self._hear())

    def quiet(self, seconds: float, but: Collection[str] = ()) -> None:
        """As settle(), for so many seconds; invocations that are named after `but` may go on. Raises NotQuiet."""
        self._board.settle(seconds, but=but)

    def move_ahead(self, seconds: float) -> None:
        """`clock` has been moved so far ahead of that of callers elsewhere, who sign by theirs."""
        self._board.driver.move_ahead(seconds)

    def due(self) -> float | None:
        return self._board.driver.due()

    def tick(self) -> None:
        self._board.driver.tick()

    # --- on the loop's thread

    def _on_loop(self, action: Coroutine[Any, Any, _Result]) -> _Result:
        return asyncio.run_coroutine_threadsafe(action, self._board.loop).result()

    async def _hear(self) -> None:
        """Sockets are looked at once a turn: in the second one at the latest, and read before the third."""
        for _ in range(3):
            await asyncio.sleep(0)

    async def _at_rest(self, asking: int, invocations: Collection[str]) -> bool:
        """On the loop no request arrives, and no answer leaves, between one look and the next."""
        return self._board.at_rest(asking, invocations)

    async def _census(self) -> ServerState:
        board, others = self._board, {asyncio.current_task(), *self._arriving}
        return ServerState(
            lines=len(board.lines) + len(self._arriving),
            requests=len(board.requests),
            handshakes=len(board.handshakes),
            connections=len(board.connections),
            known=board.driver.connections(),
            peers=len(board.peers),
            invocations=len(board.driver.running),
            tasks=len(asyncio.all_tasks() - others),
            workers=board.workers.threads,
        )

    async def _open(self) -> None:
        for listening in self._listening:
            self._listen_to(listening)
        self._tick()

    def _listen_to(self, listening: socket.socket) -> None:
        self._board.loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Takes the connections that wait. asyncio's own server loses some when it is closed meanwhile."""
        for _ in range(ARRIVALS):
            try:
                connected, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no more files can be open: those that wait must wait on
                self._board.loop.remove_reader(listening)
                if not self._stopped:
                    self._board.loop.call_later(TICK, self._listen_to, listening)
                return
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upgrades = listening is self._listening[1]
            line = functools.partial(HttpProtocol, self._board, upgrades=upgrades)
            arriving = self._board.loop.create_task(self._board.loop.connect_accepted_socket(line, connected))
            self._arriving.add(arriving)
            arriving.add_done_callback(self._arriving.discard)

    def _tick(self) -> None:
        self._board.driver.tick()
        self._board.loop.call_later(TICK, self._tick)

    async def _leave(self) -> None:
        for listening in self._listening:
            self._board.loop.remove_reader(listening)
            listening.close()
        await asyncio.gather(*self._arriving, return_exceptions=True)
        for line in list(self._board.lines):
            line.leave()


def _listen(host: str, port: int, purpose: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port, purpose) from error
        raise
    listening.setblocking(False)
    return listening


def _netloc(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True)
class ServerState:
    """With nobody connected and no handler running, all of it is 0 but `workers`."""

    lines: int  # TCP connections, those that are arriving included
    requests: int  # HTTP requests that wait for their answer
    handshakes: int  # that wait for $connect
    connections: int  # WebSockets that are open on the wire
    known: int  # connections that the gateway's core knows
    peers: int  # addresses of clients that are kept
    invocations: int  # handlers that run
    tasks: int  # of the event loop
    workers: int  # threads, busy or kept for the next handler
