"""The cost of a test: one frame through an echo handler, and the set-up of two tables.

It tests another app than the repository's, so it runs in a process of its own: `python -m bench.echoes FRAMES TESTS`
prints the times.
"""

from __future__ import annotations

import contextlib
import io
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.figures import Effort, Figure, milliseconds
from bench.fixtures import python

FRAMES = 1000
TESTS = 100
FRAME_TARGET = 1.0  # milliseconds
SET_UP_TARGET = 5.0


def measure_frame(effort: Effort) -> Figure:
    median = statistics.median(_taken(effort.of(FRAMES, 20), 1)["frames"])
    return Figure(
        "a frame and its echo, in process", f"{median:.2f} ms", "-", f"< {FRAME_TARGET:.0f} ms", median < FRAME_TARGET
    )


def measure_set_up(effort: Effort) -> Figure:
    median = statistics.median(_taken(1, effort.of(TESTS, 3))["set_ups"])
    return Figure(
        "fixtures of a test with two tables",
        f"{median:.1f} ms",
        "-",
        f"< {SET_UP_TARGET:.0f} ms",
        median < SET_UP_TARGET,
    )


def _taken(frames: int, tests: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = json.loads(python("-m", "bench.echoes", str(frames), str(tests)))
    return taken


class Recorder:
    """A pytest plugin that says how often to measure, and keeps the times."""

    def __init__(self, frames: int, tests: int) -> None:
        self.counts = {"frame": frames, "test": tests}
        self.taken: dict[str, list[float]] = {"frames": [], "set_ups": []}

    @pytest.fixture
    def frames(self) -> list[float]:
        return self.taken["frames"]

    @pytest.fixture
    def count(self) -> int:
        return self.counts["frame"]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "number" in metafunc.fixturenames:
            metafunc.parametrize("number", range(self.counts["test"]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "setup" and "test_tables" in report.nodeid:
            self.taken["set_ups"].append(report.duration * 1000)


def test_frame(chalice_gateway: Any, frames: list[float], count: int) -> None:
    with chalice_gateway.websocket() as socket:
        for number in range(count):
            frames.append(milliseconds(lambda: socket.send_text("hello")))
            assert socket.receive_text() == "hello", number


def test_tables(chalice_gateway: Any, dynamodb_tables: Any, number: int) -> None:
    assert dynamodb_tables["Rooms"].scan()["Count"] == 0, number
    dynamodb_tables["Rooms"].put_item(Item={"name": str(number)})


if __name__ == "__main__":
    recorder, said = Recorder(*map(int, sys.argv[1:])), io.StringIO()
    echo = Path(__file__).parent / "echo"
    with contextlib.redirect_stdout(said):
        arguments = ["-q", "-p", "no:cacheprovider", f"--sessionplugin-project={echo}", __file__]
        status = pytest.main(arguments, plugins=[recorder])
    if status:
        raise SystemExit(f"bench: measuring the echoes failed\n{said.getvalue()[-2000:]}")
    print(json.dumps(recorder.taken))
