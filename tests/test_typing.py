"""A typed test file of a user's, as mypy and pyright see it: each planted mistake is found, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sources import ROOT

pytestmark = [pytest.mark.process, pytest.mark.slow]

TYPED = """
# pyright: strict
from collections.abc import Iterator, Mapping
from datetime import timedelta

import pytest

from pytest_sessionplugin import Call, Calls, Clock, ConnectionClosed, DeliveredEvent, Faults, Frame, Gateway
from pytest_sessionplugin import HandshakeRefused, HeaderMap, HttpClient, HTTPStatusError, Response, Tables, Tokens
from pytest_sessionplugin import WebSocket
from pytest_sessionplugin import ChaliceGateway  # mistake


@pytest.fixture
def alice(chalice_gateway: Gateway, jwt_tokens: Tokens) -> HttpClient:
    return chalice_gateway.http(token=jwt_tokens("alice"), headers=[("X-A", "1"), ("X-A", "2")], cookies={"a": "1"})


@pytest.fixture
def socket(chalice_gateway: Gateway, jwt_tokens: Tokens) -> Iterator[WebSocket]:
    with chalice_gateway.websocket("/", params={"room": "a"}, token=jwt_tokens("bob")) as socket:
        yield socket


def test_http(alice: HttpClient, chalice_gateway: Gateway) -> None:
    response: Response = alice.post("/rooms", json={"name": "a"}).raise_for_status()
    names: list[str] = [response.headers["location"], *response.headers.get_list("set-cookie"), response.cookies["a"]]
    assert response.is_success and response.elapsed < timedelta(seconds=1) and names
    headers: HeaderMap = response.request.headers
    assert alice.patch("/rooms/a", data={"tags": ["x", "y"], "count": 1}, headers=headers, params={"q": True}).is_error
    alice.put("/rooms/a", files={"f": b"1", "g": ("g.txt", "text", "text/plain")}, data=[("a", "1"), ("a", "2")])
    with pytest.raises(HTTPStatusError, match="404") as raised:
        chalice_gateway.get("/nowhere").raise_for_status()
    assert raised.value.response.request.method == "GET"
    alice.get("/rooms", parms={"a": 1})  # mistake
    alice.post("/rooms", headers={"X-Count": 5})  # mistake
    assert response.elapsed < 1  # mistake
    chalice_gateway.http(tokn="x")  # mistake


def test_sockets(socket: WebSocket, chalice_gateway: Gateway) -> None:
    socket.send_json({"action": "hello"})
    welcome = socket.expect(type="welcome", session={"status": "active"})
    socket.expect_all({"type": "joined"}, {"type": "left"}, any_order=True, skip=True)
    frames: list[Frame] = list(socket)
    socket.close(1000, welcome["type"] + str(frames[0].json()))
    with pytest.raises(ConnectionClosed) as closed:
        socket.receive_json()
    assert closed.value.code == 1000
    with pytest.raises(HandshakeRefused) as refused:
        chalice_gateway.websocket("/prod")
    problems: dict[str, str] = refused.value.json()
    assert (refused.value.status_code, problems["message"]) == (403, "Forbidden")
    assert refused.value.status == 403  # mistake
    socket.recieve_json()  # mistake
    socket.expect("welcome")  # mistake


def test_aws(
    chalice_gateway: Gateway, dynamodb_tables: Tables, aws_calls: Calls, aws_faults: Faults, chalice_clock: Clock
) -> None:
    with aws_faults.throttled("dynamodb:PutItem"), aws_calls.exactly(dynamodb=1):
        chalice_clock.advance(minutes=1)
    calls: list[Call] = list(aws_calls)
    key: Mapping[str, object] = aws_calls[-1].key or {}
    rows: int = dynamodb_tables.count("Rooms") - len(dynamodb_tables.items("Rooms")) - len(key)
    assert (calls[0].table, calls[0].parameters["TableName"], rows) == ("rooms", "rooms", 0)
    delivered: list[DeliveredEvent] = [*chalice_gateway.of("orders").deliver_events()]
    dynamodb_tables.assert_item("Rooms", {"name": calls[0].operation}, owner=delivered[0].function)
    delivered[0].functon  # mistake
    aws_faults.throtled("dynamodb:PutItem")  # mistake
""".lstrip()

PLANTED = [line for line, text in enumerate(TYPED.splitlines(), 1) if text.endswith("# mistake")]


def by_mypy(file: Path) -> list[int]:
    """With the options of `make check`, and so its cache: without one, mypy checks the whole plugin first."""
    printed = run("mypy", "--strict", str(file))
    return [int(line) for line in re.findall(rf"{file.name}:(\d+): error:", printed)]


def by_pyright(file: Path) -> list[int]:
    printed = run("pyright", "--outputjson", "--pythonpath", sys.executable, str(file))
    found = json.loads(printed)["generalDiagnostics"]
    return [each["range"]["start"]["line"] + 1 for each in found if each["severity"] == "error"]


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=300, check=False, cwd=ROOT
    )
    assert done.returncode == 1, done.stderr  # some mistakes
    return done.stdout


@pytest.mark.parametrize("checker", [by_mypy, by_pyright])
def test_a_checker_finds_each_planted_mistake_and_nothing_else(
    checker: Callable[[Path], list[int]], tmp_path: Path
) -> None:
    file = tmp_path / "test_typed.py"
    file.write_text(TYPED, encoding="utf-8")
    assert sorted(set(checker(file))) == PLANTED
    assert len(PLANTED) == 10
