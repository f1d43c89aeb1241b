import pytest


@pytest.fixture
def seller(chalice_gateway, jwt_tokens):
    return chalice_gateway.http(token=jwt_tokens("sam"))


@pytest.fixture
def bidder(chalice_gateway, jwt_tokens):
    return chalice_gateway.http(token=jwt_tokens("bea"))


@pytest.fixture
def lot(seller):
    """The path of a lot that starts at 100."""
    return f"/lots/{seller.post('/lots', json={'title': 'A clock', 'price': 100}).json()['lotId']}"


@pytest.fixture
def watching(chalice_gateway, lot):
    """Opens a WebSocket that watches the lot."""
    return lambda: chalice_gateway.websocket("/", params={"lot": lot.removeprefix("/lots/")})
