"""One app behind each of the three transports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.transport import Urls
from tests.gateway.app import API, App
from tests.gateway.gateways import in_process, on_sockets

TARGETS = [
    "inprocess",
    pytest.param("sockets", marks=pytest.mark.sockets),
    pytest.param("deployed", marks=pytest.mark.sockets),
]


@pytest.fixture(params=TARGETS)
def each_gateway(request: pytest.FixtureRequest, app: App) -> Iterator[GatewayClient]:
    """The test runs once in process, once on sockets and once with a stage that is reached by its URLs alone."""
    with (in_process if request.param == "inprocess" else on_sockets)(API, app) as app.gateway:
        if request.param != "deployed":
            yield app.gateway
            return
        from pytest_sessionplugin.gateway.client.deployed import Remote

        assert app.gateway.urls is not None
        urls = Urls(f"{app.gateway.urls.http}/api", f"{app.gateway.urls.websocket}/api")
        remote = Remote(urls, patience=20.0, lacking=LookupError, observe=lambda seen: None)
        with GatewayClient(remote, None) as gateway:
            yield gateway
