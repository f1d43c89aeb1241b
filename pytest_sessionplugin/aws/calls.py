"""What was asked of AWS: each call of an operation once, however often it was retried. Knows no botocore."""

from __future__ import annotations

import functools
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_sessionplugin.aws import iam
from pytest_sessionplugin.aws.iam import Need
from pytest_sessionplugin.errors import BlockedCall, SessionPluginError, UnknownName


@dataclass(frozen=True)
class Call:
    """One call, by the name of its service in boto3 and the name of its operation in the API.

    `function` is the Lambda function that made it, under its name in config.json: `api_handler`,
    `websocket_message`, … It is None for what no function did, or nobody knows which: the test itself, the app as it
    is imported, a thread of the app's own while several functions ran.
    """

    service: str
    operation: str
    function: str | None = None
    needs: tuple[Need, ...] = ()  # what IAM has to permit

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"

    def is_of(self, name: str) -> bool:
        """Whether it is what `dynamodb`, or `dynamodb:UpdateItem`, names."""
        service, _, operation = name.partition(":")
        return self.service == service and operation in ("", self.operation)


@dataclass(frozen=True)
class Attempt:
    """One sending of a call, and what came of it: a status with the error's name, or how no answer came."""

    at: float  # seconds since the epoch
    call: Call
    outcome: str


@dataclass(frozen=True, repr=False)
class Denial:
    """Something that the app did and a policy does not allow."""

    call: str  # dynamodb:TransactWriteItems
    function: str | None
    action: str  # dynamodb:PutItem
    resource: str | None  # an ARN; None where it is not known
    reason: str

    def __str__(self) -> str:
        done = "" if self.call == self.action else f"{self.call} needs "
        where = f" on {self.resource}" if self.resource else ""
        return f"{self.function or 'outside of a function'}: {done}{self.action}{where}: {self.reason}"

    __repr__ = __str__  # an assertion that fails shows this


class Calls:
    """The calls of one test, in order. What `dynamodb_tables` does is not among them.

    `root` is where the paths of policy files begin, `test` the name of the test, `functions` are those that there are.
    """

    def __init__(self, root: Path | None = None, test: str = "its block") -> None:
        self.root = root or Path()
        self.test = test
        self.functions: frozenset[str] = frozenset()
        self.denied: tuple[Denial, ...] = ()  # what `denied_by` last found
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._waits: list[float] = []
        self._blocked: list[BlockedCall] = []
        self.attempts: list[Attempt] = []
        """What was sent to AWS and answered, in order. A call of the gateway's own API is in its trace."""

    def __iter__(self) -> Iterator[Call]:
        return iter(self._since(0))

    def __len__(self) -> int:
        return len(self._since(0))

    def count(self, name: str) -> int:
        """How many there were of a service, `dynamodb`, or of an operation, `dynamodb:UpdateItem`."""
        check(name)
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

    def denied_by(
        self, policy_file: str | Path, function: str | None = None, *, variables: Mapping[str, str] | None = None
    ) -> list[Denial]:
        """What was asked so far and the IAM policy does not allow, each once; of one function, or of everybody.

        The path begins at the project's folder: `.chalice/policy-dev.json`. Account, region and API id are made up in
        a test and so not compared; names of tables, queues, stages are. What follows from a Condition is not known:
        an Allow with one allows, a Deny with one does not deny. So it is with `${Name}` in a resource, if
        `variables={"Name": …}` does not say what it stands for. What other services do on the app's behalf (a key
        of KMS behind an encrypted table) is not seen. Raises SessionPluginError for a file that is no policy.
        """
        if function is not None and function not in self.functions:
            raise SessionPluginError(
                f"there is no function {function}; there are: {', '.join(sorted(self.functions)) or 'none'}. "
                "Ask for the fixture chalice_gateway before."
            )
        judge = iam.read(self.root / policy_file, variables)
        found = {
            Denial(str(call), call.function, need.action, need.resource, reason): None
            for call in self
            if function in (None, call.function)
            for need in call.needs
            if (reason := judge.why_not(need)) is not None
        }
        self.denied = tuple(found)
        return list(found)

    def asked(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def attempted(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

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
            check(name)
        return len(self)

    def _check(self, start: int, budget: Mapping[str, int], words: str, holds: Callable[[int, int], bool]) -> None:
        calls = self._since(start)
        for name, allowed in budget.items():
            made = [call for call in calls if call.is_of(name)]
            if not holds(len(made), allowed):
                operations = Counter(call.operation for call in made)
                detail = ", ".join(f"{operation} {n}" for operation, n in operations.items())
                raise AssertionError(f"{name} was called {len(made)} times, not {words} {allowed}: {detail or 'never'}")


class Uncounted(Calls):
    """Of what runs for as long as it likes and is asked by nobody: keeps nothing."""

    def asked(self, call: Call) -> None:
        pass

    def attempted(self, attempt: Attempt) -> None:
        pass

    def waited(self, seconds: float) -> None:
        pass

    def was_blocked(self, error: BlockedCall) -> None:
        pass


def check(name: str) -> None:
    """Raises UnknownName if AWS has no such service, `dynamodb`, or operation of one, `dynamodb:UpdateItem`."""
    service, _, operation = name.partition(":")
    operations = _operations(service)
    if operation and operation not in operations:
        raise UnknownName(f"operation of {service} named", operation, operations)


@functools.cache
def _operations(service: str) -> tuple[str, ...]:
    services = _loader().list_available_services("service-2")
    if service not in services:
        raise UnknownName("service of AWS named", service, services)
    return tuple(_loader().load_service_model(service, "service-2")["operations"])


@functools.cache
def _loader() -> Any:
    from botocore.loaders import create_loader

    return create_loader(os.environ.get("AWS_DATA_PATH"))
