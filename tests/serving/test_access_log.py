"""The access log of `serve`, as a person sees it on stderr: a line for each request and message, with notes below."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.gateway.values import Handshake, Observed, Reply, Request, Respond, Send
from pytest_sessionplugin.serving.access_log import MOST, AccessLog
from tests.forks import Fork
from tests.strangers import PYPROJECT, REPOSITORY, write_project

pytest.importorskip("h11")
pytest.importorskip("websockets")

PATIENCE = 30.0  # seconds
SECRET = "opaque-1234567890"

APP = """
import os

import boto3
from chalice import AuthResponse, Chalice, Response

app = Chalice("chat")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.websocket_api.session = boto3.Session()
rooms = boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"])


@app.authorizer()
def member(request):
    allowed = ["/rooms/*"] if "nobody" not in request.token else []
    return AuthResponse(routes=allowed, principal_id=request.token.removeprefix("Bearer "))


@app.route("/rooms/{name}", methods=["GET", "PUT"], authorizer=member)
def room(name):
    rooms.put_item(Item={"name": name})
    return rooms.get_item(Key={"name": name})["Item"]


@app.route("/open", methods=["GET", "POST"])
def opened():
    return {}


@app.route("/lost")
def lost():
    try:
        boto3.client("dynamodb").get_item(TableName="nowhere", Key={"name": {"S": "a"}})
    except Exception:
        return {}


@app.on_ws_connect()
def enter(event):
    if "queryStringParameters" in event.to_dict():
        return Response(body="", status_code=401)


@app.on_ws_message()
def message(event):
    if event.body == "bug":
        raise ValueError("a bug")
    app.websocket_api.send(event.connection_id, f"echo {event.body}")


@app.on_ws_disconnect()
def leave(event):
    pass
"""


class Served:
    """A process of `serve`, and what it has said on stderr."""

    def __init__(self, process: subprocess.Popen[bytes], errors: int) -> None:
        self.process, self.announced = process, b""
        assert process.stdout is not None
        while b"connect ws://" not in self.announced and b"{" not in self.announced:
            self.announced += process.stdout.readline()
        self.http, self.websocket = re.findall(rb"(http|ws)(://127.0.0.1:\d+)", self.announced)[:2]
        self._said, self._changed = "", threading.Condition()
        self._reader = threading.Thread(target=self._read, args=(errors,))
        self._reader.start()

    def _read(self, errors: int) -> None:
        with os.fdopen(errors, "rb", 0) as stream:
            while data := _some(stream):
                with self._changed:
                    self._said += data.decode()
                    self._changed.notify_all()

    def get(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> int:
        url = "http" + self.http[1].decode() + path
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            request = urllib.request.Request(url, body, named, method=method)  # noqa: S310 - loopback
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - loopback
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def socket(self, path: str = "/") -> Any:
        from websockets.sync.client import connect

        return connect("ws" + self.websocket[1].decode() + path)

    def said(self, pattern: str) -> str:
        """Waits for a match of the pattern, and returns it."""
        with self._changed:
            self._changed.wait_for(lambda: re.search(pattern, self._said), PATIENCE)
            found = re.search(pattern, self._said)
            assert found is not None, f"{pattern!r} is not in:\n{self._said}"
            return found[0]

    def end(self) -> str:
        """Everything on stderr."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE) == 0
        self._reader.join(PATIENCE)
        return self._said


def _some(stream: Any) -> bytes:
    try:
        return bytes(stream.read(65536))
    except OSError:  # the other end of a terminal is closed
        return b""


