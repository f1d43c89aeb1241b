"""Fixtures that several rooms share, marks for speed, and a guard over the service's tests: they log no credential.

Heavy imports are inside the fixtures, since unit tests import this file, too.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.leaks import Leaks
from tests.strangers import Stranger, write_project

if TYPE_CHECKING:
    from chalicelib.storage import Store
    from pytest_sessionplugin.app.project import Project
    from pytest_sessionplugin.aws.tables import Tables

HERE = Path(__file__).parent
OF_THE_SERVICE = {HERE / "service"}
"""The guarded folders. Tests of the plugin print tokens, as its command does."""

LEAKS = pytest.StashKey[Leaks]()

SPEED = {"process": {"pytester", "stranger"}, "emulator": {"_sessionplugin", "moto_table"}}
"""Marks that a test gets for its fixtures; `make unit` leaves these tests out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        for mark, fixtures in SPEED.items():
            if used & fixtures:
                item.add_marker(mark)
        target = getattr(item, "callspec", None) and item.callspec.params.get("_sessionplugin")  # type: ignore[attr-defined]
        if target == "sockets":
            item.add_marker("sockets")


def pytest_configure() -> None:
    """Lets Python collect garbage less often: it took half of the time of the tests that use botocore's models."""
    gc.set_threshold(20_000, 20, 10)


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
    from chalicelib import dynamodb
    from chalicelib.storage import Store
    from tests.service.stores import names_of

    return Store(dynamodb.clients("us-east-1", None)[0], names_of(dynamodb_tables))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    from pytest_sessionplugin.app.project import Project

    return Project(write_project(tmp_path))


@pytest.fixture
def stranger(request: pytest.FixtureRequest, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Stranger:
    return Stranger(pytester, monkeypatch, is_forked=request.node.get_closest_marker("interpreter") is None)


@pytest.fixture(params=[["place", "id"], ["place"]], ids=["with a sort key", "without"])
def moto_table(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A table of moto's own, `things`, with its key of `place` and perhaps `id`; no part of the plugin is open."""
    import boto3
    from moto import mock_aws

    names: list[str] = request.param
    with mock_aws():
        dynamodb: Any = boto3.resource("dynamodb", region_name="us-east-1")
        yield dynamodb.create_table(
            TableName="things",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[{"AttributeName": n, "KeyType": k} for n, k in zip(names, ("HASH", "RANGE"), strict=False)],
        )
