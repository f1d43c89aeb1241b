"""Durable publishes behind the gateway: what frames and requests say of keys, and what tables and people then have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from chalicelib import frames
from chalicelib.storage import Store
from pytest_sessionplugin import Clock, Gateway, WebSocket
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.tokens.tokens import Tokens

Join = Callable[..., WebSocket]
on_sockets_too = pytest.mark.chalice(targets=["inprocess", "sockets"])


@pytest.fixture
def session_id(alice: HttpClient) -> str:
    created: dict[str, Any] = alice.post("/sessions", json={"durable": True}).json()
    return str(created["sessionId"])


@pytest.fixture
def path(session_id: str) -> str:
    """The route of the session's messages."""
    return f"/sessions/{session_id}/messages"


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens, session_id: str) -> Iterator[Join]:
    """Sockets in the session, closed at the end of the test."""
    with ExitStack() as stack:

        def connect(subject: str = "bob", session_id: str = session_id) -> WebSocket:
            params = {"sessionId": session_id}
            return stack.enter_context(chalice_gateway.websocket("/", params=params, token=jwt_tokens(subject)))

        yield connect


@pytest.fixture
def kept(dynamodb_store: Store, session_id: str) -> Callable[[], list[frames.Frame | None]]:
    """The events of the session, as the frames that told them."""
    return lambda: [frames.event(event) for event in dynamodb_store.list_events(session_id, 0, 99)[0]]


@on_sockets_too
def test_whatever_is_heard_is_kept(
    join: Join, alice: HttpClient, path: str, kept: Callable[[], list[frames.Frame | None]]
) -> None:
    bob, carol = join("bob"), join("carol")
    bob.send_json({"action": "publish", "data": {"é": 1.0}})
    bob.expect(type="ack", seq=1, sent=1)
    assert alice.post(path, json={"data": 2}, headers={"X-Correlation-Id": "order-17"}).json()["seq"] == 2
    assert alice.patch(path.removesuffix("/messages"), json={"title": "x"}).status_code == 200
    bob.send_json({"action": "send", "to": "carol", "data": "not kept"})
    bob.expect(type="ack", sent=1, skip=True)  # on sockets a request may overtake a frame
    assert alice.delete(path.removesuffix("/messages")).status_code == 204
    heard = [carol.expect(type=kind) for kind in ("message", "message", "session.updated", "direct", "session.ended")]
    assert kept() == [frame for frame in heard if frame["type"] != "direct"]


