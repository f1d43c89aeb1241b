"""The interface between a test's client and a gateway, and its exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from pytest_sessionplugin.gateway.values import Headers, Reply


@dataclass(frozen=True)
class Urls:
    """Where other clients reach the gateway: http(s)://… and ws(s)://…, without a trailing slash.

    An empty one was not given for a deployed stage.
    """

    http: str
    websocket: str


OF_CONNECTIONS = frozenset({"connection", "content-length", "transfer-encoding"})
"""Headers that a transport sends by itself."""


def url_of(base: str, target: str) -> str:
    """The URL of a target below `base`, which may end with the stage."""
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}{below(parts.path, target)}"


def target_of(base: str, url: str) -> str | None:
    """The target that url_of() makes this URL of; None for a URL that is not below `base`."""
    there, here = urlsplit(base), urlsplit(url)
    if (here.scheme, here.netloc.rpartition("@")[2]) != (there.scheme, there.netloc):
        return None
    path = here.path or "/"
    if there.path and path != there.path and not path.startswith(f"{there.path}/"):
        return None
    return (path[len(there.path) :] or "/") + (f"?{here.query}" if here.query else "")


def not_this_app(base: str) -> str:
    """The rest of a sentence that begins with a host."""
    return f"is not the host of this app, whose URLs begin with {base}"


def below(prefix: str, target: str, *, root: str = "/") -> str:
    """The target below the stage, which may be in front of it already, as in a Location.

    `root` replaces the path "/" there.
    """
    path, mark, query = target.partition("?")
    if path == "/":
        path = prefix + root
    elif prefix and path != prefix and not path.startswith(f"{prefix}/"):
        path = prefix + path
    return f"{path or '/'}{mark}{query}"


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

    __module__ = "pytest_sessionplugin"


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
    def base_urls(self) -> Urls:
        """The start of a URL, before a target. In process the URLs are those on AWS, and nothing listens there."""

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
