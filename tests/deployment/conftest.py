"""One account for all these tests: its server takes longer to start than most of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import moto_server
from tests.deployment.moto_server import MotoServer

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They share what was deployed once, so that they run in one process of `--dist loadgroup`."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("deployment"))


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    with moto_server.running() as server:
        yield server
