"""Requests that schemathesis makes from the contract, valid ones and others, alone and in sequences by its links.

Each answer is one of the contract, none is a 5xx, and what the contract forbids is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_sessionplugin import Gateway
from pytest_sessionplugin.gateway.values import on_loopback
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.contracts.documents import OPENAPI, load, operations
from tests.service.fuzz import EXAMPLES, thorough

if TYPE_CHECKING:
    from schemathesis import APIOperation, BaseSchema, Case

STEPS = 8  # at most, of a sequence


@pytest.fixture(scope="module")
def contract() -> BaseSchema:
    import schemathesis

    return schemathesis.openapi.from_path(OPENAPI)


@pytest.fixture
def sending(chalice_gateway: Gateway, jwt_tokens: Tokens) -> Callable[[str], dict[str, Any]]:
    """Arguments of a call that is answered by the app, for a subject."""
    session = chalice_gateway.requests_session()

    def of(subject: str) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {jwt_tokens(subject)}"}
        return {"base_url": chalice_gateway.base_url, "session": session, "headers": headers}

    return of


def validate(case: Case[Any], response: Any, sent: dict[str, Any]) -> None:
    from schemathesis.checks import ignored_auth, positive_data_acceptance, unsupported_method

    left_out = [
        unsupported_method,  # API Gateway answers 403 to an unknown method, never 405
        positive_data_acceptance,  # a schema does not say which numbers are exact, or which cursors are the caller's
    ]
    if not on_loopback(sent["base_url"]):
        left_out.append(ignored_auth)  # it makes connections of its own
    case.validate_response(response, excluded_checks=left_out, transport_kwargs=sent)


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_requests_of_each_operation_are_answered_as_the_contract_says(
    contract: BaseSchema, sending: Callable[[str], dict[str, Any]]
) -> None:
    from schemathesis import GenerationMode
    from schemathesis.core.result import Ok

    operations = [each.ok() for each in contract.get_all_operations() if isinstance(each, Ok)]
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    alices, met = sending("alice"), set()

    def fuzz(operation: APIOperation[Any, Any, Any, Any]) -> None:
        """As many examples as others get: of one choice among all operations, some would get none."""

        @thorough(EXAMPLES // len(operations) + 1)
        @given(st.one_of([operation.as_strategy(mode) for mode in modes]))
        def fuzzed(case: Case[Any]) -> None:
            validate(case, case.call(**alices), alices)
            met.add(case.operation.label)

        fuzzed()

    for operation in operations:
        fuzz(operation)
    assert met == {operation.label for operation in operations}


def test_sequences_by_the_links_of_the_contract_are_answered_as_it_says(
    contract: BaseSchema, sending: Callable[[str], dict[str, Any]]
) -> None:
    met: set[str] = set()
    numbers = itertools.count()

    class Workflow(contract.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            self.sending = sending(f"owner-{next(numbers)}")  # a sequence sees nothing of those before it

        def get_call_kwargs(self, case: Case[Any]) -> dict[str, Any]:
            return self.sending

        def validate_response(self, response: Any, case: Case[Any], additional_checks: Any = None, **sent: Any) -> None:
            validate(case, response, sent)
            met.add(case.operation.label)

    Workflow.run(settings=thorough(EXAMPLES // 4, stateful_step_count=STEPS))
    assert met == {f"{verb.upper()} {path}" for path, verb, _ in operations(load(OPENAPI)) if "/sessions" in path}