@contextmanager
def serving(root: Path, *options: str, terminal: bool = False) -> Iterator[Served]:
    read, write = pty.openpty() if terminal else os.pipe()
    machine = {n: v for n, v in os.environ.items() if not n.startswith(("SESSIONPLUGIN_", "AWS_")) and n != "NO_COLOR"}
    command = [sys.executable, "-m", "pytest_sessionplugin", "serve", str(root), "--no-reload", *options]
    command += ["--http-port", "0", "--websocket-port", "0"]
    variables = {**machine, "PYTHONPATH": str(REPOSITORY)}
    with Fork[bytes](command, stdout=subprocess.PIPE, stderr=write, env=variables) as process:
        os.close(write)
        up = Served(process, read)
        try:
            yield up
        finally:
            if process.poll() is None:
                up.end()


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("logged"), APP, PYPROJECT)


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Served]:
    with serving(root, "--frames") as up:
        yield up


@pytest.mark.process
class TestLines:
    def test_a_request_is_a_line_with_its_functions_its_caller_and_its_calls(self, served: Served) -> None:
        assert served.get("/rooms/lobby?page=2", Authorization="Bearer alice") == 200
        served.said(
            r"(?m)^\d\d:\d\d:\d\d  GET /rooms/lobby\?page=2  200  \d+ ms  member, api_handler  alice  2 dynamodb\n"
        )

    def test_an_unknown_path_is_explained_by_the_nearest_route(self, served: Served) -> None:
        assert served.get("/room/lobby") == 403
        served.said(r"  GET /room/lobby  403  \d+ ms\n +no route matches GET /room/lobby; nearest: GET /rooms/\{name\}")

    def test_the_root_names_the_routes(self, served: Served) -> None:
        assert served.get("/") == 403
        served.said(
            r"  GET /  403  \d+ ms\n +no route matches GET /; there are: GET /rooms/\{name\}, GET /open, GET /lost"
        )

    def test_an_authorizer_that_refuses_is_explained_by_its_policy(self, served: Served) -> None:
        assert served.get("/rooms/attic", Authorization="Bearer nobody") == 403
        served.said(r"  GET /rooms/attic  403  \d+ ms  member\n +authorizer member -> .*polic.*nobody")

    def test_an_answer_that_a_browser_hides_is_explained(self, served: Served) -> None:
        assert served.get("/open?a", Origin="http://a.test") == 200
        served.said(r"  GET /open\?a  200  .*\n +a browser hides this answer from http://a.test: .* cors=True sets it")

    def test_a_type_that_is_not_taken_is_explained(self, served: Served) -> None:
        assert served.get("/open", "POST", b"a", Content_Type="text/plain") == 415
        served.said(r"  POST /open  415  .*\n +Content-Type text/plain is not taken: a route takes application/json")

    def test_a_call_of_aws_that_failed_is_named(self, served: Served) -> None:
        assert served.get("/lost") == 200
        served.said(r"  GET /lost  200  .*  1 dynamodb\n +dynamodb:GetItem nowhere .*-> 400 ResourceNotFoundException")

    def test_a_handshake_that_is_refused_says_why(self, served: Served) -> None:
        from websockets.exceptions import InvalidStatus

        for path, why in (("/ws", "no WebSocket API is at /ws; it is at / and /api"), ("/?a=b", "answered 401")):
            with pytest.raises(InvalidStatus):
                served.socket(path)
            served.said(rf"  WS {re.escape(path)}  40\d  \d+ ms.*\n +.*{re.escape(why)}")

    def test_each_message_is_a_line_and_each_frame_with_frames(self, served: Served) -> None:
        with served.socket() as client:
            client.send("hi")
            assert client.recv(PATIENCE) == "echo hi"
            client.send("bug")
            assert "Internal server error" in client.recv(PATIENCE)
        id = served.said(r"  WS /  101  \d+ ms  enter  \S+=\n").split()[-1]
        served.said(rf"  WS {id}  > hi\n(.*\n)*.*  WS {id}  < echo hi\n")
        served.said(rf"  WS {id}  message  \d+ ms  message  1 @connections\n")
        served.said(rf"  WS {id}  message  failed  \d+ ms  message\n")
        served.said(rf"  WS {id}  closed by its client: 1000  after \d+ s\n")
        served.said(rf"  WS {id}  disconnect  \d+ ms  leave\n")

    def test_a_call_of_another_process_that_is_not_signed_has_its_reason(self, served: Served) -> None:
        url = "http" + served.websocket[1].decode() + "/api/@connections/abc%3D"
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(url, b"hi", timeout=PATIENCE)  # noqa: S310 - loopback
        refused.value.close()
        served.said(r"  POST /api/@connections/abc%3D  403  \d+ ms\n +its signature is missing or wrong: SDKs sign it")

    def test_a_websocket_client_at_the_http_port_is_told_of_the_other_one(self, served: Served) -> None:
        from websockets.exceptions import InvalidStatus
        from websockets.sync.client import connect

        with pytest.raises(InvalidStatus):
            connect("ws" + served.http[1].decode() + "/open")
        served.said(r"  GET /open  200  .*\n +a WebSocket client asks the HTTP API, which opens none")

    def test_no_credential_and_no_control_character_is_shown(self, served: Served) -> None:
        (token, *_) = re.findall(r"eyJ[\w.-]+", served.announced.decode())
        assert served.get(f"/rooms/a?token={SECRET}", Authorization=f"Bearer {SECRET}") == 200
        assert served.get("/open?b", Authorization=f"Bearer {token}", Origin="http://\x9b2Ja.test") == 200
        served.said(r"GET /rooms/a\?token=opa….*")
        served.said(r"GET /open\?b  200  .*  token of alice\n +a browser hides this answer from http://\\x9b2Ja.test")
        with served._changed:
            assert SECRET not in served._said
            assert token not in served._said
            assert token.split(".")[2] not in served._said


