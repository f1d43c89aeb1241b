"""A store in memory, a session of alice in it, and deliveries that are only noted, for tests of use cases."""

from __future__ import annotations

import pytest

from chalicelib.memory import MemoryStore
from chalicelib.model import Session
from tests.service.fakes import Deliveries, new_session


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def session(store: MemoryStore) -> Session:
    return new_session(store)


@pytest.fixture
def deliver() -> Deliveries:
    return Deliveries()
