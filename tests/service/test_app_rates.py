"""Rates as clients meet them, on a clock that tests advance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin import Clock, ConnectionClosed, Gateway, WebSocket
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

PING = {"action": "ping"}
PUBLISH = {"action": "publish", "data": "x"}
Join = Callable[..., WebSocket]


@pytest.fixture
def alice(chalice_clock: Clock, chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    return chalice_gateway.http(token=jwt_tokens("alice", expires_in=86_400))


@pytest.fixture
def join(alice: HttpClient, chalice_gateway: Gateway, jwt_tokens: Tokens) -> Join:
    """Joins one session."""
    params = {"sessionId": alice.post("/sessions", json={}).json()["sessionId"]}

    def join(subject: str = "bob") -> WebSocket:
        return chalice_gateway.websocket("/", params=params, token=jwt_tokens(subject, expires_in=86_400))

    return join


def answers(socket: WebSocket, count: int, frame: Any) -> list[dict[str, Any]]:
    """The answers to so many frames at once."""
    for _ in range(count):
        socket.send_json(frame)
    return [socket.receive_json() for _ in range(count)]


def kinds(frames: list[dict[str, Any]]) -> Counter[str]:
    return Counter(frame.get("code", frame["type"]) for frame in frames)


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_a_ping_every_45_seconds_for_two_hours_is_never_refused_nor_costs_a_third_request(
    chalice_clock: Clock, join: Join, aws_calls: Calls
) -> None:
    with join() as bob:
        for _ in range(7200 // 45 - 1):
            chalice_clock.advance(seconds=45)
            with aws_calls.exactly(dynamodb=2, write_units=1, read_units=1):
                bob.send_json(PING)
                bob.expect(type="pong")


def test_three_frames_a_second_are_never_refused(chalice_clock: Clock, join: Join, aws_calls: Calls) -> None:
    with join() as bob:
        for _ in range(180):
            chalice_clock.advance(seconds=1 / 3)
            with aws_calls.exactly(dynamodb=2):
                assert answers(bob, 1, PING)[0]["type"] == "pong"


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_of_sixty_frames_at_once_twenty_are_done_and_the_connection_is_well_again(
    chalice_clock: Clock, join: Join
) -> None:
    """On sockets they are handled at the same time."""
    with join() as bob, join("carol") as carol:
        told = answers(bob, 60, PING)
        assert kinds(told) == {"pong": 20, "rate_limited": 40}
        waits = {frame["retryAfter"] for frame in told if frame["type"] == "error"}
        assert waits <= set(range(1, 10))
        assert kinds(answers(carol, 1, PING)) == {"pong": 1}, "another connection has another meter"
        chalice_clock.advance(seconds=max(waits))
        assert kinds(answers(bob, 20, PING)) == {"pong": 20}


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_fifty_frames_a_second_are_closed_within_two_seconds(
    chalice_clock: Clock, chalice_gateway: Gateway, join: Join, dynamodb_tables: Tables
) -> None:
    bob, told = join(), []
    for _ in range(60 * 50):
        chalice_clock.advance(seconds=0.02)
        told += answers(bob, 1, PING)
        if told[-1]["type"] == "closing":
            break
    assert kinds(told[:-1]) == {"pong": 24, "rate_limited": 50}
    assert (told[-1]["code"], told[-1]["reconnect"]) == ("rate_limited", "after")
    assert 4_000 <= told[-1]["afterMs"] <= 9_000
    with pytest.raises(ConnectionClosed) as closed:
        bob.receive_json()
    assert closed.value.code == 1000
    chalice_gateway.settle()
    assert dynamodb_tables["Connections"].scan()["Count"] == 0


@pytest.mark.chalice(allow="off_contract")  # not a frame
@pytest.mark.parametrize("junk", ["{", "[]", '{"action": "fly"}', '{"id": [], "action": "ping"}'])
def test_junk_is_metered_too(join: Join, junk: str) -> None:
    with join() as bob:
        for _ in range(21):
            bob.send_text(junk)
        assert kinds([bob.receive_json() for _ in range(21)]) == {"invalid_request": 20, "rate_limited": 1}
        bob.send_json({**PING, "id": "late"})
        assert bob.expect(type="error", code="rate_limited")["replyTo"] == "late"


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_a_session_takes_a_hundred_messages_at_once_and_the_next_takes_no_number(
    chalice_clock: Clock, join: Join, aws_calls: Calls
) -> None:
    sockets = [join(f"guest-{i}") for i in range(10)]
    for socket in sockets:
        for _ in range(10):
            socket.send_json(PUBLISH)
            socket.expect(type="ack")
        for other in sockets:
            if other is not socket:
                assert kinds([other.receive_json() for _ in range(10)]) == {"message": 10}
    bob = sockets[0]
    with aws_calls.exactly(dynamodb=3, write_units=3, read_units=0):
        [refused] = answers(bob, 1, PUBLISH)
    assert (refused["type"], refused["code"]) == ("error", "rate_limited")
    assert 1 <= refused["retryAfter"] <= 5
    assert answers(sockets[1], 1, PING)[0]["seq"] == 100
    chalice_clock.advance(seconds=refused["retryAfter"])
    assert answers(bob, 1, PUBLISH)[0]["seq"] == 101
    bob.receive_nothing()
    for socket in sockets[1:]:
        socket.expect(type="message", seq=101)
    for socket in sockets:
        socket.close()


def test_messages_of_a_server_count_on_the_session_too(
    chalice_clock: Clock, alice: HttpClient, join: Join, aws_calls: Calls
) -> None:
    with join() as bob:
        path = f"/sessions/{answers(bob, 1, {'action': 'hello'})[0]['session']['sessionId']}/messages"
        assert kinds(answers(bob, 10, PUBLISH)) == {"ack": 10}
        assert {alice.post(path, json={"data": "x"}).status_code for _ in range(90)} == {201}
        with aws_calls.exactly(dynamodb=1, write_units=1):
            refused = alice.post(path, json={"data": "x"})
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["Retry-After"]) <= 5
        assert alice.post(path, json={"data": "x", "to": "carol"}).status_code == 201, "counts on nothing"
        chalice_clock.advance(seconds=int(refused.headers["Retry-After"]))
        assert alice.post(path, json={"data": "x"}).json()["seq"] == 101
        assert kinds([bob.receive_json() for _ in range(91)]) == {"message": 91}


@pytest.mark.chalice(env={"FRAME_RATE": "0", "SESSION_RATE": "0"})
def test_no_rate_refuses_nothing(join: Join) -> None:
    with join() as bob:
        assert kinds(answers(bob, 200, PUBLISH)) == {"ack": 200}
        limits = answers(bob, 1, {"action": "hello"})[0]["limits"]
    assert (limits["framesPerSecond"], limits["sessionPublishesPerSecond"]) == (0, 0)


@pytest.mark.chalice(env={"FRAME_RATE": "1", "SESSION_RATE": "7"})
def test_welcome_tells_the_rates_of_the_stage(join: Join) -> None:
    with join() as bob:
        limits = answers(bob, 1, {"action": "hello"})[0]["limits"]
        assert (limits["framesPerSecond"], limits["sessionPublishesPerSecond"]) == (1, 7)
        assert kinds(answers(bob, 2, PING)) == {"pong": 1, "rate_limited": 1}
