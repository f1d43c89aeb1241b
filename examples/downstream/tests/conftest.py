"""Two people and a lot. The annotations are for editors and type checkers; pytest needs none."""

from collections.abc import Callable

import pytest

from pytest_sessionplugin import Gateway, HttpClient, Tokens, WebSocket


@pytest.fixture
def seller(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    return chalice_gateway.http(token=jwt_tokens("sam"))


@pytest.fixture
def bidder(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    return chalice_gateway.http(token=jwt_tokens("bea"))


@pytest.fixture
def lot(seller: HttpClient) -> str:
    """The path of a lot that starts at 100."""
    put_up = seller.post("/lots", json={"title": "A clock", "price": 100}).raise_for_status()
    return f"/lots/{put_up.json()['lotId']}"


@pytest.fixture
def watching(chalice_gateway: Gateway, lot: str) -> Callable[[], WebSocket]:
    """Opens a WebSocket that watches the lot."""
    return lambda: chalice_gateway.websocket("/", params={"lot": lot.removeprefix("/lots/")})
