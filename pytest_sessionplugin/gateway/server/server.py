"""The gateway on real sockets: HTTP on one port, WebSocket on another, handlers in parallel threads.

    server = Server(api, functions, host="127.0.0.1", http_port=0, websocket_port=0)
    with server:  # or start() and stop()
        server.http_url, server.websocket_url  # "http://127.0.0.1:41234", "ws://127.0.0.1:41235"

`server.runtime.manage` answers the @connections calls that a hook of botocore finds.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import socket
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

from pytest_sessionplugin.gateway.activity import Activity, NotQuiet
from pytest_sessionplugin.gateway.runtime import PATIENCE, new_id
from pytest_sessionplugin.gateway.server.dispatcher import Address, Dispatcher, ServerState
from pytest_sessionplugin.gateway.server.http_protocol import HttpProtocol
from pytest_sessionplugin.gateway.values import (
    Api,
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
ARRIVALS = 64  # connections that are accepted in one go, before the open ones are looked at again
BACKLOG = 1024  # connections that the kernel may hold until they are accepted


class PortInUse(OSError):
    """Another process listens on the port that the server was given."""

    def __init__(self, host: str, port: int, purpose: str) -> None:
        super().__init__(
            errno.EADDRINUSE,
            f"port {port} on {host} is in use, so {purpose} cannot be served there: stop what "
            f"listens on it, or choose another port (0 takes a free one)",
        )
        self.host, self.port, self.purpose = host, port, purpose


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
        listening: Sequence[socket.socket] = (),
        clock: TimeSource = time.time,
        ids: Ids = new_id,
        observe: Observe | None = None,
        throttles: Throttles = never,
        grace: float = 5.0,
        activity: Activity | None = None,
        fault: Callable[[Manage], Reply | None] | None = None,
        explain: Callable[[str], None] = lambda why: None,
    ) -> None:
        """`listening`: sockets of both ports, from `listen`, if they are there already. `grace`: seconds that stop()
        gives running handlers. `activity`: that of the other gateways of the account.
        `fault`: gives the answer to a signed @connections call over the network that meets a fault, or None.
        `explain`: gets the `why` of answers to such calls.
        """
        self._host, self._ports = host, (http_port, websocket_port)
        self._grace = grace
        self._dispatcher = Dispatcher(
            api,
            functions,
            activity=activity or Activity(),
            clock=clock,
            ids=ids,
            observe=observe,
            throttles=throttles,
            fault=fault,
            explain=explain,
        )
        self.runtime = self._dispatcher.runtime
        self._loop: asyncio.AbstractEventLoop
        self._listening = list(listening)
        self._arriving: set[asyncio.Task[Any]] = set()
        self._addresses: list[str] = []
        self._stopped = False

    # --- life

    def start(self) -> Server:
        """Returns when both ports take connections. Raises PortInUse."""
        self._listening = self._listening or listen(self._host, *self._ports)
        self._addresses = [_netloc(listening) for listening in self._listening]
        self._dispatcher.start()
        self._dispatcher.on_loop(self._open())
        return self

    def stop(self) -> None:
        """Closes every WebSocket with 1001, and ends when the handlers have, $disconnect included.

        Cleans up first, then raises NotQuiet if a handler still runs after `grace` seconds, or the interrupt that a
        handler raised to end the test. Waits for no handler if the activity is abandoned.
        """
        if self._stopped or not self._dispatcher.is_running:
            return
        self._stopped = True
        raised: BaseException | None = None
        self._dispatcher.on_loop(self._leave())
        try:
            self._dispatcher.settle(self._grace)
        except BaseException as error:  # noqa: BLE001 - first everything is cleaned up
            raised = error
        self._dispatcher.on_loop(self._dispatcher.part(FAREWELL))
        given_up = isinstance(raised, NotQuiet) or self.runtime.activity.is_abandoned
        self._dispatcher.stop(0.0 if given_up else self._grace)
        if raised is not None:
            raise raised

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- for clients

    @property
    def http_url(self) -> str:
        return f"http://{self._addresses[0]}"

    @property
    def websocket_url(self) -> str:
        return f"ws://{self._addresses[1]}"

    def connection_id(self, client: Address) -> str | None:
        """The connection whose client has this address."""
        return self._dispatcher.connection_id(client)

    def settle(self, connection_id: str | None = None, arrived: int = 0) -> None:
        """Returns when no handler runs and every frame is written to its socket. Raises NotQuiet.

        For a connection it is enough that more than `arrived` messages were written to it, or that it ended.
        """
        self._dispatcher.settle(PATIENCE, connection_id, arrived)

    # --- for the command and for races

    def census(self) -> ServerState:
        """Counts what is open and runs at this moment."""
        return self._dispatcher.on_loop(self._census())

    def at_rest(self, asking: int, invocations: Collection[str]) -> bool:
        """Whether that many clients wait for an answer, and only these invocations run."""
        return self._dispatcher.on_loop(self._dispatcher.at_rest(asking, invocations))

    def hear(self) -> None:
        """Returns when everything that had arrived has been read."""
        self._dispatcher.on_loop(self._dispatcher.hear())

    def quiet(self, seconds: float, but: Collection[str] = ()) -> None:
        """Like settle(), with a limit in seconds. The invocations `but` may go on. Raises NotQuiet."""
        self._dispatcher.settle(seconds, but=but)

    # --- on the loop

    async def _census(self) -> ServerState:
        return await self._dispatcher.census(self._arriving)

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        for listening in self._listening:
            self._listen_to(listening)
        self._tick()

    def _listen_to(self, listening: socket.socket) -> None:
        self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        """Accepts the waiting connections. asyncio's own server loses some when it is closed meanwhile."""
        for _ in range(ARRIVALS):
            try:
                connected, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # the process has no file left for a connection: try again later
                self._loop.remove_reader(listening)
                if not self._stopped:
                    self._loop.call_later(TICK, self._listen_to, listening)
                return
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            upgrades = listening is self._listening[1]
            protocol = functools.partial(HttpProtocol, self._dispatcher, upgrades=upgrades)
            arriving = self._loop.create_task(self._loop.connect_accepted_socket(protocol, connected))
            self._arriving.add(arriving)
            arriving.add_done_callback(self._arriving.discard)

    def _tick(self) -> None:
        self.runtime.tick()
        self._loop.call_later(TICK, self._tick)

    async def _leave(self) -> None:
        for listening in self._listening:
            self._loop.remove_reader(listening)
            listening.close()
        await asyncio.gather(*self._arriving, return_exceptions=True)
        await self._dispatcher.leave()


def listen(host: str, http_port: int, websocket_port: int) -> list[socket.socket]:
    """Sockets that take connections for a server to come. Raises PortInUse."""
    listening: list[socket.socket] = []
    with contextlib.ExitStack() as closing:
        for port, purpose in ((http_port, "HTTP"), (websocket_port, "WebSocket")):
            listening.append(_listen(host, port, purpose))
            closing.callback(listening[-1].close)
        closing.pop_all()
    return listening


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
