"""The service as a developer runs it: each command in a process of its own, over real sockets."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.forks import Fork
from tests.processes import ROOT, Served, chalice_local, sessionplugin_serve

pytestmark = [pytest.mark.process, pytest.mark.sockets]

SOMEBODYS_AWS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_REGION": "eu-west-1",
}


def connect(url: str, token: str, origin: str | None = None) -> Any:
    from websockets.sync import client  # late: a unit run collects this file

    headers = {"Authorization": f"Bearer {token}"}
    return client.connect(url, additional_headers=headers, origin=cast("Any", origin), compression=None)


def call(
    url: str, method: str = "GET", token: str = "", body: Any = None, origin: str | None = None
) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    headers |= {} if origin is None else {"Origin": origin}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310  a loopback URL
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  the same
            return answer.status, json.loads(answer.read() or "null")
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read() or "null")


def new_token(subject: str) -> str:
    command = [sys.executable, "-m", "pytest_sessionplugin", "token", subject, "--project", str(ROOT)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with sessionplugin_serve(start=Fork) as served:
        yield served


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of `chalice local`, on a machine with AWS credentials."""
    with chalice_local(SOMEBODYS_AWS) as url:
        yield url


class TestSessionpluginServe:
    def test_a_session_is_lived_through(self, served: Served) -> None:
        status, session = call(f"{served.http}/sessions", "POST", served.token, {"title": "Standup"})
        assert (status, session["ownerId"]) == (201, "alice")
        url = f"{served.websocket}?sessionId={session['sessionId']}"
        with connect(url, new_token("bob")) as bob:
            bob.send('{"action":"hello"}')
            assert json.loads(bob.recv(timeout=10))["role"] == "participant"
            path = f"{served.http}/sessions/{session['sessionId']}"
            assert call(path, "PATCH", served.token, {"status": "paused"})[0] == 200
            assert json.loads(bob.recv(timeout=10))["session"]["status"] == "paused"
            assert call(path, "DELETE", served.token)[0] == 204
            assert json.loads(bob.recv(timeout=10))["type"] == "session.ended"

    def test_a_page_of_this_machine_opens_a_socket_without_a_setting(self, served: Served) -> None:
        from websockets.exceptions import InvalidStatus

        _, session = call(f"{served.http}/sessions", "POST", served.token, {})
        url = f"{served.websocket}?sessionId={session['sessionId']}"
        for origin in ("http://localhost:5173", "http://127.0.0.1:8000", "https://[::1]:8443"):
            with connect(url, served.token, origin) as alice:
                alice.send('{"action":"ping"}')
                assert json.loads(alice.recv(timeout=10))["type"] == "pong"
        for origin in ("https://evil.example", "http://localhost.evil.example:5173", "null"):
            with pytest.raises(InvalidStatus, match="403"):
                connect(url, served.token, origin)

    def test_a_socket_opens_at_the_address_that_the_app_is_given(self, served: Served) -> None:
        """`{websocket:url}`, which ends with the stage."""
        _, session = call(f"{served.http}/sessions", "POST", served.token, {})
        with connect(f"{served.websocket}/api?sessionId={session['sessionId']}", served.token) as alice:
            alice.send('{"action":"ping"}')
            assert json.loads(alice.recv(timeout=10))["type"] == "pong"

    def test_a_ticket_opens_one_socket_at_the_url_that_comes_with_it(self, served: Served) -> None:
        _, session = call(f"{served.http}/sessions", "POST", served.token, {})
        status, issued = call(f"{served.http}/sessions/{session['sessionId']}/tickets", "POST", served.token, {})
        assert (status, issued["url"]) == (201, f"{served.websocket}/api?sessionId={session['sessionId']}")
        command = [sys.executable, "-m", "pytest_sessionplugin", "connect", issued["url"], "--ticket", issued["ticket"]]
        for code, said in ((0, '< {"type":"welcome"'), (2, "")):
            ended = subprocess.run(
                [*command, "--receive", "1"], input='{"action":"hello"}\n', capture_output=True, text=True, timeout=30
            )
            assert (ended.returncode, ended.stdout[: len(said)]) == (code, said)
        assert "was refused: 401" in ended.stderr
        assert issued["ticket"] not in ended.stderr

    def test_a_page_of_this_machine_joins_by_a_ticket_that_no_other_page_can_use(self, served: Served) -> None:
        from websockets.exceptions import InvalidStatus
        from websockets.sync import client

        _, session = call(f"{served.http}/sessions", "POST", served.token, {})
        path, here, there = (
            f"{served.http}/sessions/{session['sessionId']}",
            "http://localhost:5173",
            "http://localhost:80",
        )
        status, issued = call(f"{path}/tickets", "POST", served.token, {}, here)
        assert status == 201
        for page in (there, None):
            with pytest.raises(InvalidStatus, match="403"):
                client.connect(issued["url"], subprotocols=issued["protocols"], origin=cast("Any", page))
        with client.connect(issued["url"], subprotocols=issued["protocols"], origin=cast("Any", here)) as alice:
            assert alice.subprotocol == "sessions.v1"
            alice.send('{"action":"hello"}')
            assert json.loads(alice.recv(timeout=10))["role"] == "owner"
        status, problem = call(f"{path}/tickets", "POST", served.token, {}, "https://evil.example")
        assert (status, problem["code"]) == (403, "origin_refused")

    def test_it_is_ready(self, served: Served) -> None:
        assert call(f"{served.http}/health/ready") == (200, {"status": "ready"})


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_serve_ends_cleanly_whoever_is_connected(by: signal.Signals) -> None:
    with sessionplugin_serve(start=Fork) as served:
        _, session = call(f"{served.http}/sessions", "POST", served.token, {})
        with connect(f"{served.websocket}?sessionId={session['sessionId']}", served.token):
            assert served.ask_to_stop(by) == 0


class TestChaliceLocal:
    def test_it_serves_http_without_any_aws_and_takes_the_tokens_of_this_checkout(self, url: str) -> None:
        token = new_token("alice")
        status, session = call(f"{url}/sessions", "POST", token, {"title": "Local"})
        assert (status, session["ownerId"]) == (201, "alice")
        path = f"{url}/sessions/{session['sessionId']}"
        assert call(path, "GET", token) == (200, session)
        assert call(path, "PATCH", token, {"metadata": {"a": 1}})[1]["metadata"] == {"a": 1}
        assert call(path, "PATCH", new_token("mallory"), {"title": "x"})[0] == 403
        assert call(f"{path}/participants", "GET", token) == (200, {"participants": [], "nextCursor": None})
        mallory = f"{path}/participants?subject=mallory"
        assert call(mallory, "PATCH", token, {"role": "viewer"}) == (200, {"subject": "mallory", "role": "viewer"})
        assert call(f"{mallory}&ban=60", "DELETE", token)[1]["closed"] == 0
        assert call(path, "GET", new_token("mallory"))[1]["code"] == "banned"
        assert call(path, "DELETE", token)[0] == 204
        assert call(path, "GET", token)[1]["status"] == "ended"

    def test_it_refuses_others(self, url: str) -> None:
        assert call(f"{url}/sessions")[0] == 401
        assert call(f"{url}/sessions", token="garbage")[1]["code"] == "unauthenticated"

    def test_it_is_healthy_and_ready(self, url: str) -> None:
        assert [call(f"{url}/health{path}")[0] for path in ("", "/ready")] == [200, 200]
