"""A store in memory, a session of alice in it, deliveries that are only noted, and alice behind the gateway."""

from __future__ import annotations

import pytest

from chalicelib.memory import MemoryStore
from chalicelib.model import Session
from pytest_sessionplugin import Gateway
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens
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


@pytest.fixture
def alice(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    """HTTP as the owner."""
    return chalice_gateway.http(token=jwt_tokens("alice"))
