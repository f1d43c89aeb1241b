"""The store in memory keeps the contract of all stores."""

from __future__ import annotations

import pytest

from chalicelib.memory import MemoryStore
from tests.service.stores import StoreContract


class TestContract(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()
