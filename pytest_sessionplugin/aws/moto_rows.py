"""The rows of moto (5.1 to 5.2) that end by TTL, as `ttl.Rows` describes them. Decides nothing of when they do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from moto.dynamodb.models import dynamodb_backends

BY_TTL = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
"""Who removed a row ("DynamoDB Streams and Time to Live" in the developer guide)."""


class TimedRows:
    """What moto holds in tables with TTL, of any account and region, as `ttl.Rows` describes it."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock

    def ends(self) -> list[float]:
        with self._lock:
            return [end for _, _, end in self._all()]

    def remove(self, ended: Callable[[float], bool]) -> None:
        with self._lock:
            for table, item in [(table, item) for table, item, end in self._all() if ended(end)]:
                table.delete_item(item.hash_key, item.range_key)
                if table.stream_shard is not None:
                    table.stream_shard.items[-1].record["userIdentity"] = BY_TTL

    def _all(self) -> Iterator[tuple[Any, Any, float]]:
        """Table, row, and the number in its TTL attribute."""
        for table in _dynamodb_tables():
            if table.ttl["TimeToLiveStatus"] == "ENABLED":
                name, ranged = table.ttl["AttributeName"], table.has_range_key
                for at_hash_key in table.items.values():
                    for item in at_hash_key.values() if ranged else [at_hash_key]:
                        value = item.attrs.get(name)
                        if value is not None and value.type == "N":
                            yield table, item, float(value.value)


def _dynamodb_tables() -> Iterator[Any]:
    for account in dynamodb_backends.values():
        for backend in account.values():
            yield from backend.tables.values()
