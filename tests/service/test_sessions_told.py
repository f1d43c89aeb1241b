"""A change that fails anywhere is told in the end: at once when its request is repeated, else by the sweep.

Each call to AWS that a request makes is hit in turn: its answer is lost, AWS is not reached, the function is killed
before it or after it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from pytest_sessionplugin import Clock, Gateway, WebSocket
from pytest_sessionplugin.aws import caller
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

MOST: Final = 20  # calls of one request


class Fault(Enum):
    LOST = "AWS does it, and each answer is lost"
    UNREACHED = "AWS is not reached"
    KILLED_BEFORE = "the function is ended before the call"
    KILLED_AFTER = "the function is ended after the call"


@dataclass(frozen=True)
class Change:
    """A request, and how many calls to AWS it makes with two people connected."""

    calls: int
    method: str
    body: Mapping[str, Any] | None = None
    if_match: bool = False
    durable: bool = False  # the session

    def ask(self, alice: HttpClient, path: str) -> int:
        headers = {"If-Match": '"1"'} if self.if_match else {}
        return alice.request(self.method, path, json=self.body, headers=headers).status_code


CHANGES: Final = {
    "title": Change(5, "PATCH", {"title": "Later"}),
    "metadata": Change(6, "PATCH", {"metadata": {"a": 1}}),
    "with If-Match": Change(5, "PATCH", {"title": "Later"}, if_match=True),
    "end with a title": Change(6, "PATCH", {"status": "ended", "title": "Done"}),
    "end": Change(6, "DELETE"),
    "end with If-Match": Change(6, "DELETE", if_match=True),
    "kept title": Change(6, "PATCH", {"title": "Later"}, durable=True),
    "kept end": Change(7, "DELETE", durable=True),
}


class Aws:
    """The calls of the request that is under way; one of them may meet a fault."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self._numbers = itertools.count()
        self._hit: tuple[int, Fault] | None = None
        self._plain: Callable[..., Any] = BaseClient._make_api_call  # type: ignore[attr-defined]
        aws = self

        def call(client: Any, operation: str, given: Mapping[str, Any]) -> Any:
            return aws.answer(operation, lambda: aws._plain(client, operation, given))

        monkeypatch.setattr(BaseClient, "_make_api_call", call)

    @contextmanager
    def hitting(self, number: int, fault: Fault) -> Iterator[None]:
        self.calls, self._numbers, self._hit = [], itertools.count(), (number, fault)
        try:
            yield
        finally:
            self._hit = None

    def answer(self, operation: str, made: Callable[[], Any]) -> Any:
        invocation = caller.here()
        if self._hit is None or invocation is None or invocation.name != "api_handler":  # a disconnect, or the sweep
            return made()
        number = next(self._numbers)
        self.calls.append(operation)
        if self._hit[0] != number:
            return made()
        fault = self._hit[1]
        if fault is Fault.UNREACHED:
            raise ConnectTimeoutError(endpoint_url="https://aws")
        if fault is not Fault.KILLED_BEFORE:
            made()
        if fault is Fault.LOST:
            raise ReadTimeoutError(endpoint_url="https://aws")
        invocation.kill()
        raise caller.Killed(f"at call {number}, {operation}")


@dataclass
class Client:
    """A client, and the latest version of the session that it heard of."""

    socket: WebSocket
    version: int = 1
    ended: bool = False

    def listen(self) -> None:
        for frame in self.socket:
            said = json.loads(frame.data)
            self.ended |= said["type"] == "session.ended"
            self.version = max(self.version, said.get("session", {}).get("version", 1))


@pytest.fixture
def aws(chalice_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Aws:
    return Aws(monkeypatch)


repeats = pytest.mark.parametrize("repeated", [True, False], ids=["repeated", "not repeated"])


@pytest.fixture
def walk(aws: Aws, chalice_clock: Clock, chalice_gateway: Gateway, jwt_tokens: Tokens) -> Callable[..., None]:
    return lambda change, fault, repeated: walk_through(
        aws, chalice_clock, chalice_gateway, jwt_tokens, change, fault, repeated
    )


@pytest.mark.slow
@repeats
@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name)
@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_whatever_fails_every_open_socket_ends_on_the_stored_version(
    walk: Callable[..., None], change: Change, fault: Fault, repeated: bool
) -> None:
    walk(change, fault, repeated)


@pytest.mark.slow
@pytest.mark.chalice(targets=["sockets"])
@repeats
@pytest.mark.parametrize("change", ["title", "end"])
def test_a_function_that_is_killed_anywhere_leaves_no_socket_on_an_old_version(
    walk: Callable[..., None], change: str, repeated: bool
) -> None:
    walk(CHANGES[change], Fault.KILLED_AFTER, repeated)


def walk_through(
    aws: Aws,
    chalice_clock: Clock,
    chalice_gateway: Gateway,
    jwt_tokens: Tokens,
    change: Change,
    fault: Fault,
    repeated: bool,
) -> None:
    """Makes the change in a new session for each of its calls, which meets the fault."""
    for number in range(MOST):
        alice = chalice_gateway.http(token=jwt_tokens("alice"))
        path = f"/sessions/{alice.post('/sessions', json={'durable': change.durable}).json()['sessionId']}"
        params = {"sessionId": path.rpartition("/")[2]}
        clients = [
            Client(chalice_gateway.websocket("/", params=params, token=jwt_tokens(name))) for name in ("bob", "carol")
        ]
        with aws.hitting(number, fault):
            answered = change.ask(alice, path)
        if repeated:
            assert change.ask(alice, path) in (200, 204, 412), f"after {answered} at call {number}"
        else:
            chalice_clock.advance(minutes=2, schedules=True)
        stored = alice.get(path).json()
        for client in clients:
            client.listen()
            heard = client.ended if stored["status"] == "ended" else client.version == stored["version"]
            assert heard, f"{client} at version {stored['version']}, after {answered} at call {number} of {aws.calls}"
            client.socket.close()
        if number >= len(aws.calls):  # none was hit
            assert (answered, number) == (200 if change.method == "PATCH" else 204, change.calls)
            return
    raise AssertionError(f"a request makes {MOST} calls or more")
