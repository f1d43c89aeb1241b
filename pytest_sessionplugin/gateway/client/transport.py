"""What the test's client needs of a gateway, in process or on sockets.

Only the interface and its exceptions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_sessionplugin.gateway.runtime import OnHeld
from pytest_sessionplugin.gateway.values import Claims, Done, Headers, Manage, Reply


@dataclass(frozen=True)
class Urls:
    """Where other clients reach the gateway: http(s)://… and ws(s)://…, without a trailing slash.

    Empty for what a deployed target does not name.
    """

    http: str
    websocket: str


@dataclass(frozen=True)
class Ended:
    """How a WebSocket ended: 1005 if no code was sent, 1006 if no close frame was."""

    code: int
    reason: str = ""


class Refused(Exception):
    """The gateway answered a handshake with this reply instead of 101."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"the handshake was refused with status {reply.status}")
        self.reply = reply


class Unreachable(ConnectionError):
    """Nobody answers at a deployed stage, or somebody who cannot be trusted; the message names the host."""


class ClientConnection(Protocol):
    """The client's end of one WebSocket."""

    @property
    def connection_id(self) -> str | None: ...

    @property
    def subprotocol(self) -> str | None: ...

    def send(self, data: str | bytes, frame_bytes: int | None) -> Ended | None:
        """Sends a message, cut into frames of so many bytes; gives the end instead if there is one."""

    def waiting(self) -> bool:
        """Whether take() would give something."""

    def take(self) -> str | Ended | None:
        """The next message that is here; the end once all were taken; None if neither is here."""

    def close(self, code: int | None, reason: str) -> None:
        """The closing handshake; nothing if the socket has ended already."""

    def drop(self) -> None:
        """Leaves without a close frame."""


class Transport(Protocol):
    """A gateway that a test can reach. Every method may be called from any thread."""

    @property
    def urls(self) -> Urls | None: ...

    @property
    def patience(self) -> float | None:
        """Seconds that settle() waits for something on a line; None where it knows that nothing will come."""

    def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply: ...

    def vouch(self, method: str, target: str, claims: Claims) -> tuple[str, str]:
        """A header with which this one request passes its route's authorizer, unasked, as somebody of these claims.

        Raises ValueError if the route has no authorizer, or one that cannot give them.
        """

    def connect(self, target: str, headers: Headers) -> ClientConnection:
        """Raises Refused."""

    def settle(self, line: ClientConnection | None = None) -> None:
        """Returns when no handler runs and every message is at hand. Raises NotQuiet.

        For a line it is enough that something is waiting for it.
        """

    def invoke(self, function: str, event: Any, request_id: str | None = None) -> Any:
        """Runs a function as `lambda:Invoke` does, with any JSON as its event; raises what it raises."""

    def invoke_later(self, function: str, event: Any, request_id: str, done: Done) -> None:
        """The same for a caller that does not wait: in process it runs when the function that asks has returned."""

    def manage(self, call: Manage) -> Reply: ...

    def stall(self, connection_id: str, held: OnHeld) -> None:
        """A client reads nothing until resume(): what is for it waits, and `held` is called for each frame."""

    def resume(self, connection_id: str) -> None: ...

    def lose_disconnect(self, connection_id: str) -> None:
        """The `$disconnect` of this connection will not run."""

    def at_rest(self, threads: Collection[int], invocations: Collection[str]) -> bool:
        """Whether nothing goes on before these invocations do, though these threads have not ended."""

    def due(self) -> float | None: ...

    def tick(self) -> None: ...

    def close(self) -> None: ...
