"""Functions of a stranger's app, on both targets: each sees what Lambda gives it."""

from __future__ import annotations

import json

import pytest

from tests.strangers import CONFIG, Stranger

BOTH = ("inprocess", "sockets")

APP = """
import os

from chalice import Chalice

app = Chalice("chat")
app.experimental_feature_flags.add("WEBSOCKETS")
NAMES = ("WHO", "ONLY", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT")
IMPORTED_WITH = [os.environ.get(name) for name in NAMES[:3]]
seen = []


def values():
    return [os.environ.get(name) for name in NAMES]


@app.route("/")
def index():
    return values()


@app.lambda_function()
def worker(event, context):
    return [IMPORTED_WITH, values()]


@app.on_ws_message()
def message(event):
    assert values()[:3] == ["socket", None, "chat-dev-websocket_message"]


@app.route("/traced")
def traced():
    from aws_xray_sdk.core import xray_recorder

    with xray_recorder.in_subsegment("ip") as segment:
        segment.put_annotation("a", 1)
    return {"trace": os.environ["_X_AMZN_TRACE_ID"], "header": app.current_request.headers["x-amzn-trace-id"]}
"""

FUNCTIONS = {
    "worker": {"environment_variables": {"WHO": "worker", "ONLY": "worker"}},
    "websocket_message": {"environment_variables": {"WHO": "socket"}},
}


@pytest.mark.parametrize("target", BOTH)
def test_each_function_sees_its_variables_and_lambdas(stranger: Stranger, target: str) -> None:
    pytest.importorskip("aws_xray_sdk")
    (stranger.root / "app.py").write_text(APP)
    stages = {"dev": {"environment_variables": {"WHO": "stage"}, "lambda_functions": FUNCTIONS}}
    (stranger.root / ".chalice" / "config.json").write_text(json.dumps({**CONFIG, "stages": stages}))
    body = """
        import os

        import pytest

        ROOT = os.path.dirname(os.path.realpath(__file__))

        def test_together(chalice_gateway):
            assert chalice_gateway.http().get("/").json() == ["stage", None, "chat-dev", ROOT]
            first = ["stage", None, "chat-dev"]
            assert chalice_gateway.invoke("worker", {}) == [first, ["worker", "worker", "chat-dev-worker", ROOT]]
            with chalice_gateway.websocket() as ws:
                ws.send_text("x")
                chalice_gateway.settle()
                ws.receive_nothing()  # a client is told of a handler that raises

        @pytest.mark.chalice(isolation="function")
        def test_each_its_own(chalice_gateway):
            own = ["worker", "worker", "chat-dev-worker"]
            assert chalice_gateway.invoke("worker", {}) == [own, [*own, ROOT]]

        @pytest.mark.chalice(env={"WHO": "test"})
        def test_the_variables_of_a_test_are_for_all(chalice_gateway):
            assert chalice_gateway.http().get("/").json()[0] == "test"
            assert chalice_gateway.invoke("worker", {})[1][0] == "test"

        def test_xray_finds_its_segment(chalice_gateway):
            traced = chalice_gateway.http().get("/traced").json()
            assert traced["trace"].startswith(traced["header"] + ";Parent=")

        def test_outside_of_functions_all_is_as_for_routes(chalice_app):
            assert os.environ["AWS_LAMBDA_FUNCTION_NAME"] == "chat-dev"
    """
    stranger.test(f"--sessionplugin-target={target}", test_it=body).assert_outcomes(passed=5)
