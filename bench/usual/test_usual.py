"""Eight tests of the session lifecycle and of authentication, with the usual fixtures."""

from __future__ import annotations

import json
from typing import Any

import pytest


@pytest.fixture
def session(client: Any, bearer: Any) -> dict[str, Any]:
    created: dict[str, Any] = client.http.post(
        "/sessions", headers=bearer("alice"), body=json.dumps({"title": "Standup"})
    ).json_body
    return created


def stored(table: Any, session: dict[str, Any]) -> Any:
    return table.get_item(Key={"sessionId": session["sessionId"]})["Item"]


class TestHTTPSessionLifecycle:
    def test_create_and_retrieve_session(self, client: Any, bearer: Any, table: Any) -> None:
        created = client.http.post("/sessions", headers=bearer("alice"), body='{"title":"Standup"}')
        assert created.status_code == 201
        session = created.json_body
        assert stored(table, session)["title"] == "Standup"
        found = client.http.get(f"/sessions/{session['sessionId']}", headers=bearer("alice"))
        assert (found.status_code, found.json_body) == (200, session)

    def test_get_nonexistent_session_returns_404(self, client: Any, bearer: Any, table: Any) -> None:
        answer = client.http.get("/sessions/" + "a" * 26, headers=bearer("alice"))
        assert answer.status_code == 404
        assert table.scan()["Count"] == 0

    def test_delete_session_marks_as_ended(self, client: Any, bearer: Any, table: Any, session: Any) -> None:
        path = f"/sessions/{session['sessionId']}"
        assert client.http.delete(path, headers=bearer("alice")).status_code == 204
        assert stored(table, session)["status"] == "ended"
        assert client.http.get(path, headers=bearer("alice")).json_body["status"] == "ended"

    def test_update_session_status(self, client: Any, bearer: Any, table: Any, session: Any) -> None:
        for status in ("paused", "active", "ended"):
            body = json.dumps({"status": status})
            answer = client.http.patch(f"/sessions/{session['sessionId']}", headers=bearer("alice"), body=body)
            assert (answer.status_code, answer.json_body["status"]) == (200, status)
            assert stored(table, session)["status"] == status


class TestJWTAuthentication:
    def test_request_without_token_fails(self, client: Any, table: Any) -> None:
        assert client.http.post("/sessions", body="{}").status_code == 401
        assert table.scan()["Count"] == 0

    def test_request_with_valid_token_succeeds(self, client: Any, bearer: Any, table: Any) -> None:
        created = client.http.post("/sessions", headers=bearer("carol"), body="{}")
        assert created.status_code == 201
        assert stored(table, created.json_body)["ownerId"] == "carol"

    def test_update_with_wrong_user_returns_403(self, client: Any, bearer: Any, table: Any, session: Any) -> None:
        path = f"/sessions/{session['sessionId']}"
        answer = client.http.patch(path, headers=bearer("mallory"), body='{"status":"paused"}')
        assert answer.status_code == 403
        assert stored(table, session)["status"] == "active"

    def test_delete_with_wrong_user_returns_403(self, client: Any, bearer: Any, table: Any, session: Any) -> None:
        answer = client.http.delete(f"/sessions/{session['sessionId']}", headers=bearer("mallory"))
        assert answer.status_code == 403
        assert stored(table, session)["status"] == "active"
