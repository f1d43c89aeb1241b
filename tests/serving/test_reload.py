"""`serve` while its files change: in a process of its own, which says on stderr what it did."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Fork
from tests.processes import fetched
from tests.strangers import APP, CONFIG, PYPROJECT, REPOSITORY, TABLE, write_project

pytest.importorskip("h11")
pytest.importorskip("websockets")

pytestmark = pytest.mark.process

PATIENCE = 30.0  # seconds
COMMAND = [sys.executable, "-m", "pytest_sessionplugin", "serve", "--json", "--reload"]
FREE_PORTS = ["--http-port", "0", "--websocket-port", "0"]

EXTRAS = """

import sys
from chalice import AuthResponse
from chalicelib import rules


@app.route("/rule")
def rule():
    return {"rule": rules.RULE}


@app.route("/late")
def late():
    open(os.environ["GATE"]).close()  # until somebody writes there
    from chalicelib import rules as mine
    return {"rule": mine.RULE, "rules": mine is rules}


@app.authorizer(ttl_seconds=300)
def guard(request):
    if request.token == "nobody":
        raise Exception("Unauthorized")
    if request.token == "bug":
        raise ZeroDivisionError("a bug in an authorizer")
    return AuthResponse(routes=["*"], principal_id=request.token)


@app.route("/guarded", authorizer=guard)
def guarded():
    return {"you": app.current_request.context["authorizer"]["principalId"]}
