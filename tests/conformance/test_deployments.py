"""Apps are deployed once, and again after a renewal."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.adapters import Deployed
from tests.conformance.deployments import Deployments


class Recorded:
    name = "recorded"

    def __init__(self) -> None:
        self.seen: list[str] = []

    @contextlib.contextmanager
    def deploy(self, project: Path) -> Iterator[Deployed]:
        self.seen.append(f"{project.name} begins")
        yield Deployed("http", "ws", "http")
        self.seen.append(f"{project.name} ends")


def test_an_app_is_brought_up_when_it_is_first_asked_for_and_ends_with_the_run() -> None:
    adapter = Recorded()
    with Deployments(adapter) as deployments:
        assert adapter.seen == []
        assert deployments.up("whole") is deployments.up("whole")
    assert adapter.seen == ["whole begins", "whole ends"]


def test_after_renew_all_that_was_up_ends_and_only_what_is_asked_for_begins_anew() -> None:
    adapter = Recorded()
    with Deployments(adapter) as deployments:
        first = deployments.up("whole")
        deployments.up("mute")
        deployments.renew()
        assert deployments.up("whole") is not first
        assert deployments.up("whole") is deployments.up("whole")
    begun = ["whole begins", "mute begins", "mute ends", "whole ends"]
    assert adapter.seen == [*begun, "whole begins", "whole ends"]
