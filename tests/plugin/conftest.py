"""A stranger's project, and a pytest of its own to run in it: what is said of a process needs a process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

from pytest_sessionplugin.project import Project

REPOSITORY = Path(__file__).parent.parent.parent

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


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(write_project(tmp_path))


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


@pytest.fixture
def stranger(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Stranger:
    return Stranger(pytester, monkeypatch)


@pytest.fixture(params=[["place", "id"], ["place"]], ids=["with a sort key", "without"])
def moto_table(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A table of moto's own, `things`, with its key of `place` and perhaps `id`; no part of the plugin is open."""
    import boto3
    from moto import mock_aws

    names: list[str] = request.param
    with mock_aws():
        dynamodb: Any = boto3.resource("dynamodb", region_name="us-east-1")
        yield dynamodb.create_table(
            TableName="things",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[{"AttributeName": n, "KeyType": k} for n, k in zip(names, ("HASH", "RANGE"), strict=False)],
        )
