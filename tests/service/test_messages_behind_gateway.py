"""Direct and a server's messages behind the gateway: who hears them, what they cost, and how they are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.members import Connection, Endpoint
from chalicelib.storage import Store
from pytest_sessionplugin import Clock, Gateway, WebSocket
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

if TYPE_CHECKING:
    from pytest_sessionplugin.aws.tables import Tables

Join = Callable[..., WebSocket]
on_sockets_too = pytest.mark.chalice(targets=["inprocess", "sockets"])


@pytest.fixture
def session(alice: HttpClient) -> dict[str, Any]:
    created: dict[str, Any] = alice.post("/sessions", json={}).json()
    return created


@pytest.fixture
def path(session: dict[str, Any]) -> str:
    """The route of the session's messages."""
    return f"/sessions/{session['sessionId']}/messages"


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens, session: dict[str, Any]) -> Iterator[Join]:
    """Sockets in the session, closed at the end of the test."""
    with ExitStack() as stack:

        def connect(subject: str = "bob", expires_in: float = 3600) -> WebSocket:
            token = jwt_tokens(subject, expires_in=expires_in)
            params = {"sessionId": session["sessionId"]}
            return stack.enter_context(chalice_gateway.websocket("/", params=params, token=token))

        yield connect


@on_sockets_too
def test_each_connection_of_a_subject_hears_a_direct_message_under_one_id(join: Join) -> None:
    bob, carol, same, dave = join("bob"), join("carol"), join("carol"), join("dave")
    bob.send_json({"action": "send", "to": "carol", "data": {"n": 1}, "id": "s-1"})
    bob.expect({"type": "ack", "sent": 2, "missed": 0, "replyTo": "s-1"})
    first, second = carol.expect({"type": "direct", "from": "bob", "data": {"n": 1}}), same.expect(type="direct")
    assert first == second
    bob.send_json({"action": "send", "to": "carol", "data": {"n": 1}})
    bob.expect(type="ack", sent=2)
    assert carol.expect(type="direct")["id"] != first["id"]
    same.expect(type="direct")
    for other in (bob, dave):
        other.receive_nothing()


@on_sockets_too
def test_a_direct_message_to_oneself_comes_before_its_ack(join: Join) -> None:
    bob, phone = join("bob"), join("bob")
    bob.send_json({"action": "send", "to": "bob", "data": "x"})
    assert bob.expect(type="direct", data="x") == phone.expect(type="direct")
    bob.expect(type="ack", sent=2, missed=0)


def test_a_guest_is_reached_and_answers_by_its_subject(
    join: Join, path: str, alice: HttpClient, chalice_gateway: Gateway
) -> None:
    bob = join("bob")
    tickets, session_id = path.replace("messages", "tickets"), path.split("/")[2]
    ticket = alice.post(tickets, json={"subject": "guest:ada"}).json()["ticket"]
    with chalice_gateway.websocket("/", params={"sessionId": session_id, "ticket": ticket}) as ada:
        bob.send_json({"action": "send", "to": "guest:ada", "data": 1})
        bob.expect(type="ack", sent=1)
        sender = ada.expect(type="direct", data=1)["from"]
        ada.send_json({"action": "send", "to": sender, "data": 2})
        ada.expect(type="ack", sent=1)
        bob.expect({"type": "direct", "from": "guest:ada", "data": 2})


@on_sockets_too
def test_a_subject_that_is_not_there_is_an_answer(join: Join, path: str, alice: HttpClient) -> None:
    bob = join("bob")
    bob.send_json({"action": "send", "to": "nobody", "data": "x"})
    assert bob.expect(type="ack") == {"type": "ack", "sent": 0, "missed": 0}
    sent = alice.post(path, json={"to": "nobody", "data": "x"})
    assert (sent.status_code, sent.json()) == (201, {"sent": 0, "missed": 0})


