"""The service as time passes: expiry, idle sockets, sweeps and TTL, on a clock that tests advance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin import Clock, ConnectionClosed, Gateway, HandshakeRefused, WebSocket
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

DAY = 86_400  # seconds, the longest that a token may be valid
Create = Callable[..., dict[str, Any]]
Join = Callable[..., WebSocket]


@pytest.fixture
def alice(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    """HTTP as the owner, for a day."""
    return chalice_gateway.http(token=jwt_tokens("alice", expires_in=DAY))


@pytest.fixture
def create(alice: HttpClient) -> Create:
    def create(**body: Any) -> dict[str, Any]:
        session: dict[str, Any] = alice.post("/sessions", json=body).json()
        return session

    return create


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens) -> Join:
    def join(session: dict[str, Any], expires_in: float = DAY) -> WebSocket:
        token = jwt_tokens("bob", expires_in=expires_in)
        return chalice_gateway.websocket("/", params={"sessionId": session["sessionId"]}, token=token)

    return join


def assert_closed(socket: WebSocket, code: int) -> None:
    with pytest.raises(ConnectionClosed) as closed:
        socket.receive_json()
    assert closed.value.code == code


def test_a_token_expires(chalice_clock: Clock, chalice_gateway: Gateway, jwt_tokens: Tokens) -> None:
    token = jwt_tokens("alice", expires_in=60)
    http = chalice_gateway.http(token=token)
    assert http.get("/sessions").status_code == 200
    chalice_clock.advance(seconds=69)
    assert http.get("/sessions").status_code == 200, "the service allows ten seconds"
    chalice_clock.advance(seconds=1)
    assert http.get("/sessions").json()["detail"] == "The token has expired."
    assert chalice_gateway.http(token=jwt_tokens("alice", expires_in=60)).get("/sessions").status_code == 200


def test_a_session_expires(chalice_clock: Clock, alice: HttpClient, create: Create) -> None:
    session = create(expiresIn=60)
    path = f"/sessions/{session['sessionId']}"
    chalice_clock.advance(seconds=59)
    assert alice.get(path).json()["status"] == "active"
    chalice_clock.advance(seconds=1)
    assert alice.get(path).json()["status"] == "ended"


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_a_session_is_not_found_past_its_purge_whether_or_not_ttl_has_come(
    chalice_clock: Clock,
    chalice_gateway: Gateway,
    create: Create,
    jwt_tokens: Tokens,
    dynamodb_tables: Tables,
    aws_calls: Calls,
) -> None:
    session = create(expiresIn=60)
    key, path = {"sessionId": session["sessionId"]}, f"/sessions/{session['sessionId']}"
    with aws_calls.exactly(dynamodb=0):
        chalice_clock.advance(days=7, seconds=59)
    http = chalice_gateway.http(token=jwt_tokens("alice"))
    assert (http.get(path).json()["status"], len(http.get("/sessions").json()["sessions"])) == ("ended", 1)
    chalice_clock.advance(seconds=1)
    assert http.get("/sessions").json() == {"sessions": [], "nextCursor": None}
    for answer in (http.get(path), http.patch(path, json={"title": "x"}), http.delete(path)):
        assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
    with pytest.raises(HandshakeRefused) as refused:
        chalice_gateway.websocket("/", params=key, token=jwt_tokens("bob"))
    assert refused.value.status_code == 404
    assert "Item" in dynamodb_tables["Sessions"].get_item(Key=key), "TTL comes two days late"
    chalice_clock.advance(days=2)
    assert dynamodb_tables["Sessions"].scan()["Count"] == 0


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_the_sweep_ends_what_has_expired_and_forgets_it_when_nobody_is_left(
    chalice_clock: Clock, create: Create, join: Join, dynamodb_tables: Tables
) -> None:
    session = create(expiresIn=90)
    key = {"sessionId": session["sessionId"]}
    with join(session) as bob:
        chalice_clock.advance(seconds=119, schedules=True)
        bob.receive_nothing()
        chalice_clock.advance(seconds=1, schedules=True)
        bob.expect(type="session.ended", reason="expired")
        assert_closed(bob, 1000)
    ended = dynamodb_tables["Sessions"].get_item(Key=key)["Item"]
    assert (ended["endedAt"], "dueAt" in ended) == (ended["expiresAt"], True)
    chalice_clock.advance(minutes=1, schedules=True)
    assert "dueAt" not in dynamodb_tables["Sessions"].get_item(Key=key)["Item"]


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_a_socket_is_closed_after_ten_idle_minutes_and_its_rows_go_with_it(
    chalice_clock: Clock, create: Create, join: Join, dynamodb_tables: Tables
) -> None:
    with join(create()) as bob:
        chalice_clock.advance(minutes=9, seconds=59)
        bob.send_json({"action": "ping"})
        bob.expect(type="pong")
        chalice_clock.advance(minutes=9, seconds=59)
        bob.receive_nothing()
        assert dynamodb_tables["Connections"].scan()["Count"] == 2
        chalice_clock.advance(seconds=1)
        assert dynamodb_tables["Connections"].scan()["Count"] == 0
        assert_closed(bob, 1001)


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_a_socket_is_closed_after_two_hours_however_busy(
    chalice_clock: Clock, create: Create, join: Join, dynamodb_tables: Tables
) -> None:
    with join(create()) as bob:
        for _ in range(13):
            chalice_clock.advance(minutes=9)
            bob.send_json({"action": "ping"})
            bob.expect(type="pong")
        chalice_clock.advance(minutes=3)
        assert_closed(bob, 1001)
    assert dynamodb_tables["Connections"].scan()["Count"] == 0


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_a_socket_outlives_its_token_until_its_next_frame(chalice_clock: Clock, create: Create, join: Join) -> None:
    with join(create(), expires_in=60) as bob:
        chalice_clock.advance(minutes=5)
        bob.receive_nothing()
        bob.send_json({"action": "publish", "data": "too late"})
        bob.expect(type="closing", code="token_expired", reconnect="now")
        assert_closed(bob, 1000)


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_a_silent_socket_whose_token_has_expired_hears_nothing_and_ends_with_the_next_delivery(
    chalice_clock: Clock, alice: HttpClient, create: Create, join: Join
) -> None:
    session = create()
    with join(session, expires_in=60) as bob, join(session) as carol:
        chalice_clock.advance(minutes=5, schedules=True)
        bob.receive_nothing()
        carol.send_json({"action": "publish", "data": "for those who may hear it"})
        carol.expect(type="ack")
        bob.expect(type="closing", code="token_expired", reconnect="now")
        assert_closed(bob, 1000)
        carol.receive_nothing()


@pytest.mark.chalice(targets=["inprocess", "sockets"])
def test_a_silent_socket_whose_token_has_expired_ends_after_ten_idle_minutes_at_the_latest(
    chalice_clock: Clock, create: Create, join: Join, dynamodb_tables: Tables
) -> None:
    with join(create(), expires_in=60) as bob:
        chalice_clock.advance(minutes=9, seconds=59, schedules=True)
        bob.receive_nothing()
        chalice_clock.advance(seconds=1)
        assert_closed(bob, 1001)
    assert dynamodb_tables["Connections"].scan()["Count"] == 0


def test_a_lost_disconnect_leaves_rows_that_ttl_removes(
    chalice_clock: Clock, create: Create, join: Join, dynamodb_tables: Tables
) -> None:
    with join(create()):
        rows = dynamodb_tables["Connections"].scan()["Items"]
    for row in rows:
        dynamodb_tables["Connections"].put_item(Item=row)
    chalice_clock.ttl_lag = timedelta(minutes=30)
    chalice_clock.advance(hours=2, minutes=34, seconds=59)
    assert dynamodb_tables["Connections"].scan()["Count"] == 2
    chalice_clock.advance(seconds=1)
    assert dynamodb_tables["Connections"].scan()["Count"] == 0
