"""Answers to each operation by caller and status of the session, behind the gateway."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pytest_sessionplugin import Clock, Gateway
from pytest_sessionplugin.tokens.tokens import Tokens
from tests.service import verdicts

SUBJECTS = {"owner": "alice", "participant": "bob", "banned": "mallory", "guest": "guest:ada", "nobody": None}
STATUSES = ("active", "paused", "ended", "expired", "purged", "unknown")
OPERATIONS: dict[str, tuple[str, str, dict[str, Any] | None]] = {  # the end of the session comes at the end
    "create_session": ("POST", "/sessions", {}),
    "list_sessions": ("GET", "/sessions", None),
    "find_session": ("GET", "/sessions/ID", None),
    "list_events": ("GET", "/sessions/ID/events", None),
    "change_session": ("PATCH", "/sessions/ID", {"title": "new"}),
    "issue_ticket": ("POST", "/sessions/ID/tickets", {}),
    "issue_guest_ticket": ("POST", "/sessions/ID/tickets", {"subject": "guest:ada"}),
    "list_participants": ("GET", "/sessions/ID/participants", None),
    "set_role": ("PATCH", "/sessions/ID/participants?subject=carol", {"role": "viewer"}),
    "set_role_of_owner": ("PATCH", "/sessions/ID/participants?subject=alice", {"role": "viewer"}),
    "kick_participant": ("DELETE", "/sessions/ID/participants?subject=carol", None),
    "kick_owner": ("DELETE", "/sessions/ID/participants?subject=alice", None),
    "send_message": ("POST", "/sessions/ID/messages", {"data": 1}),
    "send_direct": ("POST", "/sessions/ID/messages", {"data": 1, "to": "carol"}),
    "end_session": ("DELETE", "/sessions/ID", None),
}


@pytest.fixture
def session_id(chalice_gateway: Gateway, jwt_tokens: Tokens) -> str:
    """A durable session of alice's, for a minute, out of which she keeps mallory."""
    alice = chalice_gateway.http(token=jwt_tokens("alice"))
    created: str = alice.post("/sessions", json={"expiresIn": 60, "durable": True}).json()["sessionId"]
    path = f"/sessions/{created}/participants?subject=mallory&ban=86400"
    assert alice.delete(path).status_code == 200
    return created


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("caller", SUBJECTS)
def test_a_request_is_answered_by_caller_and_status(
    chalice_gateway: Gateway, jwt_tokens: Tokens, chalice_clock: Clock, session_id: str, caller: str, status: str
) -> None:
    alice = chalice_gateway.http(token=jwt_tokens("alice", expires_in=43_200))
    if status == "paused":
        assert alice.patch(f"/sessions/{session_id}", json={"status": "paused"}).status_code == 200
    elif status == "ended":
        assert alice.delete(f"/sessions/{session_id}").status_code == 204
    elif status == "expired":
        chalice_clock.advance(seconds=61)
    elif status == "purged":
        chalice_clock.ttl_lag = timedelta(days=2)
        chalice_clock.advance(days=7, seconds=61)
    subject = SUBJECTS[caller]
    client = chalice_gateway.http(token=subject and jwt_tokens(subject))
    there = "a" * 26 if status == "unknown" else session_id
    for operation, (method, path, body) in OPERATIONS.items():
        answer = client.request(method, path.replace("ID", there), json=body)
        code = answer.json()["code"] if answer.status_code >= 400 else None
        assert (operation, answer.status_code, code) == (operation, *verdicts.of_request(operation, caller, status))