"""


class Serving:
    """A process that serves a project, and what it says."""

    def __init__(self, root: Path, *options: str) -> None:
        """The variables are those of this process, as far as they are not about AWS or this command."""
        self.root = root
        variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("SESSIONPLUGIN_", "AWS_"))
        }
        self.process = Fork(
            [*COMMAND, *FREE_PORTS, *options],
            cwd=root,
            env={
                **variables,
                "PYTHONPATH": str(REPOSITORY),
                "PYTHONDONTWRITEBYTECODE": "",  # it is what was compiled that may be stale
                "GATE": str(root / "gate"),
            },
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self.process.stdout is not None
        self.up = json.loads(self.process.stdout.readline() or "{}")
        self.http, self.websocket = str(self.up["http"]), str(self.up["websocket"])

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._lines.put(line)

    def said(self, until: str) -> str:
        """Its output up to the line that contains `until`."""
        said = ""
        while until not in said:
            try:
                said += self._lines.get(timeout=PATIENCE)
            except queue.Empty:
                raise AssertionError(f"it never said {until!r}, but:\n{said}") from None
        return said

    def write(self, **files: str) -> str:
        """Saves modules of the project, and gives the line that it says of them."""
        for name, text in files.items():
            (self.root / name.replace("__", "/")).with_suffix(".py").write_text(text)
        return self.line()

    def line(self) -> str:
        """The line that it says of its next reload."""
        return self.said("changed").splitlines()[-1]

    def get(self, path: str, token: str = "", method: str = "GET") -> tuple[int, Any]:
        return fetched(self.http + path, token or None, method)

    def rest(self) -> str:
        """The rest of its output, once it has ended."""
        self._reader.join()
        lines = [self._lines.get() for _ in range(self._lines.qsize())]
        return "".join(lines)

    def end(self, by: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(by)
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.close()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


def written(root: Path) -> Path:
    (root / "chalicelib").mkdir()
    (root / "chalicelib" / "__init__.py").touch()
    (root / "chalicelib" / "rules.py").write_text("RULE = 1\n")
    os.mkfifo(root / "gate")
    return write_project(root, APP + EXTRAS)


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    serving = Serving(written(tmp_path))
    try:
        yield serving
    finally:
        serving.close()


def test_a_new_app_takes_over_while_sockets_stay_open_and_tables_keep_their_rows(serving: Serving) -> None:
    from websockets.sync.client import connect

    assert serving.get("/rooms/a", method="POST")[1]["people"] == 1
    with connect(serving.websocket) as client:
        client.send("hi")
        assert client.recv(PATIENCE) == "echo hi"
        changed = (APP + EXTRAS).replace('"echo "', '"ECHO "').replace("/bug", "/new")
        said = serving.write(app=changed)
        assert said.startswith("sessionplugin: app.py changed: reloaded in 0.") or "reloaded in " in said
        assert said.endswith(" s; new: GET /new; gone: GET /bug.")
        client.send("hi")
        assert client.recv(PATIENCE) == "ECHO hi"
        assert serving.get("/new")[0] == 500
        assert serving.get("/bug")[0] == 403
        assert serving.get("/rooms/a") == (200, {"people": 1, "greeting": "hello"})
        silent = changed.replace("@app.on_ws_message()", "")
        assert serving.write(app=silent).endswith("gone: $default.")
        client.send("hi")
        assert json.loads(client.recv(PATIENCE))["message"] == "Forbidden"
        assert serving.write(app=changed).endswith("new: $default.")
        client.send("again")
        assert client.recv(PATIENCE) == "ECHO again"
    assert serving.end() == 0


def test_a_module_that_changes_twice_in_a_second_is_read_twice(serving: Serving) -> None:
    """Its size stays too, and Python would take what it compiled before."""
    for number in (2, 3, 4):
        saved = serving.root / "saved"
        saved.write_text(f"RULE = {number}\n")
        os.utime(saved, ns=(0, 1_700_000_000_000_000_000 + number))
        saved.replace(serving.root / "chalicelib" / "rules.py")
        assert "chalicelib/rules.py changed: reloaded" in serving.line()
        assert serving.get("/rule") == (200, {"rule": number})


def test_a_handler_that_runs_ends_on_the_app_that_it_began_with(serving: Serving) -> None:
    answers: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    asking = threading.Thread(target=lambda: answers.put(serving.get("/late")))
    asking.start()
    with (serving.root / "gate").open("w"):  # opens when the handler reads there
        gate = serving.root / "gate"
        gate.unlink()
        serving.write(chalicelib__rules="RULE = 2\n")
        assert serving.get("/rule") == (200, {"rule": 2})
    asking.join()
    assert answers.get() == (200, {"rule": 1, "rules": True})


BROKEN = {
    "RULE = (\n": "SyntaxError: '(' was never closed",
    "def rule():\n    return {}['none']\nRULE = rule()\n": "KeyError: 'none'",
    "raise SystemExit('no')\n": "SystemExit: no",
}


def test_an_app_that_cannot_be_imported_is_shown_and_the_one_before_is_served(serving: Serving) -> None:
    for broken, shown in BROKEN.items():
        (serving.root / "chalicelib" / "rules.py").write_text(broken)
        said = serving.said("The previous version is still served.")
        assert "chalicelib/rules.py changed, and is not reloaded: importing app of" in said
        assert shown in said
        assert 'chalicelib/rules.py", line ' in said
        assert "pytest_sessionplugin/" not in said
        assert "importlib" not in said
        assert serving.get("/rule") == (200, {"rule": 1})
    config = {**CONFIG, "environment_variables": {"GREETING": "good day"}}
    (serving.root / ".chalice" / "config.json").write_text(json.dumps(config))
    assert ".chalice/config.json changed, and is not reloaded" in serving.line()
    assert serving.get("/rooms/a")[1]["greeting"] == "hello"  # all of the one before, or all of the new one
    assert "reloaded in" in serving.write(chalicelib__rules="RULE = 5\n")
    assert serving.get("/rule") == (200, {"rule": 5})
    assert serving.get("/rooms/a")[1]["greeting"] == "good day"
    app = (serving.root / "app.py").read_text()
    (serving.root / "app.py").write_text(
        app.replace('"rule":', '"RULE":') + "\n@app.schedule(60)\ndef wrong(event): pass\n"
    )
    assert "the schedule of wrong, 60, cannot be deployed" in serving.said("The previous version is still served.")
    assert serving.get("/rule") == (200, {"rule": 5})
    assert serving.end() == 0


def test_a_module_that_was_missing_may_appear_anywhere_that_it_would_be_found(serving: Serving) -> None:
    assert "No module named 'borrowed'" in serving.write(chalicelib__rules="from borrowed import RULE\n")
    (serving.root / "vendor").mkdir()
    (serving.root / "vendor" / "borrowed.py").write_text("RULE = 'borrowed'\n")
    assert "vendor/borrowed.py changed: reloaded" in serving.line()
    assert serving.get("/rule") == (200, {"rule": "borrowed"})
    assert "No module named 'helpers'" in serving.write(chalicelib__rules="from helpers import RULE\n")
    assert "helpers.py changed, and is not reloaded" in serving.write(helpers="RULE = ('half'\n")
    assert "helpers.py changed: reloaded" in serving.write(helpers="RULE = 'helped'\n")
    assert serving.get("/rule") == (200, {"rule": "helped"})
    assert "helpers.py changed: reloaded" in serving.write(helpers="RULE = 'HELPED'\n")
    assert serving.get("/rule") == (200, {"rule": "HELPED"})


def test_a_file_that_is_replaced_or_goes_and_comes_is_one_that_changed(serving: Serving) -> None:
    other = serving.root / "other"
    other.write_text(APP + EXTRAS + "\n\n@app.route('/replaced')\ndef replaced():\n    return {}\n")
    other.replace(serving.root / "app.py")
    assert "app.py changed: reloaded" in serving.line()
    assert serving.get("/replaced") == (200, {})
    (serving.root / "app.py").unlink()
    assert "is not a Chalice project: it has no app.py" in serving.line()
    assert serving.get("/replaced") == (200, {})
    assert "gone: GET /replaced." in serving.write(app=APP + EXTRAS)


def test_variables_and_tables_follow_their_files(serving: Serving) -> None:
    chalice = serving.root / ".chalice"
    assert serving.get("/rooms/a") == (200, {"people": 0, "greeting": "hello"})
    variables = {"GREETING": "good day"}
    (chalice / "config.json").write_text(json.dumps({**CONFIG, "environment_variables": variables}))
    assert ".chalice/config.json changed: reloaded" in serving.line()
    assert serving.get("/rooms/a") == (200, {"people": 0, "greeting": "good day"})
    (chalice / "config.json").write_text(json.dumps({**CONFIG, "environment_variables": {}}))
    assert ".chalice/config.json changed: reloaded" in serving.line()
    assert serving.get("/rooms/a") == (200, {"people": 0, "greeting": None})
    (chalice / "config.json").write_text("{")
    assert "config.json is not a JSON object" in serving.line()
    (chalice / "config.json").write_text(json.dumps(CONFIG))
    assert ".chalice/config.json changed: reloaded" in serving.line()

    properties: dict[str, Any] = {**TABLE["Properties"], "TableName": "halls"}  # type: ignore[dict-item]
    halls = {"Type": TABLE["Type"], "Properties": properties}
    (chalice / "resources.json").write_text(json.dumps({"Resources": {"Rooms": TABLE, "Halls": halls}}))
    assert serving.line().endswith("; made: table halls.")
    (serving.root / "pyproject.toml").write_text(PYPROJECT.replace("{table:Rooms}", "{table:Halls}"))
    assert "pyproject.toml changed: reloaded" in serving.line()
    assert serving.get("/rooms/a", method="POST")[1]["people"] == 1
    properties["TimeToLiveSpecification"] = {"AttributeName": "other", "Enabled": True}
    (chalice / "resources.json").write_text(json.dumps({"Resources": {"Halls": halls}}))
    said = serving.line()
    assert "left as it was until the next start: table halls" in said
    assert "kept, although no longer in the template: table rooms-us-east-1" in said
    assert serving.get("/rooms/a")[1]["people"] == 1


SEED = """
import boto3

