"""`POST /reset` at the control port: a served app as after its start, for the next test of any language."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import forks
from tests.serving.test_control import PATIENCE, Up, environment, serving
from tests.strangers import PYPROJECT, write_project

pytest.importorskip("h11")
pytest.importorskip("websockets")

pytestmark = pytest.mark.process

APP = """
import json
import os
import subprocess
import sys
import threading

import boto3
from chalice import Chalice

app = Chalice("chat")
app.experimental_feature_flags.update(["WEBSOCKETS"])
app.websocket_api.session = boto3.Session()
rooms = boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"])
boto3.client("ssm").put_parameter(Name="/greeting", Value="hello", Type="String", Overwrite=True)
log, gate = [], threading.Event()


@app.on_sqs_message(queue="audit")
def audit(event):
    pass


@app.lambda_function()
def work(event, context):
    log.append("work")
    raise ValueError("no work is ever done")


@app.route("/all")
def everything():
    url = boto3.client("sqs").get_queue_url(QueueName="audit")["QueueUrl"]
    waiting = boto3.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    s3 = boto3.client("s3")
    buckets = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    return {
        "rooms": sorted(row["name"] for row in rooms.scan()["Items"]),
        "messages": int(waiting["Attributes"]["ApproximateNumberOfMessages"]),
        "objects": {each: s3.list_objects_v2(Bucket=each)["KeyCount"] for each in buckets},
        "greeting": boto3.client("ssm").get_parameter(Name="/greeting")["Parameter"]["Value"],
    }


@app.route("/change", methods=["POST"])
def change():
    rooms.put_item(Item={"name": "attic"})
    rooms.delete_item(Key={"name": "lobby"})
    sqs, s3, ssm = boto3.client("sqs"), boto3.client("s3"), boto3.client("ssm")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName="audit")["QueueUrl"], MessageBody="hi")
    s3.create_bucket(Bucket="mine")
    for bucket in ("mine", "files"):
        s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    ssm.put_parameter(Name="/greeting", Value="good day", Type="String", Overwrite=True)
    boto3.client("lambda").invoke(FunctionName="chat-dev-work", InvocationType="Event", Payload="{}")


@app.route("/log")
def read_log():
    return {"log": log}


@app.route("/hold")
def hold():
    gate.wait(60)


@app.route("/go", methods=["POST"])
def go():
    gate.set()


@app.on_ws_connect()
def enter(event):
    rooms.put_item(Item={"name": "connection"})


@app.on_ws_message()
def message(event):
    app.websocket_api.send(event.connection_id, event.body)


@app.on_ws_disconnect()
def leave(event):
    log.append("disconnect %s" % event.to_dict()["requestContext"]["disconnectStatusCode"])
    rooms.put_item(Item={"name": "left"})
"""

SEED = """
import os

import boto3


def seed():
    boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"]).put_item(Item={"name": "lobby"})
    boto3.client("s3").create_bucket(Bucket="files")
