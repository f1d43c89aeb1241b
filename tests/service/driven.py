"""The reference client on the sockets of a gateway."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from pytest_sessionplugin import ConnectionClosed, Gateway, HandshakeRefused, WebSocket
from tests.service.client import Client
from tests.service.client_values import Close, Effect, Frame, Heard, Missed, Open, Send, WantToken

ROUNDS = 1000  # of frames and what follows from them, until something is wrong


class Driven:
    """Runs a client: does its effects on sockets, and keeps the news for its app."""

    def __init__(
        self, gateway: Gateway, session_id: str, token: Callable[[], str], now: Callable[[], datetime], client: Client
    ) -> None:
        self.client = client
        self.news: list[Effect] = []
        self.sockets: dict[int, WebSocket] = {}
        self._gateway = gateway
        self._session_id = session_id
        self._token = token
        self._now = now
        self.perform(client.start(now()))

    @property
    def numbers(self) -> list[int | tuple[int, int]]:
        """Events that were heard, and ranges that were missed."""
        told: list[int | tuple[int, int]] = []
        for one in self.news:
            if isinstance(one, Missed):
                told.append((one.first, one.last))
            elif isinstance(one, Heard) and one.frame["type"] in ("message", "session.updated", "session.ended"):
                told.append(one.frame["seq"])
        return told

    def asks(self, **action: object) -> None:
        self.perform(self.client.ask(action, self._now()))

    def drop(self) -> None:
        """Loses the line."""
        for number in list(self.sockets):
            self.sockets.pop(number).drop()
            self.perform(self.client.closed(number, 1006, self._now()))

    def close(self) -> None:
        self.perform(self.client.close(self._now()))

    def settle(self) -> None:
        """Reads all frames that have come, and does what is due."""
        for _ in range(ROUNDS):
            done = self.client.tick(self._now())
            self.perform(done)
            for number, socket in list(self.sockets.items()):
                effects = self._read(number, socket)
                self.perform(effects)
                done += effects
            if not done:
                return
        raise AssertionError("The client does not come to rest.")

    def perform(self, effects: list[Effect]) -> None:
        """Does effects, and those that follow at once."""
        while effects:
            effect, *effects = effects
            match effect:
                case Open(number, replaces):
                    effects += self._open(number, replaces)
                case Send(number, frame):
                    with suppress(ConnectionClosed):  # which is read next
                        self.sockets[number].send_json(frame)
                case Close(number):
                    if number in self.sockets:
                        self.sockets.pop(number).close()
                case WantToken():
                    effects += self.client.refresh(self._token(), self._now())
                case news:
                    self.news.append(news)

    def _open(self, number: int, replaces: str | None) -> list[Effect]:
        params = {"sessionId": self._session_id, **({"replaces": replaces} if replaces else {})}
        try:
            self.sockets[number] = self._gateway.websocket("/", params=params, token=self._token())
        except HandshakeRefused as refused:
            code = refused.json().get("code", "")
            return self.client.refused(number, self._now(), refused.status_code, code)
        return self.client.opened(number, self._now())

    def _read(self, number: int, socket: WebSocket) -> list[Effect]:
        effects: list[Effect] = []
        for received in socket:
            frame: Frame = received.json()
            effects += self.client.received(number, frame, self._now())
        for one in socket.frames:
            if one.direction == "closed":
                del self.sockets[number]
                effects += self.client.closed(number, int(str(one.data).split()[0]), self._now())
        return effects
