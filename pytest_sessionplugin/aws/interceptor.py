"""The one that answers every botocore call: gateway, then faults, then the emulated AWS. Shut, it does nothing.

A fault in a handler beside the emulated AWS would not do: botocore asks them all, so the fault would be written.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import botocore.endpoint
from botocore.credentials import Credentials
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from pytest_sessionplugin.aws import caller, dynamodb, invoke_api, wire
from pytest_sessionplugin.aws.calls import Attempt, Call, Calls
from pytest_sessionplugin.aws.dynamodb import WRITES, Transactions
from pytest_sessionplugin.aws.environment import ACCESS_KEY, SECRET_KEY
from pytest_sessionplugin.aws.faults import MANAGEMENT, Faults, Kind
from pytest_sessionplugin.aws.hook import HOOK, Outlived
from pytest_sessionplugin.aws.iam import Asked, needs
from pytest_sessionplugin.errors import BlockedCall

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.invoke_api import InvokeCall
    from pytest_sessionplugin.aws.races import Races
    from pytest_sessionplugin.gateway.values import Manage, Reply


class NotEmulated(Exception):
    """The emulated AWS has no such call; the message says why."""


INVOKE = "lambda:Invoke"
_PARAMETERS = "sessionplugin_parameters"  # in botocore's context of a call, which its handlers may add to


class Gateway(Protocol):
    """What answers the calls of @connections."""

    def manage(self, call: Manage) -> Reply: ...


class Functions(Protocol):
    """What answers `lambda:Invoke`."""

    def invoke(self, call: InvokeCall) -> wire.Answer | None:
        """None for a function that is nobody's here."""


class Threads(Protocol):
    """Who hears what is called in threads."""

    def calls(self, call: str) -> None: ...


