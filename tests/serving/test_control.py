"""The control port and @connections of a served app, each asked from another process than the one that serves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests import forks
from tests.forks import Fork
from tests.strangers import PYPROJECT, REPOSITORY, write_project

pytest.importorskip("h11")
pytest.importorskip("websockets")

pytestmark = pytest.mark.process

PATIENCE = 30.0

APP = """
import os
import threading
import time

import boto3
from chalice import Chalice, Rate

app = Chalice("chat")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.websocket_api.session = boto3.Session()
rooms = boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"])
log, gates = [], {}


def gate(name):
    return gates.setdefault(name, threading.Event())


@app.route("/log")
def read_log():
    return {"log": log, "time": time.time(), "rooms": [row["name"] for row in rooms.scan()["Items"]]}


@app.route("/go/{name}", methods=["POST"])
def go(name):
    gate(name).set()


@app.route("/hold/{name}")
def hold(name):
    gate(name).wait(60)


@app.route("/rooms/{name}", methods=["PUT"])
def room(name):
    rooms.put_item(Item={"name": name, "purgeAt": int(time.time()) + 60})


@app.route("/orders/{name}", methods=["POST"])
def order(name):
    boto3.client("lambda").invoke(FunctionName="chat-dev-work", InvocationType="Event", Payload='"%s"' % name)


@app.lambda_function()
def work(event, context):
    log.append("work " + event)
    raise ValueError("no work is ever done")


@app.schedule(Rate(1, unit=Rate.HOURS))
def tidy(event):
    log.append("tidy")
    raise ValueError("nothing is ever tidied")


@app.on_ws_connect()
def enter(event):
    log.append("connect")


@app.on_ws_message()
def message(event):
    verb, _, rest = event.body.partition(" ")
    if verb == "hold":
        app.websocket_api.send(event.connection_id, "holds")
        gate(rest).wait(60)
        log.append("held " + rest)
        return
    if verb == "post":
        try:
            app.websocket_api.send(rest, "posted")
            log.append("posted")
        except Exception as error:
            log.append(type(error).__name__)
        return
    app.websocket_api.send(event.connection_id, event.connection_id if verb == "id" else event.body)


@app.on_ws_disconnect()
def leave(event):
    context = event.to_dict()["requestContext"] if hasattr(event, "to_dict") else {}
    log.append("disconnect %s" % context.get("disconnectStatusCode"))
"""


@dataclass(frozen=True)
class Up:
    """A served app, and what it said of itself."""

    said: dict[str, Any]

    def ask(self, method: str, path: str, body: Any = None, /, **headers: str) -> tuple[int, Any]:
        return ask(self.said["control"] + path, method, body, **headers)

    def clock(self, **asked: Any) -> Any:
        """Time moves when all is quiet; with a `grace` it does not wait for what holds."""
        if "grace" not in asked:
            assert self.ask("POST", "/settle", {"seconds": PATIENCE})[0] == 200
        status, answer = self.ask("POST", "/clock", asked)
        assert status == 200, answer
        return answer

    def fault(self, name: str, *arguments: str, **more: Any) -> None:
        status, answer = self.ask("POST", "/faults", {"fault": name, "arguments": arguments, **more})
        assert status == 200, answer

    def http(self, method: str, path: str) -> tuple[int, Any]:
        return ask(self.said["http"] + path, method)

    @property
    def log(self) -> list[str]:
        found: list[str] = self.http("GET", "/log")[1]["log"]
        return found

    @contextmanager
    def socket(self) -> Iterator[tuple[ClientConnection, str]]:
        with connect(self.said["websocket"] + "/api") as client:
            client.send("id")
            yield client, str(client.recv(PATIENCE))


def ask(url: str, method: str, body: Any = None, /, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310 - loopback
            said = response.read()
            return response.status, json.loads(said) if said else None
    except urllib.error.HTTPError as error:
        with error:
            said = error.read()
            return error.code, json.loads(said) if said else None


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("served"), APP, PYPROJECT)


def environment(**more: str) -> dict[str, str]:
    machine = {name: value for name, value in os.environ.items() if not name.startswith(("SESSIONPLUGIN_", "AWS_"))}
    return {**machine, "PYTHONPATH": str(REPOSITORY), **more}


@contextmanager
def serving(root: Path, *options: str, **variables: str) -> Iterator[Up]:
    command = [sys.executable, "-m", "pytest_sessionplugin", "serve", str(root), "--json", *options]
    command += ["--http-port", "0", "--websocket-port", "0"]
    with Fork(command, stdout=subprocess.PIPE, text=True, env=environment(**variables)) as process:
        try:
            assert process.stdout is not None
            yield Up(json.loads(process.stdout.readline()))
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Up]:
    with serving(root, "--control-port", "0") as up:
        yield up


@pytest.fixture
def up(served: Up) -> Iterator[Up]:
    """The one server of this file. Its time never goes back; its faults end with each test."""
    yield served
    assert served.ask("DELETE", "/faults") == (200, {})
    assert served.ask("POST", "/settle")[0] == 200


def runs(up: Up, function: str) -> int:
    log: list[str] = up.http("GET", "/log")[1]["log"]
    return log.count(function)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


GET = """
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1])
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""


