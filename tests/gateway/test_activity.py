"""Two gateways of one account: in process, on sockets, and one of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_sessionplugin.gateway.activity import Activity
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from tests.gateway.activity import ActivityContract, Pair
from tests.gateway.app import API, App
from tests.gateway.gateways import in_process, on_sockets

Open = Callable[..., GatewayClient]


@contextmanager
def opened(first: Open, second: Open) -> Iterator[Pair]:
    app, other, activity = App(), App(), Activity()
    with first(API, app, activity=activity) as here, second(API, other, activity=activity) as there:
        app.gateway = other.gateway = there
        yield Pair(here, there, app, other)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with opened(in_process, in_process) as pair:
        yield pair


class TestInProcess(ActivityContract):
    pass


@pytest.mark.sockets
class TestOnSockets(ActivityContract):
    @pytest.fixture
    def pair(self) -> Iterator[Pair]:
        with opened(on_sockets, on_sockets) as pair:
            yield pair

    def test_each_has_urls_of_its_own(self, pair: Pair) -> None:
        assert pair.here.urls != pair.there.urls


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("first", "second"),
    [(in_process, on_sockets), (on_sockets, in_process)],
    ids=["from in process", "from sockets"],
)
def test_one_in_process_and_one_on_sockets_become_quiet_together(first: Open, second: Open) -> None:
    with opened(first, second) as pair, pair.here.websocket() as alice, pair.there.websocket() as bob:
        for number in range(20):
            alice.send_text(f"post {bob.connection_id} {number}")
            assert bob.receive_text() == str(number)
            bob.receive_nothing()


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