class Interceptor:
    """For one test, or for as long as `serve` runs.

    `emulate` takes an AWSPreparedRequest, and the picture of a table that is to stand in for it, or None; it raises
    NotEmulated. A call to a place that is in `let_through`, host:port, really leaves.
    """

    def __init__(
        self,
        emulate: Callable[[Any, Any], wire.Answer],
        calls: Calls,
        faults: Faults,
        outlived: Outlived,
        let_through: frozenset[str] = frozenset(),
    ) -> None:
        self.calls = calls
        self.faults = faults
        self.gateway: Gateway | None = None
        self.functions: Functions | None = None
        self.races: Races | None = None
        self.threads: Threads | None = None
        self._emulate = emulate
        self._outlived = outlived
        self._let_through = let_through
        self._transactions = Transactions()
        self._services: dict[str, Any] = {}  # botocore's ServiceModel, by its name in events
        self._lent: list[Any] = []  # signers that got credentials of ours, until it is shut

    @contextmanager
    def open(self) -> Iterator[None]:
        """One at a time is open. Meanwhile botocore counts its back-off and does not sleep."""
        HOOK.install()
        if HOOK.door is not None:
            raise RuntimeError("another door is open already")
        endpoint: Any = botocore.endpoint
        before = set(threading.enumerate())
        HOOK.door, HOOK.outlived, endpoint.time = self, self._outlived, _CountedTime(self.calls)
        try:
            yield
        finally:
            self._outlived.note(before, self.calls.test)
            HOOK.door, endpoint.time = None, time
            self._outlived.note(before, self.calls.test)  # those that were started meanwhile
            while self._lent:
                self._lent.pop()._credentials = None

    def before_parameter_build(self, params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        """Once a call, with its parameters as the caller gave them: later they are a request."""
        context[_PARAMETERS] = params

    def before_call(
        self, event_name: str, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any
    ) -> Any:
        """Once a call, before it is signed: counts it, holds it for a race, and answers it if the gateway does."""
        service = self._services[event_name.split(".")[1]] = model.service_model
        asked = Asked(
            service.signing_name, model.name, context.get(_PARAMETERS, {}), context["client_region"], params["url"]
        )
        # Not later: what the parameters hold is the caller's, who may change it afterwards.
        call = Call(service.service_name, model.name, caller.function(), needs(asked))
        self._end_caller(call)
        if self.threads is not None:
            self.threads.calls(str(call))
        self.calls.asked(call)
        manage = connection = None
        if call.service == MANAGEMENT:
            manage = wire.management(params["method"], params["url"], params["body"])
            connection = wire.connection(manage)
        if self.races is not None:
            self.races.hold(call, connection)
        if manage is None or self.faults.awaits(call, connection):
            return None  # the SDK's retries must see it, and they begin with sending
        return wire.parsed(model, params["url"], self._ask_gateway(call, manage))

    def before_sign(self, request_signer: Any, **_: Any) -> None:
        """A client that was made where there are no credentials could not even sign."""
        if request_signer._credentials is None:
            request_signer._credentials = Credentials(ACCESS_KEY, SECRET_KEY)
            self._lent.append(request_signer)

    def before_send(self, event_name: str, request: Any, **_: Any) -> Any:
        """Once an attempt, in place of sending it."""
        if wire.place(request.url) in self._let_through:
            return None
        name, operation = event_name.split(".")[1:]
        service = self._services[name]
        call = Call(service.service_name, operation, caller.function())
        try:
            answer = self._answer(service, call, request)
        except Exception as error:
            self.calls.attempted(Attempt(time.time(), call, type(error).__name__))
            raise
        if call.service != MANAGEMENT:
            self.calls.attempted(Attempt(time.time(), call, wire.outcome(answer)))
        return wire.response(request.url, answer)

    def before_send_quietly(self, request: Any) -> Any:
        """The same for what a test itself does with its tables: without faults, and not counted."""
        if wire.place(request.url) in self._let_through:
            return None
        return wire.response(request.url, self._emulate(request, None))

    def _end_caller(self, call: Call) -> None:
        """A function whose time-out strikes here makes no call any more: not this one, and none while it is unwound."""
        invocation = caller.current()
        if invocation is not None and (invocation.killed or self.faults.kills(invocation.function, call)):
            invocation.killed = True
            raise caller.Killed(f"the time-out of {invocation.function} strikes at {call}")

    def _answer(self, service: Any, call: Call, request: Any) -> wire.Answer:
        manage = None
        if call.service == MANAGEMENT:
            manage = wire.management(request.method, request.url, request.body)
        fault = self.faults.fire(call, wire.connection(manage) if manage else None)
        if fault is not None and fault.kind is Kind.UNREACHABLE:
            raise EndpointConnectionError(endpoint_url=request.url)
        if fault is not None and fault.kind is Kind.REFUSED:
            return wire.refusal(wire.protocol(service), fault.code, fault.status, fault.message)
        if fault is not None and fault.kind is Kind.CONFLICT:
            return dynamodb.cancelled(len(wire.members(request)["TransactItems"]))
        if fault is not None and fault.kind is Kind.UNPROCESSED:
            return self._ask_for_the_rest(call, request)
        answer = self._ask_gateway(call, manage) if manage else self._ask_aws(call, request)
        if fault is not None:
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer

    def _ask_gateway(self, call: Call, manage: Manage) -> wire.Answer:
        if self.gateway is None:
            raise self._blocked(call, "no gateway is here; ask for the fixture chalice_gateway.")
        reply = self.gateway.manage(manage)
        return wire.Answer(reply.status, dict(reply.headers), reply.body)

    def _ask_for_the_rest(self, call: Call, request: Any) -> wire.Answer:
        asked = wire.members(request)
        first, rest = dynamodb.first_apart(asked["RequestItems"])
        answer = wire.Answer(200, {}, b"{}")
        if rest:
            answer = self._ask_aws(call, wire.asking(request, {**asked, "RequestItems": rest}))
        return dynamodb.giving_back(answer, dynamodb.BATCHES[str(call)], first)

    def _ask_aws(self, call: Call, request: Any) -> wire.Answer:
        if (
            call.is_of(INVOKE)
            and self.functions is not None
            and (invocation := invoke_api.invocation(request)) is not None
        ):
            answer = self.functions.invoke(invocation)
            if answer is not None:
                return answer  # else of a function that the test has made in the emulator
        if str(call) in WRITES:  # the emulator knows no tokens
            return self._transactions.once(wire.members(request), lambda: self._ask_emulator(call, request))
        return self._ask_emulator(call, request)

    def _ask_emulator(self, call: Call, request: Any) -> wire.Answer:
        try:
            return self._emulate(request, self.faults.past(call, lambda: wire.members(request)))
        except NotEmulated as reason:
            raise self._blocked(call, f"{reason} It was to go to {request.url}") from reason

    def _blocked(self, call: Call, reason: str) -> BlockedCall:
        error = BlockedCall(call.service, call.operation, reason)
        self.calls.was_blocked(error)
        return error


class _CountedTime:
    """The module `time` as botocore.endpoint sees it while a door is open."""

    def __init__(self, calls: Calls) -> None:
        self.sleep = calls.waited

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
