"""The Lambda service: answers `lambda:Invoke` for the functions of all apps, and retries events that they fail on."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pytest_sessionplugin import tracebacks
from pytest_sessionplugin.aws import caller, invoke_api
from pytest_sessionplugin.aws.interceptor import AwsCall
from pytest_sessionplugin.aws.invoke_api import ASYNCHRONOUS, DRY_RUN, LATEST, InvokeCall
from pytest_sessionplugin.aws.wire import Answer
from pytest_sessionplugin.gateway.values import Api, Done, FunctionTimedOut

LONGEST_CHAIN = 16
"""Functions that may invoke each other until Lambda ends the loop ("Use Lambda recursive loop detection" in the
developer guide: "approximately 16 times").
"""

WAITS = (60.0, 120.0)
"""Seconds before the second and the third attempt, the last one."""

Run = Callable[[str, Any, str], Any]
"""Runs a function: its name in the app, its event, the id of the request."""

RunLater = Callable[[str, Any, str, Done], None]
"""Like Run, for a caller that does not wait."""


# --- retries


@dataclass(frozen=True)
class Retry:
    """An attempt that is to come."""

    function: str  # its name in the app, after the prefix of the app
    event: Any = field(repr=False)
    request_id: str  # the same in each attempt
    attempt: int  # 2 or 3
    due: float  # seconds since the epoch


class Retries:
    """The retries of all apps. Thread-safe. `run` queues a function again and returns at once."""

    def __init__(self, run: Callable[[Retry], None], clock: Callable[[], float] = time.time) -> None:
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: list[Retry] = []

    @property
    def waiting(self) -> tuple[Retry, ...]:
        """Pending retries, soonest first."""
        with self._lock:
            return tuple(sorted(self._waiting, key=lambda retry: retry.due))

    def after(self, function: str, event: Any, request_id: str, attempt: int) -> Retry | None:
        """Schedules a retry after a failed attempt, the first of which is 1; None after the last."""
        if attempt > len(WAITS):
            return None
        retry = Retry(function, event, request_id, attempt + 1, self._clock() + WAITS[attempt - 1])
        with self._lock:
            self._waiting.append(retry)
        return retry

    def clear(self) -> tuple[Retry, ...]:
        """Drops and returns what waits."""
        with self._lock:
            dropped, self._waiting = tuple(self._waiting), []
        return dropped

    def due(self) -> float | None:
        with self._lock:
            return min((retry.due for retry in self._waiting), default=None)

    def tick(self) -> None:
        """Runs what is due, soonest first."""
        now = self._clock()
        with self._lock:
            ready = sorted((retry for retry in self._waiting if retry.due <= now), key=lambda retry: retry.due)
            self._waiting = [retry for retry in self._waiting if retry.due > now]
        for retry in ready:
            self._run(retry)


class Beat:
    """Runs retries in real time while its block lasts."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="lambda-retries", daemon=True)

    def __enter__(self) -> Beat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _repeat(self) -> None:
        while not self._over.wait(1.0):
            self._retries.tick()


# --- invocations


class DeployedFunctions(Protocol):
    """The functions of an app, as Lambda sees them."""

    @property
    def deployed(self) -> Mapping[str, str]:
        """Name in Lambda -> name in the app."""

    @property
    def timeouts(self) -> Mapping[str, float]:
        """Name in the app -> seconds."""


@dataclass(frozen=True)
class _Function:
    name: str  # in the app
    prefix: str  # of the app
    timeout: float
    api: Api
    run: Run
    run_later: RunLater

    def is_meant(self, call: InvokeCall) -> bool:
        """Whether region, account and qualifier match. Chalice makes neither versions nor aliases."""
        return (
            call.region in (None, self.api.region)
            and call.account in (None, self.api.account_id)
            and call.qualifier in (None, LATEST)
        )


