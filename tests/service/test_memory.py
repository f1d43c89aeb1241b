"""The store in memory keeps the contract of all stores."""

from __future__ import annotations

import pytest

from chalicelib.memory import MemoryStore
from tests.service.stores import StoreContract
from tests.service.stores_events import EventStoreContract
from tests.service.stores_presence import PresenceStoreContract


class TestContract(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestEvents(EventStoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestPresence(PresenceStoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
