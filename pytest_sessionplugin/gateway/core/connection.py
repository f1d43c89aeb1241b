"""A WebSocket connection as API Gateway sees it, and its states."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class State(Enum):
    PENDING = auto()  # $connect runs: the client waits for its 101, and posts to it answer 410
    OPEN = auto()  # frames flow both ways
    CLOSED = auto()  # gone; only its $disconnect may still run


_NEXT = {
    State.PENDING: {State.OPEN, State.CLOSED},
    State.OPEN: {State.CLOSED},
    State.CLOSED: set[State](),
}


class IllegalTransition(Exception):
    """A bug in the gateway: a connection was moved to a state that cannot follow its own."""

    def __init__(self, connection_id: str, old: State, new: State) -> None:
        super().__init__(f"connection {connection_id} cannot go from {old.name} to {new.name}")
        self.connection_id, self.old, self.new = connection_id, old, new


@dataclass(slots=True)
class Connection:
    """Times are seconds since the epoch."""

    id: str
    source_ip: str
    user_agent: str | None  # None if the client sent none
    connected_at: float
    last_active: float  # the last data in either direction; a ping is not data
    host: str = ""  # by which the client reached the API
    backlogged: bool = False
    disconnect_lost: bool = False
    state: State = State.PENDING

    def touch(self, now: float) -> None:
        self.last_active = now

    def backlog(self, full: bool) -> None:
        """Posts answer 429 while the client's backlog is full."""
        self.backlogged = full

    def lose_disconnect(self) -> None:
        """Its `$disconnect` will not run."""
        self.disconnect_lost = True

    def become(self, state: State) -> None:
        if state not in _NEXT[self.state]:
            raise IllegalTransition(self.id, self.state, state)
        self.state = state
