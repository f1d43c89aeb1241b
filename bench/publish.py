"""One publish to ten others, in process: handler, storage and delivery included."""

from __future__ import annotations

import contextlib
import io
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from bench.figures import Figure, milliseconds

OTHERS = 10
PUBLISHES = 200
DEPTHS = 50  # frames
ASKED = 40.0  # milliseconds


def deeper(frames: int, action: Callable[[], None]) -> None:
    """Does it so many frames down the stack.

    CPython 3.11 maps and unmaps memory whenever a call crosses a border of its stack of frames: at some depths the
    innermost loop of moto does so at every step, and all else being equal takes five times as long.
    """
    if frames:
        deeper(frames - 1, action)
    else:
        action()


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
            publish = partial(publisher.send_json, {"action": "publish", "data": "x"})
            taken.milliseconds.append(milliseconds(partial(deeper, number % DEPTHS, publish)))
            publisher.expect("ack", seq=number)
            for other in others:
                other.expect("message", seq=number)
