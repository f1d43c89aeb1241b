"""Calls of AWS that a test has made: each counts once, however often the SDK sent it."""

from __future__ import annotations

import functools
import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pytest_sessionplugin.aws import iam
from pytest_sessionplugin.aws.iam import Asked, Need
from pytest_sessionplugin.aws.subjects import Subject, listed, subjects
from pytest_sessionplugin.errors import BlockedCall, SessionPluginError, UnknownName
from pytest_sessionplugin.gateway.redaction import redacted


@dataclass(frozen=True, repr=False)
class Call:
    """One call, by the name of its service in boto3 and the name of its operation in the API.

    `function` is the Lambda function that made it, under its name in config.json: `api_handler`,
    `websocket_message`, … It is None if no function made the call (the test did, or the import of the app), or if it
    cannot be told which (a thread of the app's own made it while several functions ran).
    """

    service: str
    operation: str
    function: str | None = None
    invocation_id: str | None = None  # of the run of that function
    asked: Asked | None = field(default=None, repr=False, compare=False)  # None: the parameters are unknown

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters by their names in the API, as boto3's client takes them: `{"TableName": …, "Key": …}`."""
        return self.asked.parameters if self.asked is not None else {}

    @functools.cached_property
    def subjects(self) -> tuple[Subject, ...]:
        """Tables with keys, queues, topics, objects, parameters or functions that the call is about."""
        return subjects(self.asked) if self.asked is not None else ()

    @property
    def table(self) -> str | None:
        """The name of its table in DynamoDB, as `dynamodb_tables["Rooms"].name`; None without one, or with several."""
        names = {each.name.partition("/")[0] for each in self.subjects}
        return names.pop() if self.service == "dynamodb" and len(names) == 1 else None

    @property
    def key(self) -> Mapping[str, Any] | None:
        """The key of its item in plain Python: `{"name": "lobby"}`; None without one, or with several.

        That of PutItem is known for tables of the template.
        """
        return self.subjects[0].key if len(self.subjects) == 1 else None

    @functools.cached_property
    def needs(self) -> tuple[Need, ...]:
        """Permissions of IAM."""
        return iam.needs(self.asked) if self.asked is not None else ()

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"

    def __repr__(self) -> str:
        by = f" by {self.function}" if self.function else ""
        return f"<Call {self.described}{by}>"

    @property
    def described(self) -> str:
        """The call and its subjects, without credentials: `dynamodb:GetItem chat-dev-rooms {name: lobby}`."""
        return redacted(f"{self} {listed(self.subjects)}".rstrip())

    def is_of(self, name: str) -> bool:
        """Whether `dynamodb`, or `dynamodb:UpdateItem`, names this call."""
        service, _, operation = name.partition(":")
        return self.service == service and operation in ("", self.operation)


@dataclass(frozen=True)
class Attempt:
    """One attempt of a call. Its outcome is a status with the error's name, or the exception that came instead."""

    at: float  # seconds since the epoch
    call: Call
    outcome: str
    order: float = field(
        default=0.0, repr=False, compare=False
    )  # by time.perf_counter: `at` stands with a test's clock

    def __str__(self) -> str:
        return f"{self.call.described} -> {self.outcome}"


@dataclass(frozen=True, repr=False)
class Denial:
    """An action of the app that a policy does not allow."""

    call: str  # dynamodb:TransactWriteItems
    function: str | None
    action: str  # dynamodb:PutItem
    resource: str | None  # an ARN; None if unknown
    reason: str

    def __str__(self) -> str:
        done = "" if self.call == self.action else f"{self.call} needs "
        where = f" on {self.resource}" if self.resource else ""
        return f"{self.function or 'outside of a function'}: {done}{self.action}{where}: {self.reason}"

    __repr__ = __str__  # an assertion that fails shows this


class Units(NamedTuple):
    """Capacity units of DynamoDB, by AWS's sizing rules."""

    read: float = 0.0
    write: float = 0.0

    def since(self, start: Units) -> Units:
        return Units(self.read - start.read, self.write - start.write)


UNITS = {"read_units": "read", "write_units": "write"}
"""Names in budgets."""