"""

FIRST = {"rooms": ["lobby"], "messages": 0, "objects": {"files": 0}, "greeting": "hello"}


def written(root: Path) -> Path:
    write_project(root, APP, f'{PYPROJECT}\n[tool.sessionplugin]\nseed = "seed.py"\n')
    (root / "seed.py").write_text(SEED)
    return root


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with serving(written(tmp_path_factory.mktemp("reset")), "--control-port", "0") as started:
        yield started


def everything(up: Up) -> Any:
    return up.http("GET", "/all")[1]


def reset(up: Up) -> None:
    status, answer = up.ask("POST", "/reset")
    assert (status, list(answer)) == (200, ["now"])


def test_tables_queues_buckets_and_parameters_are_as_after_the_start_each_time(up: Up) -> None:
    for _ in range(2):
        assert everything(up) == FIRST
        assert up.http("POST", "/change")[0] == 200
        changed = {"rooms": ["attic"], "messages": 1, "objects": {"files": 1, "mine": 1}, "greeting": "good day"}
        assert everything(up) == changed
        reset(up)
    assert everything(up) == FIRST


def test_sockets_are_closed_and_their_disconnect_has_run_before(up: Up) -> None:
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect

    with connect(up.said["websocket"]) as client:
        assert "connection" in everything(up)["rooms"]
        reset(up)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(PATIENCE)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert up.log[-1] == "disconnect 1001"
    assert everything(up) == FIRST
    assert up.ask("GET", "/state")[1]["known"] == 0


def test_retries_and_faults_are_gone(up: Up) -> None:
    up.http("POST", "/change")
    assert up.ask("POST", "/settle")[0] == 200
    attempts = up.log.count("work")
    up.fault("throttled", "dynamodb:Scan")
    assert up.http("GET", "/all")[0] == 500
    reset(up)
    assert everything(up) == FIRST
    up.clock(advance=200)
    assert up.log.count("work") == attempts


def test_nothing_is_reset_while_a_handler_runs_and_it_is_named(up: Up) -> None:
    holding = threading.Thread(target=up.http, args=("GET", "/hold"))
    holding.start()
    up.http("POST", "/change")
    while up.ask("POST", "/settle", {"seconds": 0})[1].get("running") != ["api_handler"]:
        assert holding.is_alive()
    status, answer = up.ask("POST", "/reset", {"seconds": 0})
    assert (status, answer["running"]) == (504, ["api_handler"])
    assert everything(up)["rooms"] == ["attic"]
    up.http("POST", "/go")
    holding.join(PATIENCE)
    reset(up)
    assert everything(up) == FIRST


def test_a_misspelt_field_is_a_sentence(up: Up) -> None:
    assert up.ask("POST", "/reset", {"tables": 1}) == (400, {"error": "tables is not known here; there is: seconds."})


def test_after_a_reload_it_is_the_start_of_the_new_version(tmp_path: Path) -> None:
    with serving(written(tmp_path), "--control-port", "0", "--reload") as up:
        (tmp_path / "seed.py").write_text(SEED.replace("lobby", "cellar"))
        (tmp_path / "app.py").write_text(APP.replace("hello", "salut").replace("/all", "/everything"))
        while up.http("GET", "/everything")[0] == 403:
            assert up.ask("GET", "/state")[0] == 200
        up.http("POST", "/change")
        reset(up)
        assert up.http("GET", "/everything")[1] == {**FIRST, "rooms": ["cellar"], "greeting": "salut"}


def test_a_seed_that_fails_is_a_sentence_and_the_next_reset_mends_it(tmp_path: Path) -> None:
    with serving(written(tmp_path), "--control-port", "0") as up:
        (tmp_path / "seed.py").write_text("def seed():\n    raise ValueError('no seed')\n")
        status, answer = up.ask("POST", "/reset")
        assert (status, "its seed() raised ValueError: no seed" in answer["error"]) == (400, True)
        (tmp_path / "seed.py").write_text(SEED)
        reset(up)
        assert everything(up) == FIRST


CONFTEST = """
import urllib.request

import pytest


@pytest.fixture(autouse=True)
def as_after_the_start():
    urllib.request.urlopen("CONTROL/reset", b"").close()
"""

TEST = """
import pytest


@pytest.mark.parametrize("time", [1, 2])
def test_each_starts_from_the_same_rows(chalice_gateway, time):
    http = chalice_gateway.http()
    assert http.get("/all").json()["rooms"] == ["lobby"]
    assert http.post("/change").status_code == 200
    with chalice_gateway.websocket() as ws:
        ws.send_text("hi")
        assert ws.receive_text() == "hi"
"""


def test_tests_of_a_served_app_start_from_the_same_tables_in_each_run(up: Up, tmp_path: Path) -> None:
    root = written(tmp_path)
    (root / "conftest.py").write_text(CONFTEST.replace("CONTROL", up.said["control"]))
    (root / "test_served.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command.append(f"--sessionplugin-target={up.said['http']},{up.said['websocket']}")
    for _ in range(2):
        run = forks.run(command, cwd=root, env=environment(), timeout=PATIENCE)
        assert "2 passed" in run.stdout, run.stdout + run.stderr
