"""Requests and frames as an operator sees them: a line for each, metrics, and their correlation id."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.logs import subject_hash
from pytest_sessionplugin import Gateway, HandshakeRefused, WebSocket
from pytest_sessionplugin.account.clock import Clock
from pytest_sessionplugin.aws.faults import Faults
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.lambdas.schedules import scheduled_event
from pytest_sessionplugin.tokens.tokens import Tokens

pytestmark = pytest.mark.chalice(allow="open_sockets")

Lines = Callable[[], list[dict[str, Any]]]
IDS = ("request_id", "correlation_id", "connection_id", "session_id", "subject")


@pytest.fixture
def session_id(alice: HttpClient) -> str:
    return str(alice.post("/sessions", json={}).json()["sessionId"])


@pytest.fixture
def join(chalice_gateway: Gateway, jwt_tokens: Tokens, session_id: str) -> Callable[..., WebSocket]:
    def joined(subject: str = "bob", session_id: str = session_id) -> WebSocket:
        return chalice_gateway.websocket("/", params={"sessionId": session_id}, token=jwt_tokens(subject))

    return joined


@pytest.fixture
def lines(chalice_gateway: Gateway, caplog: pytest.LogCaptureFixture) -> Lines:
    """The lines of events since the last call: operation, outcome, code, and ids. Waits until they are logged."""

    def since() -> list[dict[str, Any]]:
        chalice_gateway.settle()
        found = [vars(record)["fields"] for record in caplog.records if "outcome" in vars(record)]
        caplog.clear()
        return [dict(fields) for fields in found]

    return since


@pytest.fixture
def measured(chalice_gateway: Gateway, caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """The metrics of events since the last call, without durations. Waits until they are logged."""
    caplog.set_level(logging.DEBUG, "sessions.metrics")

    def since() -> list[dict[str, Any]]:
        chalice_gateway.settle()
        found = [json.loads(record.getMessage()) for record in caplog.records if record.name == "sessions.metrics"]
        caplog.clear()
        times = {"_aws", "Stage", "RequestLatency", "DeliveryLatency", "SessionDuration"}
        assert all(document["RequestLatency"] for document in found)
        return [{name: of for name, of in document.items() if name not in times} for document in found]

    return since


class TestLines:
    def test_an_owners_actions_say_who_did_what_to_which_session(self, alice: HttpClient, lines: Lines) -> None:
        created = alice.post("/sessions", json={})
        path = f"/sessions/{created.json()['sessionId']}"
        answers = [created, alice.patch(path, json={"title": "x"}), alice.delete(path)]
        said = lines()
        assert [(line["operation"], line["outcome"]) for line in said] == [
            ("create_session", "done"),
            ("change_session", "done"),
            ("end_session", "done"),
        ]
        for line, answer in zip(said, answers, strict=True):
            assert line["session_id"] == created.json()["sessionId"]
            assert line["subject"] == subject_hash("alice")
            assert line["request_id"] == answer.headers["x-amzn-RequestId"]

    def test_a_refusal_says_which_and_whose(
        self, chalice_gateway: Gateway, jwt_tokens: Tokens, session_id: str, lines: Lines
    ) -> None:
        lines()
        path = f"/sessions/{session_id}"
        chalice_gateway.http(token=jwt_tokens("mallory")).delete(path)
        chalice_gateway.http(token="nonsense").get(path)
        forbidden, unknown = lines()
        assert (forbidden["code"], forbidden["subject"]) == ("not_owner", subject_hash("mallory"))
        assert (unknown["code"], unknown["session_id"]) == ("unauthenticated", session_id)
        assert "subject" not in unknown

    @pytest.mark.chalice(fresh=True)
    def test_the_first_request_of_a_process_is_logged_too(self, chalice_gateway: Gateway, lines: Lines) -> None:
        chalice_gateway.http().get("/sessions")
        assert [line["code"] for line in lines()] == ["unauthenticated"]

    def test_a_connection_is_followed_through_its_life(
        self,
        chalice_gateway: Gateway,
        join: Callable[..., WebSocket],
        session_id: str,
        lines: Lines,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        bob = join()
        caplog.set_level(logging.DEBUG, "sessions")
        bob.send_json({"action": "ping"})
        bob.expect(type="pong")
        bob.close()
        chalice_gateway.settle()
        said = [line for line in lines() if "connection_id" in line]
        assert [line["operation"] for line in said] == ["connect", "message", "disconnect"]
        assert {line["connection_id"] for line in said} == {bob.connection_id}
        assert {(line["session_id"], line["subject"]) for line in said[:2]} == {(session_id, subject_hash("bob"))}

    def test_a_handshake_that_is_refused_says_why(
        self, chalice_gateway: Gateway, join: Callable[..., WebSocket], lines: Lines
    ) -> None:
        lines()
        with pytest.raises(HandshakeRefused):
            join(session_id="a" * 26)
        with pytest.raises(HandshakeRefused):
            chalice_gateway.websocket("/", params={"sessionId": "a" * 26})
        assert [(line["operation"], line["code"]) for line in lines()] == [
            ("connect", "session_not_found"),
            ("connect", "unauthenticated"),
        ]

    def test_what_is_no_id_of_a_session_is_not_taken_for_one(self, alice: HttpClient, lines: Lines) -> None:
        alice.get("/sessions/whatever-somebody-put-here")
        (line,) = lines()
        assert line["code"] == "session_not_found"
        assert "session_id" not in line

    def test_what_a_handshake_names_is_not_taken_for_an_id_either(
        self, join: Callable[..., WebSocket], lines: Lines
    ) -> None:
        lines()
        with pytest.raises(HandshakeRefused):
            join(session_id="whatever-somebody-put-here")
        (line,) = lines()
        assert line["code"] == "session_not_found"
        assert "session_id" not in line

    def test_requests_at_once_have_each_their_own_ids(
        self, chalice_gateway: Gateway, jwt_tokens: Tokens, lines: Lines
    ) -> None:
        def create(number: int) -> tuple[str, str, str]:
            client = chalice_gateway.http(token=jwt_tokens(f"owner-{number}"))
            answer = client.post("/sessions", json={}, headers={"X-Correlation-Id": f"c-{number}"})
            return answer.json()["sessionId"], subject_hash(f"owner-{number}"), f"c-{number}"

        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(create, range(24)))
        said = [(line["session_id"], line["subject"], line["correlation_id"]) for line in lines()]
        assert sorted(said) == sorted(made)


class TestCorrelation:
    def test_it_goes_from_the_request_through_the_log_to_the_frames(
        self, alice: HttpClient, join: Callable[..., WebSocket], session_id: str, lines: Lines
    ) -> None:
        bob, path = join(), f"/sessions/{session_id}"
        lines()
        for status, frame in (("paused", "session.updated"), ("ended", "session.ended")):
            answer = alice.patch(path, json={"status": status}, headers={"X-Correlation-Id": f"to-{status}"})
            assert answer.headers["X-Correlation-Id"] == f"to-{status}"
            assert bob.expect(type=frame)["correlationId"] == f"to-{status}"
        assert [line["correlation_id"] for line in lines() if line["operation"] == "change_session"] == [
            "to-paused",
            "to-ended",
        ]

    def test_a_request_without_one_has_its_own_id(
        self, alice: HttpClient, join: Callable[..., WebSocket], session_id: str
    ) -> None:
        bob = join()
        answer = alice.patch(f"/sessions/{session_id}", json={"title": "x"}, headers={"X-Correlation-Id": "a b"})
        assert answer.headers["X-Correlation-Id"] == answer.headers["x-amzn-RequestId"]
        assert bob.expect(type="session.updated")["correlationId"] == answer.headers["x-amzn-RequestId"]

    def test_a_refusal_and_a_health_check_have_it_too(self, chalice_gateway: Gateway) -> None:
        for path in ("/sessions", "/health"):
            answer = chalice_gateway.http().get(path, headers={"X-Correlation-Id": "mine"})
            assert answer.headers["X-Correlation-Id"] == "mine"

    def test_a_message_has_that_of_the_frame_which_it_comes_from(
        self, join: Callable[..., WebSocket], lines: Lines, caplog: pytest.LogCaptureFixture
    ) -> None:
        bob, carol = join("bob"), join("carol")
        caplog.set_level(logging.DEBUG, "sessions")
        lines()
        bob.send_json({"action": "publish", "data": "x"})
        bob.expect(type="ack")
        (line,) = lines()
        assert carol.expect(type="message")["correlationId"] == line["correlation_id"] == line["request_id"]

    def test_a_closing_frame_has_that_of_the_frame_that_caused_it(
        self, join: Callable[..., WebSocket], lines: Lines, chalice_clock: Clock
    ) -> None:
        bob = join()
        chalice_clock.advance(minutes=9)
        bob.send_json({"action": "ping"})
        bob.expect(type="pong")
        for _ in range(6):
            chalice_clock.advance(minutes=9)
            bob.send_json({"action": "ping"})
            if (frame := bob.receive_json())["type"] == "closing":
                break
        (line,) = [line for line in lines() if line.get("code") == "token_expired"]
        assert frame["correlationId"] == line["correlation_id"]


class TestMetrics:
    def test_a_session_is_counted_when_it_begins_and_when_it_ends(
        self, alice: HttpClient, measured: Callable[[], list[dict[str, Any]]]
    ) -> None:
        key = {"Idempotency-Key": "k"}
        ids = [alice.post("/sessions", json={}, headers=key).json()["sessionId"] for _ in range(2)]
        for _ in range(2):
            alice.delete(f"/sessions/{ids[0]}")
        assert measured() == [
            {"Operation": "create_session", "SessionsCreated": [1.0]},
            {"Operation": "create_session"},
            {"Operation": "end_session", "SessionsEnded": [1.0], "Reason": "ended"},
            {"Operation": "end_session"},
        ]

    def test_a_session_that_expires_is_counted_by_the_sweep(
        self,
        chalice_gateway: Gateway,
        alice: HttpClient,
        chalice_clock: Clock,
        measured: Callable[[], list[dict[str, Any]]],
    ) -> None:
        alice.post("/sessions", json={"expiresIn": 60})
        measured()
        chalice_clock.advance(minutes=2)
        for _ in range(2):
            chalice_gateway.invoke("sweep", scheduled_event("sweep", "us-east-1", datetime.now(UTC)))
        swept = [document for document in measured() if "SessionsEnded" in document]
        assert swept == [{"Operation": "sweep", "SessionsEnded": [1.0], "Reason": "expired", "SweepBacklog": [0.0]}]

    def test_connects_are_counted_by_why_they_were_refused(
        self, join: Callable[..., WebSocket], measured: Callable[[], list[dict[str, Any]]]
    ) -> None:
        measured()
        join()
        with suppress(HandshakeRefused):
            join(session_id="a" * 26)
        assert measured() == [
            {"Operation": "connect", "ConnectsAccepted": [1.0]},
            {"Operation": "connect", "ConnectsRefused": [1.0], "Reason": "session_not_found"},
        ]

    def test_a_publish_says_what_became_of_its_delivery(
        self,
        join: Callable[..., WebSocket],
        aws_faults: Faults,
        measured: Callable[[], list[dict[str, Any]]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("chalicelib.delivery.BACK_OFFS", (0.01,))
        bob, carol, _ = join("bob"), join("carol"), join("dave")
        measured()
        with aws_faults.throttled("apigatewaymanagementapi:PostToConnection", str(carol.connection_id)):
            bob.send_json({"action": "publish", "data": "x"})
            bob.expect(type="ack")
        assert measured() == [{"Operation": "message", "DeliveriesSent": [1.0], "DeliveriesThrottled": [1.0]}]

    def test_bugs_and_parts_that_do_not_answer_are_counted_apart(
        self,
        alice: HttpClient,
        aws_faults: Faults,
        monkeypatch: pytest.MonkeyPatch,
        measured: Callable[[], list[dict[str, Any]]],
    ) -> None:
        with aws_faults.throttled("dynamodb"):
            assert alice.post("/sessions", json={}).status_code == 503
        monkeypatch.setattr("chalicelib.sessions.create_session", lambda *args, **kwargs: 1 / 0)
        assert alice.post("/sessions", json={}).status_code == 500
        assert alice.post("/sessions", json=[]).status_code == 400
        assert measured() == [
            {"Operation": "create_session", "Unavailables": [1.0]},
            {"Operation": "create_session", "Faults": [1.0]},
            {"Operation": "create_session"},
        ]

    def test_no_id_is_a_dimension(
        self,
        alice: HttpClient,
        session_id: str,
        measured: Callable[[], list[dict[str, Any]]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        alice.get(f"/sessions/{session_id}")
        (text,) = [record.getMessage() for record in caplog.records if record.name == "sessions.metrics"][-1:]
        assert session_id not in text
        assert subject_hash("alice") not in text

    def test_nobody_else_sees_them(self, alice: HttpClient, capfd: pytest.CaptureFixture[str]) -> None:
        alice.post("/sessions", json={})
        assert capfd.readouterr().out == ""


def test_the_sweep_says_what_it_did_in_one_line(chalice_gateway: Gateway, lines: Lines) -> None:
    event = scheduled_event("sweep", "us-east-1", datetime.now(UTC))
    chalice_gateway.invoke("sweep", event)
    (line,) = lines()
    assert (line["request_id"], line["correlation_id"]) == (event["id"], event["id"])
    assert {line[name] for name in ("expired", "settled", "told", "failed", "left")} == {0}
    assert line["outcome"] == "done"
