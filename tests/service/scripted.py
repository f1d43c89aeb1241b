"""A script of frames, closes and time for the reference client, and its effects in short."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chalicelib.model import rfc3339
from tests.service.client import Client
from tests.service.client_values import (
    Effect,
    Frame,
    Heard,
    Missed,
    Open,
    Over,
    Send,
    State,
)
from tests.service.fakes import NOON, Clock

LIMITS = {"gapSeconds": 5, "pingSeconds": 45}


@dataclass
class Driver:
    """A client, its clock, and the sockets that it opens."""

    client: Client = field(default_factory=lambda: Client(lambda: 0.5))
    clock: Clock = field(default_factory=Clock)

    def start(self) -> list[Effect]:
        return self.client.start(self.clock())

    def open(self, socket: int = 1) -> list[Effect]:
        return self.client.opened(socket, self.clock())

    def gets(self, frame: Frame, socket: int = 1) -> list[Effect]:
        return self.client.received(socket, frame, self.clock())

    def closes(self, code: int = 1006, socket: int = 1) -> list[Effect]:
        return self.client.closed(socket, code, self.clock())

    def refused(
        self, status: int | None = None, code: str = "", retry_after: float = 0, socket: int = 1
    ) -> list[Effect]:
        return self.client.refused(socket, self.clock(), status, code, retry_after)

    def asks(self, **action: Any) -> list[Effect]:
        return self.client.ask({"action": "publish", "data": 1, **action}, self.clock())

    def after(self, seconds: float) -> list[Effect]:
        """The effects of so many seconds, each at its time."""
        end, done = self.clock() + timedelta(seconds=seconds), []
        while (due := self.client.due) is not None and due <= end:
            self.clock.now = max(due, self.clock.now)
            done += self.client.tick(self.clock())
        self.clock.now = end
        return done

    def welcome(self, to: list[Effect], seq: int = 0, socket: int = 1, **fields: Any) -> list[Effect]:
        """The answer to the hello among the effects."""
        hello = next(one.frame for one in to if isinstance(one, Send) and one.frame["action"] == "hello")
        return self.gets(welcome(seq, replyTo=hello["id"], **fields), socket)

    def wait(self) -> float:
        """Seconds until the next thing is due."""
        assert self.client.due is not None
        return (self.client.due - self.clock()).total_seconds()


def welcome(seq: int, lasts: float = 86_400, durable: bool = True, version: int = 1, **fields: Any) -> Frame:
    return {
        "type": "welcome",
        "connectionId": "one=",
        "seq": seq,
        "events": [],
        "recovered": True,
        "session": {"version": version, "durable": durable},
        "reconnectAt": rfc3339(NOON + timedelta(minutes=110)),
        "tokenExpiresAt": rfc3339(NOON + timedelta(seconds=lasts)),
        "limits": LIMITS,
        **fields,
    }


def message(seq: int) -> Frame:
    return {"type": "message", "seq": seq}


def pong(seq: int = 0, version: int = 1, **fields: Any) -> Frame:
    return {"type": "pong", "seq": seq, "version": version, **fields}


def live(seq: int = 0, client: Client | None = None, **fields: Any) -> Driver:
    driver = Driver(client or Client(lambda: 0.5))
    driver.start()
    driver.welcome(driver.open(), seq, **fields)
    assert driver.client.state is State.LIVE
    return driver


def numbers(effects: list[Effect]) -> list[int | tuple[int, int]]:
    """Events that the app hears, and ranges that it missed."""
    return [
        (one.first, one.last) if isinstance(one, Missed) else one.frame["seq"]
        for one in effects
        if isinstance(one, Missed) or (isinstance(one, Heard) and one.frame["type"] != "welcome" and "seq" in one.frame)
    ]


def actions(effects: list[Effect]) -> list[str]:
    return [one.frame["action"] for one in effects if isinstance(one, Send)]


def ended(effects: list[Effect]) -> str | None:
    return next((one.code for one in effects if isinstance(one, Over)), None)


def dropped(seq: int = 2, **fields: Any) -> tuple[Driver, list[Effect]]:
    """A client that comes back, and its effects up to `hello`."""
    driver = live(seq, **fields)
    driver.closes()
    done = driver.after(1)
    assert done == [Open(2, "one=", renew=False)]
    return driver, driver.open(2)