@on_sockets_too
def test_a_key_publishes_once_whoever_carries_it(join: Join, alice: HttpClient, path: str) -> None:
    bob, phone, carol = join("bob"), join("bob"), join("carol")
    bob.send_json({"action": "publish", "data": 1, "key": "k", "id": 1})
    bob.expect({"type": "ack", "seq": 1, "sent": 2, "replyTo": 1})
    carol.expect(type="message", seq=1)
    phone.expect(type="message", seq=1)
    phone.send_json({"action": "publish", "data": 1, "key": "k", "id": 2})
    assert phone.receive_json() == {"type": "ack", "seq": 1, "duplicate": True, "replyTo": 2}
    phone.send_json({"action": "publish", "data": 2, "key": "k"})
    phone.expect(type="error", code="idempotency_mismatch")
    carol.send_json({"action": "publish", "data": 2, "key": "k"})
    carol.expect(type="ack", seq=2)
    bob.expect(type="message", seq=2)
    key = {"Idempotency-Key": "k"}
    first, again = (alice.post(path, json={"data": 3}, headers=key) for _ in range(2))
    assert (first.status_code, first.json()) == (201, {"seq": 3, "sent": 3, "missed": 0})
    assert (again.status_code, again.json()) == (201, {"seq": 3, "duplicate": True})
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    refused = alice.post(path, json={"data": 4}, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_mismatch")
    assert [bob.receive_json()["seq"], carol.receive_json()["seq"]] == [3, 3]
    for socket in (bob, carol):
        socket.receive_nothing()


def test_a_key_is_free_again_after_five_minutes(join: Join, chalice_clock: Clock) -> None:
    bob = join()
    for seconds, answer in ((1, {"sent": 0}), (290, {"duplicate": True}), (20, {"seq": 2, "sent": 0})):
        chalice_clock.advance(seconds=seconds)
        bob.send_json({"action": "publish", "data": 1, "key": "k"})
        bob.expect({"type": "ack", **answer})


@on_sockets_too
@pytest.mark.parametrize("key", ['""', "null", "1", '["k"]', '"a b"', '"é"', f'"{"x" * 256}"'], ids=lambda key: key[:9])
def test_a_key_is_visible_text(join: Join, key: str) -> None:
    bob = join()
    bob.send_text(f'{{"action":"publish","data":1,"key":{key}}}')
    bob.expect(type="error", code="invalid_request")
    bob.send_text('{"action":"send","to":"bob","data":1,"key":"k"}')
    bob.expect(type="error", code="invalid_request")


@on_sockets_too
def test_a_key_needs_a_durable_session(join: Join, alice: HttpClient) -> None:
    session = alice.post("/sessions", json={}).json()
    bob = join("bob", session["sessionId"])
    bob.send_json({"action": "publish", "data": 1, "key": "k"})
    bob.expect(type="error", code="not_durable")
    refused = alice.post(
        f"/sessions/{session['sessionId']}/messages", json={"data": 1}, headers={"Idempotency-Key": "k"}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "not_durable")
    bob.send_json({"action": "ping"})
    bob.expect(type="pong", seq=0)


def test_a_message_to_one_subject_takes_no_key(join: Join, alice: HttpClient, path: str) -> None:
    """Its repeat is another message: a caller that sends a key relies on it."""
    bob = join()
    refused = alice.post(path, json={"data": 1, "to": "bob"}, headers={"Idempotency-Key": "k"})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert "Idempotency-Key" in refused.json()["detail"]
    bob.receive_nothing()


@on_sockets_too
def test_a_repeat_of_a_publish_that_was_kept_and_not_delivered_is_a_duplicate(
    join: Join, aws_faults: Faults, kept: Callable[[], list[frames.Frame | None]]
) -> None:
    """Its number is seen in the next frame, or in pong."""
    bob, carol = join("bob"), join("carol")
    with aws_faults.throttled("dynamodb:Query"):  # the roster
        bob.send_json({"action": "publish", "data": 1, "key": "k"})
        bob.expect(type="error", code="unavailable")
    bob.send_json({"action": "publish", "data": 1, "key": "k"})
    bob.expect({"type": "ack", "seq": 1, "duplicate": True})
    carol.send_json({"action": "ping"})
    carol.expect(type="pong", seq=1)
    assert len(kept()) == 1


@on_sockets_too
@pytest.mark.parametrize("call", ["PutItem", "TransactWriteItems", "GetItem"])
def test_tables_that_do_not_answer_are_told_and_nothing_is_heard(
    join: Join, alice: HttpClient, path: str, aws_faults: Faults, call: str
) -> None:
    carol, key = join("carol"), None if call == "PutItem" else "k"
    with aws_faults.throttled(f"dynamodb:{call}"):
        refused = alice.post(path, json={"data": 1}, headers={} if key is None else {"Idempotency-Key": key})
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    carol.receive_nothing()


def test_a_change_whose_event_is_not_kept_is_told(
    join: Join, alice: HttpClient, path: str, aws_faults: Faults, kept: Callable[[], list[frames.Frame | None]]
) -> None:
    carol = join("carol")
    with aws_faults.throttled("dynamodb:PutItem"):
        assert alice.patch(path.removesuffix("/messages"), json={"title": "x"}).status_code == 200
    carol.expect(type="session.updated", seq=1)
    assert kept() == []


def test_an_expiry_is_kept(
    alice: HttpClient, chalice_gateway: Gateway, chalice_clock: Clock, dynamodb_store: Store
) -> None:
    created = alice.post("/sessions", json={"durable": True, "expiresIn": 60}).json()
    chalice_clock.advance(minutes=3, schedules=True)
    [ended] = dynamodb_store.list_events(created["sessionId"], 0, 99)[0]
    assert frames.event(ended) == {
        "type": "session.ended",
        "seq": 1,
        "reason": "expired",
        "correlationId": ended.correlation_id,
    }
