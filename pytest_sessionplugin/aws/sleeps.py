"""Sleeps of botocore and s3transfer while an interceptor is in use.

Back-off between attempts is counted and takes no time, of all retry modes. A waiter, and a transfer with a limit of
bandwidth, sleep in the account, where a test may move time. Nothing here imports botocore before it is used.
"""

from __future__ import annotations

import importlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol


class Sleeps(Protocol):
    """Takes the sleeps of the SDK."""

    def waited(self, seconds: float) -> None:
        """botocore would sleep so long before its next attempt."""

    def held_back(self, seconds: float) -> None:
        """An adaptive client would sleep so long before a call, or any client after its last attempt of a poll."""

    def sleep(self, seconds: float) -> None:
        """A waiter or a transfer sleeps so long."""


@contextmanager
def taken_by(sleeps: Sleeps) -> Iterator[None]:
    """No sleep of the SDK, in clients old and new, is its own until the block ends."""
    endpoint, waiter = _module("botocore.endpoint"), _module("botocore.waiter")
    bucket, standard = _module("botocore.retries.bucket"), _module("botocore.retries.standard")
    bucket.Clock.current_time = _BUCKETS_TIME  # for good: a client that is kept would find itself in the future
    with ExitStack() as stack:
        for owner, name, new in (
            (endpoint, "time", _Time(_passing(sleeps.waited))),
            (waiter, "time", _Time(sleeps.sleep)),
            (bucket.TokenBucket, "acquire", _acquiring(_passing(sleeps.held_back))),
            (standard.RetryHandler, "_sleep", _sleeping(_passing(sleeps.held_back))),
        ):
            stack.enter_context(_replaced(owner, name, new))
        if (bandwidth := sys.modules.get("s3transfer.bandwidth")) is not None:
            sleep = lambda self, seconds: sleeps.sleep(seconds)  # noqa: E731 - a method
            stack.enter_context(_replaced(bandwidth.TimeUtils, "sleep", sleep))
        yield


@contextmanager
def _replaced(owner: Any, name: str, new: object) -> Iterator[None]:
    own = vars(owner).get(name)
    setattr(owner, name, new)
    try:
        yield
    finally:
        if own is None:
            delattr(owner, name)
        else:
            setattr(owner, name, own)


def _module(name: str) -> Any:
    return importlib.import_module(name)


class _Time:
    """The module `time`, as another module sees it."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self.sleep = sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def _passing(counted: Callable[[float], None]) -> Callable[[float], None]:
    """Takes no time, but of the token buckets."""

    def sleep(seconds: float) -> None:
        counted(seconds)
        _BUCKETS_TIME.pass_by(seconds)

    return sleep


def _sleeping(sleep: Callable[[float], None]) -> property:
    """For an attribute of each handler of retries: how it sleeps when a poll may not be tried again."""
    return property(lambda handler: sleep, lambda handler, own: vars(handler).update(_sleep=own))


# --- aiobotocore


def change_aiobotocore(module: Any, taker: Callable[[], Sleeps | None]) -> None:
    """Changes one of its modules, which an app may import at any time: the change stays, and asks who takes sleeps."""
    if hasattr(module, "AioEndpoint"):
        module.asyncio = _Asyncio(module.asyncio, taker)
    if hasattr(module, "AnyioEndpoint"):
        module.AnyioEndpoint._sleep = module.AioEndpoint._sleep
    for name in ("AsyncTokenBucket", "AnyioTokenBucket"):
        kind: Any = getattr(module, name, None)
        if hasattr(kind, "_wait_for_new_fill_rate"):  # not in old versions, which wait
            kind._wait_for_new_fill_rate = _waiting(kind._wait_for_new_fill_rate, taker)


class _Asyncio:
    """The module `asyncio`, as aiobotocore.endpoint sees it."""

    def __init__(self, asyncio: Any, taker: Callable[[], Sleeps | None]) -> None:
        self._asyncio, self._taker = asyncio, taker

    async def sleep(self, seconds: float) -> None:
        sleeps = self._taker()
        if sleeps is None:
            await self._asyncio.sleep(seconds)
        else:
            _passing(sleeps.waited)(seconds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._asyncio, name)


def _waiting(real: Callable[[Any, float], Any], taker: Callable[[], Sleeps | None]) -> Callable[..., Any]:
    async def wait(bucket: Any, seconds: float) -> None:
        sleeps = taker()
        if sleeps is None:
            await real(bucket, seconds)
        else:
            _passing(sleeps.held_back)(seconds)

    return wait


# --- token buckets of the retry mode "adaptive"


def _acquiring(sleep: Callable[[float], None]) -> Callable[..., bool]:
    """TokenBucket.acquire, whose wait for a token is a sleep."""

    def acquire(bucket: Any, amount: float = 1, block: bool = True) -> bool:
        from botocore.exceptions import CapacityNotAvailableError

        with bucket._new_fill_rate_condition:
            bucket._refill()
            missing = amount - bucket._current_capacity
            if missing > 0:
                if not block:
                    raise CapacityNotAvailableError
                sleep(missing / bucket._fill_rate)
                bucket._refill()
            bucket._current_capacity = max(bucket._current_capacity - amount, 0.0)
            return True

    return acquire


class _BucketsTime:
    """The time of day as token buckets see it: it never goes back, and goes on by waits that are counted."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self._seen = time.time()

    def __call__(self) -> float:
        with self._lock:
            now = time.time()
            self._now += max(now - self._seen, 0.0)
            self._seen = now
            return self._now

    def pass_by(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds


_BUCKETS_TIME = _BucketsTime()
