"""An app of the tests' own, behind a gateway on real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from tests.gateway.app import API, App
from tests.gateway.gateways import on_sockets


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def gateway(app: App, caplog: pytest.LogCaptureFixture) -> Iterator[GatewayClient]:
    """Nothing that a client does makes the loop log an error."""
    with on_sockets(API, app) as app.gateway:
        yield app.gateway
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
