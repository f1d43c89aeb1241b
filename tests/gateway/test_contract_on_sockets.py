"""The gateway on real sockets keeps the same contract as the one in process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_sessionplugin.gateway.client import Gateway
from tests.unit.gateway.app import API, App
from tests.unit.gateway.contract import GatewayContract


class TestContract(GatewayContract):
    @pytest.fixture
    def gateway(self, app: App) -> Iterator[Gateway]:
        with Gateway.on_sockets(API, app) as app.gateway:
            yield app.gateway
