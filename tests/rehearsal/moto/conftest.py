"""One account for all these tests: its server takes longer to start than most of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rehearsal.moto import moto_server, story
from tests.rehearsal.moto.moto_server import MotoServer
from tests.rehearsal.moto.story import Chapter, Story

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups the tests that share one deploy, so that `--dist loadgroup` runs them in one process."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("deployment"))


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    with moto_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def told(moto: MotoServer, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return story.tell(moto, tmp_path_factory.mktemp("story") / "project")


@pytest.fixture(params=["first", "changed"])
def deployed(request: pytest.FixtureRequest, told: Story) -> Chapter:
    """After the first deploy, and after one that changes something."""
    chapter: Chapter = getattr(told, request.param)
    return chapter
