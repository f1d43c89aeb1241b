"""Ctrl-C ends a run at once and with pytest's own exit code, whatever the app is doing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.forks import Fork
from tests.strangers import REPOSITORY, Stranger

GRACE = 5.0  # seconds that a server gives its handlers where nothing is interrupted

APP = """
import subprocess
import sys
import threading

import boto3
from chalice import Chalice

app = Chalice("hanging")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()


def hang():
    print("it hangs", flush=True)
    threading.Event().wait(600)


@app.route("/hang")
def index():
    hang()


@app.on_ws_message()
def message(event):
    hang()


@app.on_ws_disconnect()
def disconnect(event):
    hang()


@app.route("/child")
def child():
    subprocess.run([sys.executable, "-c", "import time; print('it hangs', flush=True); time.sleep(600)"])
"""

TEST = """
import contextlib
import threading

import pytest


def http(gateway):
    gateway.http().get("/hang")


def child(gateway):
    gateway.http().get("/child")


def frame(gateway):
    with gateway.websocket() as ws:
        ws.send_text("hang")
        ws.receive_text()


def disconnect(gateway):
    gateway.websocket().close()
    gateway.settle()


def thread(gateway):
    def ask():
        with contextlib.suppress(OSError):  # the connection is cut
            http(gateway)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join()


def test_it(chalice_gateway):
    WHERE(chalice_gateway)


def test_never_begun():
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("target", ["inprocess", "sockets"])
@pytest.mark.parametrize("where", ["http", "frame", "disconnect", "thread", "child"])
def test_a_hanging_handler_does_not_hold_up_ctrl_c(stranger: Stranger, where: str, target: str) -> None:
    (stranger.root / "app.py").write_text(APP)
    (stranger.root / "test_it.py").write_text(TEST.replace("WHERE", where))
    command = [sys.executable, "-m", "pytest", "-s", "-p", "pytest_sessionplugin.plugin", "-p", "no:cacheprovider"]
    with Fork(
        [*command, f"--sessionplugin-target={target}"],
        cwd=stranger.root,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # as a terminal interrupts all processes of a job
    ) as run:
        try:
            assert run.stdout is not None
            assert any("it hangs" in line for line in run.stdout)
            os.killpg(run.pid, signal.SIGINT)
            asked = time.monotonic()
            output, _ = run.communicate(timeout=60)
            took = time.monotonic() - asked
        finally:
            run.kill()
    assert run.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "KeyboardInterrupt" in output
    assert "NotQuiet" not in output
    assert took < GRACE
