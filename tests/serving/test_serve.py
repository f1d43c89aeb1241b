"""`serve` over a longer time: events that wait through a reload, what is left in threads, and how it is ended."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.test_reload import PATIENCE, Serving
from tests.strangers import write_project

pytest.importorskip("h11")
pytest.importorskip("websockets")

pytestmark = pytest.mark.process

APP = """
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
from chalice import Chalice, Rate

app = Chalice("chat")
pool, gate = ThreadPoolExecutor(4), threading.Event()


def wait():
    gate.wait(60)


@app.route("/order", methods=["POST"])
def order():
    boto3.client("lambda").invoke(FunctionName="chat-dev-work", InvocationType="Event", Payload="{}")


@app.lambda_function()
def work(event, context):
    raise ValueError("version 1")


@app.route("/pool", methods=["POST"])
def in_pool():
    return {"sum": sum(pool.map(abs, range(20)))}


@app.route("/left", methods=["POST"])
def left():
    threading.Thread(target=wait, name="forgotten", daemon=True).start()


@app.route("/child/{name}", methods=["POST"])
def child(name):
    call = f"import boto3; boto3.client('sqs').create_queue(QueueName={name!r})"
    queues = boto3.client("sqs").list_queues
    return {"exit": subprocess.run([sys.executable, "-c", call]).returncode, "queues": len(queues()["QueueUrls"])}


@app.route("/open", methods=["POST"])
def let_go():
    gate.set()
"""


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    started = Serving(write_project(tmp_path, APP), "--control-port", "0")
    yield started
    status = started.process.poll()
    started.close()
    assert status in (None, 0), started.rest()  # a server that ended by itself says why


def advance(serving: Serving, seconds: float) -> None:
    body = json.dumps({"advance": seconds}).encode()
    with urllib.request.urlopen(f"{serving.up['control']}/clock", body, timeout=PATIENCE) as answer:  # noqa: S310
        assert answer.status == 200


def test_an_event_that_failed_is_given_to_the_function_of_the_new_app(serving: Serving) -> None:
    assert serving.get("/order", method="POST")[0] == 200
    assert "work failed:" in serving.said("work failed at attempt 1; the next one in 60 seconds.")
    serving.write(app=APP.replace("version 1", "version 2"))
    advance(serving, 61)
    assert "ValueError: version 2" in serving.said("work failed at attempt 2; the next one in 120 seconds.")
    advance(serving, 121)
    assert "ValueError: version 2" in serving.said("work failed at attempt 3, the last one: its event is dropped.")


def test_an_event_whose_function_is_gone_is_dropped_and_others_are_not(serving: Serving) -> None:
    assert serving.get("/order", method="POST")[0] == 200
    serving.said("the next one in 60 seconds.")
    other = APP.replace("def work", "def toil").replace("chat-dev-work", "chat-dev-toil")
    assert "new: toil; gone: work." in serving.write(app=other)
    advance(serving, 61)
    assert serving.said("dropped.") == "sessionplugin: work is gone before attempt 2: its event is dropped.\n"
    assert serving.get("/order", method="POST")[0] == 200
    serving.said("toil failed at attempt 1")
    advance(serving, 61)
    serving.said("toil failed at attempt 2")


def test_what_is_left_in_a_thread_is_told_once_and_an_idle_pool_is_not(serving: Serving) -> None:
    """Nor is either because of a reload, which takes neither with it."""
    for version in ("2", "3"):
        assert serving.get("/pool", method="POST") == (200, {"sum": 190})
        assert serving.write(app=APP + f"\nVERSION = {version}\n").startswith("sessionplugin: app.py changed: reloaded")
    assert serving.get("/left", method="POST")[0] == 200
    told = serving.said("or result().\n")
    assert told.startswith("sessionplugin: the thread 'forgotten' still runs, in wait (app.py:15), after api_handler ")
    serving.write(app=APP)
    assert serving.get("/pool", method="POST") == (200, {"sum": 190})
    assert serving.end() == 0
    assert serving.rest() == ""


def test_children_of_handlers_reach_the_account_of_the_served_app(serving: Serving) -> None:
    assert serving.get("/child/first", method="POST") == (200, {"exit": 0, "queues": 1})
    assert serving.get("/child/second", method="POST") == (200, {"exit": 0, "queues": 2})


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_an_app_that_hangs_while_it_is_reloaded_is_interrupted(serving: Serving, by: signal.Signals) -> None:
    (serving.root / "app.py").write_text(f"{APP}\nprint('hangs', flush=True)\nthreading.Event().wait(600)\n")
    serving.said("hangs")
    assert serving.end(by) == 0
    assert serving.rest() == ""
