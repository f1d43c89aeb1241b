"""Lambda, as the apps of a test or of `serve` find it: runs their functions for whoever calls `lambda:Invoke`.

It decides who is meant and what the caller is told. How a function runs is for the gateway, when an event is given
again for `retries`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_sessionplugin import invocations, trace
from pytest_sessionplugin.aws import invoke_call
from pytest_sessionplugin.aws.invoke_call import ASYNCHRONOUS, DRY_RUN, LATEST, InvokeCall
from pytest_sessionplugin.aws.wire import Answer
from pytest_sessionplugin.gateway.values import Api, Done, FunctionTimedOut
from pytest_sessionplugin.retries import WAITS, Retries, Retry
from pytest_sessionplugin.trace import Note

LONGEST_CHAIN = 16
"""Functions that invoke each other, or themselves, until Lambda takes it for a loop ("Use Lambda recursive loop
detection" in the developer guide: "approximately 16 times").
"""


Run = Callable[[str, Any, str], Any]
"""Runs a function: its name in the app, its event, the id of the request."""

RunLater = Callable[[str, Any, str, Done], None]
"""The same for a caller that does not wait."""


class App(Protocol):
    """The functions of an app."""

    @property
    def deployed(self) -> Mapping[str, str]:
        """The name that Lambda knows a function by -> its name in the app."""

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
        """Chalice deploys into one region, and makes neither versions nor aliases."""
        return (
            call.region in (None, self.api.region)
            and call.account in (None, self.api.account_id)
            and call.qualifier in (None, LATEST)
        )


class LambdaService:
    """The functions of all apps of a test. Thread-safe."""

    def __init__(
        self,
        ids: Callable[[], str] = lambda: str(uuid.uuid4()),
        clock: Callable[[], float] = time.time,
        *,
        note: Callable[[Note], None] = lambda note: None,
        warn: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        """`note` is told what became of each event, `warn` only of those that a function has not taken."""
        self.retries = Retries(self._again, clock)
        self._ids, self._clock, self._tell, self._warn = ids, clock, note, warn
        self._functions: dict[str, _Function] = {}  # by the name that Lambda knows
        self._depth: dict[str, int] = {}  # request id that is not done with -> how many functions led to it

    def deploy(self, app: App, api: Api, run: Run, run_later: RunLater, prefix: str = "") -> None:
        """The functions of an app, under the names of their own; a `prefix` tells it from others in the trace.

        Those that were deployed with the same prefix before are gone.
        """
        own = {
            deployed: _Function(name, prefix, app.timeouts[name], api, run, run_later)
            for deployed, name in app.deployed.items()
        }
        others = {name: each for name, each in self._functions.items() if each.prefix != prefix}
        self._functions = {**others, **own}

    def invoke(self, call: InvokeCall) -> Answer | None:
        """None if no app has such a function: somebody else may."""
        function = self._functions.get(call.name)
        if function is None:
            return None
        if not function.is_meant(call):
            arn = call.arn(function.api.region, function.api.account_id)
            return invoke_call.refused("ResourceNotFoundException", 404, f"Function not found: {arn}")
        if sentence := invoke_call.too_large(call):
            return invoke_call.refused("RequestEntityTooLargeException", 413, sentence)
        try:
            event = invoke_call.event_of(call)
        except ValueError as error:
            return invoke_call.refused("InvalidRequestContentException", 400, str(error))
        request_id = self._ids()
        if call.kind == DRY_RUN:
            return invoke_call.accepted(204, request_id)
        caller = invocations.caller()
        self._depth[request_id] = depth = self._depth.get(caller.id, 0) + 1 if caller is not None else 0
        if call.kind != ASYNCHRONOUS:
            return self._run(function, event, request_id, depth)
        if depth > LONGEST_CHAIN:
            del self._depth[request_id]
            self._lost(f"{call.name} is dropped: {depth} functions have invoked each other, which Lambda ends")
        else:
            self._queue(function, event, request_id, 1)
        return invoke_call.accepted(202, request_id)

    def _run(self, function: _Function, event: Any, request_id: str, depth: int) -> Answer:
        try:
            if depth > LONGEST_CHAIN:
                sentence = f"{depth} functions have invoked each other, which Lambda takes for a loop"
                return invoke_call.refused("RecursiveInvocationException", 400, sentence)
            return invoke_call.returned(function.run(function.name, event, request_id), request_id)
        except FunctionTimedOut:
            return invoke_call.timed_out(function.timeout, request_id)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the caller's answer
            return invoke_call.raised(error, trace.frames(error), request_id)
        finally:
            del self._depth[request_id]

    def _queue(self, function: _Function, event: Any, request_id: str, attempt: int) -> None:
        name = function.prefix + function.name

        def done(error: BaseException | None) -> None:
            if error is not None and self.retries.after(name, event, request_id, attempt):
                self._lost(f"{name} failed at attempt {attempt}; the next one in {WAITS[attempt - 1]:g} seconds")
                return
            self._depth.pop(request_id, None)
            if error is None:
                self._note(f"{name} has taken its event, at attempt {attempt}")
            else:
                self._lost(f"{name} failed at attempt {attempt}, the last one: its event is dropped")

        function.run_later(function.name, event, request_id, done)

    def _again(self, retry: Retry) -> None:
        functions: Iterable[_Function] = self._functions.values()
        function = next((each for each in functions if each.prefix + each.name == retry.function), None)
        if function is not None:
            self._queue(function, retry.event, retry.request_id, retry.attempt)
        else:  # another deployment came meanwhile
            self._depth.pop(retry.request_id, None)
            self._lost(f"{retry.function} is gone before attempt {retry.attempt}: its event is dropped")

    def _lost(self, text: str) -> None:
        self._note(text)
        self._warn(f"{text}.")

    def _note(self, text: str) -> None:
        self._tell(Note(self._clock(), f"lambda {text}"))
