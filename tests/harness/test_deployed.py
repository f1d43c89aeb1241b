"""A deployed stage has what a client can see, and refuses everything else with the same sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.errors import NotOnThisTarget, SessionPluginError
from pytest_sessionplugin.harness.deployed import DeployedHarness
from pytest_sessionplugin.options import ChaliceMark

TARGET = "https://a.example/api,wss://b.example/api"


def deployed(mark: ChaliceMark | None = None, table: Mapping[str, Any] | None = None) -> DeployedHarness:
    return DeployedHarness(TARGET, 5.0, mark or ChaliceMark(), table or {}, Path("/nowhere"))


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


def test_copies_for_each_function_cannot_be_had_and_one_for_all_is_not_asked_for() -> None:
    with pytest.raises(NotOnThisTarget, match=r"no copies of the app for this test, for @pytest.mark.chalice\(iso"):
        deployed(ChaliceMark.of(isolation="function"))
    deployed(ChaliceMark.of(isolation="app"))


def test_a_target_on_this_machine_is_called_a_served_app() -> None:
    target = "http://127.0.0.1:8000,ws://localhost:8001"
    served = DeployedHarness(target, 5.0, ChaliceMark(), {}, Path("/nowhere"))
    with pytest.raises(NotOnThisTarget, match=f"^the served app {target} has no clock"):
        served.clock()
    with pytest.raises(NotOnThisTarget, match=r"token of bob: set .*; /nowhere/.chalice/local/key, which serve makes"):
        served.tokens()("bob")
    half = DeployedHarness("http://127.0.0.1:8000,wss://b.example", 5.0, ChaliceMark(), {}, Path("/nowhere"))
    with pytest.raises(NotOnThisTarget, match=r"^the deployed stage http"):
        half.clock()


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
