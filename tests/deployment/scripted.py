"""CloudFormation as a script of answers. botocore holds each request and each answer to the service's model."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from botocore.session import Session
from botocore.stub import ANY, Stubber

from deployment.progress import Step
from deployment.stacks import Stacks

NAME = "sessions-dev"
STACK = f"arn:aws:cloudformation:eu-north-1:123456789012:stack/{NAME}/1"
THEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Scripted:
    """Takes the place of `Aws`. Each method appends an answer; a call out of order raises an error."""

    def __init__(self) -> None:
        self._clients = {service: _client(service) for service in ("cloudformation", "cloudwatch")}
        self.stubber = Stubber(self._clients["cloudformation"])
        self.alarms = Stubber(self._clients["cloudwatch"])
        self.numbers = 0

    def client(self, service: str) -> Any:
        return self._clients[service]

    @property
    def stacks(self) -> Stacks:
        return Stacks(self, seconds=0)  # type: ignore[arg-type]  # all of Aws that it needs

    def answer(self, operation: str, answer: Mapping[str, Any] | None = None, **request: Any) -> None:
        """`request` are its parameters, each of them; ANY for one that does not matter."""
        self.stubber.add_response(operation, dict(answer or {}), request)

    def error(self, operation: str, code: str, message: str, **request: Any) -> None:
        self.stubber.add_client_error(operation, code, message, expected_params=request or None)

    def state(self, state: str | None, which: str, **more: Any) -> None:
        """One look at the stack; None: it does not exist."""
        if state is None:
            self.error("describe_stacks", "ValidationError", f"Stack with id {NAME} does not exist", StackName=which)
            return
        described = {"StackName": NAME, "StackId": STACK, "CreationTime": THEN, "StackStatus": state, **more}
        self.answer("describe_stacks", {"Stacks": [described]}, StackName=which)

    def events(self, *newest_first: Mapping[str, Any], more: str | None = None, **request: Any) -> None:
        """One page of events; `more` is the token of the next one."""
        page = {"StackEvents": list(newest_first), **({"NextToken": more} if more else {})}
        self.answer("describe_stack_events", page, **{"StackName": ANY, **request})

    def look(self, state: str, *newest_first: Mapping[str, Any]) -> None:
        """One look at an operation: the state, then the events."""
        self.state(state, STACK)
        self.events(*newest_first, StackName=STACK)

    def end(self, state: str, *newest_first: Mapping[str, Any]) -> None:
        """The last look at an operation, which an event of the stack itself tells; then its events once more."""
        events = (self.event(state), *newest_first)
        self.look(state, *events)
        self.events(*events, StackName=STACK)

    def event(self, status: str, resource: str = NAME, reason: str = "", kind: str = "AWS::SNS::Topic") -> Any:
        """An event of a resource, or of the stack itself."""
        self.numbers += 1
        own = resource == NAME
        return {
            "StackId": STACK,
            "EventId": f"event-{self.numbers}",
            "StackName": NAME,
            "LogicalResourceId": resource,
            "PhysicalResourceId": STACK if own else f"{resource}-id",
            "ResourceType": "AWS::CloudFormation::Stack" if own else kind,
            "Timestamp": THEN,
            "ResourceStatus": status,
            **({"ResourceStatusReason": reason} if reason else {}),
        }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def step(out: io.StringIO | None = None, *, verbose: bool = False) -> Step:
    return Step(out or io.StringIO(), "stage", verbose=verbose)


@cache
def _client(service: str) -> Any:
    session = Session()
    session.set_credentials("AKIDEXAMPLE", "never used")
    return session.create_client(service, region_name="eu-north-1")


@contextmanager
def scripted() -> Iterator[Scripted]:
    """Raises AssertionError unless each answer was asked for."""
    made = Scripted()
    with made.stubber, made.alarms:
        yield made
    made.stubber.assert_no_pending_responses()
    made.alarms.assert_no_pending_responses()
