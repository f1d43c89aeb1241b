"""The listed permissions of each function are exactly the calls that it makes to AWS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import boto3
import jwt
import pytest

from deployment.doctor import needs
from deployment.doctor.needs import Need
from pytest_sessionplugin import Clock, ConnectionClosed, Faults, Gateway, HandshakeRefused, Tokens, WebSocket
from pytest_sessionplugin.aws.calls import Calls
from pytest_sessionplugin.aws.tables import Tables

KEY = "a key that is long enough for its hash, and kept elsewhere"
NAME = "/sessions/test/key"
STORES: dict[str, tuple[Callable[[], object], Need]] = {
    f"ssm:{NAME}": (
        lambda: boto3.client("ssm").put_parameter(Name=NAME, Value=KEY, Type="SecureString"),
        Need("secretsmanager:GetSecretValue", needs.KEY_SECRET),
    ),
    f"secretsmanager:{NAME}": (
        lambda: boto3.client("secretsmanager").create_secret(Name=NAME, SecretString=KEY),
        Need("ssm:GetParameter", needs.KEY_PARAMETER),
    ),
}
"""A way to keep the key, and the permission that it does not need."""


@pytest.mark.parametrize(
    "reference",
    [pytest.param(one, marks=pytest.mark.chalice(env={"JWT_SECRET": one}), id=one) for one in STORES],
)
def test_each_function_needs_what_it_asks_for_and_asks_for_what_it_needs(
    reference: str,
    chalice_gateway: Gateway,
    dynamodb_tables: Tables,
    jwt_tokens: Tokens,
    aws_calls: Calls,
    aws_faults: Faults,
    chalice_clock: Clock,
) -> None:
    keep, spared = STORES[reference]
    keep()
    life = Life(chalice_gateway, jwt_tokens)
    life.of_a_session_that_is_ended()
    life.of_a_session_whose_guests_vanish(chalice_clock, aws_faults)
    life.of_a_socket_that_nobody_remembers(dynamodb_tables)
    life.of_a_session_that_expires(chalice_clock, aws_faults)
    assert chalice_gateway.http().get("/health/ready").status_code == 200

    asked: dict[str, set[Need]] = {}
    for call in aws_calls:
        if call.function is not None:
            asked.setdefault(call.function, set()).update(_in_words_of_templates(call.needs, dynamodb_tables))
    assert asked.keys() == needs.OWN.keys()
    for function, needed in needs.OWN.items():
        assert _listed(asked[function]) == _listed(needed - {spared}), function


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
            bob.expect("welcome")
            bob.send_json({"action": "publish", "data": 1})
            carol.expect("message")
            assert self._alice.patch(path, json={"title": "Standup"}).status_code == 200
            carol.expect("session.updated")
            assert self._alice.delete(path).status_code == 204
            carol.expect("session.ended")
        with pytest.raises(HandshakeRefused):
            self._join(session, "bob")

    def of_a_session_whose_guests_vanish(self, clock: Clock, faults: Faults) -> None:
        session = self._alice.post("/sessions", json={}).json()
        with self._join(session, "alice") as alice, self._join(session, "bob") as bob:
            clock.advance(minutes=1)  # a new participant does not count as gone
            vanish(bob, faults)
            alice.send_json({"action": "publish", "data": 1})
            alice.expect("ack")
        self._gateway.settle()
        with self._join(session, "bob") as bob:
            clock.advance(minutes=1)
            vanish(bob, faults)
            assert self._alice.patch(f"/sessions/{session['sessionId']}", json={"title": "x"}).status_code == 200

    def of_a_socket_that_nobody_remembers(self, tables: Tables) -> None:
        session = self._alice.post("/sessions", json={}).json()
        with self._join(session, "bob") as bob:
            for row in tables["Connections"].scan()["Items"]:
                tables["Connections"].delete_item(Key={"place": row["place"], "connectionId": row["connectionId"]})
            bob.send_json({"action": "publish", "data": 1})
            bob.expect("closing", code="connection_not_found")
            with pytest.raises(ConnectionClosed):
                bob.receive_json()

    def of_a_session_that_expires(self, clock: Clock, faults: Faults) -> None:
        session = self._alice.post("/sessions", json={"expiresIn": 600}).json()
        clock.advance(minutes=6)  # so that the handshake is the first to look for the key again
        with self._join(session, "bob") as bob, self._join(session, "carol") as carol:
            clock.advance(minutes=1)
            vanish(carol, faults)
            clock.advance(minutes=5, schedules=True)
            bob.expect("session.ended", reason="expired")

    def _join(self, session: dict[str, Any], subject: str) -> WebSocket:
        return self._gateway.websocket("/", params={"sessionId": session["sessionId"]}, token=self._sign(subject))

    def _sign(self, subject: str) -> str:
        return jwt.encode(self._tokens.claims(subject, expires_in=7200), KEY, "HS256")


def vanish(socket: WebSocket, faults: Faults) -> None:
    """Its row is gone, and the service was not notified."""
    assert socket.connection_id is not None
    faults.gone(socket.connection_id)


def _in_words_of_templates(asked: Iterable[Any], tables: Tables) -> set[Need]:
    names = {tables[logical].name: f"${{{logical}Table}}" for logical in ("Sessions", "Connections", "Events")}
    return {Need(need.action, _placeholders(need.resource, names)) for need in asked}


def _listed(these: Iterable[Need]) -> list[str]:
    return sorted(f"{one.action} {one.resource}" for one in these)


def _placeholders(arn: str, names: dict[str, str]) -> str:
    service, resource = arn.split(":", 5)[2], arn.split(":", 5)[5]
    if service == "ssm":
        return needs.KEY_PARAMETER
    if service == "secretsmanager":
        return needs.KEY_SECRET
    if service == "execute-api":
        return {"POST": needs.POSTED, "DELETE": needs.CLOSED}[resource.split("/")[2]]
    table, slash, index = resource.removeprefix("table/").partition("/")
    place = f"{names[table]}{slash}{index}"
    return f"arn:${{AWS::Partition}}:{service}:${{AWS::Region}}:${{AWS::AccountId}}:table/{place}"