def test_each_connection_of_the_subject_has_an_outcome_of_its_own(
    join: Join,
    aws_faults: Faults,
    chalice_clock: Clock,
    dynamodb_tables: Tables,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chalicelib.delivery.BACK_OFFS", (0.01,))
    bob, well, gone, short, busy = join(), join("carol"), join("carol"), join("carol", 60), join("carol")
    chalice_clock.advance(seconds=70)
    with (
        aws_faults.gone(str(gone.connection_id)),
        aws_faults.throttled("apigatewaymanagementapi:PostToConnection", str(busy.connection_id)),
    ):
        bob.send_json({"action": "send", "to": "carol", "data": "x"})
        bob.expect(type="ack", sent=1, missed=1)
    well.expect(type="direct", data="x")
    short.expect(type="closing", code="token_expired", reconnect="now")
    busy.receive_nothing()
    places = {str(row["place"]) for row in dynamodb_tables["Connections"].scan()["Items"]}
    assert {f"connection#{one.connection_id}" for one in (well, busy)} <= places
    assert f"connection#{gone.connection_id}" not in places


@on_sockets_too
def test_a_message_of_the_owners_server_is_heard_by_everybody_in_one_order_with_all_others(
    join: Join, path: str, alice: HttpClient
) -> None:
    owner, bob = join("alice"), join("bob")
    bob.send_json({"action": "publish", "data": 1})
    bob.expect(type="ack", seq=1)
    sent = alice.post(path, json={"data": 2}, headers={"X-Correlation-Id": "order-17"})
    assert (sent.status_code, sent.json()) == (201, {"seq": 2, "sent": 2, "missed": 0})
    owner.expect(type="message", seq=1)
    for socket in (owner, bob):
        socket.expect({"type": "message", "seq": 2, "from": "alice", "data": 2, "correlationId": "order-17"})


@on_sockets_too
def test_a_message_of_the_owners_server_reaches_one_subject(join: Join, path: str, alice: HttpClient) -> None:
    bob, carol = join("bob"), join("carol")
    headers = {"X-Correlation-Id": "order-17"}
    ids = set()
    for data in (None, [1]):
        sent = alice.post(path, json={"to": "carol", "data": data}, headers=headers)
        assert (sent.status_code, sent.json()) == (201, {"sent": 1, "missed": 0})
        expected = {"type": "direct", "from": "alice", "data": data, "correlationId": "order-17"}
        ids.add(carol.expect(expected)["id"])
    assert len(ids) == 2, "a client's own correlation id may come twice"
    bob.receive_nothing()


def test_a_viewer_hears_a_direct_message_and_sends_none(join: Join, path: str, alice: HttpClient) -> None:
    assert alice.patch(path.removesuffix("/messages"), json={"joinAs": "viewer"}).status_code == 200
    bob, owner = join("bob"), join("alice")
    bob.send_json({"action": "send", "to": "alice", "data": "x"})
    bob.expect(type="error", code="not_allowed")
    owner.send_json({"action": "send", "to": "bob", "data": "x"})
    owner.expect(type="ack", sent=1)
    bob.expect(type="direct", data="x")
    owner.receive_nothing()


def test_no_table_is_asked_for_an_impossible_id(alice: HttpClient, aws_calls: Calls) -> None:
    for body in ({"data": 1}, {"data": 1, "to": "bob"}):
        with aws_calls.exactly(dynamodb=0):
            assert alice.post("/sessions/nonsense/messages", json=body).json()["code"] == "session_not_found"


def test_nobody_but_the_owner_posts_a_message(
    chalice_gateway: Gateway, jwt_tokens: Tokens, join: Join, path: str
) -> None:
    bob = join("bob")
    mallory = chalice_gateway.http(token=jwt_tokens("bob"))
    for body in ({"data": 1}, {"data": 1, "to": "bob"}):
        refused = mallory.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_owner")
        assert chalice_gateway.http().post(path, json=body).status_code == 401
    bob.receive_nothing()


@on_sockets_too
def test_nothing_is_sent_in_a_paused_or_an_ended_session(
    join: Join, path: str, alice: HttpClient, aws_faults: Faults
) -> None:
    bob, carol = join("bob"), join("carol")
    for status in ("paused", "ended"):
        with aws_faults.failing("apigatewaymanagementapi", code="InternalServerError", status=500):  # all stay open
            assert alice.patch(path.removesuffix("/messages"), json={"status": status}).status_code == 200
        bob.send_json({"action": "send", "to": "carol", "data": "x"})
        bob.expect(type="error", code=f"session_{status}")
        for body in ({"data": 1}, {"data": 1, "to": "carol"}):
            refused = alice.post(path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (409, f"session_{status}")
    for body in ({"data": 1}, {"data": 1, "to": "carol"}):
        assert alice.post("/sessions/" + "a" * 26 + "/messages", json=body).json()["code"] == "session_not_found"
    carol.receive_nothing()


@pytest.mark.parametrize(
    "body",
    [
        *("", "[]", "{}", '{"to":"bob"}', '{"data":1,"to":null}', '{"data":1,"to":""}', '{"data":1,"to":["bob"]}'),
        *('{"data":1,"more":1}', '{"data":1,"to":"a\\u0000b"}', f'{{"data":1,"to":"{"x" * 256}"}}', '{"data":NaN}'),
    ],
)
def test_a_body_that_is_no_message_is_refused(alice: HttpClient, path: str, body: str) -> None:
    refused = alice.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


def test_a_body_of_another_type_is_refused(alice: HttpClient, path: str) -> None:
    refused = alice.post(path, content='{"data":1}', headers={"Content-Type": "text/plain"})
    assert (refused.status_code, refused.json()["code"]) == (415, "unsupported_media_type")


def test_a_bug_is_answered_without_its_text(alice: HttpClient, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def a_bug(*args: Any, **given: Any) -> None:
        raise RuntimeError("arn:aws:a-detail-of-ours")

    monkeypatch.setattr("chalicelib.messages.send_message", a_bug)
    failed = alice.post(path, json={"data": 1})
    assert (failed.status_code, failed.json()["code"]) == (500, "internal_error")
    assert "arn:aws" not in failed.text


@on_sockets_too
@pytest.mark.parametrize("to", ['""', "null", "1", '["bob"]', '"a\\u0000b"', f'"{"x" * 256}"'], ids=lambda to: to[:12])
def test_a_frame_to_what_is_no_subject_is_refused(join: Join, to: str) -> None:
    bob = join("bob")
    bob.send_text(f'{{"action":"send","to":{to},"data":1}}')
    bob.expect(type="error", code="invalid_request")
    bob.send_text('{"action":"send","data":1}')
    bob.expect(type="error", code="invalid_request")
    bob.send_text('{"action":"send","to":"bob"}')
    bob.expect(type="error", code="invalid_request", detail="send needs data.")


@on_sockets_too
def test_what_the_subject_could_not_get_is_refused(join: Join, path: str, alice: HttpClient) -> None:
    bob, carol = join("bob"), join("carol")
    data = "x" * (131_072 - len('{"action":"send","to":"carol","data":""}'))
    bob.send_text(f'{{"action":"send","to":"carol","data":"{data}"}}', frame_bytes=32_768)
    bob.expect(type="error", code="too_large")
    numbers = "[" + ",".join(["1E9"] * 15_000) + "]"  # as a double is written, each is thrice as long
    for to in ("", ',"to":"carol"'):
        refused = alice.post(path, content=f'{{"data":{numbers}{to}}}', headers={"Content-Type": "application/json"})
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
    carol.receive_nothing()


@on_sockets_too
def test_a_direct_message_of_130_kilobytes_arrives_whole(join: Join) -> None:
    bob, carol = join("bob"), join("carol")
    data = "é" * 65_000
    bob.send_text(f'{{"action":"send","to":"carol","data":"{data}"}}', frame_bytes=32_768)
    bob.expect(type="ack", sent=1)
    assert carol.expect(type="direct")["data"] == data


def test_tables_that_do_not_answer_are_told_and_nothing_is_sent(
    join: Join, path: str, alice: HttpClient, aws_faults: Faults
) -> None:
    bob, carol = join("bob"), join("carol")
    for call in ("dynamodb:GetItem", "dynamodb:Query"):
        with aws_faults.throttled(call):
            bob.send_json({"action": "send", "to": "carol", "data": "x"})
            bob.expect(type="error", code="unavailable")
            unavailable = alice.post(path, json={"to": "carol", "data": "x"})
            assert (unavailable.status_code, unavailable.json()["code"]) == (503, "unavailable")
    carol.receive_nothing()


@pytest.mark.parametrize("others", [0, pytest.param(500, marks=pytest.mark.slow)])
def test_a_direct_message_reads_the_rows_of_its_subject_alone(
    join: Join, path: str, alice: HttpClient, aws_calls: Calls, dynamodb_store: Store, others: int
) -> None:
    bob, carol = join("bob"), join("carol")
    later, endpoint = datetime.now(UTC) + timedelta(hours=1), Endpoint("w3bs0cket0", "api", "us-east-1")
    session_id = path.split("/")[2]
    for i in range(others):
        dynamodb_store.connect(Connection(f"{i:04d}=", session_id, later, later, endpoint, f"guest-{i}"))
    with aws_calls.exactly(dynamodb=3, write_units=1, read_units=2):
        bob.send_json({"action": "send", "to": "carol", "data": "x"})
        bob.expect(type="ack", sent=1)
    with aws_calls.exactly(dynamodb=2, write_units=0, read_units=2):
        alice.post(path, json={"to": "carol", "data": "x"})
    for _ in range(2):
        carol.expect(type="direct")
    with aws_calls.exactly({"dynamodb": 2, "dynamodb:Query": 1, "write_units": 1}):
        alice.post(path, json={"data": "x"})
