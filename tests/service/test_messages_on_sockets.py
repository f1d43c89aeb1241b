"""Ten publishers in one durable session on the served app, as fast as they go, and clients who hear them."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from pytest_sessionplugin import Gateway, WebSocket
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.service.client import Client
from tests.service.client_values import State
from tests.service.driven import Driven

PUBLISHERS, LISTENERS = 10, 2


@pytest.mark.chalice(targets=["sockets"], env={"FRAME_RATE": "0", "SESSION_RATE": "0"})
@pytest.mark.parametrize("each", [10, pytest.param(100, marks=pytest.mark.slow)], ids=["100", "1,000"])
def test_what_ten_publishers_say_is_kept_once_and_heard_in_order(
    chalice_gateway: Gateway,
    jwt_tokens: Tokens,
    capsys: pytest.CaptureFixture[str],
    each: int,
) -> None:
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    session_id = str(alice.post("/sessions", json={"durable": True}).json()["sessionId"])
    listeners = [
        Driven(
            chalice_gateway,
            session_id,
            lambda number=number: jwt_tokens(f"listener-{number}"),  # type: ignore[misc]
            lambda: datetime.now(UTC),
            Client(lambda: 0.5),
        )
        for number in range(LISTENERS)
    ]
    for one in listeners:
        one.settle()
    params = {"sessionId": session_id}
    sockets = [
        chalice_gateway.websocket("/", params=params, token=jwt_tokens(f"publisher-{number}"))
        for number in range(PUBLISHERS)
    ]

    def publish(number: int) -> dict[str, int]:
        acknowledged: dict[str, int] = {}
        for data in (f"{number}-{i}" for i in range(each)):
            sockets[number].send_json({"action": "publish", "data": data})
            acknowledged[data] = ack(sockets[number])
        return acknowledged

    began = time.perf_counter()
    with ThreadPoolExecutor(PUBLISHERS) as pool:
        acknowledged = {data: seq for acks in pool.map(publish, range(PUBLISHERS)) for data, seq in acks.items()}
    took = time.perf_counter() - began
    with capsys.disabled():
        print(f"\n{PUBLISHERS * each:,} messages on sockets, {PUBLISHERS * each / took:,.0f} a second")  # noqa: T201
    for one in listeners:
        one.settle()
    page = alice.get(f"/sessions/{session_id}/events", params={"limit": "1000"}).json()
    assert "next" not in page
    assert {event["data"]: event["seq"] for event in page["events"]} == acknowledged
    for one in listeners:
        assert one.client.state is State.LIVE
        assert one.numbers == [event["seq"] for event in page["events"]], "each once, and in order"
        one.close()
    for socket in sockets:
        socket.close()


def ack(socket: WebSocket) -> int:
    """The seq of the next ack, after frames of others."""
    while True:  # receive_json raises when none comes
        frame = socket.receive_json()
        if frame["type"] != "message":
            assert frame["type"] == "ack", frame
            return int(frame["seq"])
