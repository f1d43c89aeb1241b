"""A transport and a connection that answer from lists."""

from __future__ import annotations

from collections import deque

from pytest_sessionplugin.gateway.client.request import HeaderMap, SentRequest
from pytest_sessionplugin.gateway.client.response import Response
from pytest_sessionplugin.gateway.client.transport import ClientConnection, Ended, Refused, Urls
from pytest_sessionplugin.gateway.values import Headers, Reply


class FakeConnection:
    connection_id = "alice"

    def __init__(self, *messages: str | Ended, subprotocol: str | None = None) -> None:
        self.subprotocol = subprotocol
        self.messages = deque(messages)
        self.sent: list[str | bytes | tuple[int | None, str]] = []

    def send(self, data: str | bytes, frame_bytes: int | None) -> Ended | None:
        if self.messages and isinstance(self.messages[0], Ended):
            return self.messages[0]
        self.sent.append(data)
        return None

    def waiting(self) -> bool:
        return bool(self.messages)

    def take(self) -> str | Ended | None:
        return self.messages.popleft() if self.messages else None

    def close(self, code: int | None, reason: str) -> None:
        self.sent.append((code, reason))

    def drop(self) -> None:
        self.sent.append("dropped")


OK = Reply(200)


def response(reply: Reply, target: str = "/") -> Response:
    return Response(reply, SentRequest("GET", f"https://rest.example/api{target}", target, HeaderMap(())))


class FakeTransport:
    urls = None
    base_urls = Urls("https://rest.example/api", "wss://socket.example/api")

    def __init__(
        self, reply: Reply = OK, *, connection: FakeConnection | None = None, patience: float | None = None
    ) -> None:
        self.reply, self.connection, self.patience = reply, connection, patience
        self.asked: list[tuple[str, str, Headers, bytes]] = []
        self.closed = False

    def request(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
        self.asked.append((method, target, headers, body))
        return self.reply

    def connect(self, target: str, headers: Headers) -> ClientConnection:
        if self.connection is None:
            raise Refused(self.reply)
        self.asked.append(("CONNECT", target, headers, b""))
        return self.connection

    def settle(self, connection: ClientConnection | None = None) -> None:
        pass

    def close(self) -> None:
        self.closed = True
