"""The real parts, put together: what the environment says, as one value. Imported when the first request comes."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chalicelib import dynamo
from chalicelib.delivery import Delivery, ManagementApi
from chalicelib.health import Readiness
from chalicelib.kept import Kept
from chalicelib.keys import Keys, keys_of
from chalicelib.local import MemoryStore, local_key
from chalicelib.settings import Settings, from_environment
from chalicelib.storage import Store

READY_WITHIN = 0.3  # seconds that a readiness probe waits for the tables


@dataclass(frozen=True)
class Service:
    settings: Settings
    keys: Keys
    store: Store | MemoryStore
    delivery: Delivery
    readiness: Readiness


def build(environment: Mapping[str, str], root: Path, clock: Callable[[], datetime]) -> Service:
    """The parts that `environment` names; `root` is where the key of a checkout lies. Raises SettingsError."""
    settings = from_environment(environment, lambda: local_key(root / ".chalice" / "local.key"))
    store, probe = _store(settings)
    return Service(
        settings,
        keys_of(settings.tokens, lambda reference: Kept(reference, settings.region)),
        store,
        Delivery(store, ManagementApi(), clock=clock, random=random.random),
        Readiness(probe, time.monotonic),
    )


def _store(settings: Settings) -> tuple[Store | MemoryStore, Callable[[], None]]:
    """The store, and what asks whether it answers."""
    if settings.tables is None:
        memory = MemoryStore()
        return memory, memory.answers
    impatient = Store(dynamo.connect(settings.region, patience=READY_WITHIN), settings.tables)
    return Store(dynamo.connect(settings.region), settings.tables), impatient.answers
