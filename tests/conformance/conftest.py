"""Options, the suite's apps on an implementation, and the table at the end of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from tests.conformance.adapters import Adapter
from tests.conformance.adapters.given import Given
from tests.conformance.adapters.ministack import MiniStack
from tests.conformance.adapters.sessionplugin import SessionPlugin
from tests.conformance.client import Client
from tests.conformance.deployments import Deployments
from tests.conformance.table import Outcome, Result, fact_of, table, worst

ADAPTERS: dict[str, Callable[[], Adapter]] = {"ministack": MiniStack, "sessionplugin": SessionPlugin}
DEPLOYMENTS = pytest.StashKey[Deployments]()


@pytest.fixture(scope="session")
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return adapter_of(request.config)


def adapter_of(config: pytest.Config) -> Adapter:
    # Where the whole suite runs, pytest reads this file too late to add options.
    if given := config.getoption("--gateway-app", None):
        try:
            return Given.read(given)
        except ValueError as error:
            raise pytest.UsageError(f"--gateway-app {error}") from None
    return ADAPTERS[config.getoption("--gateway", SessionPlugin.name)]()


@pytest.fixture(scope="session")
def deployments(adapter: Adapter, request: pytest.FixtureRequest) -> Iterator[Deployments]:
    with Deployments(adapter) as deployments:
        request.config.stash[DEPLOYMENTS] = deployments
        yield deployments


@pytest.fixture
def whole(deployments: Deployments) -> Iterator[Client]:
    """The app that follows orders."""
    yield from _client(deployments, "whole")


@pytest.fixture
def listening(deployments: Deployments) -> Iterator[Client]:
    """The app whose only WebSocket handler is for messages."""
    yield from _client(deployments, "listening")


@pytest.fixture
def mute(deployments: Deployments) -> Iterator[Client]:
    """The app whose only handler is for connects."""
    yield from _client(deployments, "mute")


def _client(deployments: Deployments, name: str) -> Iterator[Client]:
    deployed = deployments.up(name)
    if deployed is None:
        pytest.skip(f"not observable there: the app {name!r} has not been brought up")
    with Client(deployed) as client:
        yield client


# --- the table


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance", "the implementation to test")
    group.addoption(
        "--gateway", choices=sorted(ADAPTERS), default="sessionplugin", help="an implementation that is started here"
    )
    group.addoption(
        "--gateway-app",
        action="append",
        metavar="NAME=HTTP_URL,WEBSOCKET_URL[,CONTROL_URL]",
        help="a running implementation: the URLs of an app of tests/conformance/apps; repeat it for each app",
    )
    group.addoption("--facts", action="store_true", help="print the table of facts at the end")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "deployments" in getattr(item, "fixturenames", ()):
            item.add_marker("process")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if fact := fact_of(item.name):
        item.user_properties.append(("fact", fact))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    broken_off = report.failed or (report.skipped and report.when == "call")
    if broken_off and DEPLOYMENTS in item.config.stash:
        item.config.stash[DEPLOYMENTS].renew()
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if config.getoption("--facts", False):
        terminalreporter.write_line("")
        terminalreporter.write_line(table(adapter_of(config).name, _results(terminalreporter.stats)))


def _results(stats: dict[str, list[Any]]) -> dict[str, Result]:
    found: defaultdict[str, list[Result]] = defaultdict(list)
    for category, outcome in (
        ("passed", Outcome.HOLDS),
        ("failed", Outcome.MISSED),
        ("error", Outcome.MISSED),
        ("skipped", Outcome.UNSEEN),
    ):
        for report in stats.get(category, []):
            if fact := dict(getattr(report, "user_properties", ())).get("fact"):
                found[fact].append(Result(outcome, _why(report, outcome)))
    return {fact: worst(results) for fact, results in found.items()}


def _why(report: Any, outcome: Outcome) -> str:
    if outcome is Outcome.UNSEEN:
        return str(report.longrepr[2]).removeprefix("Skipped: ").removeprefix("not observable there: ")
    if outcome is Outcome.MISSED:
        crash = getattr(report.longrepr, "reprcrash", None)
        said = str(crash.message if crash is not None else report.longrepr)
        return f"{report.nodeid.rpartition('::')[2]}: {' '.join(said.split())[:160]}"
    return ""
