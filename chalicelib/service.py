"""Wires the service by its settings, and probes its tables. Imported when the first request comes."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from chalicelib import dynamodb
from chalicelib.delivery import Delivery, ManagementApi
from chalicelib.errors import Unavailable
from chalicelib.keys import Keys, StoredText, keys_of, local_key
from chalicelib.logs import log
from chalicelib.memory import MemoryStore
from chalicelib.settings import Settings, from_environment
from chalicelib.storage import Store

READY_WITHIN: Final = 0.3  # seconds that a readiness probe waits for the tables
FRESH: Final = 5.0  # seconds for which the outcome of a probe is used


@dataclass(frozen=True)
class Service:
    settings: Settings
    keys: Keys
    store: Store | MemoryStore
    delivery: Delivery
    readiness: Readiness


def build(environment: Mapping[str, str], root: Path, clock: Callable[[], datetime]) -> Service:
    """The service that `environment` describes; the key of a checkout is in `root`. Raises SettingsError."""
    settings = from_environment(environment, lambda: local_key(root / ".chalice" / "local" / "key"))
    store, probe = _store(settings)
    return Service(
        settings,
        keys_of(settings.tokens, lambda reference: StoredText(reference, settings.region)),
        store,
        Delivery(store, ManagementApi(), clock=clock, random=random.random),
        Readiness(probe, time.monotonic),
    )


def _store(settings: Settings) -> tuple[Store | MemoryStore, Callable[[], None]]:
    """The store, and a probe that raises unless it answers."""
    if settings.tables is None:
        memory = MemoryStore()
        return memory, memory.answers
    client, impatient = dynamodb.clients(settings.region, None, READY_WITHIN)
    return Store(client, settings.tables), Store(impatient, settings.tables).answers


class Readiness:
    """Caches a probe; `probe` raises when the service cannot do its work, `monotonic` gives seconds."""

    def __init__(self, probe: Callable[[], None], monotonic: Callable[[], float]) -> None:
        self._probe = probe
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._ready = False

    def check(self) -> None:
        """Raises Unavailable if the probe failed now, or within the last five seconds."""
        with self._lock:
            now = self._monotonic()
            if self._asked_at is None or now - self._asked_at >= FRESH:
                self._ready = self._probes()
                self._asked_at = now
            if not self._ready:
                raise Unavailable("A table")

    def _probes(self) -> bool:
        try:
            self._probe()
        except Exception:  # noqa: BLE001  whatever it is, the service cannot do its work
            log.exception("the service is not ready")
            return False
        return True
