"""The gateway in process: the contract, and the promises of this transport alone."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import pytest

from pytest_sessionplugin.gateway.activity import NotQuiet
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.websocket import ConnectionClosed
from pytest_sessionplugin.gateway.values import Api, Invoke, Manage, Route
from tests.gateway.app import API, App
from tests.gateway.contract import GatewayContract, connection_id
from tests.gateway.gateways import in_process


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def gateway(app: App) -> Iterator[GatewayClient]:
    with in_process(API, app) as app.gateway:
        yield app.gateway


class TestContract(GatewayContract):
    pass


@pytest.fixture
def a_loop() -> Iterator[None]:
    """A running loop, as an async test has."""
    asyncio._set_running_loop(loop := asyncio.new_event_loop())
    try:
        yield
    finally:
        asyncio._set_running_loop(None)
        loop.close()


@pytest.mark.usefixtures("a_loop")
class TestContractInALoop(GatewayContract):
    pass


# --- in an async test

named: ContextVar[str] = ContextVar("named")


def running(function: Callable[[Any], Any]) -> GatewayClient:
    return in_process(Api(routes=(Route("/", frozenset({"GET"})),)), lambda invoke: function(invoke.event))


def test_a_handler_may_run_a_loop_of_its_own_in_an_async_test_and_sees_its_context() -> None:
    async def answer() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"statusCode": 200, "body": named.get()}

    async def test() -> str:
        named.set("alice")
        return chat.http().get("/").text

    with running(lambda event: asyncio.run(answer())) as chat:
        assert asyncio.run(test()) == "alice"


def test_functions_that_invoke_each_other_from_their_loops_know_in_whose_turn_they_are() -> None:
    seen: list[object] = []

    async def outer() -> object:
        chat.settle()  # at once, in a handler
        return chat.invoke("api_handler", {"inner": True})

    def function(event: Any) -> Any:
        if not event.get("inner"):
            return asyncio.run(outer())
        chat.settle()
        seen.append(asyncio.run(asyncio.sleep(0, "inner")))
        return "inner"

    async def test() -> object:
        return chat.invoke("api_handler", {})

    with running(function) as chat:
        assert asyncio.run(test()) == "inner"
        chat.settle()
    assert seen == ["inner"]


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, KeyboardInterrupt])
def test_an_error_of_a_handler_is_raised_in_an_async_test(error: type[BaseException]) -> None:
    def fail(event: Any) -> None:
        raise error("why")

    async def test() -> None:
        with pytest.raises(error, match="why") as raised:
            chat.invoke("api_handler", {})
        assert "fail" in [entry.name for entry in raised.traceback]

    with running(fail) as chat:
        asyncio.run(test())


def test_a_signal_ends_an_async_test_while_a_handler_goes_on() -> None:
    """As Ctrl-C, and time-outs by SIGALRM, do."""
    over, ended = threading.Event(), threading.Event()

    def hang(event: Any) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        over.wait(10)
        ended.set()

    def end_test(*_: object) -> None:
        raise TimeoutError

    async def test() -> None:
        with pytest.raises(TimeoutError):
            chat.invoke("api_handler", {})

    before = signal.signal(signal.SIGUSR1, end_test)
    try:
        with running(hang) as chat:
            asyncio.run(test())
            assert not ended.is_set()
            over.set()
            assert ended.wait(10)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_has_no_urls(gateway: GatewayClient) -> None:
    assert gateway.urls is None


def test_functions_run_in_the_callers_thread(gateway: GatewayClient, app: App) -> None:
    threads = []
    app.connect = lambda event: threads.append(threading.current_thread()) or {"statusCode": 200}  # type: ignore[method-assign,func-returns-value]
    gateway.websocket()
    assert threads == [threading.current_thread()]


def test_what_a_handler_sets_off_runs_when_it_has_returned_and_before_the_call_does(
    gateway: GatewayClient, app: App
) -> None:
    with gateway.websocket() as ws:
        ws.send_text("kick")
        assert app.log == [
            ("connect", ws.connection_id),
            204,
            "kicked",
            ("disconnect", ws.connection_id, 1000, "Connection Closed Normally"),
            410,
        ]


def test_what_is_observed_stays_though_a_function_changes_its_event(app: App) -> None:
    def forgetful(invoke: Invoke) -> Any:
        invoke.event["requestContext"].clear()
        return {"statusCode": 200}

    with in_process(API, forgetful) as gateway:
        gateway.websocket()
    events = [each.what.event for each in gateway.trace if isinstance(each.what, Invoke)]
    assert [event["requestContext"]["eventType"] for event in events] == ["CONNECT", "DISCONNECT"]


def test_what_a_thread_of_a_handler_sets_off_waits_for_the_handler_too(gateway: GatewayClient, app: App) -> None:
    ws = gateway.websocket()

    def job(event: Any) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(app.manage, "DELETE", connection_id(ws)).result(10)
        app.log.append("job ends")

    app.job = job  # type: ignore[method-assign]
    gateway.invoke("job")
    assert app.log[1] == "job ends"
    assert app.log[2][0] == "disconnect"


def test_a_call_of_the_test_itself_runs_what_it_sets_off(gateway: GatewayClient, app: App) -> None:
    ws = gateway.websocket()
    app.manage("DELETE", connection_id(ws))
    assert app.log[1][0] == "disconnect"


def test_a_handler_can_be_a_client_of_its_own_api(gateway: GatewayClient, app: App) -> None:
    """The inner request is answered at once; what the outer one set off still waits for the outer one."""
    ws = gateway.websocket()

    def job(event: Any) -> Any:
        app.manage("DELETE", connection_id(ws))
        status = gateway.http().get("/echo").status_code
        app.log.append("job ends")
        return status

    app.job = job  # type: ignore[method-assign]
    assert gateway.invoke("job") == 200
    assert app.log[1] == "job ends"
    assert app.log[2][0] == "disconnect"


def test_what_a_failing_job_set_off_still_runs(gateway: GatewayClient, app: App) -> None:
    ws = gateway.websocket()

    def job(event: Any) -> None:
        app.manage("DELETE", connection_id(ws))
        raise ValueError("after all")

    app.job = job  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="after all"):
        gateway.invoke("job")
    assert app.log[1][0] == "disconnect"


def test_a_test_that_ends_itself_in_a_handler_ends(gateway: GatewayClient, app: App) -> None:
    """pytest.fail() in a function is not an error of the app; pending work is left for the next call."""
    ws = gateway.websocket()

    def job(event: Any) -> None:
        app.manage("DELETE", connection_id(ws))
        pytest.fail("enough")

    app.message = job  # type: ignore[method-assign]
    other = gateway.websocket()
    with pytest.raises(pytest.fail.Exception, match="enough"):
        other.send_text("x")
    assert [entry[0] for entry in app.log] == ["connect", "connect"]
    gateway.settle()
    assert app.log[2][0] == "disconnect"


def test_settle_in_a_handler_returns_at_once(gateway: GatewayClient, app: App) -> None:
    app.message = lambda event: gateway.settle() or {"statusCode": 200}  # type: ignore[method-assign,func-returns-value]
    with gateway.websocket() as ws:
        ws.send_text("x")
        ws.receive_nothing()


def test_quiet_waits_for_the_handlers_of_other_threads(gateway: GatewayClient, app: App) -> None:
    with gateway.websocket() as alice, gateway.websocket() as bob, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(alice.send_text, "wait done")
        assert app.waiting.acquire(timeout=10)
        pool.submit(lambda: None)
        threading.Timer(0, app.gate.set).start()
        bob.receive_nothing()
        assert alice.receive_text() == "done"
        sending.result(10)


@pytest.mark.slow
def test_2000_checks_that_nothing_came_are_right_and_none_of_them_waits(
    gateway: GatewayClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them with a frame under way, from the handler of another client."""
    monkeypatch.setattr(threading.Condition, "wait", lambda *_: pytest.fail("it waits"))
    monkeypatch.setattr(time, "sleep", lambda *_: pytest.fail("it sleeps"))
    with gateway.websocket() as alice, gateway.websocket() as bob:
        for number in range(1000):
            bob.receive_nothing()
            alice.send_text(f"post {bob.connection_id} {number}")
            with pytest.raises(AssertionError, match=rf"expected no frame, received {number}\b"):
                bob.receive_nothing()
            assert bob.receive_text() == str(number)
            bob.frames.clear()  # each failure shows them all


