"""A deployed stage has what a client can see, and refuses everything else with the same sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from pytest_sessionplugin.errors import NotOnThisTarget, SessionPluginError
from pytest_sessionplugin.harness.deployed import DeployedHarness
from pytest_sessionplugin.options import ChaliceMark

TARGET = "https://a.example/api,wss://b.example/api"


def deployed(mark: ChaliceMark | None = None, table: Mapping[str, Any] | None = None) -> DeployedHarness:
    return DeployedHarness(TARGET, 5.0, mark or ChaliceMark(), table or {})


@pytest.mark.parametrize(
    "ask",
    [
        DeployedHarness.account,
        DeployedHarness.tables,
        DeployedHarness.process,
        lambda harness: harness.load("app"),
        DeployedHarness.clock,
    ],
)
def test_everything_else_of_a_local_harness_is_missing(ask: Callable[[DeployedHarness], object]) -> None:
    with pytest.raises(NotOnThisTarget, match=f"^the deployed stage {TARGET} has no .*; run this test with --session"):
        ask(deployed())


def test_private_names_are_no_capabilities() -> None:
    assert not hasattr(deployed(), "__wrapped__")


def test_an_app_of_the_tests_own_cannot_be_had() -> None:
    for mark in (ChaliceMark.of(fresh=True), ChaliceMark.of(env={"A": "1"})):
        with pytest.raises(NotOnThisTarget, match="no app of the test's own"):
            deployed(mark)


def test_its_gateway_has_urls_and_no_more_than_a_client_sees() -> None:
    gateway = deployed().deployed().gateway
    assert gateway.urls is not None
    assert gateway._transport.patience == 5.0
    assert (gateway.urls.http, gateway.urls.websocket) == ("https://a.example/api", "wss://b.example/api")
    with pytest.raises(NotOnThisTarget, match="no way to invoke its functions"):
        gateway.invoke("job")
    with pytest.raises(NotOnThisTarget, match="no other app beside it"):
        gateway.of("elsewhere")
    with pytest.raises(NotOnThisTarget, match="no event sources"):
        gateway.deliver_events()
    with pytest.raises(NotOnThisTarget, match="no retries"):
        _ = gateway.retries


def test_without_a_gateway_there_is_neither_trace_nor_problem() -> None:
    kit = deployed()
    assert (kit.trace, kit.problems()) == ("", [])


def test_settings_of_tokens_that_cannot_be_are_a_sentence() -> None:
    with pytest.raises(SessionPluginError, match=r"\[tool.sessionplugin.tokens\] must be a table of strings"):
        _ = deployed(table={"tokens": {"issuer": 1}}).tokens()