class Calls:
    """The calls of one test, in order, without those of `dynamodb_tables`.

    Paths of policy files are relative to `root`. `test` is the name of the test; `functions` gives the names of the
    functions in all apps that are open.
    """

    def __init__(
        self,
        root: Path | None = None,
        test: str = "its block",
        functions: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self.test = test
        self.attempts: list[Attempt] = []  # in order, but for calls of the gateway's own API: its trace has them
        self.denied: tuple[Denial, ...] = ()  # the last result of `denied_by`
        self.without_block: list[str] = []  # budgets whose `with` block has not begun
        self._root = root or Path()
        self._functions = functions
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._waits: list[float] = []
        self._held_back = 0.0
        self._blocked: list[BlockedCall] = []
        self._units = Units()

    def __iter__(self) -> Iterator[Call]:
        return iter(self._since(0))

    def __len__(self) -> int:
        return len(self._since(0))

    def __getitem__(self, number: int) -> Call:
        """A call by its place in the order, from 0 on; -1 is the last one so far."""
        calls = self._since(0)
        try:
            return calls[number]
        except IndexError:
            made = ", ".join(map(str, calls)) or "none"
            raise IndexError(f"call {number} was not made; the app has made: {made}") from None

    def count(self, name: str) -> int:
        """Number of calls of a service, `dynamodb`, or of an operation, `dynamodb:UpdateItem`."""
        check(name)
        return sum(call.is_of(name) for call in self)

    @property
    def units(self) -> Units:
        """Capacity units that the calls to DynamoDB have consumed: `aws_calls.units.write`."""
        return self._units

    @property
    def retries(self) -> int:
        """Number of retries by the SDK."""
        return len(self._waits)

    @property
    def backoff(self) -> float:
        """Seconds that the SDK would have slept between its attempts, and before calls of an adaptive client."""
        return sum(self._waits) + self._held_back

    @property
    def blocked(self) -> tuple[BlockedCall, ...]:
        """Calls that nothing emulates, even if the app caught the error."""
        return tuple(self._blocked)

    def at_most(self, budget: Mapping[str, float] | None = None, /, **services: float) -> AbstractContextManager[None]:
        """Asserts that the block makes no more calls: `at_most(dynamodb=2)`, `at_most({"dynamodb:Scan": 0})`.

        `read_units` and `write_units` are capacity units of DynamoDB: `at_most(write_units=4)`.
        """
        return self._budget({**(budget or {}), **services}, "at most", lambda made, n: made <= n)

    def exactly(self, budget: Mapping[str, float] | None = None, /, **services: float) -> AbstractContextManager[None]:
        """Asserts that the block makes exactly as many calls: `exactly(dynamodb=1)`; units as in `at_most`."""
        return self._budget({**(budget or {}), **services}, "exactly", lambda made, n: made == n)

    def denied_by(
        self, policy_file: str | Path, function: str | None = None, *, variables: Mapping[str, str] | None = None
    ) -> list[Denial]:
        """Denials by the IAM policy of all calls so far, or of one function's: each once.

        The path is relative to the project's folder: `.chalice/policy-dev.json`. A test makes up account, region and
        API id, so they are not compared; names of tables, queues and stages are. A Condition is not evaluated: an
        Allow with one allows, a Deny with one does not deny. The same holds for `${Name}` in a resource, unless
        `variables={"Name": …}` gives its value. Calls that other services make for the app are not seen, such as
        those of KMS for an encrypted table. Raises SessionPluginError for a file that is not a policy.
        """
        functions = self._functions()
        if function is not None and function not in functions:
            raise SessionPluginError(
                f"there is no function {function}; there are: {', '.join(sorted(functions)) or 'none'}. "
                "Ask for the fixture chalice_gateway before."
            )
        judge = iam.read(self._root / policy_file, variables)
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
        """Before a retry."""
        with self._lock:
            self._waits.append(seconds)

    def held_back(self, seconds: float) -> None:
        """Without a retry."""
        with self._lock:
            self._held_back += seconds

    def consumed(self, read: float, write: float) -> None:
        with self._lock:
            self._units = Units(self._units.read + read, self._units.write + write)

    def was_blocked(self, error: BlockedCall) -> None:
        with self._lock:
            self._blocked.append(error)

    def _since(self, start: int) -> tuple[Call, ...]:
        with self._lock:
            return tuple(self._calls[start:])

    def _budget(
        self, budget: Mapping[str, float], words: str, holds: Callable[[float, float], bool]
    ) -> AbstractContextManager[None]:
        for name, allowed in budget.items():
            if name not in UNITS:
                check(name)
            if not isinstance(allowed, (int, float)):
                raise TypeError(f"a budget is a number, not {allowed!r} of {name}")
        asked = f"aws_calls.{words.replace(' ', '_')}({budget})"
        self.without_block.append(asked)
        return self._counted(asked, budget, words, holds)

    @contextmanager
    def _counted(
        self, asked: str, budget: Mapping[str, float], words: str, holds: Callable[[float, float], bool]
    ) -> Iterator[None]:
        self.without_block.remove(asked)
        start = len(self), self._units
        yield
        self._check(start, budget, words, holds)

    def _check(
        self,
        start: tuple[int, Units],
        budget: Mapping[str, float],
        words: str,
        holds: Callable[[float, float], bool],
    ) -> None:
        calls, units = self._since(start[0]), self._units.since(start[1])
        for name, allowed in budget.items():
            made = [call for call in calls if name not in UNITS and call.is_of(name)]
            operations = Counter(call.operation for call in made or calls)
            detail = ", ".join(f"{operation} {n}" for operation, n in operations.items())
            if name in UNITS and not holds(found := getattr(units, UNITS[name]), allowed):
                raise AssertionError(f"{found:g} {name} were consumed, not {words} {allowed:g}: {detail}")
            if name not in UNITS and not holds(len(made), allowed):
                times = "1 time" if len(made) == 1 else f"{len(made)} times"
                raise AssertionError(
                    f"{name} was called {times}, not {words} {allowed:g}: {detail if made else 'never'}"
                )


class Uncounted(Calls):
    """Keeps nothing, for a server that runs for hours and has no test to look at its calls."""

    def asked(self, call: Call) -> None:
        pass

    def attempted(self, attempt: Attempt) -> None:
        pass

    def waited(self, seconds: float) -> None:
        pass

    def held_back(self, seconds: float) -> None:
        pass

    def consumed(self, read: float, write: float) -> None:
        pass

    def was_blocked(self, error: BlockedCall) -> None:
        pass


# --- names of services and operations


def check(name: str) -> None:
    """Raises UnknownName unless AWS has the service, `dynamodb`, or the operation, `dynamodb:UpdateItem`."""
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
