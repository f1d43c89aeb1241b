"""One account for all tests of the doctor's account checks: a deploy takes longer than most of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rehearsal.doctor.standing_stage import Place
from tests.rehearsal.moto import moto_server


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The deployed stage `dev`. A test that breaks it also restores it."""
    with moto_server.running() as server:
        made = Place(server, tmp_path_factory.mktemp("place") / "project")
        ran = made.run("deploy", "--stage", "dev")
        assert ran.status == 0, ran.err
        yield made
