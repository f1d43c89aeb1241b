"""Answers botocore's calls instead of AWS: a fault answers first, else the first backend that handles the call.

A botocore handler that only raised the fault would not do: botocore asks all of its handlers, so the emulator would
still have written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from pytest_sessionplugin.aws import caller, endpoints, responses, wire
from pytest_sessionplugin.aws.calls import Attempt, Call, Calls, Uncounted
from pytest_sessionplugin.aws.dynamodb import batches
from pytest_sessionplugin.aws.endpoints import MANAGEMENT, TABLES, Destinations
from pytest_sessionplugin.aws.faults import Faults, Kind
from pytest_sessionplugin.aws.iam import Asked
from pytest_sessionplugin.aws.races import Races
from pytest_sessionplugin.aws.service_requests import ServiceRequest, read_at
from pytest_sessionplugin.aws.waits import POLLS, Waits
from pytest_sessionplugin.errors import BlockedCall, BlockedConnection

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

    from pytest_sessionplugin.aws.http_requests import HttpRequest
    from pytest_sessionplugin.gateway.values import Manage


class NotEmulated(Exception):
    """A backend is asked for something that it should answer and cannot. The message says why."""


@dataclass(frozen=True)
class AwsCall:
    """One attempt of one call, as a backend is asked to answer it."""

    call: Call
    manage: Manage | None = None  # set for @connections, and then all that is needed
    request: Any = None  # botocore's AWSPreparedRequest, for everything else
    picture: Any = None  # an earlier state of a table, to be read in place of the present one


class Backend(Protocol):
    """A part of AWS."""

    def answer(self, call: AwsCall) -> wire.Answer | None:
        """None passes the call on to the next backend. Raises NotEmulated."""


class Interceptor(Destinations):
    """Counts and answers the calls of one account. `Hook.use()` puts it in front of botocore.

    `heard` gets the name of each call, `tell` each hint of an answer, once. `elsewhere` has the URL of each service
    that is not emulated here: its calls are sent there. `key_names` has the names of the keys of tables.
    """

    def __init__(
        self,
        *,
        calls: Calls,
        faults: Faults,
        races: Races,
        heard: Callable[[str], None] = lambda call: None,
        backends: Sequence[Backend],
        elsewhere: Mapping[str, str] | None = None,
        other_hosts: bool = True,
        waits: Waits | None = None,
        tell: Callable[[str], None] = lambda sentence: None,
        key_names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(lambda: elsewhere or {})
        self._calls, self._faults, self._races, self._heard = calls, faults, races, heard
        self._backends = backends
        self._other_hosts = other_hosts
        self._let_through = frozenset(map(wire.place, (elsewhere or {}).values()))
        self._waits, self._tell = waits or Waits(), tell
        self._key_names = {} if key_names is None else key_names
        self._told: set[str] = set()

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Calls in the block are not the test's: they are not counted, meet no fault and wait for no race."""
        before = self._calls, self._faults, self._races
        self._calls, self._faults, self._races = Uncounted(), Faults(), Races()
        try:
            yield
        finally:
            self._calls, self._faults, self._races = before

    def waited(self, seconds: float) -> None:
        """Counts a back-off of botocore's, which sleeps none of it."""
        self._calls.waited(seconds)

    def held_back(self, seconds: float) -> None:
        """Counts a wait for which botocore tries nothing again."""
        self._calls.held_back(seconds)

    def sleep(self, seconds: float) -> None:
        """In place of a waiter's sleep."""
        self._waits.sleep(seconds)

    def before_call(
        self, event_name: str, model: Any, params: dict[str, Any], context: dict[str, Any], **_: Any
    ) -> Any:
        """Once a call, before it is signed: counts it, holds it for a race, answers it if it is for @connections."""
        service = model.service_model
        asked = Asked.of(
            service.signing_name,
            model.name,
            self.parameters(context),
            context["client_region"],
            params["url"],
            self._key_names,
        )
        call = _call(service.service_name, model.name, asked)
        _begun.set(call)
        self._end_timed_out(call)
        manage = connection = None
        if call.service == MANAGEMENT:
            manage = wire.management(params["method"], params["url"], params["body"])
            connection = wire.connection(manage)
        self._begin(call, connection)
        if manage is None or self._faults.awaits(call, connection):
            return None  # the SDK's retries must see a fault, and they begin with sending
        return responses.parsed(model, params["url"], self._ask(AwsCall(call, manage)))

    def before_send(self, event_name: str, request: Any, **_: Any) -> Any:
        """Once an attempt, in place of sending it."""
        if wire.place(request.url) in self._let_through:
            return None
        if responses.is_streamed(request):
            return self._send_streamed(event_name, request)
        may_wait = event_name.rpartition(".")[2] in POLLS and not self._waits.take_no_time()
        if may_wait and responses.is_awaited():
            return responses.in_thread(lambda: self._send(event_name, request))
        return self._send(event_name, request)

    async def _send_streamed(self, event_name: str, request: Any) -> AWSResponse:
        return self._send(event_name, await responses.read(request))

    def _send(self, event_name: str, request: Any) -> AWSResponse:
        service, operation = self.called(event_name)
        call = _begun.get()
        if call is None or (call.service, call.operation) != (service.service_name, operation):
            call = _call(service.service_name, operation)
        return responses.response(request.url, self._attempt(call, wire.protocol(service), request))

    def begin(self, call: Call, url: str) -> None:
        """Once a call of a child process: counts it, and holds it for a race."""
        managed = wire.management("", url, b"") if call.service == MANAGEMENT else None
        self._begin(self._known(call), wire.connection(managed) if managed else None)

    def attempt(self, call: Call, protocol: str, request: Any) -> wire.Answer | None:
        """Once an attempt; None if it is to be sent for real."""
        if wire.place(request.url) in self._let_through:
            return None
        return self._attempt(self._known(call), protocol, request)

    def _known(self, call: Call) -> Call:
        """The call of another process, with the names of the tables' keys."""
        asked = call.asked
        return replace(call, asked=replace(asked, key_names=self._key_names)) if asked is not None else call

    def takes(self, host: str) -> bool:
        """Whether a request of an HTTP client is answered here. Raises BlockedConnection."""
        if endpoints.is_aws(host):
            return True
        self.admit(host)
        return False

    def admit(self, host: str) -> None:
        """Raises BlockedConnection for a host that no connection may reach, as one of AWS."""
        endpoints.check_metadata(host)
        if (reason := endpoints.why_not(host, other_hosts=self._other_hosts)) is not None:
            error = BlockedConnection(host, reason)
            self._calls.was_blocked(error)
            raise error

    def answer(self, host: str, request: HttpRequest) -> wire.Answer | None:
        """Answers an HTTP client of this process; None if a fault cuts its connection. Raises BlockedCall."""
        received = read_at(host, request)
        if isinstance(received, wire.Answer):
            if received.status == 403:
                return received
            raise self._blocked(Call(host, request.method), f"AWS has no such call: {wire.outcome(received)}.")
        call = self._known(_call(received.call.service, received.call.operation, received.call.asked))
        self._end_timed_out(call)
        return self._receive(replace(received, call=call))

    def answer_http(self, received: ServiceRequest) -> wire.Answer | None:
        """Answers a call of another process, which is of no function; None if a fault cuts its connection."""
        with caller.outside():
            try:
                return self._receive(replace(received, call=self._known(received.call)))
            except BlockedCall as error:
                return wire.refusal(received.protocol, "NotImplemented", 501, str(error))

    def _receive(self, received: ServiceRequest) -> wire.Answer | None:
        call, request = received.call, received.request
        if not received.is_retry:
            manage = _management(call, request)
            self._begin(call, wire.connection(manage) if manage else None)
        try:
            return self._attempt(call, received.protocol, request)
        except (EndpointConnectionError, ReadTimeoutError):
            return None

    def _begin(self, call: Call, connection: str | None) -> None:
        """Once a call: counts it, and holds it for a race."""
        self._heard(str(call))
        self._calls.asked(call)
        self._races.hold(call, connection)

    def _attempt(self, call: Call, protocol: str, request: Any) -> wire.Answer:
        """Once an attempt: answers it, and notes the outcome."""
        try:
            answer = self._answer(call, protocol, request)
        except Exception as error:
            self._calls.attempted(Attempt(time.time(), call, type(error).__name__, time.perf_counter()))
            raise
        if call.service != MANAGEMENT:
            self._calls.attempted(Attempt(time.time(), call, wire.outcome(answer), time.perf_counter()))
        if answer.hint is not None and answer.hint not in self._told:
            self._told.add(answer.hint)
            self._tell(answer.hint)
        return answer

    def _end_timed_out(self, call: Call) -> None:
        """Ends a function whose timeout strikes at this call. While it is unwound, it makes no further call."""
        invocation = caller.current()
        if invocation is not None and (invocation.killed or self._faults.kills(invocation.function, call)):
            invocation.kill()
            raise caller.Killed(f"the time-out of {invocation.function} strikes at {call}")

    def _answer(self, call: Call, protocol: str, request: Any) -> wire.Answer:
        manage = _management(call, request)
        fault = self._faults.fire(call, wire.connection(manage) if manage else None)
        if fault is not None and fault.kind is Kind.UNREACHABLE:
            raise EndpointConnectionError(endpoint_url=request.url)
        if fault is not None and fault.kind is Kind.REFUSED:
            return wire.refusal(protocol, fault.code, fault.status, fault.message)
        if fault is not None and fault.kind is Kind.CONFLICT:
            return wire.refused(batches.conflicting(len(wire.members(request)["TransactItems"])))
        if fault is not None and fault.kind is Kind.UNPROCESSED:
            return self._ask_for_the_rest(call, request)
        answer = self._ask(AwsCall(call, manage) if manage else self._with_picture(call, request))
        if fault is not None:
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer

    def _ask_for_the_rest(self, call: Call, request: Any) -> wire.Answer:
        """Gives the first item of a batch back as unprocessed, and does the others."""
        asked = wire.members(request)
        first, rest = batches.first_apart(asked["RequestItems"])
        answer = wire.Answer(200, {}, b"{}")
        if rest:
            answer = self._ask(self._with_picture(call, wire.asking(request, {**asked, "RequestItems": rest})))
        return wire.giving_back(answer, batches.UNPROCESSED[str(call)], first)

    def _with_picture(self, call: Call, request: Any) -> AwsCall:
        return AwsCall(call, None, request, self._faults.past(call, lambda: wire.members(request)))

    def _ask(self, call: AwsCall) -> wire.Answer:
        """The answer of a backend, once it has one that is not empty, or the wait of the call is over."""
        answer = self._ask_once(call)
        if call.call.service not in TABLES:
            self._waits.wake()  # any other service may have sent a message
        if answer.wait is None or call.call.operation not in POLLS:
            return answer
        return self._waits.poll(answer, lambda: self._ask_once(call))

    def _ask_once(self, call: AwsCall) -> wire.Answer:
        try:
            for backend in self._backends:
                if (answer := backend.answer(call)) is not None:
                    if answer.read_units or answer.write_units:
                        self._calls.consumed(answer.read_units, answer.write_units)
                    return answer
        except NotEmulated as reason:
            raise self._blocked(call.call, f"{reason}") from reason
        raise self._blocked(call.call, "nothing emulates it, and no call leaves the process.")

    def _blocked(self, call: Call, reason: str) -> BlockedCall:
        error = BlockedCall(call.service, call.operation, reason)
        self._calls.was_blocked(error)
        return error


_begun: ContextVar[Call | None] = ContextVar("begun", default=None)
"""The call of which this thread or task makes its attempts."""


def _call(service: str, operation: str, asked: Asked | None = None) -> Call:
    """A call by the function that runs here."""
    invocation = caller.current()
    function = caller.function() if invocation is None else invocation.name
    return Call(service, operation, function, invocation.id if invocation is not None else None, asked)


def _management(call: Call, request: Any) -> Manage | None:
    """A request for @connections; None for every other service."""
    return wire.management(request.method, request.url, request.body) if call.service == MANAGEMENT else None
