"""Clients that do not read, and what waits for each until it does, in order.

It sends nothing, and knows no connection: a name is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .values import MAX_BACKLOG, Close, Effect, Send

Held = Callable[[], None]
"""Called for each frame that has to wait, with the core locked: it may store, and nothing else."""


@dataclass
class _Client:
    held: Held
    waiting: list[Effect] = field(default_factory=list)
    size: int = 0  # bytes of the frames among them


class Stalled:
    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}

    def stall(self, connection_id: str, held: Held) -> None:
        self._clients.setdefault(connection_id, _Client(held))

    def keeps(self, effect: Effect) -> bool:
        """Whether an effect has to wait; then it is kept."""
        if not isinstance(effect, (Send, Close)) or effect.connection_id not in self._clients:
            return False
        client = self._clients[effect.connection_id]
        client.waiting.append(effect)
        if isinstance(effect, Send):
            client.size += len(effect.text.encode(errors="replace"))
            client.held()
        return True

    def is_full(self, connection_id: str) -> bool:
        """Whether more waits for a client than its line may hold."""
        return connection_id in self._clients and self._clients[connection_id].size > MAX_BACKLOG

    def resume(self, connection_id: str) -> list[Effect]:
        """What has waited for a client that reads again."""
        client = self._clients.pop(connection_id, None)
        return client.waiting if client else []
