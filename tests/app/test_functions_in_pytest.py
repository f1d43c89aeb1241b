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


JOBS = """
from chalice import Blueprint

jobs = Blueprint(__name__)
lost = Blueprint("reports")  # no such module


@jobs.lambda_function()
def report(event, context):
    jobs.log.info("reporting")
    return jobs.current_app.app_name


@jobs.lambda_function()
def plain(event, context):
    return "plain"


@jobs.route("/in-a-route")
def in_a_route():
    return jobs.current_app.app_name


@jobs.on_ws_message()
def message(event):
    raise AssertionError("never called with one argument")


@lost.lambda_function()
def lost_report(event, context):
    return "here"
"""

ENTRY = """
import functools

from chalice import Chalice, Rate

from chalicelib.clean import clean_token
from chalicelib.jobs import jobs, lost

app = Chalice("chat")
app.experimental_feature_flags.add("WEBSOCKETS")
app.register_blueprint(jobs)
app.register_blueprint(lost)
app.schedule(Rate(3, Rate.DAYS))(clean_token)


@app.middleware("all")
def marked(event, get_response):
    answer = get_response(event)
    return "through middleware: " + answer if isinstance(answer, str) else answer


def _make():
    @app.lambda_function()
    def hidden(event, context):
        return "found"


_make()


def counted(function):
    @functools.wraps(function)
    def count(*arguments):
        return f"counted: {function(*arguments)}"

    return count


@counted
@app.lambda_function()
def decorated(event, context):
    return "decorated"
"""


@pytest.mark.parametrize("target", BOTH)
def test_functions_are_found_as_lambda_finds_them(stranger: Stranger, target: str) -> None:
    (stranger.root / "app.py").write_text(ENTRY)
    (stranger.root / "chalicelib").mkdir()
    (stranger.root / "chalicelib" / "__init__.py").touch()
    (stranger.root / "chalicelib" / "jobs.py").write_text(JOBS)
    (stranger.root / "chalicelib" / "clean.py").write_text("def clean_token(event):\n    return 'cleaned'\n")
    body = """
        import json

        import boto3
        import pytest
        from pytest_sessionplugin import NoHandler, SessionPluginError

        pytestmark = [pytest.mark.filterwarnings("ignore::pytest_sessionplugin.NoHandler")]

        WRONG = {
            "lost_report": (SessionPluginError, "Runtime.ImportModuleError: Unable to import module 'reports': "
                "No module named 'reports'. Chalice takes"),
            "hidden": (SessionPluginError, "Runtime.HandlerNotFound: Handler 'hidden' missing on module 'app'. "),
            "report": (RuntimeError, "Can only access Blueprint.log if it's registered to an app"),
            "clean_token": (TypeError, "clean_token.. takes 1 positional argument but 2 were given"),
        }

        @pytest.mark.parametrize("isolation", ["app", "function"])
        @pytest.mark.parametrize("name", WRONG)
        def test_wrong(request, isolation, name):
            request.applymarker(pytest.mark.chalice(isolation=isolation))
            gateway = request.getfixturevalue("chalice_gateway")
            error, sentence = WRONG[name]
            with pytest.raises(error, match=sentence) as raised:
                gateway.invoke(name, {})
            if name == "clean_token":
                assert "Lambda calls app.clean_token with event and context" in raised.value.__notes__[0]

        @pytest.mark.parametrize("isolation", ["app", "function"])
        def test_right(request, isolation):
            request.applymarker(pytest.mark.chalice(isolation=isolation))
            gateway = request.getfixturevalue("chalice_gateway")
            assert gateway.invoke("decorated", {}) == "counted: through middleware: decorated"
            assert gateway.invoke("plain", {}) == "plain"  # no middleware in a process without app.py
            assert gateway.http().get("/in-a-route").text == "chat"

        def test_callers_get_lambdas_report(chalice_gateway):
            answer = boto3.client("lambda").invoke(FunctionName="chat-dev-hidden")
            report = json.loads(answer["Payload"].read())
            assert answer["FunctionError"] == "Unhandled"
            assert report["errorType"] == "Runtime.HandlerNotFound"
            assert report["errorMessage"] == "Handler 'hidden' missing on module 'app'"

        def test_a_deployment_names_all(recwarn, request):
            request.getfixturevalue("chalice_gateway")
            (warned,) = [each for each in recwarn if each.category is NoHandler]
            for name in ("lost_report", "hidden", "clean_token"):
                assert f"{name}: " in str(warned.message)
            assert "report: Runtime" not in str(warned.message).replace("lost_report: Runtime", "")
            assert "decorated" not in str(warned.message)

        def test_a_websocket_handler_of_a_blueprint(chalice_gateway):
            with chalice_gateway.websocket() as ws:
                ws.send_text("x")
                assert ws.receive_json()["message"] == "Internal server error"
            raise AssertionError("for the trace")
    """
    result = stranger.test(f"--sessionplugin-target={target}", test_it=body)
    result.assert_outcomes(passed=12, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*TypeError: message() takes 1 positional argument but 2 were given",
            "*Chalice wraps no WebSocket handler of a Blueprint: register it on the app.",
        ]
    )
