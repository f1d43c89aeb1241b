"""Frames behind the gateway: a refused one leaves the socket usable, and a delivery survives its recipients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from pytest_sessionplugin import ConnectionClosed, Gateway, HandshakeRefused, WebSocket
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.tokens.tokens import Tokens

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

pytestmark = pytest.mark.chalice(targets=["inprocess", "sockets"])


@pytest.fixture
def session(chalice_gateway: Gateway, jwt_tokens: Tokens) -> dict[str, Any]:
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    created: dict[str, Any] = alice.post("/sessions", json={}).json()
    return created


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens, session: dict[str, Any]) -> Iterator[Callable[..., WebSocket]]:
    """Sockets in the session, closed at the end of the test."""
    with ExitStack() as stack:

        def connect(subject: str = "bob") -> WebSocket:
            params = {"sessionId": session["sessionId"]}
            return stack.enter_context(chalice_gateway.websocket("/", params=params, token=jwt_tokens(subject)))

        yield connect


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "[]", "null", '"hello"', "{", "{}", '{"action":1}', '{"action":"shout"}', '{"action":"publish"}'),
        *('{"action":"ping","extra":1}', '{"action":"ping","action":"ping"}', '{"action":"publish","data":NaN}'),
        *('{"action":"publish","data":"\\ud800"}', '{"action":"hello","resume":"x"}', '{"action":"ping","id":{}}'),
        '{"action":"publish","data":1e-9999999999999999999}',
        *("[" * 20_000, '{"action":"publish","data":' + "[" * 100 + "]" * 100 + "}"),
    ],
    ids=lambda text: text[:24],
)
def test_a_bad_frame_gets_an_error_and_the_socket_stays_usable(join: Callable[..., WebSocket], text: str) -> None:
    bob, carol = join("bob"), join("carol")
    bob.send_text(text)
    bob.expect(type="error", code="invalid_request")
    bob.send_json({"action": "publish", "data": "after"})
    bob.expect(type="ack", seq=1)
    carol.expect(type="message", data="after")
    carol.receive_nothing()


def test_an_error_names_the_frame_that_it_answers(join: Callable[..., WebSocket]) -> None:
    bob = join()
    bob.send_json({"action": "shout", "id": "f-1"})
    bob.expect(type="error", code="invalid_request", replyTo="f-1")


def test_what_the_others_could_not_get_is_refused_before_it_is_numbered(join: Callable[..., WebSocket]) -> None:
    bob, carol = join("bob"), join("carol")
    data = "x" * (131_072 - len('{"action":"publish","data":""}'))
    bob.send_text(f'{{"action":"publish","data":"{data}"}}', frame_bytes=32_768)
    bob.expect(type="error", code="too_large")
    bob.send_json({"action": "publish", "data": "x"})
    bob.expect(type="ack", seq=1)
    carol.expect(type="message", seq=1)


def test_a_message_of_130_kilobytes_arrives_whole(join: Callable[..., WebSocket]) -> None:
    bob, carol = join("bob"), join("carol")
    data = "é" * 65_000
    bob.send_text(f'{{"action":"publish","data":"{data}"}}', frame_bytes=32_768)
    bob.expect(type="ack", seq=1)
    assert carol.expect(type="message", seq=1)["data"] == data


@pytest.mark.parametrize(
    ("send", "code"),
    [
        (lambda socket: socket.send_bytes(b"{}"), 1003),
        (lambda socket: socket.send_text("x" * 32_769), 1009),
        (lambda socket: socket.send_text("x" * 131_073, frame_bytes=32_768), 1009),
    ],
    ids=["binary", "frame over 32,768 bytes", "message over 131,072 bytes"],
)
def test_what_api_gateway_does_not_carry_closes_the_socket(
    join: Callable[..., WebSocket], send: Callable[[WebSocket], None], code: int
) -> None:
    bob = join()
    send(bob)
    with pytest.raises(ConnectionClosed) as closed:
        bob.receive_text()
    assert closed.value.code == code


def test_a_publish_reaches_everyone_else_when_every_second_socket_is_gone(
    join: Callable[..., WebSocket], aws_faults: Faults, dynamodb_tables: Tables
) -> None:
    bob = join("bob")
    others = [join(f"guest-{i}") for i in range(10)]
    for row in dynamodb_tables["Connections"].scan()["Items"]:  # as if they had joined an hour ago
        dynamodb_tables["Connections"].update_item(
            Key={"place": row["place"], "member": row["member"]},
            UpdateExpression="SET connectedAt = :then",
            ExpressionAttributeValues={":then": "2026-01-01T00:00:00.000Z"},
        )
    dead = [str(other.connection_id) for other in others[::2]]
    with aws_faults.gone(*dead):
        bob.send_json({"action": "publish", "id": 1, "data": "x"})
        bob.expect(type="ack", seq=1, replyTo=1)
    for alive in others[1::2]:
        alive.expect(type="message", seq=1)
    rows = dynamodb_tables["Connections"].scan()["Items"]
    left = {str(row["place"] if row["member"] == "-" else row["member"]).partition("#")[2] for row in rows}
    assert left == {bob.connection_id, *(str(alive.connection_id) for alive in others[1::2])}


def test_a_recipient_that_is_throttled_gets_its_frame_all_the_same(
    join: Callable[..., WebSocket], aws_faults: Faults
) -> None:
    bob, carol = join("bob"), join("carol")
    with aws_faults.throttled("apigatewaymanagementapi:PostToConnection", str(carol.connection_id), times=1):
        bob.send_json({"action": "publish", "data": "x"})
        bob.expect(type="ack", seq=1)
    carol.expect(type="message", seq=1)
    carol.receive_nothing()


def test_a_post_that_is_answered_5xx_is_made_once_more(join: Callable[..., WebSocket], aws_faults: Faults) -> None:
    bob, carol = join("bob"), join("carol")
    for times, heard in ((1, 1), (2, 0)):
        with aws_faults.failing("apigatewaymanagementapi:PostToConnection", times=times):
            bob.send_json({"action": "publish", "data": "x"})
            bob.expect(type="ack", sent=heard, missed=1 - heard)
    carol.expect(type="message", seq=1)
    carol.receive_nothing()


def test_whoever_missed_the_last_event_learns_it_from_the_next_pong(
    join: Callable[..., WebSocket], aws_faults: Faults, chalice_gateway: Gateway, jwt_tokens: Tokens
) -> None:
    bob = join("bob")
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    session_id = alice.get("/sessions").json()["sessions"][0]["sessionId"]
    with aws_faults.failing("apigatewaymanagementapi:PostToConnection", times=2):
        assert alice.patch(f"/sessions/{session_id}", json={"title": "Later"}).status_code == 200
    bob.receive_nothing()
    bob.send_json({"action": "ping"})
    bob.expect(type="pong", seq=1, version=2)
    bob.send_json({"action": "hello"})
    bob.expect(type="welcome", seq=1, session={"title": "Later"})


def test_tables_that_do_not_answer_are_an_error_and_the_socket_stays_usable(
    join: Callable[..., WebSocket], aws_faults: Faults
) -> None:
    bob = join()
    with aws_faults.throttled("dynamodb"):
        bob.send_json({"action": "publish", "id": 1, "data": "x"})
        bob.expect(type="error", code="unavailable", replyTo=1)
    bob.send_json({"action": "publish", "id": 2, "data": "x"})
    bob.expect(type="ack", seq=1, replyTo=2)


@pytest.mark.parametrize("fault", ["throttled", "unreachable"])
def test_tables_that_do_not_answer_refuse_a_handshake(
    chalice_gateway: Gateway, jwt_tokens: Tokens, session: dict[str, Any], aws_faults: Faults, fault: str
) -> None:
    params = {"sessionId": session["sessionId"]}
    with getattr(aws_faults, fault)("dynamodb"), pytest.raises(HandshakeRefused) as refused:
        chalice_gateway.websocket("/", params=params, token=jwt_tokens("bob"))
    assert refused.value.status_code == 503


def test_hello_resumes_from_the_snapshot(join: Callable[..., WebSocket]) -> None:
    bob = join()
    bob.send_json({"action": "hello", "resume": {"seq": 0}})
    bob.expect(type="welcome", recovered=True, events=[])
    bob.send_json({"action": "publish", "data": "x"})
    bob.expect(type="ack", seq=1)
    bob.send_json({"action": "hello", "resume": {"seq": 0}})
    bob.expect(type="welcome", recovered=False, events=[], seq=1)


def test_a_socket_whose_row_is_gone_is_told_to_connect_again(
    join: Callable[..., WebSocket], dynamodb_tables: Tables
) -> None:
    bob = join()
    for row in dynamodb_tables["Connections"].scan()["Items"]:
        dynamodb_tables["Connections"].delete_item(Key={"place": row["place"], "member": row["member"]})
    bob.send_json({"action": "ping"})
    bob.expect(type="closing", code="connection_not_found", reconnect="now")
    with pytest.raises(ConnectionClosed):
        bob.receive_text()


def a_bug(*args: Any, **kwargs: Any) -> None:
    raise RuntimeError("arn:aws:a-detail-of-ours")


def test_a_bug_is_an_error_that_says_nothing_of_itself_and_is_logged(
    chalice_gateway: Gateway,
    join: Callable[..., WebSocket],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bob = join()
    with monkeypatch.context() as patched:
        patched.setattr("chalicelib.conversations.receive", a_bug)
        bob.send_json({"action": "ping", "id": 1})
        answer = bob.expect(type="error", code="internal_error", replyTo=1)
        chalice_gateway.settle()  # on sockets, the frame arrives before the handler has logged its end
    assert "arn:aws" not in str(answer)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.getMessage() == "message failed"
    assert vars(record)["exception"].splitlines()[-1] == "RuntimeError", "a text may hold input from a client"
    assert "in a_bug: raise RuntimeError(" in vars(record)["exception"]
    bob.send_json({"action": "ping"})
    bob.expect(type="pong")


def test_a_bug_refuses_a_handshake(
    chalice_gateway: Gateway, jwt_tokens: Tokens, session: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chalicelib.connections.connect", a_bug)
    with pytest.raises(HandshakeRefused) as refused:
        chalice_gateway.websocket("/", params={"sessionId": session["sessionId"]}, token=jwt_tokens("bob"))
    assert refused.value.status_code == 500


def test_a_disconnect_that_cannot_be_kept_leaves_its_rows_to_the_next_delivery(
    chalice_gateway: Gateway,
    join: Callable[..., WebSocket],
    aws_faults: Faults,
    dynamodb_tables: Tables,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bob = join()
    with aws_faults.throttled("dynamodb"):
        bob.close()
        chalice_gateway.settle()
    assert dynamodb_tables["Connections"].scan()["Count"] == 2
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.getMessage() == "disconnect refused as unavailable"


def test_a_recipient_that_cannot_be_reached_does_not_fail_the_publish(
    join: Callable[..., WebSocket],
    aws_faults: Faults,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chalicelib.delivery.BACK_OFFS", (0.01,))
    bob, carol, dave = join("bob"), join("carol"), join("dave")
    with aws_faults.throttled("apigatewaymanagementapi:PostToConnection", str(carol.connection_id)):
        bob.send_json({"action": "publish", "data": "x"})
        bob.expect(type="ack", seq=1, version=1, sent=1, missed=1)
    dave.expect(type="message", seq=1)
    carol.receive_nothing()
    missed = [vars(record)["deliveries"] for record in caplog.records if record.levelname == "WARNING"]
    assert missed == [{"throttled": 1, "sent": 1}]


def test_why_a_handshake_was_refused_is_in_the_log(
    chalice_gateway: Gateway, jwt_tokens: Tokens, caplog: pytest.LogCaptureFixture
) -> None:
    token = jwt_tokens("bob")
    with pytest.raises(HandshakeRefused):
        chalice_gateway.websocket("/", params={"sessionId": "a" * 26}, token=token)
    assert "refused as session_not_found" in caplog.text
    assert token not in caplog.text