def seed():
    boto3.client("ssm").put_parameter(Name="/chat/key", Value="first", Type="String")
"""
KEY = """

KEY = boto3.client("ssm").get_parameter(Name="/chat/key")["Parameter"]["Value"]

@app.route("/key/{value}", methods=["PUT"])
def change(value):
    boto3.client("ssm").put_parameter(Name="/chat/key", Value=value, Type="String", Overwrite=True)

@app.route("/key")
def key():
    return {"key": KEY}
"""


def test_a_seed_fills_the_account_before_the_app_and_does_not_run_again(tmp_path: Path) -> None:
    write_project(tmp_path, APP + KEY, f'[tool.sessionplugin]\nseed = "seed.py"\n{PYPROJECT}')
    (tmp_path / "seed.py").write_text(SEED)
    serving = Serving(tmp_path)
    try:
        assert serving.get("/key")[1] == {"key": "first"}
        assert serving.get("/key/second", method="PUT")[0] == 200
        line = serving.write(seed=SEED.replace("first", "third"))
        assert "seed.py changed: reloaded" in line
        assert "; not run until the next start: seed.py." in line
        assert serving.get("/key")[1] == {"key": "second"}
    finally:
        serving.close()


def test_what_takes_a_new_start_is_said_and_not_done(serving: Serving) -> None:
    config = serving.root / ".chalice" / "config.json"
    config.write_text(json.dumps({**CONFIG, "api_gateway_stage": "v2"}))
    assert "api_gateway_stage was api and is v2; restart `serve`." in serving.line()
    config.write_text(json.dumps({**CONFIG, "environment_variables": {"AWS_REGION": "eu-west-1"}}))
    assert "region was us-east-1 and is eu-west-1; restart `serve`" in serving.line()
    config.write_text(json.dumps({**CONFIG, "stages": {"prod": {}}}))
    assert "there is no stage dev in" in serving.line()
    assert serving.get("/rooms/a") == (200, {"people": 0, "greeting": "hello"})


@pytest.fixture(scope="module")
def raising(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One for tests that are served the same app."""
    serving = Serving(written(tmp_path_factory.mktemp("project")))
    try:
        yield serving
    finally:
        serving.close()


