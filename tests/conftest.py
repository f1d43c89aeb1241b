"""Fixtures of the service that several of its tests begin with, and a guard over all of them: no credential is logged.

Imports nothing that a unit test would pay for.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.leaks import Leaks

if TYPE_CHECKING:
    from chalicelib.storage import Store
    from pytest_sessionplugin.aws.tables import Tables

HERE = Path(__file__).parent
OF_THE_SERVICE = {HERE, HERE / "unit" / "service"}
"""The folders of its tests: those of the plugin print tokens, since that is what its command does."""

LEAKS = pytest.StashKey[Leaks]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if item.path.parent not in OF_THE_SERVICE:
        return (yield)
    leaks = item.stash[LEAKS] = Leaks()
    with leaks.listening():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    leaks = item.stash.get(LEAKS, None)
    if leaks is not None and report.when == "teardown":
        leaks.look("stdout", report.capstdout)
        leaks.look("stderr", report.capstderr)
        if leaks.found and report.passed:
            report.outcome = "failed"
            report.longrepr = "Nothing secret may be logged or printed, but " + "; ".join(dict.fromkeys(leaks.found))
    return report


@pytest.fixture
def dynamodb_store(dynamodb_tables: Tables) -> Store:
    from chalicelib import dynamo
    from chalicelib.storage import Store
    from tests.stores import names_of

    return Store(dynamo.connect("us-east-1"), names_of(dynamodb_tables))
