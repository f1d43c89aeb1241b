"""The policy of each function allows exactly the calls that the function makes to AWS.

Rights for logs and traces are Lambda's, which makes no call here: a unit test holds them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest

from deployment.stage import FUNCTIONS
from pytest_sessionplugin import Clock, ConnectionClosed, Faults, Gateway, HandshakeRefused, Tokens, WebSocket
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.tables import Tables
from tests.rehearsal.rights import POLICIES, rights, without

KEY = "a key that is long enough for its hash, and kept elsewhere"
NAME = "/sessions/dev/jwt-secret"


@pytest.mark.chalice(env={"JWT_SECRET": f"ssm:{NAME}"})
def test_each_policy_allows_what_its_function_does_and_nothing_else(
    chalice_gateway: Gateway,
    dynamodb_tables: Tables,
    jwt_tokens: Tokens,
    aws_calls: Calls,
    aws_faults: Faults,
    chalice_clock: Clock,
    tmp_path: Path,
) -> None:
    boto3.client("ssm").put_parameter(Name=NAME, Value=KEY, Type="SecureString")
    life = Life(chalice_gateway, jwt_tokens)
    life.of_a_session_that_is_ended()
    life.of_a_session_with_few_seats(chalice_clock)
    life.of_a_session_that_puts_somebody_out()
    life.of_a_session_with_a_guest()
    life.of_a_session_whose_guests_vanish(chalice_clock, aws_faults)
    life.of_a_socket_that_nobody_remembers(dynamodb_tables)
    life.of_a_connection_that_is_refreshed(chalice_clock)
    life.of_a_durable_session()
    life.of_a_session_that_expires(chalice_clock, aws_faults)
    life.of_a_session_with_presence(chalice_clock)
    assert chalice_gateway.http().get("/health/ready").status_code == 200

    for function in FUNCTIONS:
        assert aws_calls.denied_by(POLICIES / f"{function}.json", function) == []
    less = tmp_path / "less.json"
    for right in rights():
        policy = json.loads((POLICIES / f"{right.function}.json").read_text())
        less.write_text(json.dumps(without(policy, right)))
        assert aws_calls.denied_by(less, right.function), f"{right.function} never needs {right}"


class Life:
    """Uses of sessions that make each function make all its calls."""

    def __init__(self, gateway: Gateway, tokens: Tokens) -> None:
        self._gateway = gateway
        self._tokens = tokens
        self._alice = gateway.http(token=self._sign("alice"))

    def of_a_session_that_is_ended(self) -> None:
        once = {"Idempotency-Key": "once"}
        session = self._alice.post("/sessions", json={}, headers=once).json()
        again = self._alice.post("/sessions", json={}, headers=once)
        assert again.json()["sessionId"] == session["sessionId"]
        assert len(self._alice.get("/sessions").json()["sessions"]) == 1
        path = f"/sessions/{session['sessionId']}"
        assert self._alice.get(path).status_code == 200
        with self._join(session, "bob") as bob, self._join(session, "carol") as carol:
            bob.send_json({"action": "hello"})
            bob.expect(type="welcome")
            bob.send_json({"action": "publish", "data": 1})
            carol.expect(type="message")
            assert self._alice.patch(path, json={"title": "Standup"}).status_code == 200
            carol.expect(type="session.updated")
            assert self._alice.delete(path).status_code == 204
            carol.expect(type="session.ended")
        with pytest.raises(HandshakeRefused):
            self._join(session, "bob")

    def of_a_durable_session(self) -> None:
        session = self._alice.post("/sessions", json={"durable": True}).json()
        path = f"/sessions/{session['sessionId']}"
        with self._join(session, "bob") as bob:
            for given in ({}, {"key": "k"}):
                bob.send_json({"action": "publish", "data": 1, **given})
                bob.expect(type="ack")
            bob.send_json({"action": "hello", "resume": {"seq": 0}})
            bob.expect(type="welcome", recovered=True)
        assert len(self._alice.get(f"{path}/events").json()["events"]) == 2
        assert self._alice.patch(path, json={"title": "x"}).status_code == 200
        assert self._alice.post(f"{path}/messages", json={"data": 1}, headers={"Idempotency-Key": "k"}).is_success

    def of_a_session_with_few_seats(self, clock: Clock) -> None:
        few = {"joinAs": "viewer", "duplicates": "newest", "maxConnections": 2}
        session = self._alice.post("/sessions", json=few).json()
        with self._join(session, "bob") as old:
            clock.advance(seconds=1)
            with self._join(session, "bob"):
                old.expect(type="closing", code="replaced")

    def of_a_session_that_puts_somebody_out(self) -> None:
        path = f"/sessions/{self._alice.post('/sessions', json={}).json()['sessionId']}"
        of_bob = f"{path}/participants?subject=bob"
        with self._join({"sessionId": path.rpartition("/")[2]}, "bob") as bob:
            [listed] = self._alice.get(f"{path}/participants").json()["participants"]
            assert listed["subject"] == "bob"
            assert self._alice.patch(of_bob, json={"role": "viewer"}).status_code == 200
            bob.expect(type="role")
            assert self._alice.post(f"{path}/messages", json={"data": 1, "to": "bob"}).json()["sent"] == 1
            bob.expect(type="direct")
            assert self._alice.delete(of_bob).json()["closed"] == 1
            bob.expect(type="closing", code="kicked")

    def of_a_session_with_a_guest(self) -> None:
        session = self._alice.post("/sessions", json={}).json()
        asked = self._alice.post(f"/sessions/{session['sessionId']}/tickets", json={"subject": "guest:ada"})
        params = {"sessionId": session["sessionId"]}
        with self._gateway.websocket("/", params=params, subprotocols=asked.json()["protocols"]):
            pass
        with self._join(session, "bob") as old, self._join(session, "bob", replaces=str(old.connection_id)) as new:
            new.send_json({"action": "hello"})
            old.expect(type="closing", code="replaced")
            new.expect(type="welcome")

    def of_a_session_whose_guests_vanish(self, clock: Clock, faults: Faults) -> None:
        session = self._alice.post("/sessions", json={}).json()
        with self._join(session, "alice") as alice, self._join(session, "bob") as bob:
            clock.advance(minutes=1)  # a new participant does not count as gone
            vanish(bob, faults)
            alice.send_json({"action": "publish", "data": 1})
            alice.expect(type="ack")
        self._gateway.settle()
        with self._join(session, "bob") as bob:
            clock.advance(minutes=1)
            vanish(bob, faults)
            assert self._alice.patch(f"/sessions/{session['sessionId']}", json={"title": "x"}).status_code == 200

    def of_a_socket_that_nobody_remembers(self, tables: Tables) -> None:
        session = self._alice.post("/sessions", json={}).json()
        with self._join(session, "bob") as bob:
            for row in tables["Connections"].scan()["Items"]:
                tables["Connections"].delete_item(Key={"place": row["place"], "member": row["member"]})
            bob.send_json({"action": "publish", "data": 1})
            bob.expect(type="closing", code="connection_not_found")
            with pytest.raises(ConnectionClosed):
                bob.receive_json()

    def of_a_connection_that_is_refreshed(self, clock: Clock) -> None:
        session = self._alice.post("/sessions", json={}).json()
        with self._join(session, "bob") as bob:
            clock.advance(minutes=6)  # so that the frame is the first to look for the key again
            bob.send_json({"action": "refresh", "token": self._sign("bob")})
            bob.expect(type="ack")
            bob.send_json({"action": "send", "to": "bob", "data": 1})
            bob.expect(type="direct")
            bob.expect(type="ack", sent=1)
            messages = f"/sessions/{session['sessionId']}/messages"
            for to in ({}, {"to": "bob"}):
                assert self._alice.post(messages, json={"data": 1, **to}).status_code == 201

    def of_a_session_that_expires(self, clock: Clock, faults: Faults) -> None:
        session = self._alice.post("/sessions", json={"expiresIn": 600, "durable": True}).json()
        clock.advance(minutes=6)  # so that the handshake is the first to look for the key again
        with self._join(session, "bob") as bob, self._join(session, "carol") as carol:
            clock.advance(minutes=1)
            vanish(carol, faults)
            clock.advance(minutes=5, schedules=True)
            bob.expect(type="session.ended", reason="expired")

    def of_a_session_with_presence(self, clock: Clock) -> None:
        session = self._alice.post("/sessions", json={"presence": True}).json()
        params, short = {"sessionId": session["sessionId"]}, self._sign("alice", expires_in=60)
        with self._gateway.websocket("/", params=params, token=short) as alice, self._join(session, "bob") as bob:
            for socket in (alice, bob):
                socket.send_json({"action": "hello"})
                socket.expect(type="welcome")
            alice.expect(type="presence")
            clock.advance(minutes=2)
            bob.close()
            self._gateway.settle()
            alice.expect(type="closing", code="token_expired")

    def _join(self, session: dict[str, Any], subject: str, **params: str) -> WebSocket:
        params["sessionId"] = session["sessionId"]
        return self._gateway.websocket("/", params=params, token=self._sign(subject))

    def _sign(self, subject: str, expires_in: int = 7200) -> str:
        return jwt.encode(self._tokens.claims(subject, expires_in=expires_in), KEY, "HS256")


def vanish(socket: WebSocket, faults: Faults) -> None:
    """Its row is gone, and the service was not notified."""
    assert socket.connection_id is not None
    faults.gone(socket.connection_id)
