"""What was asked of AWS: each call of an operation once, however often it was retried. Knows no botocore."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pytest_sessionplugin.aws import operations as known
from pytest_sessionplugin.errors import BlockedCall


@dataclass(frozen=True)
class Call:
    """One call, by the name of its service in boto3 and the name of its operation in the API."""

    service: str
    operation: str

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"

    def is_of(self, name: str) -> bool:
        """Whether it is what `dynamodb`, or `dynamodb:UpdateItem`, names."""
        service, _, operation = name.partition(":")
        return self.service == service and operation in ("", self.operation)


class Calls:
    """The calls of one test, in order. What `dynamodb_tables` does is not among them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._waits: list[float] = []
        self._blocked: list[BlockedCall] = []

    def __iter__(self) -> Iterator[Call]:
        return iter(self._since(0))

    def __len__(self) -> int:
        return len(self._since(0))

    def count(self, name: str) -> int:
        """How many there were of a service, `dynamodb`, or of an operation, `dynamodb:UpdateItem`."""
        known.check(name)
        return sum(call.is_of(name) for call in self)

    @property
    def retries(self) -> int:
        """How often the SDK tried again."""
        return len(self._waits)

    @property
    def backoff(self) -> float:
        """Seconds that the SDK would have waited between its attempts. Nobody did."""
        return sum(self._waits)

    @property
    def blocked(self) -> tuple[BlockedCall, ...]:
        """The calls that nothing emulates, whether or not the app let the error through."""
        return tuple(self._blocked)

    @contextmanager
    def at_most(self, budget: Mapping[str, int] | None = None, /, **services: int) -> Iterator[None]:
        """Asserts that the block asks no more: `at_most(dynamodb=2)`, `at_most({"dynamodb:Scan": 0})`."""
        start = self._start({**(budget or {}), **services})
        yield
        self._check(start, {**(budget or {}), **services}, "at most", lambda made, n: made <= n)

    @contextmanager
    def exactly(self, budget: Mapping[str, int] | None = None, /, **services: int) -> Iterator[None]:
        """Asserts that the block asks just so often: `exactly(dynamodb=1)`."""
        start = self._start({**(budget or {}), **services})
        yield
        self._check(start, {**(budget or {}), **services}, "exactly", lambda made, n: made == n)

    def asked(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def waited(self, seconds: float) -> None:
        with self._lock:
            self._waits.append(seconds)

    def was_blocked(self, error: BlockedCall) -> None:
        with self._lock:
            self._blocked.append(error)

    def _since(self, start: int) -> tuple[Call, ...]:
        with self._lock:
            return tuple(self._calls[start:])

    def _start(self, budget: Mapping[str, int]) -> int:
        for name in budget:
            known.check(name)
        return len(self)

    def _check(self, start: int, budget: Mapping[str, int], words: str, holds: Callable[[int, int], bool]) -> None:
        calls = self._since(start)
        for name, allowed in budget.items():
            made = [call for call in calls if call.is_of(name)]
            if not holds(len(made), allowed):
                operations = Counter(call.operation for call in made)
                detail = ", ".join(f"{operation} {n}" for operation, n in operations.items())
                raise AssertionError(f"{name} was called {len(made)} times, not {words} {allowed}: {detail or 'never'}")