class LambdaService:
    """The functions of all apps in one account, run through their gateways. Thread-safe."""

    def __init__(
        self,
        ids: Callable[[], str] = lambda: str(uuid.uuid4()),
        clock: Callable[[], float] = time.time,
        *,
        observe: Callable[[float, str], None] = lambda at, text: None,
        warn: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """`observe` gets the time and outcome of each event, `warn` a sentence for each failure."""
        self.retries = Retries(self._again, clock)
        self._ids, self._clock, self._tell, self._warn = ids, clock, observe, warn
        self._functions: dict[str, _Function] = {}  # by their names in Lambda
        self._depth: dict[str, int] = {}  # id of a pending request -> number of functions that led to it

    def deploy(self, app: DeployedFunctions, api: Api, run: Run, run_later: RunLater, prefix: str = "") -> None:
        """Replaces the functions deployed with this prefix, which tells apps apart in the trace."""
        own = {
            deployed: _Function(name, prefix, app.timeouts[name], api, run, run_later)
            for deployed, name in app.deployed.items()
        }
        others = {name: each for name, each in self._functions.items() if each.prefix != prefix}
        self._functions = {**others, **own}

    def answer(self, call: AwsCall) -> Answer | None:
        """As a backend of an account."""
        if call.request is None or not call.call.is_of("lambda:Invoke"):
            return None
        invocation = invoke_api.invocation(call.request)
        return self.invoke(invocation) if invocation is not None else None

    def invoke(self, call: InvokeCall) -> Answer | None:
        """The answer to the caller; None if the function is unknown here."""
        function = self._functions.get(call.name)
        if function is None:
            return None
        if not function.is_meant(call):
            arn = call.arn(function.api.region, function.api.account_id)
            return invoke_api.refused("ResourceNotFoundException", 404, f"Function not found: {arn}")
        if sentence := invoke_api.too_large(call):
            return invoke_api.refused("RequestEntityTooLargeException", 413, sentence)
        try:
            event = invoke_api.event_of(call)
        except ValueError as error:
            return invoke_api.refused("InvalidRequestContentException", 400, str(error))
        request_id = self._ids()
        if call.kind == DRY_RUN:
            return invoke_api.accepted(204, request_id)
        invocation = caller.current()
        self._depth[request_id] = depth = self._depth.get(invocation.id, 0) + 1 if invocation is not None else 0
        if call.kind != ASYNCHRONOUS:
            return self._run(function, event, request_id, depth)
        if depth > LONGEST_CHAIN:
            del self._depth[request_id]
            self._failed(f"{call.name} is dropped: {depth} functions have invoked each other, which Lambda ends")
        else:
            self._queue(function, event, request_id, 1)
        return invoke_api.accepted(202, request_id)

    def drop_retries(self) -> None:
        """The functions that failed get their events no more."""
        for retry in self.retries.clear():
            self._depth.pop(retry.request_id, None)

    def _run(self, function: _Function, event: Any, request_id: str, depth: int) -> Answer:
        try:
            if depth > LONGEST_CHAIN:
                sentence = f"{depth} functions have invoked each other, which Lambda takes for a loop"
                return invoke_api.refused("RecursiveInvocationException", 400, sentence)
            return invoke_api.returned(function.run(function.name, event, request_id), request_id)
        except FunctionTimedOut:
            return invoke_api.timed_out(function.timeout, request_id)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the caller's answer
            return invoke_api.raised(error, tracebacks.of_function(error).stack.format(), request_id)
        finally:
            del self._depth[request_id]

    def _queue(self, function: _Function, event: Any, request_id: str, attempt: int) -> None:
        name = function.prefix + function.name

        def done(error: BaseException | None) -> None:
            if error is not None and self.retries.after(name, event, request_id, attempt):
                self._failed(f"{name} failed at attempt {attempt}; the next one in {WAITS[attempt - 1]:g} seconds")
                return
            self._depth.pop(request_id, None)
            if error is None:
                self._note(f"{name} has taken its event, at attempt {attempt}")
            else:
                self._failed(f"{name} failed at attempt {attempt}, the last one: its event is dropped")

        function.run_later(function.name, event, request_id, done)

    def _again(self, retry: Retry) -> None:
        functions: Iterable[_Function] = self._functions.values()
        function = next((each for each in functions if each.prefix + each.name == retry.function), None)
        if function is not None:
            self._queue(function, retry.event, retry.request_id, retry.attempt)
        else:  # the app was redeployed without it
            self._depth.pop(retry.request_id, None)
            self._failed(f"{retry.function} is gone before attempt {retry.attempt}: its event is dropped")

    def _failed(self, text: str) -> None:
        self._note(text)
        self._warn(f"{text}.")

    def _note(self, text: str) -> None:
        self._tell(self._clock(), f"lambda {text}")
