"""One publish to ten others, in process: handler, storage and delivery included.

pytest must load the plugin before anything else imports it, so this runs in a process of its own:
`python -m bench.publish COUNT` prints the times.
"""

from __future__ import annotations

import contextlib
import io
import json
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from bench.figures import Effort, Figure, milliseconds
from bench.fixtures import python

OTHERS = 10
PUBLISHES = 200
DEPTHS = 50  # stack frames
TARGET = 40.0  # milliseconds


def deeper(frames: int, action: Callable[[], None]) -> None:
    """Calls `action` this many frames further down the stack.

    CPython 3.11 maps and unmaps memory when a call crosses the end of a chunk of its frame stack. At an unlucky depth
    moto's innermost loop does so at every step and takes five times as long, so the depth varies.
    """
    if frames:
        deeper(frames - 1, action)
    else:
        action()


def measure(effort: Effort) -> Figure:
    taken: list[float] = json.loads(python("-m", "bench.publish", str(effort.of(PUBLISHES, 5))))
    median = statistics.median(taken)
    return Figure(
        f"publish to {OTHERS} others, in process", f"{median:.1f} ms", "-", f"< {TARGET:.0f} ms", median < TARGET
    )


class Recorder:
    """A pytest plugin that says how often to measure, and keeps the times."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.milliseconds: list[float] = []

    @pytest.fixture
    def taken(self) -> list[float]:
        return self.milliseconds

    @pytest.fixture
    def count(self) -> int:
        return self._count


def test_publish(chalice_gateway: Any, jwt_tokens: Any, taken: list[float], count: int) -> None:
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    params = {"sessionId": alice.post("/sessions", json={}).json()["sessionId"]}
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(chalice_gateway.websocket("/", params=params, token=jwt_tokens(f"guest-{i}")))
            for i in range(OTHERS + 1)
        ]
        publisher, *others = sockets
        for number in range(1, count + 1):
            publish = partial(publisher.send_json, {"action": "publish", "data": "x"})
            taken.append(milliseconds(partial(deeper, number % DEPTHS, publish)))
            publisher.expect(type="ack", seq=number)
            for other in others:
                other.expect(type="message", seq=number)


if __name__ == "__main__":
    recorder, said = Recorder(int(sys.argv[1])), io.StringIO()
    with contextlib.redirect_stdout(said):
        status = pytest.main(["-q", "-p", "no:cacheprovider", __file__], plugins=[recorder])
    if status:
        raise SystemExit(f"bench: measuring the publishes failed\n{said.getvalue()[-2000:]}")
    print(json.dumps(recorder.milliseconds))
