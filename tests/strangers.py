"""A project that knows nothing of this repository, and pytest run in it in a process of its own."""

from __future__ import annotations

import json
import os
from importlib.metadata import entry_points
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

APP = """
import os
import boto3
from chalice import Chalice, Rate

app = Chalice("chat")
app.experimental_feature_flags.add("WEBSOCKETS")
app.websocket_api.session = boto3.session.Session()
table = boto3.resource("dynamodb").Table(os.environ["ROOMS_TABLE"])


@app.route("/rooms/{name}", methods=["GET", "POST"], cors=True)
def room(name):
    if app.current_request.method == "POST":
        app.log.error("somebody enters %s", name)
        table.update_item(
            Key={"name": name}, UpdateExpression="ADD people :one", ExpressionAttributeValues={":one": 1}
        )
    item = table.get_item(Key={"name": name}).get("Item", {})
    return {"people": int(item.get("people", 0)), "greeting": os.environ.get("GREETING")}


@app.route("/bug")
def bug():
    raise ZeroDivisionError("a bug in a route")


@app.route("/push/{connection}", methods=["POST"])
def push(connection):
    app.websocket_api.send(connection, "pushed")
    return {}


@app.on_ws_message()
def message(event):
    if event.body == "bug":
        raise ZeroDivisionError("a bug in a handler")
    app.websocket_api.send(event.connection_id, "echo " + event.body)


@app.schedule(Rate(1, unit=Rate.MINUTES))
def sweep(event):
    app.log.error("swept")
"""

COGNITO = """

from chalice import CognitoUserPoolAuthorizer


@app.route("/pool", authorizer=CognitoUserPoolAuthorizer("people", provider_arns=["arn:aws:cognito-idp:eu:1:x"]))
def pool():
    return {}
"""

CONFIG = {
    "version": "2.0",
    "app_name": "chat",
    "lambda_timeout": 20,
    "environment_variables": {"GREETING": "hello", "EVERYWHERE": "yes"},
    "stages": {"dev": {}, "prod": {"environment_variables": {"GREETING": "good day"}, "api_gateway_stage": "v1"}},
}

TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "TableName": {"Fn::Sub": "rooms-${AWS::Region}"},
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{"AttributeName": "name", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
        "TimeToLiveSpecification": {"AttributeName": "purgeAt", "Enabled": True},
    },
}

PYPROJECT = """
[tool.pytest.ini_options]
filterwarnings = ["error"]
addopts = ["--strict-markers"]

[tool.sessionplugin.env]
ROOMS_TABLE = "{table:Rooms}"
"""


def write_project(root: Path, app: str = APP, pyproject: str = PYPROJECT) -> Path:
    (root / ".chalice").mkdir(parents=True, exist_ok=True)
    (root / "app.py").write_text(app)
    (root / "pyproject.toml").write_text(pyproject)
    (root / ".chalice" / "config.json").write_text(json.dumps(CONFIG))
    (root / ".chalice" / "resources.json").write_text(json.dumps({"Resources": {"Rooms": TABLE}}))
    return root


class Stranger:
    """A project in a folder, and pytest run there in a process of its own."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self._pytester = pytester
        self._monkeypatch = monkeypatch
        for name in os.environ:
            if name.startswith(("SESSIONPLUGIN_", "AWS_", "PYTEST_")):
                monkeypatch.delenv(name)
        path = os.environ.get("PYTHONPATH")
        monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY}{os.pathsep}{path}" if path else f"{REPOSITORY}")
        self.root = write_project(pytester.path)

    def test(self, *arguments: str, **files: str) -> pytest.RunResult:
        """Runs pytest with these test files; the plugin is there as it is for this session."""
        if files:
            self._pytester.makepyfile(**files)
        # Plugins that a machine happens to have are not what is tested, and cost half a second.
        self._monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        installed = bool(entry_points(group="pytest11", name="sessionplugin"))
        plugin = "sessionplugin" if installed else "pytest_sessionplugin.plugin"
        return self.pytest("-p", plugin, *arguments)

    def pytest(self, *arguments: str) -> pytest.RunResult:
        return self._pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments, timeout=60)
