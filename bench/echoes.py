"""A frame through a handler that asks nothing of DynamoDB, and the set-up of two tables: what each test pays.

A process of its own, as its app is another one: `python -m bench.echoes` prints what it took.
"""

from __future__ import annotations

import contextlib
import io
import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from bench.figures import Figure, milliseconds
from bench.fixtures import python

FRAMES = 1000
TESTS = 100
FRAME_ASKED = 1.0  # milliseconds
SET_UP_ASKED = 5.0


def measure_frame() -> Figure:
    median = statistics.median(_taken()["frames"])
    return Figure(
        "a frame and its echo, in process", f"{median:.2f} ms", "-", f"< {FRAME_ASKED:.0f} ms", median < FRAME_ASKED
    )


def measure_set_up() -> Figure:
    median = statistics.median(_taken()["set_ups"])
    return Figure(
        "fixtures of a test with two tables", f"{median:.1f} ms", "-", f"< {SET_UP_ASKED:.0f} ms", median < SET_UP_ASKED
    )


def _taken() -> dict[str, list[float]]:
    taken: dict[str, list[float]] = json.loads(python("-m", "bench.echoes"))
    return taken


class Recorder:
    """A pytest plugin that keeps the figures."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {"frames": [], "set_ups": []}

    @pytest.fixture
    def frames(self) -> list[float]:
        return self.taken["frames"]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "setup" and "test_tables" in report.nodeid:
            self.taken["set_ups"].append(report.duration * 1000)


def test_frame(chalice_gateway: Any, frames: list[float]) -> None:
    with chalice_gateway.websocket() as socket:
        for number in range(FRAMES):
            frames.append(milliseconds(lambda: socket.send_text("hello")))
            assert socket.receive_text() == "hello", number


@pytest.mark.parametrize("number", range(TESTS))
def test_tables(chalice_gateway: Any, dynamodb_tables: Any, number: int) -> None:
    assert dynamodb_tables["Rooms"].scan()["Count"] == 0, number
    dynamodb_tables["Rooms"].put_item(Item={"name": str(number)})


if __name__ == "__main__":
    recorder, said = Recorder(), io.StringIO()
    echo = Path(__file__).parent / "echo"
    with contextlib.redirect_stdout(said):
        arguments = ["-q", "-p", "no:cacheprovider", f"--sessionplugin-project={echo}", __file__]
        status = pytest.main(arguments, plugins=[recorder])
    if status:
        raise SystemExit(f"bench: the echoes could not be measured\n{said.getvalue()[-2000:]}")
    print(json.dumps(recorder.taken))