class TestWhatIsRaised:
    """It is shown in the terminal, and only there."""

    def test_in_a_view_by_its_own_lines(self, raising: Serving) -> None:
        status, body = raising.get("/bug")
        assert (status, body["Code"]) == (500, "InternalServerError")
        assert "ZeroDivision" not in json.dumps(body)
        said = raising.said("ZeroDivisionError: a bug in a route")
        assert "GET /bug failed:\n" in said
        assert said.count("File ") == 1
        assert f'File "{raising.root / "app.py"}", line ' in said
        assert raising.get("/rooms/a", method="POST")[0] == 200
        assert raising.said("somebody enters a").count("Traceback") == 0

    def test_in_a_websocket_handler_by_its_own_lines(self, raising: Serving) -> None:
        from websockets.sync.client import connect

        with connect(raising.websocket) as client:
            client.send("bug")
            frame = json.loads(client.recv(PATIENCE))
        assert frame["message"] == "Internal server error"
        assert set(frame) == {"message", "connectionId", "requestId"}
        said = raising.said("ZeroDivisionError: a bug in a handler")
        assert "message failed:\n" in said
        assert said.count("File ") == 1

    def test_in_an_authorizer_but_not_its_unauthorized(self, raising: Serving) -> None:
        assert raising.get("/guarded", "nobody") == (401, {"message": "Unauthorized"})
        assert raising.get("/guarded", "bug") == (500, {"message": None})
        assert raising.said("ZeroDivisionError: a bug in an authorizer").count("guard failed:\n") == 1

    def test_in_an_app_that_asks_for_debugging_also_in_its_body(self, serving: Serving) -> None:
        """As on AWS: it is Chalice that answers so."""
        serving.write(app=(APP + EXTRAS).replace('Chalice("chat")', 'Chalice("chat", debug=True)'))
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{serving.http}/bug", timeout=PATIENCE)  # noqa: S310 - loopback
        with refused.value as answer:
            assert b"ZeroDivisionError: a bug in a route" in answer.read()
        assert "GET /bug failed:\n" in serving.said("ZeroDivisionError: a bug in a route")


def test_an_authorizer_that_changed_is_asked_anew(serving: Serving) -> None:
    """Though it allowed the same token before, and for five minutes."""
    assert serving.get("/guarded", "alice") == (200, {"you": "alice"})
    serving.write(app=(APP + EXTRAS).replace('"nobody"', '"alice"'))
    assert serving.get("/guarded", "alice")[0] == 401


RELOADED_OFTEN = """
import gc, logging, sys, sysconfig, threading, weakref
from pathlib import Path
from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.serving.serve import Ports, served

root = Path.cwd()
apps = []
sysconfig.get_path("stdlib")  # imports a module when it is first asked, as a traceback does
with served(Project(root), Ports("127.0.0.1", 0, 0), reloads=True) as up:
    apps.append(weakref.ref(sys.modules["app"].app))
    before = len(sys.modules), len(sys.meta_path), len(sys.path), threading.active_count()
    for number in range(6):
        (root / "chalicelib" / "rules.py").write_text("RULE = (" if number == 3 else f"RULE = {number}")
        up.reload.now([root / "chalicelib" / "rules.py"])
        if number != 3:
            apps.append(weakref.ref(sys.modules["app"].app))
    assert sys.modules["app"].rules.RULE == 5
    gc.collect()
    alive = [number for number, app in enumerate(apps) if app() is not None]
    after = len(sys.modules), len(sys.meta_path), len(sys.path), threading.active_count()
    print(alive, after == before, len(logging.getLogger("chat").handlers))
print("app" in sys.modules)
"""


def test_what_was_served_before_is_gone_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("GATE", "")
    command = [sys.executable, "-c", RELOADED_OFTEN]
    ended = subprocess.run(command, cwd=written(tmp_path), capture_output=True, text=True, timeout=60)
    assert ended.stdout.splitlines() == ["[5] True 1", "False"], ended.stderr
