"""Sleeps of the SDK: back-off is counted and takes no time, in each retry mode; what else sleeps is passed on."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.aws.sleeps import change_aiobotocore, taken_by
from tests.aws.opened import Opened
from tests.aws.rooms import client

pytestmark = pytest.mark.emulator


class Sleepless:
    """Counts, by kind."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, float]] = []

    def waited(self, seconds: float) -> None:
        self.taken.append(("waited", seconds))

    def held_back(self, seconds: float) -> None:
        self.taken.append(("held back", seconds))

    def sleep(self, seconds: float) -> None:
        self.taken.append(("slept", seconds))


def retrying(mode: str) -> Any:
    from botocore.config import Config

    retries: Any = {"mode": mode, "max_attempts": 4}
    return client(config=Config(retries=retries))


@pytest.fixture
def real_waits(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """Each sleep of this thread, and each wait for a condition, as token buckets have."""
    found: list[float | None] = []
    this, sleep, wait = threading.get_ident(), time.sleep, threading.Condition.wait

    def recorded_sleep(seconds: float) -> None:
        if threading.get_ident() == this:
            found.append(seconds)
        sleep(seconds)

    def recorded_wait(condition: threading.Condition, timeout: float | None = None) -> bool:
        if threading.get_ident() == this:
            found.append(timeout)
        return wait(condition, timeout)

    monkeypatch.setattr(time, "sleep", recorded_sleep)
    monkeypatch.setattr(threading.Condition, "wait", recorded_wait)
    return found


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
def test_back_off_of_each_mode_is_counted_and_takes_no_time(
    aws: Opened, calls: Calls, faults: Faults, real_waits: list[float | None], mode: str
) -> None:
    dynamodb = retrying(mode)
    faults.throttled("dynamodb:ListTables", times=2)
    for _ in range(12):
        dynamodb.list_tables()
    assert real_waits == []
    assert calls.retries == 2
    assert calls.backoff > 0


def test_an_adaptive_client_waits_less_as_time_goes_on(aws: Opened, calls: Calls, faults: Faults) -> None:
    """Its waits are time, too: a bucket that saw none of it would hold each call back for two seconds."""
    dynamodb = retrying("adaptive")
    faults.throttled("dynamodb:ListTables", times=2)
    for _ in range(12):
        dynamodb.list_tables()
    before = calls.backoff
    for _ in range(12):
        dynamodb.list_tables()
    assert calls.backoff - before < before / 2


def test_a_client_that_is_kept_does_not_wait_for_a_time_that_has_gone_back(
    aws: Opened, calls: Calls, faults: Faults
) -> None:
    time_machine = pytest.importorskip("time_machine")
    dynamodb = retrying("adaptive")
    with time_machine.travel(time.time() + 864000, tick=False):
        faults.throttled("dynamodb:ListTables", times=2)
        dynamodb.list_tables()
    before = calls.backoff
    dynamodb.list_tables()
    assert calls.backoff - before < 60


def test_waiters_and_limited_transfers_sleep_where_they_are_told() -> None:
    import botocore.endpoint
    import botocore.waiter
    from botocore.retries.bucket import Clock, TokenBucket
    from s3transfer.bandwidth import TimeUtils

    endpoint, waiter, transfer, sleeps = botocore.endpoint, botocore.waiter, TimeUtils(), Sleepless()
    bucket = TokenBucket(max_rate=1, clock=Clock())  # which begins empty
    with taken_by(sleeps):
        endpoint.time.sleep(1)  # type: ignore[attr-defined]
        waiter.time.sleep(2)  # type: ignore[attr-defined]
        transfer.sleep(3)
        assert bucket.acquire(1)
        assert endpoint.time.time() > 0  # type: ignore[attr-defined]
    assert sleeps.taken[:3] == [("waited", 1), ("slept", 2), ("slept", 3)]
    assert endpoint.time is waiter.time is time  # type: ignore[attr-defined]
    assert "acquire" in TokenBucket.acquire.__qualname__
    assert TimeUtils.sleep.__module__ == "s3transfer.bandwidth"


def test_a_client_of_the_block_sleeps_by_itself_after_it() -> None:
    from botocore.retries.standard import RetryHandler

    handler: Any = RetryHandler
    if "sleep" not in handler.__init__.__code__.co_varnames:
        pytest.skip("this botocore gives up a poll without a sleep")
    sleeps = Sleepless()
    before = handler(None, None, None)
    with taken_by(sleeps):
        within = handler(None, None, None)
        before._sleep(1)
        within._sleep(2)
    assert sleeps.taken == [("held back", 1), ("held back", 2)]
    assert before._sleep is within._sleep is time.sleep


# --- aiobotocore


def test_the_back_off_of_aiobotocore_is_counted_while_somebody_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class AioEndpoint:
        async def _sleep(self, seconds: float) -> None:
            await module.asyncio.sleep(seconds)

    class AnyioEndpoint(AioEndpoint):
        async def _sleep(self, seconds: float) -> None:
            raise AssertionError("really slept")

    class AsyncTokenBucket:
        async def _wait_for_new_fill_rate(self, seconds: float) -> None:
            await asyncio.sleep(seconds)

    module: Any = SimpleNamespace(asyncio=asyncio, AioEndpoint=AioEndpoint, AnyioEndpoint=AnyioEndpoint)
    taken: list[Sleepless] = [Sleepless()]
    for each in (module, SimpleNamespace(AsyncTokenBucket=AsyncTokenBucket)):
        change_aiobotocore(each, lambda: taken[0] if taken else None)
    for kind in (AioEndpoint, AnyioEndpoint):
        asyncio.run(kind()._sleep(20.0))
    asyncio.run(AsyncTokenBucket()._wait_for_new_fill_rate(30.0))
    assert taken[0].taken == [("waited", 20.0), ("waited", 20.0), ("held back", 30.0)]
    assert module.asyncio.Lock is asyncio.Lock

    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    taken.clear()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    asyncio.run(AioEndpoint()._sleep(40.0))
    asyncio.run(AsyncTokenBucket()._wait_for_new_fill_rate(50.0))
    assert slept == [40.0, 50.0]
