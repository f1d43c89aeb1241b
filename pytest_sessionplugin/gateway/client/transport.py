"""The interface between a test's client and a gateway, and its exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pytest_sessionplugin.gateway.values import Headers, Reply


@dataclass(frozen=True)
class Urls:
    """Where other clients reach the gateway: http(s)://… and ws(s)://…, without a trailing slash.

    An empty one was not given for a deployed stage.
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
    """A deployed stage does not answer, or cannot be trusted; the message names the host."""


class ClientConnection(Protocol):
    """The client's end of one WebSocket."""

    @property
    def connection_id(self) -> str | None: ...

    @property
    def subprotocol(self) -> str | None: ...

    def send(self, data: str | bytes, frame_bytes: int | None) -> Ended | None:
        """Sends a message in frames of that many bytes. Returns the end instead if the connection has ended."""

    def waiting(self) -> bool:
        """Whether take() would return something."""

    def take(self) -> str | Ended | None:
        """The next message that is here; the end once all were taken; None if neither is here."""

    def close(self, code: int | None, reason: str) -> None:
        """The closing handshake; does nothing if the connection has ended."""

    def drop(self) -> None:
        """Leaves without a close frame."""


class Transport(Protocol):
    """Takes requests and WebSockets to a gateway. Every method may be called from any thread."""

    @property
    def urls(self) -> Urls | None:
        """Where other clients reach the gateway; None in process."""

    @property
    def patience(self) -> float | None:
        """Seconds that settle() waits for a message; None if it can tell that none will come."""

    def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply: ...

    def connect(self, target: str, headers: Headers) -> ClientConnection:
        """Raises Refused."""

    def settle(self, connection: ClientConnection | None = None) -> None:
        """Returns when no handler runs and every message is at hand. Raises NotQuiet.

        For a connection it is enough that a message or its end is at hand.
        """

    def close(self) -> None: ...
