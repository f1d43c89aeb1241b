"""A room with presence on the store in memory, and the clients in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib import connections, conversations
from chalicelib.delivery import Answer, Delivery
from chalicelib.frames import Envelope
from chalicelib.memory import MemoryStore
from chalicelib.model import Draft, Session
from chalicelib.presence import TellingDelivery
from tests.service.client_values import People
from tests.service.fakes import NOON, UNLIMITED, Clock, Management, connection, new_session, unverified
from tests.service.walked import Inline

LONG_AGO = NOON - timedelta(minutes=1)


class Room:
    """A session of alice with presence, and clients who hear who is in. A client of `gone` has lost its socket."""

    def __init__(self, store: MemoryStore | None = None, **draft: Any) -> None:
        self.store = store or MemoryStore()
        self.clock = Clock()
        self.session = new_session(self.store, Draft(**{"presence": True, **draft}))
        self.gone: set[str] = set()
        self.management = Management(lambda one: Answer.GONE if one in self.gone else Answer.DONE)
        self.pictures: dict[str, People] = {}
        self.deliver = TellingDelivery(
            Delivery(self.store, self.management, clock=self.clock, random=lambda: 0.0, executor=Inline()), self.store
        )

    @property
    def told(self) -> dict[str, Any]:
        """Arguments of each use case that tells."""
        return {"store": self.store, "deliver": self.deliver, "now": self.clock.now, "correlation_id": "c"}

    def connect(self, connection_id: str, subject: str | None = None, at: datetime = LONG_AGO, **known: Any) -> None:
        joined = connection(self.session.session_id, connection_id, subject or connection_id, connected_at=at)
        joined = replace(joined, presence=self.session.presence, **known)
        self.store.connect(joined)

    def say(self, connection_id: str, action: str, **fields: Any) -> Mapping[str, Any]:
        return conversations.receive(
            Envelope(None, {"action": action, **fields}),
            connection_id,
            authenticate=unverified,
            limits=UNLIMITED,
            **self.told,
        )

    def hello(self, connection_id: str) -> Mapping[str, Any]:
        welcome = self.say(connection_id, "hello")
        self.hear()
        self.pictures.setdefault(connection_id, People()).welcome(dict(welcome))
        return welcome

    def enter(self, connection_id: str, subject: str | None = None, **known: Any) -> Mapping[str, Any]:
        self.connect(connection_id, subject, **known)
        return self.hello(connection_id)

    def leave(self, connection_id: str) -> list[tuple[str, Mapping[str, Any]]]:
        connections.disconnect(connection_id, **self.told)
        self.pictures.pop(connection_id, None)
        return self.hear()

    def hear(self) -> list[tuple[str, Mapping[str, Any]]]:
        """The frames since the last time, and to whom they went."""
        heard = [(to, json.loads(text)) for to, text in self.management.posts]
        self.management.posts.clear()
        for to, frame in heard:
            if frame["type"] == "presence":
                self.pictures.setdefault(to, People()).presence(frame)
        return heard

    def sees(self, connection_id: str) -> set[str]:
        return set(self.pictures[connection_id].there)

    def stored(self) -> Session:
        found = self.store.find_session(self.session.session_id)
        assert found is not None
        return found
