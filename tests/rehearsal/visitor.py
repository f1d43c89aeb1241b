"""The user of a rehearsed stage: tokens, HTTP, sockets, and an operator's actions."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

from pytest_sessionplugin import WebSocket
from pytest_sessionplugin.gateway.client.deployed import Remote
from pytest_sessionplugin.gateway.client.gateway import GatewayClient
from pytest_sessionplugin.gateway.client.http import HttpClient
from pytest_sessionplugin.gateway.client.transport import Urls
from pytest_sessionplugin.lambdas.schedules import scheduled_event
from pytest_sessionplugin.tokens.deployed import KEY, DeployedTokens
from pytest_sessionplugin.tokens.tokens import TokenSettings
from tests.emulators.ministack.workarounds import BEFORE_NEXT_LOOK
from tests.rehearsal.stage import RehearsedStage

PATIENCE = 15.0  # seconds for an answer that takes a tenth of one, or a few with a cold start
HASTE = 2.0  # seconds to wait for a frame that must not come
LONG_AGO = "2026-01-01T00:00:00.000Z"


class Visitor:
    """Closes every socket at its end. `patience`: seconds to wait for anything."""

    def __init__(self, stage: RehearsedStage, *, patience: float = PATIENCE) -> None:
        self.stage = stage
        self.patience = patience
        environment = stage.described.environment
        settings = TokenSettings.of(
            {"algorithm": "HS256", "issuer": environment["JWT_ISSUER"], "audience": environment["JWT_AUDIENCE"]}
        )
        self.tokens = DeployedTokens(settings, {KEY: stage.key()}, LookupError)
        remote = Remote(
            Urls(stage.http, stage.websocket), patience=patience, lacking=LookupError, observe=lambda seen: None
        )
        self.gateway = GatewayClient(remote, None)

    def __enter__(self) -> Visitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.gateway.close()

    def http(self, subject: str = "alice") -> HttpClient:
        return self.gateway.http(token=self.tokens(subject))

    def create(self, **body: Any) -> str:
        """Creates a session of alice's; returns its id."""
        answer = self.http().post("/sessions", json=body)
        assert answer.status_code == 201, answer.text
        session_id: str = answer.json()["sessionId"]
        return session_id

    def join(self, session_id: str, subject: str = "bob", **params: str) -> WebSocket:
        return self.gateway.websocket("/", params={"sessionId": session_id, **params}, token=self.tokens(subject))

    # --- what stands in the tables

    def session(self, session_id: str) -> Mapping[str, Any]:
        item: Mapping[str, Any] = self.stage.tables["Sessions"].get_item(
            Key={"sessionId": session_id}, ConsistentRead=True
        )["Item"]
        return item

    def rows(self, session_id: str) -> list[dict[str, Any]]:
        """Both rows of each connection of a session."""
        found: list[dict[str, Any]] = self.stage.tables["Connections"].scan(ConsistentRead=True)["Items"]
        places = {f"session#{session_id}", *(row["place"] for row in found if row.get("sessionId") == session_id)}
        return [row for row in found if row["place"] in places and "connectedAt" in row]

    def expire(self, session_id: str) -> None:
        """Moves the expiry of one session a minute into the past."""
        past = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        self.stage.tables["Sessions"].update_item(
            Key={"sessionId": session_id},
            UpdateExpression="SET expiresAt = :past, dueAt = :past",
            ExpressionAttributeValues={":past": past},
        )

    def lapse(self, session_id: str, subject: str) -> None:
        """Moves the end of a subject's tokens into the past, for deliveries."""
        for row in self.rows(session_id):
            if row["subject"] == subject:
                self.stage.tables["Connections"].update_item(
                    Key={"place": row["place"], "member": row["member"]},
                    UpdateExpression="SET tokenExpiresAt = :past",
                    ExpressionAttributeValues={":past": LONG_AGO},
                )

    def haunt(self, session_id: str) -> Callable[[], bool]:
        """Adds a connection, long gone, to the session's roster; returns a function that looks for it there."""
        [row, *_] = [row for row in self.rows(session_id) if row["place"].startswith("session#")]
        ghost = f"gone-{session_id}"
        gone = {**row, "member": f"{row['member'].partition('#')[0]}#{ghost}", "connectedAt": LONG_AGO}
        pointer = {**gone, "place": f"connection#{ghost}", "member": "-", "sessionId": session_id}
        for one in (gone, pointer):
            self.stage.tables["Connections"].put_item(Item=one)
        return lambda: any(one["member"] == gone["member"] for one in self.rows(session_id))

    def forget(self, session_id: str) -> None:
        """Deletes the rows of all connections of a session."""
        for row in self.rows(session_id):
            key = {"place": row["place"], "member": row["member"]}
            self.stage.tables["Connections"].delete_item(Key=key)

    # --- what an operator may do

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Invokes a function by its name in config.json."""
        [full_name] = [one.full_name for one in self.stage.described.functions if one.name == function]
        answer = self.stage.client("lambda").invoke(FunctionName=full_name, Payload=json.dumps(event).encode())
        returned = json.loads(answer["Payload"].read() or "null")
        assert "FunctionError" not in answer, returned
        return returned

    def sweep(self) -> None:
        self.invoke("sweep", scheduled_event("sweep", self.stage.session.region_name, datetime.now(UTC)))

    def renew(self, function: str) -> None:
        """Restarts the function, by changing its environment: its caches are gone."""
        [full_name] = [one.full_name for one in self.stage.described.functions if one.name == function]
        client = self.stage.client("lambda")
        environment = client.get_function_configuration(FunctionName=full_name)["Environment"]
        client.update_function_configuration(FunctionName=full_name, Environment=environment)
        client.get_waiter("function_updated").wait(FunctionName=full_name, WaiterConfig=BEFORE_NEXT_LOOK)


def comes_true(condition: Callable[[], bool], within: float = PATIENCE) -> bool:
    """Whether it happens in time; each look calls the emulator and takes as long."""
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until:
            return False
    return True
