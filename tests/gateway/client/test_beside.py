"""Two gateways in process beside each other: the contract, and what only this shell promises."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pytest_sessionplugin.gateway.client.gateway import Gateway
from tests.gateway.app import API, App
from tests.gateway.beside import BesideContract, Pair


@pytest.fixture
def pair() -> Iterator[Pair]:
    app, other = App(), App()
    with Gateway.in_process(API, app) as here, Gateway.in_process(API, other, beside=here) as there:
        app.gateway = other.gateway = there
        yield Pair(here, there, app, other)


class TestContract(BesideContract):
    pass


@pytest.mark.parametrize("in_a_thread", [False, True])
def test_what_a_handler_sets_off_at_the_other_runs_when_it_has_returned(pair: Pair, in_a_thread: bool) -> None:
    bob = pair.there.websocket()

    def job(event: Any) -> None:
        if in_a_thread:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(pair.app.manage, "DELETE", str(bob.connection_id)).result(10)
        else:
            pair.app.manage("DELETE", str(bob.connection_id))
        pair.other.log.append("job ends")

    pair.app.job = job  # type: ignore[method-assign]
    pair.here.invoke("job")
    assert pair.other.log[1] == "job ends"
    assert pair.other.log[2][0] == "disconnect"


def test_a_handler_that_is_a_client_of_the_other_waits_for_nobody(pair: Pair) -> None:
    bob = pair.there.websocket()

    def job(event: Any) -> Any:
        bob.send_text("echo from within")
        pair.there.settle()
        return pair.there.http().get("/echo").status_code

    pair.app.job = job  # type: ignore[method-assign]
    assert pair.here.invoke("job") == 200
    assert bob.receive_text() == "from within"


def test_a_gateway_of_another_kind_is_a_mistake(pair: Pair) -> None:
    with pytest.raises(TypeError, match="on sockets can only be beside another one on sockets"):
        Gateway.on_sockets(API, App(), beside=pair.here)


def test_a_gateway_that_stands_alone_has_no_neighbours(pair: Pair) -> None:
    with pytest.raises(LookupError, match="knows no other one, and so none of services/other"):
        pair.here.of("services/other")