def test_a_gateway_that_does_not_get_quiet_says_who_still_runs(
    gateway: GatewayClient, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_sessionplugin.gateway.client.inprocess.PATIENCE", 0.01)
    with gateway.websocket() as ws, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(ws.send_text, "wait done")
        assert app.waiting.acquire(timeout=10)
        with pytest.raises(NotQuiet, match="still running: message") as caught:
            gateway.settle()
        assert caught.value.running == ("message",)
        app.gate.set()
        sending.result(10)


class TestTime:
    @pytest.fixture
    def now(self) -> list[float]:
        return [1_000_000.0]

    @pytest.fixture
    def gateway(self, app: App, now: list[float]) -> Iterator[GatewayClient]:
        with in_process(API, app, clock=lambda: now[0]) as app.gateway:
            yield app.gateway

    def test_tick_does_what_has_fallen_due(self, gateway: GatewayClient, app: App, now: list[float]) -> None:
        ws = gateway.websocket()
        assert gateway.runtime.due() == 1_000_600.0
        now[0] = 1_000_600.0
        gateway.runtime.tick()
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive_text()
        assert (caught.value.code, caught.value.reason) == (1001, "Going away")
        assert app.log[1] == ("disconnect", ws.connection_id, 1001, "Going away")
        assert gateway.runtime.due() is None

    def test_a_handler_that_takes_29_seconds_is_a_504(self, gateway: GatewayClient, app: App, now: list[float]) -> None:
        def api_handler(event: Any) -> Any:
            now[0] += 29
            gateway.runtime.tick()
            return {"statusCode": 200}

        app.api_handler = api_handler  # type: ignore[method-assign]
        assert gateway.http().get("/echo").status_code == 504
        assert gateway.runtime.due() is None

    def test_a_message_that_takes_29_seconds_is_told_so(
        self, gateway: GatewayClient, app: App, now: list[float]
    ) -> None:
        ws = gateway.websocket()

        def message(event: Any) -> Any:
            now[0] += 29
            gateway.runtime.tick()
            raise ValueError("too late to matter")

        app.message = message  # type: ignore[method-assign]
        ws.send_text("x")
        assert ws.receive_json()["message"] == "Endpoint request timed out"
        ws.receive_nothing()

    def test_an_authorizers_answer_is_kept_by_the_clock(
        self, gateway: GatewayClient, app: App, now: list[float]
    ) -> None:
        http = gateway.http(headers={"Authorization": "garden"})
        for seconds in (0.0, 299.0, 1.0):
            now[0] += seconds
            assert http.get("/guarded/garden").status_code == 200
        assert app.log == [("guard", "garden")] * 2


def test_ids_are_the_ones_that_are_given(app: App) -> None:
    numbers = iter(range(100))
    with in_process(API, app, ids=lambda: f"id{next(numbers)}") as app.gateway:
        assert app.gateway.websocket().connection_id == "id0"


def test_the_default_ids_look_like_those_of_api_gateway(gateway: GatewayClient) -> None:
    ids = {connection_id(gateway.websocket()) for _ in range(20)}
    assert len(ids) == 20
    assert all(len(each) == 16 and each.endswith("=") and each.count("=") == 1 for each in ids)


def test_a_function_gets_an_event_of_its_own() -> None:
    """A change that a function makes to its event reaches neither the gateway nor the next function."""
    seen = []

    def function(invoke: Invoke) -> Any:
        seen.append(dict(invoke.event["requestContext"]))
        invoke.event["requestContext"].clear()
        return {"statusCode": 200}

    gateway = in_process(API, function)
    with gateway.websocket() as ws:
        ws.send_text("x")
        reply = gateway.runtime.manage(
            Manage("GET", API.host(API.websocket_api_id), f"/api/@connections/{ws.connection_id}")
        )
    assert reply.status == 200
    assert len({context["connectionId"] for context in seen}) == 1