@pytest.mark.process
def test_colours_are_for_a_terminal(root: Path) -> None:
    with serving(root, terminal=True) as up:
        assert (up.get("/open"), up.get("/nowhere")) == (200, 403)
        up.said("\033\\[32m200\033\\[0m")
        up.said("\033\\[33m403\033\\[0m")
    with serving(root) as up:
        assert up.get("/open") == 200
        assert "\033" not in up.said(r".*GET /open .*\n") + up.end()


@pytest.mark.process
@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_there_is_no_line_for_those_who_want_none(root: Path, option: str) -> None:
    with serving(root, option) as up:
        assert (up.get("/open"), up.get("/nowhere")) == (200, 403)
        assert up.end() == ""


@pytest.mark.process
def test_what_has_come_is_written_at_the_end(root: Path) -> None:
    with serving(root) as up, up.socket() as client:
        client.send("hi")
        assert client.recv(PATIENCE) == "echo hi"
        said = up.end()
    assert "  message  " in said
    assert "> hi" not in said  # frames are for --frames
    assert said.count("\n") == 4  # opened, message, closed by its server's end, disconnect


def seen(what: Any) -> Observed:
    return Observed(1.0, what)


def test_a_log_that_nobody_reads_stays_small_and_says_what_is_missing() -> None:
    begun, gate, written = threading.Event(), threading.Event(), list[str]()

    def write(text: str) -> None:
        begun.set()
        gate.wait(PATIENCE)
        written.append(text)

    with AccessLog(write) as log:
        log.observe(seen(Request("first", "GET", "/first")))
        log.observe(seen(Respond("first", Reply(200))))
        assert begun.wait(PATIENCE)
        for number in range(MOST):
            log.observe(seen(Request(f"{number}", "GET", "/a")))
            log.observe(seen(Respond(f"{number}", Reply(200))))
        gate.set()
    said = "".join(written)
    assert "GET /first  200" in said
    assert "some lines are missing here" in said
    assert said.count("\n") <= MOST


def test_a_stream_that_is_closed_does_not_end_the_server() -> None:
    def write(text: str) -> None:
        raise BrokenPipeError

    with AccessLog(write) as log:
        log.observe(seen(Handshake("a")))
        log.observe(seen(Send("a", "text")))
        log.observe(seen(Respond("unknown", Reply(200))))
