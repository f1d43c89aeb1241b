"""The command in a process of its own: real sockets, one sentence for what cannot be, a clean end."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import jwt
import pytest

from pytest_sessionplugin.__main__ import main
from pytest_sessionplugin.errors import SessionPluginError
from tests import forks
from tests.forks import Fork
from tests.processes import fetched
from tests.strangers import APP, COGNITO, PYPROJECT, REPOSITORY, write_project

pytest.importorskip("h11")
pytest.importorskip("websockets")

COMMAND = [sys.executable, "-m", "pytest_sessionplugin"]
PATIENCE = 30.0  # seconds after which a process that hangs is killed
FREE_PORTS = ["--http-port", "0", "--websocket-port", "0"]

GUARDED = """

import jwt
from chalice import UnauthorizedError


@app.route("/me")
def me():
    token = app.current_request.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        said = jwt.decode(token, os.environ["SECRET"], ["HS256"], audience="test", issuer="https://tokens.test")
    except jwt.InvalidTokenError as error:
        raise UnauthorizedError(str(error))
    return {"you": said["sub"]}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ:
        if name.startswith(("SESSIONPLUGIN_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    return write_project(tmp_path, APP + GUARDED, PYPROJECT + 'SECRET = "{token:secret}"\n')


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return forks.run([*COMMAND, *arguments], cwd=cwd, timeout=PATIENCE)


SWEPT = """
import sys, threading
from pathlib import Path
from pytest_sessionplugin.account import account
from pytest_sessionplugin.app.project import Project
from pytest_sessionplugin.lambdas.schedules import Schedule
from pytest_sessionplugin.serving.access_log import AccessLog
from pytest_sessionplugin.serving.serve import Ports, served

found = account.schedules
account.schedules = lambda *of: [Schedule(one.function, 0.01) for one in found(*of)]
with served(Project(Path.cwd()), Ports("127.0.0.1", 0, 0), log=AccessLog()):
    print(sys.modules["app"].swept.wait(10))
"""


@contextmanager
def running(*arguments: str, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """The process; killed if the block does not end it."""
    command = [*COMMAND, *arguments]
    with Fork(command, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def get(url: str, token: str | None = None, method: str = "GET") -> tuple[int, Any]:
    return fetched(url, f"Bearer {token}" if token else None, method)


def test_it_serves_http_and_websocket_and_ends_on_ctrl_c(root: Path) -> None:
    from websockets.sync.client import connect

    with running("serve", "--json", *FREE_PORTS, cwd=root) as process:
        up = json.loads(line(process))
        assert set(up) == {"http", "websocket", "token", "aws"}
        assert get(f"{up['http']}/rooms/a", method="POST") == (200, {"people": 1, "greeting": "hello"})
        assert get(f"{up['http']}/rooms/a") == (200, {"people": 1, "greeting": "hello"})
        with connect(up["websocket"]) as client:
            client.send("hi")
            assert client.recv(PATIENCE) == "echo hi"
            client.send("bug")
            assert "Internal server error" in str(client.recv(PATIENCE))
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output == ""  # what the app prints goes to stderr
    assert "somebody enters a" in errors
    assert "message failed:\n" in errors
    assert "ZeroDivisionError: a bug in a handler" in errors


def test_an_app_is_told_the_address_of_its_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from websockets.sync.client import connect

    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    tell = '\n\n@app.route("/address")\ndef address():\n    return {"sockets": os.environ["SOCKETS"]}\n'
    root = write_project(tmp_path, APP + tell, PYPROJECT + 'SOCKETS = "{websocket:url}"\n')
    with running("serve", "--json", *FREE_PORTS, cwd=root) as process:
        up = json.loads(line(process))
        status, told = get(f"{up['http']}/address")
        assert (status, told) == (200, {"sockets": f"{up['websocket']}/api"})
        with connect(told["sockets"]) as client:
            client.send("hi")
            assert client.recv(PATIENCE) == "echo hi"


def test_a_token_of_another_process_is_accepted(root: Path) -> None:
    with running("serve", "--json", *FREE_PORTS, cwd=root) as process:
        up = json.loads(line(process))
        token = run("token", "bob", "--project", str(root), cwd=root.parent)
        assert (token.returncode, token.stderr) == (0, "")
        for good, subject in ((up["token"], "alice"), (token.stdout.strip(), "bob")):
            assert get(f"{up['http']}/me", good) == (200, {"you": subject})
        late = run("token", "bob", "--expires-in", "-1", cwd=root).stdout.strip()
        assert get(f"{up['http']}/me", late)[0] == 401
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_an_app_without_tokens_gets_lines_without_one_and_parameters_are_in_capitals(tmp_path: Path) -> None:
    write_project(
        tmp_path,
        """
from chalice import Chalice

app = Chalice("rooms")


@app.route("/rooms/{name}")
def room(name):
    return {}
""",
    )
    with running("serve", *FREE_PORTS, cwd=tmp_path) as process:
        shown = [line(process)]
        while "curl" not in shown[-1]:
            assert process.poll() is None, shown
            shown.append(line(process))
    assert shown[-3] == "Put a value of your own in place of NAME.\n"
    assert re.fullmatch(r"  curl http://127\.0\.0\.1:\d+/rooms/NAME\n", shown[-1])
    assert "token" not in "".join(shown).lower()


def test_a_person_gets_urls_a_token_and_lines_that_can_be_pasted(root: Path) -> None:
    with running("serve", *FREE_PORTS, cwd=root) as process:
        shown = [line(process)]
        while " connect ws://" not in shown[-1]:
            assert process.poll() is None, shown
            shown.append(line(process))
        assert shown[0] == "chat, stage dev, tables in memory. Ctrl-C stops it.\n"
        assert "\033" not in "".join(shown)
        assert len(re.findall(r"eyJ[\w.-]+", "".join(shown))) == 1
        export, curl, connect = shown[-3:]
        paste = f"{export}{curl.rstrip()} -s -o /dev/null -w '%{{http_code}}'"
        answer = subprocess.run(["sh", "-c", paste], capture_output=True, text=True, cwd=root)  # noqa: S607
        assert answer.stdout == "500"  # of /bug, the first route
        command = ["sh", "-c", f"{export}exec {connect}"]
        talk = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        with talk:
            assert talk.stdin is not None
            talk.stdin.write("hi\n")
            talk.stdin.flush()
            assert line(talk) == "< echo hi\n"
            command[-1] = f"{export}exec {connect.rstrip()} --receive 1"
            once = subprocess.run(command, input="1\n", capture_output=True, text=True, cwd=root)
            assert (once.returncode, once.stdout, once.stderr) == (0, "< echo 1\n", "")
            command[-1] = f"{export}exec {connect.rstrip()} --wait 0.1"
            empty = subprocess.run(command, input="", capture_output=True, text=True, cwd=root)
            assert (empty.returncode, empty.stdout, empty.stderr) == (0, "", "")
            process.send_signal(signal.SIGINT)
            assert line(talk).startswith("closed: 1001")
        assert process.wait(PATIENCE) == 0


def test_a_ticket_is_sent_and_no_log_shows_it_and_a_socket_that_breaks_has_a_status_of_its_own(root: Path) -> None:
    ticket = "q7WvH0m2T4y9sXcK1bNdRg"
    with running("serve", "--frames", *FREE_PORTS, cwd=root) as process:
        while " connect ws://" not in (shown := line(process)):
            assert process.poll() is None
        url = re.findall(r"ws://[\d.:]+", shown)[0]
        talk = [*COMMAND, "connect", url, "--ticket", ticket]
        for sent, status, told in (("hi\n", 0, "< echo hi\n"), ("x" * 33_000 + "\n", 3, "closed: 1009")):
            ended = subprocess.run([*talk, "--wait", "2"], input=sent, capture_output=True, text=True, cwd=root)
            assert (ended.returncode, ended.stderr) == (status, "")
            assert ended.stdout.startswith(told)
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)
    assert "/?ticket=q7W…" in log
    assert ticket not in log


INTERRUPTED_IMPORT = """
import sys
class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == "pytest_sessionplugin.options":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
sys.argv = ["sessionplugin", "serve"]
import runpy
runpy.run_module("pytest_sessionplugin", run_name="__main__")
"""

INTERRUPTED_LATER = """
import sys
from pytest_sessionplugin import __main__, options
def decide(*_): raise KeyboardInterrupt
options.decide = decide
sys.exit(__main__.main(["serve"]))
"""


@pytest.mark.parametrize("program", [INTERRUPTED_IMPORT, INTERRUPTED_LATER], ids=["while it loads", "then"])
def test_a_start_that_is_interrupted_ends_without_a_word(root: Path, program: str) -> None:
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_an_app_that_cannot_be_loaded_is_its_own_traceback_and_a_sentence(root: Path) -> None:
    (root / "app.py").write_text("import os\nos.environ['SECRET_OF_MINE']\n")
    ended = run("serve", *FREE_PORTS, cwd=root)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("sessionplugin: importing app of ")
    assert 'app.py", line 2, in <module>' in ended.stderr
    assert "pytest_sessionplugin" not in ended.stderr.replace("sessionplugin: ", "")


def test_what_cannot_be_served_is_one_sentence(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, sentence in (
            (["serve", "--http-port", port], f"port {port} on 127.0.0.1 is in use, so HTTP cannot be served there"),
            (["serve", "--http-port", port], f"choose another port, as --http-port {int(port) + 10}; 0 takes"),
            (["serve", "--http-port", "0", "--websocket-port", port], "choose another port, as --websocket-port "),
            (["serve", "--quiet", "--frames"], "--quiet prints no frames: leave out --quiet or --frames."),
            (["serve", ".."], "is not a Chalice project: it has no app.py"),
            (["connect", "ws://127.0.0.1:1", "--ticket", ""], "the ticket is empty."),
            (["connect", "ws//"], "ws// cannot be opened: "),
            (["connect", f"http://127.0.0.1:{port}"], f"http://127.0.0.1:{port} cannot be opened: "),
        ):
            ended = run(*arguments, cwd=root)
            assert (ended.returncode, ended.stdout) == (2, "")
            assert ended.stderr.count("\n") == 1
            assert sentence in ended.stderr


@pytest.mark.parametrize(
    ("endpoint", "sentence"),
    [
        ("https://dynamodb.us-east-1.amazonaws.com", "it must be on loopback; this command calls no real table."),
        ("http://127.0.0.1:1", "nobody answers at http://127.0.0.1:1, where AWS_ENDPOINT_URL_DYNAMODB says"),
    ],
)
def test_a_dynamodb_elsewhere_must_be_on_this_machine_and_answer(
    root: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str, sentence: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
    ended = run("serve", *FREE_PORTS, cwd=root)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert sentence in ended.stderr


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "-5", "soon"])
def test_a_token_is_good_for_some_time(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["token", "bob", "--expires-in", seconds])
    assert ended.value.code == 2
    assert f"'{seconds}' is not a number of seconds" in capsys.readouterr().err or seconds == "-5"


def test_a_stage_that_is_none_is_said_so(root: Path) -> None:
    ended = run("serve", "--stage", "nope", *FREE_PORTS, cwd=root)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "there is no stage nope in" in ended.stderr
    assert "there are dev, prod." in ended.stderr


def test_the_only_stage_is_served_and_said_and_of_several_one_is_to_be_named(root: Path) -> None:
    config = root / ".chalice" / "config.json"
    config.write_text('{"stages": {"prod": {"environment_variables": {"GREETING": "good day"}}}}')
    (root / "app.py").write_text(APP + "\nlegacy = Chalice('old', configure_logs=False)\n")
    with running("serve", *FREE_PORTS, cwd=root) as process:
        assert line(process).startswith(f"{root.name}, stage prod (the only one), tables in memory. ")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "AppIgnored: " in errors
    assert "has Chalice objects besides app, and Chalice deploys app alone: legacy; make a Blueprint of it" in errors
    config.write_text('{"stages": {"prod": {}, "beta": {}}}')
    ended = run("serve", *FREE_PORTS, cwd=root)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert f"there is no stage dev in {config}; there are prod, beta. Name one: " in ended.stderr


def test_the_app_is_served_in_its_project_s_folder_and_the_lines_to_paste_are_for_the_shell(root: Path) -> None:
    service = write_project(root / "service", APP + "\nHERE = os.listdir()\n@app.route('/x')\ndef x(): return HERE\n")
    with running("serve", "service", "--json", *FREE_PORTS, cwd=root) as process:
        found = get(f"{json.loads(line(process))['http']}/x")[1]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert {*found} >= {each.name for each in service.iterdir()} - {"__pycache__"}
    assert "service" not in found


def test_a_project_named_on_the_command_line_has_its_own_settings(root: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "pyproject.toml").write_text('[tool.sessionplugin.tokens]\nissuer = "https://elsewhere.example"\n')
    said = [run("token", "bob", "--project", str(root), cwd=folder).stdout.strip() for folder in (root, elsewhere)]
    issuers = [jwt.decode(token, options={"verify_signature": False})["iss"] for token in said]
    assert issuers[0] == issuers[1] != "https://elsewhere.example"


@pytest.mark.parametrize("named", [(), ("--project", "service")])
def test_settings_beside_the_name_of_a_project_are_those_of_that_project(root: Path, named: tuple[str, ...]) -> None:
    (write_project(root / "service") / "pyproject.toml").unlink()
    table = '[tool.sessionplugin]\nproject = "service"\n[tool.sessionplugin.tokens]\nissuer = "https://here.example"\n'
    (root / "pyproject.toml").write_text(table)
    said = run("token", "bob", *named, cwd=root).stdout.strip()
    assert jwt.decode(said, options={"verify_signature": False})["iss"] == "https://here.example"


@pytest.mark.parametrize(
    ("frames", "shown"),
    [("0", "'0' is not a number of"), ("-1", "argument --receive"), ("x", "'x' is not a number of")],
)
def test_a_number_of_frames_that_is_none_is_said_so(
    frames: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["connect", "ws://127.0.0.1:1", "--receive", frames])
    assert ended.value.code == 2
    assert shown in capsys.readouterr().err


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    try:
        expected = version("pytest-sessionplugin")
    except PackageNotFoundError:
        expected = "not installed"
    assert capsys.readouterr().out == f"sessionplugin {expected}\n"


def test_an_address_that_is_not_of_this_machine_is_said_so(root: Path) -> None:
    for host in ("192.0.2.1", "nowhere.invalid"):
        ended = run("serve", "--host", host, *FREE_PORTS, cwd=root)
        assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
        assert f"host = '{host}' (--host): this machine has no such address" in ended.stderr


def test_an_authorizer_that_cannot_be_run_is_one_sentence(root: Path) -> None:
    (root / "app.py").write_text(APP + COGNITO)
    with running("serve", "--json", *FREE_PORTS, cwd=root) as process:
        line(process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    (told,) = errors.splitlines()
    assert told.startswith("sessionplugin: authorizers that cannot be run here: Cognito (GET /pool), which ")


def test_no_address_is_not_all_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--host", ""])
    assert ended.value.code == 2
    assert "'' is not an address: 127.0.0.1 is for this machine" in capsys.readouterr().err


def test_an_app_that_hangs_while_it_is_imported_is_interrupted(root: Path) -> None:
    hangs = "import threading\nprint('hangs', flush=True)\nthreading.Event().wait(600)\n"
    (root / "app.py").write_text(hangs)
    command = [sys.executable, "-m", "pytest_sessionplugin", "serve", *FREE_PORTS]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "hangs\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr.read() == ""


def test_a_port_of_the_administrators_is_a_sentence(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user that runs the tests may listen anywhere, so the refusal is raised by hand."""

    def served(*_: Any, **__: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pytest_sessionplugin.serving.serve.served", served)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["serve", str(root), "--http-port", "80"]) == 2
    assert capsys.readouterr().err == (
        "sessionplugin: this user may not listen there: take ports above 1023, or 0 for free ones.\n"
    )


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_a_port_that_is_none_is_said_so(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--http-port", port])
    assert ended.value.code == 2
    assert "is not a port: 0 to 65535" in capsys.readouterr().err or port == "-1"


@pytest.mark.parametrize(
    ("arguments", "reloads"),
    [([], True), (["--json"], False), (["--json", "--reload"], True), (["--no-reload"], False)],
)
def test_files_are_watched_unless_a_program_reads_or_somebody_says_no(
    arguments: list[str], reloads: bool, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def served(*_: Any, reloads: bool, **__: Any) -> Any:
        told.append(reloads)
        raise SessionPluginError("enough")

    monkeypatch.setattr("pytest_sessionplugin.serving.serve.served", served)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["serve", str(root), *arguments]) == 2
    assert told == [reloads]


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["token", "--help"], ["connect", "--help"]])
def test_help_helps_without_a_project(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0


def test_schedules_run_too_and_have_lines_in_the_log(root: Path) -> None:
    """Each minute, here made shorter."""
    app = APP.replace('app.log.error("swept")', "swept.set()") + "\nimport threading\nswept = threading.Event()\n"
    write_project(root, app)
    ended = subprocess.run([sys.executable, "-c", SWEPT], cwd=root, capture_output=True, text=True, timeout=PATIENCE)
    assert ended.stdout == "True\n"
    assert re.fullmatch(r"([\d:]{8}  invoke sweep  \d+ ms\n)+", ended.stderr)


class DynamoDB(BaseHTTPRequestHandler):
    """Stands for DynamoDB Local: it remembers what it is asked, and says that all is there."""

    ANSWERS: Mapping[str, Any] = {
        "DescribeTable": {"Table": {"TableStatus": "ACTIVE"}},
        "GetItem": {"Item": {"people": {"N": "5"}}},
    }
    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        self.asked.append(operation)
        body = json.dumps(self.ANSWERS.get(operation, {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_tables_can_be_in_a_dynamodb_on_this_machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), DynamoDB) as dynamodb:
        threading.Thread(target=dynamodb.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{dynamodb.server_port}")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # nobody; a proxy of the machine is not asked
        with running("serve", "--json", *FREE_PORTS, cwd=root) as process:
            monkeypatch.delenv("HTTP_PROXY")
            up = json.loads(line(process))
            assert get(f"{up['http']}/rooms/a", method="POST") == (200, {"people": 5, "greeting": "hello"})
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
        dynamodb.shutdown()
    assert process.returncode == 0
    assert DynamoDB.asked == ["CreateTable", "DescribeTable", "UpdateTimeToLive", "UpdateItem", "GetItem"]