class TestClock:
    def test_time_moves_for_the_gateway_and_the_app_and_goes_on(self, up: Up) -> None:
        before, app_before = moment(up.ask("GET", "/")[1]["now"]), up.http("GET", "/log")[1]["time"]
        after = moment(up.clock(advance=3600)["now"])
        assert timedelta(hours=1) <= after - before < timedelta(hours=1, minutes=1)
        app_after = up.http("GET", "/log")[1]["time"]
        assert 3600 <= app_after - app_before < 3660
        assert app_after < up.http("GET", "/log")[1]["time"]

    def test_whoever_is_silent_for_ten_minutes_is_closed_and_its_disconnect_has_run(self, up: Up) -> None:
        with up.socket() as (client, _):
            up.clock(advance=590)
            client.send("still here")
            assert client.recv(PATIENCE) == "still here"
            up.clock(advance=599)
            client.send("and now")
            assert client.recv(PATIENCE) == "and now"
            before = len(up.log)
            up.clock(advance=600)
            assert up.log[before:] == ["disconnect 1001"]
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(PATIENCE)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "Going away")

    def test_two_hours_are_the_longest_however_busy(self, up: Up) -> None:
        with up.socket() as (client, _):
            for _ in range(12):
                up.clock(advance=599)
                client.send("busy")
                assert client.recv(PATIENCE) == "busy"
            up.clock(advance=7200 - 12 * 599)
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(PATIENCE)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1001

    def test_the_time_out_strikes_while_the_handler_still_runs(self, up: Up) -> None:
        with up.socket() as (client, connection):
            client.send("hold one")
            assert client.recv(PATIENCE) == "holds"
            up.clock(advance=28, grace=0)
            up.clock(advance=1, grace=0)
            said = json.loads(client.recv(PATIENCE))
            assert (said["message"], said["connectionId"]) == ("Endpoint request timed out", connection)
            assert "held one" not in up.log
            up.http("POST", "/go/one")
            assert up.ask("POST", "/settle")[0] == 200
            assert "held one" in up.log

    def test_a_request_that_waits_gets_its_504(self, up: Up) -> None:
        url = up.said["http"] + "/hold/two"
        with subprocess.Popen([sys.executable, "-c", GET, url], stdout=subprocess.PIPE, text=True) as waiting:
            while up.ask("POST", "/settle", {"seconds": 0})[1].get("running") != ["api_handler"]:
                assert waiting.poll() is None
            up.clock(advance=29, grace=0)
            output, _ = waiting.communicate(timeout=PATIENCE)
        up.http("POST", "/go/two")
        assert output.strip() == '504 {"message": "Endpoint request timed out"}'

    def test_rows_go_two_days_after_their_end(self, up: Up) -> None:
        up.http("PUT", "/rooms/lobby")
        up.clock(advance=2 * 24 * 3600)
        assert "lobby" in up.http("GET", "/log")[1]["rooms"]
        up.clock(advance=61)
        assert "lobby" not in up.http("GET", "/log")[1]["rooms"]

    def test_a_function_that_fails_gets_its_event_again(self, up: Up) -> None:
        """One minute and then two minutes later, and no more."""
        up.http("POST", "/orders/lost")
        assert up.ask("POST", "/settle")[0] == 200
        began = runs(up, "work lost")
        assert began == 1
        for seconds, attempts in ((59, 1), (2, 2), (117, 2), (4, 3), (3600, 3)):
            up.clock(advance=seconds)
            assert runs(up, "work lost") == attempts

    def test_schedules_run_on_the_way_if_they_are_asked_for(self, up: Up) -> None:
        before = runs(up, "tidy")
        up.clock(advance=7200)
        assert runs(up, "tidy") == before
        up.clock(advance=7200, schedules=True)
        assert runs(up, "tidy") == before + 2
        up.clock(advance=3600, schedules=True)
        assert runs(up, "tidy") == before + 3

    @pytest.mark.parametrize(
        "asked",
        [
            *({}, {"advance": 0}, {"advance": -1}, {"advance": "5"}, {"advance": True}, {"advance": 1e12}),
            *(
                {"advance": 10**400},
                {"advance": float("nan")},
                {"advance": 5, "schedules": 1},
                {"advance": 5, "grace": -1},
                {"forward": 5},
            ),
        ],
    )
    def test_what_cannot_be_is_a_sentence(self, up: Up, asked: Any) -> None:
        status, answer = up.ask("POST", "/clock", asked)
        assert status == 400
        assert answer["error"].endswith(".")

    def test_without_time_machine_only_the_gateways_time_moves_and_that_is_said(
        self, root: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['time_machine'] = None\n")
        with serving(root, "--control-port", "0", PYTHONPATH=f"{REPOSITORY}{os.pathsep}{tmp_path}") as up:
            before = up.http("GET", "/log")[1]["time"]
            with up.socket() as (client, _):
                assert "pytest-sessionplugin[clock]" in up.clock(advance=600)["note"]
                with pytest.raises(ConnectionClosed):
                    client.recv(PATIENCE)
            assert up.http("GET", "/log")[1]["time"] - before < 60


class TestFaults:
    def test_a_gone_socket_is_410_to_the_app_and_to_others(self, up: Up) -> None:
        with up.socket() as (client, connection):
            up.fault("gone", connection)
            client.send(f"post {connection}")
            assert up.ask("POST", "/settle")[0] == 200
            assert up.log[-1] == "WebsocketDisconnectedError"
            assert posts(up, connection, "hello") == ["GoneException 410"]
            up.ask("DELETE", "/faults")
            assert posts(up, connection, "hello") == ["200"]
            assert client.recv(PATIENCE) == "hello"

    def test_throttled_posts_are_429_as_often_as_is_said(self, up: Up) -> None:
        with up.socket() as (client, connection):
            up.fault("throttled", "apigatewaymanagementapi:PostToConnection", connection, times=2)
            throttled = "LimitExceededException 429"
            assert posts(up, connection, "a", "b", "c") == [throttled, throttled, "200"]
            assert client.recv(PATIENCE) == "c"

    def test_a_slow_reader_gets_it_all_later(self, up: Up) -> None:
        with up.socket() as (client, connection):
            up.fault("slow", connection)
            assert posts(up, connection, "late") == ["200"]
            client.send("too late")
            assert up.ask("POST", "/settle")[0] == 200
            with pytest.raises(TimeoutError):
                client.recv(0)
            up.ask("DELETE", "/faults")
            assert [client.recv(PATIENCE), client.recv(PATIENCE)] == ["late", "too late"]

    def test_a_lost_disconnect_does_not_come(self, up: Up) -> None:
        with up.socket() as (_, connection):
            up.fault("disconnect_lost", connection)
        before = len(up.log)
        up.ask("POST", "/settle")
        assert up.log[before:] == []

    def test_a_function_times_out(self, up: Up) -> None:
        with up.socket() as (client, _):
            up.fault("timed_out", "message", times=1)
            client.send("echo")
            assert [client.recv(PATIENCE), json.loads(client.recv(PATIENCE))["message"]] == [
                "echo",
                "Internal server error",
            ]

    @pytest.mark.parametrize(
        ("asked", "word"),
        [
            ({"fault": "gone_fishing"}, "gone"),
            ({}, "disconnect_lost"),
            ({"fault": "arm"}, "throttled"),
            ({"fault": "gone", "arguments": "x"}, "gone"),
            ({"fault": "gone", "arguments": [1]}, "text"),
            ({"fault": "gone", "arguments": []}, "at least one"),
            ({"fault": "gone", "arguments": ["a"], "time": 1}, "(*connections, times)"),
            ({"fault": "gone", "arguments": ["a"], "times": 0}, "whole number"),
            ({"fault": "gone", "arguments": ["a"], "times": "2"}, "whole number"),
            ({"fault": "timed_out", "arguments": ["nobody"]}, "message"),
            ({"fault": "throttled", "arguments": ["dynamodb:PutItems"]}, "PutItem"),
            ({"fault": "stale_indexes", "arguments": ["Nowhere"]}, "Rooms"),
        ],
    )
    def test_what_cannot_be_is_a_sentence_that_says_what_can(self, up: Up, asked: Any, word: str) -> None:
        status, answer = up.ask("POST", "/faults", asked)
        assert status == 400
        assert word in answer["error"]


class TestPort:
    def test_settle_names_what_still_runs(self, up: Up) -> None:
        with up.socket() as (client, _):
            client.send("hold three")
            status, answer = up.ask("POST", "/settle", {"seconds": 0})
            assert (status, answer["running"]) == (504, ["message"])
            assert client.recv(PATIENCE) == "holds"
            up.http("POST", "/go/three")
            assert up.ask("POST", "/settle")[0] == 200

    def test_the_state_counts_what_is_there(self, up: Up) -> None:
        _, before = up.ask("GET", "/state")
        with up.socket() as (client, _):
            client.send("hold four")
            assert client.recv(PATIENCE) == "holds"
            status, during = up.ask("GET", "/state")
            up.http("POST", "/go/four")
            assert up.ask("POST", "/settle")[0] == 200
        names = ("connections", "known", "invocations", "requests", "handshakes")
        assert (status, [during[name] - before[name] for name in names]) == (200, [1, 1, 1, 0, 0])
        assert moment(during["now"]) >= moment(before["now"])

    def test_it_says_what_can_be_asked(self, up: Up) -> None:
        status, told = up.ask("GET", "/")
        assert status == 200
        asked = {"POST /clock", "POST /faults", "DELETE /faults", "POST /reset", "POST /settle", "GET /state"}
        assert {"now", "faults", *asked} == set(told)
        assert "gone(*connections, times)" in told["faults"]
        status, answer = up.ask("POST", "/nowhere")
        assert (status, "POST /clock" in answer["error"]) == (404, True)

    @pytest.mark.parametrize("body", [b"{", b"[]", b"[" * 50_000, b"\xff"])
    def test_a_body_that_is_no_object_is_a_sentence(self, up: Up, body: bytes) -> None:
        assert up.ask("POST", "/settle", body) == (400, {"error": "the body must be a JSON object."})

    @pytest.mark.parametrize("header", [{"Host": "rebound.example.com"}, {"Host": "x"}, {"Origin": "null"}])
    def test_no_web_page_gets_anything_done(self, up: Up, header: dict[str, str]) -> None:
        with up.socket() as (client, _):
            assert up.ask("POST", "/clock", {"advance": 600}, **header)[0] == 403
            client.send("here")
            assert client.recv(PATIENCE) == "here"

    def test_too_long_a_body_is_not_read(self, up: Up) -> None:
        for length in ("70000", "9" * 5000):
            assert up.ask("POST", "/settle", b"{}", **{"Content-Length": length})[0] == 413

    def test_there_is_none_unless_it_is_asked_for(self, root: Path) -> None:
        with serving(root) as up:
            assert set(up.said) == {"http", "websocket", "token", "aws"}

    def test_a_port_in_use_is_a_sentence(self, root: Path, up: Up) -> None:
        taken = str(urllib.parse.urlsplit(up.said["control"]).port)
        command = [sys.executable, "-m", "pytest_sessionplugin", "serve", str(root), "--control-port", taken]
        command += ["--http-port", "0", "--websocket-port", "0"]
        done = forks.run(command, timeout=PATIENCE, env=environment())
        assert (done.returncode, done.stdout) == (2, "")
        assert f"port {taken} on 127.0.0.1 is in use, so the control port cannot be served there" in done.stderr
        assert f"choose another port, as --control-port {int(taken) + 10}; 0 takes a free one." in done.stderr

    def test_it_is_for_this_machine_alone(self, root: Path) -> None:
        command = [sys.executable, "-m", "pytest_sessionplugin", "serve", str(root), "--host", "0.0.0.0"]  # noqa: S104
        done = forks.run([*command, "--control-port", "0"], timeout=PATIENCE, env=environment())
        assert (done.returncode, done.stdout) == (2, "")
        assert "with a control port it must be a loopback address" in done.stderr


POSTS = """
import sys
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, connection, *texts = sys.argv[1:]
config = Config(retries={"total_max_attempts": 1})
api = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint, config=config)
for text in texts:
    try:
        print(api.post_to_connection(ConnectionId=connection, Data=text)["ResponseMetadata"]["HTTPStatusCode"])
    except ClientError as error:
        print(error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
"""


def posts(up: Up, connection: str, *texts: str, **variables: str) -> list[str]:
    """Answers that boto3 gets in a process of its own, without the plugin, with the announced credentials."""
    endpoint = up.said["websocket"].replace("ws://", "http://") + "/api"
    done = subprocess.run(
        [sys.executable, "-c", POSTS, endpoint, connection, *texts],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**environment(**up.said["aws"]), **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


class TestConnections:
    def test_another_process_posts_in_order(self, up: Up) -> None:
        texts = [str(number) for number in range(100)]
        with up.socket() as (client, connection):
            assert posts(up, connection, *texts) == ["200"] * 100
            assert [client.recv(PATIENCE) for _ in texts] == texts

    def test_its_signature_is_checked_by_its_own_time(self, up: Up) -> None:
        up.clock(advance=3600)
        with up.socket() as (client, connection):
            assert posts(up, connection, "hello") == ["200"]
            assert client.recv(PATIENCE) == "hello"
            wrong = posts(up, connection, "hello", AWS_SECRET_ACCESS_KEY="another")
            unknown = posts(up, connection, "hello", AWS_ACCESS_KEY_ID="AKIDOTHER")
            abroad = posts(up, connection, "hello", AWS_DEFAULT_REGION="eu-west-1")
        assert [wrong, unknown, abroad] == [
            ["InvalidSignatureException 403"],
            ["UnrecognizedClientException 403"],
            ["InvalidSignatureException 403"],
        ]

    def test_who_signs_nothing_is_refused(self, up: Up) -> None:
        url = up.said["websocket"].replace("ws://", "http://") + "/api/@connections/a"
        assert ask(url, "POST", b"hello") == (403, {"message": "Missing Authentication Token"})
