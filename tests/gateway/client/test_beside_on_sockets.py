"""Two gateways on real sockets beside each other keep the same contract as two in process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_sessionplugin.gateway.client.gateway import Gateway
from tests.gateway.app import API, App
from tests.gateway.beside import BesideContract, Pair


class TestContract(BesideContract):
    @pytest.fixture
    def pair(self) -> Iterator[Pair]:
        app, other = App(), App()
        with Gateway.on_sockets(API, app) as here, Gateway.on_sockets(API, other, beside=here) as there:
            app.gateway = other.gateway = there
            yield Pair(here, there, app, other)


def test_each_has_urls_of_its_own_and_one_in_process_cannot_be_beside_it() -> None:
    with Gateway.on_sockets(API, App()) as here, Gateway.on_sockets(API, App(), beside=here) as there:
        assert here.urls != there.urls
        with pytest.raises(TypeError, match="in process can only be beside another one in process"):
            Gateway.in_process(API, App(), beside=here)
