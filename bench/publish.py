"""One publish to ten others, in process: handler, storage and delivery included."""

from __future__ import annotations

import contextlib
import io
import statistics
from contextlib import ExitStack
from typing import Any

import pytest

from bench.figures import Figure, milliseconds

OTHERS = 10
PUBLISHES = 200
ASKED = 40.0  # milliseconds


class Measurement:
    """A pytest plugin with one test in it, so that the fixtures are those that every test has."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []


def measure() -> Figure:
    taken = Measurement()

    class Recorder:
        @pytest.fixture
        def taken(self) -> Measurement:
            return taken

    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        status = pytest.main(["-q", "-p", "no:cacheprovider", __file__], plugins=[Recorder()])
    if status or not taken.milliseconds:
        raise SystemExit(f"bench: the publishes could not be measured\n{said.getvalue()[-2000:]}")
    median = statistics.median(taken.milliseconds)
    return Figure(
        f"publish to {OTHERS} others, in process", f"{median:.1f} ms", "-", f"< {ASKED:.0f} ms", median < ASKED
    )


def test_publish(chalice_gateway: Any, jwt_tokens: Any, taken: Measurement) -> None:
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    params = {"sessionId": alice.post("/sessions", json={}).json()["sessionId"]}
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(chalice_gateway.websocket("/", params=params, token=jwt_tokens(f"guest-{i}")))
            for i in range(OTHERS + 1)
        ]
        publisher, *others = sockets
        for number in range(1, PUBLISHES + 1):
            taken.milliseconds.append(milliseconds(lambda: publisher.send_json({"action": "publish", "data": "x"})))
            publisher.expect("ack", seq=number)
            for other in others:
                other.expect("message", seq=number)
